package edgeq.runner;

import java.io.Closeable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Writes each tensor when it is given: memory does not grow with their number. Room for the header is kept at the
 * front; what it does not need is filled with blanks, as the format allows.
 */
final class SafetensorsWriter implements Closeable {
    private static final int LENGTH_BYTES = 8;
    // An entry without its shape: braces, names of the keys, a type and two offsets.
    private static final int ENTRY_BYTES = 100;
    private static final int SIZE_BYTES = 12;

    private final BesideFile file;
    private final int headerBytes;
    private final StringBuilder header = new StringBuilder("{");
    private long dataBytes;

    /** {@code tensors} of at most {@code dimensions} dimensions will come. */
    SafetensorsWriter(String path, int tensors, int dimensions) throws Failure {
        long room = 2 + (long) tensors * (ENTRY_BYTES + (long) dimensions * SIZE_BYTES);
        if (room > 100_000_000) {
            throw new Failure("NotSupported", path + ": too many samples for one safetensors file");
        }
        headerBytes = (int) ((room + 7) / 8 * 8);
        file = new BesideFile(path);
    }

    void add(String name, Tensor tensor) throws Failure {
        ByteBuffer data = tensor.data.duplicate();
        data.rewind();
        long end = dataBytes + data.remaining();
        header.append(header.length() > 1 ? "," : "").append('"').append(name).append("\":{\"dtype\":\"");
        header.append(tensor.type.safetensors).append("\",\"shape\":");
        header.append(Arrays.toString(tensor.shape).replace(" ", "")).append(",\"data_offsets\":[");
        header.append(dataBytes).append(',').append(end).append("]}");
        file.write(LENGTH_BYTES + headerBytes + dataBytes, data);
        dataBytes = end;
    }

    void commit() throws Failure {
        header.append('}');
        if (header.length() > headerBytes) {
            throw new Failure("Internal", "an output has more dimensions than the first sample's");
        }
        while (header.length() < headerBytes) {
            header.append(' ');
        }
        ByteBuffer front = ByteBuffer.allocate(LENGTH_BYTES + headerBytes).order(ByteOrder.LITTLE_ENDIAN);
        front.putLong(headerBytes).put(header.toString().getBytes(StandardCharsets.US_ASCII));
        front.flip();
        file.write(0, front);
        file.commit();
    }

    @Override
    public void close() {
        file.close();
    }
}
