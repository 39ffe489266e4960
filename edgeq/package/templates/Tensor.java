    /** One input or output: what goes in or comes out, and how it lies in memory (row-major). */
    public static final class Tensor {
        /** Name in the model. */
        public final String name;

        /** Element type in PyTorch's words. */
        public final String dtype;

        private final int size;
        private final long[] shape;
        private final float[] mean;
        private final float[] scale;
        private final int axis;

        private Tensor(
                String name, String dtype, int size, long[] shape, float[] mean, float[] scale, int axis) {
            this.name = name;
            this.dtype = dtype;
            this.size = size;
            this.shape = shape;
            this.mean = mean;
            this.scale = scale;
            this.axis = axis;
        }

        /** Its shape. */
        public long[] shape() {
            return shape.clone();
        }

        /** Number of elements. */
        public int elements() {
            return length(0);
        }

        /** Whether its preprocessing was stated. */
        public boolean hasPreprocessing() {
            return mean.length > 0;
        }

        /** Mean of the raw values, one or one for each channel; empty when not stated. */
        public float[] mean() {
            return mean.clone();
        }

        /** What (raw - mean) is multiplied with, like {@link #mean()}. */
        public float[] scale() {
            return scale.clone();
        }

        // Elements of the axes from this one on.
        private int length(int from) {
            int count = 1;
            for (int index = from; index < shape.length; index++) {
                count *= (int) shape[index];
            }
            return count;
        }

        private ByteBuffer allocate() {
            return ByteBuffer.allocateDirect(elements() * size).order(ByteOrder.nativeOrder());
        }

        private FloatBuffer prepare(float[] raw) {
            if (raw.length != elements()) {
                throw new IllegalArgumentException(
                        name + " has " + elements() + " elements, given were " + raw.length);
            }
            FloatBuffer prepared = allocate().asFloatBuffer();
            int inner = mean.length > 1 ? length(axis + 1) : 1;
            for (int index = 0; index < raw.length; index++) {
                int channel = index / inner % mean.length;
                prepared.put(index, (raw[index] - mean[channel]) * scale[channel]);
            }
            return prepared;
        }
    }
