"""What is measured, one module a quantity, and the session that runs them."""
