package edgeq.runner;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** The result document. Filled while the pass goes on: what a failed one has reached is reported too. */
final class Result {
    private static final int SCHEMA = 1;

    private final Job job;
    private final String executorch;
    final Memory memory;
    final Map<String, Object> app = new LinkedHashMap<>();
    Integer samples;
    Map<String, Object> times;
    String warmupStoppedBy;
    String stoppedBy;
    Map<String, Object> sampled;

    Result(Job job, String executorch, Machine machine) {
        this.job = job;
        this.executorch = executorch;
        memory = new Memory(machine);
    }

    /** Writes it; {@code failure} is null when the pass is done. */
    void write(String path, Failure failure) throws Failure {
        Map<String, Object> document = head(failure);
        document.put("threads", null); // asked for, and never told
        document.put("samples", samples == null ? 0 : samples);
        document.put("arenas", null); // ExecuTorch's Java library does not tell them
        document.put("times", times);
        document.put("warmup_stopped_by", warmupStoppedBy);
        document.put("stopped_by", stoppedBy);
        document.put("memory", memory.stages());
        document.put("cached", null); // no call of Android's tells what lies in the page cache
        document.put("sampled", sampled);
        document.put("app", app);
        put(path, document);
    }

    /** Writes that the pass came to an end from outside; of what it measured nothing is read, it may be changing. */
    void writeEnd(String path, Failure failure) throws Failure {
        put(path, head(failure));
    }

    private Map<String, Object> head(Failure failure) {
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("schema", SCHEMA);
        document.put("pass", job.pass);
        document.put("status", failure == null ? "ok" : "failed");
        Map<String, Object> error = null;
        if (failure != null) {
            error = new LinkedHashMap<>();
            error.put("stage", failure.stage);
            error.put("name", failure.name);
            error.put("message", failure.getMessage());
        }
        document.put("error", error);
        document.put("executorch", executorch);
        return document;
    }

    private static void put(String path, Map<String, Object> document) throws Failure {
        byte[] text = (Json.write(document) + "\n").getBytes(StandardCharsets.US_ASCII);
        try (BesideFile file = new BesideFile(path)) {
            file.write(0, ByteBuffer.wrap(text));
            file.commit();
        }
    }
}
