"""Logarithms, and the logarithms of sums of exponentials."""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Bits, Real, Truth, polynomial, where
from .double_double import ordered_sum, product_of, sum_of
from .exponential import INFINITY, LN2, LN2_LOW, LOG2E, exp2, exp_pair

_SQRT_HALF = 0x3FE6A09E667F3BCD, 0x3F3504F3  # bits of 0.7071067811865476
_LOG2E = (LOG2E, 2.0355273740931033e-17), (1.4426950216293335, 1.925963033500011e-08)
_LOG10E = (0.4342944819032518, 1.098319650216765e-17), (0.4342944920063019, -1.0103049952192578e-08)
# The first has 16 zeros at its end (of floats: 9).
_LOG10_2 = (0.30102999566224753, 1.7336659603752853e-12), (0.301025390625, 4.605039066518657e-06)

# The coefficients are minimax fits: Lawson's iteration in 160 bits on Chebyshev points, then rounded to doubles.
# (log((1 + s) / (1 - s)) - 2 s) / s**3 of z = s**2, |s| <= 1.00005 (sqrt(2) - 1) / (sqrt(2) + 1), degree 6; the error
# relative to 2 s is 2**-58.4 (floats: degree 2, 2**-30.2).
LOG = (
    (
        0.6666666666666734,
        0.39999999999416247,
        0.28571428742112737,
        0.22222198595945633,
        0.18183563371281833,
        0.1531407030495002,
        0.1479578879066025,
    ),
    (0.6666677594184875, 0.39977580308914185, 0.2987091839313507),
)

# 1 / (1 + f), f from sqrt(1/2) - 1 to sqrt(2) - 1, degree 2, relative error 2**-6.6: for corrections only.
INVERSE = (1.0049953795140283, -1.0806120157555816, 0.9142342042347492)


def decomposed(x: Real, subnormal: bool = True) -> tuple[Bits, Real, Real]:
    """Return e + 1023 (without the shift of subnormal numbers), e as a number, and m - 1.

    ``x = m * 2**e`` with m from sqrt(1/2) to sqrt(2), for a positive finite x.
    """
    digits, bias = x.format.digits, x.format.bias
    sqrt_half = x.choose(*_SQRT_HALF)
    offset: Real | float = 2.0**digits + bias
    if subnormal:
        tiny = x < 2.0 ** (1 - bias)
        offset = where(tiny, x.constant(offset + digits), offset)
        x = where(tiny, x * 2.0**digits, x)
    shifted = x.bits() + ((bias << digits) - sqrt_half)
    exponent = shifted >> digits
    m = ((shifted & ((1 << digits) - 1)) + sqrt_half).real()
    return exponent, (exponent | (bias + digits << digits)).real() - offset, m - 1.0


def log_of_ratio(f: Real, e: Real, low: Real | None = None) -> Real:
    """Return ``log(1 + f) + e log(2) + low`` for 1 + f from sqrt(1/2) to sqrt(2) and a tiny low."""
    s = f / (2.0 + f)
    z = s * s
    half_square = f * f * 0.5
    rest = e * e.choose(*LN2_LOW) if low is None else e.times_plus(e.choose(*LN2_LOW), low)
    rest = s.times_plus(polynomial(z, z.choose(*LOG)).times_plus(z, half_square), rest)
    return e.times_plus(e.choose(*LN2), f - (half_square - rest))


def at_ends(x: Real, result: Real) -> Real:
    """Return the result for positive finite x, and else what a logarithm of x is."""
    result = where(x < INFINITY, result, INFINITY)
    return where(x > 0.0, result, where(x.equals(0.0), x.constant(-INFINITY), float("nan")))


def log(x: Real) -> Real:
    """Return the natural logarithm."""
    _, e, f = decomposed(x)
    return at_ends(x, log_of_ratio(f, e))


def _log_of_base(x: Real, scale: tuple[float, float], log_2: tuple[float, float]) -> Real:
    """Return ``log(x) * sum(scale)``; `log_2` is ``log(2) * sum(scale)``, of two parts; e * log_2[0] is exact."""
    _, e, f = decomposed(x)
    s = f / (2.0 + f)
    z = s * s
    half_square, lost = product_of(f * 0.5, f)
    high, low = ordered_sum(f, -half_square)
    low = low - lost + s * polynomial(z, z.choose(*LOG)).times_plus(z, half_square)
    product, lost = product_of(high, scale[0])
    lost = low.times_plus(scale[0], high.times_plus(scale[1], lost))
    total, more = ordered_sum(e * log_2[0], product)
    return at_ends(x, total + e.times_plus(log_2[1], more + lost))


def log2(x: Real) -> Real:
    """Return the logarithm to base 2."""
    return _log_of_base(x, x.choose(*_LOG2E), (1.0, 0.0))


def log10(x: Real) -> Real:
    """Return the logarithm to base 10."""
    return _log_of_base(x, x.choose(*_LOG10E), x.choose(*_LOG10_2))


def log1p_pair(high: Real, low: Real | None = None, doubled: Truth | None = None) -> Real:
    """Return ``log(1 + high + low)``, plus log(2) where `doubled`, for a tiny low and 1 + high normal and positive."""
    digits, bias = high.format.digits, high.format.bias
    u, lost = ordered_sum(high.constant(1.0), high)  # exact for a larger high, too, up to 2**53 (floats: 2**24)
    if low is not None:
        lost = lost + low
    exponent, e, f = decomposed(u, subnormal=False)
    twice_inverse = ((exponent.constant(2 * bias + 1) - exponent) << digits).real()  # 2**(1 - e), and 0 of the largest
    lost = lost * 0.5 * twice_inverse
    near = exponent.equals(bias)  # then high is the exact f
    f = where(near, high, f)
    lost = where(near, 0.0, lost) if low is None else where(near, low, lost)
    if doubled is not None:
        e = e + where(doubled, e.constant(1.0), 0.0)
    return log_of_ratio(f, e, lost * polynomial(f, INVERSE))


def log1p(x: Real) -> Real:
    """Return log(1 + x)."""
    return at_ends(1.0 + x, log1p_pair(x).with_sign_of(x))


def _plus_log1p(term: Real, high: Real, low: Real) -> Real:
    """Return ``term + log(1 + high + low)``, high from 0 to 1 and low tiny; little error where they cancel."""
    near = high < 0.41421356
    halved, lost = ordered_sum(high.constant(-1.0), high)  # else 1 + high is 2 (1 + f) with f = (high - 1) / 2
    f = where(near, high, halved * 0.5)
    low = where(near, low, (lost + low) * 0.5) * polynomial(f, INVERSE)
    s = f / (2.0 + f)
    z = s * s
    half_square = f * f * 0.5
    rest = s.times_plus(
        polynomial(z, z.choose(*LOG)).times_plus(z, half_square),
        low + where(near, low.constant(0.0), low.choose(*LN2_LOW)),
    )
    total, lost = sum_of(term, f)
    total, more = sum_of(total, where(near, low.constant(0.0), low.choose(*LN2)))
    result = total + (lost + more - (half_square - rest))
    return where(abs(term) < 2.0**100, result, term)


def logaddexp(x: Real, y: Real) -> Real:
    """Return log(exp(x) + exp(y)); near 0, where the terms cancel, within an ulp of the larger argument."""
    difference, lost = sum_of(x, -y)
    size = abs(difference)
    lost = where(size < 800.0, where(difference > 0.0, -lost, lost), 0.0)
    size = where(x.equals(y), 0.0, size)  # infinities too
    sum_ = _plus_log1p(where(x > y, x, y), *exp_pair(-size, lost))
    return where(x.is_nan() | y.is_nan(), float("nan"), sum_)


def logaddexp2(x: Real, y: Real) -> Real:
    """Return log2(2**x + 2**y); near 0, where the terms cancel, within some ulps of the larger argument."""
    difference, lost = sum_of(x, -y)
    size, larger = abs(difference), where(x > y, x, y)
    lost = where(size < 1200.0, where(difference > 0.0, -lost, lost), 0.0)
    share = exp2(-size)
    share = share.times_plus(lost * x.choose(*LN2), share)
    sum_ = where(x.equals(y), larger + 1.0, log1p(share).times_plus(x.choose(*_LOG2E)[0], larger))
    return where(x.is_nan() | y.is_nan(), float("nan"), sum_)


def softplus(x: Real) -> Real:
    """Return log(1 + exp(x))."""
    return _plus_log1p(where(x < 0.0, 0.0, x), *exp_pair(-abs(x), x.constant(0.0)))


def log_expit(x: Real) -> Real:
    """Return the logarithm of the logistic function, -log(1 + exp(-x))."""
    return -softplus(-x)


FUNCTIONS: dict[str, Callable[..., Real]] = {
    "log": log,
    "log2": log2,
    "log10": log10,
    "log1p": log1p,
    "logaddexp": logaddexp,
    "logaddexp2": logaddexp2,
    "softplus": softplus,
    "log_expit": log_expit,
}
