"""Quantize and lower: the only folder that imports torch or executorch."""
