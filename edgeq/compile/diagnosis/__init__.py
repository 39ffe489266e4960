"""Where a recipe loses accuracy: trials in floating point on the host, by the user's module names."""
