package edgeq.runner;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A stand-in for ExecuTorch's Java library: each inference is a run of the native runner on this machine. Its outputs
 * are ExecuTorch's, its times are those of starting a process.
 */
final class HostProgram implements Program {
    private final String runner;
    private final Path folder;
    private String path;
    private int count;

    HostProgram(String runner, Path folder) {
        this.runner = runner;
        this.folder = folder;
    }

    @Override
    public void load(String path, int threads) throws Failure {
        this.path = path;
        if (!new File(path).canRead()) {
            throw new Failure("AccessFailed", "Cannot load model path " + path);
        }
    }

    @Override
    public void init(String method) throws Failure {
        if (!method.equals("forward")) {
            throw new Failure("InvalidArgument", "no method " + method);
        }
    }

    @Override
    public void setInputs(List<Tensor> inputs) throws Failure {
        count = inputs.size();
        try (SafetensorsWriter writer = new SafetensorsWriter(at("inputs"), count, 8)) {
            for (int index = 0; index < count; index++) {
                writer.add("0." + index, inputs.get(index));
            }
            writer.commit();
        }
    }

    @Override
    public void execute() throws Failure {
        Map<String, Object> job = new LinkedHashMap<>();
        job.put("schema", 1);
        job.put("pass", "outputs");
        job.put("program", path);
        job.put("inputs", at("inputs"));
        job.put("outputs", at("outputs"));
        try {
            Files.write(folder.resolve("job"), Json.write(job).getBytes(StandardCharsets.US_ASCII));
            Process process = new ProcessBuilder(runner, at("job"), at("result")).inheritIO().start();
            if (process.waitFor() != 0) {
                throw new Failure("Internal", "the native runner failed");
            }
        } catch (IOException error) {
            throw Failure.ofSystem("cannot run the native runner", error);
        } catch (InterruptedException ended) {
            throw new Failure("Internal", "interrupted");
        }
    }

    @Override
    public List<Tensor> outputs() throws Failure {
        List<Tensor> outputs = new ArrayList<>();
        try (SafetensorsReader reader = new SafetensorsReader(at("outputs"))) {
            for (int index = 0; reader.tensors().containsKey("0." + index); index++) {
                SafetensorsReader.Stored stored = reader.tensors().get("0." + index);
                outputs.add(new Tensor(stored.type, stored.shape, reader.read(stored)));
            }
        }
        return outputs;
    }

    private String at(String name) {
        return folder.resolve(name).toString();
    }
}
