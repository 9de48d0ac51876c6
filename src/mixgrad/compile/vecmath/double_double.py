"""Sums and products of two doubles as pairs ``high + low`` without error."""

from __future__ import annotations

from .arithmetic import Real

Pair = tuple[Real, Real]


def sum_of(a: Real, b: Real) -> Pair:
    """Return ``a + b``, rounded, and what the rounding lost; exact for any finite `a` and `b` whose sum is finite."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def ordered_sum(a: Real, b: Real) -> Pair:
    """Return the same as `sum_of` where `a` is zero or the larger in size."""
    total = a + b
    return total, b - (total - a)


def product_of(a: Real, b: Real | float) -> Pair:
    """Return ``a * b``, rounded, and what the rounding lost."""
    total = a * b
    return total, a.times_plus(b, -total)


def quotient_of(numerator: Pair, denominator: Pair) -> Pair:
    """Return the quotient of two pairs, with an error of about 2**-104."""
    inverse = 1.0 / denominator[0]
    quotient = numerator[0] * inverse
    rest = (-quotient).times_plus(denominator[0], numerator[0])
    rest = (-quotient).times_plus(denominator[1], rest + numerator[1])
    return ordered_sum(quotient, rest * inverse)


def rounded_quotient(numerator: Pair, denominator: Pair) -> Real:
    """Return the quotient of two pairs, with an error of little more than half an ulp."""
    inverse = 1.0 / denominator[0]
    quotient = numerator[0] * inverse
    rest = (-quotient).times_plus(denominator[0], numerator[0])
    rest = (-quotient).times_plus(denominator[1], rest + numerator[1])
    return rest.times_plus(inverse, quotient)
