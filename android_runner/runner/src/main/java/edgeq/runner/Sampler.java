package edgeq.runner;

import java.io.FileInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A thread that reads sensors on a schedule of its own while another one runs inferences, on the same clock. */
final class Sampler {
    // A sensor that fails this often in a row is not asked again.
    private static final int MOST_FAILURES = 10;
    private static final long PATIENCE_SECONDS = 5;
    private static final int MOST_BYTES = 8192;
    // Of an app's heap, which may be as small as 128 MB.
    private static final int MOST_LETTERS = 16 << 20;

    private final Job.Sampling plan;
    private final Clock clock;
    private final Machine machine;
    private final CountDownLatch stop = new CountDownLatch(1);
    private final int[] failures;
    // The slot from which on each sensor is read again.
    private final long[] due;
    private final Thread thread;
    private final List<Object> samples = new ArrayList<>();
    private final List<Object> idle = new ArrayList<>();
    private final long began;
    private int letters;
    private long cpuTime;
    private int current = -1;

    Sampler(Job.Sampling plan, Clock clock, Machine machine) {
        this.plan = plan;
        this.clock = clock;
        this.machine = machine;
        failures = new int[plan.sensors.size()];
        due = new long[plan.sensors.size()];
        began = clock.now();
        thread =
                new Thread("edgeq-sampler") {
                    @Override
                    public void run() {
                        sample();
                    }
                };
        thread.setDaemon(true);
        thread.start();
    }

    /** The device without work for {@code seconds}. */
    void rest(double seconds) {
        if (seconds > 0) {
            Stage.enter("idle");
            long start = clock.now();
            clock.sleepUntil(start + Pace.nanoseconds(seconds));
            idle.add(Arrays.<Object>asList(start, clock.now()));
        }
    }

    /** Ends the thread; one that hangs in a read is left behind. What it saw, as the result has it. */
    Map<String, Object> finish() {
        long ended = clock.now();
        stop.countDown();
        try {
            thread.join(TimeUnit.SECONDS.toMillis(PATIENCE_SECONDS));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        synchronized (this) {
            Map<String, Object> sampled = new LinkedHashMap<>();
            sampled.put("samples", new ArrayList<>(samples));
            sampled.put("began", began);
            sampled.put("ended", ended);
            sampled.put("cpu_time", cpuTime);
            sampled.put("idle", idle);
            sampled.put("unanswered", current < 0 ? null : current);
            return sampled;
        }
    }

    private void sample() {
        long interval = Pace.nanoseconds(plan.interval);
        boolean more = !plan.sensors.isEmpty();
        for (long slot = 0; more; slot++) {
            // Somewhere within each interval, so that nothing periodic is met at the same point each time. What is
            // past already is left out: two samples in a row would say the same.
            long wait = began + slot * interval + (long) (draw(slot) * interval) - clock.now();
            if (wait > 0) {
                more = !isOver(wait) && sampleAll(slot);
            } else {
                slot = Math.max(slot, (clock.now() - began) / interval - 1);
                more = !isOver(0);
            }
        }
    }

    private boolean isOver(long nanoseconds) {
        try {
            return stop.await(nanoseconds, TimeUnit.NANOSECONDS);
        } catch (InterruptedException interrupted) {
            return true;
        }
    }

    /** False when nothing is left to ask. */
    private boolean sampleAll(long slot) {
        boolean more = false;
        for (int index = 0; index < failures.length; index++) {
            if (failures[index] >= MOST_FAILURES) {
                continue;
            }
            if (slot < due[index]) {
                more = true;
                continue;
            }
            due[index] = slot + plan.sensors.get(index).every;
            mark(index);
            long start = clock.now();
            String text = null;
            String error = null;
            try {
                text = read(plan.sensors.get(index));
            } catch (IOException unreadable) {
                error = String.valueOf(unreadable.getMessage());
            }
            failures[index] = error == null ? 0 : failures[index] + 1;
            if (!keep(index, start, clock.now(), text, error)) {
                return false;
            }
            more |= failures[index] < MOST_FAILURES;
        }
        return more;
    }

    private synchronized void mark(int index) {
        current = index;
    }

    private synchronized boolean keep(int index, long start, long end, String text, String error) {
        current = -1;
        cpuTime = machine.threadCpuTime();
        letters += 60 + (text == null ? error.length() : text.length());
        boolean full = letters > MOST_LETTERS;
        String reason = full ? "no room for more samples" : error;
        List<Object> sample = new ArrayList<>(Arrays.<Object>asList(index, start, end, full ? null : text));
        if (reason != null) {
            sample.add(reason);
        }
        samples.add(sample);
        return !full;
    }

    /** The files' contents without the white space at their end, joined by newlines. */
    private static String read(Job.Sensor sensor) throws IOException {
        StringBuilder text = new StringBuilder();
        byte[] room = new byte[sensor.room == 0 ? MOST_BYTES : Math.min(sensor.room, MOST_BYTES)];
        for (String file : sensor.files) {
            try (FileInputStream stream = new FileInputStream(file)) {
                int got = Math.max(0, stream.read(room));
                text.append(text.length() > 0 ? "\n" : "");
                text.append(new String(room, 0, got, StandardCharsets.ISO_8859_1).replaceAll("[ \t\r\n]+$", ""));
            }
        }
        return text.toString();
    }

    /** A number in [0, 1) that looks drawn and is the same in every run (Steele, Lea, Flood: SplitMix64, 2014). */
    static double draw(long index) {
        long mixed = (index + 1) * 0x9e3779b97f4a7c15L;
        mixed = (mixed ^ (mixed >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return ((mixed ^ (mixed >>> 31)) >>> 11) * 0x1p-53;
    }
}
