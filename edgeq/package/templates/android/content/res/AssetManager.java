package android.content.res;

/** The part of Android's class that generated code calls, to compile against; never shipped. */
public final class AssetManager {
    private AssetManager() {}

    public java.io.InputStream open(String fileName) throws java.io.IOException {
        throw new UnsupportedOperationException(fileName);
    }

    public AssetFileDescriptor openFd(String fileName) throws java.io.IOException {
        throw new UnsupportedOperationException(fileName);
    }
}
