package edgeq.runner;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Memory of this process at the end of each stage. */
final class Memory {
    // A line such as "VmRSS:     13900 kB"; the kernel's kB are 1024 bytes.
    private static final Pattern LINE = Pattern.compile("^(VmRSS|VmHWM):\\s*(\\d+) kB$");

    private final Machine machine;
    private final List<Object> stages = new ArrayList<>();

    Memory(Machine machine) {
        this.machine = machine;
    }

    void take(String stage, boolean withPss) {
        Map<String, Object> entry = new LinkedHashMap<>();
        Map<String, Long> status = readStatus();
        entry.put("stage", stage);
        entry.put("rss", status.get("VmRSS"));
        entry.put("hwm", status.get("VmHWM"));
        entry.put("heap", machine.nativeHeap());
        entry.put("pss", withPss ? machine.pss() : null);
        stages.add(entry);
    }

    List<Object> stages() {
        return stages;
    }

    private static Map<String, Long> readStatus() {
        Map<String, Long> found = new LinkedHashMap<>();
        try {
            for (String line : Files.readAllLines(Paths.get("/proc/self/status"), StandardCharsets.ISO_8859_1)) {
                Matcher match = LINE.matcher(line);
                if (match.matches()) {
                    found.put(match.group(1), Long.parseLong(match.group(2)) * 1024);
                }
            }
        } catch (IOException hidden) {
            found.clear();
        }
        return found;
    }
}
