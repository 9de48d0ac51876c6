"""How a row of the table is made: one constructor for each kind, which derives every rule that follows from it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mixgrad.core.bind import Traced, bind, bind_like, innermost
from mixgrad.core.numpy_table import UFUNCS
from mixgrad.core.op import Kind, Op, add_row
from mixgrad.rules.sample import POSITIVE as POSITIVE
from mixgrad.rules.sample import REALS, Sample

FLOAT64 = np.dtype(np.float64)
_UNKNOWN = 1_000_003  # no length that occurs
NUMBERS = frozenset((np.float64, float, int))  # of which a product with a float64 is a float64


# The tangent of every elementwise op: a sum of products with strong zeros ---------------------------------------------


def strong_product(a: Any, b: Any) -> Any:
    """Return ``a * b`` where zero times anything, inf and nan included, is zero (the first law of derivatives)."""
    product = a * b
    if _all_finite(product):
        return product
    return np.where((a == 0) | (b == 0), np.zeros((), np.result_type(product)), product)[()]


def _all_finite(x: Any) -> bool:
    # One number tells whether all are finite; where it overflows for nothing that costs time only.
    if type(x) is np.float64:
        return math.isfinite(x)
    if type(x) is np.ndarray and x.dtype is FLOAT64:
        x = x.ravel()
        return math.isfinite(x.dot(x))
    return math.isfinite(np.vdot(x, x).real)


def _weighted_sum(*pairs: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return _sum_of(pairs, shape, dtype)


def _sum_of(pairs: tuple, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Return ``c_1 t_1 + c_2 t_2 + ...`` for pairs (c, t), broadcast to `shape`."""
    total: Any = None
    multiplied = False
    for i in range(0, len(pairs), 2):
        c, t = pairs[i], pairs[i + 1]
        if type(c) is not int:
            t = c * t
            multiplied = True
        elif c != 1:
            t = _weigh(c, t)
        total = t if total is None else total + t
    if multiplied and not _all_finite(total):  # then some product may be, and strong zeros matter
        total = sum(map(_weigh, pairs[2::2], pairs[3::2]), _weigh(pairs[0], pairs[1]))
    if type(total) is not complex and total.dtype is dtype and total.shape == shape:
        return total
    return as_type(total, shape, dtype)


def _weigh(c: Any, t: Any) -> Any:
    """Return the product of a weight, a number of Python if it is the same everywhere, and a tangent."""
    if type(c) is int and c in (1, -1):
        return t if c == 1 else -t
    return strong_product(c, t)


def tangent_of(out: Any, pairs: tuple) -> Any:
    """Return the tangent of `out` that is the weighted sum of `pairs`: computed where all of them are plain numbers."""
    top = innermost(pairs)
    if top is None:
        return _sum_of(pairs, out.shape, out.dtype)
    shape, dtype = out.shape, out.dtype
    return top.process_like(weighted_sum, pairs, {"shape": shape, "dtype": dtype}, out)


def as_type(x: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Return the plain `x` broadcast to `shape` and cast to `dtype`; a cast to real numbers takes the real part."""
    if type(x) is complex:
        x = np.complex128(x)  # a complex number of Python times a float64
    if x.dtype != dtype:
        x = (x.real if x.dtype.kind == "c" and dtype.kind != "c" else x).astype(dtype)
    if x.shape == shape or -1 in shape:  # a length that is known only now is that of x
        return x
    return spread(x, shape)


def spread(x: Any, shape: tuple[int, ...]) -> Any:
    """Return a read-only view of plain `x` in a larger shape, at a tenth of the cost of np.broadcast_to."""
    if not x.flags.c_contiguous:
        return np.broadcast_to(x, shape)
    own = tuple([0 if n == 1 else stride for n, stride in zip(x.shape, x.strides)])
    view = np.ndarray(shape, x.dtype, x, 0, (0,) * (len(shape) - len(own)) + own)
    view.flags.writeable = False
    return view


def conjugate(x: Any) -> Any:
    """Return the complex conjugate; real numbers as they are."""
    dtype = getattr(x, "dtype", None)
    return np.conjugate(x) if isinstance(x, complex) or (dtype is not None and dtype.kind == "c") else x


def _weighted_sum_jvp(out, args, tangents, *, shape, dtype):
    pairs = []
    for i in range(0, len(args), 2):
        if tangents[i] is not None:
            pairs += [args[i + 1], tangents[i]]
        if tangents[i + 1] is not None:
            pairs += [args[i], tangents[i + 1]]
    return weighted_sum(*pairs, shape=shape, dtype=dtype)


def transpose_weighted_sum(out_bar: Any, args: tuple, i: int, **static: Any) -> Any:
    """Return the product of a weight and the cotangent of a weighted sum."""
    weight = args[i - 1]
    if type(weight) is np.float64 is type(out_bar):
        product = weight * out_bar
        if math.isfinite(product):
            return product
    if isinstance(weight, Traced) or isinstance(out_bar, Traced):
        return weighted_sum(conjugate(weight), out_bar, shape=out_bar.shape, dtype=out_bar.dtype)
    bar = _weigh(weight if type(weight) in (int, np.float64) else conjugate(weight), out_bar)
    return np.complex128(bar) if type(bar) is complex else bar


def _weighted_sum_batch(args, batched, *, shape, dtype):
    size = next(len(arg) for arg, flag in zip(args, batched) if flag)
    aligned = [align(arg, len(shape)) if flag else arg for arg, flag in zip(args, batched)]
    return weighted_sum(*aligned, shape=(size, *shape), dtype=dtype)


def _weighted_sum_expand(*pairs, shape, dtype):
    total = pairs[0] * pairs[1]
    for i in range(2, len(pairs), 2):
        total = total + pairs[i] * pairs[i + 1]
    return np.broadcast_to(np.astype(total, dtype), shape)


def align(x: Any, ndim: int) -> Any:
    """Insert axes of length one behind the batch axis until the array has `ndim` axes without it."""
    missing = ndim - (x.ndim - 1)
    return x.reshape((x.shape[0],) + (1,) * missing + x.shape[1:]) if missing > 0 else x


weighted_sum = add_row(
    Op(
        "weighted_sum",
        Kind.MULTILINEAR,
        _weighted_sum,
        jvp=_weighted_sum_jvp,
        transpose=transpose_weighted_sum,
        batch=_weighted_sum_batch,
        shape=lambda *args, shape, dtype: shape,
        dtype=lambda *args, shape, dtype: dtype,
        linear_in=None,
        expand=_weighted_sum_expand,
        samples=(
            Sample(((2, 3), (2, 3)), {"shape": (2, 3), "dtype": np.dtype(float)}),
            Sample(((3,), (2, 3), (2, 1), ()), {"shape": (2, 3), "dtype": np.dtype(float)}),
        ),
    )
)


# One constructor for each kind ----------------------------------------------------------------------------------------


def elementwise(
    function: np.ufunc,
    *partials: Any,
    value: Callable | None = None,
    domain: tuple = (REALS,),
    at: tuple = (),
    linear_in: tuple[int, ...] | None = (),
    register: bool = True,
) -> Op:
    """Add the row of an elementwise function.

    Parameters
    ----------
    function : np.ufunc
        The function of NumPy or SciPy, from which the row has its name and its value.
    *partials : callable or int
        For each argument the partial derivative: ``partial(out, *args)``, written in NumPy, accurate over the whole
        range; or the number that it is everywhere.
    value : callable, optional
        What computes the value, if something is cheaper than `function` (an operator on Python's scalars).
    domain : tuple of pairs of float
        For each argument where the conformance test draws random values; the last one serves all further arguments.
    at : tuple
        Special points at which the conformance test compares with the oracle, too.
    linear_in : tuple of int
        Arguments in which the op is linear by itself.
    register : bool
        Whether calls of `function` on boxes mean this row.
    """

    def jvp(out, args, tangents):
        if len(args) > 1:
            args = at_precision(args, out.dtype)
        pairs: tuple = ()
        for partial, tangent in zip(partials, tangents):
            if tangent is not None:
                weight = partial if type(partial) is int else partial(out, *args)
                pairs += (weight, tangent)
        if len(pairs) == 2 and type(tangent := pairs[1]) is np.float64 is type(out) and type(pairs[0]) in NUMBERS:
            product = pairs[0] * tangent  # what follows would do, without its cost
            if math.isfinite(product):
                return product
        return tangent_of(out, pairs)

    op = add_row(
        Op(
            function.__name__,
            Kind.ELEMENTWISE,
            value or function,
            jvp=jvp,
            partials=partials,
            linear_in=linear_in,
            samples=(domain, at),
        )
    )
    op.batch = _elementwise_batch(op)
    op.shape = _broadcast_shape
    if getattr(function, "nout", 0) == 1:
        op.dtype = functools.partial(_computed, function)
    if register:
        UFUNCS[function] = op
    return op


def at_precision(args: Any, dtype: np.dtype) -> Any:
    """Return the arguments of a partial derivative in the precision of the result: 1 / y of a float32 has 8 digits."""
    for arg in args:
        if getattr(arg, "dtype", dtype) is not dtype:
            return [_raised(arg, dtype) for arg in args]
    return args


def _raised(arg: Any, dtype: np.dtype) -> Any:
    own = getattr(arg, "dtype", None)
    if own is None or own.kind not in "fc" or dtype.kind not in "fc":
        return arg
    wanted = np.finfo(dtype).dtype if own.kind == "f" else np.result_type(dtype, np.complex64)
    return arg if own == wanted else np.astype(arg, wanted)


def _broadcast_shape(*args: Any, **static: Any) -> tuple[int, ...]:
    several = {np.shape(arg) for arg in args} - {()}
    if len(several) < 2:
        return several.pop() if several else ()
    shapes = [np.shape(arg) for arg in args]
    if any(-1 in shape for shape in shapes):  # a length that is known only when a program runs: as any other
        stand_in = [tuple(_UNKNOWN if n == -1 else n for n in shape) for shape in shapes]
        return tuple(-1 if n == _UNKNOWN else n for n in np.broadcast_shapes(*stand_in))
    return np.broadcast_shapes(*shapes)


def _elementwise_batch(op: Op) -> Callable:
    def batch(args, batched, **static):
        ndim = max(np.ndim(arg) - flag for arg, flag in zip(args, batched))
        return bind(op, *[align(arg, ndim) if flag else arg for arg, flag in zip(args, batched)], **static)

    return batch


def constant(function: Callable, kind: Kind, name: str | None = None, dtype: Callable | None = None) -> Op:
    """Add the row of an elementwise function without a derivative: of kind ZERO or DISCRETE."""
    op = add_row(Op(name or function.__name__, kind, function, shape=_broadcast_shape, dtype=dtype))
    op.batch = _elementwise_batch(op)
    if isinstance(function, np.ufunc):
        UFUNCS[function] = op
        if kind is Kind.DISCRETE:
            op.dtype = functools.partial(_resolved, function)
    return op


def _computed(function: np.ufunc, *args: Any) -> np.dtype:
    """Return the dtype of the result: that of the arguments together, unless all are integers: 1 / 2 is a float."""
    dtype = np.result_type(*[getattr(arg, "dtype", arg) for arg in args])
    return dtype if dtype.kind in "fc" else _resolved(function, *args)


def _resolved(function: np.ufunc, *args: Any) -> np.dtype:
    """Return the dtype of the result, as NumPy resolves it."""
    kinds = [np.dtype(bool) if type(arg) is bool else getattr(arg, "dtype", type(arg)) for arg in args]
    return function.resolve_dtypes((*kinds, None))[-1]


def linear(
    name: str,
    value: Callable,
    transpose: Callable,
    batch: Callable,
    shape: Callable,
    *,
    linear_in: tuple[int, ...] | None = (0,),
    dtype: Callable | None = None,
    accumulate: Callable | None = None,
    samples: tuple = (),
) -> Op:
    """Add the row of an op that is linear in its linear arguments together. Its forward rule is itself."""

    def jvp(out, args, tangents, **static):
        if linear_in == (0,):
            return bind_like(out, op, (tangents[0], *args[1:]), static)
        places = range(len(args)) if linear_in is None else linear_in
        moved = list(args)
        for i in places:
            moved[i] = np.zeros(np.shape(args[i]), out.dtype) if tangents[i] is None else tangents[i]
        return bind_like(out, op, tuple(moved), static)

    op = Op(name, Kind.LINEAR, value, jvp, transpose, accumulate, batch, shape, linear_in=linear_in, dtype=dtype)
    op.samples = samples
    return add_row(op)


def multilinear(
    name: str,
    value: Callable,
    transpose: Callable,
    batch: Callable,
    shape: Callable,
    *,
    linear_in: tuple[int, ...] | None = (0, 1),
    expand: Callable | None = None,
    samples: tuple = (),
) -> Op:
    """Add the row of an op that is linear in each of its linear arguments (a product): Leibniz' rule."""

    def jvp(out, args, tangents, **static):
        pairs: tuple = ()
        for i, tangent in enumerate(tangents):
            if tangent is not None:
                pairs += (1, bind_like(out, op, (*args[:i], tangent, *args[i + 1 :]), static))
        return pairs[1] if len(pairs) == 2 else tangent_of(out, pairs)

    op = Op(name, Kind.MULTILINEAR, value, jvp, transpose, None, batch, shape, linear_in=linear_in, expand=expand)
    op.samples = samples
    return add_row(op)


def general(
    name: str,
    value: Callable,
    jvp: Callable,
    batch: Callable,
    shape: Callable,
    *,
    transpose: Callable | None = None,
    linear_in: tuple[int, ...] = (),
    multiple: bool = False,
    dtype: Callable | None = None,
    series: Callable | None = None,
    expand: Callable | None = None,
    samples: tuple = (),
) -> Op:
    """Add the row of an op with a forward rule; the reverse rule is derived from it.

    An op that is linear in some arguments only (the right-hand side of `solve`) gives their transpose, too.
    """
    op = Op(name, Kind.GENERAL, value, jvp, transpose, None, batch, shape, linear_in=linear_in, multiple=multiple)
    op.dtype, op.series, op.expand, op.samples = dtype, series, expand, samples
    return add_row(op)


def discrete(name: str, value: Callable, batch: Callable, shape: Callable, dtype: type, samples: tuple = ()) -> Op:
    """Add the row of an op whose results are integers or truth values."""
    rule = lambda *args, **static: np.dtype(dtype)
    return add_row(Op(name, Kind.DISCRETE, value, batch=batch, shape=shape, dtype=rule, samples=samples))


stop_gradient = constant(lambda x: x, Kind.ZERO, "stop_gradient")


def data_of(x: Any) -> np.ndarray:
    """Return the plain numbers under all boxes, axes of batches included: for choices of algorithm by value."""
    while isinstance(x, Traced):
        x = x.inner
    return x
