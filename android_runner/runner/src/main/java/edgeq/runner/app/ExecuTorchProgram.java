package edgeq.runner.app;

import edgeq.runner.ElementType;
import edgeq.runner.Failure;
import edgeq.runner.Program;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.List;
import org.pytorch.executorch.EValue;
import org.pytorch.executorch.ExecutorchRuntimeException;
import org.pytorch.executorch.Module;

/**
 * A program run by ExecuTorch's Java library. What is timed has the way through JNI in it, as for every app: inputs
 * are wrapped, outputs are handed over.
 */
final class ExecuTorchProgram implements Program {
    private Module module;
    private String method;
    private EValue[] inputs;
    private EValue[] outputs;

    /** Mapped, as the native runner does it. */
    @Override
    public void load(String path, int threads) throws Failure {
        try {
            module = Module.load(path, Module.LOAD_MODE_MMAP, threads);
        } catch (RuntimeException error) {
            throw explain("cannot load " + path, error);
        }
    }

    /**
     * Called by name: ExecuTorch 1.1's gives an error code, later ones throw (Module.java, Module.kt), and a class
     * that was compiled against one is not linked to the other.
     */
    @Override
    public void init(String method) throws Failure {
        this.method = method;
        String action = "cannot load method '" + method + "'";
        try {
            Object code = Module.class.getMethod("loadMethod", String.class).invoke(module, method);
            if (code instanceof Integer && (Integer) code != 0) {
                throw new Failure(ErrorNames.of((Integer) code), action);
            }
        } catch (InvocationTargetException error) {
            throw explain(action, error.getCause());
        } catch (ReflectiveOperationException missing) {
            throw new Failure("NotSupported", action + ": this ExecuTorch has no Module.loadMethod");
        }
    }

    @Override
    public void setInputs(List<edgeq.runner.Tensor> tensors) throws Failure {
        inputs = new EValue[tensors.size()];
        for (int index = 0; index < inputs.length; index++) {
            inputs[index] = EValue.from(Tensors.wrap(tensors.get(index)));
        }
    }

    @Override
    public void execute() throws Failure {
        try {
            outputs = module.execute(method, inputs);
        } catch (RuntimeException error) {
            throw explain("inference failed", error);
        }
    }

    @Override
    public List<edgeq.runner.Tensor> outputs() throws Failure {
        List<edgeq.runner.Tensor> tensors = new ArrayList<>();
        for (int index = 0; index < outputs.length; index++) {
            if (!outputs[index].isTensor()) {
                throw new Failure("NotSupported", "output " + index + " is no tensor");
            }
            tensors.add(Tensors.copy(outputs[index].toTensor(), index));
        }
        return tensors;
    }

    private static Failure explain(String action, Throwable error) {
        boolean known = error instanceof ExecutorchRuntimeException;
        String name = known ? ErrorNames.of(((ExecutorchRuntimeException) error).getErrorCode()) : "Internal";
        return new Failure(name, action + ": " + error.getMessage());
    }

    /** Fails for a type that neither side has. */
    static Failure unsupported(ElementType type) {
        return new Failure("NotSupported", "ExecuTorch's Java library takes no " + type.torch);
    }
}
