"""Loops around the functions of the vector mathematics, their errors in ulps, and inputs to try them with."""

import ctypes
import functools
from typing import Any

import llvmlite.binding as llvm
import mpmath
import numpy as np
from llvmlite import ir

from mixgrad.compile.machine import compile_module, optimised, target_machine
from mixgrad.compile.vecmath import FUNCTIONS, HARD, define_formula

KINDS = {np.dtype(np.float64): ir.DoubleType(), np.dtype(np.float32): ir.FloatType()}


def loop_module(formula, kind, name="formula"):
    """A module with ``loop(out, *arguments, n)`` over contiguous arrays; the number of arguments; whether of truths."""
    module = ir.Module("loop")
    function = define_formula(module, name, formula, kind)
    integer = ir.IntType(64)
    is_truth = str(function.ftype).startswith("i1 ")
    out_kind = ir.IntType(8) if is_truth else kind
    pointers = [ir.PointerType(out_kind), *(ir.PointerType(kind) for _ in function.args)]
    loop = ir.Function(module, ir.FunctionType(ir.VoidType(), [*pointers, integer]), "loop")
    out, *arrays, n = loop.args
    for pointer in (out, *arrays):
        pointer.add_attribute("noalias")
    entry, body, end = (loop.append_basic_block(block) for block in ("entry", "body", "end"))
    builder = ir.IRBuilder(entry)
    builder.cbranch(builder.icmp_signed(">", n, integer(0)), body, end)
    builder.position_at_end(body)
    i = builder.phi(integer)
    i.add_incoming(integer(0), entry)
    result = builder.call(function, [builder.load(builder.gep(a, [i])) for a in arrays])
    if is_truth:
        result = builder.zext(result, out_kind)
    builder.store(result, builder.gep(out, [i]))
    following = builder.add(i, integer(1))
    i.add_incoming(following, body)
    builder.cbranch(builder.icmp_signed("<", following, n), body, end)
    builder.position_at_end(end)
    builder.ret_void()
    return module, len(arrays), is_truth


class Loop:
    """A compiled loop around a formula: called with arrays, it returns an array."""

    def __init__(self, formula, dtype):
        self.dtype = np.dtype(dtype)
        module, self.count, self.is_truth = loop_module(formula, KINDS[self.dtype])
        self.code = compile_module(module, keep_assembly=True)
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (self.count + 1), ctypes.c_int64)
        self.run = kind(self.code.address("loop"))

    def __call__(self, *arrays, out=None):
        arrays = [np.ascontiguousarray(a, self.dtype) for a in np.broadcast_arrays(*arrays)]
        assert len(arrays) == self.count
        if out is None:
            out = np.empty(arrays[0].shape, np.bool_ if self.is_truth else self.dtype)
        self.run(out.ctypes.data, *(a.ctypes.data for a in arrays), out.size)
        return out


@functools.cache
def loop(formula, dtype=np.float64):
    """The compiled loop around a formula, or around the function of the table with that name."""
    return Loop(FUNCTIONS[formula] if isinstance(formula, str) else formula, dtype)


def hard(name, *arrays):
    """For which arguments the function of the C library must be called instead (then the formula need not be right)."""
    if name not in HARD:
        return np.zeros(np.broadcast(*arrays).shape, bool)
    return loop(HARD[name], arrays[0].dtype)(*arrays)


def assembly(formula, triple="", cpu="", features="", dtype=np.float64):
    """The assembly of a loop around a formula or a named function; by default over doubles, for this processor."""
    formula = FUNCTIONS[formula] if isinstance(formula, str) else formula
    return assembly_of(loop_module(formula, KINDS[np.dtype(dtype)])[0], triple, cpu, features)


def assembly_of(module, triple="", cpu="", features=""):
    """The assembly of a module."""
    if triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    target = target_machine(triple, cpu, features)
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    return target.emit_assembly(optimised(str(module), target))


# Errors


def rounded(exact, dtype=np.float64):
    """The float nearest to an mpmath number, ties to even; infinite beyond the largest; 0 has the sign of `exact`."""
    dtype = np.dtype(dtype)
    if mpmath.isnan(exact) or mpmath.isinf(exact) or exact == 0:
        return dtype.type(float(exact))
    info = np.finfo(dtype)
    exponent = max(mpmath.frexp(exact)[1] - 1, info.minexp) - info.nmant
    nearest: Any = mpmath.nint(mpmath.ldexp(exact, -exponent))
    units = int(nearest)
    if abs(units).bit_length() + exponent > info.maxexp:
        return dtype.type(-np.inf if exact < 0 else np.inf)
    result = np.ldexp(dtype.type(units), np.int32(exponent)) if units else dtype.type(0)
    return np.copysign(result, dtype.type(-1 if exact < 0 else 1))


def ulps(result, exact, scale=None):
    """Errors of floats in units in the last place of the exact numbers; 0 or infinity where there are no units.

    An element of `exact` is an mpmath number, or a float (then the sign of a zero counts: -0.0 is not met by 0.0). A
    nan is met by a nan only, an infinity by itself. An infinite result stands for 2**1024 (2**128 of float32), and is
    right for whatever lies beyond. The ulp is that of `scale` if it is given, for sums whose terms cancel.
    """
    result = np.atleast_1d(result)
    exact = [exact] if np.ndim(exact) == 0 else exact
    scales = exact if scale is None else scale
    return np.array([_ulps(r, e, s) for r, e, s in zip(result.flat, exact, scales, strict=True)]).reshape(result.shape)


def _ulps(result, exact, scale):
    info = np.finfo(result.dtype)
    is_float = isinstance(exact, (float, np.floating))
    if mpmath.isnan(exact) or np.isnan(result):
        return 0.0 if mpmath.isnan(exact) and np.isnan(result) else np.inf
    if mpmath.isinf(exact):
        return 0.0 if result == float(exact) else np.inf
    if exact == 0 and is_float:
        return 0.0 if result == 0 and np.signbit(result) == np.signbit(exact) else np.inf
    if exact == 0 and scale == 0:
        return 0.0 if result == 0 else np.inf
    if is_float or not isinstance(exact, mpmath.mpf):
        exact = mpmath.mpf(float(exact))
    exponent = max(mpmath.frexp(mpmath.mpf(scale))[1] - 1, info.minexp) - info.nmant
    exponent = min(exponent, info.maxexp - 1 - info.nmant)
    value = mpmath.ldexp(np.sign(float(result)), info.maxexp) if np.isinf(result) else mpmath.mpf(float(result))
    error = float(abs(mpmath.ldexp(value - exact, -exponent)))
    if np.isinf(result) and abs(exact) > value * mpmath.sign(value):
        return 0.0
    return error


def oracle(function, *arrays, bits=160):
    """The values of a function of mpmath numbers, with enough digits, at finite arguments."""
    with mpmath.workprec(bits):
        return [
            function(*(mpmath.mpf(float(x)) for x in args)) for args in zip(*(np.ravel(a) for a in arrays), strict=True)
        ]


# Inputs


def any_floats(random, count, dtype=np.float64):
    """Finite floats of any sign and exponent, subnormal ones included."""
    whole = {np.dtype(np.float64): np.uint64, np.dtype(np.float32): np.uint32}[np.dtype(dtype)]
    x = random.integers(0, np.iinfo(whole).max, count, dtype=whole, endpoint=True).view(dtype)
    return np.where(np.isfinite(x), x, dtype(1.5))


def positive_floats(random, count, low=5e-324, high=1.7976931348623157e308):
    """Doubles from `low` to `high` (positive), uniform in the bits: about as many for each exponent."""
    low, high = (np.float64(x).view(np.int64) for x in (low, high))
    return random.integers(low, high, count, endpoint=True).view(np.float64)


def floats_between(random, count, low, high):
    """Doubles of an interval: `count` uniform ones, then some of small sizes, then the neighbours of the ends."""
    uniform = random.uniform(low, high, count)
    logarithmic = positive_floats(random, count // 4, 1e-30, max(abs(low), abs(high)))
    logarithmic *= random.choice([-1.0, 1.0], logarithmic.size)
    logarithmic = logarithmic[(logarithmic >= low) & (logarithmic <= high)]
    ends = np.concatenate([neighbours(low, 20), neighbours(high, 20)])
    return np.concatenate([uniform, logarithmic, ends[(ends >= low) & (ends <= high)]])


def neighbours(x, count=5):
    """A double and the nearest ones on both sides."""
    up, down = [np.float64(x)], [np.float64(x)]
    for _ in range(count):
        up.append(np.nextafter(up[-1], np.inf))
        down.append(np.nextafter(down[-1], -np.inf))
    return np.array([*down[:0:-1], *up])


# What draws inputs, so many of a random generator: an interval, sizes, sizes of either sign, distances from a number.

LEAST, MOST = 5e-324, float(np.finfo(float).max)


def between(low, high):
    return lambda random, n: random.permutation(floats_between(random, n, low, high))[:n]


def sizes(low, high):
    return lambda random, n: positive_floats(random, n, low, high)


def signed(low, high):
    return lambda random, n: positive_floats(random, n, low, high) * random.choice([-1.0, 1.0], n)


def near(centre, low, high):
    return lambda random, n: centre + signed(low, high)(random, n)


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan])


def edges(dtype=np.float64):
    """Zeros, infinities, nan, the smallest and largest subnormal and normal numbers, neighbours of small integers."""
    info = np.finfo(dtype)
    tiny, least = float(info.tiny), float(info.smallest_subnormal)
    magnitudes = [least, 2 * least, 3 * least, tiny / 2, tiny, 2 * tiny, float(info.max), float(info.max) / 2]
    magnitudes += [
        float(np.nextafter(dtype(tiny), dtype(0))),
        float(info.eps),
        float(info.eps) / 2,
        float(info.epsneg) / 2,
    ]
    for x in (0.5, 1.0, 2.0, 3.0, 10.0, float(np.sqrt(0.5)), float(np.sqrt(2)), float(np.e), float(np.log(2)), 0.25):
        magnitudes += list(np.asarray(neighbours(x, 3), dtype).astype(float))
    magnitudes += [2.0**k for k in range(-100, 101, 7)]
    x = np.array(magnitudes, dtype)
    return np.concatenate([SPECIAL.astype(dtype), x, -x])


def float32_by_stride(stride):
    """Every `stride`-th float32, of all bit patterns (infinities and nans too)."""
    return np.arange(0, 2**32, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
