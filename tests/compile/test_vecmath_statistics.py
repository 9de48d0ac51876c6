"""Entropies, the normal distribution, gamma and polygamma, the transformation of Box and Cox: within a few ulp."""

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.special

from mixgrad.compile.vecmath import entropy, gammas, normal, transformation

from . import vecmath_harness as harness
from .vecmath_harness import LEAST, MOST, between, near, positive_floats, signed, sizes

FUNCTIONS = entropy.FUNCTIONS | normal.FUNCTIONS | gammas.FUNCTIONS | transformation.FUNCTIONS
SLOW = ("ndtri", "erfinv", "erfcinv", "log_ndtr")  # in mpmath
LIMITS = {"ndtri": 6.0, "erfinv": 6.0, "erfcinv": 6.0}
LIMITS |= {"gamma": 6.0} | {f"polygamma{n}": 16.0 for n in range(1, 5)}  # left of 0
INF, NAN = math.inf, math.nan


def close(low, high, distance):
    """Pairs of numbers that differ by little."""

    def draw(random, n):
        x = random.uniform(low, high, n)
        return x, x * (1 + signed(1e-16, distance)(random, n))

    return draw


def log_ndtr(x):
    # Of 1 - ndtr(-x) all digits are nines.
    return mp.log(mp.ncdf(x)) if x < 0 else mp.log1p(-mp.ncdf(-x))


def kl_div(x, y):
    return x * mp.log(x / y) - x + y


def erfcinv(y):
    """By Newton's iteration on the logarithm from the value of SciPy: mpmath has none for small arguments."""
    if y > 0.5:
        return mp.erfinv(1 - y)
    z = mp.mpf(float(scipy.special.erfcinv(float(y))))
    for _ in range(5):
        z += mp.log(mp.erfc(z) / y) * mp.erfc(z) / (2 / mp.sqrt(mp.pi) * mp.exp(-z * z))
    return z


def boxcox(x, a):
    return mp.expm1(a * mp.log(x)) / a if a else mp.log(x)


def inv_boxcox(y, a):
    return mp.exp(mp.log1p(a * y) / a) if a else mp.exp(y)


# The function of mpmath, and the inputs: for each argument, where it is interesting.
ORACLES = {
    "logit": (lambda x: mp.log(x / (1 - x)), between(1e-9, 0.9999), sizes(LEAST, 0.9), near(0.5, 1e-17, 0.2),
              lambda random, n: 1 - positive_floats(random, n, 1e-16, 0.5)),
    "entr": (lambda x: -x * mp.log(x), between(1e-3, 10), sizes(LEAST, 1e300), near(1, 1e-16, 0.2)),
    "rel_entr": (lambda x, y: x * mp.log(x / y), (sizes(1e-3, 1e3), sizes(1e-3, 1e3)), close(0.1, 5, 0.5),
                 (sizes(1e-300, 1), sizes(LEAST, MOST))),
    "kl_div": (kl_div, (sizes(1e-3, 1e3), sizes(1e-3, 1e3)), close(0.1, 5, 0.9), close(0.1, 5, 1e-3),
               (between(0.5, 2), between(0.2, 4)), (sizes(1e-290, 1e290), sizes(1e-290, 1e290))),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), between(-3, 3), between(-26.6, 30), sizes(LEAST, 1e5)),
    "ndtr": (mp.ncdf, between(-6, 6), between(-38.5, 0), signed(LEAST, 1)),
    "log_ndtr": (log_ndtr, between(-6, 6), between(-38.5, 38.4), signed(LEAST, 1), lambda r, n: -sizes(1, 1e150)(r, n)),
    "ndtri": (lambda p: -mp.sqrt(2) * erfcinv(2 * p), between(1e-3, 0.999), between(0.05, 0.1), sizes(LEAST, 0.4),
              near(0.5, 1e-17, 0.2), sizes(1e-12, 1e-10)),
    "erfinv": (mp.erfinv, between(-0.9999, 0.9999), signed(LEAST, 0.9), between(0.83, 0.87),
               lambda random, n: 1 - positive_floats(random, n, 1e-16, 0.5)),
    "erfcinv": (erfcinv, between(1e-3, 1.999), between(0.1, 0.2), sizes(LEAST, 0.9), near(1, 1e-17, 0.2)),
    "gamma": (mp.gamma, between(0, 8), between(6, 171.6), between(-6, 0), between(-170.3, -6), signed(1e-307, 1),
              lambda random, n: random.integers(-60, 0, n) + signed(1e-10, 0.1)(random, n)),
    **{
        f"polygamma{n}": (
            lambda x, n=n: mp.psi(n, x),
            between(1e-3, 20), sizes(1e-10, 1e5), between(-19.9, -0.01), near(-3, 1e-10, 0.1)
        )
        for n in range(1, 5)
    },
    "boxcox": (boxcox, (sizes(1e-3, 1e3), between(-3, 3)), (sizes(1e-100, 1e100), between(-3, 3)),
               (near(1, 1e-15, 0.1), between(-3, 3)), (sizes(1e-3, 1e3), signed(1e-300, 1e-3))),
    "inv_boxcox": (inv_boxcox, (between(0, 10), between(0, 3)), (sizes(1e-300, 300), sizes(1e-20, 1e-2)),
                   (between(-0.3, 0.3), between(-3, 3)), (signed(1e-300, 100), signed(1e-30, 1e-8))),
}  # fmt: skip


def sizes_of_ulps(name, exact, x):
    """The numbers whose ulps count: left of 0 polygamma is a difference of two terms, this one and that at 1 - x."""
    if not name.startswith("polygamma"):
        return exact
    order = int(name[-1])
    return [max(abs(e), abs(mp.psi(order, 1 - mp.mpf(a)))) if a < 0 else e for e, a in zip(exact, x.tolist())]


def explain(name, error, arguments):
    worst = int(np.argmax(error))
    return f"{name}{tuple(float(a.flat[worst]) for a in arguments)} is off by {error.flat[worst]} ulp"


def test_every_function_is_here():
    assert set(FUNCTIONS) == set(ORACLES)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_in_ulps(name, random, seed):
    print("seed", seed)
    function, *domains = ORACLES[name]
    count = 80 if name in SLOW or name.startswith("polygamma") else 300
    for domain in domains:
        arguments = [draw(random, count) for draw in domain] if isinstance(domain, tuple) else domain(random, count)
        arguments = arguments if isinstance(arguments, (list, tuple)) else [arguments]
        if name == "gamma":
            arguments = [arguments[0][(arguments[0] > 0) | (arguments[0] != np.rint(arguments[0]))]]
        exact = harness.oracle(function, *arguments, bits=400)
        scale = sizes_of_ulps(name, exact, arguments[0])
        error = harness.ulps(harness.loop(FUNCTIONS[name])(*arguments), exact, scale)
        assert np.max(error) <= LIMITS.get(name, 4.0), explain(name, error, arguments)


def peer(name):
    if name.startswith("polygamma"):
        return lambda x: scipy.special.polygamma(int(name[-1]), x)
    return getattr(scipy.special, name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_edges_are_those_of_scipy(name):
    """The same nans and infinities as SciPy, but where it overflows on the way; other numbers within its errors."""
    x = np.concatenate([harness.edges(), [-2.0, -3.0, -5.3, 710.0, -745.0, 1e5]])
    if name in ("rel_entr", "kl_div", "boxcox", "inv_boxcox"):  # quotients of the smallest numbers overflow in SciPy
        x = x[(np.abs(x) > 1e-20) | (x == 0)]
        arguments = [a.ravel() for a in np.meshgrid(x[::2], x[::3])]
    else:
        arguments = [x[(np.abs(x) > 1e-300) | (x == 0)] if name == "erfcinv" else x]
    with np.errstate(all="ignore"):
        got, want = harness.loop(FUNCTIONS[name])(*arguments), peer(name)(*arguments)
        same = (got == want) | np.isnan(got) & np.isnan(want)
        digits = 1e-15 * np.abs(arguments[0]) if name == "kl_div" else 0.0  # of which SciPy loses some
        same |= np.isfinite(want) & (np.abs(got - want) <= 2e-13 * np.abs(want) + digits)
        if name == "inv_boxcox":  # of which SciPy loses the digits of the sum
            same |= np.abs(1 + arguments[0] * arguments[1]) < 1e-3
    table = list(zip(*(a[~same].tolist() for a in arguments), got[~same].tolist(), want[~same].tolist()))
    assert not table, f"{name}: arguments, result, SciPy's result: {table[:10]} and {len(table)} in all"


@pytest.mark.parametrize(("name", "arguments", "want"), [
    ("logit", (0.5,), 0.0), ("logit", (LEAST,), math.log(LEAST)), ("entr", (1.0,), 0.0), ("entr", (0.0,), 0.0),
    ("rel_entr", (3.7, 3.7), 0.0), ("rel_entr", (1e300, 1e-300), 1e300 * 600 * math.log(10)),
    ("rel_entr", (LEAST, MOST), LEAST * (math.log(LEAST) - math.log(MOST))), ("kl_div", (3.7, 3.7), 0.0),
    ("kl_div", (1e-300, 1e300), 1e300), ("kl_div", (0.0, 2.0), 2.0), ("erfcx", (1e300,), 1e-300 / math.sqrt(math.pi)),
    ("erfcx", (-26.7,), INF), ("ndtr", (0.0,), 0.5), ("ndtr", (40.0,), 1.0), ("ndtr", (-40.0,), 0.0),
    ("log_ndtr", (-1e200,), -INF), ("log_ndtr", (-1e100,), -5e199), ("gamma", (171.7,), INF), ("gamma", (-0.0,), -INF),
    ("gamma", (-3.0,), NAN), ("gamma", (5.0,), 24.0), ("gamma", (1e300,), INF), ("gamma", (-200.5,), 0.0),
    ("boxcox", (2.0, 0.0), math.log(2)), ("boxcox", (0.0, 0.5), -2.0), ("boxcox", (-1.0, 2.0), NAN),
    ("inv_boxcox", (2.0, 0.0), math.exp(2)), ("inv_boxcox", (-2.0, 1.0), NAN), ("inv_boxcox", (-1.0, 1.0), 0.0),
])  # fmt: skip
def test_special_values(name, arguments, want):
    (got,) = harness.loop(FUNCTIONS[name])(*[np.array([a]) for a in arguments])
    assert got == want or (np.isnan(got) and np.isnan(want)) or abs(got - want) < 4e-16 * abs(want)


TARGETS = {
    "AVX2": ("x86_64-linux-gnu", "x86-64-v3", "", "ymm"),
    "AVX-512": ("x86_64-linux-gnu", "x86-64-v4", "-prefer-256-bit", "zmm"),
    "NEON": ("aarch64-linux-gnu", "apple-m1", "", ".2d"),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_loops_are_vectorised(name, target):
    *machine, packed = TARGETS[target]
    try:
        assembly = harness.assembly(FUNCTIONS[name], *machine)
    except RuntimeError as error:
        pytest.skip(f"no such target in this LLVM: {error}")
    lines = [line.split() for line in assembly.splitlines()]
    assert sum(packed in line for line in assembly.splitlines()) >= 30
    assert not [line for line in lines if line and line[0] in ("call", "callq", "bl", "blr")]
