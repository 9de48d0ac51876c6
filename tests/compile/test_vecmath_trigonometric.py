"""Trigonometric functions and their inverses as vector code: within 2 ulp everywhere."""

import ctypes
import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from llvmlite import ir

from mixgrad.compile.machine import compile_module
from mixgrad.compile.vecmath import define_formula, special
from mixgrad.compile.vecmath.trigonometric import FUNCTIONS, HARD

from . import vecmath_harness as harness
from .vecmath_harness import floats_between, positive_floats

NAMES = list(FUNCTIONS)
LEAST, MOST = 5e-324, float(np.finfo(float).max)
BOUND = 2.0**40  # of the angles that are not hard


def between(low, high):
    return lambda random, n: random.permutation(floats_between(random, n, low, high))[:n]


def signed(low, high):
    return lambda random, n: positive_floats(random, n, low, high) * random.choice([-1.0, 1.0], n)


def multiples(unit, largest):
    """The doubles next to multiples of a unit."""

    def draw(random, n):
        x = random.integers(1, int(largest / unit), n, endpoint=True) * unit
        return random.choice([-1.0, 1.0], n) * np.nextafter(x, random.choice([0.0, np.inf], n))

    return draw


def nearest_to_multiples_of_half_pi(largest):
    """For each power of two, the doubles from it to the next one that come nearest to a multiple of pi/2."""
    found = []
    with mp.workprec(400):
        for exponent in range(round(math.log2(largest))):
            # m * unit, m from 2**52 to 2**53, is near n pi/2 for the denominators m of the continued fraction of n / m.
            ratio: Any = mp.ldexp(1, exponent - 52) / (mp.pi / 2)
            before, last = 1, 0
            while last < 2**53:
                whole = int(ratio)
                before, last = last, whole * last + before
                ratio = 1 / (ratio - whole)
                for start in (0, before, -before):
                    first = start - (start - 2**52) // last * last
                    found += [math.ldexp(m, exponent - 52) for m in range(first, min(first + 3 * last, 2**53), last)]
    return np.unique(found)


ANGLES = (
    between(-math.pi, math.pi),
    between(-100, 100),
    signed(LEAST, BOUND),
    signed(1, BOUND),
    multiples(math.pi / 4, 1000),
    multiples(math.pi / 2, BOUND / 1.01),
)
UNIT = (
    between(-1, 1),
    signed(LEAST, 1),
    between(0.45, 0.6),
    lambda random, n: 1 - positive_floats(random, n, 1e-16, 1),
)
# The function of mpmath, and the inputs: for each argument, where it is interesting.
ORACLES = {
    "sin": (mp.sin, *ANGLES),
    "cos": (mp.cos, *ANGLES),
    "tan": (mp.tan, *ANGLES),
    "arcsin": (mp.asin, *UNIT),
    "arccos": (mp.acos, *UNIT),
    "arctan": (mp.atan, between(-3, 3), signed(LEAST, MOST), between(0.8, 1.2), signed(0.01, 100)),
    "arctan2": (
        mp.atan2,
        (between(-3, 3), between(-3, 3)),
        (signed(LEAST, MOST), signed(LEAST, MOST)),
        (signed(LEAST, 1e-300), signed(LEAST, 1e-300)),
        (signed(1e300, MOST), signed(1e300, MOST)),
        (signed(LEAST, 1e-290), signed(0.001, 1000)),
        (between(0.9, 1.1), between(0.9, 1.1)),
    ),
}


def explain(name, error, arguments):
    worst = int(np.argmax(error))
    return f"{name}{tuple(float(a.flat[worst]) for a in arguments)} is off by {error.flat[worst]} ulp"


def test_every_function_is_here():
    assert set(NAMES) == set(ORACLES) == {"sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2"}
    assert set(HARD) == {"sin", "cos", "tan"}


@pytest.mark.parametrize("name", NAMES)
def test_errors_in_ulps(name, random, seed):
    print("seed", seed)
    function, *domains = ORACLES[name]
    for domain in domains:
        draws = domain if isinstance(domain, tuple) else (domain,)
        arguments = [draw(random, 700) for draw in draws]
        error = harness.ulps(harness.loop(FUNCTIONS[name])(*arguments), harness.oracle(function, *arguments))
        assert np.max(error) <= 2, explain(name, error, arguments)


@pytest.mark.parametrize("name", HARD)
def test_angles_nearest_to_multiples_of_half_pi(name):
    x = nearest_to_multiples_of_half_pi(BOUND)
    assert x.size > 500
    assert 91.106186954104 in x
    with mp.workprec(400):
        distances = [abs(mp.mpf(a) - mp.nint(mp.mpf(a) / (mp.pi / 2)) * mp.pi / 2) for a in x]
    assert min(distances) < 2e-18  # or these are not the nearest
    error = harness.ulps(harness.loop(FUNCTIONS[name])(x), harness.oracle(ORACLES[name][0], x, bits=300))
    assert np.max(error) <= 2, explain(name, error, [x])


@pytest.mark.parametrize("name", HARD)
def test_angles_beyond_the_bound_are_hard(name):
    x = np.array([0.0, -1.0, BOUND, -BOUND, np.nextafter(BOUND, np.inf), -2 * BOUND, 1e300, MOST, *harness.SPECIAL])
    assert harness.loop(HARD[name])(x).tolist() == [False] * 4 + [True] * 4 + [False] * 5


@pytest.mark.parametrize("name", NAMES)
def test_edges_are_those_of_numpy(name):
    """The same nans, infinities and zeros with the same signs as NumPy; other numbers within 4 ulp of its numbers."""
    x = harness.edges()
    if name in HARD:
        x = x[~harness.loop(HARD[name])(x)]
    arguments = [x] if name != "arctan2" else [a.ravel() for a in np.meshgrid(x[::2], x[::3])]
    got = harness.loop(FUNCTIONS[name])(*arguments)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(*arguments)
        same = (got == want) & (np.signbit(got) == np.signbit(want)) | np.isnan(got) & np.isnan(want)
        close = (np.abs(got - want) <= 4 * np.spacing(np.abs(want))) & (np.signbit(got) == np.signbit(want))
    wrong = ~(same | close & (want != 0))
    table = list(zip(*(a[wrong].tolist() for a in arguments), got[wrong].tolist(), want[wrong].tolist()))
    assert not table, f"{name}: arguments, result, NumPy's result: {table[:10]} and {len(table)} in all"


def test_arctan2_of_zeros_and_infinities_is_that_of_c():
    inf, pi = math.inf, math.pi
    table = [
        (0.0, 0.0, 0.0), (-0.0, 0.0, -0.0), (0.0, -0.0, pi), (-0.0, -0.0, -pi), (0.0, 1.0, 0.0), (-0.0, 1.0, -0.0),
        (0.0, -1.0, pi), (-0.0, -1.0, -pi), (1.0, 0.0, pi / 2), (-1.0, 0.0, -pi / 2), (1.0, -0.0, pi / 2),
        (-1.0, -0.0, -pi / 2), (inf, inf, pi / 4), (-inf, inf, -pi / 4), (inf, -inf, 3 * pi / 4),
        (-inf, -inf, -3 * pi / 4), (inf, 1.0, pi / 2), (-inf, -1.0, -pi / 2), (1.0, inf, 0.0), (-1.0, inf, -0.0),
        (1.0, -inf, pi), (-1.0, -inf, -pi), (0.0, -inf, pi), (-0.0, inf, -0.0), (inf, -0.0, pi / 2), (0.0, 5e-324, 0.0),
        (-0.0, -5e-324, -pi), (5e-324, 5e-324, pi / 4), (5e-324, -5e-324, 3 * pi / 4), (5e-324, MOST, 0.0),
        (-5e-324, MOST, -0.0), (5e-324, -MOST, pi), (MOST, -5e-324, pi / 2), (-MOST, MOST, -pi / 4),
        (1e-310, 1.0, 1e-310), (-3e-320, 1.5, -2e-320),
    ]  # fmt: skip
    y, x, want = np.array(table).T
    got = harness.loop(FUNCTIONS["arctan2"])(y, x)
    assert got.tolist() == want.tolist()
    assert np.signbit(got).tolist() == np.signbit(want).tolist()
    nans = [(math.nan, 1.0), (1.0, math.nan), (math.nan, inf), (inf, math.nan), (0.0, math.nan), (math.nan, -0.0)]
    assert np.isnan(harness.loop(FUNCTIONS["arctan2"])(*np.array(nans).T)).all()


def test_exact_values():
    loops = {name: harness.loop(FUNCTIONS[name]) for name in NAMES}
    assert loops["cos"](np.array([0.0, -0.0, 1e-300, 1e-9])).tolist() == [1.0] * 4
    assert loops["arccos"](np.array([1.0, -1.0, 0.0, -0.0])).tolist() == [0.0, math.pi, math.pi / 2, math.pi / 2]
    assert loops["arcsin"](np.array([1.0, -1.0])).tolist() == [math.pi / 2, -math.pi / 2]
    assert loops["arctan"](np.array([1.0, -np.inf, MOST])).tolist() == [math.pi / 4, -math.pi / 2, math.pi / 2]
    small = np.concatenate([harness.positive_floats(np.random.default_rng(0), 200, LEAST, 1e-9), [-0.0, 0.0]])
    for name in ("sin", "tan", "arcsin", "arctan"):
        for x in (small, -small):
            assert np.array_equal(loops[name](x).view(np.int64), x.view(np.int64)), name
    for name in ("arcsin", "arccos"):
        assert np.isnan(loops[name](np.array([np.nextafter(1, 2), -np.nextafter(1, 2), 2.0, -MOST, np.inf]))).all()


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="long double is double here")
@pytest.mark.parametrize("name", NAMES)
def test_many_more_points_against_long_double(name, random, seed):
    print("seed", seed)
    for domain in ORACLES[name][1:]:
        draws = domain if isinstance(domain, tuple) else (domain,)
        arguments = [draw(random, 20_000) for draw in draws]
        got = harness.loop(FUNCTIONS[name])(*arguments)
        with np.errstate(all="ignore"):
            exact = getattr(np, name)(*(a.astype(np.longdouble) for a in arguments))
            unit = np.spacing(np.abs(exact.astype(np.float64)))
            error = np.abs((got - exact) / unit).astype(np.float64)
        assert np.max(error) <= 2, explain(name, error, arguments)


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
        assembly = harness.assembly(FUNCTIONS.get(formula, HARD["sin"]), *machine)
    except RuntimeError as error:
        pytest.skip(f"no such target in this LLVM: {error}")
    lines = [line.split() for line in assembly.splitlines()]
    assert sum(packed in line for line in assembly.splitlines()) >= (4 if formula == "is hard" else 30)
    assert not [line for line in lines if line and line[0] in ("call", "callq", "bl", "blr")]


def test_vectors_give_what_numbers_give(random):
    """Functions of vector types, for code that is written with vectors, give the same bits as loops over numbers."""
    module, kind = ir.Module(), ir.VectorType(ir.DoubleType(), 4)
    formulas = {**FUNCTIONS, **special.FUNCTIONS}
    for name, formula in formulas.items():
        function = define_formula(module, name, formula, kind)
        caller = ir.Function(module, ir.FunctionType(ir.VoidType(), [kind.as_pointer()] * 3), name)
        builder = ir.IRBuilder(caller.append_basic_block())
        arguments = [builder.load(a, align=8) for a in caller.args[1 : 1 + len(function.args)]]
        builder.store(builder.call(function, arguments), caller.args[0], align=8)
        builder.ret_void()
    code = compile_module(module)
    for name, formula in formulas.items():
        arguments = random.uniform(-3, 3, (2, 4))
        got = np.empty(4)
        run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(code.address(name))
        run(got.ctypes.data, *(a.ctypes.data for a in arguments))
        want = harness.loop(formula)(*arguments[: 1 + (name == "arctan2")])
        assert np.array_equal(got, want, equal_nan=True), name
