"""Floor 1: THE TABLE. One row for each op, and each derivative written once.

Importing the package fills `mixgrad.core.op.TABLE` and the tables by which boxes meet NumPy's functions.
"""

from mixgrad.rules import contraction, elementwise, index, linalg, norm, reduction, row, shape

__all__ = ["contraction", "elementwise", "index", "linalg", "norm", "reduction", "row", "shape"]
