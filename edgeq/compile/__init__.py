"""Quantize and lower, with torch and executorch; of the rest only two modules of `workload` import torch."""
