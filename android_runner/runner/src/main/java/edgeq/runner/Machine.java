package edgeq.runner;

import java.util.Map;

/** What only the platform can tell of the process and the device. */
public interface Machine {
    /** Bytes of native heap in use. */
    long nativeHeap();

    /** Bytes of the process's proportional set, or null when the platform does not tell. */
    Long pss();

    /** Nanoseconds of CPU time of the calling thread. */
    long threadCpuTime();

    /** Facts of the app and the device now, for the result's {@code app}: values that {@link Json} writes. */
    Map<String, Object> facts();

    /** Ends the process at once. */
    void die();
}
