package edgeq.runner;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Timer;
import java.util.TimerTask;

/** Runs one job on one program and writes a result document: the native runner's main, in Java. */
public final class Runner {
    /** Exit codes of the native runner; bad usage and a bad job leave no result. */
    public static final int DONE = 0;

    public static final int FAILED = 1;
    public static final int BAD_USAGE = 2;

    private final Program program;
    private final Machine machine;
    private final Clock clock;
    private final String executorch;
    private final Object ending = new Object();

    /**
     * @param executorch version of the runtime behind {@code program}
     */
    public Runner(Program program, Machine machine, Clock clock, String executorch) {
        this.program = program;
        this.machine = machine;
        this.clock = clock;
        this.executorch = executorch;
    }

    /** Runs the job to its end; says one line about what went wrong. */
    public int run(String jobPath, String resultPath, PrintWriter errors) {
        Job job;
        try {
            job = JobReader.read(jobPath);
        } catch (BadJob bad) {
            errors.println("edgeq-runner: " + bad.getMessage());
            return BAD_USAGE;
        }
        Result result = new Result(job, executorch, machine);
        Timer watchdog = watch(job, result, resultPath);
        Failure failure = attempt(job, result);
        synchronized (ending) {
            watchdog.cancel();
            Failure unwritten = write(result, resultPath, failure);
            tell(failure, errors);
            tell(unwritten, errors);
            return failure == null && unwritten == null ? DONE : FAILED;
        }
    }

    private Failure attempt(Job job, Result result) {
        try {
            new Passes(job, program, machine, clock, result).run();
            return null;
        } catch (Failure failure) {
            return failure;
        } catch (OutOfMemoryError full) {
            return new Failure("MemoryAllocationFailed", "out of memory");
        } catch (RuntimeException unexpected) {
            return new Failure("Internal", traceOf(unexpected));
        } catch (LinkageError missing) {
            return new Failure("NotFound", "the app holds no whole ExecuTorch: " + missing);
        }
    }

    /** An inference cannot be interrupted: at the deadline the process says so and ends. */
    private Timer watch(final Job job, final Result result, final String resultPath) {
        Timer watchdog = new Timer("edgeq-watchdog", true);
        watchdog.schedule(
                new TimerTask() {
                    @Override
                    public void run() {
                        synchronized (ending) {
                            Failure late = new Failure("DeadlineExceeded", "the deadline of the job passed");
                            try {
                                result.writeEnd(resultPath, late);
                            } catch (Failure unwritten) {
                                // There is nobody left to tell; the caller sees that there is no result.
                                machine.die();
                            }
                            machine.die();
                        }
                    }
                },
                job.deadline * 1000L);
        return watchdog;
    }

    private static Failure write(Result result, String path, Failure failure) {
        try {
            Stage.enter("result");
            result.write(path, failure);
            return null;
        } catch (Failure unwritten) {
            return unwritten;
        }
    }

    private static void tell(Failure failure, PrintWriter errors) {
        if (failure != null) {
            errors.println("edgeq-runner: " + failure.stage + ": " + failure.name + ": " + failure.getMessage());
        }
    }

    private static String traceOf(Throwable error) {
        StringWriter text = new StringWriter();
        error.printStackTrace(new PrintWriter(text, true));
        return text.toString().replaceAll("\\s+", " ").trim();
    }
}
