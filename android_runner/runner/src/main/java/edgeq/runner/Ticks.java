package edgeq.runner;

import java.util.Arrays;

/** Times in nanoseconds, in order; grows without a box for each. */
final class Ticks {
    private long[] values = new long[1024];
    private int size;

    void add(long value) {
        if (size == values.length) {
            values = Arrays.copyOf(values, 2 * size);
        }
        values[size++] = value;
    }

    int size() {
        return size;
    }

    long get(int index) {
        return values[index];
    }

    /** Median of the values from {@code begin} (inclusive) to {@code end}; there is at least one. */
    double median(int begin, int end) {
        long[] sorted = Arrays.copyOfRange(values, begin, end);
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        double upper = sorted[middle];
        return sorted.length % 2 == 1 ? upper : (sorted[middle - 1] + upper) / 2;
    }

    /** Largest minus smallest of the last {@code count} values. */
    long range(int count) {
        long least = Long.MAX_VALUE;
        long most = Long.MIN_VALUE;
        for (int index = size - count; index < size; index++) {
            least = Math.min(least, values[index]);
            most = Math.max(most, values[index]);
        }
        return most - least;
    }
}
