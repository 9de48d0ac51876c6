"""Rows of special functions that have an order: the derivative of one order is a sum over its neighbours.

Every derivative of a function of `special.py` is made of these, so they are there for all orders: polygamma functions,
Bessel functions, repeated integrals of erfc, moments of the exponential. The order is static data.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.special

from mixgrad._errors import UnsupportedError
from mixgrad.core.bind import Traced
from mixgrad.core.numpy_table import numpy_function
from mixgrad.core.op import Op
from mixgrad.rules import series
from mixgrad.rules.row import REALS, Sample, general, tangent_of

# Integrals from 0 to 1 by the double exponential rule of Takahasi and Mori: s = 1 / (1 + exp(-pi sinh(h k))). All
# digits of a node's distance to either end are there, and all terms are positive.
_STEP = 0.04
_PLACES = _STEP * np.arange(-84, 85)
NODES, REST = scipy.special.expit(np.pi * np.sinh(_PLACES)), scipy.special.expit(-(np.pi * np.sinh(_PLACES)))
WEIGHTS = _STEP * np.pi * np.cosh(_PLACES) * NODES * REST
POSITIVE = (0.3, 8.0)


def family(name: str, value: Callable, slope: Callable, samples: tuple) -> Op:
    """Add the row of a function f of an order n and a number x.

    Parameters
    ----------
    name : str
    value : callable
        ``value(x, order)``: an array of the dtype of x.
    slope : callable
        ``slope(order, x)``: pairs ``(c, m)`` such that the derivative of f_n is the sum of ``c f_m``. A factor `c` is
        constant where f is smooth.
    samples : tuple
    """

    def jvp(out, args, tangents, *, order):
        (x,) = args
        weight = None
        for factor, other in slope(order, x):
            term = factor * row(x, order=other)
            weight = term if weight is None else weight + term
        return tangent_of(out, (weight, tangents[0]))

    def coefficients(out, u, *, order):
        # f(u_0 + h) = sum f^(k)(u_0) h^k / k!, by Horner's scheme in the polynomial h.
        x, found, factors = u[0], [out], {order: 1.0}
        for k in range(1, len(u)):
            following: dict = {}
            for m, c in factors.items():
                for factor, other in slope(m, x):
                    following[other] = following.get(other, 0.0) + c * factor / k
            factors = following
            found.append(sum(c * row(x, order=m) for m, c in factors.items()))
        h = np.concatenate([u[:1] * 0, u[1:]])
        result = series.lift(np.asarray(found[-1]) if not isinstance(found[-1], Traced) else found[-1], len(u) - 1)
        for term in found[-2::-1]:
            product = series.multiply(result, h)
            result = np.concatenate([np.expand_dims(product[0] + term, 0), product[1:]])
        return np.astype(result, u.dtype)

    row = general(
        name,
        lambda x, *, order: np.asarray(value(x, order)).astype(x.dtype, copy=False)[()],
        jvp,
        lambda args, batched, *, order: row(args[0], order=order),
        lambda x, *, order: x.shape,
        series=coefficients,
        samples=samples,
    )
    return row


def _samples(*orders: float, domain: tuple[float, float] = POSITIVE) -> tuple:
    shapes = ((2, 3), (), (4,))
    return tuple(Sample((shapes[i % 3],), {"order": n}, domain) for i, n in enumerate(orders))


# Derivatives of digamma -----------------------------------------------------------------------------------------------


def _polygamma_value(x, order):
    return scipy.special.polygamma(order, np.asarray(x, float))


polygamma = family("polygamma", _polygamma_value, lambda n, x: [(1.0, n + 1)], _samples(1, 2, 5))


# exp(x^2) times the repeated integrals of erfc ------------------------------------------------------------------------


def _erfcx_integral_value(x, order):
    """Return ``exp(x**2) i^n erfc(x)`` (Abramowitz and Stegun, 7.2): every term is positive, so no digits cancel."""
    x = np.asarray(x, float)
    if order == 0:
        return scipy.special.erfcx(x)
    # For x < 0 the recurrence n f_n = f_(n - 2) / 2 - x f_(n - 1).
    negative = np.minimum(x, 0.0)
    before, recurrence = 2 / math.sqrt(math.pi), scipy.special.erfcx(negative)
    for n in range(1, order + 1):
        before, recurrence = recurrence, (before / 2 - negative * recurrence) / n
    # For x >= 0 the integral of t^n exp(-t^2 - 2 x t), up to where the exponent is negligible.
    positive = np.maximum(x, 0.0)[..., None]
    reach = 40.0 + 4.0 * order
    end = reach / (np.sqrt(positive * positive + reach) + positive)
    t = end * NODES
    integral = np.sum(t**order * np.exp(-t * (t + 2 * positive)) * (end * WEIGHTS), axis=-1)
    return np.where(x < 0, recurrence, 2 / (math.sqrt(math.pi) * scipy.special.gamma(order + 1.0)) * integral)


erfcx_integral = family(
    "erfcx_integral", _erfcx_integral_value, lambda n, x: [(-2.0 * (n + 1), n + 1)], _samples(0, 1, 2, 5, domain=REALS)
)


# Moments of the exponential -------------------------------------------------------------------------------------------


def _exponential_moment_value(x, order):
    """Return the integral of ``s^n exp(x s)`` for s from 0 to 1, up to where the exponent is negligible."""
    x = np.asarray(x, float)[..., None]
    size = np.abs(x)
    end = np.minimum(1.0, (40.0 + 4.0 * order) / np.where(size == 0, 1.0, size))
    s = end * NODES  # the distance from the end where the exponential is largest
    power = np.where(x < 0, s, np.where(end == 1.0, REST, 1.0 - s)) ** order
    return np.exp(np.maximum(x[..., 0], 0.0)) * np.sum(power * np.exp(-size * s) * (end * WEIGHTS), axis=-1)


exponential_moment = family(
    "exponential_moment", _exponential_moment_value, lambda n, x: [(1.0, n + 1)], _samples(0, 1, 4, domain=REALS)
)


# Bessel functions -----------------------------------------------------------------------------------------------------


def _neighbours(before: float, after: float, own: Callable | None = None) -> Callable:
    def slope(order, x):
        sides = [(before, order - 1), (after, order + 1)]
        return sides if own is None else [*sides, (own(x), order)]

    return slope


def _described(v):
    return "a differentiated value" if isinstance(v, Traced) else f"an array of shape {np.shape(v)}"


def _bessel(function: np.ufunc, slope: Callable, *orders: float) -> Op:
    def value(x, order):
        return function(order, np.asarray(x, float))

    row = family(function.__name__, value, slope, _samples(*orders))

    @numpy_function(function)
    def meaning(v, x):
        if isinstance(v, Traced) or np.ndim(v):
            raise UnsupportedError(
                f"scipy.special.{function.__name__}(v, x) has a rule for one constant order v, got {_described(v)}. "
                "There is no derivative by the order; for several orders stack the results of several calls."
            )
        return row(x, order=v.item() if hasattr(v, "item") else v)

    return row


jv = _bessel(scipy.special.jv, _neighbours(0.5, -0.5), 0, 2, 1.5)
yv = _bessel(scipy.special.yv, _neighbours(0.5, -0.5), 0, 2, 1.5)
iv = _bessel(scipy.special.iv, _neighbours(0.5, 0.5), 0, 2, 1.5)
kv = _bessel(scipy.special.kv, _neighbours(-0.5, -0.5), 0, 2, 1.5)
ive = _bessel(scipy.special.ive, _neighbours(0.5, 0.5, lambda x: -np.sign(x)), 0, 2, 1.5)
kve = _bessel(scipy.special.kve, _neighbours(-0.5, -0.5, lambda x: 1.0), 0, 2, 1.5)
