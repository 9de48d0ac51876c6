"""Floor 2: interpreters, the ways of running the same code."""
