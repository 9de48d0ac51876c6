"""Statements written into each other where nothing is computed twice; and those that nobody needs, left out.

Each step takes a time that does not depend on how long the program is: expressions stay short, and who reads what is
kept in tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from mixgrad.compile.tensor import (
    Affine,
    Apply,
    Buffer,
    Call,
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
    written,
)  # fmt: skip

LONGEST = 50  # operations in an expression that others are still written into
CHEAP = frozenset((
    "add", "subtract", "multiply", "negative", "cast", "where", "absolute", "maximum", "minimum",
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
    "isnan", "isinf", "isfinite", "isposinf", "isneginf", "invert", "bitwise_and", "bitwise_or",
))  # fmt: skip

SMOOTH = frozenset(("add", "subtract", "multiply", "negative", "square"))


def inlined(statements: Sequence[Statement], wanted: Sequence[Buffer]) -> list[Statement]:
    """Return the statements that are needed, with cheap and single uses written where they are used."""
    current = _needed(list(statements), wanted)
    for region in current:
        if isinstance(region, Region):
            if region.test is not None:
                region.test = inlined(region.test, [region.truth])
            region.bodies = [inlined(body, needed) for body, needed in zip(region.bodies, region.wanted)]
    return _forwarded(_Inlining(current, wanted).statements)


class _Inlining:
    """Writes statements into those that read them.

    Attributes
    ----------
    statements : list of Statement
        What is left.
    """

    def __init__(self, statements: list[Statement], wanted: Sequence[Buffer]) -> None:
        self._places = {id(statement): place for place, statement in enumerate(statements)}
        self._all = statements
        self._wanted = {id(buffer) for buffer in wanted}
        self._readers: dict[int, dict[int, Statement]] = {}  # of a buffer: those that read it, and maybe others
        self._writers: dict[int, int] = {}
        for statement in statements:
            self._note(statement, [load.buffer for load in reads(statement)])
            for buffer in written(statement):
                self._writers[id(buffer)] = self._writers.get(id(buffer), 0) + 1
        gone = {id(statement) for statement in statements if self._write_into_readers(statement)}
        self.statements = [statement for statement in statements if id(statement) not in gone]

    def _note(self, statement: Statement, buffers: Sequence[Buffer]) -> None:
        for buffer in buffers:
            self._readers.setdefault(id(base_of(buffer)), {})[id(statement)] = statement

    def _write_into_readers(self, producer: Statement) -> bool:
        """Write a statement into all that read it; return whether that was done."""
        out = producer.out
        if producer.reduction or producer.adds or out.role != "temporary" or not plain(producer):
            return False
        if isinstance(producer, (Region, Call)) or id(out) in self._wanted or self._writers[id(out)] > 1:
            return False
        consumers = self._readers.get(id(out), {})
        often = _cheap(producer.expression) or (_spreads(producer) and all(map(_is_smooth, consumers.values())))
        if len(consumers) != 1 and not often:
            return False
        size = weight(producer.expression)
        if any(isinstance(s, (Region, Call)) or weight(s.expression) + size > LONGEST for s in consumers.values()):
            return False
        found = [(s, load) for s in consumers.values() for load in reads(s) if base_of(load.buffer) is out]
        if len(found) != 1 and not often:
            return False
        if not all(load.buffer is out and _reads_each_once(consumer, load, producer) for consumer, load in found):
            return False
        if any(self._changes_before(producer, consumer) for consumer in consumers.values()):
            return False
        for consumer in consumers.values():
            _inline(producer, consumer, [load for reader, load in found if reader is consumer])
            self._note(consumer, [load.buffer for load in reads(producer)])
        for load in reads(producer):
            self._readers[id(base_of(load.buffer))].pop(id(producer), None)
        return True

    def _changes_before(self, producer: Statement, consumer: Statement) -> bool:
        """Whether something that a statement reads is written to before another has run, or by that one."""
        changing = {id(base_of(load.buffer)) for load in reads(producer) if base_of(load.buffer).rewritten}
        between = slice(self._places[id(producer)] + 1, self._places[id(consumer)] + 1)
        return bool(changing) and any(
            id(base_of(buffer)) in changing for statement in self._all[between] for buffer in written(statement)
        )


def _needed(statements: list[Statement], wanted: Sequence[Buffer]) -> list[Statement]:
    """Leave out what neither an output nor what is wanted depends on."""
    needed = {id(base_of(buffer)) for buffer in wanted}
    result = []
    for statement in reversed(statements):
        used = any(buffer.role == "output" or id(base_of(buffer)) in needed for buffer in written(statement))
        if used or statement.checks:
            result.append(statement)
            needed |= {id(base_of(load.buffer)) for load in reads(statement)}
    return result[::-1]


def plain(statement: Statement) -> bool:
    """Whether a statement writes a whole buffer, each element at its own place."""
    return statement.out.writer is statement and all(
        part == 0 if isinstance(part, int) else isinstance(part, Affine) and part.full for part in statement.index
    )


def _cheap(expression: Expression) -> bool:
    return sum(1 for _ in loads(expression)) <= 1 and weight(expression, CHEAP) <= 2


def _spreads(producer: Statement) -> bool:
    """Whether a cheap statement makes a large array of small ones, which are read again sooner than the large one."""
    if weight(producer.expression, CHEAP) > 2:
        return False
    own = {part.axis.number for part in producer.index if isinstance(part, Affine)}
    return all({p.axis.number for p in load.index if isinstance(p, Affine)} < own for load in reads(producer))


def _is_smooth(consumer: Statement) -> bool:
    """Whether a statement makes nothing of rounding: the same numbers, computed twice, may differ by that."""
    if isinstance(consumer, (Region, Call)) or consumer.reduction not in ("", "sum"):
        return False
    return _made_of(consumer.expression, SMOOTH)


def _made_of(expression: Expression, names: frozenset) -> bool:
    if isinstance(expression, Apply):
        return expression.name in names and all(_made_of(arg, names) for arg in expression.args)
    return True


def weight(expression: Expression, cheap: frozenset = frozenset()) -> int:
    """Return the number of operations; those that are not cheap count more."""
    if isinstance(expression, Apply):
        own = 1 if expression.name in cheap or not cheap else 100
        return own + sum(weight(arg, cheap) for arg in expression.args)
    return 0


def _reads_each_once(consumer: Statement, load: Load, producer: Statement) -> bool:
    """Whether a statement reads each element of a buffer as often as it was computed: once."""
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
    readers: dict[int, int] = {}
    for statement in statements:
        for load in () if isinstance(statement, Call) else reads(statement):
            readers[id(base_of(load.buffer))] = readers.get(id(base_of(load.buffer)), 0) + 1
    return [statement for statement in statements if not _is_forwarded(statement, readers)]


def _is_forwarded(copy: Statement, readers: dict[int, int]) -> bool:
    """Let what is only copied to an output be that output; return whether that was done."""
    source = copy.expression
    if copy.out.role != "output" or not isinstance(source, Load) or not plain(copy):
        return False
    if source.buffer.role != "temporary" or readers[id(source.buffer)] != 1 or source.buffer.shape != copy.out.shape:
        return False
    if not all(same_place(a, b) for a, b in zip(source.index, copy.index)):
        return False
    source.buffer.role, source.buffer.number = "output", copy.out.number
    return True
