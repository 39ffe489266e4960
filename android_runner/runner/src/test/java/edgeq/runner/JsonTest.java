package edgeq.runner;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.fail;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.Test;

public final class JsonTest {
    private static Object parse(String text) throws Json.Malformed {
        return Json.parse(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    public void readsWhatTheGrammarAllows() throws Exception {
        Map<String, Object> expected = new LinkedHashMap<>();
        expected.put("a\n\u20ac\ud83d\ude00", Arrays.<Object>asList(1L, -2.5, 1e3, true, false, null, "", 0L));
        expected.put("b", new LinkedHashMap<String, Object>());
        String text = " {\"a\\n\\u20ac\\ud83d\\ude00\": [1, -2.5, 1E3, true, false, null, \"\", -0],\r\n\t\"b\":{}} ";
        assertEquals(expected, parse(text));
    }

    @Test
    public void refusesWhatItDoesNot() {
        String[] wrong = {
            "", "{", "[1,]", "{\"a\":1,}", "{a:1}", "{'a':1}", "[1 2]", "01", "+1", "1.", ".5", "1e", "NaN", "Infinity",
            "-", "tru", "nulll", "\"\u0001\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"a", "1 1", "[1]//", "1e999",
        };
        for (String each : wrong) {
            try {
                fail(each + " was read as " + parse(each));
            } catch (Json.Malformed expected) {
                continue;
            }
        }
    }

    @Test(expected = Json.Malformed.class)
    public void refusesBytesThatAreNoUtf8() throws Exception {
        Json.parse(new byte[] {'"', (byte) 0xff, '"'});
    }

    @Test(expected = Json.Malformed.class)
    public void refusesNestingThatWouldExhaustTheStack() throws Exception {
        char[] deep = new char[100_000];
        Arrays.fill(deep, '[');
        parse(new String(deep));
    }

    @Test
    public void wholeNumbersThatDoNotFitAreNoIntegers() throws Exception {
        assertEquals(1e19, parse("10000000000000000000"));
    }

    @Test
    public void writesWhatItReads() throws Exception {
        String text = "{\"a\":[1,-2,true,null,\"\\\"\\\\\\u000a\\u007f\\u20ac\\ud83d\\ude00\"],\"b\":{},\"c\":[]}";
        assertEquals(text, Json.write(parse(text)));
    }

    @Test
    public void writesHalfASurrogateAsTheReplacementCharacter() {
        assertEquals("\"\\ufffd\\ufffda\"", Json.write("\ud800\udc00a".replace("\ud800\udc00", "\udc00\ud800")));
    }
}
