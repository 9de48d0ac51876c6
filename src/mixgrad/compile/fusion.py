"""Which statements run in the same loops: a program becomes a tree of loops, and most arrays in it a few numbers.

Statements are first written into each other where nothing is computed twice. Then the loops of those left are fused,
from the outside to the inside: statements that run over the same axis share a loop if what one of them reads of another
is what that one has just written. The longest axis, the rows of the data, is cut into tiles, with the rows of a tile in
the lanes of vectors: whatever is needed within one tile only never exists as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mixgrad.compile.selection import axis_of, picking, reindexed_pick, selected
from mixgrad.compile.tensor import (
    Affine,
    Apply,
    Axis,
    Buffer,
    Expression,
    Load,
    Region,
    Statement,
    base_of,
    loads,
    reads,
    reindexed,
    same_place,
    substitute,
    substituted,
    unify,
    written,
)  # fmt: skip

Part = Literal["", "tile", "lane", "row"]
Key = tuple[Axis, Part]
"""A loop: over an axis, over the tiles of the rows, or over the rows of a tile, several at once or one by one."""

SHORTEST_ROWS = 32
MOST_UNROLLED, LONGEST_UNROLLED = (
    1000,
    16,
)  # elements computed for a row, and length of an axis, to be written one by one
_CHEAP = frozenset((
    "add", "subtract", "multiply", "negative", "cast", "where", "absolute", "maximum", "minimum",
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
    "isnan", "isinf", "isfinite", "isposinf", "isneginf", "invert", "bitwise_and", "bitwise_or",
))  # fmt: skip


@dataclass(eq=False)
class Loop:
    """A loop, and what runs in it."""

    key: Key
    body: list[Loop | Statement] = field(default_factory=list)


# Statements written into each other -----------------------------------------------------------------------------------


def fused(statements: Sequence[Statement], width: int) -> Fusion:
    """Return the loops of statements, and of those in the loops and branches of the program among them."""
    statements = inlined(selected(statements), [])
    unify_axes(statements)
    return _fused(statements, width)


def _fused(statements: list[Statement], width: int) -> Fusion:
    for region in statements:
        if isinstance(region, Region):
            region.fused = [_fused(part, width) for part in region.parts()]
    rows = choose_rows(statements, width)
    if rows is None:
        return Fusion(statements, None)
    unrolled = small(statements, rows)
    return Fusion(statements if unrolled else packed(statements, rows), rows, unrolled)


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
            work += statement.volume() // rows.length
            own += len(axes) > 1
    return own > 0 and work <= MOST_UNROLLED


def inlined(statements: Sequence[Statement], wanted: Sequence[Buffer]) -> list[Statement]:
    """Return the statements that are needed, with cheap and single uses written where they are used."""
    current = _needed(list(statements), wanted)
    for region in current:
        if isinstance(region, Region):
            if region.test is not None:
                region.test = inlined(region.test, [region.truth])
            region.bodies = [inlined(body, needed) for body, needed in zip(region.bodies, region.wanted)]
    for producer in list(current):
        if producer.reduction or producer.adds or producer.out.role != "temporary" or not _plain(producer):
            continue
        if isinstance(producer, Region) or any(producer.out is buffer for buffer in wanted):
            continue
        readers = [(s, load) for s in current for load in reads(s) if base_of(load.buffer) is producer.out]
        writers = [s for s in current if producer.out in written(s)]
        if len(writers) > 1 or any(load.buffer is not producer.out for _, load in readers):
            continue
        if any(_changes_between(producer, consumer, current) for consumer, _ in readers):
            continue
        single = len(readers) == 1
        if not single and not _cheap(producer.expression):
            continue
        if all(_reads_each_once(consumer, load, producer) for consumer, load in readers):
            for consumer in {id(consumer): consumer for consumer, _ in readers}.values():
                _inline(producer, consumer, [load for reader, load in readers if reader is consumer])
            current.remove(producer)
    return _forwarded(current)


def _changes_between(producer: Statement, consumer: Statement, statements: list[Statement]) -> bool:
    """Whether something that a statement reads is written to before another statement has run, or by that one."""
    changing = {id(base_of(load.buffer)) for load in reads(producer) if base_of(load.buffer).rewritten}
    between = statements[statements.index(producer) + 1 : statements.index(consumer) + 1] if changing else ()
    return any(id(base_of(buffer)) in changing for statement in between for buffer in written(statement))


def _needed(statements: list[Statement], wanted: Sequence[Buffer]) -> list[Statement]:
    """Leave out what neither an output nor what is wanted depends on."""
    needed = {id(base_of(buffer)) for buffer in wanted}
    result = []
    for statement in reversed(statements):
        if any(buffer.role == "output" or id(base_of(buffer)) in needed for buffer in written(statement)):
            result.append(statement)
            needed |= {id(base_of(load.buffer)) for load in reads(statement)}
    return result[::-1]


def _plain(statement: Statement) -> bool:
    """Whether a statement writes a whole buffer, each element at its own place."""
    return statement.out.writer is statement and all(
        part == 0 if isinstance(part, int) else isinstance(part, Affine) and part.full for part in statement.index
    )


def _cheap(expression: Expression) -> bool:
    return sum(1 for _ in loads(expression)) <= 1 and _weight(expression, _CHEAP) <= 2


def _weight(expression: Expression, cheap: frozenset = frozenset()) -> int:
    """Return the number of operations; those that are not cheap count more."""
    if isinstance(expression, Apply):
        own = 1 if expression.name in cheap or not cheap else 100
        return own + sum(_weight(arg, cheap) for arg in expression.args)
    return 0


def _reads_each_once(consumer: Statement, load: Load, producer: Statement) -> bool:
    """Whether a statement reads each element of a buffer as often as it was computed: once."""
    if isinstance(consumer, Region):
        return False
    axes = [part.axis for part in load.index if isinstance(part, Affine)]
    whole = all(isinstance(part, int) or (isinstance(part, Affine) and part.full) for part in load.index)
    return whole and len(set(axes)) == len(axes) and consumer.volume() == producer.volume() and (
        {axis.number for axis in axes} == {axis.number for axis in consumer.loops()}
    )  # fmt: skip


def _inline(producer: Statement, consumer: Statement, found: Sequence[Load]) -> None:
    """Write a statement where its results are read."""
    new = {}
    for load in found:
        places = {part.axis: place for part, place in zip(producer.index, load.index) if isinstance(part, Affine)}
        new[id(load)] = reindexed(producer.expression, places)
    consumer.expression = substitute(consumer.expression, new)
    consumer.index = substituted(consumer.index, new)


def _forwarded(statements: list[Statement]) -> list[Statement]:
    """Let statements write to outputs directly, where nothing else reads what is copied there."""
    result = list(statements)
    for copy in statements:
        source = copy.expression
        if copy.out.role != "output" or not isinstance(source, Load) or not _plain(copy):
            continue
        if source.buffer.role != "temporary" or [same_place(a, b) for a, b in zip(source.index, copy.index)].count(
            False
        ):
            continue
        readers = [s for s in result for load in reads(s) if base_of(load.buffer) is source.buffer]
        if len(readers) == 1 and source.buffer.shape == copy.out.shape:
            source.buffer.role, source.buffer.number = "output", copy.out.number
            result.remove(copy)
    return result


# Axes -----------------------------------------------------------------------------------------------------------------


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
    """Return the axis to put into the lanes of vectors: the one with which the program costs least."""
    classes = {axis.root() for statement in statements for axis in statement.loops()}
    best, least = None, sum(map(_scalar_cost, statements))
    for axis in sorted(classes, key=lambda axis: axis.number):
        if axis.length >= SHORTEST_ROWS:
            cost = sum(_cost(statement, axis, width) for statement in statements)
            if cost < least:
                best, least = axis, cost
    return best


def _scalar_cost(statement: Statement) -> float:
    return statement.volume() * (1 + _weight(statement.expression) + sum(1 for _ in reads(statement)))


def _cost(statement: Statement, rows: Axis, width: int) -> float:
    if all(axis.root() is not rows for axis in statement.loops()):
        return _scalar_cost(statement)
    cost = 1.0 + _weight(statement.expression)
    for load in reads(statement):
        at = [i for i, part in enumerate(load.index) if isinstance(part, Affine) and part.axis.root() is rows]
        if not at:
            continue
        last = max((i for i, n in enumerate(load.buffer.shape) if n != 1), default=0)
        whole = base_of(load.buffer).role in ("input", "constant")
        cost += width if whole and at != [last] else 1
    return statement.volume() * cost / width


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
    if out.role != "output" or not _plain(statement) or any(axis.root() is rows for axis in statement.reduced):
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


# Loops ----------------------------------------------------------------------------------------------------------------


class Fusion:
    """Builds the tree of loops.

    Attributes
    ----------
    rows : Axis or None
        The axis that is cut into tiles.
    unrolled : bool
        Whether the loops over rows are the outer ones, and those in them are written out step by step.
    """

    def __init__(self, statements: Sequence[Statement], rows: Axis | None, unrolled: bool = False) -> None:
        self.rows = rows
        self.unrolled = unrolled
        self._needs, self._waits = dependencies(statements)
        self._rank = _ranks(statements)
        self._inside = {} if rows is None else summed_at_once(statements, rows)
        self.body = self._build(self._in_phases(statements), frozenset())

    def _in_phases(self, statements: Sequence[Statement]) -> list[Statement]:
        """Return the statements with those that run over rows together, and all that they need before them."""
        phases: dict[int, int] = {}
        for statement in statements:
            over_rows = int(any(axis.root() is self.rows for axis in statement.loops()))
            before = self._needs[id(statement)] + self._waits[id(statement)]
            first = max((phases[id(other)] for other in before if other is not statement), default=0)
            phases[id(statement)] = first + (first % 2 != over_rows)
        return sorted(statements, key=lambda statement: phases[id(statement)])

    def keys(self, statement: Statement) -> list[Key]:
        """Return the loops of a statement, from the outside to the inside: sums inside, lanes inside of all others."""
        if statement.ordered:
            return [(axis.root(), "") for axis in statement.axes]
        rows = self.rows
        kept = [axis.root() for axis in statement.axes]
        reduced = [axis.root() for axis in statement.reduced]
        order = lambda axes: [(a, "") for a in sorted(axes, key=lambda a: self._rank[a.number]) if a is not rows]
        lane: list[Key] = [] if rows is None else [(rows, "lane")]
        tile: list[Key] = [] if rows is None or rows not in kept + reduced else [(rows, "tile")]
        if statement.single:
            return [*tile, (rows, "row"), *order(kept)] if tile else order(kept)  # type: ignore[list-item]
        if self.unrolled and rows in kept:
            return [*tile, *lane, *order(kept), *order(reduced)]
        inside = self._inside.get(id(statement), frozenset())
        result: list[Key] = [*tile, *order(set(kept) - inside)]
        if rows in kept:
            result += [*lane, *order(inside)]
        result += order(reduced)
        return result + (lane if rows in reduced else [])

    def _build(self, statements: list[Statement], opened: frozenset[Key]) -> list[Loop | Statement]:
        groups: list[tuple[Key | None, list[Statement]]] = []
        place: dict[int, int] = {}
        for statement in statements:
            remaining = [key for key in self.keys(statement) if key not in opened]
            key = remaining[0] if remaining else None
            first = 0
            for producer in self._needs[id(statement)]:
                if id(producer) in place:
                    number = place[id(producer)]
                    together = key is not None and groups[number][0] == key and fusable(producer, statement, key[0])
                    first = max(first, number + (0 if together else 1))
            for reader in self._waits[id(statement)]:
                if id(reader) in place and reader is not statement:
                    first = max(first, place[id(reader)] + 1)
            number = next(
                (i for i in range(first, len(groups)) if key is not None and groups[i][0] == key), len(groups)
            )
            if number == len(groups):
                groups.append((key, []))
            groups[number][1].append(statement)
            place[id(statement)] = number
        result: list[Loop | Statement] = []
        for key, members in groups:
            if key is None:
                result += members
            else:
                result.append(Loop(key, self._build(members, opened | {key})))
        return result


def summed_at_once(statements: Sequence[Statement], rows: Axis) -> dict[int, frozenset[Axis]]:
    """Return, by the identity of statements, the axes that the only reader of a result sums over.

    If both have the same loops otherwise, these are best the innermost ones: the result is a number then, no array.
    """
    readers: dict[int, list[Statement]] = {}
    for statement in statements:
        for load in reads(statement):
            readers.setdefault(id(base_of(load.buffer)), []).append(statement)
    result = {}
    for statement in statements:
        found = readers.get(id(statement.out), [])
        if len(found) != 1 or statement.out.role != "temporary" or isinstance(found[0], Region):
            continue
        kept, outer = ({axis.root() for axis in s.axes} for s in (statement, found[0]))
        inside = kept & {axis.root() for axis in found[0].reduced}
        if rows in kept and inside and kept - inside == outer:
            result[id(statement)] = frozenset(inside)
    return result


def _ranks(statements: Sequence[Statement]) -> dict[int, float]:
    """Return a number for each axis: how far from the inside results have it, on average."""
    found: dict[int, list[int]] = {}
    for statement in statements:
        for axes in (statement.axes, statement.reduced):
            for i, axis in enumerate(axes):
                found.setdefault(axis.root().number, []).append(i - len(axes))
    return {number: sum(places) / len(places) + 1e-9 * number for number, places in found.items()}


def dependencies(statements: Sequence[Statement]) -> tuple[dict[int, list[Statement]], dict[int, list[Statement]]]:
    """Return, by the identity of statements, those that must have run before, and those that must have read before.

    A statement that writes to a buffer must wait until the loops of those are over that read its old content.
    """
    writers: dict[int, list[Statement]] = {}
    readers: dict[int, list[Statement]] = {}
    needed, waited = {}, {}
    for statement in statements:
        read = [base_of(load.buffer) for load in reads(statement)]
        outs = [base_of(buffer) for buffer in written(statement)]
        needed[id(statement)] = [writer for buffer in read + outs for writer in writers.get(id(buffer), [])]
        waited[id(statement)] = [reader for buffer in outs for reader in readers.get(id(buffer), [])]
        for buffer in outs:
            writers.setdefault(id(buffer), []).append(statement)
        for buffer in read:
            readers.setdefault(id(buffer), []).append(statement)
    return needed, waited


def fusable(producer: Statement, consumer: Statement, axis: Axis) -> bool:
    """Whether a step of a loop over `axis` of the producer gives all that the same step of the consumer needs."""
    place = place_of_axis(producer.index, axis)
    if place is None:
        return False
    if base_of(consumer.out) is base_of(producer.out) and place_of_axis(consumer.index, axis) != place:
        return False
    return all(
        load.buffer is producer.out and place_of_axis(load.index, axis) == place
        for load in reads(consumer)
        if base_of(load.buffer) is base_of(producer.out)
    )


def place_of_axis(index: Sequence[Any], axis: Axis) -> int | None:
    """Return the dimension that is indexed by `axis`, which must be one, element by element."""
    found = [i for i, part in enumerate(index) if isinstance(part, Affine) and part.axis.root() is axis]
    return found[0] if len(found) == 1 and index[found[0]].full else None


def paths(
    body: Iterable[Loop | Statement], outer: tuple[Loop, ...] = ()
) -> Iterator[tuple[Statement, tuple[Loop, ...]]]:
    """Yield the statements in a tree of loops, with the loops around each."""
    for node in body:
        if isinstance(node, Loop):
            yield from paths(node.body, (*outer, node))
        else:
            yield node, outer


def everything(fusion: Fusion) -> Iterator[tuple[Statement, tuple[Loop, ...]]]:
    """Yield the statements of a tree of loops, and of those in loops and branches of the program, with their loops."""
    for statement, path in paths(fusion.body):
        yield statement, path
        if isinstance(statement, Region):
            for part in statement.fused:
                yield from everything(part)
