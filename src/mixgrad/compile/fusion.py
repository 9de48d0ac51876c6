"""Which statements run in the same loops: a program becomes a tree of loops, and most arrays in it a few numbers.

Statements are first written into each other where nothing is computed twice. Then the loops of those left are fused,
from the outside to the inside: statements that run over the same axis share a loop if what one of them reads of another
is what that one has just written. The longest axis, the rows of the data, is cut into tiles, with the rows of a tile in
the lanes of vectors: whatever is needed within one tile only never exists as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mixgrad.compile.axes import choose_rows, packed, place_of_axis, small, unify_axes
from mixgrad.compile.inlining import inlined
from mixgrad.compile.selection import selected
from mixgrad.compile.tensor import Axis, Region, Statement, base_of, reads, written
from mixgrad.compile.triangles import find_triangles

Part = Literal["", "tile", "lane", "row"]
Key = tuple[Axis, Part]
"""A loop: over an axis, over the tiles of the rows, or over the rows of a tile, several at once or one by one."""


@dataclass(eq=False)
class Loop:
    """A loop, and what runs in it."""

    key: Key
    body: list[Loop | Statement] = field(default_factory=list)


def fused(statements: Sequence[Statement], width: int, triangles: bool = False) -> Fusion:
    """Return the loops of statements, and of those in the loops and branches of the program among them.

    With `triangles` zeros that are known beforehand are left out; what multiplies them must be finite.
    """
    statements = inlined(selected(statements), [])
    unify_axes(statements)
    if triangles:
        find_triangles(statements)
    return _fused(statements, width)


def _fused(statements: list[Statement], width: int) -> Fusion:
    for region in statements:
        if isinstance(region, Region):
            region.fused = [_fused(part, width) for part in region.parts()]
    rows = choose_rows(statements, width)
    if rows is None:
        return Fusion(statements, None)
    for statement in statements:
        if statement.triangle is not None and statement.triangle.other(rows) is not None:
            statement.triangle = None  # all lanes of a vector have the same steps
    unrolled = small(statements, rows)
    return Fusion(statements if unrolled else packed(statements, rows), rows, unrolled)


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
