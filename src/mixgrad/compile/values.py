"""The values of expressions: numbers, or vectors where rows differ."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from mixgrad.compile.lengths import Length, Scaled
from mixgrad.compile.memory import Memory
from mixgrad.compile.spelling import INT32, INT64, SPELLINGS, any_lane, cast, constant, element_type, splat
from mixgrad.compile.tensor import Apply, Expression, Load, Number, Position


class Values(Memory):
    """Writes what expressions compute.

    Attributes
    ----------
    failed : ir.Value
        Where 1 is written if an index is out of bounds.
    """

    failed: ir.Value

    def evaluate(self, expression: Expression) -> ir.Value:
        """Return the value of an expression: a number, or a vector if it differs from row to row."""
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

    def _apply(self, expression: Apply, args: list[ir.Value]) -> ir.Value:
        name, kind = expression.name, expression.kind
        if name == "cast":
            return cast(self.b, args[0], kind, expression.dtype)
        if name == "where":
            return self.b.select(*args)
        if name == "index":
            return self._checked(*args)
        if name == "power" and isinstance(expression.args[1], Number) and expression.args[1].value in (1, 2, 3):
            exponent, multiply = expression.args[1].value, SPELLINGS["multiply"]
            square = args[0] if exponent == 1 else multiply(self.b, kind, args[0], args[0])
            return multiply(self.b, kind, square, args[0]) if exponent == 3 else square
        return SPELLINGS[name](self.b, kind, *args)

    def _checked(self, index: ir.Value, length: ir.Value) -> ir.Value:
        """Count negative indices from the end; note if one is out of bounds, and read the first element then."""
        zero = constant(index.type, 0)
        index = self.b.select(self.b.icmp_signed("<", index, zero), self.b.add(index, length), index)
        inside = self.b.icmp_unsigned("<", index, length)
        wrong = any_lane(self.b, self.b.not_(inside))
        with self.b.if_then(wrong, likely=False):  # other threads may be here, too: nothing is stored if all is well
            self.b.store(constant(INT32, 1), self.failed)
        return self.b.select(inside, index, zero)

    def position(self, index: Any) -> ir.Value:
        """Return an index as an integer, different for each lane if rows are counted."""
        value = self.index_value(index)
        if not self.follows_lanes(index):
            return value
        steps = ir.Constant(ir.VectorType(INT64, self.lanes), [lane * index.step for lane in range(self.lanes)])
        return self.b.add(splat(self.b, value, self.lanes), steps)
