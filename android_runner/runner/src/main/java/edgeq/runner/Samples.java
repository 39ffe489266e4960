package edgeq.runner;

import java.io.Closeable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The samples that a job runs on. One is in memory at a time.
 *
 * <p>Unlike the native runner this one cannot compare them with the method beforehand: ExecuTorch's Java library does
 * not tell what a method takes. It refuses what does not fit at the first inference.
 */
final class Samples implements Closeable {
    private static final Pattern KEY = Pattern.compile("([0-9]{1,9})\\.([0-9]{1,9})");

    private final SafetensorsReader file;
    private final List<List<SafetensorsReader.Stored>> rows = new ArrayList<>();
    private List<Tensor> loaded;
    private int loadedIndex = -1;

    Samples(String path) throws Failure {
        file = new SafetensorsReader(path);
        SortedMap<Long, SafetensorsReader.Stored> ordered = new TreeMap<>();
        for (Map.Entry<String, SafetensorsReader.Stored> entry : file.tensors().entrySet()) {
            Matcher match = KEY.matcher(entry.getKey());
            if (!match.matches()) {
                throw invalid(path + ": tensor '" + entry.getKey() + "' is not named {sample}.{index}");
            }
            ordered.put((Long.parseLong(match.group(1)) << 32) + Long.parseLong(match.group(2)), entry.getValue());
        }
        for (Map.Entry<Long, SafetensorsReader.Stored> entry : ordered.entrySet()) {
            add(path, (int) (entry.getKey() >> 32), entry.getKey().intValue(), entry.getValue());
        }
        if (rows.isEmpty()) {
            // ExecuTorch would make inputs of its own for a method that takes some.
            throw invalid("the inputs file holds no sample");
        }
    }

    int size() {
        return rows.size();
    }

    /** The inputs of a sample; the same buffers until another one is asked for. */
    List<Tensor> get(int index) throws Failure {
        if (loadedIndex != index) {
            loaded = new ArrayList<>();
            for (SafetensorsReader.Stored stored : rows.get(index)) {
                loaded.add(new Tensor(stored.type, stored.shape, file.read(stored)));
            }
            loadedIndex = index;
        }
        return loaded;
    }

    @Override
    public void close() {
        file.close();
    }

    private void add(String path, int sample, int index, SafetensorsReader.Stored tensor) throws Failure {
        if (sample == rows.size() && index == 0) {
            rows.add(new ArrayList<SafetensorsReader.Stored>());
        }
        if (sample + 1 != rows.size() || index != rows.get(sample).size()) {
            throw invalid(path + ": there is a gap before sample " + sample + " input " + index);
        }
        rows.get(sample).add(tensor);
    }

    private Failure invalid(String message) {
        file.close();
        return new Failure("InvalidArgument", message);
    }
}
