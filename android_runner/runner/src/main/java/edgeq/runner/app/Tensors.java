package edgeq.runner.app;

import edgeq.runner.ElementType;
import edgeq.runner.Failure;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.pytorch.executorch.DType;
import org.pytorch.executorch.Tensor;

/** Tensors between the runner and ExecuTorch's Java library. It has no bool, int16 and bfloat16. */
final class Tensors {
    private Tensors() {}

    /** The same memory as a tensor of ExecuTorch. */
    static Tensor wrap(edgeq.runner.Tensor tensor) throws Failure {
        ByteBuffer data = tensor.data.duplicate().order(ByteOrder.nativeOrder());
        data.rewind();
        switch (tensor.type) {
            case FLOAT32:
                return Tensor.fromBlob(data.asFloatBuffer(), tensor.shape);
            case FLOAT16:
                return Tensor.fromBlob(data.asShortBuffer(), tensor.shape);
            case FLOAT64:
                return Tensor.fromBlob(data.asDoubleBuffer(), tensor.shape);
            case INT64:
                return Tensor.fromBlob(data.asLongBuffer(), tensor.shape);
            case INT32:
                return Tensor.fromBlob(data.asIntBuffer(), tensor.shape);
            case INT8:
                return Tensor.fromBlob(data, tensor.shape);
            case UINT8:
                return Tensor.fromBlobUnsigned(data, tensor.shape);
            default:
                throw ExecuTorchProgram.unsupported(tensor.type);
        }
    }

    /** A copy of an output: ExecuTorch's own memory is the next inference's. */
    static edgeq.runner.Tensor copy(Tensor tensor, int index) throws Failure {
        ElementType type = typeOf(tensor.dtype());
        if (type == null) {
            throw new Failure("NotSupported", "output " + index + " has dtype " + tensor.dtype());
        }
        int bytes = Math.toIntExact(tensor.numel() * type.bytes);
        ByteBuffer data = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
        switch (type) {
            case FLOAT32:
                data.asFloatBuffer().put(tensor.getDataAsFloatArray());
                break;
            case FLOAT16:
                data.asShortBuffer().put(tensor.getDataAsShortArray());
                break;
            case FLOAT64:
                data.asDoubleBuffer().put(tensor.getDataAsDoubleArray());
                break;
            case INT64:
                data.asLongBuffer().put(tensor.getDataAsLongArray());
                break;
            case INT32:
                data.asIntBuffer().put(tensor.getDataAsIntArray());
                break;
            case INT8:
                data.put(tensor.getDataAsByteArray());
                break;
            default:
                data.put(tensor.getDataAsUnsignedByteArray());
                break;
        }
        data.rewind();
        return new edgeq.runner.Tensor(type, tensor.shape(), data);
    }

    private static ElementType typeOf(DType type) {
        switch (type) {
            case FLOAT:
                return ElementType.FLOAT32;
            case HALF:
                return ElementType.FLOAT16;
            case DOUBLE:
                return ElementType.FLOAT64;
            case INT64:
                return ElementType.INT64;
            case INT32:
                return ElementType.INT32;
            case INT8:
                return ElementType.INT8;
            case UINT8:
                return ElementType.UINT8;
            default:
                return null;
        }
    }
}
