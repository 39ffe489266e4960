package edgeq.runner;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.LinkedHashMap;
import java.util.Map;

/** What Linux tells of a process, without Android: a desktop's. Its heap is all data, Java's too. */
class DesktopMachine implements Machine {
    @Override
    public long nativeHeap() {
        for (String line : read("/proc/self/status").split("\n")) {
            if (line.startsWith("VmData:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        throw new IllegalStateException("no VmData in /proc/self/status");
    }

    @Override
    public Long pss() {
        return null;
    }

    /** The first number is the time on a processor (Linux, Documentation/scheduler/sched-stats). */
    @Override
    public long threadCpuTime() {
        return Long.parseLong(read("/proc/thread-self/schedstat").split(" ")[0]);
    }

    @Override
    public Map<String, Object> facts() {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("time", System.nanoTime());
        facts.put("thermal_status", null);
        return facts;
    }

    @Override
    public void die() {
        Runtime.getRuntime().halt(1);
    }

    private static String read(String path) {
        try {
            return new String(Files.readAllBytes(Paths.get(path)), StandardCharsets.US_ASCII);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
