"""Rewrites into forms that XNNPACK has kernels for: one small module each, and the proof on data."""
