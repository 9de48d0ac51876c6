"""Rows of the functions of `scipy.special`, loaded when one of them first meets a differentiated value.

As in `elementwise.py`: a function, then its partial derivative for each argument, in the form that is accurate over the
whole range. Functions with an order, of which derivatives are made, are in `orders.py`.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import scipy.special as sp

from mixgrad.core.numpy_table import UFUNCS
from mixgrad.core.op import TABLE
from mixgrad.rules import series
from mixgrad.rules.elementwise import LN10, UNIT
from mixgrad.rules.orders import erfcx_integral, exponential_moment, iv, ive, jv, kv, kve, polygamma, yv
from mixgrad.rules.row import POSITIVE, REALS, elementwise

SQRT2, SQRT_PI, SQRT_2PI = math.sqrt(2), math.sqrt(math.pi), math.sqrt(2 * math.pi)
PROBABILITY = (0.05, 0.95)


# The normal distribution ----------------------------------------------------------------------------------------------


def _gaussian(x, rate):
    """Return ``exp(-rate x**2)`` with all its digits: the square of the leading digits of x is exact."""
    if np.iscomplexobj(x):
        return np.exp(-rate * x * x)
    lead = np.rint(np.maximum(np.minimum(x, 64.0), -64.0) * 16) / 16
    return np.exp(-rate * lead * lead) * np.exp(-rate * (x - lead) * (x + lead))


def _log_ndtr_slope(x):
    # The density over the distribution function: far to the left both vanish.
    left = (2 / SQRT_2PI) / sp.erfcx(np.where(x < 0, x, 0.0) / -SQRT2)
    return np.where(x < 0, left, _gaussian(x, 0.5) / SQRT_2PI / sp.ndtr(np.where(x < 0, 0.0, x)))


def _inverse_slope(z, tail):
    """Return ``exp(z**2)`` for z >= 0 with erfc(z) = tail: in its own formula the rounding of z counts z**2 times."""
    end = tail == 0
    return np.where(end, np.inf, sp.erfcx(z) / np.where(end, 1.0, tail))


def _erfinv_slope(z, x):
    z = sp.erfinv(x) if z is None else z  # Taylor mode asks before it knows z
    sign = np.copysign(1.0, x)
    return SQRT_PI / 2 * _inverse_slope(sign * z, 1 - sign * x)


def _erfcinv_slope(z, x):
    z = sp.erfcinv(x) if z is None else z
    left = x > 1
    return -SQRT_PI / 2 * _inverse_slope(np.where(left, -z, z), np.where(left, 2 - x, x))


def _ndtri_slope(z, p):
    z = sp.ndtri(p) if z is None else z
    right = p > 0.5
    return SQRT_2PI * _inverse_slope(np.where(right, z, -z) / SQRT2, 2 * np.where(right, 1 - p, p))


def _at_one_precision(function):
    """Return the function for arguments of which some are numbers of Python: SciPy takes those as float64."""

    def value(x, y):
        if type(x) in (float, int):
            x = np.asarray(x, y.dtype)[()] if hasattr(y, "dtype") and y.dtype.kind == "f" else x
        elif type(y) in (float, int) and hasattr(x, "dtype") and x.dtype.kind == "f":
            y = np.asarray(y, x.dtype)[()]
        return function(x, y)

    return functools.update_wrapper(value, function, assigned=("__name__", "__doc__"), updated=())


def _two(function, *partials, **options):
    return elementwise(function, *partials, value=_at_one_precision(function), **options)


# Entropies ------------------------------------------------------------------------------------------------------------


def _quotient(x, y):
    """Return x / y, and 0 for 0 / 0."""
    return x / np.where((x == 0) & (y == 0), 1.0, y)


def _log_quotient(x, y):
    near = np.abs(x - y) < 0.5 * y
    difference = np.where(near, (x - y) / np.where(near, y, 1.0), 0.0)
    return np.where(near, np.log1p(difference), np.log(np.where(near, 1.0, _quotient(x, y))))


def _kl_div_by_y(z, x, y):
    none = (x == 0) & (y == 0)
    return np.where(none, 1.0, (y - x) / np.where(none, 1.0, y))


# Powers and losses ----------------------------------------------------------------------------------------------------


def _boxcox_by_exponent(z, x, a):
    log = np.log(x)
    return log * log * exponential_moment(a * log, order=1)


def _inv_boxcox_by_exponent(z, y, a):
    # With t = log(1 + a y) all factors are smooth at a = 0, where this is -y**2 / 2 exp(y).
    z = sp.inv_boxcox(y, a) if z is None else z
    t = np.log1p(a * y)
    return -z * y * y * np.exp(-t) * exponential_moment(t, order=1) / sp.exprel(t) ** 2


def _pseudo_huber_by_delta(z, delta, r):
    q = r / delta
    s = np.hypot(1.0, q)
    return delta * (q / (1 + s)) ** 2 * (q * (q / s))


# fmt: off
# The normal distribution
erf       = elementwise(sp.erf, lambda z, x: 2 / SQRT_PI * _gaussian(x, 1.0), at=(5.0, 20.0, -26.0))
erfc      = elementwise(sp.erfc, lambda z, x: -2 / SQRT_PI * _gaussian(x, 1.0), at=(5.0, 20.0, -26.0))
erfcx     = elementwise(sp.erfcx, lambda z, x: -2.0 * erfcx_integral(x, order=1), at=(0.0, 50.0, 1e6, -10.0))
erfinv    = elementwise(sp.erfinv, _erfinv_slope, domain=(UNIT,), at=(0.0, 1e-10, 0.999999999, -0.999999999))
erfcinv   = elementwise(sp.erfcinv, _erfcinv_slope, domain=((0.1, 1.9),), at=(1e-300, 1e-10, 1.0, 1.999999999))
ndtr      = elementwise(sp.ndtr, lambda z, x: _gaussian(x, 0.5) / SQRT_2PI, at=(10.0, -30.0))
log_ndtr  = elementwise(sp.log_ndtr, lambda z, x: _log_ndtr_slope(x), at=(0.0, 10.0, -30.0, -1e6))
ndtri     = elementwise(sp.ndtri, _ndtri_slope, domain=(PROBABILITY,), at=(1e-300, 1e-10, 0.5, 0.999999999))

# The logistic function
expit     = elementwise(sp.expit, lambda z, x: sp.expit(x) * sp.expit(-x), at=(0.0, 40.0, -40.0, 700.0, -700.0))
logit     = elementwise(sp.logit, lambda z, x: 1 / (x * (1 - x)), domain=(PROBABILITY,), at=(1e-300, 0.5, 0.999999999))
log_expit = elementwise(sp.log_expit, lambda z, x: sp.expit(-x), at=(0.0, 40.0, -800.0, 700.0))

# Gamma functions
gammaln   = elementwise(sp.gammaln, lambda z, x: sp.psi(x), domain=(POSITIVE,), at=(1e-10, 1e10, 150.0, -0.7, -3.5))
loggamma  = elementwise(sp.loggamma, lambda z, x: sp.psi(x), domain=(POSITIVE,), at=(1e-10, 1e10, 150.0))
gamma     = elementwise(sp.gamma, lambda z, x: sp.gamma(x) * sp.psi(x), domain=(POSITIVE,),
                        at=(1e-10, 100.0, -0.7, -3.5))
psi       = elementwise(sp.psi, lambda z, x: polygamma(x, order=1), domain=(POSITIVE,), at=(1e-10, 1e10, -0.7, -3.5))
beta      = _two(sp.beta, lambda z, a, b: sp.beta(a, b) * (sp.psi(a) - sp.psi(a + b)),
                        lambda z, a, b: sp.beta(a, b) * (sp.psi(b) - sp.psi(a + b)), domain=(POSITIVE,))
betaln    = _two(sp.betaln, lambda z, a, b: sp.psi(a) - sp.psi(a + b), lambda z, a, b: sp.psi(b) - sp.psi(a + b),
                        domain=(POSITIVE,), at=((100.0, 200.0),))

# Entropies. Where x is zero, they are flat in y.
xlogy     = _two(sp.xlogy, lambda z, x, y: np.log(y), lambda z, x, y: _quotient(x, y), domain=(REALS, POSITIVE),
                        at=((0.0, 2.0), (2.0, 1e-300)))
xlog1py   = _two(sp.xlog1py, lambda z, x, y: np.log1p(y), lambda z, x, y: _quotient(x, 1 + y),
                        domain=(REALS, (-0.9, 3.0)), at=((0.0, 2.0), (2.0, 1e-10)))
entr      = elementwise(sp.entr, lambda z, x: -(np.log(x) + 1), domain=(POSITIVE,), at=(1e-300, 1e10))
rel_entr  = _two(sp.rel_entr, lambda z, x, y: _log_quotient(x, y) + 1, lambda z, x, y: -_quotient(x, y),
                        domain=(POSITIVE,), at=((1.0, 1.0),))
kl_div    = _two(sp.kl_div, lambda z, x, y: _log_quotient(x, y), _kl_div_by_y,
                        domain=(POSITIVE,), at=((1.0, 1.01), (0.0, 2.0)))

# Bessel functions
j0        = elementwise(sp.j0, lambda z, x: -sp.j1(x), at=(0.0, 30.0, 1e-10))
j1        = elementwise(sp.j1, lambda z, x: (sp.j0(x) - jv(x, order=2)) / 2, at=(0.0, 30.0, 1e-10))
y0        = elementwise(sp.y0, lambda z, x: -sp.y1(x), domain=(POSITIVE,), at=(1e-10, 30.0))
y1        = elementwise(sp.y1, lambda z, x: (sp.y0(x) - yv(x, order=2)) / 2, domain=(POSITIVE,), at=(1e-10, 30.0))
i0        = elementwise(sp.i0, lambda z, x: sp.i1(x), at=(0.0, 30.0, 1e-10))
i1        = elementwise(sp.i1, lambda z, x: (sp.i0(x) + iv(x, order=2)) / 2, at=(0.0, 30.0, 1e-10))
i0e       = elementwise(sp.i0e, lambda z, x: sp.i1e(x) - np.sign(x) * sp.i0e(x))
i1e       = elementwise(sp.i1e, lambda z, x: (sp.i0e(x) + ive(x, order=2)) / 2 - np.sign(x) * sp.i1e(x))
k0        = elementwise(sp.k0, lambda z, x: -sp.k1(x), domain=(POSITIVE,), at=(1e-10, 30.0))
k1        = elementwise(sp.k1, lambda z, x: (sp.k0(x) + kv(x, order=2)) / -2, domain=(POSITIVE,), at=(1e-10, 30.0))
k0e       = elementwise(sp.k0e, lambda z, x: sp.k0e(x) - sp.k1e(x), domain=(POSITIVE,))
k1e       = elementwise(sp.k1e, lambda z, x: sp.k1e(x) - (sp.k0e(x) + kve(x, order=2)) / 2, domain=(POSITIVE,))

# Powers and losses
exp10     = elementwise(sp.exp10, lambda z, x: LN10 * sp.exp10(x))
cosm1     = elementwise(sp.cosm1, lambda z, x: -np.sin(x), at=(0.0, 1e-10))
exprel    = elementwise(sp.exprel, lambda z, x: exponential_moment(x, order=1), at=(0.0, 1e-10, 300.0, -1e5))
boxcox    = _two(sp.boxcox, lambda z, x, a: x ** (a - 1), _boxcox_by_exponent, domain=(POSITIVE, REALS),
                        at=((2.0, 0.0), (1e5, 2.0), (2.0, 1e-10)))
inv_boxcox = _two(sp.inv_boxcox, lambda z, y, a: sp.inv_boxcox(y, a) / (1 + a * y), _inv_boxcox_by_exponent,
                        domain=((0.1, 3.0), (0.1, 2.0)), at=((2.0, 0.0), (2.0, 1e-10)))
huber     = _two(sp.huber, lambda z, delta, r: np.maximum(np.abs(r) - delta, 0.0),
                        lambda z, delta, r: np.clip(r, -delta, delta), domain=(POSITIVE, REALS),
                        at=((1.0, 5.0), (1.0, -5.0)))
pseudo_huber = _two(sp.pseudo_huber, _pseudo_huber_by_delta, lambda z, delta, r: r / np.hypot(1.0, r / delta),
                        domain=(POSITIVE, REALS), at=((1.0, 0.0), (1.0, 1e10), (1e5, 1.0)))

# Taylor recurrences, where the derivative needs the function twice
expit.series = lambda z, x: _logistic_series(z, x)
i0e.series   = lambda z, x: ive.series(z, x, order=0)  # pyright: ignore[reportOptionalCall]
i1e.series   = lambda z, x: ive.series(z, x, order=1)  # pyright: ignore[reportOptionalCall]
k0e.series   = lambda z, x: kve.series(z, x, order=0)  # pyright: ignore[reportOptionalCall]
k1e.series   = lambda z, x: kve.series(z, x, order=1)  # pyright: ignore[reportOptionalCall]
# fmt: on


def _logistic_series(start, u):
    """Return the series of z with z' = z (1 - z) u', where 1 - z is carried with its own digits."""
    slope = series.derivative(u)
    z, rest, product = [start], [sp.expit(-u[0])], []
    for k in range(1, len(u)):
        product.append(np.sum(np.stack(z) * np.stack(rest[::-1]), axis=0))
        z.append(np.sum(series.product(np.stack(product), slope[k - 1 :: -1]), axis=0) / k)
        rest.append(-z[-1])
    return np.stack(z)


# SciPy's own versions of NumPy's functions
for _function in (sp.cbrt, sp.exp2, sp.expm1, sp.log1p):
    UFUNCS[_function] = TABLE[_function.__name__]
