package android.content;

import android.content.res.AssetManager;
import java.io.File;

/** An app whose assets are in an archive and whose storage is a folder. */
public class Context {
    private final AssetManager assets;
    private final File storage;

    public Context(File archive, File offsets, File storage) {
        this.assets = new AssetManager(archive, offsets);
        this.storage = storage;
    }

    public AssetManager getAssets() {
        return assets;
    }

    public File getNoBackupFilesDir() {
        return storage;
    }
}
