package edgeq.runner;

import java.io.File;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Does on a desktop what the instrumentation does on a phone: {@code StandIn RUNNER EXECUTORCH JOB RESULT}. Prints what
 * it would hand to Android. With the file {@code crash} in the working folder the process dies in the first inference.
 */
public final class StandIn {
    private StandIn() {}

    public static void main(String[] arguments) throws Exception {
        Path folder = Files.createTempDirectory("edgeq-stand-in");
        Program program = new HostProgram(arguments[0], folder);
        if (new File("crash").exists()) {
            program =
                    new Doubler() {
                        @Override
                        public void execute() {
                            Runtime.getRuntime().halt(139);
                        }
                    };
        }
        StringWriter said = new StringWriter();
        Runner runner = new Runner(program, new DesktopMachine(), Clock.MONOTONIC, arguments[1]);
        int exit = runner.run(arguments[2], arguments[3], new PrintWriter(said, true));
        System.out.println("exit=" + exit);
        System.out.println("said=" + said.toString().replace('\n', ' ').trim());
    }
}
