"""The error function and the logarithm of the gamma function, with relatives, as formulas that LLVM vectorises.

The coefficients are minimax fits: Remez' exchange in 50 digits (mpmath), with the weight that makes the error of the
function relative. The first few are rounded to double one by one, and the fit of the rest takes up their errors.
"""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Real, Truth, polynomial, split_polynomial, where
from .double_double import Pair, ordered_sum, product_of, sum_of
from .exponential import EXP, LN2, LN2_LOW, clamped, reduced, scaling
from .logarithm import INFINITY, LOG, decomposed, log_of_ratio

_HALF_LOG_TWO_PI = 0.9189385332046728
_ZERO = (1.4616321449683622, 9.549995429965697e-17)  # of digamma
_LARGE_GAMMALN = 6.5
_LARGE_DIGAMMA = 4.0

# (erf(x) - x) / x of z = x**2 in [0, 1]: degree 11, relative error of erf(x) 2**-56.0 (floats: 6, 2**-29.4).
_ERF = (
    (
        0.12837916709551256,
        -0.37612638903183343,
        0.11283791670936949,
        -0.02686617064195857,
        0.005223977596727622,
        -0.0008548325484405261,
        0.000120552804724189,
        -1.49244650472089e-05,
        1.6444141644321302e-06,
        -1.6183910442029595e-07,
        1.3616297348338749e-08,
        -7.606966254905274e-10,
    ),
    (
        0.12837916612625122,
        -0.3761262595653534,
        0.11283578723669052,
        -0.026853347197175026,
        0.005187162198126316,
        -0.0007997853099368513,
        7.806903158780187e-05,
    ),
)
# (x + 2.5) exp(x**2) erfc(x) of t = (x - 2.5) / (x + 2.5), x in [0, 27.5]: degree 22, relative error 2**-53.6 (floats:
# to 10.3, 10, 2**-25.1).
_ERFC = (
    (
        1.054031820305718,
        -0.8046518494391488,
        0.4539141166480791,
        -0.1712511452460475,
        0.028361550132904086,
        0.008393044302387976,
        -0.004818785542281617,
        -0.00043920826491332117,
        0.0007026939297463207,
        5.830777737158428e-05,
        -0.0001126061398381079,
        -1.9532004613822506e-05,
        1.8249607002769576e-05,
        6.753455119909375e-06,
        -2.345968605039692e-06,
        -1.960887088408718e-06,
        1.760644390333969e-08,
        4.460708742887603e-07,
        1.1163107812712753e-07,
        -6.899432168463589e-08,
        -3.4408452748803567e-08,
        4.999489122538925e-09,
        3.967314525526785e-09,
    ),
    (
        1.0540318489074707,
        -0.8046518564224243,
        0.45391222834587097,
        -0.17125090956687927,
        0.02838078886270523,
        0.008398245088756084,
        -0.004879765212535858,
        -0.00048361587687395513,
        0.0007423296337947249,
        0.00012864846212323755,
        -4.698688644566573e-05,
    ),
)
# gammaln(2 + e) / e for e in [-1/2, 1/2]: degree 17, relative error 2**-56.0.
_GAMMALN = (
    0.42278433509846713,
    0.3224670334241132,
    -0.06735230105319617,
    0.02058080842777704,
    -0.007385551028884853,
    0.0028905103314387135,
    -0.0011927539025916758,
    0.0005096695023448101,
    -0.0002231549532822907,
    9.945787147395742e-05,
    -4.492392695059247e-05,
    2.0503973356283855e-05,
    -9.455374236262315e-06,
    4.392043050542053e-06,
    -1.9765025889660755e-06,
    9.026424169099086e-07,
    -5.789852806580478e-07,
    2.955920000839582e-07,
)
# (gammaln(x) - (x - 1/2) (log(x) - 1) - log(2 pi) / 2 + 1/2) x of z = 1 / x**2 for x >= 6.5: degree 5, relative error
# of gammaln(x) 2**-58.9.
STIRLING = (
    0.08333333333332352,
    -0.0027777777706568846,
    0.0007936489901965526,
    -0.0005950213627754348,
    0.0008281799148197421,
    -0.0014792082983186338,
)
# digamma(1.5 + e) / (1.5 + e - _ZERO) for e in [-1/2, 1/2]: degree 22, relative error 2**-54.1.
_DIGAMMA = (
    0.9510558760318328,
    -0.42362742128146047,
    0.24054248424082772,
    -0.14840492305393505,
    0.09498872444656216,
    -0.061922133269494944,
    0.04076083432410041,
    -0.0269757969465084,
    0.017907236418222876,
    -0.011908212848398042,
    0.007927237278448818,
    -0.005280044786640974,
    0.0035156739023370145,
    -0.002344515451918663,
    0.0015810088954279248,
    -0.0010420064427883163,
    0.0006087452192266117,
    -0.00046690456969235495,
    0.0005617694773134885,
    -0.00018105605681807831,
    -0.0002924880734863948,
    -0.0001488778042258843,
    0.0003937282124222768,
)
# (log(x) - 1 / (2 x) - digamma(x)) / z of z = 1 / x**2, x >= 4: degree 8, relative error of digamma(x) 2**-58.6.
_DIGAMMA_LARGE = (
    0.08333333333331924,
    -0.008333333324959016,
    0.003968252184408848,
    -0.004166474786958527,
    0.007563735282724012,
    -0.02062046510659406,
    0.07119814466671098,
    -0.23273443262137322,
    0.44936623705752565,
)
# (pi r cot(pi r) / (1 - 4 z) - 1) / z of z = r**2 in [0, 1/4]: degree 13, relative error of cot(pi r) 2**-56.3.
_COTANGENT = (
    0.7101318663035358,
    0.6758809977960136,
    0.6688378666816006,
    0.6671967892862557,
    0.666796638552965,
    0.6667293351934246,
    0.6661802508148331,
    0.6723760621426137,
    0.6198660095595186,
    0.9396357041450335,
    -0.44943970569250435,
    3.749484379317856,
    -4.6412456298339455,
    5.321539082321763,
)


def erfcx_of_positive(x: Real, rest: Real | None = None) -> Pair:
    """Return ``exp(x**2) erfc(x)`` for x from 0 to 27.3 (floats: 10.3), and what it lacks, relative to it.

    With a tiny rest, that of ``x + rest``, but for the exponential.
    """
    wide, wide_lost = sum_of(x, x.constant(2.5))
    wide_lost = wide_lost if rest is None else wide_lost + rest
    inverse = 1.0 / wide
    # The error of the inverse, relative, acts on the result by 2.8 times as much (x = 0) to once (infinity).
    lost = (-inverse).times_plus(wide, 1.0) - wide_lost * inverse
    result = inverse * split_polynomial(inverse.times_plus(-5.0, 1.0), x.choose(*_ERFC), 6)
    return result, lost * inverse.times_plus(4.5, 1.0)


def erfc_of_positive(x: Real, rest: Real | None = None) -> Real:
    """Return erfc(x + rest) for x from 0 to 27.3 (floats: 10.3) and a tiny rest."""
    square, square_lost = product_of(x, x)
    if rest is not None:
        square_lost = (x * 2.0).times_plus(rest, square_lost)
    n, _, high, low = reduced(-square)
    r, r_lost = ordered_sum(high, low - square_lost)
    scaled, lost = erfcx_of_positive(x, rest)
    result = polynomial(r, (1.0, 1.0, *x.choose(*EXP))) * scaled
    first, second = scaling(n, square > x.choose(600.0, 80.0))
    return result.times_plus(lost + r_lost, result) * first * second


def erf(x: Real) -> Real:
    """Return the error function."""
    size = abs(x)
    z = x * x
    small = x.times_plus(polynomial(z, x.choose(*_ERF)), x)
    large = 1.0 - erfc_of_positive(clamped(size, 0.0, 6.5))
    return where(size < 1.0, small, large.with_sign_of(x))


def erfc(x: Real) -> Real:
    """Return the complement of the error function, 1 - erf(x)."""
    size = abs(x)
    result = where(size < x.choose(2.0**-54, 2.0**-25), 1.0, erfc_of_positive(clamped(size, 0.0, x.choose(27.3, 10.3))))
    return where(x < 0.0, 2.0 - result, result)


def _log_parts(x: Real) -> Pair:
    """Return log(x) as a sum of two, the second up to 0.03 in size, for a positive and finite `x`."""
    _, e, f = decomposed(x)
    s = f / (2.0 + f)
    z = s * s
    half_square, square_lost = product_of(f * 0.5, f)
    minor, minor_lost = ordered_sum(f, -half_square)
    major, major_lost = product_of(e, e.choose(*LN2))
    high, high_lost = ordered_sum(major, minor)
    rest = s.times_plus(polynomial(z, z.choose(*LOG)).times_plus(z, half_square), e * e.choose(*LN2_LOW))
    return high, rest + (high_lost + major_lost + (minor_lost - square_lost))


def gammaln(x: Real) -> Real:
    """Return the logarithm of the size of the gamma function."""
    # Below: gammaln(x) is that of x - k in [1.5, 2.5], plus or minus the logarithm of a product of x - i.
    large = x >= _LARGE_GAMMALN
    nearest = x.rounded()
    e = x - nearest
    product = where(nearest < 0.5, x.times_plus(x, x), where(nearest < 1.5, x, 1.0))
    for i in range(1, 5):
        product = where(nearest > i + 1.5, product * (x - float(i)), product)
    high, low = _log_parts(where(large, x, product))
    positive = nearest > 1.5
    # In this order the cancellation around 1.48 costs least.
    first = e.times_plus(_GAMMALN[0], where(positive, high, -high))
    small = first + (e * e).times_plus(split_polynomial(e, _GAMMALN[1:], 3), where(positive, low, -low))

    inverse = 1.0 / x
    before = x - 0.5
    high, low = ordered_sum(high - 1.0, low)  # without which the product overflows too early
    main, lost = product_of(before, high)
    rest = inverse.times_plus(polynomial(inverse * inverse, STIRLING), _HALF_LOG_TWO_PI - 0.5)
    stirling = main + (before.times_plus(low, lost) + rest)
    stirling = where(main < INFINITY, stirling, INFINITY)
    # SciPy's value at -inf is -inf.
    result = where(large, stirling, where(x < 0.0, x, small))
    return where(x.equals(0.0), INFINITY, result)


def digamma(x: Real) -> Real:
    """Return the derivative of the logarithm of the gamma function."""
    # The reflection: digamma(x) = digamma(1 - x) - pi cot(pi x).
    negative = x < 0.0
    one = where(negative, x.constant(1.0), 0.0)
    size = where(negative, -x, x)
    y = where(negative, 1.0 - x, x)
    large = y >= _LARGE_DIGAMMA
    # Below: digamma(y) is that of y - k in [1, 2], plus a sum of 1 / (y - i), or minus 1 / y; the sum is a quotient.
    whole = (y - 0.5).rounded()
    e = size - (whole - one) - 0.5  # does without the rounding of y
    below_one = whole < 0.5
    numerator, denominator = where(below_one, y.constant(-1.0), 0.0), where(below_one, y, 1.0)
    for i in (1, 2):
        further, factor = whole > i + 0.5, size + (one - float(i))
        numerator = where(further, numerator.times_plus(factor, denominator), numerator)
        denominator = where(further, denominator * factor, denominator)
    quotient = where(large, 1.0, numerator) / where(large, y, denominator)
    from_zero = e + (1.5 - _ZERO[0]) - _ZERO[1]
    small = from_zero.times_plus(split_polynomial(e, _DIGAMMA, 4), quotient)

    _, exponent, f = decomposed(y, subnormal=False)
    z = quotient * quotient
    asymptotic = log_of_ratio(f, exponent) - quotient.times_plus(0.5, z * polynomial(z, _DIGAMMA_LARGE))
    result = where(large, where(y < INFINITY, asymptotic, y), small)

    r = x - x.rounded()
    # pi cot(pi r) = (1 / r - 4 r) (1 + r**2 ...)
    inverse = 1.0 / r
    main, lost = ordered_sum(inverse, r * -4.0)
    lost = where(abs(r) < 2.0**-500, 0.0, (-inverse).times_plus(r, 1.0).times_plus(inverse, lost))
    # In this order r = 0 gives nan, as in SciPy, and the smallest r infinity.
    lost = ((main + lost) * r * r).times_plus(split_polynomial(r * r, _COTANGENT, 4), lost)
    return where(negative, (result - main) - lost, result)


def _negative(x: Real) -> Truth:
    return (x < 0.0) & (x > -INFINITY)


#: The formulas, by their names in SciPy.
FUNCTIONS: dict[str, Callable[..., Real]] = {
    "erf": erf,
    "erfc": erfc,
    "gammaln": gammaln,
    "digamma": digamma,
}

#: For which arguments a formula is not made: the function of the C library is to be called instead.
HARD: dict[str, Callable[..., Truth]] = {"gammaln": _negative}
