"""Logarithms of quotients: the log-odds of a probability, entropies and divergences."""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Real, polynomial, where
from .double_double import ordered_sum, quotient_of
from .exponential import LN2, LN2_LOW
from .logarithm import INFINITY, INVERSE, LOG, decomposed, log, log_of_ratio


def logit(x: Real) -> Real:
    """Return ``log(x / (1 - x))``."""
    high, low = quotient_of((x, x.constant(0.0)), ordered_sum(x.constant(1.0), -x))
    _, e, f = decomposed(high)
    result = log_of_ratio(f, e, low / high)
    result = where(x < 1.0, result, where(x.equals(1.0), x.constant(INFINITY), float("nan")))
    return where(x > 0.0, result, where(x.equals(0.0), x.constant(-INFINITY), float("nan")))


def entr(x: Real) -> Real:
    """Return ``-x log(x)``, 0 for x = 0 and -inf for a negative x."""
    result = -x * log(x)
    return where(x < 0.0, -INFINITY, where(x.equals(0.0), 0.0, result))


def _quotient_parts(x: Real, y: Real) -> tuple[Real, Real, Real]:
    """Return e, f and low with ``x / y = 2**e (1 + f + low)``, 1 + f from sqrt(1/2) to sqrt(2), of positive numbers."""
    (_, e_x, f_x), (_, e_y, f_y) = decomposed(x), decomposed(y)
    zero = x.constant(0.0)
    high, low = quotient_of((f_x + 1.0, zero), (f_y + 1.0, zero))
    _, e, f = decomposed(high, subnormal=False)
    low = low * where(e > 0.5, 0.5, where(e < -0.5, x.constant(2.0), 1.0))
    return e_x - e_y + e, f, low


def rel_entr(x: Real, y: Real) -> Real:
    """Return ``x log(x / y)`` of positive numbers, 0 for x = 0 and y >= 0, and inf elsewhere."""
    e, f, low = _quotient_parts(x, y)
    near = e.equals(0.0)
    result = x * log_of_ratio(where(near, (x - y) / y, f), e, where(near, 0.0, low / (1.0 + f)))
    result = where(y < INFINITY, result, where(x < INFINITY, -y, float("nan")))
    return _defined(x, y, where(x < INFINITY, result, where(y < INFINITY, x, float("nan"))), 0.0)


def kl_div(x: Real, y: Real) -> Real:
    """Return ``x log(x / y) - x + y`` of positive numbers, y for x = 0 and y >= 0, and inf elsewhere."""
    e, f, low = _quotient_parts(y, x)
    near, up, down = e.equals(0.0), e.equals(1.0), e.equals(-1.0)
    # f - log(1 + f) has no digits to lose; where y / x = 2**e (1 + f), (2**e - 1) (1 + f) - e log(2) is added.
    f = where(near, (y - x) / x, f)
    s = f / (2.0 + f)
    z = s * s
    half_square = f * f * 0.5
    factor = where(up, 1.0, where(down, x.constant(-0.5), 0.0))
    rest = e * -e.choose(*LN2_LOW) + low * ((factor + 1.0) - polynomial(f, INVERSE))
    rest = where(near, 0.0, rest) - s * polynomial(z, z.choose(*LOG)).times_plus(z, half_square)
    first = where(near, 0.0, e.times_plus(-e.choose(*LN2), factor.times_plus(f, factor)))
    close = x * (first + (half_square + rest))
    far = (-x).times_plus(log_of_ratio(f, e, low * polynomial(f, INVERSE)), y - x)
    result = where(near | up | down, close, far)
    return _defined(x, y, where((x < INFINITY) & (y < INFINITY), result, float("nan")), y)


def _defined(x: Real, y: Real, result: Real, at_zero: Real | float) -> Real:
    """Return the result of positive numbers, `at_zero` for x = 0 and y >= 0, a nan for a nan and inf elsewhere."""
    other = where(x.equals(0.0) & (y >= 0.0), at_zero, x.constant(INFINITY))
    result = where((x > 0.0) & (y > 0.0), result, other)
    return where(x.is_nan() | y.is_nan(), float("nan"), result)


#: The formulas, by their names in SciPy.
FUNCTIONS: dict[str, Callable[..., Real]] = {"logit": logit, "entr": entr, "rel_entr": rel_entr, "kl_div": kl_div}
