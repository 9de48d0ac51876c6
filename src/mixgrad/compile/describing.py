"""The plan of a compiled program in words: loops, what is computed in them, what is stored, what NumPy does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from mixgrad.compile.blas import OF_BLAS, full_name
from mixgrad.compile.fusion import Fusion, Loop, everything, paths
from mixgrad.compile.lengths import USUAL, Length, is_fixed
from mixgrad.compile.planning import Plan
from mixgrad.compile.tensor import (
    Apply,
    Buffer,
    Call,
    Expression,
    Load,
    Operand,
    Region,
    Statement,
    base_of,
    reads,
    volume,
    written,
)

_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "strong_product": "*"}
_FREE = ("cast", "where", "index", "copysign", "negative", "positive", "absolute")  # what moves or marks numbers


class Description:
    """Writes the plan of one kernel.

    Buffers are called by role and number: `in0`, `out0`, `t0`; a temporary array that is never in memory as a whole is
    written with the part of it that is.
    """

    def __init__(self, fusion: Fusion) -> None:
        self._plan = Plan(fusion)
        self._names: dict[int, str] = {}
        self._count = Counter[str]()
        self.lines = list(self._body(fusion.body, 0, fusion))
        buffers = {id(base_of(b)): base_of(b) for s, _ in everything(fusion) for b in _buffers(s)}
        whole = [b for b in buffers.values() if b.role == "temporary" and not self._plan.contracted.get(id(b))]
        work = sum(statement.volume() for statement, _ in everything(fusion))
        rows = (
            ""
            if is_fixed([loop.key[0].length for _, path in everything(fusion) for loop in path])
            else (f" for {USUAL} rows")
        )
        operations = operations_of(fusion)
        known = "" if operations is None else f"; {operations} operations on numbers{rows}"
        self.lines.append(f"{work} elements computed{rows}; temporary arrays held as a whole: {_bytes(whole)}{known}")

    def _body(self, body: Sequence[Loop | Statement], depth: int, fusion: Fusion) -> Iterator[str]:
        margin = "    " * depth
        for node in body:
            if isinstance(node, Loop):
                yield margin + _heading(node, fusion)
                yield from self._body(node.body, depth + 1, fusion)
            elif isinstance(node, Region):
                yield from self._region(node, depth)
            elif isinstance(node, Call):
                yield margin + self._call(node)
            else:
                how = {"": "=", "sum": "+="}.get(node.reduction, f"= {node.reduction} of")
                yield f"{margin}{self._name(node.out)} {'+=' if node.adds else how} {self._text(node.expression)}"

    def _region(self, region: Region, depth: int) -> Iterator[str]:
        margin = "    " * depth
        if region.test is not None:
            titles = ["while:", "do:"]
        elif region.counter is not None:
            steps = "as many steps as were stacked" if region.steps is not None else f"{region.counter.length} steps"
            titles = [f"{steps}{', from the last one' if region.reverse else ''}:"]
        else:
            assert region.truth is not None
            titles = [f"if not {self._name(region.truth)}:", "else:"]
        for title, part in zip(titles, region.fused):
            yield margin + title
            yield from self._body(part.body, depth + 1, part)

    def _call(self, call: Call) -> str:
        places = [argument.load.buffer for argument in call.arguments if isinstance(argument, Operand)]
        title, times = "argsort", volume(call.rounds)
        if call.routine != "argsort":
            library = "BLAS" if call.routine in OF_BLAS else "LAPACK"
            title = f"{library}: {full_name(call.routine, call.results[0].dtype)}"
        text = f"{title}({', '.join(map(self._name, places))})"
        return text if times == 1 else f"{text}, {times} times"

    def _name(self, buffer: Buffer) -> str:
        buffer = base_of(buffer)
        if id(buffer) not in self._names:
            head = {"input": "in", "output": "out", "constant": "c"}.get(buffer.role, "t")
            number = buffer.number if buffer.role in ("input", "output") else self._count[head]
            self._count[head] += 1
            self._names[id(buffer)] = f"{head}{number}"
        return self._names[id(buffer)]

    def _text(self, expression: Expression) -> str:
        if isinstance(expression, Load):
            return self._name(expression.buffer)
        if isinstance(expression, Apply):
            args = [self._text(arg) for arg in expression.args]
            if expression.name in _SIGNS:
                return f"({f' {_SIGNS[expression.name]} '.join(args)})"
            return f"{expression.name}({', '.join(args)})"
        return str(getattr(expression, "value", "place"))


def _bytes(buffers: Sequence[Buffer]) -> str:
    """Return how much memory arrays take: ``64 bytes``, ``64 + 8 * (n) bytes``."""
    fixed, grows = 0, Counter[str]()
    for buffer in buffers:
        size = buffer.dtype.itemsize * math.prod(length for length in buffer.shape if isinstance(length, int))
        lengths = [
            f" * {length}" if length == Length() else f" * ({length})"
            for length in buffer.shape
            if isinstance(length, Length)
        ]
        fixed += 0 if lengths else size
        grows["".join(lengths)] += size if lengths else 0
    return " + ".join([str(fixed), *(f"{size}{lengths}" for lengths, size in grows.items() if size)]) + " bytes"


def _buffers(statement: Statement) -> list[Buffer]:
    return [*written(statement), *(load.buffer for load in reads(statement))]


def _heading(loop: Loop, fusion: Fusion) -> str:
    axis, part = loop.key
    if part == "tile":
        return f"for each tile of the {axis.length} rows:"
    return {"lane": "for its rows, in vectors:", "row": "for its rows, one by one:"}.get(
        part, f"for {axis.length} places:"
    )


def operations_of(fusion: Fusion) -> int | None:
    """Return how many operations on numbers some loops take; None if that is not known beforehand.

    Each function of an expression is one, and one more where elements are added up.
    """
    total = 0
    for statement, _ in paths(fusion.body):
        if isinstance(statement, Region):
            inside = [operations_of(part) for part in statement.fused]
            if None in inside or (statement.truth is not None and statement.test is not None) or statement.steps:
                return None
            known = [count for count in inside if count is not None]
            total += sum(known) * statement.counter.length if statement.counter is not None else max(known, default=0)
        elif isinstance(statement, Call):
            total += statement.volume()
        else:
            each = _of(statement.expression) + bool(statement.reduction or statement.adds)
            total += each * statement.volume()
    return total


def _of(expression: Expression) -> int:
    if not isinstance(expression, Apply):
        return 0
    return (expression.name not in _FREE) + sum(_of(arg) for arg in expression.args)
