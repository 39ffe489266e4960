package edgeq.runner.app;

import android.content.Context;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.json.JSONException;
import org.json.JSONObject;

/** What the app was built with: the asset edgeq-runner.json, which Gradle takes ExecuTorch's version from too. */
final class BuildFacts {
    private static final String ASSET = "edgeq-runner.json";

    final String executorch;

    private BuildFacts(String executorch) {
        this.executorch = executorch;
    }

    static BuildFacts read(Context context) throws IOException {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        byte[] room = new byte[1024];
        try (InputStream stream = context.getAssets().open(ASSET)) {
            for (int got = stream.read(room); got > 0; got = stream.read(room)) {
                text.write(room, 0, got);
            }
            String json = new String(text.toByteArray(), StandardCharsets.UTF_8);
            return new BuildFacts(new JSONObject(json).getString("executorch"));
        } catch (JSONException error) {
            throw new IOException("asset " + ASSET + " names no version of ExecuTorch", error);
        }
    }
}
