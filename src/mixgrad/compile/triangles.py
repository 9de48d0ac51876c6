"""Matrices of which one half is zero, or is never read: the loops over them leave that half out.

What a program writes into an array of zeros at constant places, and what it reads of a result, is known beforehand.
Where all of that lies in one triangle of two axes, sums over the other triangle add nothing. For numbers that are not
finite they would: that is seen in the longest sum, which has all of them, and reported like an index out of bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from mixgrad.compile.inlining import plain
from mixgrad.compile.tensor import (
    Affine,
    Apply,
    Axis,
    Buffer,
    Call,
    Expression,
    Load,
    Number,
    Region,
    Statement,
    Triangle,
    base_of,
    reads,
)  # fmt: skip

SHORTEST, LONGEST = 4, 1024  # axes of a triangle
_Indices = list[Sequence[Any]]


def find_triangles(statements: Sequence[Statement]) -> None:
    """Note in statements, outside of loops and branches of the program, which half of two axes they can leave out."""
    written: dict[int, list[Statement]] = {}
    read: dict[int, _Indices] = {}
    made: set[int] = set()  # by loops, branches and routines: nobody knows where
    closed: set[int] = set()  # read by them, or in another shape
    for statement in statements:
        if isinstance(statement, (Region, Call)):
            made |= {id(base_of(buffer)) for buffer in statement.results}
        else:
            written.setdefault(id(base_of(statement.out)), []).append(statement)
        for load in reads(statement):
            read.setdefault(id(base_of(load.buffer)), []).append(load.index)
            if isinstance(statement, (Region, Call)) or load.buffer.role == "alias":
                closed.add(id(base_of(load.buffer)))
    known: dict[tuple[int, int, int], bool | None] = {}
    for statement in statements:
        if isinstance(statement, (Region, Call)) or statement.ordered or statement.adds:
            continue
        if statement.reduction == "sum":
            statement.triangle = _of_factor(statement, written, made, known)
        if statement.triangle is None and id(statement.out) not in made | closed and plain(statement):
            statement.triangle = _of_result(statement, read.get(id(statement.out), []))


def _of_factor(
    statement: Statement, written: dict[int, list[Statement]], made: set[int], known: dict
) -> Triangle | None:
    """Return the triangle outside of which a factor of what is summed is zero."""
    reduced = {axis.root() for axis in statement.reduced}
    for load in _factors(statement.expression):
        base = base_of(load.buffer)
        for a, b in _pairs(load.index, load.buffer):
            first, second = load.index[a].axis.root(), load.index[b].axis.root()
            writers = written.get(id(base), [])
            if base.role != "temporary" or id(base) in made or (first in reduced) == (second in reduced):
                continue
            if any(buffer.shape != base.shape for buffer in (load.buffer, *(s.out for s in writers))):
                continue
            key = id(base), a, b
            if key not in known:
                known[key] = _half([s.index for s in writers if not _is_zero(s.expression)], a, b, base.shape[a])
            if known[key] is not None:
                low, high = (second, first) if known[key] else (first, second)
                return Triangle(low, high, summed=first if first in reduced else second)
    return None


def _of_result(statement: Statement, read: _Indices) -> Triangle | None:
    """Return the triangle to which all that is read of a result belongs."""
    out = statement.out
    if out.role != "temporary" or not read:
        return None
    for a, b in _pairs(statement.index, out):
        half = _half(read, a, b, out.shape[a])
        if half is not None:
            first, second = statement.index[a].axis.root(), statement.index[b].axis.root()
            return Triangle(*((second, first) if half else (first, second)))
    return None


def _factors(expression: Expression) -> Iterator[Load]:
    """Yield the elements of buffers by which a product is multiplied."""
    if isinstance(expression, Load):
        yield expression
    elif isinstance(expression, Apply) and expression.name in ("multiply", "negative"):
        for arg in expression.args:
            yield from _factors(arg)


def _is_zero(expression: Expression) -> bool:
    return isinstance(expression, Number) and expression.value == 0


def _pairs(index: Sequence[Any], buffer: Buffer) -> Iterator[tuple[int, int]]:
    """Yield pairs of dimensions of equal length that two different axes run through."""
    whole = [i for i, part in enumerate(index) if isinstance(part, Affine) and part.full]
    for a, b in combinations(whole, 2):
        if (
            SHORTEST <= buffer.shape[a] == buffer.shape[b] <= LONGEST
            and index[a].axis.root() is not index[b].axis.root()
        ):
            yield a, b


def _half(indices: Iterable[Sequence[Any]], a: int, b: int, length: int) -> bool | None:
    """Return whether indices of two dimensions only meet the lower half, True, or the upper one, False; else None."""
    lower = upper = True
    for index in indices:
        places = _places(index[a], length), _places(index[b], length)
        if places[0] is None or places[1] is None:
            return None
        (axes, rows), (others, columns) = places
        if axes != others:
            rows, columns = rows.reshape(-1, 1), columns.reshape(1, -1)
        lower, upper = lower and bool(np.all(columns <= rows)), upper and bool(np.all(rows <= columns))
        if not lower and not upper:
            return None
    return True if lower else False if upper else None


def _places(part: Any, length: int) -> tuple[Axis | None, np.ndarray] | None:
    """Return the places that an index takes, and along which axis; None if they are not known."""
    if isinstance(part, int):
        return None, np.array([part])
    if type(part) is Affine:
        return part.axis.root(), part.offset + part.step * np.arange(part.axis.length)
    if isinstance(part, Apply) and part.name == "index":
        (array, _) = part.args
        if isinstance(array, Load) and array.buffer.role == "constant" and len(array.index) == 1:
            (own,) = array.index
            if type(own) is Affine and own.full:
                values = array.buffer.value.astype(np.int64)
                return own.axis.root(), np.where(values < 0, values + length, values)
    return None
