package edgeq.runner;

import java.io.IOException;

/** What went wrong: the stage in which it did, the name of the error (ExecuTorch's or the system's), a message. */
public final class Failure extends Exception {
    private static final long serialVersionUID = 1L;

    public final String stage;
    public final String name;

    /** A failure of the current stage. */
    public Failure(String name, String message) {
        super(message);
        this.stage = Stage.current();
        this.name = name;
    }

    /** A system error; {@code action} says what was tried, e.g. "cannot open x". */
    static Failure ofSystem(String action, IOException error) {
        return new Failure(nameOf(error), action + ": " + error.getMessage());
    }

    /** Java tells the error's number only in words, which are those of strerror. */
    private static String nameOf(IOException error) {
        String text = String.valueOf(error.getMessage());
        String[][] names = {
            {"No such file", "ENOENT"},
            {"Permission denied", "EACCES"},
            {"No space left", "ENOSPC"},
            {"quota exceeded", "EDQUOT"},
            {"Is a directory", "EISDIR"},
            {"Read-only file system", "EROFS"},
        };
        for (String[] each : names) {
            if (text.contains(each[0])) {
                return each[1];
            }
        }
        return "IOError";
    }
}
