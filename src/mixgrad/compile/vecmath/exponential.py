"""The exponential, its relatives of another base or less one, and the logistic function."""

from __future__ import annotations

import math
from collections.abc import Callable

from .arithmetic import Bits, Real, Truth, polynomial, where
from .double_double import Pair, ordered_sum, rounded_quotient

INFINITY = float("inf")
LOG2E = 1.4426950408889634
# Constants and coefficients of which there are two stand for doubles first, then for floats.
LN2 = 0.6931471805599453, 0.6931471824645996
LN2_LOW = 2.3190468138462996e-17, -1.9046542121259336e-09  # ln(2) - LN2

# The coefficients are minimax fits: Lawson's iteration in 160 bits on Chebyshev points, then rounded to doubles.
# (exp(r) - 1 - r) / r**2, |r| <= 1.0001 ln(2) / 2, degree 9; the error of exp(r) is 2**-56.5; of floats degree 4,
# 2**-28.3.
EXP = (
    (
        0.5000000000000012,
        0.1666666666666669,
        0.041666666666515806,
        0.008333333333312746,
        0.001388888894688715,
        0.00019841269906239797,
        2.4801490087643308e-05,
        2.755722567426958e-06,
        2.763122683123839e-07,
        2.5115039216865875e-08,
    ),
    (0.4999999403953552, 0.1666652113199234, 0.04166825860738754, 0.008368666283786297, 0.0013821235625073314),
)

# (2**r - 1) / r, |r| <= 0.5001, degree 10; the error of 2**r is 2**-55.9 (floats: degree 5, 2**-28.3).
EXP2 = (
    (
        0.6931471805599453,
        0.24022650695910133,
        0.05550410866482172,
        0.00961812910759343,
        0.0013333558146383317,
        0.00015403530458013838,
        1.5252733863940417e-05,
        1.3215434830545043e-06,
        1.0178047809473293e-07,
        7.073860182361612e-09,
        4.457201400390259e-10,
    ),
    (
        0.6931471824645996,
        0.24022647738456726,
        0.05550359934568405,
        0.009618505835533142,
        0.001339081209152937,
        0.000153264933032915,
    ),
)


def clamped(x: Real, low: float, high: float) -> Real:
    """Return the nearest number from `low` to `high`; a nan stays."""
    x = where(x < low, low, x)
    return where(x > high, high, x)


def nearest_multiple(x: Real, factor: float) -> tuple[Bits, Real]:
    """Return the integer nearest to ``x * factor``: one with the same low bits, and as a number."""
    shifter = 1.5 * 2.0**x.format.digits  # its low bits are zero, and adding it leaves the nearest integer there
    shifted = x.times_plus(factor, shifter)
    return shifted.bits(), shifted - shifter


def power_of_two(n: Bits) -> Real:
    """Return ``2**n``, of the low bits of `n`: of doubles for n from -1022 to 1023; 0 for -1023, infinity for 1024."""
    return ((n + n.format.bias) << n.format.digits).real()


def scaling(n: Bits, tiny: Truth) -> tuple[Real, Real]:
    """Return two factors whose product is ``2**n``: by both, in order, a number near 1 is scaled with one rounding.

    n is from -1021 to 1025, or where `tiny` from -1085 to 900 (of floats: -125 to 129, -189 to 0). The first factor is
    normal or infinite.
    """
    first = power_of_two(n + where(tiny, n.constant(63), -1))
    return first, where(tiny, first.constant(2.0**-63), 2.0)


def reduced(x: Real) -> tuple[Bits, Real, Real, Real]:
    """Return n (bits, and as a number), high and low with ``x = n ln(2) + high + low``; high is exact."""
    bits, n = nearest_multiple(x, LOG2E)
    return bits, n, n.times_plus(-x.choose(*LN2), x), n * -x.choose(*LN2_LOW)


def exp(x: Real) -> Real:
    """Return e**x."""
    x = clamped(x, x.choose(-746.0, -104.0), x.choose(710.0, 89.0))
    bits, n, high, _ = reduced(x)
    r = n.times_plus(-x.choose(*LN2_LOW), high)
    first, second = scaling(bits, x < x.choose(-700.0, -80.0))
    return polynomial(r, (1.0, 1.0, *x.choose(*EXP))) * first * second


def exp2(x: Real) -> Real:
    """Return 2**x."""
    x = clamped(x, x.choose(-1076.0, -151.0), x.choose(1025.0, 129.0))
    bits, n = nearest_multiple(x, 1.0)
    first, second = scaling(bits, x < x.choose(-1000.0, -100.0))
    return polynomial(x - n, (1.0, *x.choose(*EXP2))) * first * second


def exp_pair(x: Real, low: Real) -> Pair:
    """Return ``exp(x + low)`` for x up to 0 and a tiny low, as a pair with an error of 2**-56 (floats: 2**-27)."""
    x = clamped(x, x.choose(-746.0, -104.0), 0.0)
    bits, n, high, _ = reduced(x)
    low = n.times_plus(-x.choose(*LN2_LOW), low)
    r = high + low
    start, lost = ordered_sum(x.constant(1.0), high)
    high, low = ordered_sum(start, polynomial(r, x.choose(*EXP)).times_plus(r * r, low + lost))
    first, second = scaling(bits, x < x.choose(-700.0, -80.0))
    return high * first * second, low * first * second


def expm1_parts(x: Real) -> tuple[Bits, Real, Real, Real]:
    """Return n, ``2**(1 - n)``, high and low with ``exp(x) - 1 = 2**n (high + low)``, for x from -40 to 710 (or 89)."""
    bits, _, high, low = reduced(x)
    r = high + low
    twice_inverse = ((bits.constant(x.format.bias + 1) - bits) << x.format.digits).real()
    low = polynomial(r, x.choose(*EXP)).times_plus(r * r, low)
    return bits, twice_inverse, twice_inverse.times_plus(-0.5, 1.0) + high, low


def expm1(x: Real) -> Real:
    """Return e**x - 1."""
    bits, _, high, low = expm1_parts(clamped(x, -40.0, x.choose(710.0, 89.0)))
    return ((high + low) * 2.0 * power_of_two(bits - 1)).with_sign_of(x)


def exprel(x: Real) -> Real:
    """Return ``(e**x - 1) / x``, 1 for x = 0."""
    far = exp(x - 16.0) * (math.exp(16.0) / x)  # does not overflow before the result does
    result = where(x > 40.0, where(x < INFINITY, far, x), expm1(x) / x)
    return where(abs(x) < 2.0**-60, 1.0, result)


def expit(x: Real) -> Real:
    """Return the logistic function ``1 / (1 + exp(-x))``."""
    high, low = exp_pair(-abs(x), x.constant(0.0))
    one = x.constant(1.0)
    denominator, lost = ordered_sum(one, high)
    negative = x < 0.0
    return rounded_quotient((where(negative, high, one), where(negative, low, 0.0)), (denominator, lost + low))


FUNCTIONS: dict[str, Callable[..., Real]] = {"exp": exp, "exp2": exp2, "expm1": expm1, "exprel": exprel, "expit": expit}
