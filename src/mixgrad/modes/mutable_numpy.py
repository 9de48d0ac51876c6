"""What NumPy's functions mean on mutable arrays: those that return views, those that write, and ``out=``.

All others are called on the contents. The first argument of every function here is the mutable array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from mixgrad._errors import UnsupportedError
from mixgrad.core.numpy_table import FUNCTIONS
from mixgrad.modes.assignment import assigned, cast, check_cast
from mixgrad.rules.index import index, scatter, take_apart

VIEWS: dict[Callable, Callable] = {}
"""Functions that return views."""

WRITERS: dict[Callable, Callable] = {}
"""Functions that write into their first argument; they are called with contents that are traced somewhere."""


def call_function(trace: Any, function: Callable, args: tuple, kwargs: dict) -> Any:
    """Meet a function of NumPy that is not a ufunc."""
    if args and trace.owns(args[0]):
        if function in VIEWS:
            return VIEWS[function](args[0], *trace.peek(args[1:]), **trace.peek(kwargs))
        if function in WRITERS:
            return WRITERS[function](*args, **kwargs)
    if function in (np.atleast_1d, np.atleast_2d, np.atleast_3d, np.broadcast_arrays):
        return _each(trace, function, args)
    return trace.apply(function, args, kwargs)


# Ufuncs ---------------------------------------------------------------------------------------------------------------


def call_ufunc(trace: Any, ufunc: np.ufunc, method: str, args: tuple, kwargs: dict) -> Any:
    """Meet a ufunc."""
    if method == "at":
        return _add_at(trace, ufunc, *args)
    outs = kwargs.pop("out", ())
    if not any(map(trace.owns, outs)):
        if outs:
            kwargs["out"] = outs
        result = trace.apply(getattr(ufunc, method), args, kwargs)
        return result if not outs else outs[0] if len(outs) == 1 else outs
    (args, kwargs), plain = trace.contents((args, kwargs))
    for out in filter(trace.owns, outs):
        out.check_writeable("output array is read-only")
    if plain and all(out.is_plain() for out in outs if trace.owns(out)):
        natives = tuple(out.own() if trace.owns(out) else out for out in outs)
        result = getattr(ufunc, method)(*args, out=natives, **kwargs)
        results = result if type(result) is tuple else (result,)
    else:
        where = kwargs.pop("where", True) if method == "__call__" else True
        result = getattr(ufunc, method)(*args, **kwargs)
        results = result if type(result) is tuple else (result,)
        for out, part in zip(outs, results):
            if out is not None:
                out.store(part, f"ufunc '{ufunc.__name__}' output", where)
    results = tuple(trace.wrap(part) if out is None else out for out, part in zip(outs, results))
    return results[0] if len(results) == 1 else results


def _add_at(trace: Any, ufunc: np.ufunc, y: Any, key: Any, *value: Any) -> None:
    """``ufunc.at(y, key, value)``: unbuffered, so repeated indices accumulate."""
    if not trace.owns(y):
        raise UnsupportedError(
            f"np.{ufunc.__name__}.at(y, ...) would write differentiated values into a plain array, which cannot hold "
            "derivatives. Make y inside the differentiated function: y = np.array(y)."
        )
    (content, key, value), plain = trace.contents((y, key, value))
    y.check_writeable("array is read-only")
    if plain and y.is_plain():
        ufunc.at(y.own(), key, *value)
        return
    if ufunc not in (np.add, np.subtract):
        raise UnsupportedError(
            f"np.{ufunc.__name__}.at on arrays that hold derivatives has no rule, only np.add.at and np.subtract.at. "
            "Use a loop over the indices."
        )
    check_cast(getattr(value[0], "dtype", np.result_type(type(value[0]))), y.dtype, f"ufunc '{ufunc.__name__}' output")
    form, arrays = take_apart(key)
    target = index(content, *arrays, form=form).shape
    moved = scatter(np.broadcast_to(cast(value[0], y.dtype), target), *arrays, form=form, shape=y.shape)
    y.content = ufunc(content, moved)


# Views ----------------------------------------------------------------------------------------------------------------


def _view(*functions: Callable) -> Callable:
    def register(implementation: Callable) -> Callable:
        VIEWS.update(dict.fromkeys(functions, implementation))
        return implementation

    return register


def _reshaped(y: Any, shape: tuple[int, ...], order: Any = "C") -> Any:
    """Return a view of another shape, where that is possible."""
    return y.view(lambda x: np.reshape(x, shape, order=order), lambda x, new: np.reshape(new, np.shape(x), order=order))


def _viewed_or_copied(y: Any, function: Callable, order: Any) -> Any:
    """Return a view if NumPy returns one for this layout in memory, else a copy."""
    layout = y.layout()
    if order in "AK":
        if order == "K" and not (layout.flags.forc or y.is_plain()):
            raise UnsupportedError(
                "the order of memory (order='K') of an array that holds derivatives is known for contiguous arrays "
                "only. Use order='C' or 'F'."
            )
        order = "F" if layout.flags.fnc else "C"
    result = function(layout)
    if result.size and not np.may_share_memory(result, layout):
        if y.is_plain():
            return y._trace.fresh(result)
        return y._trace.result(np.reshape(y.lend(), result.shape, order=order))
    return _reshaped(y, result.shape, order)


@_view(np.reshape)
def _reshape(y: Any, shape: Any, order: Any = "C", *, copy: bool | None = None) -> Any:
    if copy:
        y = y.copy()
    return _viewed_or_copied(
        y, lambda x: np.reshape(x, shape, order=order, copy=False if copy is False else None), order
    )


@_view(np.ravel)
def _ravel(y: Any, order: Any = "C") -> Any:
    return _viewed_or_copied(y, lambda x: np.ravel(x, order), order)


def _same_cells(function: Callable) -> None:
    def view(y: Any, *args: Any, **kwargs: Any) -> Any:
        return _reshaped(y, function(np.broadcast_to(np.False_, y.shape), *args, **kwargs).shape)

    VIEWS[function] = view


def _permuting(function: Callable) -> None:
    def view(y: Any, *args: Any, **kwargs: Any) -> Any:
        # An array whose strides are the numbers of its axes: NumPy itself says where they go.
        ndim = y.ndim
        numbered = np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), (1,) * ndim, tuple(range(ndim)))
        axes = function(numbered, *args, **kwargs).strides
        back = tuple(int(axis) for axis in np.argsort(axes))
        return y.view(lambda x: np.transpose(x, axes), lambda x, new: np.transpose(new, back))

    VIEWS[function] = view


def _read_only(function: Callable) -> None:
    VIEWS[function] = lambda y, *args, **kwargs: y.view(lambda x: function(x, *args, **kwargs), None)


for _function in (np.squeeze, np.expand_dims):
    _same_cells(_function)
for _function in (np.transpose, np.permute_dims, np.matrix_transpose, np.linalg.matrix_transpose, np.swapaxes,
                  np.moveaxis, np.rollaxis):  # fmt: skip
    _permuting(_function)
for _function in (np.diagonal, np.linalg.diagonal, np.broadcast_to):
    _read_only(_function)
for _function in (np.flip, np.flipud, np.fliplr, np.split, np.array_split):  # written with y[slices]
    VIEWS[_function] = FUNCTIONS[_function]


@_view(np.diag)
def _diag(v: Any, k: int = 0) -> Any:
    return VIEWS[np.diagonal](v, k) if v.ndim == 2 else v._trace.apply(np.diag, (v, k), {})


def _splitting(function: Callable, axis: int) -> None:
    def view(y: Any, sections: Any) -> Any:
        function(np.broadcast_to(np.False_, y.shape), sections)  # the errors are NumPy's
        return VIEWS[np.split](y, sections, min(axis, y.ndim - 1))

    VIEWS[function] = view


for _function, _axis in ((np.vsplit, 0), (np.hsplit, 1), (np.dsplit, 2)):
    _splitting(_function, _axis)


@_view(np.unstack)
def _unstack(x: Any, /, *, axis: int = 0) -> Any:
    return tuple(VIEWS[np.moveaxis](x, axis, 0))


@_view(np.rot90)
def _rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    first, second = normalize_axis_tuple(axes, m.ndim)
    k %= 4
    if k in (0, 2):
        return VIEWS[np.flip](m, (first, second)) if k else m[:]
    if k == 1:
        return VIEWS[np.swapaxes](VIEWS[np.flip](m, second), first, second)
    return VIEWS[np.flip](VIEWS[np.swapaxes](m, first, second), second)


def _part(function: Callable, name: str) -> None:
    def refuse(x: Any, new: Any) -> Any:
        raise UnsupportedError(
            f"writing into the {name} part of a complex array that holds derivatives has no rule. "
            "Write y[...] = real + 1j * imag."
        )

    def view(y: Any) -> Any:
        if y.dtype.kind == "c":
            return y.view(function, refuse)
        return y[...] if function is np.real else y.view(function, None)

    VIEWS[function] = view


_part(np.real, "real")
_part(np.imag, "imaginary")


def _each(trace: Any, function: Callable, args: tuple) -> Any:
    """Give each argument its view: all take the same number of axes, or the same shape."""
    shapes = [np.broadcast_to(np.False_, np.shape(arg)) for arg in args]
    found = function(*shapes)
    found = found if isinstance(found, tuple) else (found,)
    results = []
    for arg, like in zip(args, found):
        if not trace.owns(arg):
            results.append(trace.wrap(np.broadcast_to(arg, like.shape)))
        elif like.shape == arg.shape:
            results.append(arg)
        elif like.size == arg.size:
            results.append(_reshaped(arg, like.shape))
        else:
            results.append(VIEWS[np.broadcast_to](arg, like.shape))
    return results[0] if len(results) == 1 and function is not np.broadcast_arrays else tuple(results)


# Writers --------------------------------------------------------------------------------------------------------------


def _writer(function: Callable) -> Callable:
    """Register what a function that writes means where something is traced; NumPy's own function does the rest."""

    def register(implementation: Callable) -> Callable:
        def write(y: Any, *args: Any, **kwargs: Any) -> None:
            y.check_writeable()
            (args_inside, kwargs_inside), plain = y._trace.contents((args, kwargs))
            if plain and y.is_plain():
                function(y.own(), *args_inside, **kwargs_inside)
            else:
                args, kwargs = y._trace.lend((args, kwargs))
                y.content = implementation(y.lend(), *args, **kwargs)

        WRITERS[function] = write
        return implementation

    return register


def _assigned_flat(y: Any, key: Any, value: Any) -> Any:
    """Return `y` with ``y.flat[key] = value``, which repeats the values as often as needed."""
    flat = np.reshape(y, (math.prod(y.shape),))
    places = np.arange(flat.size)[key]
    value = FUNCTIONS[np.asarray](value)
    if not places.size or not value.size:
        return y
    return np.reshape(assigned(flat, places, _repeated(value, places.shape)), y.shape)


def _repeated(value: Any, shape: tuple[int, ...]) -> Any:
    """Return the values one after the other, as often as needed for an array of `shape`."""
    if value.ndim == 0:
        return value
    return np.ravel(value)[np.arange(math.prod(shape)).reshape(shape) % value.size]


@_writer(np.copyto)
def _copyto(y: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> Any:
    src = FUNCTIONS[np.asarray](src) if isinstance(src, (list, tuple)) else src
    if not np.can_cast(getattr(src, "dtype", np.result_type(type(src))), y.dtype, casting):
        raise TypeError(f"Cannot cast array data from {src.dtype!r} to {y.dtype!r} according to the rule {casting!r}")
    if where is True:
        return assigned(y, ..., src)
    value = np.broadcast_to(cast(src, y.dtype), y.shape)
    return np.where(where, value, y)


@_writer(np.put)
def _put(y: Any, ind: Any, v: Any, mode: str = "raise") -> Any:
    places = np.asarray(ind)
    if mode == "wrap":
        places = places % y.size
    elif mode == "clip":
        places = np.clip(places, 0, y.size - 1)
    return _assigned_flat(y, places.ravel(), v)


@_writer(np.place)
def _place(y: Any, mask: Any, vals: Any) -> Any:
    return _assigned_flat(y, np.flatnonzero(mask), vals)


@_writer(np.putmask)
def _putmask(y: Any, mask: Any, values: Any) -> Any:
    values = cast(values, y.dtype)
    return np.where(mask, _repeated(values, y.shape), y) if values.size else y


@_writer(np.put_along_axis)
def _put_along_axis(y: Any, indices: Any, values: Any, axis: Any) -> Any:
    if axis is None:
        return np.reshape(_put_along_axis(np.reshape(y, (y.size,)), indices, values, 0), y.shape)
    axis = normalize_axis_index(axis, y.ndim)
    places = [np.arange(n).reshape((-1,) + (1,) * (y.ndim - i - 1)) for i, n in enumerate(y.shape)]
    places[axis] = indices
    return assigned(y, tuple(places), values)


@_writer(np.fill_diagonal)
def _fill_diagonal(y: Any, val: Any, wrap: bool = False) -> Any:
    marked = np.zeros(y.shape, bool)
    np.fill_diagonal(marked, True, wrap)
    return _assigned_flat(y, np.flatnonzero(marked), val)


class Flat:
    """``y.flat``: the elements in order. What is read is a copy."""

    def __init__(self, y: Any) -> None:
        self._y = y

    def __len__(self) -> int:
        return self._y.size

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return self._y.flatten()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        y = self._y
        y.check_writeable()
        inside, plain = y._trace.contents(value)
        key = y._trace.lend(key)
        if plain and y.is_plain():
            y.own().flat[key] = inside
        else:
            y.content = _assigned_flat(y.lend(), key, y._trace.lend(value))
