"""Sine, cosine, tangent and their inverses, as formulas that LLVM vectorises.

The coefficients are minimax fits: Remez' exchange in 50 digits (mpmath), with the weight that makes the error of the
function relative. The first few are rounded to double one by one, and the fit of the rest takes up their errors.
"""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Bits, Real, Truth, polynomial, split_polynomial, where
from .double_double import ordered_sum, product_of, rounded_quotient
from .exponential import nearest_multiple
from .logarithm import INFINITY

_TWO_OVER_PI = 0.6366197723675814
# The sum of each three is pi/2, to 2**-161 and 2**-76.
_HALF_PI = (
    (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
    (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
)
_PI = (3.141592653589793, 1.2246467991473532e-16)

# The largest argument of sin, cos and tan that the reduction is made for. Up to there n = round(x * 2/pi) is below
# 2**40; x - n * _HALF_PI[0] is exact, a multiple of 2**-53 below 1; and the error of n times the sum of the three, less
# than n * 2**-161, is below 2**-58 of the smallest distance of a double from a multiple of pi/2, about 2**-62. (Floats:
# 2**20, 2**-24, n * 2**-76, 2**-26, 2**-30.)
_LARGEST_ANGLE = 2.0**40, 2.0**20

# (sin(r) / r - 1) / z of z = r**2 in [0, 0.79**2]: degree 5, relative error of sin(r) 2**-57.9 (floats: 2, 2**-27.8).
_SIN = (
    (
        -0.1666666666666663,
        0.008333333333321787,
        -0.00019841269829280853,
        2.7557313501505476e-06,
        -2.5050727240976055e-08,
        1.5894950304280774e-10,
    ),
    (-0.16666653752326965, 0.008332106284797192, -0.00019507846445776522),
)
# (cos(r) - 1 + z / 2) / z**2 of z = r**2 in [0, 0.79**2]: degree 5, relative error of cos(r) 2**-63.8 (floats:
# 2, 2**-32.9).
_COS = (
    (
        0.04166666666666659,
        -0.0013888888888872167,
        2.480158728827479e-05,
        -2.7557314007373526e-07,
        2.0875676842058644e-09,
        -1.1357264507718202e-11,
    ),
    (0.04166664555668831, -0.0013887303648516536, 2.443120138195809e-05),
)
# (arctan(t) / t - 1) / z of z = t**2 in [0, 1]: degree 19, relative error of arctan(t) 2**-55.9.
_ARCTAN = (
    -0.3333333333333307,
    0.1999999999995176,
    -0.14285714282584627,
    0.11111111007115379,
    -0.09090907006135322,
    0.07692279960016549,
    -0.0666640618391553,
    0.0588054922454277,
    -0.05253658661012202,
    0.04722961232321211,
    -0.04221294672228803,
    0.03669399786197378,
    -0.030000425932530314,
    0.02212015653515354,
    -0.014043076802042073,
    0.007307597610548501,
    -0.002947085745430694,
    0.0008549400270104302,
    -0.00015761647645199783,
    1.3803471836015058e-05,
)
# (arcsin(s) / s - 1) / z of z = s**2 in [0, 1/4]: degree 12, relative error of arcsin(s) 2**-59.8.
_ARCSIN = (
    0.16666666666666763,
    0.07499999999970133,
    0.04464285717524713,
    0.030381942677379106,
    0.02237221584104398,
    0.017351596757286418,
    0.013981002457581031,
    0.011397432183284097,
    0.010788501864232393,
    0.00367541906223749,
    0.02178245916210683,
    -0.0211047033084624,
    0.03269439187725462,
)


def _reduced(x: Real) -> tuple[Real, Real, Bits]:
    """Return ``x - n pi/2`` as a sum of two, and bits of which the lowest two are those of the integer ``n``."""
    bits, n = nearest_multiple(x, _TWO_OVER_PI)
    half_pi = x.choose(*_HALF_PI)
    product, lost = product_of(n, -half_pi[1])
    # The first is exact: a multiple of 2**-53, so of the last digit of the product, as `ordered_sum` needs it.
    r, rest = ordered_sum(n.times_plus(-half_pi[0], x), product)
    return r, rest + n.times_plus(-half_pi[2], lost), bits


def _sine(r: Real, rest: Real) -> tuple[Real, Real]:
    """Return the sine of ``r + rest``, at most pi/4 in size, as a number and what is to be added."""
    z = r * r
    return r, (r * z).times_plus(polynomial(z, z.choose(*_SIN)), rest.times_plus(z * -0.5, rest))


def _cosine(r: Real, rest: Real) -> tuple[Real, Real]:
    """Return the cosine of ``r + rest``, at most pi/4 in size, as a number and what is to be added."""
    z = r * r
    half = z * 0.5
    high, low = ordered_sum(z.constant(1.0), -half)
    return high, (z * z).times_plus(polynomial(z, z.choose(*_COS)), (-r).times_plus(rest, low))


def _sine_or_cosine(x: Real, quarters: int) -> Real:
    """Return the sine of ``x + quarters * pi/2``."""
    r, rest, n = _reduced(x)
    if quarters:
        n = n + quarters
    sine, cosine = _sine(r, rest), _cosine(r, rest)
    even = (n & 1).equals(0)
    size = where(even, sine[0], cosine[0]) + where(even, sine[1], cosine[1])
    return (size.bits() ^ ((n & 2) << n.format.integer.width - 2)).real()


def sin(x: Real) -> Real:
    """Return the sine."""
    return where(abs(x) < 2.0**-27, x, _sine_or_cosine(x, 0))  # and keeps the sign of -0.0


def cos(x: Real) -> Real:
    """Return the cosine."""
    return _sine_or_cosine(x, 1)


def tan(x: Real) -> Real:
    """Return the tangent."""
    r, rest, n = _reduced(x)
    sine, cosine = ordered_sum(*_sine(r, rest)), ordered_sum(*_cosine(r, rest))
    even = (n & 1).equals(0)
    numerator = where(even, sine[0], cosine[0]), where(even, sine[1], cosine[1])
    denominator = where(even, cosine[0], -sine[0]), where(even, cosine[1], -sine[1])
    return where(abs(x) < 2.0**-27, x, rounded_quotient(numerator, denominator))


def _arctan_rest(t: Real) -> Real:
    """Return ``arctan(t) - t`` for `t` at most 1 in size."""
    z = t * t
    return t * z * split_polynomial(z, _ARCTAN, 4)


def arctan(x: Real) -> Real:
    """Return the arctangent."""
    size = abs(x)
    large = size > 1.0
    t = where(large, 1.0 / size, size)
    low = _arctan_rest(t)
    high, lost = ordered_sum(t.constant(_HALF_PI[0][0]), -t)
    return where(large, high - (low - (lost + _HALF_PI[0][1])), t + low).with_sign_of(x)


def arctan2(y: Real, x: Real) -> Real:
    """Return the angle from the x axis to the point (x, y), from -pi to pi."""
    height, width = abs(y), abs(x)
    steep = height > width
    small, large = where(steep, width, height), where(steep, height, width)
    undefined = small.equals(large) & (large.equals(0.0) | large.equals(INFINITY))
    t = where(undefined, where(large.equals(0.0), large, 1.0), small / large)
    low = _arctan_rest(t)
    # The angle from the x axis is start +- (t + low).
    backward = (x.bits() >> 63) << 63
    left = ~backward.equals(0)
    turn = where(steep, backward ^ -(2**63), backward)
    zero = x.constant(0.0)
    start = where(steep, _HALF_PI[0][0], where(left, _PI[0], zero))
    start_rest = where(steep, _HALF_PI[0][1], where(left, _PI[1], zero))
    t, low = (t.bits() ^ turn).real(), (low.bits() ^ turn).real()
    high, lost = ordered_sum(start, t)
    angle = high + (low + (lost + start_rest))
    return where(x.is_nan() | y.is_nan(), x + y, angle.with_sign_of(y))


def _half_arcsin(size: Real) -> tuple[Truth, Real, Real]:
    """Return whether `size` is above 1/2, and ``s``, ``arcsin(s) - s`` for ``s = sqrt((1 - size) / 2)`` or ``size``."""
    large = size > 0.5
    z = where(large, 0.5 - size * 0.5, size * size)
    s = where(large, z.sqrt(), size)
    return large, s, s * z * split_polynomial(z, _ARCSIN)


def arcsin(x: Real) -> Real:
    """Return the arcsine."""
    large, s, low = _half_arcsin(abs(x))
    high, lost = ordered_sum(x.constant(_HALF_PI[0][0]), s * -2.0)
    return where(large, high + (lost + _HALF_PI[0][1] - 2.0 * low), s + low).with_sign_of(x)


def arccos(x: Real) -> Real:
    """Return the arccosine, from 0 to pi."""
    # x > 1/2: 2 arcsin(s);  x < -1/2: pi - 2 arcsin(s);  else pi/2 - arcsin(x).
    large, s, low = _half_arcsin(abs(x))
    negative = x < 0.0
    zero = x.constant(0.0)
    factor = where(large, x.constant(2.0), -1.0)
    start = where(large, where(negative, _PI[0], zero), _HALF_PI[0][0])
    start_rest = where(large, where(negative, _PI[1], zero), _HALF_PI[0][1])
    high, lost = ordered_sum(start, s.with_sign_of(x) * factor)
    return high + low.with_sign_of(x).times_plus(factor, lost + start_rest)


def _beyond_angles(x: Real) -> Truth:
    size = abs(x)
    return (size > x.choose(*_LARGEST_ANGLE)) & (size < INFINITY)


#: The formulas, by their names in NumPy.
FUNCTIONS: dict[str, Callable[..., Real]] = {
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "arcsin": arcsin,
    "arccos": arccos,
    "arctan": arctan,
    "arctan2": arctan2,
}

#: For which arguments a formula is not made: the function of the C library is to be called instead.
HARD: dict[str, Callable[..., Truth]] = {"sin": _beyond_angles, "cos": _beyond_angles, "tan": _beyond_angles}
