"""What the user brings: a model, example inputs, and, when it can, calibration data and an evaluation."""
