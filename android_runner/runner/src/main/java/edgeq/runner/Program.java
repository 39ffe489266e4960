package edgeq.runner;

import java.util.List;

/** What runs a program. Each method throws a Failure of the current stage. */
public interface Program {
    /** Opens the file for that many threads. */
    void load(String path, int threads) throws Failure;

    /** Loads a method, delegates included. */
    void init(String method) throws Failure;

    /** Sets all inputs of the method; outside of anything that is timed. */
    void setInputs(List<Tensor> inputs) throws Failure;

    /** One inference; what is timed. */
    void execute() throws Failure;

    /** The outputs of the last inference. */
    List<Tensor> outputs() throws Failure;
}
