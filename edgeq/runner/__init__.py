"""The program that runs on the device: source, build, the job sent to it and the result that comes back."""

# The ExecuTorch release that edgeq is tested with; programs made elsewhere run on it. As in pyproject.toml.
EXECUTORCH = "1.5.1"
