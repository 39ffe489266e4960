"""PT2E quantization: observers, the quantizer with overrides, bias correction, the check that it was done."""
