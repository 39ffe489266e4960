"""PT2E quantization: observers, the quantizer with overrides, bias correction, and the check that it was done."""
