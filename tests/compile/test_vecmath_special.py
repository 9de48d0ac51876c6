"""The error function and functions of the gamma function as vector code: erf within 2 ulp, the others within 4."""

import math

import mpmath as mp
import numpy as np
import pytest

from mixgrad.compile.vecmath.special import FUNCTIONS, HARD

from . import vecmath_harness as harness
from .vecmath_harness import LEAST, MOST, between, near, positive_floats, signed, sizes

NAMES = list(FUNCTIONS)
LIMITS = {"erf": 2.0, "erfc": 4.0, "gammaln": 4.0, "digamma": 4.0}


def next_to(*xs):
    return lambda random, n: np.concatenate([harness.neighbours(x, n // (2 * len(xs))) for x in xs])


def gammaln(x):
    return mp.re(mp.loggamma(x))


# The function of mpmath, and the inputs: where the formulas change, and the zeros of gammaln at 1 and 2 and of digamma.
ORACLES = {
    "erf": (mp.erf, between(-1, 1), between(-7, 7), signed(LEAST, 1), next_to(1.0, -1.0, 6.5)),
    "erfc": (
        mp.erfc,
        between(-7, 1),
        between(0, 27.3),
        between(0.5, 3),
        between(26, 27.3),
        signed(LEAST, 1),
        next_to(600**0.5, 27.3, 2.5, 0.0),
    ),
    "gammaln": (
        gammaln,
        between(0, 3),
        between(2, 8),
        between(1.2, 1.6),
        sizes(LEAST, 1),
        sizes(6, 1e5),
        sizes(1, MOST),
        near(1, 1e-16, 0.1),
        near(2, 1e-16, 0.1),
        next_to(0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5),
    ),
    "digamma": (
        mp.digamma,
        between(0, 5),
        between(-5, 0),
        between(0.9, 2.1),
        signed(LEAST, 1),
        sizes(2, 1e5),
        sizes(1, MOST),
        lambda random, n: -positive_floats(random, n, 1, 1e13),
        near(1.4616321449683622, 1e-16, 0.1),
        lambda random, n: random.integers(-40, 0, n) + signed(1e-10, 0.1)(random, n),
        next_to(1.0, 2.0, 3.0, 4.0, -0.5, -2.5, -1.5),
    ),
}


def sizes_of_ulps(name, exact, x):
    """The numbers whose ulps count: for digamma left of 0, the larger of itself and the terms of the reflection."""
    if name != "digamma":
        return exact
    return [max(abs(e), abs(mp.digamma(1 - mp.mpf(a)))) if a < 0 else e for e, a in zip(exact, x.tolist())]


def explain(name, error, x):
    worst = int(np.argmax(error))
    return f"{name}({float(x[worst])}) is off by {error[worst]} ulp"


def test_every_function_is_here():
    assert set(NAMES) == set(ORACLES) == {"erf", "erfc", "gammaln", "digamma"}
    assert set(HARD) == {"gammaln"}


@pytest.mark.parametrize("name", NAMES)
def test_errors_in_ulps(name, random, seed):
    print("seed", seed)
    function, *domains = ORACLES[name]
    for draw in domains:
        x = draw(random, 500)
        x = x[(x > 0) | (x != np.rint(x))]  # the poles have a test of their own
        exact = harness.oracle(function, x)
        error = harness.ulps(harness.loop(FUNCTIONS[name])(x), exact, sizes_of_ulps(name, exact, x))
        assert np.max(error) <= LIMITS[name], explain(name, error, x)


@pytest.mark.parametrize("name", NAMES)
def test_edges(name):
    x = harness.edges()
    x = x[np.isfinite(x) & (x != 0) & (abs(x) < (30 if "erf" in name else np.inf))]
    if name == "gammaln":
        x = x[x > 0]
    if name == "digamma":
        x = x[(x > 0) | (x != np.rint(x))]
    exact = harness.oracle(ORACLES[name][0], x, bits=1300 if name == "digamma" else 160)
    got = harness.loop(FUNCTIONS[name])(x)
    exact = [0.0 if e == 0 else e for e in exact]
    error = harness.ulps(got, exact, [x if x else 1 for x in sizes_of_ulps(name, exact, x)])
    # What underflows may be zero.
    error = np.where((got == 0) & [abs(e) < 5e-324 for e in exact], 0, error)
    assert np.max(error) <= LIMITS[name], explain(name, error, x)


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(("name", "table"), [
    ("erf", [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (NAN, NAN), (MOST, 1.0), (-7.0, -1.0)]),
    ("erfc", [(0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 2.0), (NAN, NAN), (MOST, 0.0), (-MOST, 2.0), (-7.0, 2.0),
              (LEAST, 1.0), (-LEAST, 1.0), (1e-17, 1.0), (28.0, 0.0)]),
    ("gammaln", [(0.0, INF), (-0.0, INF), (INF, INF), (-INF, -INF), (NAN, NAN), (1.0, 0.0), (2.0, 0.0), (MOST, INF)]),
    ("digamma", [(0.0, -INF), (-0.0, INF), (INF, INF), (-INF, NAN), (NAN, NAN), (-1.0, NAN), (-2.0, NAN), (-1e20, NAN),
                 (LEAST, -INF), (-LEAST, INF), (-MOST, NAN)]),
])  # fmt: skip
def test_special_values(name, table):
    x, want = np.array(table).T
    got = harness.loop(FUNCTIONS[name])(x)
    assert np.array_equal(got, want, equal_nan=True), list(zip(x, got, want))
    assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


# The last arguments with finite and with nonzero results.
@pytest.mark.parametrize(("name", "threshold"), [("erfc", 27.226017111108366), ("gammaln", 2.5599833278516383e305)])
def test_overflow_and_underflow_start_where_they_should(name, threshold):
    x = threshold * (1 + np.arange(-100, 101) * 2.0**-50)
    got = harness.loop(FUNCTIONS[name])(x)
    want = np.array([harness.rounded(e) for e in harness.oracle(ORACLES[name][0], x)])
    assert (np.isinf(got) | (got == 0)).any()
    assert (np.isfinite(got) & (got != 0)).any()
    # The error of the result moves the place by a few ulps of x (1 / 743 of a relative error, in erfc).
    assert np.count_nonzero((np.isinf(got) != np.isinf(want)) | ((got == 0) != (want == 0))) <= 3


def test_symmetry(random):
    x = signed(LEAST, 30)(random, 3000)
    loop = harness.loop(FUNCTIONS["erf"])
    assert np.array_equal(loop(x), -loop(-x))


def test_negative_arguments_of_gammaln_are_hard():
    x = np.array([-LEAST, -0.5, -1.0, -MOST, 0.0, -0.0, LEAST, 1.0, MOST, INF, -INF, NAN])
    assert harness.loop(HARD["gammaln"])(x).tolist() == [True] * 4 + [False] * 8


TARGETS = {
    "AVX2": ("x86_64-linux-gnu", "haswell", "", "ymm"),
    "AVX-512": ("x86_64-linux-gnu", "skylake-avx512", "-prefer-256-bit", "zmm"),
    "NEON": ("aarch64-linux-gnu", "apple-m1", "", ".2d"),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("formula", [*FUNCTIONS, "is hard"])
def test_loops_are_vectorised(formula, target):
    *machine, packed = TARGETS[target]
    try:
        assembly = harness.assembly(FUNCTIONS.get(formula, HARD["gammaln"]), *machine)
    except RuntimeError as error:
        pytest.skip(f"no such target in this LLVM: {error}")
    lines = [line.split() for line in assembly.splitlines()]
    assert sum(packed in line for line in assembly.splitlines()) >= (4 if formula == "is hard" else 30)
    assert not [line for line in lines if line and line[0] in ("call", "callq", "bl", "blr")]
