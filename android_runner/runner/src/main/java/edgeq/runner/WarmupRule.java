package edgeq.runner;

/** When the warm-up ends: as measure.cpp. */
final class WarmupRule {
    private final Job job;

    WarmupRule(Job job) {
        this.job = job;
    }

    /**
     * As {@link StopRule#decide}, also before the first value: "steady" or, without that rule, "count" once there are
     * the least inferences and seconds; "seconds" when it became too long.
     */
    String decide(Ticks values, long elapsed) {
        boolean enough = values.size() >= job.warmup && elapsed >= Pace.nanoseconds(job.leastWarmupSeconds);
        if (enough && isSteady(values)) {
            return job.steady == null ? "count" : "steady";
        }
        return elapsed >= Pace.nanoseconds(job.mostWarmupSeconds) ? "seconds" : null;
    }

    private boolean isSteady(Ticks values) {
        if (job.steady == null) {
            return true;
        }
        int window = job.steady.window;
        if (values.size() < 2L * window) {
            return false;
        }
        int middle = values.size() - window;
        double before = values.median(middle - window, middle);
        return Math.abs(values.median(middle, values.size()) - before) <= job.steady.spread * before;
    }
}
