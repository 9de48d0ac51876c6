"""The gamma function."""

from __future__ import annotations

import math
from collections.abc import Callable

from .arithmetic import Real, polynomial, split_polynomial, where
from .double_double import product_of, sum_of
from .exponential import INFINITY, LOG2E
from .power import exp2_of_pair, log2_pair
from .special import STIRLING
from .trigonometric import sin

_LOG2E_LOW = 2.0355273740931033e-17  # log2(e) - LOG2E
_LARGE = 6.5

# 1 / gamma(2 + e) of e in [-1/2, 1/2]: degree 14, relative error 2**-56.2.
_INVERSE_GAMMA = (
    1.0,
    -0.4227843350984668,
    -0.23309373642178646,
    0.19109110138763954,
    -0.02455249000541512,
    -0.017645244547876807,
    0.00802327302245555,
    -0.0008043298189872913,
    -0.0003608378150984002,
    0.0001455965671543248,
    -1.7545899904312637e-05,
    -2.591221285982636e-06,
    1.338814965553532e-06,
    -1.9954714995657095e-07,
    -1.1962358832989452e-09,
)


def gamma(x: Real) -> Real:
    """Return the gamma function."""
    mirrored = x < -0.5
    y = where(mirrored, -x, x)
    large = y >= _LARGE
    # Below, gamma(y) is that of y - k in [1.5, 2.5], times a product of y - i, or by one of y + i.
    nearest = where(large, 2.0, y).rounded()
    e = where(large, 0.0, y - nearest)
    product = y.constant(1.0)
    for i in range(1, 5):
        product = where(nearest > i + 1.5, product * (y - float(i)), product)
    divisor = where(nearest < 0.5, y.times_plus(y, y), where(nearest < 1.5, y, 1.0))
    small = product / (split_polynomial(e, _INVERSE_GAMMA, 4) * divisor.with_sign_of(y))
    result = where(large, _stirling(where(large, y, _LARGE)), small)

    # gamma(-y) = -pi / (y sin(pi y) gamma(y)); the sign of sin(pi y) is that of sin(pi r), or the other for odd y - r.
    r = y - y.rounded()
    odd = y.rounded() * 0.5
    sine = sin(r * math.pi)
    sine = where(odd.equals(odd.rounded()), sine, -sine)
    reflected = -math.pi / (y * sine) / result
    reflected = where(r.equals(0.0) | y.equals(INFINITY), float("nan"), reflected)
    return where(mirrored, reflected, result)


def _stirling(x: Real) -> Real:
    """Return ``sqrt(2 pi) x**(x - 1/2) exp(-x + 1 / (12 x) - ...)`` for x from 6.5 on."""
    beyond = x > 172.0
    x = where(beyond, 172.0, x)
    log_high, log_low = log2_pair(x)
    before = x - 0.5
    high, low = product_of(before, log_high)
    minus, minus_low = product_of(x, -LOG2E)
    total, lost = sum_of(high, minus)
    inverse = 1.0 / x
    series = inverse * polynomial(inverse * inverse, STIRLING)
    rest = before.times_plus(log_low, low) + (minus_low - x * _LOG2E_LOW)
    result = exp2_of_pair(total, series.times_plus(LOG2E, lost + rest), math.sqrt(2 * math.pi))
    return where(beyond, INFINITY, result)


#: The formula, by its name in SciPy.
FUNCTIONS: dict[str, Callable[..., Real]] = {"gamma": gamma}
