"""Powers, roots and the length of a vector."""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Real, polynomial, where
from .double_double import Pair, ordered_sum, product_of
from .exponential import EXP2, clamped, nearest_multiple, power_of_two, scaling
from .logarithm import INFINITY, decomposed

_TWO_LOG2E = (2.8853900817779268, 4.0710547481862066e-17), (2.885390043258667, 3.851926067000022e-08)
_TWO_THIRDS_LOG2E = (0.9617966939259756, 5.0577616648125907e-17), (0.9617967009544373, -7.028461812552678e-09)

# The coefficients are minimax fits: Lawson's iteration in 160 bits on Chebyshev points, then rounded to doubles.
# (log2((1 + s) / (1 - s)) - log2(e) (2 s + 2/3 s**3)) / s**5 of z = s**2, |s| <= 1.00005 (sqrt(2) - 1) / (sqrt(2) + 1),
# degree 7; the error relative to 2 log2(e) s is 2**-65.9 (floats: degree 2, 2**-36.8).
_LOG2 = (
    (
        0.5770780163555851,
        0.4121985831113702,
        0.32059889790795276,
        0.2623081991551445,
        0.2219522412227014,
        0.1924023028552603,
        0.16843384381415724,
        0.17294951389956384,
    ),
    (0.5770801901817322, 0.41184988617897034, 0.33782196044921875),
)

# m**(-1/3), m from sqrt(1/2) to sqrt(2), degree 4, relative error 2**-14.6.
_INVERSE_CBRT = (
    1.8743527330822431,
    -1.8612106267067186,
    1.5604586857132996,
    -0.7018838618810253,
    0.12825975118644253,
)


def log2_pair(x: Real) -> Pair:
    """Return the logarithm to base 2 of a positive finite x, with a relative error of about 2**-64."""
    _, e, f = decomposed(x)
    denominator, lost = ordered_sum(f.constant(2.0), f)
    inverse = 1.0 / denominator
    s = f * inverse
    s_low = (-s).times_plus(lost, (-s).times_plus(denominator, f)) * inverse
    z, z_low = product_of(s, s)
    z_low = (s * 2.0).times_plus(s_low, z_low)
    third, third_low = ordered_sum(f.constant(f.choose(*_TWO_THIRDS_LOG2E)[0]), polynomial(z, z.choose(*_LOG2)) * z)
    third_low = third_low + f.choose(*_TWO_THIRDS_LOG2E)[1]
    series, series_low = product_of(z, third)
    series_low = z_low.times_plus(third, z.times_plus(third_low, series_low))
    factor, factor_low = ordered_sum(f.constant(f.choose(*_TWO_LOG2E)[0]), series)
    factor_low = factor_low + series_low + f.choose(*_TWO_LOG2E)[1]
    high, low = product_of(s, factor)
    low = s_low.times_plus(factor, s.times_plus(factor_low, low))
    high, lost = ordered_sum(e, high)
    return ordered_sum(high, lost + low)


def exp2_of_pair(high: Real, low: Real, factor: float = 1.0) -> Real:
    """Return ``factor * 2**(high + low)`` for a factor near 1."""
    low = where(abs(high) < high.choose(1100.0, 160.0), low, 0.0)
    high = clamped(high, high.choose(-1080.0, -155.0), high.choose(1025.0, 129.0))
    bits, n = nearest_multiple(high, 1.0)
    first, second = scaling(bits, high < high.choose(-1000.0, -100.0))
    result = polynomial(high - n + low, (1.0, *high.choose(*EXP2)))
    return (result if factor == 1.0 else result * factor) * first * second


def power(x: Real, y: Real) -> Real:
    """Return ``x**y``, with the special cases of C's pow."""
    size = abs(x)
    log_high, log_low = log2_pair(size)
    exponent = clamped(y, -(2.0**66), 2.0**66)  # beyond, the result is 0, 1 or infinite
    high, low = product_of(exponent, log_high)
    low = exponent.times_plus(log_low, low)
    result = exp2_of_pair(high, low)

    grows = where(size < 1.0, -y, y) > 0.0
    at_end = size.equals(0.0) | size.equals(INFINITY)
    result = where(at_end, where(grows, x.constant(INFINITY), 0.0), result)
    half = y * 0.5
    is_integer = y.rounded().equals(y)
    is_odd = is_integer & ~half.rounded().equals(half)
    result = where(is_odd, result.with_sign_of(x), result)
    undefined = (x < 0.0) & (x > -INFINITY) & ~is_integer
    result = where(undefined | x.is_nan() | y.is_nan(), float("nan"), result)
    return where(y.equals(0.0) | x.equals(1.0), 1.0, result)


def exp10(x: Real) -> Real:
    """Return 10**x."""
    return power(x.constant(10.0), x)


def sqrt(x: Real) -> Real:
    """Return the square root."""
    return x.sqrt()


def cbrt(x: Real) -> Real:
    """Return the cube root."""
    size = abs(x)
    _, e, f = decomposed(size)
    bits, third = nearest_multiple(e, 1 / 3)
    rest = third.times_plus(-3.0, e)  # -1, 0 or 1
    m = f + 1.0
    up, down = rest > 0.5, rest < -0.5
    t = m * where(up, 2.0, where(down, m.constant(0.5), 1.0))
    # y is t**(-1/3): a step of third order makes 2**-40 of the error 2**-14.6; the last step is Newton's for t**(1/3).
    y = polynomial(m, _INVERSE_CBRT) * where(up, 0.7937005259840998, where(down, m.constant(1.2599210498948732), 1.0))
    h = (-t).times_plus(y * y * y, 1.0)
    y = y.times_plus(h * h.times_plus(2 / 9, 1 / 3), y)
    square_inverse = y * y
    root = t * square_inverse
    square, lost = product_of(root, root)
    residual = lost.times_plus(root, square.times_plus(root, -t))
    root = (residual * square_inverse).times_plus(-1 / 3, root)
    result = (root * power_of_two(bits)).with_sign_of(x)
    return where((size > 0.0) & (size < INFINITY), result, x)


def hypot(x: Real, y: Real) -> Real:
    """Return ``sqrt(x**2 + y**2)`` without overflow on the way."""
    x, y = abs(x), abs(y)
    larger, smaller = where(x > y, x, y), where(x > y, y, x)
    big, small = larger > 2.0**500, larger < 2.0**-450
    up = where(big, 2.0**-600, where(small, x.constant(2.0**600), 1.0))
    down = where(big, 2.0**600, where(small, x.constant(2.0**-600), 1.0))
    larger, smaller = larger * up, smaller * up
    result = larger.times_plus(larger, smaller * smaller).sqrt() * down
    return where(x.equals(INFINITY) | y.equals(INFINITY), INFINITY, result)


FUNCTIONS: dict[str, Callable[..., Real]] = {"power": power, "exp10": exp10, "sqrt": sqrt, "cbrt": cbrt, "hypot": hypot}
