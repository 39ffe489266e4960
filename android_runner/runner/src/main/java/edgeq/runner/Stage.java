package edgeq.runner;

/** Where the one job of this process is; the watchdog reads it from another thread. */
public final class Stage {
    private static volatile String current = "job";

    private Stage() {}

    static void enter(String name) {
        current = name;
    }

    static String current() {
        return current;
    }
}
