"""The calibration set: read and checked, its ranges as they settle, and what is doubtful or missing in it."""
