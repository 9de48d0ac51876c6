"""What a construct is: a number out of an array of floats, run as it stands by the oracle.

`points` are inputs of one shape that take different ways through the function; the program made at the first must be
right at all of them. They stay clear of kinks, so that difference quotients are right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

P = np.array([0.7, -1.3, 2.1, 0.4])
Q = np.array([-0.6, 1.7, 0.9, -2.2])
R = np.array([1.6, 0.8, -0.5, 3.2])
SMALL = np.array([0.5, -0.3, -0.6, 0.9])
NEGATIVE = np.array([-0.4, -0.9, -2.3, -1.2])
FRACTIONS = np.array([0.55, 0.38, 0.65, 0.9])
POINTS = (P, Q, R, -R, SMALL, NEGATIVE, FRACTIONS)
POSITIVE = (P**2 + 0.1, Q**2 + 0.1, R**2 + 0.1)


@dataclass(frozen=True)
class Construct:
    """A function and the points at which it is tried. `name` is that of the function."""

    function: Callable
    points: tuple[np.ndarray, ...]

    @property
    def name(self) -> str:
        return self.function.__name__.replace("_", " ")


CONSTRUCTS: dict[str, Construct] = {}


def construct(*points):
    """Add a function to the list."""

    def add(function):
        case = Construct(function, points or POINTS)
        assert case.name not in CONSTRUCTS
        CONSTRUCTS[case.name] = case
        return function

    return add
