package edgeq.runner;

/** A job file that cannot be read or breaks the schema; the message names the key. Exit code 2, no result. */
public final class BadJob extends Exception {
    private static final long serialVersionUID = 1L;

    BadJob(String message) {
        super(message);
    }
}
