package android.content;

/** The part of Android's class that generated code calls, to compile against; never shipped. */
public abstract class Context {
    public abstract android.content.res.AssetManager getAssets();

    public abstract java.io.File getNoBackupFilesDir();
}
