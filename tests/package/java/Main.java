import android.content.Context;
import com.example.digits.Digits;
import java.io.File;
import java.io.FileReader;
import java.io.IOException;
import java.io.Reader;
import java.nio.FloatBuffer;
import java.nio.MappedByteBuffer;
import java.util.Arrays;

/** Does one thing with the generated class and prints what came of it, in ASCII. */
public final class Main {
    public static void main(String[] args) throws IOException {
        if (args[0].equals("describe")) {
            describe();
        } else if (args[0].equals("pick")) {
            try (Reader cpuinfo = new FileReader(args[1])) {
                System.out.println(Digits.pick(Digits.readFeatures(cpuinfo)).recipe);
            }
        } else if (args[0].equals("prepare")) {
            prepare();
        } else {
            Context app = new Context(new File(args[1]), new File(args[2]), new File(args[3]));
            touch(args[0], app);
        }
    }

    private static void describe() {
        for (Digits.Tensor tensor : Digits.INPUTS) {
            show("input", tensor);
        }
        for (Digits.Tensor tensor : Digits.OUTPUTS) {
            show("output", tensor);
        }
        for (Digits.Program program : Digits.PROGRAMS) {
            System.out.println(program.recipe + " " + program.asset + " " + program.bytes + " " + program.sha256);
        }
        for (String label : Digits.labelsOutput()) {
            System.out.println("label " + ascii(label));
        }
        FloatBuffer buffer = Digits.allocateImages();
        System.out.println("buffer " + buffer.isDirect() + " " + buffer.capacity() + " " + buffer.order());
    }

    private static void show(String role, Digits.Tensor tensor) {
        System.out.println(
                role + " " + ascii(tensor.name) + " " + tensor.dtype + " " + Arrays.toString(tensor.shape())
                        + " " + Arrays.toString(tensor.mean()) + " " + Arrays.toString(tensor.scale()));
    }

    private static void prepare() {
        float[] raw = new float[Digits.INPUT_IMAGES.elements()];
        for (int index = 0; index < raw.length; index++) {
            raw[index] = index;
        }
        FloatBuffer prepared = Digits.prepareImages(raw);
        for (int index = 0; index < raw.length; index++) {
            System.out.println(prepared.get(index));
        }
        try {
            Digits.prepareImages(new float[1]);
        } catch (IllegalArgumentException refused) {
            System.out.println(refused.getMessage());
        }
    }

    private static void touch(String what, Context app) throws IOException {
        try {
            if (what.equals("load")) {
                System.out.println(Digits.load(app, Digits.PROGRAM_INT8));
            } else {
                MappedByteBuffer bytes = Digits.map(app, Digits.PROGRAM_INT8);
                System.out.println(bytes.remaining() + " " + bytes.get(0) + " " + bytes.isReadOnly());
            }
        } catch (IOException refused) {
            System.out.println("refused: " + refused.getMessage());
        }
    }

    private static String ascii(String text) {
        StringBuilder shown = new StringBuilder();
        for (char unit : text.toCharArray()) {
            shown.append(unit > 0x20 && unit < 0x7f ? String.valueOf(unit) : String.format("{%x}", (int) unit));
        }
        return shown.toString();
    }
}
