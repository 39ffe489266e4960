package edgeq.example;

import android.app.Activity;
import android.os.Bundle;
import android.widget.TextView;
import com.example.digits.Digits;
import java.io.IOException;

/** Shows what the model reads in one drawn digit, and by which program. */
public final class DigitsActivity extends Activity {
    // A seven; a digit is a quarter of the ink of a pixel.
    private static final String[] DRAWING = {
        "00344430",
        "00400040",
        "00000140",
        "00004430",
        "00344400",
        "00004000",
        "00040000",
        "00040000",
    };

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        final TextView text = new TextView(this);
        setContentView(text);
        new Thread("digits") {
            @Override
            public void run() {
                final String said = readDrawing();
                runOnUiThread(
                        new Runnable() {
                            @Override
                            public void run() {
                                text.setText(said);
                            }
                        });
            }
        }.start();
    }

    private String readDrawing() {
        float[] ink = new float[DigitReader.PIXELS];
        for (int index = 0; index < ink.length; index++) {
            ink[index] = 4 * (DRAWING[index / 8].charAt(index % 8) - '0');
        }
        try (DigitReader reader = new DigitReader(this)) {
            return reader.read(ink) + ", read by " + Digits.pick().recipe;
        } catch (IOException error) {
            return error.getMessage();
        }
    }
}
