package android.content.res;

import java.io.Closeable;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.IOException;

/** A part of a file. */
public class AssetFileDescriptor implements Closeable {
    private final FileInputStream stream;
    private final long start;
    private final long length;

    public AssetFileDescriptor(File file, long start, long length) throws IOException {
        this.stream = new FileInputStream(file);
        this.start = start;
        this.length = length;
    }

    public FileDescriptor getFileDescriptor() {
        try {
            return stream.getFD();
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    public long getStartOffset() {
        return start;
    }

    public long getLength() {
        return length;
    }

    @Override
    public void close() throws IOException {
        stream.close();
    }
}
