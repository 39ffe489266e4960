package edgeq.runner.app;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.fail;

import edgeq.runner.ElementType;
import edgeq.runner.Failure;
import edgeq.runner.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.EnumSet;
import java.util.Set;
import org.junit.Test;

/** Against ExecuTorch's own tensors, which need no native code. */
public final class TensorsTest {
    private static final Set<ElementType> MISSING =
            EnumSet.of(ElementType.BOOL, ElementType.INT16, ElementType.BFLOAT16);

    private static Tensor make(ElementType type) {
        ByteBuffer data = ByteBuffer.allocateDirect(6 * type.bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at < data.capacity(); at++) {
            // No NaN: a float that holds one may be changed on its way through a register.
            data.put(at, (byte) (at * 37 % 120));
        }
        return new Tensor(type, new long[] {1, 2, 3}, data);
    }

    @Test
    public void everyTypeThatExecuTorchHasComesBackToTheBit() throws Exception {
        for (ElementType type : EnumSet.complementOf(EnumSet.copyOf(MISSING))) {
            Tensor tensor = make(type);
            Tensor back = Tensors.copy(Tensors.wrap(tensor), 0);
            assertEquals(type, back.type);
            assertArrayEquals(new long[] {1, 2, 3}, back.shape);
            assertEquals(type.torch, tensor.data, back.data);
        }
    }

    @Test
    public void aWrappedTensorIsTheSameMemory() throws Exception {
        Tensor tensor = make(ElementType.FLOAT32);
        org.pytorch.executorch.Tensor wrapped = Tensors.wrap(tensor);
        tensor.data.putFloat(4, 42f);
        assertEquals(42f, wrapped.getDataAsFloatArray()[1], 0);
    }

    @Test
    public void othersAreRefusedByName() {
        for (ElementType type : MISSING) {
            try {
                fail(type + " was taken: " + Tensors.wrap(make(type)));
            } catch (Failure failure) {
                assertEquals("NotSupported", failure.name);
            }
        }
    }
}
