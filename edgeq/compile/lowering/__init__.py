"""From a quantized module to a `.pte`: partition, delegation with reasons, the graph and its memory plan."""
