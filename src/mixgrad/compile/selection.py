"""Rows that are picked out of an array, ``x[rows]``: only they are computed, and they are fetched once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from mixgrad.compile.inlining import plain
from mixgrad.compile.tensor import (
    Affine,
    Apply,
    Axis,
    Buffer,
    Call,
    Load,
    Number,
    Position,
    Region,
    Statement,
    base_of,
    loads,
    reads,
    reindexed,
    written,
)  # fmt: skip


def selected(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements, computing of arrays only the elements that are picked: ``f(x)[i]`` becomes ``f(x[i])``.

    That is done where all readers pick by the same indices, which are fewer than the elements there are.
    """
    result = []
    readers: dict[int, list[tuple[Statement, Load]]] = {}
    writers = Counter(id(base_of(buffer)) for statement in statements for buffer in written(statement))
    for statement in reversed(statements):
        if writers[id(statement.out)] == 1 and _is_whole(statement):
            found = _picked(statement.out, readers.get(id(statement.out), []))
            statement = statement if found is None else _of_picked(statement, *found)
        result.append(statement)
        for load in reads(statement):
            readers.setdefault(id(base_of(load.buffer)), []).append((statement, load))
    return result[::-1]


def _is_whole(statement: Statement) -> bool:
    """Whether a statement computes a temporary array, each element by itself."""
    if (
        isinstance(statement, (Region, Call))
        or statement.adds
        or statement.ordered
        or statement.out.role != "temporary"
    ):
        return False
    return plain(statement) and not statement.out.rewritten


def _picked(out: Buffer, readers: list[tuple[Statement, Load]]) -> tuple[int, list[Load]] | None:
    """Return the dimension of an array that is read only at picked places, and what reads it."""
    if not readers or any(load.buffer is not out or isinstance(s, (Region, Call)) for s, load in readers):
        return None
    first = readers[0][1]
    for place, length in enumerate(out.shape):
        name = picking(first.index[place])
        if name is None or axis_of(first.index[place]).length >= length:
            continue
        if all(picking(load.index[place]) == name for _, load in readers):
            return place, list({id(load): load for _, load in readers}.values())
    return None


def _of_picked(statement: Statement, place: int, picks: list[Load]) -> Statement:
    """Return the statement that computes only what is picked, and let its readers read all of that."""
    pick = picks[0].index[place]
    count = axis_of(pick).length
    old = statement.out
    out = Buffer((*old.shape[:place], count, *old.shape[place + 1 :]), old.dtype)
    new = Statement(out, reduction=statement.reduction)
    out.writer = new
    axis = Axis(count, new)
    out.axes = [axis if i == place else a and Axis(a.length, new) for i, a in enumerate(old.axes)]
    places: dict[Axis, Any] = {}
    for i, part in enumerate(statement.index):
        own = out.axes[i]
        if isinstance(part, Affine) and own is not None:
            places[part.axis] = reindexed_pick(pick, axis) if i == place else Affine(own)
    places |= {old: Affine(Axis(old.length, new)) for old in statement.reduced}
    new.axes = [own for own in out.axes if own is not None]
    new.reduced = [places[old].axis for old in statement.reduced]
    new.index = [0 if own is None else Affine(own) for own in out.axes]
    new.expression = reindexed(statement.expression, places)
    for load in picks:
        load.buffer, load.index = (
            out,
            [*load.index[:place], Affine(axis_of(load.index[place])), *load.index[place + 1 :]],
        )
    return new


def picking(index: Any) -> Hashable:
    """Return what tells picked places from others, indices in an argument along one axis; None if not that."""
    if isinstance(index, (int, Affine)):
        return None
    known = all(load.buffer.role in ("input", "constant") for load in loads(index))
    axes = list(_axes(index))
    return (
        name_of(index, lambda part: "place")
        if known and len(axes) == 1 and all(part.full for part in _affine(index))
        else None
    )


def axis_of(index: Any) -> Axis:
    """Return the axis that picked places run along."""
    return next(_axes(index))


def reindexed_pick(index: Any, axis: Axis) -> Any:
    """Return picked places along another axis."""
    return reindexed(index, {axis_of(index): Affine(axis)})


def _affine(index: Any) -> Iterator[Affine]:
    if isinstance(index, Affine):
        yield index
    elif isinstance(index, Position):
        yield from _affine(index.index)
    for part in index.index if isinstance(index, Load) else index.args if isinstance(index, Apply) else ():
        yield from _affine(part)


def _axes(index: Any) -> Iterator[Axis]:
    yield from dict.fromkeys(part.axis for part in _affine(index))


def name_of(index: Any, place: Callable[[Affine], Hashable]) -> Hashable:
    """Return what tells elements of arrays from each other; `place` says that of a place along an axis."""
    if isinstance(index, Load):
        return id(index.buffer), *(name_of(part, place) for part in index.index)
    if isinstance(index, Apply):
        return index.name, index.dtype, *(name_of(part, place) for part in index.args)
    if isinstance(index, Affine):
        return place(index)
    if isinstance(index, Position):
        return "position", name_of(index.index, place)
    return (repr(index.value), index.dtype) if isinstance(index, Number) else index
