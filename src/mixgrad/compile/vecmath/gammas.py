"""The gamma function and the derivatives of its logarithm."""

from __future__ import annotations

import math
from collections.abc import Callable

from .arithmetic import Real, polynomial, split_polynomial, where
from .double_double import product_of, sum_of
from .exponential import INFINITY, LOG2E
from .power import exp2_of_pair, log2_pair
from .special import STIRLING
from .trigonometric import cos, sin

_LOG2E_LOW = 2.0355273740931033e-17  # log2(e) - LOG2E
_LARGE = 6.5
_SHIFT = 8  # the series of polygamma is used from this and the order on
_BERNOULLI = (1, 1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)

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


def _power(x: Real, exponent: int) -> Real:
    """Return a power with a small positive exponent."""
    result = x if exponent & 1 else None
    while exponent := exponent >> 1:
        x = x * x
        if exponent & 1:
            result = x if result is None else result * x
    assert result is not None
    return result


def _cotangent_derivative(order: int) -> list[float]:
    """Return the coefficients of the polynomial in ``cot(x)`` that is a derivative of it."""
    coefficients = [0, 1]
    for _ in range(order):  # the derivative of cot(x)**k is -k (cot(x)**(k - 1) + cot(x)**(k + 1))
        following = [0] * (len(coefficients) + 1)
        for k, c in enumerate(coefficients):
            if k:
                following[k - 1] -= k * c
                following[k + 1] -= k * c
        coefficients = following
    return [float(c) for c in coefficients]


def polygamma(order: int) -> Callable[[Real], Real]:
    """Return the formula of a derivative of digamma."""
    factorial = float(math.factorial(order))
    # The asymptotic series of it at y, times y**order: B_2k (2 k + order - 1)! / (2 k)! of 1 / y**2.
    series = [
        float(b * math.factorial(2 * k + order - 1) / math.factorial(2 * k)) for k, b in enumerate(_BERNOULLI) if k
    ]
    sign, shift = (-1.0) ** (order + 1), _SHIFT + order

    def formula(x: Real) -> Real:
        mirrored = x < 0.0
        size = where(mirrored, 1.0 - x, x)
        inverse = 1.0 / (size + float(shift))
        z = inverse * inverse
        rest = polynomial(z, series).times_plus(z, inverse * (factorial / 2))
        tail = _power(inverse, order) * (rest + factorial / order)
        total = size.constant(0.0)
        for k in reversed(range(shift)):
            total = total + 1.0 / _power(size + float(k), order + 1)
        result = total.times_plus(factorial, tail) * sign

        # (-1)**order psi(1 - x) - psi(x) is pi times the derivative of cot(pi x).
        r = x - x.rounded()
        high = abs(r) > 0.25
        angle = where(high, 0.5 - abs(r), abs(r)) * math.pi
        sine, cosine = sin(angle), cos(angle)
        cotangent = (where(high, sine, cosine) / where(high, cosine, sine)).with_sign_of(r)
        slope = polynomial(cotangent, _cotangent_derivative(order)) * math.pi ** (order + 1)
        reflected = result * (-1.0) ** order - slope
        reflected = where(r.equals(0.0) | x.equals(-INFINITY), sign * INFINITY, reflected)
        return where(mirrored, reflected, result)

    return formula


#: The formulas, by their names in SciPy; that of `polygamma` with the order.
FUNCTIONS: dict[str, Callable[..., Real]] = {
    "gamma": gamma,
    **{f"polygamma{order}": polygamma(order) for order in range(1, 5)},
}
