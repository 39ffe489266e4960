"""Which devices there are and how to reach them."""
