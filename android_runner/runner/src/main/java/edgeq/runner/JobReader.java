package edgeq.runner;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** Reads the job document; what it refuses, and in which words, is as in job.cpp. */
final class JobReader {
    private static final long SCHEMA = 1;
    private static final int MOST_THREADS = 1024;
    private static final int MOST_COUNT = 1_000_000_000;
    private static final int MOST_DEADLINE = 30 * 24 * 3600;
    private static final int MOST_TEXTS = 64;
    private static final double LEAST_INTERVAL = 0.001;
    private static final double MOST_INTERVAL = 3600;
    private static final List<String> KEYS =
            Arrays.asList(
                    "schema", "pass", "program", "inputs", "method", "outputs", "etdump", "threads", "cpus", "warmup",
                    "warmup_seconds", "steady", "iterations", "seconds", "agreement", "rate", "pause", "sampling",
                    "deadline");

    private final Map<String, Object> document;
    private final Job job = new Job();

    private JobReader(Map<String, Object> document) {
        this.document = document;
    }

    static Job read(String path) throws BadJob {
        Object document;
        try {
            document = Json.parse(Files.readAllBytes(Paths.get(path)));
        } catch (IOException error) {
            throw new BadJob("cannot open job file " + path + ": " + error.getMessage());
        } catch (Json.Malformed error) {
            throw new BadJob("job file " + path + " is not JSON: " + error.getMessage());
        }
        if (!(document instanceof Map)) {
            throw new BadJob("job file " + path + " holds no object");
        }
        return new JobReader(asObject(document)).read();
    }

    private Job read() throws BadJob {
        checkKeys(document, "", KEYS);
        if (!Long.valueOf(SCHEMA).equals(need(document, "schema"))) {
            throw bad("schema", "this runner reads " + SCHEMA + ", got " + Json.write(document.get("schema")));
        }
        readPass();
        job.program = text(need(document, "program"), "program");
        job.inputs = text(need(document, "inputs"), "inputs");
        if (document.containsKey("method")) {
            job.method = text(document.get("method"), "method");
        }
        readBounds();
        job.agreement = readRule("agreement", 2);
        job.steady = readRule("steady", 1);
        job.rate = optionalNumber("rate");
        job.pause = optionalNumber("pause");
        if (job.rate > 0 && job.pause > 0) {
            throw bad("pause", "a fixed rate leaves no pause to choose");
        }
        readSampling();
        readMachine();
        return job;
    }

    private void readPass() throws BadJob {
        job.pass = text(need(document, "pass"), "pass");
        if (!Arrays.asList("latency", "memory", "outputs", "operators").contains(job.pass)) {
            throw bad("pass", "expected latency, memory, outputs or operators, got '" + job.pass + "'");
        }
        job.outputs = optionalPath("outputs", "outputs");
        optionalPath("etdump", "operators");
        if (job.pass.equals("operators")) {
            job.unsupported = "ExecuTorch's Java library gives no event trace";
        }
    }

    private String optionalPath(String key, String neededBy) throws BadJob {
        if (document.get(key) != null) {
            return text(document.get(key), key);
        }
        if (job.pass.equals(neededBy)) {
            throw bad(key, "the " + job.pass + " pass needs it");
        }
        return null;
    }

    private void readBounds() throws BadJob {
        if (document.containsKey("iterations")) {
            List<?> bounds = pair(document.get("iterations"), "iterations");
            job.leastIterations = integer(bounds.get(0), "iterations", 1, MOST_COUNT);
            job.mostIterations = integer(bounds.get(1), "iterations", 1, MOST_COUNT);
        }
        if (job.leastIterations > job.mostIterations) {
            throw bad("iterations", "the least is above the most");
        }
        double[] seconds = readSpan("seconds", job.leastSeconds, job.mostSeconds);
        job.leastSeconds = seconds[0];
        job.mostSeconds = seconds[1];
        double[] warmup = readSpan("warmup_seconds", job.leastWarmupSeconds, job.mostWarmupSeconds);
        job.leastWarmupSeconds = warmup[0];
        job.mostWarmupSeconds = warmup[1];
    }

    private double[] readSpan(String key, double least, double most) throws BadJob {
        if (!document.containsKey(key)) {
            return new double[] {least, most};
        }
        List<?> bounds = pair(document.get(key), key);
        double[] span = {number(bounds.get(0), key), number(bounds.get(1), key)};
        if (span[0] > span[1]) {
            throw bad(key, "the least is above the most");
        }
        return span;
    }

    private Job.Rule readRule(String key, int leastWindow) throws BadJob {
        if (document.get(key) == null) {
            return null;
        }
        Map<String, Object> rule = object(document.get(key), key);
        checkKeys(rule, key + ".", Arrays.asList("window", "spread"));
        return new Job.Rule(
                integer(need(rule, "window"), key + ".window", leastWindow, MOST_COUNT),
                number(need(rule, "spread"), key + ".spread"));
    }

    private void readSampling() throws BadJob {
        if (document.get("sampling") == null) {
            return;
        }
        Map<String, Object> plan = object(document.get("sampling"), "sampling");
        if (!job.pass.equals("latency")) {
            throw bad("sampling", "only the latency pass samples");
        }
        checkKeys(plan, "sampling.", Arrays.asList("interval", "cpu", "idle", "sensors"));
        Job.Sampling sampling = new Job.Sampling();
        sampling.interval = number(need(plan, "interval"), "sampling.interval");
        if (sampling.interval < LEAST_INTERVAL || sampling.interval > MOST_INTERVAL) {
            throw bad("sampling.interval", "expected seconds from 0.001 to 3600");
        }
        if (plan.get("cpu") != null) {
            integer(plan.get("cpu"), "sampling.cpu", 0, MOST_THREADS - 1);
            job.unsupported = "an app cannot choose the cores of its threads (sampling.cpu)";
        }
        if (plan.containsKey("idle")) {
            List<?> idle = pair(plan.get("idle"), "sampling.idle");
            sampling.idleBefore = number(idle.get(0), "sampling.idle");
            sampling.idleAfter = number(idle.get(1), "sampling.idle");
        }
        List<?> sensors = list(need(plan, "sensors"), "sampling.sensors");
        sampling.sensors = new ArrayList<>();
        for (Object sensor : sensors) {
            sampling.sensors.add(readSensor(sensor));
        }
        job.sampling = sampling;
    }

    private Job.Sensor readSensor(Object value) throws BadJob {
        Map<String, Object> sensor = object(value, "sampling.sensors");
        checkKeys(sensor, "sampling.sensors.", Arrays.asList("files", "command", "room", "every"));
        Job.Sensor read = new Job.Sensor();
        read.files = readTexts(sensor, "files");
        List<String> command = readTexts(sensor, "command");
        if (read.files.isEmpty() == command.isEmpty()) {
            throw bad("sampling.sensors", "each needs either files or a command");
        }
        if (!command.isEmpty()) {
            job.unsupported = "an app runs no commands beside its inferences: it cannot tell what they cost";
        }
        if (sensor.get("room") != null) {
            read.room = integer(sensor.get("room"), "sampling.sensors.room", 1, MOST_COUNT);
        }
        if (sensor.containsKey("every")) {
            read.every = integer(sensor.get("every"), "sampling.sensors.every", 1, MOST_COUNT);
        }
        return read;
    }

    private static List<String> readTexts(Map<String, Object> sensor, String key) throws BadJob {
        if (!sensor.containsKey(key)) {
            return Collections.emptyList();
        }
        List<String> texts = new ArrayList<>();
        for (Object each : list(sensor.get(key), "sampling.sensors." + key)) {
            texts.add(text(each, "sampling.sensors." + key));
        }
        return texts;
    }

    private void readMachine() throws BadJob {
        job.threads = optionalInteger("threads", 1, MOST_THREADS, job.threads);
        job.warmup = optionalInteger("warmup", 0, MOST_COUNT, job.warmup);
        job.deadline = optionalInteger("deadline", 1, MOST_DEADLINE, job.deadline);
        if (!document.containsKey("cpus")) {
            return;
        }
        for (Object cpu : list(document.get("cpus"), "cpus")) {
            integer(cpu, "cpus", 0, MOST_THREADS - 1);
            job.unsupported = "an app cannot choose the cores of its threads (cpus)";
        }
    }

    private int optionalInteger(String key, int least, int most, int fallback) throws BadJob {
        return document.containsKey(key) ? integer(document.get(key), key, least, most) : fallback;
    }

    private double optionalNumber(String key) throws BadJob {
        return document.get(key) == null ? 0 : number(document.get(key), key);
    }

    private static void checkKeys(Map<String, Object> object, String where, List<String> known) throws BadJob {
        for (String key : object.keySet()) {
            if (!known.contains(key)) {
                String names = known.toString();
                names = names.substring(1, names.length() - 1);
                throw new BadJob("unknown job key '" + where + key + "'; the keys are " + names);
            }
        }
    }

    private static Object need(Map<String, Object> object, String key) throws BadJob {
        if (!object.containsKey(key)) {
            throw new BadJob("job key '" + key + "' is missing");
        }
        return object.get(key);
    }

    private static String text(Object value, String key) throws BadJob {
        if (!(value instanceof String) || ((String) value).isEmpty()) {
            throw bad(key, "expected a text that is not empty, got " + shown(value));
        }
        return (String) value;
    }

    private static int integer(Object value, String key, int least, int most) throws BadJob {
        if (!(value instanceof Long) || (Long) value < least || (Long) value > most) {
            throw bad(key, "expected an integer from " + least + " to " + most + ", got " + shown(value));
        }
        return ((Long) value).intValue();
    }

    private static double number(Object value, String key) throws BadJob {
        if (!(value instanceof Number) || ((Number) value).doubleValue() < 0) {
            throw bad(key, "expected a number that is not negative, got " + shown(value));
        }
        return ((Number) value).doubleValue();
    }

    private static List<?> pair(Object value, String key) throws BadJob {
        if (!(value instanceof List) || ((List<?>) value).size() != 2) {
            throw bad(key, "expected a list of two, got " + shown(value));
        }
        return (List<?>) value;
    }

    private static List<?> list(Object value, String key) throws BadJob {
        if (!(value instanceof List) || ((List<?>) value).size() > MOST_TEXTS) {
            throw bad(key, "expected a list of at most " + MOST_TEXTS + ", got " + shown(value));
        }
        return (List<?>) value;
    }

    private static Map<String, Object> object(Object value, String key) throws BadJob {
        if (!(value instanceof Map)) {
            throw bad(key, "expected an object, got " + shown(value));
        }
        return asObject(value);
    }

    @SuppressWarnings("unchecked") // Json makes no other maps
    private static Map<String, Object> asObject(Object value) {
        return (Map<String, Object>) value;
    }

    private static String shown(Object value) {
        return value instanceof Double ? value.toString() : value instanceof Map ? "an object" : Json.write(value);
    }

    private static BadJob bad(String key, String problem) {
        return new BadJob("job key '" + key + "': " + problem);
    }
}
