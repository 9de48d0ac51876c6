"""Python source, read and rewritten for differentiation and tracing. The way in is `mixgrad.program.from_python`."""
