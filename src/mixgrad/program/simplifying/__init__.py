"""The parts of `mixgrad.program.simplify`."""
