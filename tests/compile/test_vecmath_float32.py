"""The vector mathematics of floats: within 2 ulp (powers and erfc: 4) of NumPy's and SciPy's results for doubles."""

import ctypes
import inspect

import numpy as np
import pytest
import scipy.special
from llvmlite import ir

from mixgrad.compile.machine import compile_module
from mixgrad.compile.vecmath import FUNCTIONS, HARD, OF_SINGLES, define

from . import vecmath_harness as harness

STRIDE = 16_381  # of the bit patterns, all of which are tried from end to end
OWN = [name for name, formula in FUNCTIONS.items() if formula in OF_SINGLES]
# SciPy takes minutes for polygamma far left of 0, and has none of its digits at its zeros.
ROUNDED = [name for name in FUNCTIONS if name not in OWN and not name.startswith("polygamma")]
LIMITS = {"power": 4.0, "erfc": 4.0}
BINARY = [name for name, formula in FUNCTIONS.items() if len(inspect.signature(formula).parameters) == 2]
CANCEL = ("logaddexp", "logaddexp2")  # where they are small, near 0, within an ulp of their arguments
ANY_ZERO = (*CANCEL, "erfinv", "erfcinv")  # erfinv(-0.0) of SciPy is 0.0
INFO = np.finfo(np.float32)


def peer(name, *arguments):
    """The result of NumPy or SciPy for doubles."""
    with np.errstate(all="ignore"):
        arguments = [np.asarray(a, np.float64) for a in arguments]
        if name == "softplus":
            return np.logaddexp(0.0, *arguments)
        if name.startswith("polygamma"):
            return scipy.special.polygamma(int(name[-1]), *arguments)
        return getattr(np if hasattr(np, name) else scipy.special, name)(*arguments)


def ulps(name, got, want, arguments):
    """Errors in ulps of float32; a nan is met by a nan, an infinity stands for 2**128."""
    limit = np.float64(2.0**128)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(np.clip(want, -INFO.max, INFO.max)).astype(np.float32)).astype(np.float64)
        if name in CANCEL:
            unit = np.maximum(unit, np.spacing(np.clip(np.abs(np.maximum(*arguments)), 0, 1)))
        error = np.abs(np.clip(got.astype(np.float64), -limit, limit) - np.clip(want, -limit, limit)) / unit
        return np.where(np.isnan(got) | np.isnan(want), np.where(np.isnan(got) & np.isnan(want), 0, np.inf), error)


def check(name, *arguments, limit=None):
    got = harness.loop(name, np.float32)(*arguments)
    assert got.dtype == np.float32
    want = peer(name, *arguments)
    wanted = ~harness.hard(name, *arguments)
    error = np.where(wanted, ulps(name, got, want, arguments), 0)
    worst = int(np.argmax(error))
    where = f"{name}{tuple(float(a[worst]) for a in arguments)}: {got[worst]}, not {want[worst]}"
    assert error[worst] <= (limit or LIMITS.get(name, 2.0)), where
    wrong = wanted & ~np.isnan(want) & (np.signbit(got) != np.signbit(want)) & ((got == 0) | (error > 0))
    assert name in ANY_ZERO or not wrong.any(), (name, [a[wrong][:3] for a in arguments], got[wrong][:3])


def pairs(name, random):
    """Two arguments each: of all bit patterns, and where results are neither zero nor infinite."""
    x = harness.float32_by_stride(STRIDE)
    y = random.permutation(x)
    with np.errstate(all="ignore"):
        if name == "power":
            near = (random.uniform(-160, 140, x.size) / np.log2(np.abs(x), dtype=np.float64)).astype(np.float32)
            near = np.where(x < 0, np.rint(near), near)
        else:
            near = x + random.uniform(-20, 20, x.size).astype(np.float32)
    return np.concatenate([x, x]), np.concatenate([y, near])


def test_what_matters_most_has_a_form_of_its_own():
    main = ["exp", "expm1", "exp2", "log", "log1p", "log2", "sin", "cos", "tan", "sinh", "cosh", "tanh"]
    assert {*main, "expit", "softplus", "sqrt", "power", "erf"} <= set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_all_bit_patterns_by_stride(name, random, seed):
    print("seed", seed)
    check(name, *(pairs(name, random) if name in BINARY else [harness.float32_by_stride(STRIDE)]))


@pytest.mark.parametrize("name", OWN)
def test_ordinary_arguments(name, random, seed):
    print("seed", seed)
    x = random.uniform(-20, 20, 100_000).astype(np.float32)
    small = x * np.float32(0.05)
    if name == "power":
        check(name, np.abs(x), small * 100)
        check(name, 1 + small / 100, random.uniform(-9000, 9000, x.size).astype(np.float32))
    elif name in BINARY:
        check(name, x, small)
    else:
        check(name, np.concatenate([x, small, 1 + small]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_edges(name):
    x = harness.edges(np.float32)
    arguments = [a.ravel() for a in np.meshgrid(x[::2], x[::3])] if name in BINARY else [x]
    check(name, *arguments, limit=4.0 if name == "gammaln" else None)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_next_to_multiples_of_half_pi(name):
    x = (np.arange(1, 660_000) * (np.pi / 2)).astype(np.float32)
    x = np.concatenate([np.nextafter(x, np.float32(to)) for to in (0, np.inf)] + [x])
    assert not harness.hard(name, x).any()
    check(name, x)
    check(name, -x)


def test_angles_beyond_the_bound_are_hard():
    bound = np.float32(2**20)
    x = np.array([0, -1, bound, -bound, np.nextafter(bound, np.float32(np.inf)), -2 * bound, INFO.max, np.inf, np.nan])
    assert harness.hard("sin", x.astype(np.float32)).tolist() == [False] * 4 + [True] * 3 + [False] * 2


# The first arguments of which the result is infinite or zero.
@pytest.mark.parametrize(("name", "ends"), [
    ("exp", (88.72284, -103.97209)), ("exp2", (128.0, -150.0)), ("expm1", (88.72284,)), ("expit", (-103.97209,)),
    ("sinh", (89.41599, -89.41599)), ("cosh", (89.41599, -89.41599)), ("erfc", (10.054195,)),
    ("softplus", (-103.97209,)),
])  # fmt: skip
def test_overflow_and_underflow_start_where_they_should(name, ends):
    for end in ends:
        x = (np.float32(end).view(np.int32) + np.arange(-40, 41, dtype=np.int32)).view(np.float32)
        got = harness.loop(name, np.float32)(x)
        with np.errstate(all="ignore"):
            want = peer(name, x).astype(np.float32)
        assert np.count_nonzero((np.isinf(got) != np.isinf(want)) | ((got == 0) != (want == 0))) <= 1
        assert (np.isinf(got) | (got == 0)).any()
        assert (np.isfinite(got) & (got != 0)).any()


@pytest.mark.parametrize("name", ROUNDED)
def test_the_others_are_rounded(name, random):
    """Computed as doubles they are the nearest floats, but for double rounding."""
    x = harness.float32_by_stride(65_521)
    check(name, *([x, random.permutation(x)] if name in BINARY else [x]), limit=1.0)


def test_vectors_give_what_numbers_give(random):
    module, kind = ir.Module(), ir.VectorType(ir.FloatType(), 8)
    for name in OWN:
        function = define(module, name, kind)
        caller = ir.Function(module, ir.FunctionType(ir.VoidType(), [kind.as_pointer()] * 3), name)
        builder = ir.IRBuilder(caller.append_basic_block())
        arguments = [builder.load(a, align=4) for a in caller.args[1 : 1 + len(function.args)]]
        builder.store(builder.call(function, arguments), caller.args[0], align=4)
        builder.ret_void()
    code = compile_module(module)
    for name in OWN:
        arguments = random.uniform(-3, 3, (2, 8)).astype(np.float32)
        got = np.empty(8, np.float32)
        run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(code.address(name))
        run(got.ctypes.data, *(a.ctypes.data for a in arguments))
        want = harness.loop(name, np.float32)(*arguments[: 1 + (name in BINARY)])
        assert np.array_equal(got, want, equal_nan=True), name


TARGETS = {
    "AVX2": ("x86_64-linux-gnu", "x86-64-v3", "", "ymm"),
    "AVX-512": ("x86_64-linux-gnu", "x86-64-v4", "-prefer-256-bit", "zmm"),
    "NEON": ("aarch64-linux-gnu", "apple-m1", "", ".4s"),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("formula", [*OWN, "is hard"])
def test_loops_are_vectorised(formula, target):
    *machine, packed = TARGETS[target]
    try:
        assembly = harness.assembly(FUNCTIONS.get(formula, HARD["sin"]), *machine, dtype=np.float32)
    except RuntimeError as error:
        pytest.skip(f"no such target in this LLVM: {error}")
    lines = [line.split() for line in assembly.splitlines()]
    least = {"sqrt": 1, "is hard": 3}.get(formula, 10)
    assert sum(packed in line for line in assembly.splitlines()) >= least
    assert not [line for line in lines if line and line[0] in ("call", "callq", "bl", "blr")]
    doubles = [line for line in lines if line and line[0].startswith("v") and line[0].endswith("pd")]
    assert not [line for line in doubles if line[0].startswith(("vadd", "vmul", "vfm", "vfnm", "vcvt"))]
