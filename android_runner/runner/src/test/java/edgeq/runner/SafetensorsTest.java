package edgeq.runner;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

public final class SafetensorsTest {
    @Rule public final TemporaryFolder folder = new TemporaryFolder();

    private String write(String header, int dataBytes) throws Exception {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(8 + text.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(text.length).put(text);
        File path = folder.newFile();
        Files.write(path.toPath(), file.array());
        return path.getPath();
    }

    @Test
    public void metadataIsSkippedAndScalarsAndEmptyTensorsAreThere() throws Exception {
        String header = "{\"__metadata__\":{\"a\":\"b\"},\"0.0\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                + "\"0.1\":{\"dtype\":\"F16\",\"shape\":[3,0],\"data_offsets\":[8,8]}}  ";
        try (SafetensorsReader reader = new SafetensorsReader(write(header, 8))) {
            assertEquals(2, reader.tensors().size());
            assertEquals(8, reader.tensors().get("0.0").bytes);
            assertEquals(0, reader.tensors().get("0.1").bytes);
        }
    }

    @Test
    public void damagedHeadersAreRefused() throws Exception {
        String good = "{\"0.0\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
        String[] wrong = {
            good.replace("F32", "F33"), good.replace("[2]", "[3]"), good.replace("[2]", "[-2]"),
            good.replace("[2]", "2"), good.replace("[0,8]", "[0,9]"), good.replace("[0,8]", "[8,0]"),
            good.replace("[0,8]", "[0]"), good.replace("[2]", "[2.0]"), good.substring(1), "[]",
            good.replace("[2]", "[65536,65536,65536,65536]"),
        };
        for (String header : wrong) {
            try (SafetensorsReader reader = new SafetensorsReader(write(header, 8))) {
                fail(header + " was read: " + reader.tensors());
            } catch (Failure failure) {
                assertEquals("MalformedSafetensors", failure.name);
            }
        }
    }

    @Test
    public void aHeaderLongerThanTheFileIsRefused() throws Exception {
        File path = folder.newFile();
        Files.write(path.toPath(), new byte[] {-1, -1, -1, -1, -1, -1, -1, 127, '{', '}'});
        try (SafetensorsReader reader = new SafetensorsReader(path.getPath())) {
            fail("was read: " + reader.tensors());
        } catch (Failure failure) {
            assertEquals("MalformedSafetensors", failure.name);
        }
    }

    @Test
    public void aWriterThatIsNotCommittedLeavesNothing() throws Exception {
        String path = new File(folder.getRoot(), "out").getPath();
        try (SafetensorsWriter writer = new SafetensorsWriter(path, 1, 1)) {
            writer.add("0.0", new Tensor(ElementType.INT8, new long[] {1}, ByteBuffer.allocateDirect(1)));
            assertTrue(new File(path + ".part").exists());
        }
        assertFalse(new File(path).exists());
        assertFalse(new File(path + ".part").exists());
    }
}
