package edgeq.runner.app;

/** ExecuTorch's names of its error codes (runtime/core/error.h). */
final class ErrorNames {
    private static final Object[][] NAMES = {
        {0x01, "Internal"},
        {0x02, "InvalidState"},
        {0x03, "EndOfMethod"},
        {0x10, "NotSupported"},
        {0x11, "NotImplemented"},
        {0x12, "InvalidArgument"},
        {0x13, "InvalidType"},
        {0x14, "OperatorMissing"},
        {0x20, "NotFound"},
        {0x21, "MemoryAllocationFailed"},
        {0x22, "AccessFailed"},
        {0x23, "InvalidProgram"},
        {0x24, "InvalidExternalData"},
        {0x25, "OutOfResources"},
        {0x30, "DelegateInvalidCompatibility"},
        {0x31, "DelegateMemoryAllocationFailed"},
        {0x32, "DelegateInvalidHandle"},
    };

    private ErrorNames() {}

    static String of(int code) {
        for (Object[] entry : NAMES) {
            if (entry[0].equals(code)) {
                return (String) entry[1];
            }
        }
        return "error 0x" + Integer.toHexString(code);
    }
}
