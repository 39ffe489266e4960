package edgeq.runner;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** A tensor in row-major order; {@code data} is direct, little-endian, and holds exactly its elements. */
public final class Tensor {
    public final ElementType type;
    public final long[] shape;
    public final ByteBuffer data;

    public Tensor(ElementType type, long[] shape, ByteBuffer data) {
        this.type = type;
        this.shape = shape.clone();
        this.data = data;
    }

    @Override
    public String toString() {
        return type.torch + " " + Arrays.toString(shape);
    }

    /** Bytes of that many elements, or -1 when no buffer of Java is so large. */
    static long bytesOf(ElementType type, long[] shape) {
        long bytes = type.bytes;
        for (long size : shape) {
            if (size < 0 || (size > 0 && bytes > Integer.MAX_VALUE / size)) {
                return -1;
            }
            bytes *= size;
        }
        return bytes;
    }
}
