"""Lengths and sizes in code: numbers, or values that are computed from the number of rows when the kernel is called."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from mixgrad.compile.lengths import Length, Scaled, is_fixed
from mixgrad.compile.spelling import INT8, INT32, INT64, constant
from mixgrad.compile.vecmath.arithmetic import DOUBLE, declared

POINTER = INT8.as_pointer()
ALIGNMENT = 64


def typed(number: int | ir.Value) -> ir.Value:
    """Return an integer as a value."""
    return constant(INT64, number) if isinstance(number, int) else number


class Sizes:
    """Writes what follows from the number of rows, at the beginning of a function.

    Attributes
    ----------
    entry : ir.IRBuilder
        Writes there.
    rows_at : ir.Value or None
        Where the number of rows stands, if it is known only when the kernel is called.
    grown : list of (tuple of int or Length, int)
        Shapes, and bytes of a number, of the arrays in the room: those whose size follows from the number of rows.
    """

    def __init__(self, entry: ir.IRBuilder, rows_at: ir.Value | None = None, room: ir.Value | None = None) -> None:
        self.entry = entry
        self.rows_at = rows_at
        self.grown: list[tuple[tuple, int]] = []
        self._room = room
        self._row_numbers: dict[Any, ir.Value] = {}

    def length(self, length: int | Length) -> int | ir.Value:
        """Return a length; one that is known only when the kernel is called is computed at its beginning."""
        if isinstance(length, int):
            return length
        if length not in self._row_numbers:
            number = self._row_numbers.get("rows")
            if number is None:
                assert self.rows_at is not None
                place = self.entry.bitcast(self.rows_at, INT64.as_pointer())
                number = self._row_numbers["rows"] = self.entry.load(place)
            number = number if length.times == 1 else self.entry.mul(number, constant(INT64, length.times))
            number = self.entry.add(number, constant(INT64, length.plus)) if length.plus else number
            self._row_numbers[length] = number
        return self._row_numbers[length]

    def size(self, shape: Sequence[int | Length]) -> int | ir.Value:
        """Return the number of elements of an array."""
        fixed = math.prod(length for length in shape if isinstance(length, int))
        if is_fixed(shape):
            return fixed
        key = tuple(shape)
        if key not in self._row_numbers:
            size = constant(INT64, fixed)
            for length in shape:
                size = self.entry.mul(size, typed(self.length(length))) if isinstance(length, Length) else size
            self._row_numbers[key] = size
        return self._row_numbers[key]

    def scaled(self, formula: Length | Scaled, kind: ir.Type) -> ir.Value:
        """Return a number that follows from the number of rows."""
        if isinstance(formula, Length):
            number = self.length(formula)
            if not isinstance(kind, ir.IntType):
                return self.entry.sitofp(number, kind)
            return self.entry.trunc(number, kind) if kind.width < INT64.width else number
        if formula not in self._row_numbers:
            rows = self.entry.sitofp(self.length(Length(1, formula.plus)), DOUBLE)
            power = self.entry.fmul(rows, rows) if abs(formula.power) == 2 else rows
            write = self.entry.fmul if formula.power > 0 else self.entry.fdiv
            self._row_numbers[formula] = write(constant(DOUBLE, formula.factor), power)
        number = self._row_numbers[formula]
        if isinstance(kind, ir.IntType):
            return self.entry.fptosi(number, kind)
        return number if kind == DOUBLE else self.entry.fptrunc(number, kind)

    def in_room(self, shape: Sequence[int | Length], itemsize: int) -> ir.Value:
        """Return where an array begins whose size follows from the number of rows."""
        start = self._room
        self._room = self.entry.gep(start, [self.bytes_of(shape, itemsize)])
        self.grown.append((tuple(shape), itemsize))
        return start

    def bytes_of(self, shape: Sequence[int | Length], itemsize: int) -> ir.Value:
        """Return how much of the room an array takes."""
        size = self.entry.mul(typed(self.size(shape)), constant(INT64, itemsize))
        return self.entry.and_(self.entry.add(size, constant(INT64, ALIGNMENT - 1)), constant(INT64, -ALIGNMENT))

    def with_room(self, name: str, loops: ir.Function, least: int) -> ir.Function:
        """Return the function that takes memory for what is in the room, and runs the loops.

        ``int kernel(void **inputs, void **outputs, void *scratch, long *rows)``; it returns 1 for fewer than `least`
        rows, or where there is not enough memory.
        """
        function = ir.Function(loops.module, ir.FunctionType(INT32, loops.function_type.args[:4]), name)
        b = ir.IRBuilder(function.append_basic_block("entry"))
        self.entry, self.rows_at, self._row_numbers = b, function.args[3], {}
        rows = typed(self.length(Length()))
        few, many = (b.icmp_signed(sign, rows, constant(INT64, n)) for sign, n in (("<", least), (">", self._most())))
        with b.if_then(b.or_(few, many), likely=False):
            b.ret(constant(INT32, 1))
        room = ir.Constant(POINTER, None)
        if self.grown:
            total = constant(INT64, ALIGNMENT)
            for shape, itemsize in self.grown:
                total = b.add(total, self.bytes_of(shape, itemsize))
            memory = b.call(declared(loops.module, "PyMem_RawMalloc", ir.FunctionType(POINTER, [INT64])), [total])
            with b.if_then(b.icmp_unsigned("==", memory, room), likely=False):
                b.ret(constant(INT32, 1))
            room = b.gep(memory, [b.and_(b.neg(b.ptrtoint(memory, INT64)), constant(INT64, ALIGNMENT - 1))])
        failed = b.call(loops, [*function.args, room])
        if self.grown:
            b.call(declared(loops.module, "PyMem_RawFree", ir.FunctionType(ir.VoidType(), [POINTER])), [memory])
        b.ret(failed)
        return function

    def _most(self) -> int:
        """Return a number of rows beyond which sizes might be no 64-bit numbers: nobody has so much memory."""
        most = 2**60
        for shape, itemsize in self.grown:
            grows = [length for length in shape if isinstance(length, Length)]
            fixed = itemsize * math.prod(length for length in shape if isinstance(length, int))
            factor = fixed * math.prod(length.times + abs(length.plus) for length in grows)
            most = min(most, int((2**60 / max(factor, 1) / len(self.grown)) ** (1 / len(grows))))
        return most
