"""Which axes are the same loop, which of them are the rows, and what must be copied to have rows side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mixgrad.compile.inlining import plain, weight
from mixgrad.compile.selection import axis_of, picking, reindexed_pick
from mixgrad.compile.tensor import Affine, Axis, Buffer, Load, Region, Statement, base_of, reads, unify, volume

SHORTEST_ROWS = 32
GAIN_OF_SHORT = 0.75
TILE, LONG, SMALL_TILE = 64, 256, 16  # rows in a tile: many, if there are at least LONG of them
ADDED_UP = 8  # operations that adding up the lanes of a vector takes
# What is written out: elements computed for a row, by all statements and by each, and the length of an axis.
MOST_UNROLLED, MOST_OF_EACH, LONGEST_UNROLLED = 500, 64, 16


def unify_axes(statements: Sequence[Statement]) -> None:
    """Find out which axes may be the same loop: first those that name results, then those that are summed over."""
    statements = list(_all(statements))
    for among_reduced in (False, True):
        for statement in statements:
            reduced = {axis.number for axis in statement.reduced}
            for load in reads(statement):
                for part, own in zip(load.index, load.buffer.axes):
                    whole = isinstance(part, Affine) and part.full and own is not None
                    if whole and (part.axis.number in reduced) == among_reduced:
                        unify(part.axis, own)
            for part, own in zip(statement.index, statement.out.axes):  # several statements may write to one buffer
                if isinstance(part, Affine) and part.full and own is not None:
                    unify(part.axis, own)


def _all(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Yield statements, and those in loops and branches of the program instead of these."""
    for statement in statements:
        if isinstance(statement, Region):
            for part in statement.parts():
                yield from _all(part)
        else:
            yield statement


def choose_rows(statements: Sequence[Statement], width: int) -> Axis | None:
    """Return the axis to put into the lanes of vectors: the one with which the program costs least.

    A long one is better than a short one of nearly the same cost: threads share it, and what it needs lies in tiles.
    """
    classes = {axis.root() for statement in statements for axis in statement.loops()}
    best, least = None, sum(map(_scalar_cost, statements))
    for axis in sorted(classes, key=lambda axis: (-axis.length, axis.number)):
        if axis.length >= SHORTEST_ROWS:
            cost = sum(_cost(statement, axis, width) for statement in statements)
            if cost < (least if best is None or best.length == axis.length else GAIN_OF_SHORT * least):
                best, least = axis, cost
    return best


def _scalar_cost(statement: Statement) -> float:
    return statement.volume() * (1 + weight(statement.expression) + sum(1 for _ in reads(statement)))


def _cost(statement: Statement, rows: Axis, width: int) -> float:
    if all(axis.root() is not rows for axis in statement.loops()):
        return _scalar_cost(statement)
    cost, known = 1.0 + weight(statement.expression), set[int]()
    for load in reads(statement):
        at = [i for i, part in enumerate(load.index) if isinstance(part, Affine) and part.axis.root() is rows]
        if not at:
            continue
        last = max((i for i, n in enumerate(load.buffer.shape) if n != 1), default=0)
        apart = base_of(load.buffer).role in ("input", "constant") and at != [last]
        copied = min(1.0, load.buffer.size / max(statement.volume(), 1))  # to tiles, before it is read many times
        cost += 1 + (width - 1) * copied if apart and id(load.buffer) not in known else 1
        known.add(id(load.buffer))
    sums = ADDED_UP * _sums_of_lanes(statement, rows)
    return statement.volume() * cost / width + sums


def tile_of(length: int) -> int:
    """Return how many rows a tile has, of so many."""
    return TILE if length >= LONG else SMALL_TILE


def _sums_of_lanes(statement: Statement, rows: Axis) -> int:
    """Return how many vectors have lanes that are added up in the end: one in each tile for each element.

    Only where another axis is longer, so that it is done often; sums over the longest one have many rows for each.
    """
    longer = any(axis.length > rows.length for axis in statement.axes)
    if not longer or all(axis.root() is not rows for axis in statement.reduced):
        return 0
    return volume([axis.length for axis in statement.axes]) * -(-rows.length // tile_of(rows.length))


def small(statements: Sequence[Statement], rows: Axis) -> bool:
    """Whether what is computed for a row is so little that all of it can be written out, in registers."""
    work, own = 0, 0
    for statement in statements:
        axes = [axis.root() for axis in statement.loops()]
        if isinstance(statement, Region):
            return False
        if rows in axes and not any(axis.root() is rows for axis in statement.reduced):
            if statement.ordered or any(axis.length > LONGEST_UNROLLED for axis in axes if axis is not rows):
                return False
            each = statement.volume() // rows.length
            if each > MOST_OF_EACH:
                return False
            work += each
            own += len(axes) > 1
    return own > 0 and work <= MOST_UNROLLED


def packed(statements: Sequence[Statement], rows: Axis) -> list[Statement]:
    """Let arguments be copied into tiles first, and results out of them, if their rows do not lie side by side."""
    found: dict[tuple[int, tuple], list[tuple[Statement, Load]]] = {}
    result = []
    for statement in statements:
        result.append(statement)
        if isinstance(statement, Region):
            continue
        for load in reads(statement):
            key = _rows_far_apart(load, rows)
            if key is not None:
                found.setdefault(key, []).append((statement, load))
        if _writes_rows_far_apart(statement, rows):
            result.append(_copy_out_of_tiles(statement))
    copies = []
    for (_, picked), uses in found.items():
        copy = _copy_of_picked(uses[0][1], picked[0], rows) if picked else _copy_of_all(uses[0][1].buffer)
        if sum(statement.volume() for statement, _ in uses) > copy.out.size:
            copies.append(copy)
            for _, load in uses:
                load.buffer = copy.out
                if picked:
                    load.index = [*load.index[: picked[0]], Affine(rows), *load.index[picked[0] + 1 :]]
    return copies + result


def _writes_rows_far_apart(statement: Statement, rows: Axis) -> bool:
    out = statement.out
    if out.role != "output" or not plain(statement) or any(axis.root() is rows for axis in statement.reduced):
        return False
    place = place_of_axis(statement.index, rows)
    return place is not None and any(n != 1 for n in out.shape[place + 1 :])


def _copy_out_of_tiles(statement: Statement) -> Statement:
    """Let a statement write to a temporary array; return the one that copies it to where it belongs."""
    out = statement.out
    copy = _copy(Buffer(out.shape, out.dtype), out)
    source = copy.expression.buffer
    statement.out, source.writer, source.axes = source, statement, out.axes
    return copy


def _rows_far_apart(load: Load, rows: Axis) -> tuple[int, tuple] | None:
    """Return what tells arrays from each other that are read row by row, rows far apart or picked; None for others.

    The second part is empty, or the dimension of the picked rows and what tells these from others.
    """
    buffer = load.buffer
    if buffer.role not in ("input", "constant"):
        return None
    place = place_of_axis(load.index, rows)
    if place is not None:
        apart = any(n != 1 for n in buffer.shape[place + 1 :]) and _place_of(buffer, rows) == place
        return (id(buffer), ()) if apart else None
    others = [i for i, part in enumerate(load.index) if not isinstance(part, (int, Affine))]
    whole = all(part.full for part in load.index if isinstance(part, Affine))
    if len(others) != 1 or not whole:
        return None
    pick = load.index[others[0]]
    if picking(pick) is None or axis_of(pick).root() is not rows:
        return None
    return id(buffer), (others[0], picking(pick))


def _copy_of_all(source: Buffer) -> Statement:
    return _copy(source, Buffer(source.shape, source.dtype))


def _copy_of_picked(load: Load, place: int, rows: Axis) -> Statement:
    """Return the statement that copies those rows of an array that are read."""
    source = load.buffer
    shape = (*source.shape[:place], rows.length, *source.shape[place + 1 :])
    known = [rows if i == place else axis for i, axis in enumerate(source.axes or [None] * len(shape))]
    copy = _copy(source, Buffer(shape, source.dtype), known)
    copy.expression.index[place] = reindexed_pick(load.index[place], copy.out.axes[place])
    return copy


def _place_of(buffer: Buffer, axis: Axis) -> int | None:
    found = [i for i, own in enumerate(buffer.axes) if own is not None and own.root() is axis]
    return found[0] if len(found) == 1 else None


def _copy(source: Buffer, target: Buffer, known: Sequence[Axis | None] = ()) -> Statement:
    """Return the statement that copies a buffer, row by row; its axes are the `known` ones if that can be."""
    copy = Statement(target, single=True)
    known = known or source.axes or target.axes
    target.writer, target.axes = copy, [None if n == 1 else Axis(n, copy) for n in target.shape]
    for new, old in zip(target.axes, known):
        if new is not None and old is not None:
            unify(new, old)
    copy.index = [0 if axis is None else Affine(axis) for axis in target.axes]
    copy.axes = [axis for axis in target.axes if axis is not None]
    copy.expression = Load(source, list(copy.index))
    return copy


def place_of_axis(index: Sequence[Any], axis: Axis) -> int | None:
    """Return the dimension that is indexed by `axis`, which must be one, element by element."""
    found = [i for i, part in enumerate(index) if isinstance(part, Affine) and part.axis.root() is axis]
    return found[0] if len(found) == 1 and index[found[0]].full else None
