"""Rows of indexing: reading and writing of every kind that NumPy allows, and the scatter that transposes reading."""

from __future__ import annotations

import math
import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from mixgrad._errors import StagingError, UnsupportedError
from mixgrad.core.bind import Traced
from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules.row import Sample, linear


class _Slot:
    """The place of an index array in an index expression."""

    def __repr__(self) -> str:
        return "_"


SLOT = _Slot()


class Form:
    """The static part of an index expression: ``x[i, :, None]`` has the form ``(SLOT, slice(None), None)``.

    The index arrays themselves are arguments of the op, since in a traced program they can be computed.

    Attributes
    ----------
    parts : tuple
        Integers, slices, None, Ellipsis, and SLOT in the place of each index array.
    basic : bool
        Whether the result is a view: no index arrays, so no element is read twice.
    """

    __slots__ = ("basic", "parts")
    __hash__ = None  # type: ignore[assignment]  # slices have no hash

    def __init__(self, parts: tuple) -> None:
        self.parts = parts
        self.basic = SLOT not in parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and self.parts == other.parts

    def __repr__(self) -> str:
        return f"Form({self.parts})"

    def index(self, arrays: tuple) -> tuple:
        """Return the index expression."""
        if self.basic:
            return self.parts
        rest = iter(arrays)
        return tuple(next(rest) if part is SLOT else part for part in self.parts)


def _value(x, *arrays, form):
    return x[form.index(arrays)]


def _transpose(out_bar, args, i, *, form):
    return scatter(out_bar, *args[1:], form=form, shape=args[0].shape)


def _accumulate(total, out_bar, args, i, *, form):
    index = form.index(args[1:])
    if form.basic:
        total[index] += out_bar
    else:
        np.add.at(total, index, out_bar)


def _scatter_value(y, *arrays, form, shape):
    total = np.zeros(shape, y.dtype)
    _accumulate(total, y, (None, *arrays), 0, form=form)
    return total


def _positions(arrays, form, shape):
    """Return the positions in the flattened array that an index expression reads: NumPy itself says which."""
    return index(np.arange(math.prod(shape)).reshape(shape), *arrays, form=form)


def _batch(args, batched, *, form):
    x, *arrays = args
    if form.basic:
        return index(x, form=Form((slice(None), *form.parts)))
    size = next(len(arg) for arg, flag in zip(args, batched) if flag)
    lifted = _lifted(arrays, batched[1:], form, size, batched[0])
    if lifted is not None:
        return index(x, *lifted[0], form=lifted[1])
    if not any(batched[1:]):
        positions = _positions(arrays, form, x.shape[1:])
        return index(x.reshape(len(x), math.prod(x.shape[1:])), positions, form=Form((slice(None), SLOT)))
    member, positions = _member_positions(arrays, batched[1:], form, x.shape[1:] if batched[0] else x.shape, size)
    if not batched[0]:
        return index(x.reshape(-1), positions, form=Form((SLOT,)))
    return index(x.reshape(size, math.prod(x.shape[1:])), member, positions, form=Form((SLOT, SLOT)))


def _scatter_batch(args, batched, *, form, shape):
    y, *arrays = args
    size = next(len(arg) for arg, flag in zip(args, batched) if flag)
    if form.basic:
        return scatter(y, form=Form((slice(None), *form.parts)), shape=(size, *shape))
    y = y if batched[0] else np.broadcast_to(y, (size, *np.shape(y)))
    lifted = _lifted(arrays, batched[1:], form, size, True)
    if lifted is not None:
        return scatter(y, *lifted[0], form=lifted[1], shape=(size, *shape))
    whole = (size, math.prod(shape))
    if not any(batched[1:]):
        flat = scatter(y, _positions(arrays, form, shape), form=Form((slice(None), SLOT)), shape=whole)
        return flat.reshape((size, *shape))
    member, positions = _member_positions(arrays, batched[1:], form, shape, size)
    return scatter(y, member, positions, form=Form((SLOT, SLOT)), shape=whole).reshape((size, *shape))


def _lifted(arrays, batched, form, size, own):
    """Return index arrays and form for all members at once, each of which has an array of its `own` or not.

    None if NumPy would put the axes that are indexed by arrays elsewhere: these axes must be neighbours, and the first
    ones if members read different places.
    """
    places = [i for i, part in enumerate(form.parts) if part is SLOT or isinstance(part, (int, np.integer))]
    if places[-1] - places[0] >= len(places):
        return None
    if not any(batched):
        return arrays, Form((slice(None), *form.parts))
    if places[0] != 0 or any(array.dtype.kind == "b" for array in arrays):
        return None
    ndim = max(np.ndim(array) - flag for array, flag in zip(arrays, batched))
    wide = [
        np.reshape(array, (size,) + (1,) * (ndim + 1 - np.ndim(array)) + np.shape(array)[1:]) if flag else array
        for array, flag in zip(arrays, batched)
    ]
    if not own:
        return wide, form
    return [np.arange(size).reshape((size,) + (1,) * ndim), *wide], Form((SLOT, *form.parts))


def _member_positions(arrays, batched, form, shape, size):
    """Return, for members that read different places, the number of the member and the flat positions it reads."""
    members = zip(*[arg if flag else [arg] * size for arg, flag in zip(arrays, batched)])
    positions = np.stack([_positions(member, form, shape) for member in members])
    return np.arange(size).reshape((size,) + (1,) * (positions.ndim - 1)), positions


def _shape(x, *arrays, form):
    if any(not isinstance(a, np.ndarray) and a.dtype.kind == "b" for a in arrays):
        raise StagingError(
            f"x[mask] of an array of shape {x.shape}: how many elements the mask chooses is only known when the "
            "program runs. Use np.where(mask, x, other), or sum over np.where(mask, x, 0.0)."
        )
    plain = tuple(a if isinstance(a, np.ndarray) else np.zeros(a.shape, int) for a in arrays)
    return np.broadcast_to(np.False_, x.shape)[form.index(plain)].shape


index = linear(
    "index",
    _value,
    _transpose,
    _batch,
    _shape,
    dtype=lambda x, *arrays, form: x.dtype,
    accumulate=_accumulate,
    samples=(
        Sample(((4, 3),), {"form": Form((1,))}),
        Sample(((4, 3),), {"form": Form((slice(None, None, -2), None, Ellipsis))}),
        Sample(((4, 3), np.array([0, 2, 2])), {"form": Form((SLOT,))}),
        Sample(((4, 3, 2), np.array([[0], [2]]), np.array([1, 0])), {"form": Form((SLOT, slice(None), SLOT))}),
        Sample(((2, 2), np.array([[True, False], [True, True]])), {"form": Form((SLOT,))}),
        Sample(((3,),), {"form": Form((slice(0, 0),))}),
    ),
)

scatter = linear(
    "scatter",
    _scatter_value,
    lambda out_bar, args, i, *, form, shape: index(out_bar, *args[1:], form=form),
    _scatter_batch,
    lambda y, *arrays, form, shape: shape,
    dtype=lambda y, *arrays, form, shape: y.dtype,
    samples=(
        Sample(((3,),), {"form": Form((1,)), "shape": (2, 3)}),
        Sample(((3, 2), np.array([0, 2, 2])), {"form": Form((SLOT,)), "shape": (4, 2)}),
    ),
)


def _update_value(y, value, *arrays, form):
    out = np.array(y)
    out[form.index(arrays)] = value
    return out if out.ndim else out[()]


def _update_transpose(out_bar, args, i, *, form):
    value, *arrays = args[1:]
    if i == 0:
        return update(out_bar, np.zeros(np.shape(value), out_bar.dtype), *arrays, form=form)
    taken = index(out_bar, *arrays, form=form)
    if all(np.ndim(a) == 0 or a.dtype.kind == "b" for a in arrays):  # no cell is written twice
        return taken
    number = np.arange(math.prod(taken.shape)).reshape(taken.shape)
    last = update(np.zeros(out_bar.shape, int), number, *arrays, form=form)  # who has written a cell last
    return np.where(index(last, *arrays, form=form) == number, taken, np.zeros((), out_bar.dtype))


def _update_batch(args, batched, *, form):
    size = next(len(arg) for arg, flag in zip(args, batched) if flag)
    y, value = (
        arg if flag else np.broadcast_to(arg, (size, *np.shape(arg))) for arg, flag in zip(args[:2], batched[:2])
    )
    if form.basic:
        return update(y, value, form=Form((slice(None), *form.parts)))
    shape, arrays = y.shape[1:], args[2:]
    lifted = _lifted(arrays, batched[2:], form, size, True)
    if lifted is not None:
        return update(y, value, *lifted[0], form=lifted[1])
    flat = y.reshape((size, math.prod(shape)))
    if any(batched[2:]):
        member, positions = _member_positions(arrays, batched[2:], form, shape, size)
        flat = update(flat, value, member, positions, form=Form((SLOT, SLOT)))
    else:
        flat = update(flat, value, _positions(arrays, form, shape), form=Form((slice(None), SLOT)))
    return flat.reshape(y.shape)


update = linear(  # y with value written at an index; value has the shape that reading there gives
    "update",
    _update_value,
    _update_transpose,
    _update_batch,
    lambda y, value, *arrays, form: np.shape(y),
    linear_in=(0, 1),
    dtype=lambda y, value, *arrays, form: y.dtype,
    samples=(
        Sample(((3,), ()), {"form": Form((1,))}),
        Sample(((4, 3), (2, 1, 3)), {"form": Form((slice(None, None, -2), None, Ellipsis))}),
        Sample(((4, 3), (3, 3), np.array([0, 2, 2])), {"form": Form((SLOT,))}),
        Sample(
            ((4, 3, 2), (3, 2, 3), np.array([[0], [2], [0]]), np.array([1, 0])),
            {"form": Form((SLOT, slice(None), SLOT))},
        ),
        Sample(((2, 2), (3,), np.array([[True, False], [True, True]])), {"form": Form((SLOT,))}),
        Sample(((3,), (0,)), {"form": Form((slice(0, 0),))}),
    ),
)


# What NumPy's functions mean ------------------------------------------------------------------------------------------


@numpy_function(operator.getitem)
def _getitem(x, key):
    form, arrays = take_apart(key)
    return index(x, *arrays, form=form)


def take_apart(key):
    """Return the form and the index arrays of an index expression."""
    if type(key) is int:
        return Form((key,)), ()
    parts = key if type(key) is tuple else (key,)
    form = []
    arrays = []
    for part in parts:
        if part is None or part is Ellipsis or type(part) is int or type(part) is slice:
            form.append(part)
        elif isinstance(part, np.integer):
            form.append(int(part))
        else:
            form.append(SLOT)
            arrays.append(_index_array(part))
    return Form(tuple(form)), tuple(arrays)


def _index_array(part):
    if isinstance(part, (list, tuple)) and any(isinstance(entry, Traced) for entry in part):
        part = np.stack(part)
    if isinstance(part, Traced):
        if part.dtype.kind not in "iub":
            raise IndexError(
                f"an index must be an integer or a truth value, got a differentiated {part.dtype} value of shape "
                f"{part.shape}. Use int(x) or mg.stop_gradient(x).astype(int) if rounding towards zero is meant."
            )
        return part
    array = np.asarray(part)
    if array.size == 0 and not isinstance(part, np.ndarray):
        array = array.astype(np.intp)
    if array.dtype.kind not in "iub":
        raise IndexError(
            f"an index must be an integer, a slice, None, ... or an array of integers or truth values, got {part!r}"
        )
    return array


@numpy_function(np.take)
def _take(a, indices, axis=None, mode="raise"):
    if axis is None:
        a, axis = a.ravel(), 0
    axis = normalize_axis_index(axis, a.ndim)
    n = a.shape[axis]
    if mode == "wrap":
        indices = np.mod(indices, n)
    elif mode == "clip":
        indices = np.clip(indices, 0, n - 1)
    return a[(*(slice(None),) * axis, _index_array(indices) if isinstance(indices, (list, tuple)) else indices)]


@numpy_function(np.take_along_axis)
def _take_along_axis(arr, indices, axis=-1):
    if axis is None:
        arr, axis = arr.ravel(), 0
    axis = normalize_axis_index(axis, arr.ndim)
    places = [np.arange(n).reshape((-1,) + (1,) * (arr.ndim - i - 1)) for i, n in enumerate(arr.shape)]
    places[axis] = indices
    return arr[tuple(places)]


@numpy_function(np.repeat)
def _repeat(a, repeats, axis=None):
    if axis is None:
        a, axis = a.ravel(), 0
    return _take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


@numpy_function(np.roll)
def _roll(a, shift, axis=None):
    if axis is None:
        return np.roll(a.ravel(), shift, 0).reshape(a.shape)
    for by, along in np.broadcast(shift, axis):
        a = _take(a, np.roll(np.arange(a.shape[along]), by), int(along))
    return a


@numpy_function(np.rot90)
def _rot90(m, k=1, axes=(0, 1)):
    positions = np.rot90(np.arange(m.size).reshape(m.shape), k, axes)
    return m.ravel()[positions]


@numpy_function(np.diagonal)
def _diagonal(a, offset=0, axis1=0, axis2=1):
    positions = np.diagonal(np.arange(a.size).reshape(a.shape), offset, axis1, axis2)
    return a.ravel()[positions]


@numpy_function(np.diag)
def _diag(v, k=0):
    if v.ndim == 2:
        return _diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"np.diag needs an array of 1 or 2 axes, got shape {v.shape}")
    n = len(v) + abs(k)
    rows = np.arange(len(v)) + max(-k, 0)
    return scatter(v, rows, rows + k, form=Form((SLOT, SLOT)), shape=(n, n))


@numpy_function(np.diagflat)
def _diagflat(v, k=0):
    return _diag(v.ravel(), k)


@numpy_function(np.trace)
def _trace(a, offset=0, axis1=0, axis2=1):
    return _diagonal(a, offset, axis1, axis2).sum(-1)


@numpy_function(np.linalg.diagonal)
def _linalg_diagonal(x, /, *, offset=0):
    return _diagonal(x, offset, -2, -1)


@numpy_function(np.linalg.trace)
def _linalg_trace(x, /, *, offset=0):
    return _diagonal(x, offset, -2, -1).sum(-1)


@numpy_function(np.pad)
def _pad(array, pad_width, mode="constant", **options):
    if mode == "constant" and not np.any(options.get("constant_values", 0)):
        width = np.broadcast_to(pad_width, (array.ndim, 2))
        inside = tuple(slice(int(low), int(low) + n) for (low, _), n in zip(width, array.shape))
        shape = tuple(int(low + n + high) for (low, high), n in zip(width, array.shape))
        return scatter(array, form=Form(inside), shape=shape)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise UnsupportedError(
            f"np.pad with mode={mode!r} has no rule for differentiated arrays, only constant zeros, edge, reflect, "
            "symmetric and wrap. Use np.concatenate."
        )
    return array.ravel()[np.pad(np.arange(array.size).reshape(array.shape), pad_width, mode, **options)]


@numpy_function(np.extract)
def _extract(condition, arr):
    return arr.ravel()[np.nonzero(np.ravel(condition))[0]]


@numpy_function(np.compress)
def _compress(condition, a, axis=None):
    return _take(a, np.flatnonzero(condition), axis)


@numpy_function(np.delete)
def _delete(arr, obj, axis=None):
    if axis is None:
        arr, axis = arr.ravel(), 0
    return _take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)
