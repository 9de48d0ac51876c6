"""The values of expressions: numbers, or vectors where rows differ."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from llvmlite import ir

from mixgrad.compile.lengths import Length, Scaled
from mixgrad.compile.memory import Memory
from mixgrad.compile.selection import name_of
from mixgrad.compile.spelling import INT32, INT64, SPELLINGS, any_lane, cast, constant, element_type, splat, typed_like
from mixgrad.compile.tensor import Affine, Apply, Expression, Load, Number, Position


class Values(Memory):
    """Writes what expressions compute.

    Attributes
    ----------
    failed : ir.Value
        Where 1 is written if an index is out of bounds, or a matrix cannot be factored.
    checks : bool
        Whether there is an index that may be.
    """

    failed: ir.Value
    checks = False

    def evaluate(self, expression: Expression) -> ir.Value:
        """Return the value of an expression: a number, or a vector if it differs from row to row."""
        if self.known is not None and self._stays(expression):
            key = name_of(expression, self._open_place)
            if key not in self.known:
                self.known[key] = self._value(expression)
            return self.known[key]
        return self._value(expression)

    def _stays(self, part: Any) -> bool:
        """Whether an expression, or an index, is an element of an argument or a place in it: these do not change."""
        if isinstance(part, Apply):
            return part.name == "index" and all(map(self._stays, part.args))
        if isinstance(part, Load):
            return part.buffer.role in ("input", "constant") and all(map(self._stays, part.index))
        return isinstance(part, (int, Affine, Number, Position))

    def _value(self, expression: Expression) -> ir.Value:
        if isinstance(expression, Load):
            return self.load(expression.buffer, expression.index)
        if isinstance(expression, Number):
            kind, value = element_type(expression.dtype), expression.value
            return self.scaled(value, kind) if isinstance(value, (Length, Scaled)) else constant(kind, value)
        if isinstance(expression, Position):
            return self.position(expression.index)
        args = [self.evaluate(arg) for arg in expression.args]
        longest = max((arg.type.count for arg in args if isinstance(arg.type, ir.VectorType)), default=0)
        if longest:
            args = [splat(self.b, arg, longest) for arg in args]
        return self._apply(expression, args)

    def _open_place(self, index: Affine) -> Hashable:
        """Return what tells places along an axis from each other, while certain loops are open."""
        place = self.at[index.axis.root()]
        return "at", place.constant if isinstance(place, ir.Constant) else id(place), index.offset, index.step

    def _apply(self, expression: Apply, args: list[ir.Value]) -> ir.Value:
        name, kind = expression.name, expression.kind
        if name == "cast":
            return cast(self.b, args[0], kind, expression.dtype)
        if name == "where":
            return self.b.select(*args)
        if name == "index":
            return self._checked(*args)
        if name == "provided":
            self._note(self.b.not_(args[0]))
            return args[1]
        if name == "power" and isinstance(expression.args[1], Number) and expression.args[1].value in (1, 2, 3):
            exponent, multiply = expression.args[1].value, SPELLINGS["multiply"]
            square = args[0] if exponent == 1 else multiply(self.b, kind, args[0], args[0])
            return multiply(self.b, kind, square, args[0]) if exponent == 3 else square
        return SPELLINGS[name](self.b, kind, *args)

    def _checked(self, index: ir.Value, length: ir.Value) -> ir.Value:
        """Count negative indices from the end; note if one is out of bounds, and read the first element then."""
        self.checks = True
        zero = constant(index.type, 0)
        index = self.b.select(self.b.icmp_signed("<", index, zero), self.b.add(index, length), index)
        inside = self.b.icmp_unsigned("<", index, length)
        self._note(self.b.not_(inside))
        return self.b.select(inside, index, zero)

    def _note(self, wrong: ir.Value) -> None:
        """Let the kernel have failed where a condition holds."""
        with self.b.if_then(any_lane(self.b, wrong), likely=False):  # other threads may be here, too: nothing is
            self.b.store(constant(INT32, 1), self.failed)  # stored if all is well

    def position(self, index: Any) -> ir.Value:
        """Return an index as an integer, different for each lane if rows are counted."""
        value = self.index_value(index)
        if not self.follows_lanes(index):
            return value
        steps = ir.Constant(ir.VectorType(INT64, self.lanes), [lane * index.step for lane in range(self.lanes)])
        return self.b.add(splat(self.b, value, self.lanes), steps)

    def note_nan(self, value: ir.Value) -> None:
        """Remember whether a result is a nan: `report_nan` says so in the end."""
        found = self.b.fcmp_unordered("uno", value, value)
        wide = self.b.sext(found, typed_like(found.type, INT64))
        if wide.type not in self.nans:
            self.nans[wide.type] = self.entry.alloca(wide.type)
            self.entry.store(constant(wide.type, 0), self.nans[wide.type])
        self.b.store(self.b.or_(self.b.load(self.nans[wide.type]), wide), self.nans[wide.type])

    def report_nan(self) -> None:
        """Write into `failed` whether this function has seen a nan in a result."""
        for found in self.nans.values():
            wrong = any_lane(self.b, self.b.icmp_signed("!=", self.b.load(found), constant(found.type.pointee, 0)))
            with self.b.if_then(wrong, likely=False):
                self.b.store(constant(INT32, 1), self.failed)
