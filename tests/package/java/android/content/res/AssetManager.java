package android.content.res;

import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/** Assets in a zip, as those of an installed app. {@code offsets} has a line "path start length" for stored ones. */
public final class AssetManager {
    private final File archive;
    private final File offsets;

    public AssetManager(File archive, File offsets) {
        this.archive = archive;
        this.offsets = offsets;
    }

    public InputStream open(String name) throws IOException {
        ZipFile zip = new ZipFile(archive);
        ZipEntry entry = zip.getEntry("assets/" + name);
        if (entry == null) {
            zip.close();
            throw new FileNotFoundException(name);
        }
        return zip.getInputStream(entry);
    }

    public AssetFileDescriptor openFd(String name) throws IOException {
        for (String line : Files.readAllLines(offsets.toPath(), StandardCharsets.UTF_8)) {
            String[] words = line.split(" ");
            if (words[0].equals("assets/" + name)) {
                return new AssetFileDescriptor(archive, Long.parseLong(words[1]), Long.parseLong(words[2]));
            }
        }
        throw new FileNotFoundException(
                "This file can not be opened as a file descriptor; it is probably compressed");
    }
}
