"""Rows that reduce axes: sums, extrema, logsumexp, and what is composed of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from mixgrad._errors import UnsupportedError
from mixgrad.core.bind import Traced
from mixgrad.core.numpy_table import REDUCTIONS, numpy_function
from mixgrad.rules.row import Sample, discrete, general, linear, spread, stop_gradient
from mixgrad.rules.shape import as_array, dtype_of_sum


def reduced_shape(x, *, axis, keepdims):
    """Return the shape that a reduction over `axis` leaves."""
    if keepdims:
        return tuple(1 if i in axis else n for i, n in enumerate(x.shape))
    return tuple(n for i, n in enumerate(x.shape) if i not in axis)


def restore(y, x, axis, keepdims):
    """Give a reduced array the axes of length one that broadcasting against `x` needs."""
    return y if keepdims else y.reshape(reduced_shape(x, axis=axis, keepdims=True))


def _inner(axis):
    """Return the axes of a member of a batch, counted with the batch axis."""
    return tuple(i + 1 for i in axis)


def _sum_transpose(out_bar, args, i, *, axis, keepdims):
    shape = args[0].shape
    if isinstance(out_bar, Traced):
        return np.broadcast_to(restore(out_bar, args[0], axis, keepdims), shape)
    return spread(restore(out_bar, args[0], axis, keepdims) if out_bar.ndim else out_bar, shape)


SAMPLES = (
    Sample(((2, 3),), {"axis": (0, 1), "keepdims": False}),
    Sample(((2, 3),), {"axis": (1,), "keepdims": False}),
    Sample(((1, 4, 2),), {"axis": (0, 2), "keepdims": True}),
    Sample(((),), {"axis": (), "keepdims": False}),
)

# Rows -----------------------------------------------------------------------------------------------------------------

sum_ = linear(
    "sum",
    lambda x, *, axis, keepdims: np.add.reduce(x, None if len(axis) == x.ndim else axis, None, None, keepdims),
    _sum_transpose,
    lambda args, batched, *, axis, keepdims: sum_(args[0], axis=_inner(axis), keepdims=keepdims),
    reduced_shape,
    dtype=lambda x, *, axis, keepdims: dtype_of_sum(x.dtype),
    samples=SAMPLES,
)


def _extremum(name, function):
    def jvp(out, args, tangents, *, axis, keepdims):
        (x,) = args
        # Entries that attain the extremum share the derivative evenly.
        attained = (x == restore(out, x, axis, keepdims)).astype(x.dtype)
        share = attained / sum_(attained, axis=axis, keepdims=True)
        return sum_(share * tangents[0], axis=axis, keepdims=keepdims)

    def batch(args, batched, *, axis, keepdims):
        return op(args[0], axis=_inner(axis), keepdims=keepdims)

    def expand(x, *, axis, keepdims):
        attained = x == op(stop_gradient(x), axis=axis, keepdims=True)
        count = np.sum(attained, axis=axis, keepdims=keepdims, dtype=x.dtype)
        return sum_(np.where(attained, x, np.zeros((), x.dtype)), axis=axis, keepdims=keepdims) / count

    op = general(
        name,
        lambda x, *, axis, keepdims: function(x, axis=axis, keepdims=keepdims),
        jvp,
        batch,
        reduced_shape,
        expand=expand,
        samples=SAMPLES,
    )
    return op


max_ = _extremum("max", np.max)
min_ = _extremum("min", np.min)


def _logsumexp_value(x, *, axis, keepdims):
    largest = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, np.zeros((), x.dtype))
    with np.errstate(divide="ignore", over="ignore"):
        total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else total.reshape(reduced_shape(x, axis=axis, keepdims=False))[()]


def _shift(x, axis):
    """Return the largest entry as a constant, and zero where it is infinite: what makes exp(x - shift) harmless."""
    largest = max_(stop_gradient(x), axis=axis, keepdims=True)
    return np.where(np.isfinite(largest), largest, np.zeros((), x.dtype))


def _logsumexp_jvp(out, args, tangents, *, axis, keepdims):
    # The weights of a softmax, from the largest entry, for `out` has the rounding of its own size. Where all entries
    # are -inf the weights are zero; entries of +inf share the derivative: the others are -inf beside them.
    # `compile.sharing` knows these equations.
    (x,) = args
    largest = max_(stop_gradient(x), axis=axis, keepdims=True)
    shift = np.where(np.isneginf(largest), np.zeros((), x.dtype), largest)
    infinite = np.isposinf(x)
    e = np.where(infinite, np.ones((), x.dtype), np.exp(np.where(infinite, np.zeros((), x.dtype), x) - shift))
    total = sum_(e, axis=axis, keepdims=True)
    return sum_(e / np.where(total == 0, np.ones((), x.dtype), total) * tangents[0], axis=axis, keepdims=keepdims)


def _logsumexp_expand(x, *, axis, keepdims):
    shift = _shift(x, axis)
    infinite = np.isposinf(x)
    count = np.sum(infinite, axis=axis, keepdims=True, dtype=x.dtype)
    share = sum_(np.where(infinite, x, np.zeros((), x.dtype)), axis=axis, keepdims=True) / np.maximum(count, 1)
    total = np.log(sum_(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    total = np.where(count > 0, share, total)  # entries of +inf share the derivative
    return total if keepdims else total.reshape(reduced_shape(x, axis=axis, keepdims=False))


_logsumexp = general(
    "logsumexp",
    _logsumexp_value,
    _logsumexp_jvp,
    lambda args, batched, *, axis, keepdims: _logsumexp(args[0], axis=_inner(axis), keepdims=keepdims),
    reduced_shape,
    expand=_logsumexp_expand,
    samples=SAMPLES,
)


def _arg(name, function):
    op = discrete(
        name,
        lambda x, *, axis: function(x, axis=axis),
        lambda args, batched, *, axis: op(args[0], axis=axis + 1),
        lambda x, *, axis: tuple(n for i, n in enumerate(x.shape) if i != axis),
        np.intp,
        samples=(Sample(((2, 3),), {"axis": 1}),),
    )
    return op


def _truth(name, function, dtype=bool):
    op = discrete(
        name,
        lambda x, *, axis, keepdims: function(x, axis=axis, keepdims=keepdims),
        lambda args, batched, *, axis, keepdims: op(args[0], axis=_inner(axis), keepdims=keepdims),
        reduced_shape,
        dtype,
        samples=SAMPLES,
    )
    return op


argmax = _arg("argmax", np.argmax)
argmin = _arg("argmin", np.argmin)
any_ = _truth("any", np.any)
all_ = _truth("all", np.all)
count_nonzero = _truth("count_nonzero", np.count_nonzero, np.intp)


# What NumPy's functions mean ------------------------------------------------------------------------------------------


def axes_of(axis, ndim):
    """Return `axis` as NumPy takes it (None, int or tuple) as a tuple of non-negative ints."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    return normalize_axis_tuple(axis, ndim)


@numpy_function(np.sum)
def _sum(a, axis=None, dtype=None, out=None, keepdims=False):
    a = a if dtype is None else np.astype(a, dtype)
    return sum_(a, axis=axes_of(axis, a.ndim), keepdims=bool(keepdims))


@numpy_function(np.mean)
def _mean(a, axis=None, dtype=None, out=None, keepdims=False):
    axes = axes_of(axis, a.ndim)
    return _sum(a, axes, dtype, keepdims=keepdims) / math.prod(a.shape[i] for i in axes)


@numpy_function(np.average)
def _average(a, axis=None, weights=None, *, keepdims=False):
    if weights is None:
        return _mean(a, axis, keepdims=keepdims)
    a, weights = as_array(a), as_array(weights)
    dtype = np.result_type(a, weights)
    a, weights = np.astype(a, dtype), np.astype(weights, dtype)
    axes = axes_of(axis, np.ndim(a))
    if np.shape(weights) != np.shape(a):
        if len(axes) != 1 or np.ndim(weights) != 1:
            raise ValueError(f"np.average needs weights of shape {np.shape(a)}, got {np.shape(weights)}")
        weights = np.reshape(weights, tuple(-1 if i in axes else 1 for i in range(np.ndim(a))))
    weighted = np.sum(a * weights, axis=axes, keepdims=keepdims)
    return weighted / np.sum(np.broadcast_to(weights, np.shape(a)), axis=axes, keepdims=keepdims)


@numpy_function(np.var)
def _var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=None):
    ddof = ddof if correction is None else correction
    axes = axes_of(axis, a.ndim)
    deviation = a - _mean(a, axes, dtype, keepdims=True)
    count = math.prod(a.shape[i] for i in axes) - ddof
    squares = np.square(np.abs(deviation)) if np.iscomplexobj(a) else np.square(deviation)
    return _sum(squares, axes, keepdims=keepdims) / count


@numpy_function(np.std)
def _std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=None):
    return root_of_squares(_var(a, axis, dtype, out, ddof, keepdims, correction=correction))


def root_of_squares(total):
    """Return the square root of a sum of squares, a length: flat to any order where the length is zero."""
    flat = total == 0
    return np.where(flat, np.zeros((), total.dtype), np.sqrt(np.where(flat, np.ones((), total.dtype), total)))


@numpy_function(np.max, np.amax)
def _max(a, axis=None, out=None, keepdims=False):
    return max_(a, axis=axes_of(axis, a.ndim), keepdims=bool(keepdims))


@numpy_function(np.min, np.amin)
def _min(a, axis=None, out=None, keepdims=False):
    return min_(a, axis=axes_of(axis, a.ndim), keepdims=bool(keepdims))


@numpy_function(np.ptp)
def _ptp(a, axis=None, out=None, keepdims=False):
    return _max(a, axis, out, keepdims) - _min(a, axis, out, keepdims)


@numpy_function(np.prod)
def _prod(a, axis=None, dtype=None, out=None, keepdims=False):
    # Pairs, pairs of pairs and so on: no division, so the derivatives of any order are right where entries are zero.
    dtype = dtype_of_sum(a.dtype) if dtype is None else dtype  # and products in the same
    a = a if a.dtype == dtype else np.astype(a, dtype)
    axes = axes_of(axis, a.ndim)
    kept = tuple(i for i in range(a.ndim) if i not in axes)
    shape = reduced_shape(a, axis=axes, keepdims=bool(keepdims))
    x = np.transpose(a, (*axes, *kept)).reshape((math.prod(a.shape[i] for i in axes), *(a.shape[i] for i in kept)))
    while len(x) > 1:
        half = len(x) // 2
        pairs = x[:half] * x[half : 2 * half]
        x = np.concatenate([pairs, x[2 * half :]]) if len(x) % 2 else pairs
    return x.reshape(shape) if len(x) else np.ones(shape, a.dtype)


@numpy_function(np.cumprod)
def _cumprod(a, axis=None):
    # Products of spans whose length doubles, without division, as in np.prod.
    if axis is None:
        a, axis = a.ravel(), 0
    axis = normalize_axis_index(axis, a.ndim)
    before, length = (slice(None),) * axis, 1
    while length < a.shape[axis]:
        longer = a[(*before, slice(length, None))] * a[(*before, slice(None, -length))]
        a = np.concatenate([a[(*before, slice(None, length))], longer], axis=axis)
        length *= 2
    return a


def _cumulative(function, start):
    def cumulative(x, /, *, axis=None, include_initial=False):
        if axis is None:
            if x.ndim != 1:
                raise ValueError(f"np.cumulative_{function.__name__[3:]} of an array of {x.ndim} axes needs axis=")
            axis = 0
        result = function(x, axis=axis)
        if not include_initial:
            return result
        axis = normalize_axis_index(axis, x.ndim)
        first = np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), start, x.dtype)
        return np.concatenate([first, result], axis=axis)

    return cumulative


numpy_function(np.cumulative_sum)(_cumulative(np.cumsum, 0))
numpy_function(np.cumulative_prod)(_cumulative(np.cumprod, 1))


def logsumexp(a, axis=None, b=None, keepdims=False):
    """Return ``log(sum(exp(a)))`` without overflow, for arrays and for differentiated values.

    Parameters
    ----------
    a : array_like, float
        Any shape.
    axis : None, int or tuple of int
        Axes to sum over; all of them by default.
    b : array_like, optional
        Factors of ``exp(a)``, not negative, broadcast against `a`.
    keepdims : bool
        Whether the axes stay, with length one.

    Returns
    -------
    ndarray or scalar
        -inf where all entries are -inf, with derivative zero.
    """
    a = a if hasattr(a, "dtype") else np.asarray(a, dtype=float)
    if np.iscomplexobj(a):
        raise UnsupportedError("logsumexp of complex numbers has no rule: write np.log(np.sum(np.exp(a)))")
    if b is not None:
        a = a + np.log(b)
    return _logsumexp(a, axis=axes_of(axis, a.ndim), keepdims=bool(keepdims))


def _register_arg(function, op):
    @numpy_function(function)
    def meaning(a, axis=None, out=None, *, keepdims=False):
        flat = axis is None
        result = op(a.ravel() if flat else a, axis=0 if flat else normalize_axis_index(axis, a.ndim))
        if not keepdims:
            return result
        return np.reshape(result, (1,) * a.ndim) if flat else np.expand_dims(result, axis)


def _register_truth(function, op):
    @numpy_function(function)
    def meaning(a, axis=None, out=None, keepdims=False):
        return op(a, axis=axes_of(axis, a.ndim), keepdims=bool(keepdims))

    return meaning


for _function, _op in ((np.argmax, argmax), (np.argmin, argmin)):
    _register_arg(_function, _op)
_count_nonzero = _register_truth(np.count_nonzero, count_nonzero)
REDUCTIONS[np.add] = _sum
REDUCTIONS[np.multiply] = _prod
REDUCTIONS[np.maximum] = _max
REDUCTIONS[np.minimum] = _min
REDUCTIONS[np.logaddexp] = lambda a, axis=0, keepdims=False: logsumexp(a, axis, keepdims=keepdims)
REDUCTIONS[np.logical_or] = _register_truth(np.any, any_)
REDUCTIONS[np.logical_and] = _register_truth(np.all, all_)


def _on_values(function):
    """Make a question about values that has a plain answer, such as ``np.allclose``."""

    def meaning(*args, **kwargs):
        plain = [arg.concrete() if hasattr(arg, "concrete") else arg for arg in args]
        return function(*plain, **kwargs)

    numpy_function(function)(meaning)


for _function in (np.allclose, np.array_equal, np.isclose, np.nonzero, np.flatnonzero, np.argwhere, np.searchsorted):
    _on_values(_function)
