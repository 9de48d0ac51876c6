"""Reading what has been written: indexing of updates, scatters and joined arrays, at places that the program says."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate, zip_longest
from typing import Any

import numpy as np

from mixgrad.core.op import TABLE
from mixgrad.core.program import Equation
from mixgrad.program.simplifying.building import LARGEST, Builder, same_atom, type_of_atom
from mixgrad.rules.index import Form

FARTHEST = 32
"""So many updates are looked through: a read costs no more than that."""

MOST_CELLS = 10_000
"""Arrays of so many cells are looked at cell by cell."""

Place = tuple[int | range, ...]


def place_of(form: Form, shape: tuple[int, ...]) -> Place | None:
    """Return what a form of integers and slices reads: a number or a range for each axis. None for other forms."""
    parts = list(form.parts)
    if not form.basic or -1 in shape or any(part is None for part in parts):
        return None
    if any(part is Ellipsis for part in parts):
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    parts += [slice(None)] * (len(shape) - len(parts))
    return tuple(
        range(*part.indices(size)) if isinstance(part, slice) else part % size for part, size in zip(parts, shape)
    )


def _apart(a: Place, b: Place) -> bool:
    """Whether two places certainly have no cell in common."""
    return any(_ranges_apart(_as_range(m), _as_range(n)) for m, n in zip(a, b))


def _cells_apart(form: Form, arrays: tuple, other: Form, others: tuple, shape: tuple[int, ...]) -> bool:
    """Whether two index expressions with constant arrays certainly have no cell in common."""
    known = all(isinstance(array, np.ndarray) and array.dtype.kind in "iu" for array in (*arrays, *others))
    if not known or -1 in shape or any(part is None or part is Ellipsis for part in (*form.parts, *other.parts)):
        return False
    whole = slice(None)
    both = [a == b == whole for a, b in zip_longest(form.parts, other.parts, fillvalue=whole)]
    lengths = [1 if i >= len(both) or both[i] else n for i, n in enumerate(shape)]
    if math.prod(lengths) > MOST_CELLS:
        return False
    cells = np.arange(math.prod(lengths)).reshape(lengths)
    return not np.isin(cells[form.index(arrays)], cells[other.index(others)]).any()


def _as_range(part: int | range) -> range:
    if isinstance(part, int):
        return range(part, part + 1)
    return part if part.step > 0 else part[::-1]


def _ranges_apart(a: range, b: range) -> bool:
    if not a or not b or a[-1] < b[0] or b[-1] < a[0]:
        return True
    return a.step == b.step and (a[0] - b[0]) % a.step != 0


def _once(arrays: tuple) -> bool:
    """Whether index arrays certainly choose no cell twice."""
    if all(type_of_atom(a)[0] == () or type_of_atom(a)[1].kind == "b" for a in arrays):
        return True
    if len(arrays) != 1 or not isinstance(arrays[0], np.ndarray):
        return False
    (array,) = arrays
    return bool(np.all(array >= 0)) and len(np.unique(array)) == array.size


def _same_place(form: Form, arrays: tuple, other: Form, others: tuple, shape: tuple[int, ...]) -> bool:
    if form == other and len(arrays) == len(others) and all(map(same_atom, arrays, others)):
        return True
    here, there = place_of(form, shape), place_of(other, shape)
    return here is not None and here == there


def read(equation: Equation, builder: Builder) -> Any:
    """``index`` of something else."""
    x, *arrays = equation.args
    form = equation.static["form"]
    inner = builder.definition(x)
    if not arrays and place_of(form, type_of_atom(x)[0]) == tuple(map(range, type_of_atom(x)[0])):
        return x
    if inner is None or inner.op.name not in _READERS:
        return None
    return _READERS[inner.op.name](equation, form, tuple(arrays), inner, builder)


def _read_update(equation: Equation, form: Form, arrays: tuple, inner: Equation, builder: Builder) -> Any:
    shape = inner.outs[0].shape
    place = place_of(form, shape)
    for _ in range(FARTHEST):
        y, value, *others = inner.args
        if _same_place(form, arrays, inner.static["form"], tuple(others), shape):
            return value if _once(arrays) else None
        there = place_of(inner.static["form"], shape)
        if place is None or there is None:
            apart = _cells_apart(form, arrays, inner.static["form"], tuple(others), shape)
        else:
            apart = _apart(place, there)
        if not apart:
            return None
        following = builder.definition(y, "update")
        if following is None:
            return Equation(equation.outs, equation.op, (y, *arrays), equation.static)
        inner = following
    return None


def _read_scatter(equation: Equation, form: Form, arrays: tuple, inner: Equation, builder: Builder) -> Any:
    y, *others = inner.args
    (out,) = equation.outs
    shape, there = inner.static["shape"], inner.static["form"]
    if _same_place(form, arrays, there, tuple(others), shape):
        if not _once(arrays):
            return None
        if out.dtype.kind in "iu":
            return y
        return Equation(equation.outs, TABLE["add"], (y, 0.0))  # it was added to zeros
    here, elsewhere = place_of(form, shape), place_of(there, shape)
    if here is None or elsewhere is None or not _apart(here, elsewhere) or np.prod(out.shape) > LARGEST:
        return None
    return np.zeros(out.shape, out.dtype)[()]


def _read_joined(equation: Equation, form: Form, arrays: tuple, inner: Equation, builder: Builder) -> Any:
    axis = inner.static["axis"]
    shape = inner.outs[0].shape
    place = place_of(form, shape)
    if arrays or place is None:
        return None
    key = ("ends", id(inner.outs[0]))
    if key not in builder.notes:
        builder.notes[key] = list(accumulate(type_of_atom(arg)[0][axis] for arg in inner.args))
    ends = builder.notes[key]
    part = _as_range(place[axis])
    if not part:
        return None
    number = bisect_right(ends, part[0])
    start = ends[number - 1] if number else 0
    if part[-1] >= ends[number]:
        return None
    parts: list = [_as_part(p) for p in place]
    parts[axis] = _as_part(place[axis], start)
    return Equation(equation.outs, equation.op, (inner.args[number],), {"form": Form(tuple(parts))})


def _as_part(part: int | range, start: int = 0) -> int | slice:
    if isinstance(part, int):
        return part - start
    stop = part.stop - start
    return slice(part.start - start, stop if stop >= 0 else None, part.step)


def _read_reshaped(equation: Equation, form: Form, arrays: tuple, inner: Equation, builder: Builder) -> Any:
    """Look through an axis of length one that has been put in: what `stack` does."""
    (x,) = inner.args
    new, old = inner.outs[0].shape, type_of_atom(x)[0]
    place = place_of(form, new)
    if arrays or place is None or len(new) != len(old) + 1 or -1 in old:
        return None
    for axis, part in enumerate(place):
        if isinstance(part, int) and new[axis] == 1 and new[:axis] + new[axis + 1 :] == old:
            parts = tuple(_as_part(p) for i, p in enumerate(place) if i != axis)
            return Equation(equation.outs, equation.op, (x,), {"form": Form(parts)})
    return None


_READERS = {"update": _read_update, "scatter": _read_scatter, "concatenate": _read_joined, "reshape": _read_reshaped}


def write(equation: Equation, builder: Builder) -> Any:
    """``update`` after another one of the same place, or with what is there already."""
    y, value, *arrays = equation.args
    form, shape = equation.static["form"], equation.outs[0].shape
    before = builder.definition(y, "update")
    if before is not None and _same_place(form, tuple(arrays), before.static["form"], before.args[2:], shape):
        return Equation(equation.outs, equation.op, (before.args[0], value, *arrays), equation.static)
    place = place_of(form, shape)
    if place == tuple(map(range, shape)):
        return value
    there = builder.definition(value, "index")
    if there is None or there.args[0] is not y:
        return None
    return y if _same_place(form, tuple(arrays), there.static["form"], there.args[1:], shape) else None
