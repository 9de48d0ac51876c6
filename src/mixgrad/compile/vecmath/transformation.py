"""The power transformation of Box and Cox, and its inverse."""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Real, where
from .double_double import ordered_sum, product_of, quotient_of, sum_of
from .exponential import LOG2E, exp, expm1
from .logarithm import INFINITY, log
from .power import exp2_of_pair, log2_pair, power

_TINY = 2.0**-80  # below, exponents make no difference to results that are neither zero nor infinite


def boxcox(x: Real, exponent: Real) -> Real:
    """Return ``(x**exponent - 1) / exponent``, log(x) for an exponent of 0."""
    log_x = log(x)
    product = exponent * log_x
    small = abs(product) < 1.0
    result = where(small, expm1(where(small, product, 0.0)), power(x, exponent) - 1.0) / exponent
    result = where(product.is_nan(), float("nan"), result)
    result = where(abs(exponent) < _TINY, log_x, result)
    return where(x < 0.0, float("nan"), result)


def inv_boxcox(y: Real, exponent: Real) -> Real:
    """Return ``(1 + exponent * y)**(1 / exponent)``, exp(y) for an exponent of 0."""
    big = abs(exponent * y) > 2.0**900
    down = where(big, y.constant(2.0**-500), 1.0)
    product, product_low = product_of(exponent * down, y * down)
    base, lost = sum_of(where(big, y.constant(0.0), 1.0), product)
    lost = where(big, 0.0, lost + product_low)
    high, low = log2_pair(base)
    high, more = sum_of(high, where(big, y.constant(1000.0), 0.0))
    high, low = ordered_sum(high, (lost / base).times_plus(LOG2E, low + more))
    result = exp2_of_pair(*quotient_of((high, low), (exponent, y.constant(0.0))))
    at_end = base.equals(0.0) | base.equals(INFINITY)
    grows = where(base < 1.0, -exponent, exponent) > 0.0
    result = where(at_end, where(grows, y.constant(INFINITY), 0.0), result)
    # log(1 + t) / exponent is y - y t / 2 for t = exponent y.
    limit = exp(y)
    limit = where((abs(y) < 1000.0) & (limit < INFINITY), limit.times_plus(y * product * -0.5, limit), limit)
    result = where((abs(product) < 2.0**-40) | (abs(exponent) < _TINY), limit, result)
    undefined = (base < 0.0) | (base.is_nan() & ~exponent.equals(0.0)) | abs(exponent).equals(INFINITY)
    return where(undefined, float("nan"), result)


#: The formulas, by their names in SciPy.
FUNCTIONS: dict[str, Callable[..., Real]] = {"boxcox": boxcox, "inv_boxcox": inv_boxcox}
