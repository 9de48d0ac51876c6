"""Two trees of loops, of one program for different numbers of rows, made one for any number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from mixgrad.compile.comparing import counted, same_number
from mixgrad.compile.fusion import Fusion, Loop
from mixgrad.compile.lengths import DependsOnLength, Length, explained
from mixgrad.compile.tensor import Affine, Apply, Axis, Buffer, Load, Number, Position, Region, Statement, shifted

_LEFT_OUT = frozenset(("writer", "rewritten", "copies", "bodies", "wanted", "test"))  # of no use once loops are known


class Merging:
    """Writes formulas of the number of rows into the first of two trees, where they differ.

    Attributes
    ----------
    lengths : set of Length
        Of axes and dimensions: none of them may be 0.
    """

    def __init__(self, first: Fusion, second: Fusion, n: int, m: int) -> None:
        """Merge the trees for `n` and for `m` rows.

        Raises
        ------
        DependsOnLength
            If they differ in anything but numbers, or these follow from the number of rows by none of our formulas.
        """
        self.lengths: set[Length] = set()
        self._n, self._m = n, m
        self._twins: dict[int, Any] = {}
        self._counters: dict[int, Any] = {}
        self._fusion(first, second)

    def _check(self, same: bool, what: str) -> None:
        if not same:
            raise DependsOnLength(f"{what} differ, compiled for {self._n} and for {self._m} rows")

    def _known(self, a: Any, b: Any) -> bool:
        """Whether two things have met before; they are each other's only twins from now on."""
        known = id(a) in self._twins
        self._check(self._twins.setdefault(id(a), b) is b and self._twins.setdefault(id(b), a) is a, "the loops")
        return known

    def _fusion(self, a: Fusion, b: Fusion) -> None:
        self._check(a.unrolled == b.unrolled, "the loops")
        self._maybe(self._axis, a.rows, b.rows)
        self._body(a.body, b.body)

    def _maybe(self, merge: Any, a: Any, b: Any) -> None:
        self._check((a is None) == (b is None), "the loops")
        if a is not None:
            merge(a, b)

    def _body(self, first: Sequence[Loop | Statement], second: Sequence[Loop | Statement]) -> None:
        self._check(len(first) == len(second), "the loops")
        for a, b in zip(first, second):
            if isinstance(a, Loop) and isinstance(b, Loop):
                self._check(a.key[1] == b.key[1], "the loops")
                self._axis(a.key[0], b.key[0])
                self._body(a.body, b.body)
            else:
                self._record(a, b)

    def _record(self, a: Any, b: Any) -> None:
        """Merge two statements, regions, buffers or what else they consist of: field by field."""
        self._check(type(a) is type(b), "the loops")
        if self._known(a, b):
            return
        merge = self._value if type(a) in (Statement, Region, Buffer) else self._fixed
        for field in fields(a):
            if field.name not in _LEFT_OUT:
                setattr(a, field.name, merge(getattr(a, field.name), getattr(b, field.name)))

    def _fixed(self, a: Any, b: Any) -> Any:
        """Return what takes the place of `a`, where numbers must not differ: what is written of them knows no `n`."""
        self._check(not isinstance(a, int) or a == b, "numbers")
        if isinstance(a, (list, tuple)):
            self._check(len(a) == len(b), "the loops")
            return type(a)(self._fixed(x, y) for x, y in zip(a, b))
        return self._value(a, b)

    def _value(self, a: Any, b: Any) -> Any:
        """Return what takes the place of `a`."""
        self._check(type(a) is type(b), "the loops")
        if isinstance(a, Axis):
            self._axis(a, b)
        elif isinstance(a, Fusion):
            self._fusion(a, b)
        elif isinstance(a, (Affine, Load, Apply, Number, Position)):
            return self._expression(a, b)
        elif isinstance(a, np.ndarray):
            self._check(a.shape == b.shape and a.tobytes() == b.tobytes(), "constant arrays")
        elif isinstance(a, (list, tuple)):
            self._check(len(a) == len(b), "the loops")
            return type(a)(self._value(x, y) for x, y in zip(a, b))
        elif isinstance(a, (bool, str, np.dtype)) or a is None:
            self._check(a == b, "the loops")
        elif is_dataclass(a):
            self._record(a, b)
        else:
            return self._length(a, b)
        return a

    def _axis(self, a: Axis, b: Axis) -> None:
        if not self._known(a, b):
            self._axis(a.root(), b.root())
            a.length = self._length(a.length, b.length)

    def _length(self, a: int, b: int) -> int | Length:
        """Return a dimension, the length of an axis, or a place on it."""
        number = self._number(a, b)
        if not isinstance(number, int):
            if not isinstance(number, Length) or number.times <= 0:
                raise DependsOnLength(f"an axis has the length {number}")
            self.lengths.add(number)
        return number

    def _number(self, a: Any, b: Any) -> Any:
        if same_number(a, b):
            return a
        formula = explained(a, b, self._n, self._m)
        self._check(formula is not None, f"the numbers {a} and {b}")
        return formula

    def _expression(self, a: Any, b: Any) -> Any:
        if isinstance(a, Affine):
            self._axis(a.axis, b.axis)
            self._check(a.step == b.step, "steps through an array")
            return type(a)(a.axis, self._length(a.offset, b.offset), a.step)  # type: ignore[arg-type]
        if self._known(a, b):
            return self._counters.get(id(a), a)
        if isinstance(a, Load):
            a.index = self._value(a.index, b.index)
            if a.buffer.role == b.buffer.role == "constant" and a.buffer.shape != b.buffer.shape:
                return self._counter(a, b)
            self._record(a.buffer, b.buffer)
        elif isinstance(a, Apply):
            self._check((a.name, a.kind, a.dtype) == (b.name, b.kind, b.dtype), "the loops")
            a.args = self._value(a.args, b.args)
        elif isinstance(a, Number):
            self._check(a.dtype == b.dtype, "numbers")
            a.value = self._number(a.value, b.value)
        else:
            a.index = self._value(a.index, b.index)
        return a

    def _counter(self, a: Load, b: Load) -> Any:
        """Return what takes the place of an element of a constant array that counts rows: the place of the row."""
        known = counted(a.buffer.value)
        self._check(known is not None and known == counted(b.buffer.value), "constant arrays")
        assert known is not None
        dim, first, step = known
        part = a.index[dim]
        self._check(isinstance(part, Affine) and isinstance(part.offset, int), "places in a constant array")
        place = Position(shifted(part, first, step))
        cast = Apply("cast", [place], place.dtype, a.buffer.dtype)
        self._counters[id(a)] = place if a.buffer.dtype == place.dtype else cast
        return self._counters[id(a)]
