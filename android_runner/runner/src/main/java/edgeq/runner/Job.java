package edgeq.runner;

import java.util.List;

/** The job document; edgeq/runner/job.py says what its fields mean, {@link JobReader} reads it. */
final class Job {
    /** A window of values and how far apart they may lie. */
    static final class Rule {
        final int window;
        final double spread;

        Rule(int window, double spread) {
            this.window = window;
            this.spread = spread;
        }
    }

    /** Files that are read together. */
    static final class Sensor {
        List<String> files;
        /** Bytes that are enough of each file; 0 for all. */
        int room;
        /** Intervals from one reading to the next. */
        int every = 1;
    }

    /** Sensors to read on the way. */
    static final class Sampling {
        double interval;
        double idleBefore;
        double idleAfter;
        List<Sensor> sensors;
    }

    String pass;
    String program;
    String inputs;
    String method = "forward";
    /** Where to write outputs; null in a pass that writes none. */
    String outputs;
    int threads = 1;
    int warmup = 2;
    double leastWarmupSeconds = 0;
    double mostWarmupSeconds = 60;
    Rule steady;
    int leastIterations = 1;
    int mostIterations = 1;
    double leastSeconds = 0;
    double mostSeconds = 60;
    Rule agreement;
    /** Requests a second; 0 for the next one at once. */
    double rate;
    /** Seconds between the end of one and the start of the next. */
    double pause;
    Sampling sampling;
    int deadline = 600;
    /** Why an app cannot do this job, or null; a job is read whole before it is refused. */
    String unsupported;
}
