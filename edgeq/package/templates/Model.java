// Made by edgeq {{ edgeq }} for the model {{ name }}; package it again rather than change it.
package {{ package }};

import android.content.Context;
import android.content.res.AssetFileDescriptor;
import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.MappedByteBuffer;
import java.nio.ShortBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The model {{ name }}: its tensors, its programs, and which of them this device is to run.
 *
 * <p>{@code Module.load({{ class_name }}.load(context).getPath())} gives ExecuTorch's module
 * (org.pytorch:executorch-android:{{ executorch }}). Nothing here needs that class, or Android beyond assets.
 */
public final class {{ class_name }} {
    /** Name of the model. */
    public static final String NAME = {{ name|java }};

    /** Version of ExecuTorch that wrote the programs; the app needs the same. */
    public static final String EXECUTORCH = {{ executorch|java }};
{% for tensor in tensors %}
    /** {{ tensor.role|capitalize }} {{ tensor.place }}: {{ tensor.dtype }} {{ tensor.shape|join(" x ") }}. */
    public static final Tensor {{ tensor.constant }} =
            new Tensor(
                    {{ tensor.name|java }},
                    {{ tensor.dtype|java }},
                    {{ tensor.size }},
                    new long[] { {%- for n in tensor.shape %}{{ n }}L{{ ", " if not loop.last }}{% endfor -%} },
                    new float[] { {%- for n in tensor.mean %}{{ n }}f{{ ", " if not loop.last }}{% endfor -%} },
                    new float[] { {%- for n in tensor.scale %}{{ n }}f{{ ", " if not loop.last }}{% endfor -%} },
                    {{ tensor.axis }});
{% endfor %}
    /** The inputs, in the order in which the program takes them. */
    public static final List<Tensor> INPUTS = listOf({{ inputs|join(", ") }});

    /** The outputs, in the order in which the program gives them. */
    public static final List<Tensor> OUTPUTS = listOf({{ outputs|join(", ") }});
{% for program in programs %}
    /** The program of recipe {{ program.recipe }}. */
    public static final Program {{ program.constant }} =
            new Program(
                    {{ program.recipe|java }},
                    {{ program.asset|java }},
                    {{ program.bytes }}L,
                    {{ program.sha256|java }});
{% endfor %}
    /** Every program. */
    public static final List<Program> PROGRAMS = listOf({{ programs|join(", ", attribute="constant") }});

    // Tried in order; the last needs nothing.
    private static final List<Rule> RULES =
            listOf(
{%- for rule in rules %}
                    new Rule({{ rule.constant }}, new String[] { {%- for need in rule.needs %}{{ need|java }}{{ ", " if not loop.last }}{% endfor -%} }){{ "," if not loop.last }}
{%- endfor %});

    private {{ class_name }}() {}
{% for tensor in tensors if tensor.role == "input" %}
    /** A direct buffer for one {@link #{{ tensor.constant }}}, zeros. */
    public static {{ tensor.buffer }} allocate{{ tensor.method }}() {
        return {{ tensor.constant }}.allocate(){{ tensor.view }};
    }
{% if tensor.mean %}
    /**
     * One {@link #{{ tensor.constant }}} made of raw values: (raw - mean) * scale.
     *
     * @throws IllegalArgumentException not as many values as the tensor has
     */
    public static FloatBuffer prepare{{ tensor.method }}(float[] raw) {
        return {{ tensor.constant }}.prepare(raw);
    }
{% endif %}{% endfor %}{% for output in labelled %}
    /** What the index of the last axis of {@link #{{ output.constant }}} means. */
    public static List<String> labels{{ output.method }}() {
        return Labels{{ output.place }}.ALL;
    }
{% endfor %}
    /** The program that this device is to run. */
    public static Program pick() {
        try (Reader cpuinfo = new InputStreamReader(new FileInputStream("/proc/cpuinfo"), StandardCharsets.UTF_8)) {
            return pick(readFeatures(cpuinfo));
        } catch (IOException hidden) {
            return pick(Collections.<String>emptySet());
        }
    }

    /** The program for a CPU with these features, in the words of /proc/cpuinfo. */
    public static Program pick(Collection<String> features) {
        for (Rule rule : RULES) {
            if (features.containsAll(rule.needs)) {
                return rule.program;
            }
        }
        throw new AssertionError("the last rule needs nothing");
    }

    /** The features that every core has, from the text of /proc/cpuinfo; none if it names none. */
    public static Set<String> readFeatures(Reader cpuinfo) throws IOException {
        BufferedReader lines = new BufferedReader(cpuinfo);
        Set<String> common = null;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            int colon = line.indexOf(':');
            if (colon < 0 || !line.substring(0, colon).trim().equals("Features")) {
                continue;
            }
            Set<String> core = new HashSet<>(Arrays.asList(line.substring(colon + 1).trim().split("\\s+")));
            if (common == null) {
                common = core;
            } else {
                common.retainAll(core);
            }
        }
        return common == null ? new HashSet<String>() : common;
    }

    /** The file of the program that this device is to run, checked; see {@link #load(Context, Program)}. */
    public static File load(Context context) throws IOException {
        return load(context, pick());
    }

    /**
     * A file of the program in the app's own storage, copied from the assets when it is not there whole.
     *
     * @throws IOException it cannot be copied, or the asset is not the program that was packaged
     */
    public static synchronized File load(Context context, Program program) throws IOException {
        File folder = new File(context.getNoBackupFilesDir(), "edgeq/{{ package }}.{{ class_name }}");
        if (!folder.isDirectory() && !folder.mkdirs() && !folder.isDirectory()) {
            throw new IOException("cannot make the folder " + folder);
        }
        File file = new File(folder, program.sha256 + ".pte");
        if (file.length() == program.bytes && isProgram(file, program)) {
            return file;
        }
        removeOthers(folder);
        File beside = File.createTempFile(program.recipe + "...", ".part", folder);
        try {
            copy(context, program, beside);
            if (!beside.renameTo(file)) {
                throw new IOException("cannot rename " + beside + " to " + file);
            }
        } finally {
            if (beside.exists() && !beside.delete()) {
                beside.deleteOnExit();
            }
        }
        return file;
    }

    /**
     * The program's bytes, mapped from the app's package and checked; nothing is copied.
     *
     * @throws IOException the asset is not the program that was packaged, or was compressed in the app's build:
     *     see noCompress in the Android Gradle plugin
     */
    public static MappedByteBuffer map(Context context, Program program) throws IOException {
        try (AssetFileDescriptor asset = context.getAssets().openFd(program.asset);
                FileInputStream stream = new FileInputStream(asset.getFileDescriptor())) {
            MappedByteBuffer bytes =
                    stream.getChannel()
                            .map(FileChannel.MapMode.READ_ONLY, asset.getStartOffset(), asset.getLength());
            MessageDigest digest = sha256();
            digest.update(bytes);
            check(program, digest);
            bytes.rewind();
            return bytes;
        }
    }

    // What an earlier version of the app left, or a copy that was interrupted. What is young may be another
    // process's copy; what cannot be removed does no harm.
    private static void removeOthers(File folder) {
        long old = System.currentTimeMillis() - 3600_000L;
        File[] files = folder.listFiles();
        for (File file : files == null ? new File[0] : files) {
            boolean ours = false;
            for (Program program : PROGRAMS) {
                ours |= file.getName().equals(program.sha256 + ".pte");
            }
            if (!ours && file.lastModified() < old && !file.delete()) {
                file.deleteOnExit();
            }
        }
    }

    private static void copy(Context context, Program program, File target) throws IOException {
        MessageDigest digest = sha256();
        try (InputStream from = context.getAssets().open(program.asset);
                FileOutputStream to = new FileOutputStream(target)) {
            byte[] block = new byte[1 << 16];
            for (int read = from.read(block); read >= 0; read = from.read(block)) {
                digest.update(block, 0, read);
                to.write(block, 0, read);
            }
            to.getFD().sync();
        }
        check(program, digest);
    }

    private static boolean isProgram(File file, Program program) throws IOException {
        MessageDigest digest = sha256();
        try (InputStream from = new FileInputStream(file)) {
            byte[] block = new byte[1 << 16];
            for (int read = from.read(block); read >= 0; read = from.read(block)) {
                digest.update(block, 0, read);
            }
        }
        return hex(digest).equals(program.sha256);
    }

    private static void check(Program program, MessageDigest digest) throws IOException {
        String found = hex(digest);
        if (!found.equals(program.sha256)) {
            throw new IOException(
                    "asset " + program.asset + " has SHA-256 " + found + ", packaged was " + program.sha256);
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError(impossible); // every Java has it
        }
    }

    private static String hex(MessageDigest digest) {
        StringBuilder text = new StringBuilder();
        for (byte each : digest.digest()) {
            text.append(Character.forDigit((each >> 4) & 15, 16)).append(Character.forDigit(each & 15, 16));
        }
        return text.toString();
    }

    @SafeVarargs
    @SuppressWarnings("varargs")
    private static <T> List<T> listOf(T... items) {
        return Collections.unmodifiableList(Arrays.asList(items));
    }

{% include "Tensor.java" %}
    /** One program of the model. */
    public static final class Program {
        /** Name of the recipe that it was made with. */
        public final String recipe;

        /** Path among the assets. */
        public final String asset;

        /** Size in bytes. */
        public final long bytes;

        /** SHA-256 in hex. */
        public final String sha256;

        private Program(String recipe, String asset, long bytes, String sha256) {
            this.recipe = recipe;
            this.asset = asset;
            this.bytes = bytes;
            this.sha256 = sha256;
        }
    }

    private static final class Rule {
        final Program program;
        final List<String> needs;

        Rule(Program program, String[] needs) {
            this.program = program;
            this.needs = Arrays.asList(needs);
        }
    }
{% for output in labelled %}
    // A class of its own: its initializer may be long.
    private static final class Labels{{ output.place }} {
        static final List<String> ALL =
                listOf(
{%- for label in output.labels %}
                        {{ label|java }}{{ "," if not loop.last }}
{%- endfor %});
    }
{% endfor %}}
