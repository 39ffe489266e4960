"""edgeq: take a PyTorch model to an ARM device and say, with evidence, what it costs there."""

__version__ = "0.1.0"
