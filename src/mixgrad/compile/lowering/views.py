"""Views, and what writes to them: other ways to index, without statements where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from mixgrad.compile.lowering.statements import (
    INT,
    Lowering,
    NoNativeForm,
    Tensor,
    broadcast,
    converted,
    form,
    of_buffer,
    reshaped,
)
from mixgrad.compile.tensor import (
    Apply,
    Axis,
    Buffer,
    Expression,
    Number,
    shifted,
)
from mixgrad.core.program import Equation, Var
from mixgrad.rules.index import SLOT


@form("reshape")
def _reshape(lowering: Lowering, equation: Equation) -> Tensor:
    return reshaped(lowering.tensor(equation.args[0]), equation.outs[0].shape)


@form("transpose")
def _transpose(lowering: Lowering, equation: Equation) -> Tensor:
    x, axes = lowering.tensor(equation.args[0]), equation.static["axes"]
    axes = tuple(range(len(x.shape)))[::-1] if axes is None else axes
    places = [axes.index(i) for i in range(len(axes))]
    return Tensor(equation.outs[0].shape, x.dtype, lambda index: x.at([index[i] for i in places]))


@form("broadcast_to")
def _broadcast_to(lowering: Lowering, equation: Equation) -> Tensor:
    x = lowering.tensor(equation.args[0])
    return Tensor(equation.outs[0].shape, x.dtype, lambda index: broadcast(x, index))


@form("index")
def _index(lowering: Lowering, equation: Equation) -> Tensor:
    x, *arrays = equation.args
    tensor = lowering.tensor(x)
    where = places(lowering, tensor.shape, equation.static["form"], arrays)
    return Tensor(equation.outs[0].shape, tensor.dtype, lambda index: tensor.at(where(index)))


@form("scatter")
def _scatter(lowering: Lowering, equation: Equation) -> Tensor:
    (out,), (y, *arrays) = equation.outs, equation.args
    where = places(lowering, out.shape, equation.static["form"], arrays)
    total = lowering.stored(lowering.full(out.shape, out.dtype))
    lowering.write(total, where, lowering.tensor(y), adds=not equation.static["form"].basic)
    return of_buffer(total)


@form("update")
def _update(lowering: Lowering, equation: Equation) -> Tensor:
    (out,), (y, value, *arrays) = equation.outs, equation.args
    where = places(lowering, out.shape, equation.static["form"], arrays)
    old = lowering.tensor(y)
    new = lowering.map(out.shape, out.dtype, old.at).buffer
    assert new is not None
    lowering.statements[-1].copies = old.buffer
    shape = np.broadcast_to(np.False_, out.shape)[_sample_index(equation.static["form"], arrays)].shape
    x = converted(lowering.tensor(value, out.dtype), out.dtype)
    lowering.write(new, where, Tensor(shape, out.dtype, lambda index: broadcast(x, index)))
    return of_buffer(new)


def _sample_index(form: Any, arrays: Sequence[Any]) -> tuple:
    return form.index(tuple(np.zeros(np.shape(array), int) for array in arrays))


@form("concatenate")
def _concatenate(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    axis = normalize_axis_index(equation.static["axis"], len(out.shape))
    total = Buffer(out.shape, out.dtype)
    total.axes = [None if n == 1 else Axis(n, total) for n in out.shape]
    start = 0
    for arg in equation.args:
        part = lowering.tensor(arg, out.dtype)
        if part.shape[axis]:
            lowering.write(total, lambda index, start=start: _offset(index, axis, start), part)
        start += part.shape[axis]
    return of_buffer(total)


def _offset(index: list, axis: int, start: int) -> list:
    return [shifted(part, start, 1) if i == axis else part for i, part in enumerate(index)]


def places(lowering: Lowering, shape: tuple[int, ...], form: Any, arrays: Sequence[Any]) -> Callable[[list], list]:
    """Return the function from an index of ``x[...]`` to the index of that element in `x`."""
    parts = list(form.parts)
    if Ellipsis in parts:
        used = sum(part is not None and part is not Ellipsis for part in parts)
        at = parts.index(Ellipsis)
        parts[at : at + 1] = [slice(None)] * (len(shape) - used)
    used = sum(part is not None for part in parts)
    parts += [slice(None)] * (len(shape) - used)
    tensors = iter([_index_array(lowering, array) for array in arrays])
    parts = [next(tensors) if part is SLOT else part for part in parts]
    advanced = [i for i, part in enumerate(parts) if isinstance(part, (Tensor, int))]
    if not any(isinstance(part, Tensor) for part in parts):
        advanced = []
    common = (
        np.broadcast_shapes(*[parts[i].shape for i in advanced if isinstance(parts[i], Tensor)]) if advanced else ()
    )
    together = advanced == list(range(advanced[0], advanced[-1] + 1)) if advanced else False
    first = 0
    if together:  # their place is that of the first; otherwise they come first
        first = sum(not isinstance(part, int) for part in parts[: advanced[0]])

    def where(index: list) -> list:
        rest = index[:first] + index[first + len(common) :]
        block = index[first : first + len(common)]
        result, dim, plain = [], 0, iter(rest)
        for part in parts:
            if part is None:
                next(plain)
                continue
            length = shape[dim]
            dim += 1
            if isinstance(part, slice):
                start, _, step = part.indices(length)
                result.append(shifted(next(plain), start, step))
            elif isinstance(part, Tensor):
                result.append(_wrapped(broadcast(part, block), length))
            else:
                result.append(part + length if part < 0 else part)
        return result

    return where


def _index_array(lowering: Lowering, array: Any) -> Tensor:
    if not isinstance(array, Var):
        array = np.asarray(array)
    if array.dtype.kind not in "iu":
        raise NoNativeForm("a mask as an index")
    return converted(lowering.tensor(array, INT), INT)


def _wrapped(index: Expression, length: int) -> Expression:
    """Return an index that may be negative as one that is not; one out of bounds is an error of the running program."""
    return Apply("index", [index, Number(length, INT)], INT, INT)
