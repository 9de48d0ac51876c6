"""Two recordings of a function, for different numbers of rows, side by side: what in them follows from that number."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixgrad.compile.lengths import DependsOnLength, Length, Scaled, explained, same_formula
from mixgrad.core.program import Equation, Program, Var
from mixgrad.rules.index import Form

Formula = Length | Scaled

BLOCK = 65_536  # numbers that are compared at a time


class Comparison:
    """Compares programs.

    Attributes
    ----------
    formulas : list of (Length or Scaled, str)
        How the numbers that differ follow from the number of rows, in the order of the programs, and what they are.
    planes : bool
        Whether an array grows faster than it.
    """

    def __init__(self, first: Program, second: Program, n: int, m: int) -> None:
        """Compare the programs for `n` and for `m` rows.

        Raises
        ------
        DependsOnLength
            If something differs that does not follow from the number of rows by a simple formula.
        """
        self.formulas: list[tuple[Formula, str]] = []
        self.planes = False
        self._n, self._m = n, m
        self._twins: dict[int, int] = {}
        self._where = ""
        self._programs(first, second)

    def require(self, known: Comparison) -> None:
        """Raise DependsOnLength unless the same formulas stand in the same places as in another comparison."""
        for (formula, what), (other, _) in zip(self.formulas, known.formulas):
            if not same_formula(formula, other):
                raise DependsOnLength(f"{what}, which is no simple function of it")
        if len(self.formulas) != len(known.formulas):
            raise DependsOnLength(f"numbers that differ where it is {self._n} and {self._m}, but not for others")

    def _differ(self, a: Any, b: Any, what: str = "") -> DependsOnLength:
        return DependsOnLength(f"{self._where}{what}{_short(a)} where it is {self._n}, and {_short(b)} for {self._m}")

    def _programs(self, first: Program, second: Program) -> None:
        self._each(first.inputs, second.inputs, "the number of arguments: ")
        for a, b in zip(first.equations, second.equations):
            self._equation(a, b)
        if len(first) != len(second):
            self._where = ""
            raise self._differ(len(first), len(second), "the number of operations: ")
        self._where = "the results: "
        self._each(first.outputs, second.outputs, "")

    def _equation(self, a: Equation, b: Equation) -> None:
        name = next((out.name for out in a.outs if out.name), "")
        self._where = ""
        if a.op is not b.op or len(a.args) != len(b.args) or a.static.keys() != b.static.keys():
            raise self._differ(a.op.name, b.op.name, "an operation: ")
        self._where = f"{a.op.name}{f', which gives `{name}`' if name else ''}: "
        where = self._where
        self._each(a.args, b.args, "")
        for key in a.static:
            self._value(a.static[key], b.static[key])
            self._where = where
        self._each(a.outs, b.outs, "")

    def _each(self, first: Any, second: Any, what: str) -> None:
        if len(first) != len(second):
            raise self._differ(len(first), len(second), what)
        for a, b in zip(first, second):
            self._value(a, b)

    def _value(self, a: Any, b: Any) -> None:
        """Compare two arguments, or two things among the static data."""
        if a is b and not isinstance(a, Var):
            return
        if type(a) is not type(b):
            raise self._differ(a, b)
        if isinstance(a, Var):
            self._variable(a, b)
        elif isinstance(a, np.ndarray):
            self._array(a, b)
        elif isinstance(a, (int, float, np.generic)):
            self._number(a, b)
        elif isinstance(a, (tuple, list)):
            self._each(a, b, "")
        elif isinstance(a, dict):
            self._each(list(a.items()), list(b.items()), "")
        elif isinstance(a, slice):
            self._each((a.start, a.stop, a.step), (b.start, b.stop, b.step), "")
        elif isinstance(a, Form):
            self._each(a.parts, b.parts, "")
        elif isinstance(a, Program):
            self._programs(a, b)
        elif a != b:
            raise self._differ(a, b)

    def _variable(self, a: Var, b: Var) -> None:
        twins = self._twins.setdefault(id(a), id(b)) == id(b) and self._twins.setdefault(id(b), id(a)) == id(a)
        if not twins or a.dtype != b.dtype:
            raise self._differ("of one array", "of another")
        self._shape(a.shape, b.shape)

    def _shape(self, a: tuple[int, ...], b: tuple[int, ...]) -> None:
        before = len(self.formulas)
        if len(a) != len(b):
            raise self._differ(a, b, "an array of shape ")
        for length, other in zip(a, b):
            self._number(length, other)
        new = [formula for formula, _ in self.formulas[before:]]
        self.planes |= len(new) > 1 or any(isinstance(f, Scaled) or f.plus < -min(self._n, self._m) for f in new)

    def _array(self, a: np.ndarray, b: np.ndarray) -> None:
        """Compare constants: the same numbers, or arrays that hold one number only, in any shape, or count."""
        if a.dtype != b.dtype:
            raise self._differ(a.dtype, b.dtype, "a constant array of ")
        if a.shape == b.shape and a.tobytes() == b.tobytes():
            return
        counts = counted(a), counted(b)
        if is_uniform(a) and is_uniform(b):
            self._number(a.flat[0], b.flat[0])
        elif None in counts or counts[0] != counts[1]:
            raise self._differ(a, b, "a constant array is ")
        self._shape(a.shape, b.shape)

    def _number(self, a: Any, b: Any) -> None:
        if same_number(a, b):
            return
        formula = explained(a, b, self._n, self._m)
        if formula is None:
            raise self._differ(a, b, "a number is ")
        self.formulas.append((formula, f"{self._where}a number is {a} where it is {self._n}, and {b} for {self._m}"))


def is_uniform(array: np.ndarray) -> bool:
    """Whether an array has numbers, and all are the same."""
    if not array.size:
        return False
    once = array[tuple(slice(None) if stride else 0 for stride in array.strides)]  # broadcast ones may be huge
    numbers = np.ascontiguousarray(once).reshape(once.size, 1).view(np.uint8)
    return all(np.all(numbers[i : i + BLOCK] == numbers[0]) for i in range(0, len(numbers), BLOCK))


def counted(array: np.ndarray) -> tuple[int, int, int] | None:
    """Return the dimension along which an array counts, its first number, and the step; None if it does not."""
    long = [dim for dim, length in enumerate(array.shape) if length != 1]
    if array.dtype.kind != "i" or len(long) != 1 or array.size < 2:
        return None
    first, second = map(int, array.flat[:2])
    whole = first + (second - first) * np.arange(array.size, dtype=np.int64)
    return (long[0], first, second - first) if np.array_equal(array.ravel(), whole) else None


def same_number(a: Any, b: Any) -> bool:
    """Whether two numbers are the same, the sign of zero and nan included."""
    if type(a) is not type(b):
        return False
    return a == b if isinstance(a, int) else np.asarray(a).tobytes() == np.asarray(b).tobytes()


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"one of shape {value.shape}"
    text = str(value)
    return text if len(text) < 60 else f"{text[:56]} ..."
