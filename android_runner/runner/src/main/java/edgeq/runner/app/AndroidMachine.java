package edgeq.runner.app;

import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.content.pm.ApplicationInfo;
import android.os.BatteryManager;
import android.os.Build;
import android.os.Debug;
import edgeq.runner.Machine;
import java.util.LinkedHashMap;
import java.util.Map;

/** Memory by Debug, battery by BatteryManager, heat by PowerManager. What Android does not tell is null. */
final class AndroidMachine implements Machine {
    private static final int LEAST_SDK_OF_THERMAL_STATUS = 29;

    private final Context context;
    private final ThermalStatus thermal;

    AndroidMachine(Context context) {
        this.context = context;
        thermal = Build.VERSION.SDK_INT < LEAST_SDK_OF_THERMAL_STATUS ? null : ThermalStatus.listen(context);
    }

    @Override
    public long nativeHeap() {
        return Debug.getNativeHeapAllocatedSize();
    }

    @Override
    public Long pss() {
        Debug.MemoryInfo info = new Debug.MemoryInfo();
        Debug.getMemoryInfo(info);
        return info.getTotalPss() * 1024L;
    }

    @Override
    public long threadCpuTime() {
        return Debug.threadCpuTimeNanos();
    }

    @Override
    public Map<String, Object> facts() {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("time", System.nanoTime());
        facts.put("sdk", Build.VERSION.SDK_INT);
        facts.put("debuggable", (context.getApplicationInfo().flags & ApplicationInfo.FLAG_DEBUGGABLE) != 0);
        Runtime heap = Runtime.getRuntime();
        facts.put("java_heap", heap.totalMemory() - heap.freeMemory());
        facts.put("battery", battery());
        facts.put("thermal_status", thermal == null ? null : thermal.now());
        facts.put("thermal_changes", thermal == null ? null : thermal.changes());
        return facts;
    }

    @Override
    public void die() {
        Runtime.getRuntime().halt(1);
    }

    /** Values of the last broadcast, in its units (mV, tenths of a degree), and the current as Android gives it. */
    private Map<String, Object> battery() {
        Map<String, Object> facts = new LinkedHashMap<>();
        BatteryManager manager = (BatteryManager) context.getSystemService(Context.BATTERY_SERVICE);
        int current = manager.getIntProperty(BatteryManager.BATTERY_PROPERTY_CURRENT_NOW);
        // Android answers so for a property that the phone has not.
        facts.put("current_now", current == Integer.MIN_VALUE ? null : current);
        Intent last = context.registerReceiver(null, new IntentFilter(Intent.ACTION_BATTERY_CHANGED));
        String[] names = {
            BatteryManager.EXTRA_LEVEL,
            BatteryManager.EXTRA_STATUS,
            BatteryManager.EXTRA_PLUGGED,
            BatteryManager.EXTRA_TEMPERATURE,
            BatteryManager.EXTRA_VOLTAGE,
        };
        for (String name : names) {
            facts.put(name, last == null || !last.hasExtra(name) ? null : last.getIntExtra(name, 0));
        }
        return facts;
    }
}
