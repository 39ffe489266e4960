"""The accuracy ladder on this machine: eager, converted, the `.pte`, and the eager-mode flow beside them."""
