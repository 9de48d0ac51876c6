"""Floor 3: the computation graph as data: program in, program out, and its texts."""
