"""Oracles of the rows for special functions: their definitions in mpmath, at the precision of the caller."""

from __future__ import annotations

import numpy as np
import scipy.special
from mpmath import mp


def _erfcx(x):
    return mp.exp(x * x) * mp.erfc(x)


def _erfcinv(x):
    # The logarithm makes the tails as easy as the middle.
    if x > 1:
        return -_erfcinv(2 - x)
    start = mp.mpf(float(scipy.special.erfcinv(float(x))))
    return mp.findroot(lambda z: mp.log(mp.erfc(z) / x), start)


def _ndtr(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _ndtri(p):
    return -mp.sqrt(2) * _erfcinv(2 * p)


def _xlogy(x, y):
    return mp.mpf(0) if x == 0 else x * mp.log(y)


def _entr(x):
    return mp.mpf(0) if x == 0 else -x * mp.log(x)


def _rel_entr(x, y):
    return mp.mpf(0) if x == 0 else x * mp.log(x / y)


def _exprel(x):
    return mp.mpf(1) if x == 0 else mp.expm1(x) / x


def _boxcox(x, a):
    return mp.log(x) if a == 0 else (x**a - 1) / a


def _inv_boxcox(y, a):
    return mp.exp(y) if a == 0 else (1 + a * y) ** (1 / a)


def _huber(delta, r):
    return r * r / 2 if abs(r) <= delta else delta * (abs(r) - delta / 2)


def _log_gamma(x):
    return mp.log(abs(mp.gamma(x)))


def _beta(a, b):
    return mp.gamma(a) * mp.gamma(b) / mp.gamma(a + b)


MPMATH = {
    "erf": mp.erf,
    "erfc": mp.erfc,
    "erfcx": _erfcx,
    "erfinv": lambda x: _erfcinv(1 - x),
    "erfcinv": _erfcinv,
    "ndtr": _ndtr,
    "log_ndtr": lambda x: mp.log(_ndtr(x)),
    "ndtri": _ndtri,
    "expit": lambda x: 1 / (1 + mp.exp(-x)),
    "logit": lambda x: mp.log(x / (1 - x)),
    "log_expit": lambda x: -mp.log(1 + mp.exp(-x)),
    "gammaln": _log_gamma,
    "loggamma": _log_gamma,
    "gamma": mp.gamma,
    "psi": mp.digamma,
    "beta": _beta,
    "betaln": lambda a, b: mp.log(_beta(a, b)),
    "xlogy": _xlogy,
    "xlog1py": lambda x, y: _xlogy(x, 1 + y),
    "entr": _entr,
    "rel_entr": _rel_entr,
    "kl_div": lambda x, y: _rel_entr(x, y) - x + y,
    "j0": lambda x: mp.besselj(0, x),
    "j1": lambda x: mp.besselj(1, x),
    "y0": lambda x: mp.bessely(0, x),
    "y1": lambda x: mp.bessely(1, x),
    "i0": lambda x: mp.besseli(0, x),
    "i1": lambda x: mp.besseli(1, x),
    "i0e": lambda x: mp.exp(-abs(x)) * mp.besseli(0, x),
    "i1e": lambda x: mp.exp(-abs(x)) * mp.besseli(1, x),
    "k0": lambda x: mp.besselk(0, x),
    "k1": lambda x: mp.besselk(1, x),
    "k0e": lambda x: mp.exp(x) * mp.besselk(0, x),
    "k1e": lambda x: mp.exp(x) * mp.besselk(1, x),
    "exp10": lambda x: mp.power(10, x),
    "cosm1": lambda x: mp.cos(x) - 1,
    "exprel": _exprel,
    "boxcox": _boxcox,
    "inv_boxcox": _inv_boxcox,
    "huber": _huber,
    "pseudo_huber": lambda d, r: d * d * (mp.sqrt(1 + (r / d) ** 2) - 1),
}

DIGITS = dict.fromkeys(("log_expit", "expit", "erf", "erfc", "ndtr", "log_ndtr"), 800)
"""Where a derivative begins far behind the point of the value."""

VALUES = {"kl_div": 1e6, "log_ndtr": 100, "loggamma": 60, "ndtr": 1000, "y0": 2000}
"""Units in the last place by which values of SciPy itself differ from the exact ones: sums that cancel, far tails."""

LOOSER = {
    "beta": 20, "betaln": 20, "i0e": 20, "i1e": 60, "j0": 20, "j1": 60, "k0e": 20, "k1e": 20, "rel_entr": 40, "y0": 20,
    "y1": 400,  # the difference of two terms, near a zero of the derivative
    "boxcox": 16, "inv_boxcox": 16, "erfcinv": 10, "erfcx": 8, "kl_div": 8, "pseudo_huber": 8,  # many roundings
}  # fmt: skip
"""Units in the last place by which a first derivative may differ."""


# Functions with an order: complex arguments, for complex steps --------------------------------------------------------


def _vectorised(function):
    """Make a NumPy function of an mpmath function ``function(x, order)``; real numbers stay real."""

    def value(x, *, order):
        def one(number):
            with mp.workdps(60):
                if isinstance(number, complex):
                    return complex(function(mp.mpmathify(number), order))
                return float(mp.re(function(mp.mpf(float(number)), order)))

        x = np.asarray(x)
        kind = complex if x.dtype.kind == "c" else float
        return np.array([one(kind(number)) for number in x.ravel()], kind).reshape(x.shape)[()]

    return value


def _polygamma(x, order):
    return (-1) ** (order + 1) * mp.factorial(order) * mp.zeta(order + 1, x)


def _erfcx_integral(x, order):
    before, value = 2 / mp.sqrt(mp.pi), _erfcx(x)
    for n in range(1, order + 1):
        before, value = value, (before / 2 - x * value) / n
    return value


def _scale(x):
    """Return exp(-|x|), continued from the real axis."""
    return mp.exp(-x if mp.re(x) >= 0 else x)


NUMPY = {
    "polygamma": _vectorised(_polygamma),
    "erfcx_integral": _vectorised(_erfcx_integral),
    "exponential_moment": _vectorised(lambda x, n: mp.hyp1f1(n + 1, n + 2, x) / (n + 1)),
    "jv": _vectorised(lambda x, n: mp.besselj(n, x)),
    "yv": _vectorised(lambda x, n: mp.bessely(n, x)),
    "iv": _vectorised(lambda x, n: mp.besseli(n, x)),
    "kv": _vectorised(lambda x, n: mp.besselk(n, x)),
    "ive": _vectorised(lambda x, n: _scale(x) * mp.besseli(n, x)),
    "kve": _vectorised(lambda x, n: mp.exp(x) * mp.besselk(n, x)),
}
