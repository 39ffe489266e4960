package edgeq.runner;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The two passes that an app can do, latency and outputs; in the steps of the native runner's. */
final class Passes {
    private final Job job;
    private final Program program;
    private final Machine machine;
    private final Clock clock;
    private final Result result;
    private final Map<String, Object> times = new LinkedHashMap<>();
    private Samples samples;
    private long lastStart;

    Passes(Job job, Program program, Machine machine, Clock clock, Result result) {
        this.job = job;
        this.program = program;
        this.machine = machine;
        this.clock = clock;
        this.result = result;
    }

    void run() throws Failure {
        Stage.enter("job");
        if (job.unsupported != null) {
            throw new Failure("NotSupported", job.unsupported);
        }
        result.app.put("before", machine.facts());
        Stage.enter("input");
        samples = new Samples(job.inputs);
        try {
            load();
            if (job.pass.equals("latency")) {
                measure();
            } else {
                keepOutputs();
            }
        } finally {
            samples.close();
        }
        result.memory.take("done");
        result.app.put("after", machine.facts());
    }

    private void load() throws Failure {
        result.samples = samples.size();
        result.memory.take("start");
        Stage.enter("load");
        long start = clock.now();
        program.load(job.program, job.threads);
        times.put("load", clock.now() - start);
        result.memory.take("loaded");
        Stage.enter("init");
        start = clock.now();
        program.init(job.method);
        times.put("init", clock.now() - start);
        result.memory.take("initialized");
    }

    /** Runs inference {@code number} on the sample whose turn it is. Only {@code execute} is timed. */
    private long infer(String stage, int number) throws Failure {
        Stage.enter("input");
        program.setInputs(samples.get(number % samples.size()));
        Stage.enter(stage);
        lastStart = clock.now();
        program.execute();
        return clock.now() - lastStart;
    }

    private void measure() throws Failure {
        times.put("first", infer("first", 0));
        result.memory.take("first");
        Sampler sampler = job.sampling == null ? null : new Sampler(job.sampling, clock, machine);
        try {
            rest(sampler, true);
            warmUp();
            takeMeasured();
            rest(sampler, false);
        } finally {
            result.sampled = sampler == null ? null : sampler.finish();
        }
        result.times = times;
    }

    private void rest(Sampler sampler, boolean before) {
        if (sampler != null) {
            sampler.rest(before ? job.sampling.idleBefore : job.sampling.idleAfter);
        }
    }

    /** At the pace of the measured phase: a device that idles between requests warms up less. */
    private void warmUp() throws Failure {
        Ticks values = new Ticks();
        times.put("warmup", values);
        WarmupRule rule = new WarmupRule(job);
        Pace pace = new Pace(job, clock);
        long began = clock.now();
        for (String end = rule.decide(values, 0); ; end = rule.decide(values, clock.now() - began)) {
            if (end != null) {
                result.warmupStoppedBy = end;
                return;
            }
            pace.await(values.size());
            values.add(infer("warmup", values.size()));
        }
    }

    private void takeMeasured() throws Failure {
        Ticks values = new Ticks();
        Ticks starts = new Ticks();
        times.put("measured", values);
        times.put("starts", starts);
        StopRule rule = new StopRule(job);
        Pace pace = new Pace(job, clock);
        long began = clock.now();
        while (result.stoppedBy == null) {
            pace.await(values.size());
            values.add(infer("measured", values.size()));
            starts.add(lastStart);
            result.stoppedBy = rule.decide(values, clock.now() - began);
        }
    }

    private void keepOutputs() throws Failure {
        infer("first", 0);
        result.memory.take("first");
        Stage.enter("outputs");
        List<Tensor> outputs = program.outputs();
        int dimensions = 0;
        for (Tensor output : outputs) {
            dimensions = Math.max(dimensions, output.shape.length);
        }
        try (SafetensorsWriter writer =
                new SafetensorsWriter(job.outputs, outputs.size() * samples.size(), dimensions)) {
            for (int sample = 0; sample < samples.size(); sample++) {
                if (sample > 0) {
                    infer("outputs", sample);
                    Stage.enter("outputs");
                    outputs = program.outputs();
                }
                for (int index = 0; index < outputs.size(); index++) {
                    writer.add(sample + "." + index, outputs.get(index));
                }
            }
            writer.commit();
        }
    }
}
