package edgeq.runner;

/** Element types under their names in torch and in a safetensors file, with their bytes. */
public enum ElementType {
    FLOAT32("float32", "F32", 4),
    FLOAT16("float16", "F16", 2),
    BFLOAT16("bfloat16", "BF16", 2),
    FLOAT64("float64", "F64", 8),
    INT64("int64", "I64", 8),
    INT32("int32", "I32", 4),
    INT16("int16", "I16", 2),
    INT8("int8", "I8", 1),
    UINT8("uint8", "U8", 1),
    BOOL("bool", "BOOL", 1);

    public final String torch;
    public final String safetensors;
    public final int bytes;

    ElementType(String torch, String safetensors, int bytes) {
        this.torch = torch;
        this.safetensors = safetensors;
        this.bytes = bytes;
    }

    /** The type that a safetensors file calls so, or null. */
    static ElementType find(Object safetensors) {
        for (ElementType type : values()) {
            if (type.safetensors.equals(safetensors)) {
                return type;
            }
        }
        return null;
    }
}
