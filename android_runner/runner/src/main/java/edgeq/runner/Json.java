package edgeq.runner;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON as RFC 8259 has it and no other. Read values are Map, List, String, Long (whole numbers that fit), Double,
 * Boolean and null; written are these and {@link Ticks}.
 */
final class Json {
    // No document of ours is nested deeper; the stack of an app's thread is small.
    private static final int MOST_DEPTH = 64;

    /** The text is not JSON; the message says where. */
    static final class Malformed extends Exception {
        private static final long serialVersionUID = 1L;

        Malformed(String message) {
            super(message);
        }
    }

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(byte[] utf8) throws Malformed {
        String text;
        try {
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
        } catch (CharacterCodingException error) {
            throw new Malformed("not UTF-8");
        }
        Json reader = new Json(text);
        Object value = reader.readValue(0);
        reader.skipBlanks();
        if (reader.at != text.length()) {
            throw reader.wrong("the end");
        }
        return value;
    }

    private Object readValue(int depth) throws Malformed {
        if (depth > MOST_DEPTH) {
            throw new Malformed("nested deeper than " + MOST_DEPTH);
        }
        skipBlanks();
        char first = peek();
        if (first == '{') {
            return readObject(depth);
        }
        if (first == '[') {
            return readArray(depth);
        }
        if (first == '"') {
            return readString();
        }
        return first == '-' || isDigit(first) ? readNumber() : readWord();
    }

    private Map<String, Object> readObject(int depth) throws Malformed {
        Map<String, Object> object = new LinkedHashMap<>();
        at++;
        if (follows('}')) {
            return object;
        }
        do {
            skipBlanks();
            if (peek() != '"') {
                throw wrong("a key");
            }
            String key = readString();
            if (!follows(':')) {
                throw wrong("':'");
            }
            object.put(key, readValue(depth + 1));
        } while (follows(','));
        if (!follows('}')) {
            throw wrong("'}'");
        }
        return object;
    }

    private List<Object> readArray(int depth) throws Malformed {
        List<Object> array = new ArrayList<>();
        at++;
        if (follows(']')) {
            return array;
        }
        do {
            array.add(readValue(depth + 1));
        } while (follows(','));
        if (!follows(']')) {
            throw wrong("']'");
        }
        return array;
    }

    private String readString() throws Malformed {
        StringBuilder string = new StringBuilder();
        for (at++; peek() != '"'; ) {
            char letter = text.charAt(at++);
            if (letter < 0x20) {
                throw new Malformed("a control character in a string");
            }
            string.append(letter == '\\' ? readEscape() : letter);
        }
        at++;
        for (int index = 0; index < string.length(); index++) {
            boolean pair = index + 1 < string.length() && Character.isSurrogatePair(string.charAt(index), string.charAt(index + 1));
            if (Character.isSurrogate(string.charAt(index)) && !pair) {
                throw new Malformed("half a surrogate pair in a string");
            }
            index += pair ? 1 : 0;
        }
        return string.toString();
    }

    private char readEscape() throws Malformed {
        char letter = peek();
        at++;
        int place = "\"\\/bfnrt".indexOf(letter);
        if (place >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(place);
        }
        if (letter != 'u' || at + 4 > text.length() || !text.substring(at, at + 4).matches("[0-9A-Fa-f]{4}")) {
            throw wrong("an escape");
        }
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 4, at), 16);
    }

    private Object readNumber() throws Malformed {
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String number = text.substring(start, at);
        if (!number.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?")) {
            throw new Malformed("'" + number + "' is no number");
        }
        if (number.matches("-?[0-9]{1,18}")) {
            return Long.parseLong(number);
        }
        double value = Double.parseDouble(number);
        if (Double.isInfinite(value)) {
            throw new Malformed("'" + number + "' is too large");
        }
        return value;
    }

    private Object readWord() throws Malformed {
        String[] words = {"true", "false", "null"};
        Object[] values = {Boolean.TRUE, Boolean.FALSE, null};
        for (int index = 0; index < words.length; index++) {
            if (text.startsWith(words[index], at)) {
                at += words[index].length();
                return values[index];
            }
        }
        throw wrong("a value");
    }

    private boolean follows(char letter) throws Malformed {
        skipBlanks();
        boolean found = peek() == letter;
        at += found ? 1 : 0;
        return found;
    }

    private void skipBlanks() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private char peek() throws Malformed {
        if (at >= text.length()) {
            throw new Malformed("it ends early");
        }
        return text.charAt(at);
    }

    private Malformed wrong(String expected) {
        return new Malformed("expected " + expected + " at character " + at);
    }

    private static boolean isDigit(char letter) {
        return letter >= '0' && letter <= '9';
    }

    /** {@code value} as JSON in ASCII. */
    static String write(Object value) {
        StringBuilder to = new StringBuilder();
        writeValue(value, to);
        return to.toString();
    }

    private static void writeValue(Object value, StringBuilder to) {
        if (value instanceof Map) {
            String before = "{";
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                to.append(before);
                writeString(String.valueOf(entry.getKey()), to);
                writeValue(entry.getValue(), to.append(':'));
                before = ",";
            }
            to.append(before.equals("{") ? "{}" : "}");
        } else if (value instanceof List || value instanceof Ticks) {
            writeList(value, to);
        } else if (value instanceof String) {
            writeString((String) value, to);
        } else if (value == null || value instanceof Long || value instanceof Integer || value instanceof Boolean) {
            to.append(value);
        } else {
            throw new IllegalArgumentException("no JSON for " + value.getClass());
        }
    }

    private static void writeList(Object value, StringBuilder to) {
        to.append('[');
        int size = value instanceof Ticks ? ((Ticks) value).size() : ((List<?>) value).size();
        for (int index = 0; index < size; index++) {
            to.append(index > 0 ? "," : "");
            if (value instanceof Ticks) {
                to.append(((Ticks) value).get(index));
            } else {
                writeValue(((List<?>) value).get(index), to);
            }
        }
        to.append(']');
    }

    private static void writeString(String string, StringBuilder to) {
        to.append('"');
        for (int index = 0; index < string.length(); index++) {
            char letter = string.charAt(index);
            boolean pair = Character.isHighSurrogate(letter) && index + 1 < string.length() && Character.isLowSurrogate(string.charAt(index + 1));
            if (Character.isSurrogate(letter) && !pair) {
                to.append("\\ufffd");
            } else if (pair) {
                to.append(escape(letter)).append(escape(string.charAt(++index)));
            } else if (letter == '"' || letter == '\\') {
                to.append('\\').append(letter);
            } else {
                to.append(letter >= 0x20 && letter < 0x7f ? String.valueOf(letter) : escape(letter));
            }
        }
        to.append('"');
    }

    private static String escape(char letter) {
        String hex = Integer.toHexString(letter);
        return "\\u" + "0000".substring(hex.length()) + hex;
    }
}
