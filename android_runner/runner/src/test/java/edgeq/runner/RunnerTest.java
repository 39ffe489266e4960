package edgeq.runner;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

public final class RunnerTest {
    @Rule public final TemporaryFolder folder = new TemporaryFolder();

    private final StringWriter said = new StringWriter();
    private final Dying machine = new Dying();
    private String inputs;
    private String outputs;
    private String result;

    /** Keeps the result that is there when the process would end. */
    private final class Dying extends DesktopMachine {
        byte[] lastWords;

        @Override
        public Long pss() {
            return 4096L;
        }

        @Override
        public synchronized void die() {
            try {
                lastWords = Files.readAllBytes(new File(result).toPath());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            notifyAll();
        }

        synchronized void awaitDeath() {
            try {
                while (lastWords == null) {
                    wait();
                }
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Before
    public void makeInputs() throws Exception {
        inputs = path("inputs.safetensors");
        outputs = path("outputs.safetensors");
        result = path("result.json");
        try (SafetensorsWriter writer = new SafetensorsWriter(inputs, 2, 2)) {
            writer.add("0.0", floats(1, 2, 3));
            writer.add("1.0", floats(4, 5, 6));
            writer.commit();
        }
    }

    private String path(String name) {
        return new File(folder.getRoot(), name).getPath();
    }

    private static Tensor floats(float... values) {
        ByteBuffer data = ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        data.asFloatBuffer().put(values);
        return new Tensor(ElementType.FLOAT32, new long[] {1, values.length}, data);
    }

    private int run(Program program, String keys) throws Exception {
        String text = "{\"schema\":1,\"program\":\"p\",\"inputs\":" + Json.write(inputs) + "," + keys + "}";
        Files.write(new File(path("job.json")).toPath(), text.getBytes(StandardCharsets.UTF_8));
        Runner runner = new Runner(program, machine, Clock.MONOTONIC, "1.2.3");
        return runner.run(path("job.json"), result, new PrintWriter(said, true));
    }

    private Map<?, ?> result() throws Exception {
        return (Map<?, ?>) Json.parse(Files.readAllBytes(new File(result).toPath()));
    }

    private static Object at(Object document, String... keys) {
        Object found = document;
        for (String key : keys) {
            found = ((Map<?, ?>) found).get(key);
        }
        return found;
    }

    @Test
    public void aLatencyPassHasEveryTimeAndTheMemoryOfEachStage() throws Exception {
        Doubler program = new Doubler();
        assertEquals(0, run(program, "\"pass\":\"latency\",\"threads\":3,\"warmup\":4,\"iterations\":[7,7]"));
        Map<?, ?> document = result();
        assertEquals("ok", document.get("status"));
        assertEquals("1.2.3", document.get("executorch"));
        assertEquals(2L, document.get("samples"));
        assertEquals("count", document.get("warmup_stopped_by"));
        assertEquals("iterations", document.get("stopped_by"));
        assertEquals(4, ((List<?>) at(document, "times", "warmup")).size());
        assertEquals(7, ((List<?>) at(document, "times", "measured")).size());
        assertEquals(7, ((List<?>) at(document, "times", "starts")).size());
        assertEquals(Arrays.asList("load p 3", "init forward"), program.calls.subList(0, 2));
        assertEquals(2 + 1 + 4 + 7, program.calls.size());
        StringBuilder stages = new StringBuilder();
        for (Object stage : (List<?>) document.get("memory")) {
            stages.append(at(stage, "stage")).append(' ');
            assertTrue((Long) at(stage, "rss") > 0);
            assertTrue((Long) at(stage, "hwm") >= (Long) at(stage, "rss"));
        }
        assertEquals("start loaded initialized first done ", stages.toString());
    }

    @Test
    public void whatTheLibraryDoesNotTellIsNullAndNeverZero() throws Exception {
        run(new Doubler(), "\"pass\":\"latency\"");
        Map<?, ?> document = result();
        assertTrue(document.containsKey("arenas") && document.get("arenas") == null);
        assertTrue(document.containsKey("threads") && document.get("threads") == null);
    }

    @Test
    public void anOutputsPassKeepsTheOutputsOfEverySampleInOrder() throws Exception {
        assertEquals(0, run(new Doubler(), "\"pass\":\"outputs\",\"outputs\":" + Json.write(outputs)));
        try (SafetensorsReader reader = new SafetensorsReader(outputs)) {
            assertEquals(2, reader.tensors().size());
            float[] second = new float[3];
            SafetensorsReader.Stored stored = reader.tensors().get("1.0");
            reader.read(stored).asFloatBuffer().get(second);
            assertArrayEquals(new long[] {1, 3}, stored.shape);
            assertArrayEquals(new float[] {8, 10, 12}, second, 0);
        }
        assertFalse(new File(outputs + ".part").exists());
    }

    @Test
    public void aMemoryPassRunsTwoInferencesAndAsksForTheProportionalSet() throws Exception {
        Doubler program = new Doubler();
        assertEquals(0, run(program, "\"pass\":\"memory\""));
        assertEquals(2 + 2, program.calls.size());
        for (Object stage : (List<?>) result().get("memory")) {
            assertEquals(Long.valueOf(4096), at(stage, "pss"));
        }
        run(program, "\"pass\":\"latency\"");
        assertEquals(101, ((List<?>) at(result(), "times", "empty")).size());
        for (Object stage : (List<?>) result().get("memory")) {
            assertEquals(null, at(stage, "pss"));
        }
    }

    @Test
    public void whatAnAppCannotDoIsRefusedByName() throws Exception {
        assertEquals(1, run(new Doubler(), "\"pass\":\"operators\",\"etdump\":\"e\""));
        assertEquals("NotSupported", at(result(), "error", "name"));
        assertEquals(1, run(new Doubler(), "\"pass\":\"latency\",\"cpus\":[0]"));
        assertEquals("NotSupported", at(result(), "error", "name"));
        assertTrue(said.toString().contains("an app cannot choose the cores"));
    }

    @Test
    public void aBadJobLeavesNoResultAndNamesTheKey() throws Exception {
        assertEquals(2, run(new Doubler(), "\"pass\":\"latency\",\"speed\":1"));
        assertTrue(said.toString().startsWith("edgeq-runner: unknown job key 'speed'; the keys are schema, pass"));
        assertFalse(new File(result).exists());
    }

    @Test
    public void aFailureOfTheProgramHasItsStageAndItsName() throws Exception {
        Program broken =
                new Doubler() {
                    @Override
                    public void execute() throws Failure {
                        super.execute();
                        if (calls.size() == 5) {
                            throw new Failure("InvalidState", "no more");
                        }
                    }
                };
        assertEquals(1, run(broken, "\"pass\":\"latency\",\"warmup\":1,\"iterations\":[9,9]"));
        assertEquals("measured", at(result(), "error", "stage"));
        assertEquals("InvalidState", at(result(), "error", "name"));
        assertEquals("edgeq-runner: measured: InvalidState: no more\n", said.toString());
        assertEquals(1, ((List<?>) at(result(), "times", "warmup")).size());
        assertEquals(0, ((List<?>) at(result(), "times", "measured")).size());
    }

    @Test
    public void aMissingInputsFileIsNamedAsTheSystemDoes() throws Exception {
        inputs = path("nowhere");
        assertEquals(1, run(new Doubler(), "\"pass\":\"latency\""));
        assertEquals("ENOENT", at(result(), "error", "name"));
        assertEquals("input", at(result(), "error", "stage"));
    }

    @Test
    public void inputsWithAGapAreRefused() throws Exception {
        try (SafetensorsWriter writer = new SafetensorsWriter(inputs, 2, 2)) {
            writer.add("0.0", floats(1));
            writer.add("2.0", floats(1));
            writer.commit();
        }
        assertEquals(1, run(new Doubler(), "\"pass\":\"latency\""));
        assertTrue(said.toString().contains("there is a gap before sample 2 input 0"));
    }

    @Test
    public void atTheDeadlineTheResultSaysSoAndTheProcessEnds() throws Exception {
        Program stuck =
                new Doubler() {
                    @Override
                    public void execute() throws Failure {
                        machine.awaitDeath();
                        throw new Failure("Internal", "outlived the deadline");
                    }
                };
        run(stuck, "\"pass\":\"latency\",\"deadline\":1");
        assertEquals("DeadlineExceeded", at(Json.parse(machine.lastWords), "error", "name"));
        assertEquals("first", at(Json.parse(machine.lastWords), "error", "stage"));
    }

    @Test
    public void sensorsAreSampledBesideTheInferences() throws Exception {
        File sensor = new File(path("sensor"));
        Files.write(sensor.toPath(), "42 \n".getBytes(StandardCharsets.UTF_8));
        String missing = path("no sensor");
        Program slow =
                new Doubler() {
                    @Override
                    public void execute() throws Failure {
                        Clock.MONOTONIC.sleepUntil(Clock.MONOTONIC.now() + 2_000_000);
                    }
                };
        String sampling = "\"sampling\":{\"interval\":0.005,\"idle\":[0.02,0],\"sensors\":[{\"files\":["
                + Json.write(sensor.getPath()) + "," + Json.write(sensor.getPath()) + "],\"room\":2},{\"every\":4,\"files\":["
                + Json.write(missing) + "]}]}";
        assertEquals(0, run(slow, "\"pass\":\"latency\",\"iterations\":[20,20]," + sampling));
        Map<?, ?> sampled = (Map<?, ?>) result().get("sampled");
        List<?> samples = (List<?>) sampled.get("samples");
        assertTrue(samples.size() + " samples", samples.size() >= 6);
        assertEquals("42\n42", ((List<?>) samples.get(0)).get(3));
        // However late a sample is: of a sensor that is read in every fourth interval none is before its turn.
        long[] turns = {0, 0};
        for (Object sample : samples) {
            int index = ((Long) ((List<?>) sample).get(0)).intValue();
            long since = (Long) ((List<?>) sample).get(1) - (Long) sampled.get("began");
            long turn = turns[index]++ * (index == 0 ? 1 : 4) * 5_000_000;
            assertTrue("sensor " + index + " was read after " + since + " ns, before " + turn, since >= turn);
        }
        assertTrue(turns[1] + " of a sensor that is read less often", turns[1] >= 2);
        List<?> failed = (List<?>) samples.get(1);
        assertEquals(null, failed.get(3));
        assertTrue(((String) failed.get(4)).contains("No such file"));
        assertEquals(1, ((List<?>) sampled.get("idle")).size());
        assertEquals(null, sampled.get("unanswered"));
    }
}
