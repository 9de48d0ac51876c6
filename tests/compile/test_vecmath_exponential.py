"""Exponentials, logarithms, hyperbolic functions and powers as vector code: within 2 ulp (powers: 4) everywhere."""

import ctypes

import mpmath as mp
import numpy as np
import pytest
import scipy.special
from llvmlite import ir

from mixgrad.compile.machine import compile_module
from mixgrad.compile.vecmath import FUNCTIONS, HARD, define, exponential, hyperbolic, logarithm, power

from . import vecmath_harness as harness
from .vecmath_harness import LEAST, MOST, between, near, positive_floats, signed, sizes

NAMES = [name for module in (exponential, logarithm, hyperbolic, power) for name in module.FUNCTIONS]


def above(centre, low, high):
    return lambda random, n: centre + positive_floats(random, n, low, high)


def softplus(x):
    return mp.log1p(mp.exp(x))


def logaddexp(x, y):
    return max(x, y) + softplus(-abs(x - y))


def logaddexp2(x, y):
    return max(x, y) + mp.log(1 + mp.mpf(2) ** -abs(x - y), 2)


# The function of mpmath, and the inputs: for each argument, where it is interesting.
ORACLES = {
    "exp": (mp.exp, between(-746, 710), between(-1, 1), between(-745.2, -700), signed(LEAST, 700)),
    "exp2": (lambda x: 2**x, between(-1076, 1025), between(-1, 1), between(-1076, -1000), signed(LEAST, 1000)),
    "expm1": (mp.expm1, between(-40, 710), between(-1, 1), between(0.3, 0.45), signed(LEAST, 700)),
    "exprel": (lambda x: mp.expm1(x) / x, between(-40, 716), between(-1, 1), signed(LEAST, 700)),
    "expit": (lambda x: 1 / (1 + mp.exp(-x)), between(-746, 40), between(-3, 3), signed(LEAST, 740)),
    "log": (mp.log, sizes(LEAST, MOST), between(0.5, 2), between(0.9, 1.1), sizes(LEAST, 1e-308)),
    "log2": (lambda x: mp.log(x, 2), sizes(LEAST, MOST), between(0.5, 2), between(0.9, 1.1), sizes(LEAST, 1e-308)),
    "log10": (mp.log10, sizes(LEAST, MOST), between(0.5, 2), between(0.9, 1.1), sizes(LEAST, 1e-308)),
    "log1p": (mp.log1p, sizes(LEAST, MOST), between(-0.4, 0.5), signed(LEAST, 0.999), above(-1, 1e-16, 1e-5)),
    "logaddexp": (
        logaddexp,
        (between(0, 10), between(0, 10)),
        (between(-800, 800), between(-800, 800)),
        (between(-5, 5), between(-5, 5)),
        (signed(LEAST, MOST), signed(LEAST, MOST)),
    ),
    "logaddexp2": (
        logaddexp2,
        (between(0, 10), between(0, 10)),
        (between(-1200, 1200), between(-1200, 1200)),
        (between(-5, 5), between(-5, 5)),
        (signed(LEAST, MOST), signed(LEAST, MOST)),
    ),
    "softplus": (softplus, between(-746, 50), between(-3, 3), signed(LEAST, 740)),
    "log_expit": (lambda x: -softplus(-x), between(-50, 746), between(-3, 3), signed(LEAST, 740)),
    "sinh": (mp.sinh, between(-711, 711), between(-3, 3), between(0.3, 0.45), signed(LEAST, 700)),
    "cosh": (mp.cosh, between(-711, 711), between(-3, 3), between(0.3, 0.45), signed(LEAST, 700)),
    "tanh": (mp.tanh, between(-25, 25), between(-3, 3), between(0.1, 0.25), signed(LEAST, 20)),
    "arcsinh": (mp.asinh, signed(LEAST, MOST), between(-3, 3), between(0.3, 0.6), signed(0.01, 100)),
    "arccosh": (mp.acosh, sizes(1, MOST), between(1, 3), between(1, 1.1), sizes(1, 100)),
    "arctanh": (mp.atanh, between(-0.9999, 0.9999), between(0.1, 0.5), signed(LEAST, 0.99)),
    "power": (
        mp.power,
        (between(0.001, 10), between(-300, 300)),
        (sizes(LEAST, MOST), between(-1.2, 1.2)),
        (near(1, 1e-16, 1e-2), signed(1, 1e17)),
        (sizes(LEAST, MOST), signed(LEAST, 100)),
        (sizes(LEAST, 1e-300), between(0.9, 1.02)),
    ),
    "exp10": (lambda x: mp.mpf(10) ** x, between(-324, 309), between(-1, 1), signed(LEAST, 300)),
    "sqrt": (mp.sqrt, sizes(LEAST, MOST)),
    "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), signed(LEAST, MOST), between(-8, 8)),
    "hypot": (
        mp.hypot,
        (signed(LEAST, MOST), signed(LEAST, MOST)),
        (between(-1, 1), between(-1, 1)),
        (signed(LEAST, 1e-307), signed(LEAST, 1e-307)),
        (between(1e307, 1.3e308), between(1e300, 1.3e308)),
    ),
}  # fmt: skip
LIMITS = {"power": 4.0, "exprel": 3.0, "logaddexp2": 4.0}
PEERS = {name: getattr(np if hasattr(np, name) else scipy.special, name) for name in NAMES if name != "softplus"}
PEERS["softplus"] = lambda x: np.logaddexp(0.0, x)  # old versions of SciPy have none
BINARY = ("power", "logaddexp", "logaddexp2", "hypot")
CANCEL = ("logaddexp", "logaddexp2")


def sizes_of_ulps(name, exact, arguments):
    """The numbers whose ulps count: for logaddexp, whose terms cancel, not less than the arguments near 0."""
    if name not in CANCEL:
        return exact
    largest = np.maximum(*arguments)
    return [max(abs(e), min(abs(m), 1.0)) if m < 0 else e for e, m in zip(exact, largest.tolist())]


def explain(name, error, arguments):
    worst = int(np.argmax(error))
    return f"{name}{tuple(float(a.flat[worst]) for a in arguments)} is off by {error.flat[worst]} ulp"


def test_every_function_is_here():
    assert set(NAMES) == set(ORACLES)
    assert set(NAMES) <= set(FUNCTIONS)
    assert not set(NAMES) & set(HARD)


@pytest.mark.parametrize("name", NAMES)
def test_errors_in_ulps(name, random, seed):
    print("seed", seed)
    function, *domains = ORACLES[name]
    for domain in domains:
        draws = domain if isinstance(domain, tuple) else (domain,)
        arguments = [draw(random, 500) for draw in draws]
        exact = harness.oracle(function, *arguments)
        error = harness.ulps(harness.loop(name)(*arguments), exact, sizes_of_ulps(name, exact, arguments))
        assert np.max(error) <= LIMITS.get(name, 2.0), explain(name, error, arguments)


def edges(name):
    x = harness.edges()
    if name in BINARY:
        x = np.concatenate(
            [x[::3], harness.SPECIAL, [3.0, -3.0, 2.5, -2.5, 1.0, -1.0, 2.0**53, 2.0**53 - 1, 1e300, -1e300]]
        )
        return [a.ravel() for a in np.meshgrid(x, x)]
    return [x]


@pytest.mark.parametrize("name", NAMES)
def test_edges_are_those_of_numpy(name):
    """The same nans, infinities and zeros with the same signs as NumPy; other numbers within 4 ulp of its numbers."""
    arguments = edges(name)
    got = harness.loop(name)(*arguments)
    with np.errstate(all="ignore"):
        want = PEERS[name](*arguments)
        if name == "expit":  # SciPy's underflows to 0 from -709.8 on
            want = np.where(arguments[0] < -40, np.exp(arguments[0]), want)
        same = (got == want) & (np.signbit(got) == np.signbit(want)) | np.isnan(got) & np.isnan(want)
        unit = np.spacing(np.abs(want))
        if name in CANCEL:
            unit = np.maximum(unit, np.spacing(np.clip(np.abs(np.maximum(*arguments)), 0, 1)))
        close = np.isfinite(want) & np.isfinite(got) & (np.abs(got - want) <= 4 * unit)
        close &= (want != 0) & (np.signbit(got) == np.signbit(want)) | (name in CANCEL)
    wrong = ~(same | close)
    table = list(zip(*(a[wrong].tolist() for a in arguments), got[wrong].tolist(), want[wrong].tolist()))
    assert not table, f"{name}: arguments, result, NumPy's result: {table[:10]} and {len(table)} in all"


# The last arguments with finite and with nonzero results.
THRESHOLDS = {
    "exp": (709.782712893384, -745.1332191019411),
    "exp2": (1024.0, -1075.0),
    "expm1": (709.782712893384,),
    "expit": (-745.1332191019411,),
    "softplus": (-745.1332191019411,),
    "log_expit": (745.1332191019411,),
    "sinh": (710.4758600739439, -710.4758600739439),
    "cosh": (710.4758600739439, -710.4758600739439),
}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_overflow_and_underflow_start_where_they_should(name):
    x = np.concatenate([harness.neighbours(threshold, 10) for threshold in THRESHOLDS[name]])
    got = harness.loop(name)(x)
    want = np.array([harness.rounded(e) for e in harness.oracle(ORACLES[name][0], x)])
    assert (np.isinf(got) == np.isinf(want)).all()
    assert ((got == 0) == (want == 0)).all()
    assert np.isinf(want).any() or (want == 0).any()
    assert np.isfinite(want).any()


def test_overflow_and_underflow_of_powers():
    base = np.repeat([2.0, 0.5, 10.0, 3.0, 1.0 + 2.0**-52, 1e-308, -2.0, -10.0], 400)
    exponent = np.tile(np.arange(-200, 200), 8) * 1.0
    limit = np.where(exponent < 0, -1075, 1024) / np.where(abs(base) == 0.5, -1, np.log2(abs(base)))
    exponent = np.where(base < -1, np.rint(limit), limit) + np.where(abs(limit) > 1e6, exponent * 1e5, exponent * 0.125)
    exponent = np.where(base < 0, np.rint(exponent), exponent)
    got = harness.loop("power")(base, exponent)
    exact = harness.oracle(mp.power, base, exponent)
    assert np.max(harness.ulps(got, exact)) <= 4
    assert ((got == 0) == [harness.rounded(e) == 0 for e in exact]).all()
    assert np.isinf(got).any()
    assert (got == 0).any()


def test_powers_as_c_defines_them():
    inf, nan = np.inf, np.nan
    table = [
        (0.0, -3.0, inf), (-0.0, -3.0, -inf), (-0.0, -2.0, inf), (-0.0, -2.5, inf), (0.0, -inf, inf), (-0.0, -inf, inf),
        (0.0, 3.0, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (-0.0, 0.5, 0.0), (-1.0, inf, 1.0), (-1.0, -inf, 1.0),
        (1.0, nan, 1.0), (1.0, inf, 1.0), (nan, 0.0, 1.0), (nan, -0.0, 1.0), (inf, 0.0, 1.0), (0.0, 0.0, 1.0),
        (-8.0, 1 / 3, nan), (-2.0, 3.0, -8.0), (-2.0, 2.0, 4.0), (-2.0, -3.0, -0.125), (-2.0, 2.0**53, inf),
        (0.5, -inf, inf), (2.0, -inf, 0.0), (0.5, inf, 0.0), (2.0, inf, inf), (-0.5, -inf, inf), (-2.0, inf, inf),
        (-inf, -3.0, -0.0), (-inf, -2.0, 0.0), (-inf, -2.5, 0.0), (-inf, 3.0, -inf), (-inf, 2.0, inf), (-inf, 2.5, inf),
        (inf, -1.0, 0.0), (inf, 1e-300, inf), (nan, 1.0, nan), (2.0, nan, nan), (-1.0, 2.0**53 - 1, -1.0),
        (5e-324, 1.0, 5e-324), (2.0, -1074.0, 5e-324), (2.0, -1075.0, 0.0), (-2.0, -1075.0, -0.0), (3.0, 1e-320, 1.0),
    ]  # fmt: skip
    base, exponent, want = np.array(table).T
    got = harness.loop("power")(base, exponent)
    assert got.tobytes() == want.tobytes() or np.array_equal(got, want, equal_nan=True)
    assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


@pytest.mark.parametrize(("name", "x", "want"), [
    ("log2", 2.0 ** np.arange(-1074, 1024), np.arange(-1074.0, 1024)),
    ("exp2", np.arange(-1074.0, 1024), 2.0 ** np.arange(-1074, 1024)),
    ("log10", np.array([float(f"1e{k}") for k in range(23)]), np.arange(23.0)),
    ("cbrt", np.arange(-2000.0, 2001) ** 3, np.arange(-2000.0, 2001)),
])  # fmt: skip
def test_exact_results_are_exact(name, x, want):
    assert np.array_equal(harness.loop(name)(x), want)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="long double is double here")
@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(np, name)])
def test_many_more_points_against_long_double(name, random, seed):
    print("seed", seed)
    for domain in ORACLES[name][1:]:
        draws = domain if isinstance(domain, tuple) else (domain,)
        arguments = [draw(random, 20_000) for draw in draws]
        got = harness.loop(name)(*arguments)
        wide = [a.astype(np.longdouble) for a in arguments]
        with np.errstate(all="ignore"):
            exact = PEERS[name](*wide)
            unit = np.spacing(np.abs(exact.astype(np.float64)))
            if name in CANCEL:
                unit = np.maximum(unit, np.spacing(np.clip(np.abs(np.maximum(*arguments)), 0, 1)))
            error = np.abs((got - exact) / unit).astype(np.float64)
        error = np.where(np.isfinite(got) & np.isfinite(unit), error, 0)  # overflow has tests of its own
        assert np.max(error) <= LIMITS.get(name, 2.0), explain(name, error, arguments)


def test_vectors_give_what_numbers_give(random):
    """Functions of vector types, for code that is written with vectors, give the same bits as loops over numbers."""
    module, kind = ir.Module(), ir.VectorType(ir.DoubleType(), 4)
    pointer = kind.as_pointer()
    for name in NAMES:
        function = define(module, name, kind)
        assert define(module, name, kind) is function
        caller = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer] * 3), name)
        builder = ir.IRBuilder(caller.append_basic_block())
        arguments = [builder.load(a, align=8) for a in caller.args[1 : 1 + len(function.args)]]
        builder.store(builder.call(function, arguments), caller.args[0], align=8)
        builder.ret_void()
    code = compile_module(module)
    for name in NAMES:
        arguments = random.uniform(-3, 3, (2, 4))
        got = np.empty(4)
        run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(code.address(name))
        run(got.ctypes.data, *(a.ctypes.data for a in arguments))
        want = harness.loop(name)(*arguments[: 1 + (name in BINARY)])
        assert np.array_equal(got, want, equal_nan=True), name


TARGETS = {
    "AVX2": ("x86_64-linux-gnu", "haswell", "", "ymm"),
    "AVX-512": ("x86_64-linux-gnu", "skylake-avx512", "-prefer-256-bit", "zmm"),
    "NEON": ("aarch64-linux-gnu", "apple-m1", "", ".2d"),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_loops_are_vectorised(name, target):
    *machine, packed = TARGETS[target]
    try:
        assembly = harness.assembly(name, *machine)
    except RuntimeError as error:
        pytest.skip(f"no such target in this LLVM: {error}")
    lines = [line.split() for line in assembly.splitlines()]
    assert sum(packed in line for line in assembly.splitlines()) >= (2 if name == "sqrt" else 10)
    assert not [line for line in lines if line and line[0] in ("call", "callq", "bl", "blr")]
