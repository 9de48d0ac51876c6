"""Floor 1: THE TABLE. One row for each op, and each derivative written once.

Importing the package fills `mixgrad.core.op.TABLE` and the tables by which boxes meet NumPy's functions.
"""

import importlib

from mixgrad.core.numpy_table import LATE
from mixgrad.rules import (
    contraction,
    control,
    determinant,
    elementwise,
    grids,
    index,
    joining,
    linalg,
    missing,
    norm,
    reduction,
    row,
    shape,
    sorting,
    spectral,
)

__all__ = [
    "contraction",
    "control",
    "determinant",
    "elementwise",
    "grids",
    "index",
    "joining",
    "linalg",
    "missing",
    "norm",
    "reduction",
    "row",
    "shape",
    "sorting",
    "spectral",
]

# Importing scipy.special takes longer than all the rest.
LATE["scipy.special"] = lambda: importlib.import_module("mixgrad.rules.special")
