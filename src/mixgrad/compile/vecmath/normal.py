"""The normal distribution and the scaled complement of the error function."""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Real, polynomial, where
from .double_double import product_of
from .exponential import INFINITY, LN2, clamped, exp
from .logarithm import log, log1p_pair
from .special import erfc_of_positive, erfcx_of_positive

_SQRT_HALF = 0.7071067811865476, -4.833646656726457e-17
_INVERSE_SQRT_PI = 0.5641895835477563
_HALF_SQRT_PI = 0.8862269254527579
_LARGE = 27.0
# erfcx(x) x sqrt(pi) of z = 1 / x**2: the beginning of the asymptotic series.
_SERIES = (1.0, -0.5, 0.75, -1.875, 6.5625, -29.53125, 162.421875)


def _erfcx_of_positive(x: Real) -> Real:
    inverse = 1.0 / x
    large = inverse * _INVERSE_SQRT_PI * polynomial(inverse * inverse, _SERIES)
    small, lost = erfcx_of_positive(x)
    return where(x > _LARGE, large, small.times_plus(lost, small))


# Numerators and denominators by M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution",
# Applied Statistics 37 (1988): of the quantile of 1/2 + q, by q, in 0.180625 - q**2 for q up to 0.425; beyond, in
# r - 1.6 and from r = 5 on in r - 5, r being the root of minus the logarithm of the probability beyond.
_CENTRE = (
    (3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, 45921.953931549871457,
     67265.770927008700853, 33430.575583588128105, 2509.0809287301226727),
    (1.0, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867,
     39307.89580009271061, 28729.085735721942674, 5226.495278852545925),
)  # fmt: skip
_NEAR = (
    (1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
     1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4),
    (1.0, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
     0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_FAR = (
    (6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
     0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525, 7.868691311456132591e-4,
     1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15),
)  # fmt: skip


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


def _quantile(q: Real, tail: Real, log_2: float = 0.0) -> Real:
    """Return the quantile of the normal distribution for 1/2 + q.

    `tail` is 1/2 - abs(q), or twice that and then `log_2` is log(2), with all its digits.
    """
    central = abs(q) <= 0.425
    r = (log_2 - log(tail)).sqrt()
    far = r > 5.0
    variable = where(central, (-q).times_plus(q, 0.180625), where(far, r - 5.0, r - 1.6))
    numerator, denominator = (
        where(central, polynomial(variable, a), where(far, polynomial(variable, c), polynomial(variable, b)))
        for a, b, c in zip(_CENTRE, _NEAR, _FAR)
    )
    result = where(central, q, 1.0) * numerator / denominator
    beyond = where(tail.equals(0.0), q.constant(INFINITY), float("nan"))
    return where(tail > 0.0, result, beyond).with_sign_of(q)


def ndtri(p: Real) -> Real:
    """Return the quantile of the standard normal distribution, the inverse of `ndtr`."""
    return _quantile(p - 0.5, where(p > 0.5, 1.0 - p, p))


def erfinv(x: Real) -> Real:
    """Return the inverse of the error function."""
    result = _quantile(x * 0.5, 1.0 - abs(x), LN2[0]) * _SQRT_HALF[0]
    return where(abs(x) < 2.0**-500, x * _HALF_SQRT_PI, result)  # whose half may have lost a digit


def erfcinv(y: Real) -> Real:
    """Return the inverse of the complement of the error function."""
    return _quantile((1.0 - y) * 0.5, where(y > 1.0, 2.0 - y, y), LN2[0]) * _SQRT_HALF[0]


#: The formulas, by their names in SciPy.
FUNCTIONS: dict[str, Callable[..., Real]] = {
    "erfcx": erfcx,
    "ndtr": ndtr,
    "log_ndtr": log_ndtr,
    "ndtri": ndtri,
    "erfinv": erfinv,
    "erfcinv": erfcinv,
}
