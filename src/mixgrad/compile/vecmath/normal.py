"""The normal distribution and the scaled complement of the error function."""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Real, polynomial, where
from .double_double import product_of
from .exponential import INFINITY, clamped, exp
from .logarithm import log, log1p_pair
from .special import erfc_of_positive, erfcx_of_positive

_SQRT_HALF = 0.7071067811865476, -4.833646656726457e-17
_INVERSE_SQRT_PI = 0.5641895835477563
_LARGE = 27.0
# erfcx(x) x sqrt(pi) of z = 1 / x**2: the beginning of the asymptotic series.
_SERIES = (1.0, -0.5, 0.75, -1.875, 6.5625, -29.53125, 162.421875)


def _erfcx_of_positive(x: Real) -> Real:
    inverse = 1.0 / x
    large = inverse * _INVERSE_SQRT_PI * polynomial(inverse * inverse, _SERIES)
    small, lost = erfcx_of_positive(x)
    return where(x > _LARGE, large, small.times_plus(lost, small))


def erfcx(x: Real) -> Real:
    """Return ``exp(x**2) erfc(x)``."""
    size = abs(x)
    result = _erfcx_of_positive(size)
    square, lost = product_of(x, x)
    exponential = exp(square)
    twice = lost.times_plus(exponential, exponential) * 2.0
    left = where(size < 26.63, twice - result, INFINITY)
    return where(x < 0.0, left, where(x.equals(0.0), 1.0, result))


def ndtr(x: Real) -> Real:
    """Return the distribution function of the standard normal distribution."""
    size = abs(x)
    tail = _tail(clamped(size, 0.0, 38.6))
    result = where(x < 0.0, tail, 1.0 - tail)
    return where(size < 2.0**-54, 0.5, result)


def _tail(size: Real) -> Real:
    """Return the probability of numbers beyond `size`, from 0 to 38.6."""
    high, low = product_of(size, _SQRT_HALF[0])
    return erfc_of_positive(high, size.times_plus(_SQRT_HALF[1], low)) * 0.5


def log_ndtr(x: Real) -> Real:
    """Return the logarithm of the distribution function of the standard normal distribution."""
    size = abs(x)
    right = -abs(log1p_pair(-_tail(clamped(size, 0.0, 38.6))))
    left = (size * -0.5).times_plus(size, log(_erfcx_of_positive(size * _SQRT_HALF[0]) * 0.5))
    return where(x < 0.0, where(size < 2.0**600, left, -INFINITY), right)


#: The formulas, by their names in SciPy.
FUNCTIONS: dict[str, Callable[..., Real]] = {"erfcx": erfcx, "ndtr": ndtr, "log_ndtr": log_ndtr}
