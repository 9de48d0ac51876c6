"""Sorting, and what is made of it: medians and quantiles. At ties, all of it is the permutation of the stable sort."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from mixgrad._errors import UnsupportedError
from mixgrad.core.bind import Traced
from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules.reduction import axes_of
from mixgrad.rules.row import Sample, discrete
from mixgrad.rules.shape import as_array

argsort = discrete(
    "argsort",
    lambda x, *, axis: np.argsort(x, axis=axis, kind="stable"),
    lambda args, batched, *, axis: argsort(args[0], axis=axis + 1),
    lambda x, *, axis: x.shape,
    np.intp,
    samples=(Sample(((2, 3),), {"axis": 1}),),
)


@numpy_function(np.argsort)
def _argsort(a, axis=-1, kind=None, *, stable=None):
    if axis is None:
        a, axis = a.ravel(), 0
    return argsort(a, axis=normalize_axis_index(axis, a.ndim))


@numpy_function(np.sort)
def _sort(a, axis=-1, kind=None, *, stable=None):
    if axis is None:
        a, axis = a.ravel(), 0
    axis = normalize_axis_index(axis, a.ndim)
    return np.take_along_axis(a, argsort(a, axis=axis), axis)


# Quantiles ------------------------------------------------------------------------------------------------------------


@numpy_function(np.quantile)
def _quantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    return _quantiles("np.quantile", a, q, 1, axis, method, keepdims, weights)


@numpy_function(np.percentile)
def _percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    return _quantiles("np.percentile", a, q, 100, axis, method, keepdims, weights)


@numpy_function(np.median)
def _median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    return _quantiles("np.median", a, 0.5, 1, axis, "linear", keepdims, None)


def _quantiles(name, a, q, largest, axis, method, keepdims, weights):
    if weights is not None:
        raise UnsupportedError(
            f"{name} with weights= has no rule in mixgrad. Use np.repeat for weights that are whole numbers, or "
            "np.interp of np.sort(a) over np.cumsum of the weights in that order."
        )
    if isinstance(q, Traced):
        raise UnsupportedError(
            f"{name} of a differentiated q has no rule in mixgrad: it is piecewise linear in q. Use np.interp on the "
            "sorted values, or mg.stop_gradient(q)."
        )
    a = as_array(a)
    axes = axes_of(axis, a.ndim)
    kept = tuple(i for i in range(a.ndim) if i not in axes)
    shape = tuple(a.shape[i] for i in kept)
    a = np.astype(a, np.result_type(a.dtype, np.float16))
    ordered = _sort(np.transpose(a, (*axes, *kept)).reshape((-1, *shape)), 0)
    positions, dtype = _positions(q, largest, len(ordered), method), _precision(a.dtype, q, method)
    result = _between(ordered, positions, dtype)
    if not keepdims:
        return result
    return result.reshape(np.shape(q) + tuple(1 if i in axes else n for i, n in enumerate(a.shape)))


def _precision(dtype, q, method):
    """Return the dtype of the result: an array q has a say in it, where values are interpolated."""
    own = np.asarray(q).dtype
    chosen = method in ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")
    weak = type(q) in (int, float) or (own.kind in "iu" and method == "linear")
    return dtype if chosen or weak else np.result_type(dtype, own)


def _positions(q, largest, n, method):
    """Return where in the sorted array the quantiles lie, which NumPy itself says, of 0, 1, 2, ..."""
    if n == 0:
        raise ValueError("a quantile of no values")
    places = np.arange(n, dtype=float)
    return np.quantile(places, q, method=method) if largest == 1 else np.percentile(places, q, method=method)


def _between(ordered, positions, dtype):
    """Interpolate along the first axis; nan where there is one among the values: they are sorted to the end."""
    below = np.floor(positions).astype(int)
    share = (positions - below).astype(dtype).reshape(np.shape(below) + (1,) * (ordered.ndim - 1))
    result = low = ordered[below]
    if np.any(share):
        high = ordered[np.minimum(below + 1, len(ordered) - 1)]
        width = high - low
        near_high = high - width * (1 - share)
        result = np.where(share == 0, low, np.where(share < 0.5, low + width * share, near_high))
    last = ordered[-1]
    return np.astype(np.where(np.isnan(last), last, result), dtype)
