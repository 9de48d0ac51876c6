"""Joining arrays, taking them apart, and repeating them."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules.row import Sample, linear
from mixgrad.rules.shape import as_array, stretch


def _concatenate_transpose(out_bar, args, i, *, axis):
    start = sum(arg.shape[axis] for arg in args[:i])
    return out_bar[(slice(None),) * axis + (slice(start, start + args[i].shape[axis]),)]


def _concatenate_shape(*args, axis):
    shape = args[0].shape
    return (*shape[:axis], sum(arg.shape[axis] for arg in args), *shape[axis + 1 :])


concatenate = linear(
    "concatenate",
    lambda *arrays, axis: np.concatenate(arrays, axis),
    _concatenate_transpose,
    lambda args, batched, *, axis: concatenate(*stretch(args, batched), axis=axis + 1),
    _concatenate_shape,
    linear_in=None,
    samples=(Sample(((2, 3), (1, 3)), {"axis": 0}), Sample(((2, 3), (2, 1), (2, 2)), {"axis": 1})),
)


# What NumPy's functions mean ------------------------------------------------------------------------------------------


@numpy_function(np.concatenate)
def _concatenate(arrays, axis=0, *, dtype=None):
    arrays = [as_array(array) for array in arrays]
    if axis is None:
        arrays, axis = [array.ravel() for array in arrays], 0
    joined = concatenate(*arrays, axis=normalize_axis_index(axis, arrays[0].ndim))
    return joined if dtype is None else np.astype(joined, dtype)


@numpy_function(np.stack)
def _stack(arrays, axis=0):
    arrays = [as_array(array) for array in arrays]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(f"np.stack needs arrays of one shape, got {[array.shape for array in arrays]}")
    axis = normalize_axis_index(axis, arrays[0].ndim + 1)
    return concatenate(*[np.expand_dims(array, axis) for array in arrays], axis=axis)


@numpy_function(np.vstack)
def _vstack(tup):
    return _concatenate([_at_least(array, 2) for array in tup], 0)


@numpy_function(np.hstack)
def _hstack(tup):
    arrays = [_at_least(array, 1) for array in tup]
    return _concatenate(arrays, 0 if arrays[0].ndim == 1 else 1)


@numpy_function(np.column_stack)
def _column_stack(tup):
    arrays = [as_array(array) for array in tup]
    return _concatenate([np.reshape(a, (-1, 1)) if a.ndim < 2 else a for a in arrays], 1)


@numpy_function(np.dstack)
def _dstack(tup):
    return _concatenate([_at_least_3d(array) for array in tup], 2)


@numpy_function(np.block)
def _block(arrays):
    depth = _depth(arrays)
    ndim = max(depth, *map(np.ndim, _leaves(arrays)))
    return _joined(arrays, depth, ndim)


def _depth(arrays):
    return 1 + max(map(_depth, arrays)) if isinstance(arrays, list) else 0


def _leaves(arrays):
    return [leaf for part in arrays for leaf in _leaves(part)] if isinstance(arrays, list) else [arrays]


def _joined(arrays, depth, ndim):
    if not isinstance(arrays, list):
        return _at_least(arrays, ndim)
    return _concatenate([_joined(part, depth - 1, ndim) for part in arrays], -depth)


@numpy_function(np.append)
def _append(arr, values, axis=None):
    return _concatenate([arr, values], axis)


@numpy_function(np.atleast_1d)
def _atleast_1d(*arrays):
    return _each(arrays, 1)


@numpy_function(np.atleast_2d)
def _atleast_2d(*arrays):
    return _each(arrays, 2)


@numpy_function(np.atleast_3d)
def _atleast_3d(*arrays):
    results = tuple(map(_at_least_3d, arrays))
    return results[0] if len(results) == 1 else results


def _at_least_3d(array):
    array = as_array(array)
    shape = {0: (1, 1, 1), 1: (1, -1, 1), 2: (*array.shape, 1)}.get(array.ndim)
    return array if shape is None else np.reshape(array, shape)


def _each(arrays, ndim):
    results = tuple(_at_least(array, ndim) for array in arrays)
    return results[0] if len(results) == 1 else results


def _at_least(array, ndim):
    array = as_array(array)
    return np.reshape(array, (1,) * (ndim - array.ndim) + array.shape) if array.ndim < ndim else array


@numpy_function(np.array_split)
def _array_split(ary, indices_or_sections, axis=0):
    axis = normalize_axis_index(axis, ary.ndim)
    # NumPy itself decides where the cuts are.
    parts = np.array_split(np.arange(ary.shape[axis]), indices_or_sections)
    before = (slice(None),) * axis
    starts = np.cumsum([0] + [len(part) for part in parts])
    return [ary[(*before, slice(int(start), int(start) + len(part)))] for start, part in zip(starts, parts)]


@numpy_function(np.split)
def _split(ary, indices_or_sections, axis=0):
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % indices_or_sections:
        raise ValueError(f"np.split: axis {axis} of length {ary.shape[axis]} has no {indices_or_sections} equal parts")
    return _array_split(ary, indices_or_sections, axis)


@numpy_function(np.hsplit)
def _hsplit(ary, indices_or_sections):
    return _split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@numpy_function(np.vsplit)
def _vsplit(ary, indices_or_sections):
    return _split(ary, indices_or_sections, 0)


@numpy_function(np.dsplit)
def _dsplit(ary, indices_or_sections):
    return _split(ary, indices_or_sections, 2)


@numpy_function(np.unstack)
def _unstack(x, /, *, axis=0):
    return tuple(np.moveaxis(x, axis, 0))


@numpy_function(np.meshgrid)
def _meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    ndim = len(xi)
    flat = [np.ravel(as_array(x)) for x in xi]
    grids = [np.reshape(x, (1,) * i + (-1,) + (1,) * (ndim - i - 1)) for i, x in enumerate(flat)]
    if indexing == "xy" and ndim > 1:
        grids = [np.swapaxes(grid, 0, 1) for grid in grids]
    return tuple(grids) if sparse else np.broadcast_arrays(*grids)


@numpy_function(np.tile)
def _tile(A, reps):
    reps = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    reps = (1,) * (A.ndim - len(reps)) + reps
    shape = (1,) * (len(reps) - A.ndim) + A.shape
    pairs = [n for pair in zip(reps, shape) for n in pair]
    spread = np.reshape(A, [n for k in shape for n in (1, k)])
    return np.broadcast_to(spread, pairs).reshape(tuple(r * n for r, n in zip(reps, shape)))
