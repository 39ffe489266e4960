package edgeq.runner;

/** When the next inference may start. */
final class Pace {
    // Below the largest long.
    private static final double MOST = 9e18;

    private final Clock clock;
    private final long interval;
    private final long pause;
    private final long began;

    Pace(Job job, Clock clock) {
        this.clock = clock;
        interval = job.rate > 0 ? nanoseconds(1 / job.rate) : 0;
        pause = nanoseconds(job.pause);
        began = clock.now();
    }

    /** Sleeps until request {@code number} is due; returns at once when it is late. */
    void await(int number) {
        if (number == 0 || (interval == 0 && pause == 0)) {
            return;
        }
        clock.sleepUntil(interval > 0 ? began + number * interval : clock.now() + pause);
    }

    static long nanoseconds(double seconds) {
        return (long) Math.min(seconds * 1e9, MOST);
    }
}
