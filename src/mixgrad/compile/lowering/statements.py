"""Programs as statements: what each op means as loops over elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad.compile.sharing import shared
from mixgrad.compile.spelling import SPELLINGS
from mixgrad.compile.tensor import (
    Affine,
    Apply,
    Axis,
    Buffer,
    Expression,
    Load,
    Number,
    Position,
    Region,
    Statement,
    dtype_of,
)  # fmt: skip
from mixgrad.core.program import Equation, Program, Var

INT = np.dtype(np.int64)
BOOL = np.dtype(bool)
SUPPORTED = frozenset(map(np.dtype, (np.float64, np.float32, np.int64, np.int32, np.int8, np.uint8, np.bool_)))


FORMS: dict[str, Callable[[Lowering, Equation], Any]] = {}
"""By the name of an op, what adds its statements and returns its result: see `form`."""


class NoNativeForm(Exception):
    """An equation that has no form as loops: NumPy computes it."""


def form(*names: str) -> Callable[[Callable], Callable]:
    """Say that a function lowers the ops of these names."""

    def register(lower: Callable) -> Callable:
        FORMS.update(dict.fromkeys(names, lower))
        return lower

    return register


@dataclass
class Tensor:
    """A value of the program: `at` gives the expression of the element at an index.

    `buffer` is where it lies, if it is a whole buffer and not a view.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    at: Callable[[list], Expression]
    buffer: Buffer | None = None


class Lowering:
    """Turns equations into statements.

    Attributes
    ----------
    statements : list of Statement
        In an order in which they can run.
    grows : bool
        Whether loops may stack without knowing how much.
    factors : list
        The matrices that have been factored: see `matrices.factors`.
    plain : set of int or None
        The weighted sums that need no strong zeros: see `zeros`. None if zeros must be multiplied in any case.
    rows : int or None
        A length that stands for any number of rows: no routine is to be told of it.
    """

    def __init__(self, plain: AbstractSet[int] | None = None, rows: int | None = None) -> None:
        self.statements: list[Statement] = []
        self.plain = plain
        self.rows = rows
        self.grows = True
        self.factors: list[tuple] = []
        self._tensors: dict[int, Tensor] = {}

    # Values ----------------------------------------------------------------------------------------------------------

    def bind(self, var: Var, tensor: Tensor) -> None:
        """Say what a variable is."""
        self._tensors[id(var)] = tensor

    def input(self, var: Var, number: int) -> None:
        """Bind a variable to an argument of the kernel."""
        self.bind(var, of_buffer(_dimensioned(Buffer(var.shape, var.dtype, "input", number))))

    def tensor(self, atom: Any, dtype: np.dtype | None = None) -> Tensor:
        """Return what an argument of an equation is; a number of Python has the given dtype."""
        if isinstance(atom, Var):
            return self._tensors[id(atom)]
        try:
            value = np.asarray(atom, None if hasattr(atom, "dtype") else dtype)
        except OverflowError:
            raise NoNativeForm(f"{atom} is no {dtype}") from None
        if value.dtype not in SUPPORTED:
            raise NoNativeForm(f"numbers of type {value.dtype}")
        if value.size and value.tobytes() == value.ravel()[:1].tobytes() * value.size:  # the same number everywhere
            number = Number(value.ravel()[0], value.dtype)
            return Tensor(value.shape, value.dtype, lambda index: number)
        return of_buffer(_dimensioned(Buffer(value.shape, value.dtype, "constant", value=np.ascontiguousarray(value))))

    def output(self, atom: Any, shape: tuple, dtype: np.dtype, number: int) -> None:
        """Write a result of the program to its place."""
        tensor = self.tensor(atom, dtype)
        self.map(shape, dtype, lambda index: tensor.at(index), Buffer(shape, dtype, "output", number))

    def program(self, program: Program) -> None:
        """Add a whole program.

        Raises
        ------
        NoNativeForm
            If not all of it has a native form.
        """
        for number, var in enumerate(program.inputs):
            if var.dtype not in SUPPORTED or -1 in var.shape:
                raise NoNativeForm(f"an argument of type {var.dtype}")
            self.input(var, number)
        for equation in shared(program.equations):
            self.equation(equation)
        for number, atom in enumerate(program.outputs):
            if -1 in np.shape(atom):
                raise NoNativeForm("a result of a length that is known only when the program runs")
            self.output(atom, np.shape(atom), kind_of(atom), number)

    # Statements ------------------------------------------------------------------------------------------------------

    def map(self, shape: Sequence[int], dtype: np.dtype, element: Callable, out: Buffer | None = None) -> Tensor:
        """Add a statement that computes every element of a new array by itself."""
        out = out or Buffer(tuple(shape), dtype)
        statement = Statement(out)
        index = self._index(out, statement)
        statement.axes = [part.axis for part in index if isinstance(part, Affine)]
        statement.index = index
        statement.expression = element(index)
        self.statements.append(statement)
        return of_buffer(out)

    def _index(self, out: Buffer, statement: Statement) -> list:
        out.writer = statement
        out.axes = [Axis(length, statement) if length != 1 else None for length in out.shape]
        return [0 if axis is None else Affine(axis) for axis in out.axes]

    def elementwise(self, name: str, *tensors: Tensor, dtype: np.dtype, kind: np.dtype | None = None) -> Tensor:
        """Add an elementwise function, with broadcasting."""
        kind = kind or dtype
        shape = np.broadcast_shapes(*[tensor.shape for tensor in tensors])
        return self.map(shape, dtype, lambda index: Apply(name, [broadcast(t, index) for t in tensors], kind, dtype))

    def reduce(self, how: str, x: Tensor, axes: Sequence[int], keepdims: bool, dtype: np.dtype) -> Tensor:
        """Add a reduction over some dimensions."""
        shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        kept = shape if keepdims else tuple(n for i, n in enumerate(x.shape) if i not in axes)
        out = Buffer(kept, dtype)
        statement = Statement(out, reduction=how)
        index = self._index(out, statement)
        statement.axes = [part.axis for part in index if isinstance(part, Affine)]
        statement.index = index
        places = iter(index)
        whole: list[Any] = []
        for i, n in enumerate(x.shape):
            if i in axes:
                whole.append(0 if n == 1 else Affine(Axis(n, statement)))
                if n != 1:
                    statement.reduced.append(whole[-1].axis)
                if keepdims:
                    next(places)
            else:
                whole.append(next(places))
        statement.expression = cast(x.at(whole), dtype if how in ("sum", "prod") else x.dtype)
        self.statements.append(statement)
        return of_buffer(out)

    def contract(self, terms: Sequence[str], output: str, operands: Sequence[Tensor], dtype: np.dtype) -> Tensor:
        """Add a sum of products: an `einsum`."""
        sizes: dict[str, int] = {}
        for term, x in zip(terms, operands):
            for label, n in zip(term, x.shape):
                sizes[label] = n if sizes.get(label, 1) == 1 else sizes[label]
        out = Buffer(tuple(sizes[label] for label in output), dtype)
        statement = Statement(out, reduction="sum")
        index = self._index(out, statement)
        places: dict[str, Any] = dict(zip(output, index))
        for label, n in sizes.items():
            if label not in places:
                places[label] = 0 if n == 1 else Affine(Axis(n, statement))
        statement.axes = [part.axis for part in index if isinstance(part, Affine)]
        statement.reduced = [places[label].axis for label in sizes if label not in output and sizes[label] != 1]
        statement.index = index
        if not statement.reduced:
            statement.reduction = ""
        product = None
        for term, x in zip(terms, operands):
            factor = cast(x.at([0 if n == 1 else places[label] for label, n in zip(term, x.shape)]), dtype)
            product = factor if product is None else Apply("multiply", [product, factor], dtype, dtype)
        statement.expression = product
        self.statements.append(statement)
        return of_buffer(out)

    def write(self, out: Buffer, index: Callable[[list], list], value: Tensor, adds: bool = False) -> None:
        """Add a statement that writes, or adds, an array to some elements of a buffer."""
        statement = Statement(out, adds=adds)
        places = [0 if n == 1 else Affine(Axis(n, statement)) for n in value.shape]
        statement.axes = [part.axis for part in places if isinstance(part, Affine)]
        statement.index = index(places)
        statement.ordered = not adds and not all(isinstance(part, (int, Affine)) for part in statement.index)
        statement.expression = cast(value.at(places), out.dtype)
        out.writer = statement
        self.statements.append(statement)

    def full(self, shape: tuple, dtype: np.dtype, value: Any = 0) -> Tensor:
        """Add an array of equal numbers."""
        return self.map(shape, dtype, lambda index: Number(value, dtype))

    def stored(self, x: Tensor) -> Buffer:
        """Return the buffer of an array, which is copied there if it is a view."""
        if x.buffer is None:
            x = self.map(x.shape, x.dtype, x.at)
        assert x.buffer is not None
        return x.buffer

    # Equations -------------------------------------------------------------------------------------------------------

    def equation(self, equation: Equation) -> None:
        """Add the statements of an equation.

        Raises
        ------
        NoNativeForm
            If it has none.
        """
        for var in (*equation.outs, *equation.variables()):
            if var.dtype not in SUPPORTED:
                raise NoNativeForm(f"numbers of type {var.dtype}")
            if -1 in var.shape and not (self.grows and equation.op.name == "loop"):
                raise NoNativeForm("a length that is known only when the program runs")
        lower = FORMS.get(equation.op.name)
        if lower is None and equation.op.name in SPELLINGS:
            lower = FORMS["elementwise"]
        if lower is None:
            raise NoNativeForm(equation.op.name)
        before = len(self.statements)
        try:
            result = lower(self, equation)
        except NoNativeForm:
            del self.statements[before:]
            raise
        for out, tensor in zip(equation.outs, result if equation.op.multiple else [result], strict=True):
            if tensor.shape != out.shape or tensor.dtype != out.dtype:
                raise AssertionError(f"{equation.op.name}: {tensor.shape} {tensor.dtype} for {out.shape} {out.dtype}")
            self.bind(out, tensor)

    def nested(self, program: Program, args: Sequence[Tensor]) -> tuple[list[Statement], list[Tensor]]:
        """Return the statements and the results of a program in an equation."""
        outer, self.statements = self.statements, []
        try:
            for var, tensor in zip(program.inputs, args):
                self.bind(var, tensor)
            for equation in shared(program.equations):
                self.equation(equation)
            results = [
                self.tensor(atom, np.asarray(atom).dtype if not hasattr(atom, "dtype") else None)
                for atom in program.outputs
            ]
            return self.statements, results
        finally:
            self.statements = outer

    def copied(self, x: Tensor, statements: list[Statement] | None = None) -> Buffer:
        """Return a new buffer with a value; the statement goes to the end of `statements`."""
        outer, self.statements = self.statements, self.statements if statements is None else statements
        out = Buffer(x.shape, x.dtype)
        self.map(x.shape, x.dtype, x.at, out)
        self.statements = outer
        return out

    def region(self, region: Region) -> None:
        """Add a loop or a branch."""
        for buffer in region.results:
            buffer.writer = region
        self.statements.append(region)


def kind_of(atom: Any) -> np.dtype:
    """Return the dtype of a variable, an array or a number."""
    return atom.dtype if hasattr(atom, "dtype") else np.asarray(atom).dtype


def of_buffer(buffer: Buffer) -> Tensor:
    """Return a whole buffer as a value."""
    return Tensor(buffer.shape, buffer.dtype, lambda index: Load(buffer, list(index)), buffer)


def _dimensioned(buffer: Buffer) -> Buffer:
    buffer.axes = [Axis(length, buffer) if length != 1 else None for length in buffer.shape]
    return buffer


def broadcast(x: Tensor, index: list) -> Expression:
    """Return the element of `x` that meets the element at `index` of the result."""
    own = index[len(index) - len(x.shape) :]
    return x.at([0 if n == 1 else part for n, part in zip(x.shape, own)])


def cast(expression: Expression, dtype: np.dtype) -> Expression:
    """Return an expression in another dtype."""
    found = dtype_of(expression)
    return expression if found == dtype else Apply("cast", [expression], found, dtype)


def converted(x: Tensor, dtype: np.dtype) -> Tensor:
    """Return a value in another dtype, as a view."""
    return x if x.dtype == dtype else Tensor(x.shape, dtype, lambda index: cast(x.at(index), dtype))


def reshaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a value in another shape: a view, in which only dimensions that are split or merged need arithmetic."""
    groups = _groups(x.shape, shape)

    def element(index: list) -> Expression:
        old: list[Any] = []
        for lengths, start, stop in groups:
            new = [(n, part) for n, part in zip(shape[start:stop], index[start:stop]) if n != 1]
            kept = [n for n in lengths if n != 1]
            if [n for n, _ in new] == kept:
                places = iter(new)
                old += [0 if n == 1 else next(places)[1] for n in lengths]
            else:
                old += _split(_flat(new), lengths)
        return x.at(old)

    return Tensor(shape, x.dtype, element)


def _groups(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[tuple[int, ...], int, int]]:
    """Cut two shapes into the shortest pieces of equal sizes; return lengths of the one, and places in the other."""
    if 0 in old:
        return [(old, 0, len(new))]
    result, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        first, start, have, want = i, j, 1, 1
        while True:
            if have <= want and i < len(old):
                have, i = have * old[i], i + 1
            else:
                want, j = want * new[j], j + 1
            if have == want and not (i < len(old) and old[i] == 1) and not (j < len(new) and new[j] == 1):
                break
        result.append((old[first:i], start, j))
    return result


def _flat(places: list[tuple[int, Any]]) -> Expression:
    """Return the place of an element if all dimensions were one."""
    total: Expression = Number(0, INT)
    stride = 1
    for length, part in reversed(places):
        position = part if not isinstance(part, (int, Affine)) else Position(part)
        scaled = Apply("multiply", [position, Number(stride, INT)], INT, INT) if stride != 1 else position
        total = scaled if stride == 1 else Apply("add", [scaled, total], INT, INT)
        stride *= length
    return total


def _split(flat: Expression, lengths: Sequence[int]) -> list[Any]:
    """Return the index of an element from its place if all dimensions were one."""
    result: list[Any] = []
    for i, n in enumerate(lengths):
        stride = int(np.prod(lengths[i + 1 :], dtype=np.int64))
        part = Apply("quotient", [flat, Number(stride, INT)], INT, INT) if stride != 1 else flat
        outermost = all(m == 1 for m in lengths[:i])
        result.append(0 if n == 1 else part if outermost else Apply("rest", [part, Number(n, INT)], INT, INT))
    return result
