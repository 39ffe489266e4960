package edgeq.example;

import android.content.Context;
import com.example.digits.Digits;
import java.io.Closeable;
import java.io.IOException;
import java.nio.FloatBuffer;
import org.pytorch.executorch.EValue;
import org.pytorch.executorch.Module;
import org.pytorch.executorch.Tensor;

/** Reads digits with the program that this phone's processor is to run. Not for two threads at once. */
final class DigitReader implements Closeable {
    /** Pixels of an image, row by row. */
    static final int PIXELS = 64;

    private final Module module;

    /** Copies the program out of the assets the first time, which takes a moment: not for the main thread. */
    DigitReader(Context context) throws IOException {
        module = Module.load(Digits.load(context).getPath());
    }

    /** The label of the digit in {@code ink}: {@link #PIXELS} values from 0 (paper) to 16 (ink). */
    String read(float[] ink) {
        FloatBuffer image = Digits.prepareImages(ink);
        EValue[] outputs = module.forward(EValue.from(Tensor.fromBlob(image, Digits.INPUT_IMAGES.shape())));
        float[] scores = outputs[0].toTensor().getDataAsFloatArray();
        int best = 0;
        for (int index = 1; index < scores.length; index++) {
            best = scores[index] > scores[best] ? index : best;
        }
        return Digits.labelsOutput().get(best);
    }

    @Override
    public void close() {
        module.destroy();
    }
}
