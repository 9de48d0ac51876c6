"""Sums and other reductions: in registers as long as possible, in vectors whose lanes are added up in the end."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
from llvmlite import ir

from mixgrad.compile.lengths import Length
from mixgrad.compile.spelling import INT32, INT64, SPELLINGS, any_lane, constant, element_type, extreme, intrinsic
from mixgrad.compile.tensor import Affine, Statement
from mixgrad.compile.values import Values

_COMBINE: dict[str, Callable] = {
    "sum": SPELLINGS["add"],
    "count": lambda b, kind, x, y: b.add(x, y),
    "prod": SPELLINGS["multiply"],
    "max": extreme(">"),
    "min": extreme("<"),
    "any": lambda b, kind, x, y: b.or_(x, y),
    "all": lambda b, kind, x, y: b.and_(x, y),
}


def _identity(how: str, dtype: np.dtype, empty: bool) -> Any:
    if how in ("max", "min"):
        if dtype.kind == "f":
            return -np.inf if how == "max" else np.inf
        limits = np.iinfo(np.uint8 if dtype == np.bool_ else dtype)
        return limits.min if how == "max" else limits.max
    if how == "sum":
        return 0 if empty or dtype.kind != "f" else -0.0
    return {"count": 0, "prod": 1, "any": 0, "all": 1}[how]


class Sums(Values):
    """Writes reductions.

    Attributes
    ----------
    count : ir.Value
        The number of rows in the present tile.
    checked : set of int
        The outputs, by their identity, that are watched for nans while they are written.
    """

    count: ir.Value
    checked: AbstractSet[int] = frozenset()

    def modes(self) -> list[int]:
        """Return how many rows at a time are computed: vectors, and single ones if vectors leave some over."""
        assert self.rows is not None
        if isinstance(self.rows.length, Length):
            return [self.width, 1]
        return [self.width] * (self.rows.length >= self.width) + [1] * (self.rows.length % self.width > 0)

    def _neutral(self, statement: Statement) -> Any:
        return _identity(statement.reduction, statement.out.dtype, statement.volume() == 0)

    def fill(self, statement: Statement) -> None:
        """Let all elements that the loops to come sum up start with the neutral number."""

        def fill(dimension: int, places: list) -> None:
            if dimension == len(statement.index):
                self.store(statement.out, places, constant(element_type(statement.out.dtype), self._neutral(statement)))
                return
            part = statement.index[dimension]
            if not isinstance(part, Affine) or part.axis.root() in self.at:
                fill(dimension + 1, [*places, part])
                return
            axis = part.axis.root()
            lanes = axis is self.rows and (axis, "tile") in self.at
            with self.range(0, self.count if lanes else self.length(axis.length), 1) as i:
                self.at[axis] = self.b.add(self.at[axis, "tile"], i) if lanes else i
                self.lane = i if lanes else self.lane
                fill(dimension + 1, [*places, part])
                del self.at[axis]
            self.lane = None if lanes else self.lane

        fill(0, [])

    def _is_vector(self, statement: Statement, lanes: int) -> bool:
        return lanes > 1 and any(axis.root() is self.rows for axis in statement.loops())

    def partial(self, statement: Statement, lanes: int) -> ir.Value:
        """Return the register in which a sum grows: of numbers, or of vectors whose lanes are added in the end."""
        summed = self.copies is not None and any(axis.root() is self.copies[0] for axis in statement.reduced)
        key = (id(statement), lanes if self._is_vector(statement, lanes) else 1, 0 if summed else self.copy)
        if key not in self._partials:
            kind = element_type(statement.out.dtype)
            kind = ir.VectorType(kind, lanes) if key[1] > 1 else kind
            self._partials[key] = self.entry.alloca(kind)
        return self._partials[key]

    def begin(self, statement: Statement) -> None:
        """Let the register of a sum start with the neutral number."""
        for lanes in self._lane_modes(statement):
            register = self.partial(statement, lanes)
            self.b.store(constant(register.type.pointee, self._neutral(statement)), register)

    def _lane_modes(self, statement: Statement) -> list[int]:
        """Return the numbers of lanes with which a sum is run: both, if whole vectors leave rows over."""
        inside = any(axis.root() is self.rows for axis in statement.reduced) and self.lane is None
        if not inside:
            return [self.lanes]
        return self.modes()

    def finish(self, statement: Statement) -> None:
        """Bring what a register has summed up to its place."""
        modes = self._lane_modes(statement)
        inside = self.lane is None
        total = None
        for lanes in modes:
            value = self.b.load(self.partial(statement, lanes))
            if inside and isinstance(value.type, ir.VectorType):
                value = self.horizontal(statement, value)
            total = value if total is None else self.combine(statement, total, value)
        self._see_longest(statement, total)
        self.accumulate(statement, total, fresh=statement in self.plan.in_register)

    def _see_longest(self, statement: Statement, total: Any) -> None:
        """Report numbers that are not finite in the longest sum of a triangle: elsewhere zeros have left them out."""
        triangle = statement.triangle
        if triangle is None or triangle.summed is None:
            return
        found = triangle.other(triangle.summed)
        assert found is not None
        other, is_low = found
        longest = self.b.icmp_signed("==", self.at[other], constant(INT64, other.length - 1 if is_low else 0))
        with self.b.if_then(longest):
            limit = constant(total.type, np.inf)
            finite = self.b.fcmp_ordered("<", intrinsic(self.b, "fabs", total), limit)
            with self.b.if_then(any_lane(self.b, self.b.not_(finite)), likely=False):
                self.b.store(constant(INT32, 1), self.failed)

    def combine(self, statement: Statement, x: ir.Value, y: ir.Value) -> ir.Value:
        """Return the sum (or whatever reduces) of two numbers or vectors."""
        return _COMBINE[statement.reduction or "sum"](self.b, statement.out.dtype, x, y)

    def horizontal(self, statement: Statement, value: ir.Value) -> ir.Value:
        """Combine the lanes of a vector, halves with halves: always in the same order."""
        count = value.type.count
        while count > 1:
            count //= 2
            halves = [
                self.b.shuffle_vector(value, value, ir.Constant(ir.VectorType(INT32, count), list(half)))
                for half in (range(count), range(count, 2 * count))
            ]
            value = self.combine(statement, *halves)
        return self.b.extract_element(value, constant(INT32, 0))

    def accumulate(self, statement: Statement, value: ir.Value, fresh: bool = False) -> None:
        """Add to an element of the result; or write it, if it is `fresh`."""
        if not fresh:
            value = self.combine(statement, self.load(statement.out, statement.index), value)
        self.write(statement, value)

    def write(self, statement: Statement, value: ir.Value) -> None:
        """Write what a statement has computed to its place."""
        if id(statement.out) in self.checked:
            self.note_nan(value)
        self.store(statement.out, statement.index, value)
