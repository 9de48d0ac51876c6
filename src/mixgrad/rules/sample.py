"""Samples: the arguments on which the conformance test tries a row, which the row carries.

For an elementwise op ``domain`` gives, for each argument, the interval from which random values are drawn, and ``at``
gives special points. Other rows give ``samples``, a tuple of `Sample`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

REALS = (-3.0, 3.0)
POSITIVE = (0.1, 4.0)


@dataclass(frozen=True)
class Sample:
    """Arguments of one conformance test.

    Attributes
    ----------
    args : tuple
        A tuple of ints is the shape of a random array from `domain`; anything else is the argument itself.
    static : dict
        The static data.
    domain : tuple of float
        Lower and upper bound of the random values.
    make : callable or None
        Applied to each random array: brings it into the domain of the op (``make=spd`` for Cholesky).
    """

    args: tuple
    static: dict = field(default_factory=dict)
    domain: tuple[float, float] = REALS
    make: Callable | None = None
