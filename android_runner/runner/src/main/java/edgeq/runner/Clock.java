package edgeq.runner;

import java.util.concurrent.locks.LockSupport;

/** The monotonic clock in nanoseconds. */
public interface Clock {
    long now();

    /** Sleeps until that time of {@link #now}, or not at all. */
    void sleepUntil(long due);

    /** CLOCK_MONOTONIC: what System.nanoTime reads on Android (libcore, System.c) and on Linux. */
    Clock MONOTONIC =
            new Clock() {
                @Override
                public long now() {
                    return System.nanoTime();
                }

                @Override
                public void sleepUntil(long due) {
                    for (long left = due - now(); left > 0; left = due - now()) {
                        LockSupport.parkNanos(left);
                    }
                }
            };
}
