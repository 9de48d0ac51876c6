"""Rows that move elements about without computing: shapes, choosing, casts."""

from __future__ import annotations

import functools
import math
import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from mixgrad.core.bind import Traced, bind_like
from mixgrad.core.numpy_table import numpy_function
from mixgrad.core.op import Kind
from mixgrad.rules.row import Sample, align, constant, linear


def unbroadcast(x, shape):
    """Sum `x` over the axes along which an array of `shape` was broadcast: the transpose of broadcasting."""
    added = x.ndim - len(shape)
    if added > 0:
        x = np.add.reduce(x, axis=tuple(range(added)) if shape else None)
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and x.shape[i] != 1)
    return np.add.reduce(x, axis=stretched, keepdims=True) if stretched else x


def stretch(args, batched):
    """Give every argument the batch axis: those outside the batch are repeated along it, without a copy."""
    size = next(len(arg) for arg, flag in zip(args, batched) if flag)
    return [arg if flag else np.broadcast_to(arg, (size, *np.shape(arg))) for arg, flag in zip(args, batched)]


# Rows -----------------------------------------------------------------------------------------------------------------

reshape = linear(
    "reshape",
    lambda x, *, shape: x.reshape(shape),
    lambda out_bar, args, i, *, shape: reshape(out_bar, shape=args[0].shape),
    lambda args, batched, *, shape: reshape(args[0], shape=(len(args[0]), *shape)),
    lambda x, *, shape: shape,
    samples=(Sample(((2, 3),), {"shape": (3, 2)}), Sample(((1,),), {"shape": ()}), Sample(((0, 3),), {"shape": (0,)})),
)

transpose = linear(
    "transpose",
    lambda x, *, axes: np.transpose(x, axes),
    lambda out_bar, args, i, *, axes: transpose(out_bar, axes=tuple(int(j) for j in np.argsort(axes))),
    lambda args, batched, *, axes: transpose(args[0], axes=(0, *(axis + 1 for axis in axes))),
    lambda x, *, axes: tuple(x.shape[axis] for axis in axes),
    samples=(Sample(((2, 3, 4),), {"axes": (2, 0, 1)}), Sample(((2, 3),), {"axes": (1, 0)})),
)

broadcast_to = linear(
    "broadcast_to",
    lambda x, *, shape: np.broadcast_to(x, shape),
    lambda out_bar, args, i, *, shape: unbroadcast(out_bar, args[0].shape),
    lambda args, batched, *, shape: broadcast_to(align(args[0], len(shape)), shape=(len(args[0]), *shape)),
    lambda x, *, shape: shape,
    samples=(
        Sample(((3,),), {"shape": (2, 3)}),
        Sample(((2, 1),), {"shape": (4, 2, 3)}),
        Sample(((),), {"shape": (2,)}),
    ),
)


def _where_transpose(out_bar, args, i):
    condition = args[0]
    zero = np.zeros((), out_bar.dtype)
    return where(condition, out_bar, zero) if i == 1 else where(condition, zero, out_bar)


def _where_jvp(out, args, tangents):
    zero = np.zeros((), out.dtype)
    return bind_like(out, where, (args[0], *[zero if tangent is None else tangent for tangent in tangents[1:]]), {})


def _where_batch(args, batched):
    ndim = max(np.ndim(arg) - flag for arg, flag in zip(args, batched))
    return where(*[align(arg, ndim) if flag else arg for arg, flag in zip(args, batched)])


where = linear(
    "where",
    lambda condition, x, y: np.where(condition, x, y)[()],  # a number instead of an array of shape ()
    _where_transpose,
    _where_batch,
    lambda condition, x, y: np.broadcast_shapes(np.shape(condition), np.shape(x), np.shape(y)),
    linear_in=(1, 2),
    dtype=lambda condition, x, y: np.result_type(getattr(x, "dtype", x), getattr(y, "dtype", y)),
    samples=(
        Sample((np.array([[True, False, True], [False, False, True]]), (2, 3), (2, 3))),
        Sample((np.array([True, False, True]), (2, 3), ())),
    ),
)

where.jvp = _where_jvp  # a zero of shape () serves where an argument does not vary

astype = linear(
    "astype",
    lambda x, *, dtype: x.astype(dtype),
    lambda out_bar, args, i, *, dtype: out_bar,  # the tape casts a cotangent to the dtype of its primal
    lambda args, batched, *, dtype: astype(args[0], dtype=dtype),
    lambda x, *, dtype: x.shape,
    dtype=lambda x, *, dtype: dtype,
    samples=(Sample(((2, 3),), {"dtype": np.dtype(np.float64)}),),
)

astype_discrete = constant(
    lambda x, *, dtype: x.astype(dtype), Kind.DISCRETE, "astype_discrete", dtype=lambda x, *, dtype: dtype
)


@functools.cache
def dtype_of_sum(dtype):
    """Return the dtype in which NumPy adds up: small integers and truth values become 64-bit integers."""
    return np.add.reduce(np.zeros(0, dtype)).dtype


cumsum = linear(
    "cumsum",
    lambda x, *, axis: np.cumsum(x, axis),
    lambda out_bar, args, i, *, axis: np.flip(cumsum(np.flip(out_bar, axis), axis=axis), axis),
    lambda args, batched, *, axis: cumsum(args[0], axis=axis + 1),
    lambda x, *, axis: x.shape,
    dtype=lambda x, *, axis: dtype_of_sum(x.dtype),
    samples=(Sample(((2, 3),), {"axis": 1}), Sample(((4,),), {"axis": 0})),
)


# What NumPy's functions mean ------------------------------------------------------------------------------------------


@numpy_function(np.reshape)
def _reshape(a, shape=None, order="C", *, newshape=None, copy=None):
    shape = newshape if shape is None else shape
    shape = tuple(map(operator.index, shape)) if isinstance(shape, (tuple, list)) else _lengths(shape)
    if order == "F":
        return _transpose(_reshape(_transpose(a), shape[::-1]))
    if -1 in shape:
        known = -math.prod(shape)
        if shape.count(-1) > 1 or known == 0 or a.size % known:
            raise ValueError(f"cannot reshape array of size {a.size} into shape {shape}")
        shape = tuple(a.size // known if n == -1 else n for n in shape)
    return a if shape == a.shape else reshape(a, shape=shape)


def _lengths(shape):
    return (operator.index(shape),) if np.ndim(shape) == 0 else tuple(map(operator.index, shape))


@numpy_function(np.ravel)
def _ravel(a, order="C"):
    return _reshape(a, (a.size,), order=order)


@numpy_function(np.squeeze)
def _squeeze(a, axis=None):
    if axis is None:
        return _reshape(a, tuple(n for n in a.shape if n != 1))
    axes = normalize_axis_tuple(axis, a.ndim)
    if any(a.shape[i] != 1 for i in axes):
        raise ValueError(f"cannot squeeze axis {axis} of shape {a.shape}: its length is not one")
    return _reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in axes))


@numpy_function(np.expand_dims)
def _expand_dims(a, axis):
    axes = (axis,) if np.ndim(axis) == 0 else tuple(axis)
    axes = normalize_axis_tuple(axes, a.ndim + len(axes))
    rest = iter(a.shape)
    return _reshape(a, tuple(1 if i in axes else next(rest) for i in range(a.ndim + len(axes))))


@numpy_function(np.transpose, np.permute_dims)
def _transpose(a, axes=None):
    axes = tuple(range(a.ndim))[::-1] if axes is None else normalize_axis_tuple(axes, a.ndim)
    if len(axes) != a.ndim:
        raise ValueError(f"axes {axes} do not match an array of {a.ndim} axes")
    return a if axes == tuple(range(a.ndim)) else transpose(a, axes=axes)


@numpy_function(np.swapaxes)
def _swapaxes(a, axis1, axis2):
    axes = list(range(a.ndim))
    i, j = normalize_axis_index(axis1, a.ndim), normalize_axis_index(axis2, a.ndim)
    axes[i], axes[j] = axes[j], axes[i]
    return _transpose(a, tuple(axes))


@numpy_function(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(x):
    return _swapaxes(x, -1, -2)


@numpy_function(np.moveaxis)
def _moveaxis(a, source, destination):
    source, destination = normalize_axis_tuple(source, a.ndim), normalize_axis_tuple(destination, a.ndim)
    axes = [i for i in range(a.ndim) if i not in source]
    for to, axis in sorted(zip(destination, source)):
        axes.insert(to, axis)
    return _transpose(a, tuple(axes))


@numpy_function(np.rollaxis)
def _rollaxis(a, axis, start=0):
    axis = normalize_axis_index(axis, a.ndim)
    start = start + a.ndim if start < 0 else start
    return _moveaxis(a, axis, start - 1 if start > axis else start)


@numpy_function(np.broadcast_to)
def _broadcast_to(array, shape):
    shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    return array if shape == array.shape else broadcast_to(array, shape=shape)


@numpy_function(np.broadcast_arrays)
def _broadcast_arrays(*args):
    shape = np.broadcast_shapes(*[np.shape(arg) for arg in args])
    return tuple(np.broadcast_to(arg, shape) for arg in args)


@numpy_function(np.where)
def _where(condition, x=None, y=None):
    if x is None:
        return np.nonzero(condition)
    condition = np.bool_(condition) if type(condition) is bool else as_array(condition)
    if isinstance(x, (list, tuple)):
        x = as_array(x)
    if isinstance(y, (list, tuple)):
        y = as_array(y)
    if condition.dtype.kind != "b":
        condition = condition != 0
    if type(condition) is np.bool_:  # one number decides
        chosen, other = (x, y) if condition else (y, x)
        if isinstance(chosen, Traced) and _adds_nothing(other, chosen):
            return chosen
    return where(condition, x, y)


@numpy_function(np.select)
def _select(condlist, choicelist, default=0):
    if len(condlist) != len(choicelist):
        raise ValueError(f"np.select: {len(condlist)} conditions and {len(choicelist)} choices")
    chosen = default
    for condition, choice in zip(condlist[::-1], choicelist[::-1]):
        chosen = np.where(condition, choice, chosen)
    parts = (*choicelist, default)
    weak = [part if type(part) in (int, float, complex) else as_array(part).dtype for part in parts]
    return np.astype(chosen, np.result_type(*weak))


def _adds_nothing(other, chosen):
    """Whether shape and dtype of `chosen` stay as they are where it meets `other`."""
    if type(other) in (int, float):
        return chosen.dtype.kind in "fc"
    return np.shape(other) == chosen.shape and getattr(other, "dtype", None) == chosen.dtype


@numpy_function(np.astype)
def _astype(x, dtype, /, *, copy=True):
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    return astype(x, dtype=dtype) if dtype.kind in "fc" else astype_discrete(x, dtype=dtype)


@numpy_function(np.copy, np.asanyarray, np.asarray, np.array, np.ascontiguousarray)
def as_array(a, dtype=None):
    """Return numbers, lists (of traced numbers, too) and arrays as arrays, traced ones as they are."""
    if isinstance(a, (list, tuple)):
        a = np.stack(a) if any(not isinstance(part, (int, float, complex)) for part in a) else np.array(a)
    elif not hasattr(a, "dtype"):
        a = np.asarray(a)
    return a if dtype is None else np.astype(a, dtype)


@numpy_function(np.cumsum)
def _cumsum(a, axis=None):
    if axis is None:
        a, axis = a.ravel(), 0
    return cumsum(a, axis=normalize_axis_index(axis, a.ndim))


@numpy_function(np.flip)
def _flip(m, axis=None):
    axes = range(m.ndim) if axis is None else normalize_axis_tuple(axis, m.ndim)
    return m[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(m.ndim))]


@numpy_function(np.flipud)
def _flipud(m):
    return _flip(m, 0)


@numpy_function(np.fliplr)
def _fliplr(m):
    return _flip(m, 1)


@numpy_function(np.tril)
def _tril(m, k=0):
    return np.where(np.tri(*m.shape[-2:], k=k, dtype=bool), m, np.zeros((), m.dtype))


@numpy_function(np.triu)
def _triu(m, k=0):
    return np.where(np.tri(*m.shape[-2:], k=k - 1, dtype=bool), np.zeros((), m.dtype), m)


@numpy_function(np.diff)
def _diff(a, n=1, axis=-1):
    axis = normalize_axis_index(axis, a.ndim)
    before = (slice(None),) * axis
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]
    return a


@numpy_function(np.ediff1d)
def _ediff1d(ary, to_end=None, to_begin=None):
    parts = [to_begin, _diff(ary.ravel()), to_end]
    parts = [np.astype(np.ravel(part), ary.dtype) for part in parts if part is not None]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


# Facts about an array, which have no derivative

numpy_function(np.shape)(lambda a: a.shape)
numpy_function(np.ndim)(lambda a: a.ndim)
numpy_function(np.size)(lambda a, axis=None: a.size if axis is None else a.shape[axis])
numpy_function(np.iscomplexobj)(lambda x: x.dtype.kind == "c")
numpy_function(np.isrealobj)(lambda x: x.dtype.kind != "c")
numpy_function(np.result_type)(lambda *args: np.result_type(*[a.dtype if isinstance(a, Traced) else a for a in args]))


def _like(create):
    def like(a, *fill, dtype=None, shape=None):
        return create(a.shape if shape is None else shape, *fill, dtype=a.dtype if dtype is None else dtype)

    return like


for _function, _create in ((np.zeros_like, np.zeros), (np.ones_like, np.ones), (np.empty_like, np.empty)):
    numpy_function(_function)(_like(_create))


@numpy_function(np.full_like)
def _full_like(a, fill_value, dtype=None, shape=None):
    filled = np.broadcast_to(as_array(fill_value), a.shape if shape is None else shape)
    return _astype(filled, a.dtype if dtype is None else dtype)
