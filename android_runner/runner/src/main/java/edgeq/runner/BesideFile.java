package edgeq.runner;

import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** A file that is written beside its name and gets it only when whole; without {@link #commit} nothing is left. */
final class BesideFile implements Closeable {
    private final File path;
    private final File part;
    private final RandomAccessFile file;
    private boolean done;

    BesideFile(String path) throws Failure {
        this.path = new File(path);
        this.part = new File(path + ".part");
        try {
            file = new RandomAccessFile(part, "rw");
            file.setLength(0);
        } catch (IOException error) {
            throw Failure.ofSystem("cannot create " + part, error);
        }
    }

    void write(long offset, ByteBuffer data) throws Failure {
        try {
            FileChannel channel = file.getChannel();
            long at = offset;
            while (data.hasRemaining()) {
                at += channel.write(data, at);
            }
        } catch (IOException error) {
            throw Failure.ofSystem("cannot write " + part, error);
        }
    }

    void commit() throws Failure {
        try {
            file.close();
        } catch (IOException error) {
            throw Failure.ofSystem("cannot write " + part, error);
        }
        if (!part.renameTo(path)) {
            throw new Failure("IOError", "cannot rename " + part + " to " + path);
        }
        done = true;
    }

    @Override
    public void close() {
        if (done) {
            return;
        }
        try {
            file.close();
        } catch (IOException unwritten) {
            done = false;
        }
        part.delete();
    }
}
