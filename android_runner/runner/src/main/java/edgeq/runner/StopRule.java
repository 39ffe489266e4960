package edgeq.runner;

/** When the measured phase ends: as measure.cpp. */
final class StopRule {
    private final Job job;

    StopRule(Job job) {
        this.job = job;
    }

    /**
     * "agreement", "iterations" or "seconds", or null to go on. Agreement needs the least iterations and seconds; the
     * most seconds end the phase even before the least iterations.
     */
    String decide(Ticks values, long elapsed) {
        boolean enough = values.size() >= job.leastIterations && elapsed >= Pace.nanoseconds(job.leastSeconds);
        if (enough && agree(values)) {
            return "agreement";
        }
        if (values.size() >= job.mostIterations) {
            return "iterations";
        }
        return elapsed >= Pace.nanoseconds(job.mostSeconds) ? "seconds" : null;
    }

    private boolean agree(Ticks values) {
        if (job.agreement == null || values.size() < job.agreement.window) {
            return false;
        }
        int window = job.agreement.window;
        double median = values.median(values.size() - window, values.size());
        return values.range(window) <= job.agreement.spread * median;
    }
}
