"""Lengths that are known only when compiled code is called: the number n of rows, and numbers that follow from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEAST = 2  # rows: an axis of length 1 may be broadcast, so that programs for one row are others
USUAL = 10_000  # rows, where work is estimated before it is known
_SHIFTS, _POWERS = (0, -1, 1, -2), (1, -1, 2, -2)
_ROUNDINGS = 8


class DependsOnLength(Exception):
    """What a function computes depends on the number of rows in a way that one kernel cannot follow."""


@dataclass(frozen=True)
class Length:
    """``times * n + plus``, for the number n of rows: the length of an axis, or a place on it. It equals no integer."""

    times: int = 1
    plus: int = 0

    def at(self, n: int) -> int:
        """Return the length for `n` rows."""
        return self.times * n + self.plus

    def __str__(self) -> str:
        multiple = "n" if self.times == 1 else f"{self.times} n"
        return multiple + (f" {'+' if self.plus > 0 else '-'} {abs(self.plus)}" if self.plus else "")


@dataclass(frozen=True)
class Scaled:
    """``factor * (n + plus) ** power``, for the number n of rows: a factor such as 1 / n."""

    factor: float
    plus: int
    power: int
    precision: float = field(default=0.0, compare=False)  # with which the factor has been found

    def __str__(self) -> str:
        length = f"({Length(1, self.plus)})" if self.plus else "n"
        power = length if abs(self.power) == 1 else f"{length} ** 2"
        if self.power > 0:
            return power if self.factor == 1 else f"{self.factor:g} * {power}"
        return f"{self.factor:g} / {power}"


def explained(a: Any, b: Any, n: int, m: int) -> Length | Scaled | None:
    """Return the formula by which a number is `a` for `n` rows and `b` for `m` rows; None if it is none of ours."""
    if all(isinstance(x, (int, np.integer)) and not isinstance(x, bool) for x in (a, b)):
        factor, rest = divmod(int(a), n * n)
        if not rest and factor and int(b) == factor * m * m:
            return Scaled(float(factor), 0, 2)
        times, rest = divmod(int(b) - int(a), m - n)
        return None if rest else Length(times, int(a) - times * n)
    if not all(isinstance(x, (float, np.floating)) and math.isfinite(x) and x != 0 for x in (a, b)):
        return None
    precision = _ROUNDINGS * float(np.finfo(type(a)).eps)
    for power in _POWERS:
        for plus in _SHIFTS:
            if min(n, m) + plus > 0:
                growth = ((m + plus) / (n + plus)) ** power
                if math.isclose(float(b) / float(a), growth, rel_tol=precision):
                    return Scaled(_short(float(a) / float(n + plus) ** power, precision), plus, power, precision)
    return None


def _short(x: float, precision: float) -> float:
    """Return a number of few digits that is as good, if there is one: 1 for 1 - 1e-16."""
    short = float(f"{x:.{-math.floor(math.log10(precision)) - 2}g}")
    return short if math.isclose(short, x, rel_tol=precision) else x


def same_formula(f: Length | Scaled, g: Length | Scaled) -> bool:
    """Whether two formulas are the same, up to the rounding of the numbers that they were found by."""
    if not isinstance(f, Scaled) or not isinstance(g, Scaled):
        return f == g
    close = math.isclose(f.factor, g.factor, rel_tol=max(f.precision, g.precision))
    return (f.plus, f.power) == (g.plus, g.power) and close


def usual(length: int | Length) -> int:
    """Return a length as it is taken for estimates of work."""
    return length if isinstance(length, int) else length.at(USUAL)


def is_fixed(shape: Sequence[int | Length]) -> bool:
    """Whether all lengths are known."""
    return not any(isinstance(length, Length) for length in shape)
