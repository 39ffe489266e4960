package edgeq.runner;

import java.io.PrintWriter;

/** Runs jobs in turn on a desktop with {@link Doubler}: pairs of JOB and RESULT; prints an exit code for each. */
public final class Desk {
    private Desk() {}

    public static void main(String[] arguments) {
        PrintWriter said = new PrintWriter(System.out, true);
        for (int index = 0; index + 1 < arguments.length; index += 2) {
            Runner runner = new Runner(new Doubler(), new DesktopMachine(), Clock.MONOTONIC, "1.2.3");
            said.println("exit " + runner.run(arguments[index], arguments[index + 1], said));
        }
    }
}
