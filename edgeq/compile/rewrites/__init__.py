"""Rewrites of an exported program into forms that XNNPACK has kernels for; each is one small module."""
