package edgeq.runner;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** A program that computes two times its FP32 inputs; no ExecuTorch in it. */
class Doubler implements Program {
    final List<String> calls = new ArrayList<>();
    private List<Tensor> inputs = Collections.emptyList();

    @Override
    public void load(String path, int threads) throws Failure {
        calls.add("load " + path + " " + threads);
    }

    @Override
    public void init(String method) throws Failure {
        calls.add("init " + method);
    }

    @Override
    public void setInputs(List<Tensor> tensors) throws Failure {
        inputs = tensors;
    }

    @Override
    public void execute() throws Failure {
        calls.add("execute");
    }

    @Override
    public List<Tensor> outputs() {
        List<Tensor> outputs = new ArrayList<>();
        for (Tensor input : inputs) {
            ByteBuffer data = ByteBuffer.allocateDirect(input.data.capacity()).order(ByteOrder.LITTLE_ENDIAN);
            for (int at = 0; at < data.capacity(); at += 4) {
                data.putFloat(at, 2 * input.data.getFloat(at));
            }
            outputs.add(new Tensor(input.type, input.shape, data));
        }
        return outputs;
    }
}
