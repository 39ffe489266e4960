package edgeq.runner;

import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a desktop Java can tell; its heap is Java's. */
class DesktopMachine implements Machine {
    @Override
    public long nativeHeap() {
        return ManagementFactory.getMemoryMXBean().getNonHeapMemoryUsage().getUsed();
    }

    @Override
    public Long pss() {
        return null;
    }

    @Override
    public long threadCpuTime() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
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
}
