package edgeq.runner;

import java.io.Closeable;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The safetensors format: 8 bytes of header length (little-endian), a JSON header, the data. */
final class SafetensorsReader implements Closeable {
    private static final int LENGTH_BYTES = 8;
    // The reference implementation's limit.
    private static final long MOST_HEADER_BYTES = 100_000_000;

    /** A tensor in the file; {@code offset} is where its data begins in it. */
    static final class Stored {
        final ElementType type;
        final long[] shape;
        final long offset;
        final int bytes;

        Stored(ElementType type, long[] shape, long offset, int bytes) {
            this.type = type;
            this.shape = shape;
            this.offset = offset;
            this.bytes = bytes;
        }
    }

    private final String path;
    private final RandomAccessFile file;
    private final Map<String, Stored> tensors = new LinkedHashMap<>();

    /** Reads and checks the whole header. */
    SafetensorsReader(String path) throws Failure {
        this.path = path;
        try {
            file = new RandomAccessFile(path, "r");
        } catch (IOException error) {
            throw Failure.ofSystem("cannot open " + path, error);
        }
        try {
            readHeader();
        } catch (IOException error) {
            close();
            throw Failure.ofSystem("cannot read " + path, error);
        } catch (Failure error) {
            close();
            throw error;
        }
    }

    Map<String, Stored> tensors() {
        return tensors;
    }

    /** The data of a tensor in a buffer of its own. */
    ByteBuffer read(Stored tensor) throws Failure {
        ByteBuffer data = ByteBuffer.allocateDirect(tensor.bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            readAt(tensor.offset, data);
        } catch (IOException error) {
            throw Failure.ofSystem("cannot read " + path, error);
        }
        data.rewind();
        return data;
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException kept) {
            // It was only read.
            return;
        }
    }

    private void readHeader() throws IOException, Failure {
        long size = file.length();
        if (size < LENGTH_BYTES) {
            throw malformed("shorter than a header");
        }
        ByteBuffer length = ByteBuffer.allocate(LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        readAt(0, length);
        long headerBytes = length.getLong(0);
        if (headerBytes < 0 || headerBytes > MOST_HEADER_BYTES || headerBytes > size - LENGTH_BYTES) {
            throw malformed("the header is longer than the file");
        }
        ByteBuffer header = ByteBuffer.allocate((int) headerBytes);
        readAt(LENGTH_BYTES, header);
        Object parsed;
        try {
            parsed = Json.parse(header.array());
        } catch (Json.Malformed error) {
            throw malformed("the header is no JSON object");
        }
        if (!(parsed instanceof Map)) {
            throw malformed("the header is no JSON object");
        }
        long start = LENGTH_BYTES + headerBytes;
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) parsed).entrySet()) {
            if (!entry.getKey().equals("__metadata__")) {
                String name = (String) entry.getKey();
                tensors.put(name, parse(name, entry.getValue(), start, size - start));
            }
        }
    }

    private Stored parse(String name, Object value, long start, long dataBytes) throws Failure {
        if (!(value instanceof Map)) {
            throw malformed("tensor '" + name + "' is no object");
        }
        Map<?, ?> entry = (Map<?, ?>) value;
        ElementType type = ElementType.find(entry.get("dtype"));
        long[] shape = counts(entry.get("shape"), Integer.MAX_VALUE);
        long[] offsets = counts(entry.get("data_offsets"), dataBytes);
        if (type == null) {
            throw malformed("tensor '" + name + "': dtype is missing or wrong");
        }
        if (shape == null) {
            throw malformed("tensor '" + name + "': shape is missing or wrong");
        }
        if (offsets == null || offsets.length != 2 || offsets[0] > offsets[1]) {
            throw malformed("tensor '" + name + "': data_offsets is missing or wrong");
        }
        long bytes = offsets[1] - offsets[0];
        if (Tensor.bytesOf(type, shape) != bytes) {
            throw malformed("tensor '" + name + "': its shape and its length do not agree");
        }
        return new Stored(type, shape, start + offsets[0], (int) bytes);
    }

    /** Whole numbers from 0 to {@code most}, or null when it is anything else. */
    private static long[] counts(Object value, long most) {
        if (!(value instanceof List)) {
            return null;
        }
        List<?> list = (List<?>) value;
        long[] numbers = new long[list.size()];
        for (int index = 0; index < numbers.length; index++) {
            Object number = list.get(index);
            if (!(number instanceof Long) || (Long) number < 0 || (Long) number > most) {
                return null;
            }
            numbers[index] = (Long) number;
        }
        return numbers;
    }

    private void readAt(long offset, ByteBuffer to) throws IOException, Failure {
        long at = offset;
        while (to.hasRemaining()) {
            int got = file.getChannel().read(to, at);
            if (got < 0) {
                throw malformed("ended early");
            }
            at += got;
        }
    }

    private Failure malformed(String problem) {
        return new Failure("MalformedSafetensors", path + ": " + problem);
    }
}
