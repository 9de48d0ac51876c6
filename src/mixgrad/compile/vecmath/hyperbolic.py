"""Hyperbolic functions and their inverses."""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Bits, Real, polynomial, where
from .double_double import ordered_sum, quotient_of, rounded_quotient, sum_of
from .exponential import clamped, expm1_parts, power_of_two, reduced
from .logarithm import INFINITY, log1p_pair

_BIG = 2.0**500, 2.0**60  # its square does not overflow

# The coefficients are minimax fits: Lawson's iteration in 160 bits on Chebyshev points, then rounded to doubles.
# (sinh(r) / r - 1) / r**2 of r**2, |r| <= 1.0001 ln(2) / 2, degree 4; the error relative to sinh(r) is 2**-60.4
# (floats: degree 1, 2**-26.2).
_SINH = (
    (
        0.16666666666666677,
        0.008333333333321707,
        0.00019841269885926668,
        2.755724441099995e-06,
        2.510896702340337e-08,
    ),
    (0.1666654348373413, 0.008366534486413002),
)

# (cosh(r) - 1) / r**2 of r**2, on the same interval, degree 5; the error of cosh(r) is 2**-64.7; of floats degree 2,
# 2**-33.3.
_COSH = (
    (
        0.5,
        0.04166666666666671,
        0.001388888888886395,
        2.4801587363378643e-05,
        2.755724183881004e-07,
        2.0924420501647195e-09,
    ),
    (0.5, 0.041666459292173386, 0.0013935451861470938),
)


def _parts(x: Real) -> tuple[Bits, Real, Real, Real, Real]:
    """Return n, d, r, s and c for x = n ln(2) + r of the size of an argument.

    d is 2**(-2 n), sinh(r) is r + s, and cosh(r) is 1 + c.
    """
    bits, _, high, low = reduced(x)
    r = high + low
    z = r * r
    s = (r * z).times_plus(polynomial(z, z.choose(*_SINH)), low)
    c = z * polynomial(z, z.choose(*_COSH))
    inverse = ((bits.constant(x.format.bias + 2) - bits) << x.format.digits).real() * 0.25
    return bits, inverse * inverse, high, s, c


def sinh(x: Real) -> Real:
    """Return the hyperbolic sine."""
    n, d, r, s, c = _parts(clamped(abs(x), 0.0, x.choose(710.6, 89.5)))
    a, b = 1.0 - d, 1.0 + d
    result = b.times_plus(r, a) + a.times_plus(c, b * s)
    return (result * 2.0 * power_of_two(n - 2)).with_sign_of(x)


def cosh(x: Real) -> Real:
    """Return the hyperbolic cosine."""
    n, d, r, s, c = _parts(clamped(abs(x), 0.0, x.choose(710.6, 89.5)))
    a, b = 1.0 - d, 1.0 + d
    result = a.times_plus(r, 1.0) + (b.times_plus(c, a * s) + d)  # a float 1 + d may have lost half of its d
    return result * 2.0 * power_of_two(n - 2)


def tanh(x: Real) -> Real:
    """Return the hyperbolic tangent."""
    _, twice_inverse, high, low = expm1_parts(clamped(abs(x), 0.0, 20.0) * 2.0)
    high, low = ordered_sum(high, low)
    denominator, lost = sum_of(high, twice_inverse)
    return rounded_quotient((high, low), (denominator, lost + low)).with_sign_of(x)


def arcsinh(x: Real) -> Real:
    """Return the inverse hyperbolic sine."""
    size = abs(x)
    big = size > x.choose(*_BIG)
    square = size * size
    high, low = ordered_sum(size, square / (1.0 + (1.0 + square).sqrt()))
    result = log1p_pair(where(big, size, high), where(big, 0.0, low), big)
    return where(size < INFINITY, result, size).with_sign_of(x)


def arccosh(x: Real) -> Real:
    """Return the inverse hyperbolic cosine."""
    big = x > x.choose(*_BIG)
    t = x - 1.0
    double = t * 2.0
    square = t.times_plus(t, double)
    root = square.sqrt()
    rest = (-root).times_plus(root, square) + t.times_plus(t, double - square)
    rest = where(t > 0.0, rest * (0.5 / root), 0.0)  # what the square and its root lost
    high, low = ordered_sum(root, t)
    result = log1p_pair(where(big, x, high), where(big, 0.0, low + rest), big)
    return where(x >= 1.0, where(x < INFINITY, result, x), float("nan"))


def arctanh(x: Real) -> Real:
    """Return the inverse hyperbolic tangent."""
    size = abs(x)
    zero = x.constant(0.0)
    result = log1p_pair(*quotient_of((size * 2.0, zero), ordered_sum(x.constant(1.0), -size))) * 0.5
    result = where(size < 1.0, result, where(size.equals(1.0), x.constant(INFINITY), float("nan")))
    return result.with_sign_of(x)


FUNCTIONS: dict[str, Callable[..., Real]] = {
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
    "arcsinh": arcsinh,
    "arccosh": arccosh,
    "arctanh": arctanh,
}
