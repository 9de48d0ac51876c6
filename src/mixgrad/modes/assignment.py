"""Functional item assignment: the array that `y[key] = value` leaves behind, for plain arrays and boxes of any mode."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from mixgrad._errors import BoxConversionError, UnsupportedError
from mixgrad.core.bind import Traced
from mixgrad.core.box import Box
from mixgrad.core.numpy_table import FUNCTIONS
from mixgrad.modes.batch import Batch
from mixgrad.modes.trace import Staged
from mixgrad.rules.index import index, take_apart, update
from mixgrad.rules.shape import as_array


def has_traced(tree: Any) -> bool:
    """Whether a value, or one inside a tuple, list or dict, is a box."""
    if isinstance(tree, (tuple, list)):
        return any(map(has_traced, tree))
    if type(tree) is dict:
        return any(map(has_traced, tree.values()))
    return isinstance(tree, Traced)


def is_basic(key: Any) -> bool:
    """Whether NumPy returns a view for this index: integers, slices, None and ... only. A traced integer is one."""
    for part in key if type(key) is tuple else (key,):
        if isinstance(part, Traced):
            if part.shape != () or part.dtype.kind not in "iu":
                return False
        elif not (part is None or part is Ellipsis or type(part) in (int, slice) or isinstance(part, np.integer)):
            return False
    return True


def assigned(y: Any, key: Any, value: Any) -> Any:
    """Return `y` with `value` at `key`, where at least one of the three is traced."""
    value = cast(value, y.dtype)
    if key is Ellipsis or (type(key) is slice and key == slice(None)):  # nothing of y is left
        return _stretched(value, y.shape, y, key)
    form, arrays = take_apart(key)
    if any(isinstance(array, Traced) and array.dtype.kind == "b" for array in arrays):
        return _masked(y, key, value)
    target = index.shape(y, *arrays, form=form)  # type: ignore[misc]
    return update(y, _stretched(value, target, y, form.index(_places(arrays))), *arrays, form=form)


def put_back(y: Any, key: Any, part: Any) -> Any:
    """Return `y` with `part` in the place of ``y[key]``, whose shape and dtype it has."""
    form, arrays = take_apart(key)
    return update(y, part, *arrays, form=form)


def read(y: Any, key: Any) -> Any:
    """Return ``y[key]``, where a box may be in the index of a plain array."""
    return FUNCTIONS[operator.getitem](y, key)


def cast(value: Any, dtype: np.dtype) -> Any:
    """Return a value in the dtype of the array that it is assigned to, as NumPy casts it."""
    if not has_traced(value):
        return np.array(value, dtype)  # a copy: whoever has the value may change it
    value = as_array(value)
    if value.dtype == dtype:
        return value
    if value.dtype.kind == "c" and dtype.kind != "c":
        raise TypeError(
            f"a complex value was assigned to an array of {dtype}, which would lose its imaginary part. Create the "
            "array with dtype=complex, or assign np.real(value)."
        )
    if value.dtype.kind in "fc" and dtype.kind not in "fc" and differentiated(value):
        raise BoxConversionError(
            f"a differentiated value ({value.dtype}) was assigned to an array of {dtype}, which would round it and "
            "lose its derivative: np.zeros(n, dtype=int) cannot hold derivatives. Create the array with floats, as "
            "np.zeros(n); where rounding is meant assign mg.stop_gradient(value)."
        )
    return np.astype(value, dtype)


def differentiated(value: Any) -> bool:
    """Whether a box holds a derivative; those of batches and of programs alone do not."""
    while isinstance(value, Traced):
        if not isinstance(value, (Batch, Staged)):
            return True
        if isinstance(value, Staged):
            return False
        value = value.payload
    return False


def plain_data(x: Any) -> Any:
    """Return the plain numbers under all boxes, axes of batches included; None if there are none yet."""
    while isinstance(x, Traced):
        if isinstance(x, Staged):
            return None
        x = x.inner
    return x


def check_cast(source: Any, dtype: np.dtype, what: str, casting: Any = "same_kind") -> None:
    """Raise NumPy's error if a result cannot be written into an array of `dtype`."""
    if not np.can_cast(source, dtype, casting):
        raise TypeError(f"Cannot cast {what} from {source!r} to {dtype!r} with casting rule {casting!r}")


def _places(arrays: tuple) -> tuple:
    """Return plain index arrays of the same shapes: places where the real ones are not known."""
    return tuple(np.zeros(array.shape, int) if isinstance(array, Traced) else array for array in arrays)


def _stretched(value: Any, target: tuple[int, ...], y: Any, key: Any) -> Any:
    """Broadcast a value to the shape of what it is assigned to; raise NumPy's error if it does not fit."""
    shape = np.shape(value)
    if shape == target:
        return value
    core = shape[next((i for i, n in enumerate(shape) if n != 1 or len(shape) - i <= len(target)), len(shape)) :]
    if (len(shape) > len(target) and not target) or not _fits(core, target):
        np.zeros(y.shape)[key] = np.zeros(shape)  # NumPy knows what is wrong
    if core != shape:
        value = np.reshape(value, core)
    return value if core == target else np.broadcast_to(value, target)


def _fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    return len(shape) <= len(target) and all(n in (1, m) for n, m in zip(shape[::-1], target[::-1]))


def _masked(y: Any, mask: Any, value: Any) -> Any:
    """Assign where a mask is true of which only the run knows how many entries are."""
    if isinstance(mask, Box) and mask.shape == y.shape[: mask.ndim]:
        rest = y.shape[mask.ndim :]
        if _fits(np.shape(value), rest):
            mask = mask.reshape(mask.shape + (1,) * len(rest))
            return np.where(mask, value, y)
    raise UnsupportedError(
        f"y[mask] = v with a mask whose values are not known while the function is traced, an array of shape {y.shape} "
        f"and a value of shape {np.shape(value)}: the number of true entries is not known. Use y[mask] = number, or "
        "y = np.where(mask, v, y) with a v of the shape of y."
    )
