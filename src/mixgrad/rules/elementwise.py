"""Rows of the elementwise functions of NumPy: each derivative is written here, once.

To add a function, add a row: the function, then its partial derivative for each argument as
``lambda out, *args: ...`` in plain NumPy, in the form that is accurate over the whole range of arguments, then the
interval on which it is tested. Forward and reverse mode, second order and batching follow from it.

Points where a function has no derivative follow the law of docs/semantics.md: an element of the subdifferential, that
of least norm where that is natural.
"""

import operator

import numpy as np

from mixgrad._errors import StagingError
from mixgrad.core.bind import Traced
from mixgrad.core.numpy_table import numpy_function
from mixgrad.core.op import TABLE, Kind
from mixgrad.rules import series
from mixgrad.rules.row import POSITIVE, REALS, constant, data_of, elementwise, linear, stop_gradient
from mixgrad.rules.shape import as_array

UNIT = (-0.95, 0.95)
LN2, LN10 = 0.6931471805599453, 2.302585092994046


def _by(operation):
    """Return an operator of Python: cheaper than the ufunc, but float64 and complex give a number of Python."""

    def value(x, y):
        z = operation(x, y)
        return np.complex128(z) if type(z) is complex else z

    return value


def _half_at_tie(greater, equal):
    return 0.5 * equal + greater


def _power_by_base(z, x, y):
    flat = (x == 0) & (y == 0)
    return np.where(flat, 0.0, y * np.where(flat, 1.0, x) ** (y - 1))


def _power_by_exponent(z, x, y):
    # z log x, where zero wins: 0 ** y is flat in y > 0.
    z = x**y if z is None else z  # Taylor mode asks before it knows z
    return np.where(z == 0, 0.0, z * np.log(np.where(z == 0, 1.0, x)))


def _power_expand(x, y):
    """Return x ** y by multiplication alone, where the exponent is a small integer: right at x = 0, to any order."""
    if isinstance(y, Traced) or np.ndim(y) or y != int(y) or not 0 <= y <= 64:
        return None
    x = np.astype(x, np.result_type(x, y))
    n, result = int(y), None
    while n:
        if n & 1:
            result = x if result is None else multiply(result, x)
        n >>= 1
        x = multiply(x, x) if n else x
    return np.ones(x.shape, x.dtype) if result is None else result


def _power_series(z, x, y):
    """Return the series of x ** y, unless a base of zero needs the partial derivatives."""
    try:
        base, exponent = data_of(x[0]), data_of(y)
    except StagingError:
        return None
    if not np.any(exponent[1:]):
        return None if np.any(base == 0) else series.power(x, y[0], z)
    return None if np.any(base <= 0) else series.exponential(series.multiply(y, series.logarithm(x)), z)


def _hypot_expand(x, y):
    scale = np.hypot(stop_gradient(x), stop_gradient(y))
    scale = np.where((scale == 0) | ~np.isfinite(scale), 1.0, scale)
    return scale * np.sqrt((x / scale) ** 2 + (y / scale) ** 2)


def _sech(x):
    # The argument is -abs(x), but smooth at 0.
    e = np.exp(np.where(x > 0, -x, x) if np.iscomplexobj(x) else np.copysign(x, -1.0))
    return 2 * e / (1 + e * e)


def _safe_quotient(x, h):
    """Return x / h, and 0 for 0 / 0: the direction of a vector, of which the zero vector has none."""
    return np.where(h == 0, 0.0, x / np.where(h == 0, 1.0, h))


# fmt: off
# Arithmetic
add       = elementwise(np.add, 1, 1, value=_by(operator.add), linear_in=(0, 1))
subtract  = elementwise(np.subtract, 1, -1, value=_by(operator.sub), linear_in=(0, 1))
negative  = elementwise(np.negative, -1, value=operator.neg, linear_in=(0,))
multiply  = elementwise(np.multiply, lambda z, x, y: y, lambda z, x, y: x, value=_by(operator.mul), linear_in=(0, 1))
divide    = elementwise(np.divide, lambda z, x, y: 1 / y, lambda z, x, y: -z / y, value=_by(operator.truediv),
                        domain=(REALS, POSITIVE), linear_in=(0,))
reciprocal = elementwise(np.reciprocal, lambda z, x: -z * z, domain=(POSITIVE,))
square    = elementwise(np.square, lambda z, x: 2 * x)
power     = elementwise(np.power, _power_by_base, _power_by_exponent, domain=(POSITIVE, REALS), register=False,
                        at=((0.0, 2.0), (0.0, 1.0), (2.0, 0.0), (-2.0, 3.0)))
sqrt      = elementwise(np.sqrt, lambda z, x: 0.5 / z, domain=(POSITIVE,))
cbrt      = elementwise(np.cbrt, lambda z, x: 1 / (3 * z * z), domain=(POSITIVE,), at=(-8.0,))
remainder = elementwise(np.remainder, 1, lambda z, x, y: -np.floor_divide(x, y), domain=(REALS, (0.7, 0.9)),
                        at=((5.0, -3.0), (-5.0, 3.0)))
fmod      = elementwise(np.fmod, 1, lambda z, x, y: -np.trunc(x / y), domain=(REALS, (0.7, 0.9)),
                        at=((5.0, -3.0), (-5.0, 3.0)))

# Exponentials and logarithms
exp       = elementwise(np.exp, lambda z, x: z, at=(-745.0, 700.0))
exp2      = elementwise(np.exp2, lambda z, x: LN2 * z)
expm1     = elementwise(np.expm1, lambda z, x: np.exp(x), at=(1e-10, -1e-10, -40.0))
log       = elementwise(np.log, lambda z, x: 1 / x, domain=(POSITIVE,))
log2      = elementwise(np.log2, lambda z, x: 1 / (LN2 * x), domain=(POSITIVE,))
log10     = elementwise(np.log10, lambda z, x: 1 / (LN10 * x), domain=(POSITIVE,))
log1p     = elementwise(np.log1p, lambda z, x: 1 / (1 + x), domain=((-0.9, 3.0),), at=(1e-10, -1e-10))
logaddexp = elementwise(np.logaddexp, lambda z, x, y: _share(x, y), lambda z, x, y: _share(y, x),
                        at=((800.0, -800.0), (1000.0, 1000.0)))
logaddexp2 = elementwise(np.logaddexp2, lambda z, x, y: _share(x, y, np.exp2), lambda z, x, y: _share(y, x, np.exp2))

# Trigonometric and hyperbolic functions
sin       = elementwise(np.sin, lambda z, x: np.cos(x))
cos       = elementwise(np.cos, lambda z, x: -np.sin(x))
tan       = elementwise(np.tan, lambda z, x: 1 + z * z, domain=((-1.4, 1.4),))
arcsin    = elementwise(np.arcsin, lambda z, x: 1 / np.sqrt((1 - x) * (1 + x)), domain=(UNIT,))
arccos    = elementwise(np.arccos, lambda z, x: -1 / np.sqrt((1 - x) * (1 + x)), domain=(UNIT,))
arctan    = elementwise(np.arctan, lambda z, x: 1 / (1 + x * x))
arctan2   = elementwise(np.arctan2, lambda z, y, x: _safe_quotient(_safe_quotient(x, np.hypot(x, y)), np.hypot(x, y)),
                        lambda z, y, x: _safe_quotient(_safe_quotient(-y, np.hypot(x, y)), np.hypot(x, y)),
                        at=((1e200, 1e200), (1e-200, -1e-200)))
hypot     = elementwise(np.hypot, lambda z, x, y: _safe_quotient(x, z), lambda z, x, y: _safe_quotient(y, z),
                        at=((1e200, 1e200), (3.0, 0.0)))
sinh      = elementwise(np.sinh, lambda z, x: np.cosh(x))
cosh      = elementwise(np.cosh, lambda z, x: np.sinh(x))
tanh      = elementwise(np.tanh, lambda z, x: _sech(x) ** 2, at=(20.0, -20.0, 300.0, 1000.0))
arcsinh   = elementwise(np.arcsinh, lambda z, x: 1 / (np.sqrt(1 + x * x) if np.iscomplexobj(x) else np.hypot(1.0, x)),
                        at=(1e200,))
arccosh   = elementwise(np.arccosh, lambda z, x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)), domain=((1.1, 5.0),),
                        at=(1e200, 1.0000001))
arctanh   = elementwise(np.arctanh, lambda z, x: 1 / ((1 - x) * (1 + x)), domain=(UNIT,))
deg2rad   = elementwise(np.deg2rad, lambda z, x: np.pi / 180)
rad2deg   = elementwise(np.rad2deg, lambda z, x: 180 / np.pi)
radians   = elementwise(np.radians, lambda z, x: np.pi / 180)
degrees   = elementwise(np.degrees, lambda z, x: 180 / np.pi)

# Kinks
absolute  = elementwise(np.absolute, lambda z, x: np.sign(x), register=False)
fabs      = elementwise(np.fabs, lambda z, x: np.sign(x))
maximum   = elementwise(np.maximum, lambda z, x, y: _half_at_tie(x > y, x == y),
                        lambda z, x, y: _half_at_tie(y > x, x == y))
minimum   = elementwise(np.minimum, lambda z, x, y: _half_at_tie(x < y, x == y),
                        lambda z, x, y: _half_at_tie(y < x, x == y))
fmax      = elementwise(np.fmax, lambda z, x, y: _half_at_tie((x > y) | (y != y), x == y),
                        lambda z, x, y: _half_at_tie((y > x) | (x != x), x == y))
fmin      = elementwise(np.fmin, lambda z, x, y: _half_at_tie((x < y) | (y != y), x == y),
                        lambda z, x, y: _half_at_tie((y < x) | (x != x), x == y))
copysign  = elementwise(np.copysign, lambda z, x, y: np.where(np.signbit(x) == np.signbit(y), 1.0, -1.0), 0)
heaviside = elementwise(np.heaviside, 0, lambda z, x, y: np.where(x == 0, 1.0, 0.0))

# Taylor recurrences, for the functions whose derivative needs their own value; for the others they follow from it
divide.series     = lambda z, x, y: series.divide(x, y)
reciprocal.series = lambda z, x: series.power(x, -1.0, z)
power.series      = _power_series
sqrt.series       = lambda z, x: series.square_root(x, z)
cbrt.series       = lambda z, x: series.power(x, 1 / 3, z)
exp.series        = lambda z, x: series.exponential(x, z)
exp2.series       = lambda z, x: series.exponential(x, z, LN2)
sin.series        = lambda z, x: series.sine_and_cosine(x, z, np.cos(x[0]), -1)[0]
cos.series        = lambda z, x: series.sine_and_cosine(x, np.sin(x[0]), z, -1)[1]
sinh.series       = lambda z, x: series.sine_and_cosine(x, z, np.cosh(x[0]), 1)[0]
cosh.series       = lambda z, x: series.sine_and_cosine(x, np.sinh(x[0]), z, 1)[1]
tan.series        = lambda z, x: series.riccati(x, z, 1 + z * z, 1)
tanh.series       = lambda z, x: series.riccati(x, z, _sech(x[0]) ** 2, -1)
square.expand     = lambda x: multiply(x, x)
power.expand      = _power_expand
hypot.expand      = _hypot_expand
# fmt: on


def _share(x, y, exponential=np.exp):
    """Return the share of exp(x) in exp(x) + exp(y): a function of the difference alone; zero where both are zero."""
    gap = np.where((x == y) & np.isinf(x), np.maximum(-x, 0.0), y - x)
    return 1 / (1 + exponential(gap))


# Complex parts: linear over the real numbers. The transpose is the adjoint for Re(sum(conj(u) * v)). ------------------


def _same_static_batch(op_name):
    return lambda args, batched, **static: TABLE[op_name](*args, **static)


conj = linear(
    "conjugate",
    np.conjugate,
    lambda out_bar, args, i: np.conjugate(out_bar),
    _same_static_batch("conjugate"),
    lambda x: x.shape,
)
real = linear(
    "real",
    np.real,
    lambda out_bar, args, i: out_bar,
    _same_static_batch("real"),
    lambda x: x.shape,
    dtype=lambda x: x.dtype.type(0).real.dtype,
)
imag = linear(
    "imag",
    np.imag,
    lambda out_bar, args, i: np.multiply(1j, out_bar),  # 1j * x would be a number of Python
    _same_static_batch("imag"),
    lambda x: x.shape,
    dtype=lambda x: x.dtype.type(0).real.dtype,
)


@numpy_function(np.conjugate, np.conj)
def _conjugate(x):
    return conj(x) if np.iscomplexobj(x) else x


@numpy_function(np.real)
def _real(val):
    return real(val) if np.iscomplexobj(val) else val


@numpy_function(np.imag)
def _imag(val):
    return imag(val) if np.iscomplexobj(val) else np.zeros(np.shape(val), val.dtype)


@numpy_function(np.absolute)
def _absolute(x):
    return hypot(real(x), imag(x)) if np.iscomplexobj(x) else absolute(x)


@numpy_function(np.angle)
def _angle(z, deg=False):
    angle = arctan2(_imag(z), _real(z))
    return rad2deg(angle) if deg else angle


# Compositions ---------------------------------------------------------------------------------------------------------


@numpy_function(np.multiply)
def _multiply(x, y):
    return square(x) if x is y else multiply(x, y)


@numpy_function(np.power)
def _power(x, y):
    if type(y) is int and y == 2:
        return square(x)
    return power(x, y)


@numpy_function(np.float_power)
def _float_power(x, y):
    x, y = as_array(x), as_array(y)
    dtype = np.result_type(x, y, np.float64)
    return power(np.astype(x, dtype), np.astype(y, dtype))


@numpy_function(np.positive)
def _positive(x):
    return x


@numpy_function(np.divmod)
def _divmod(x, y):
    return floor_divide(x, y), remainder(x, y)


@numpy_function(np.modf)
def _modf(x):
    whole = trunc(x)
    return x - whole, whole


@numpy_function(np.ldexp)
def _ldexp(x, n):
    if isinstance(n, Traced):
        return x * np.exp2(np.astype(n, x.dtype))
    return x * np.ldexp(np.ones((), x.dtype), n)


@numpy_function(np.clip)
def _clip(a, a_min=None, a_max=None, *, min=None, max=None):
    # At a bound the derivative is that of the inside.
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    if low is not None:
        a = np.where(a < low, low, a)
    if high is not None:
        a = np.where(a > high, high, a)
    return a


# Exact for polynomials of degree 63: enough for fifty derivatives of cos(u s) where |u| < 1/2.
GAUSS_NODES, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(32)


@numpy_function(np.sinc)
def _sinc(x):
    # Near zero sin(u) / u loses the digits of its derivatives; there it is the mean of cos(u s) over |s| < 1.
    u = np.pi * x
    small = np.abs(u) < 0.5
    inside = np.where(small, u, 0.0)
    mean = np.sum(np.cos(np.expand_dims(inside, -1) * GAUSS_NODES) * (GAUSS_WEIGHTS / 2), axis=-1)
    u = np.where(small, 1.0, u)
    return np.astype(np.where(small, mean, np.sin(u) / u), x.dtype)


@numpy_function(np.nan_to_num)
def _nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    limits = np.finfo(x.dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(np.isposinf(x), limits.max if posinf is None else posinf, x)
    return np.where(np.isneginf(x), limits.min if neginf is None else neginf, x)


# Without a derivative -------------------------------------------------------------------------------------------------

floor, ceil, trunc, rint, sign, spacing, floor_divide = (
    constant(function, Kind.ZERO)
    for function in (np.floor, np.ceil, np.trunc, np.rint, np.sign, np.spacing, np.floor_divide)
)

COMPARISONS = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
PREDICATES = (np.isfinite, np.isinf, np.isnan, np.signbit)
LOGICAL = (np.logical_and, np.logical_or, np.logical_xor, np.logical_not)
BITWISE = (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift)
for _function in COMPARISONS + PREDICATES + LOGICAL + BITWISE:
    constant(_function, Kind.DISCRETE)
for _function in (np.isposinf, np.isneginf):
    numpy_function(_function)(constant(_function, Kind.DISCRETE, dtype=lambda x: np.dtype(bool)))


@numpy_function(np.fix)
def _fix(x):
    return trunc(x)


@numpy_function(np.round, np.around)
def _round(a, decimals=0):
    if decimals == 0:
        return rint(a)
    scale = 10.0**decimals
    return rint(a * scale) / scale
