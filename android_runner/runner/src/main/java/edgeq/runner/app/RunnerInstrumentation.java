package edgeq.runner.app;

import android.app.Activity;
import android.app.Instrumentation;
import android.os.Bundle;
import edgeq.runner.Clock;
import edgeq.runner.Runner;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;

/**
 * Started by {@code am instrument -w -e job PATH -e result PATH edgeq.runner/.app.RunnerInstrumentation}: runs one job
 * in this app's process, then ends it. The result has {@code exit} (the native runner's exit codes) and {@code said}.
 */
public final class RunnerInstrumentation extends Instrumentation {
    private String job;
    private String result;

    @Override
    public void onCreate(Bundle arguments) {
        super.onCreate(arguments);
        job = arguments.getString("job");
        result = arguments.getString("result");
        start();
    }

    /** On a thread of its own: the app's main thread stays free, as in any app that does not hang. */
    @Override
    public void onStart() {
        super.onStart();
        StringWriter said = new StringWriter();
        int exit = run(new PrintWriter(said, true));
        Bundle answer = new Bundle();
        answer.putString("exit", Integer.toString(exit));
        answer.putString("said", said.toString().replace('\n', ' ').trim());
        finish(Activity.RESULT_OK, answer);
    }

    private int run(PrintWriter said) {
        if (job == null || result == null) {
            said.println("usage: am instrument -w -e job PATH -e result PATH edgeq.runner/.app.RunnerInstrumentation");
            return Runner.BAD_USAGE;
        }
        String executorch;
        try {
            executorch = BuildFacts.read(getTargetContext()).executorch;
        } catch (IOException unreadable) {
            said.println("edgeq-runner: " + unreadable.getMessage());
            return Runner.BAD_USAGE;
        }
        AndroidMachine machine = new AndroidMachine(getTargetContext());
        return new Runner(new ExecuTorchProgram(), machine, Clock.MONOTONIC, executorch).run(job, result, said);
    }
}
