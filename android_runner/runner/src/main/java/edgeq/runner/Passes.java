package edgeq.runner;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The passes that an app can do, latency, memory and outputs; in the steps of the native runner's. */
final class Passes {
    private static final int EMPTY_TIMES = 101;

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
            } else if (job.pass.equals("memory")) {
                settle();
            } else {
                keepOutputs();
            }
        } finally {
            samples.close();
        }
        takeMemory("done");
        result.app.put("after", machine.facts());
    }

    private void load() throws Failure {
        result.samples = samples.size();
        takeMemory("start");
        Stage.enter("load");
        long start = clock.now();
        program.load(job.program, job.threads);
        times.put("load", clock.now() - start);
        takeMemory("loaded");
        Stage.enter("init");
        start = clock.now();
        program.init(job.method);
        times.put("init", clock.now() - start);
        takeMemory("initialized");
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

    /** Only the memory pass asks for the proportional set: reading that takes milliseconds. */
    private void takeMemory(String stage) {
        result.memory.take(stage, job.pass.equals("memory"));
    }

    /** Nothing but what a user's app would do: two inferences. */
    private void settle() throws Failure {
        times.put("first", infer("first", 0));
        takeMemory("first");
        infer("measured", 1);
        result.times = times;
    }

    /** What is in each of the times besides the inference: readings of the clock around a call that does nothing. */
    private Ticks timeNothing() {
        Stage.enter("empty");
        Runnable nothing =
                new Runnable() {
                    @Override
                    public void run() {}
                };
        Ticks durations = new Ticks();
        while (durations.size() < EMPTY_TIMES) {
            long start = clock.now();
            nothing.run();
            durations.add(clock.now() - start);
        }
        return durations;
    }

    private void measure() throws Failure {
        times.put("empty", timeNothing());
        times.put("first", infer("first", 0));
        takeMemory("first");
        result.times = times; // filled from here on: a pass that fails keeps what it has
        Sampler sampler = job.sampling == null ? null : new Sampler(job.sampling, clock, machine);
        try {
            rest(sampler, true);
            warmUp();
            takeMeasured();
            rest(sampler, false);
        } finally {
            result.sampled = sampler == null ? null : sampler.finish();
        }
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
        takeMemory("first");
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
