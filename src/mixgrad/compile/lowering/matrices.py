"""Where matrices lie, and calls of LAPACK on them between statements.

Fortran stores matrices column by column. What lies there row by row is the transposed matrix for LAPACK: triangular
systems are solved with that one, and for other routines a transposed copy is made, into which what computes the matrix
writes directly if nobody else needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad.compile.lowering.statements import BOOL, INT, Lowering, Tensor, of_buffer
from mixgrad.compile.tensor import (
    Affine,
    Apply,
    Axis,
    Buffer,
    Call,
    Expression,
    Fixed,
    Load,
    Number,
    Operand,
    Position,
)

INT32 = np.dtype(np.int32)


def located(x: Tensor) -> Operand | None:
    """Return where an array lies, if that is part of a buffer: its first element, and steps along its dimensions."""
    axes = [None if n == 1 else Axis(n, x) for n in x.shape]
    first = x.at([0 if axis is None else Affine(axis) for axis in axes])
    if not isinstance(first, Load):
        return None
    steps: dict[Axis, int] = {}
    index: list[Any] = []
    for part, stride in zip(first.index, first.buffer.strides()):
        if isinstance(part, Affine) and not isinstance(part, Fixed):
            steps[part.axis] = steps.get(part.axis, 0) + part.step * stride
            index.append(part.offset)
        elif isinstance(part, (int, Fixed)):
            index.append(part)
        else:
            return None
    return Operand(Load(first.buffer, index), [0 if axis is None else steps.get(axis, 0) for axis in axes])


def whole(buffer: Buffer, stack: Sequence[int] = ()) -> Operand:
    """Return a buffer as an operand of calls over a stack, which are its first dimensions."""
    return Operand(Load(buffer, [0] * len(buffer.shape)), buffer.strides()[: len(stack)])


def transposed(x: Tensor) -> Tensor:
    """Return matrices with rows and columns exchanged, as a view."""
    shape = (*x.shape[:-2], x.shape[-1], x.shape[-2])
    return Tensor(shape, x.dtype, lambda index: x.at([*index[:-2], index[-1], index[-2]]))


def element(x: Tensor, index: Sequence[Any], *inner: Any) -> Expression:
    """Return an element of the vector or matrix that belongs to a place in a stack that `x` is broadcast to."""
    own = [*index, *inner][len(index) + len(inner) - len(x.shape) :]
    return x.at([0 if n == 1 else part for n, part in zip(x.shape, own)])


def stretched(x: Tensor, stack: Sequence[int], inner: int = 2) -> Tensor:
    """Return matrices, or vectors, broadcast to a larger stack, as a view."""
    shape = (*stack, *x.shape[len(x.shape) - inner :])
    return Tensor(shape, x.dtype, lambda index: element(x, index))


def empty(shape: Sequence[int], dtype: np.dtype) -> Buffer:
    """Return a buffer for a routine to write to."""
    buffer = Buffer(tuple(shape), dtype)
    buffer.axes = [None] * len(buffer.shape)
    return buffer


def call(
    lowering: Lowering,
    routine: str,
    arguments: list[Any],
    results: list[Buffer],
    rounds: Sequence[int],
    work: int,
    unless: Operand | None = None,
) -> None:
    """Add a call of a routine."""
    statement = Call(Buffer((), BOOL), routine=routine, arguments=arguments, results=results, unless=unless)
    statement.rounds, statement.work = list(rounds), work
    for buffer in results:
        buffer.writer = statement
    lowering.statements.append(statement)


@dataclass
class Matrices:
    """A stack of matrices as BLAS reads one.

    Attributes
    ----------
    place : Operand
        Where it lies, with steps along the stack.
    leading : int
        From column to column of what BLAS sees.
    by_rows : bool
        Whether BLAS sees the transposed matrices.
    """

    place: Operand
    leading: int
    by_rows: bool


def readable(lowering: Lowering, x: Tensor) -> Matrices:
    """Return matrices for BLAS, copied if they do not lie in an order that it reads."""
    found = _readable(x)
    if found is None:
        found = _readable(of_buffer(lowering.copied(x)))
    assert found is not None
    return found


def _readable(x: Tensor) -> Matrices | None:
    found = located(x)
    if found is None:
        return None
    (rows, columns), (down, right) = x.shape[-2:], found.steps[-2:]
    place = Operand(found.load, found.steps[:-2])
    if (right == 1 or columns == 1) and (down >= columns or rows == 1):
        return Matrices(place, max(down, columns), True)
    if (down == 1 or rows == 1) and (right >= rows or columns == 1):
        return Matrices(place, max(right, rows), False)
    return None


def triangle(x: Tensor) -> str:
    """Return which triangle of matrices is known to be all that there is: "L", "U" or "" if none is."""
    found = located(x)
    if found is None or not found.load.buffer.lower or found.load.index[-2:] != [0, 0]:
        return ""
    n = x.shape[-1]
    if n == 1 or n != found.load.buffer.shape[-1]:
        return ""
    return {(n, 1): "L", (1, n): "U"}.get((found.steps[-2], found.steps[-1]), "")


# Factors --------------------------------------------------------------------------------------------------------------


@dataclass
class Factors:
    """Matrices as permuted products of triangular ones.

    Attributes
    ----------
    lu : Buffer
        Column by column.
    pivots : Buffer
        The row that each row is exchanged with, counted from 1.
    singular : Buffer or None
        Whether they have no inverse, once somebody has asked: see `singular`.
    """

    lu: Buffer
    pivots: Buffer
    singular: Buffer | None = None

    @property
    def stack(self) -> tuple[int, ...]:
        """The lengths of the stack."""
        return self.pivots.shape[:-1]

    def diagonal(self) -> Tensor:
        """Return the diagonal of the second factor."""
        return Tensor(self.pivots.shape, self.lu.dtype, lambda index: Load(self.lu, [*index, index[-1]]))


def factors(lowering: Lowering, a: Tensor) -> Factors:
    """Return the factors of matrices; those of the same matrices are computed once."""
    found = known_factors(lowering, a)
    if found is not None:
        return found
    stack, n = a.shape[:-2], a.shape[-1]
    found = Factors(lowering.copied(transposed(a)), empty(a.shape[:-1], INT32))
    info = empty((), INT32)
    arguments = [n, n, whole(found.lu, stack), n, whole(found.pivots, stack), whole(info)]
    call(lowering, "getrf", arguments, [found.lu, found.pivots, info], stack, 2 * n**3 // 3)
    lowering.factors.append((_key(a), lowering.statements, found))
    return found


def known_factors(lowering: Lowering, a: Tensor) -> Factors | None:
    """Return the factors of matrices if they have been computed where the present statements can use them."""
    key = _key(a)
    for known, statements, found in lowering.factors:
        if key is not None and known == key and statements is lowering.statements:
            return found
    return None


def _key(a: Tensor) -> tuple | None:
    place = located(a)
    return None if place is None else (place.load.buffer, tuple(place.load.index), tuple(place.steps), a.shape)


def singular(lowering: Lowering, found: Factors) -> Buffer:
    """Return whether matrices are singular."""
    if found.singular is None:
        found.singular = has_zeros(lowering, found.diagonal())
    return found.singular


def has_zeros(lowering: Lowering, diagonal: Tensor) -> Buffer:
    """Return whether there are zeros among the numbers in the last dimension."""
    zero = Tensor((), diagonal.dtype, lambda index: Number(0.0, diagonal.dtype))
    zeros = lowering.elementwise("equal", diagonal, zero, dtype=BOOL, kind=diagonal.dtype)
    return lowering.stored(lowering.reduce("any", zeros, [len(diagonal.shape) - 1], False, BOOL))


def order_of_rows(lowering: Lowering, found: Factors) -> Tensor:
    """Return, for each row of the factors, which row of the matrix it was, as numbers of their dtype."""
    n = found.pivots.shape[-1]
    places = Tensor(
        found.pivots.shape,
        found.lu.dtype,
        lambda index: Apply("cast", [Position(index[-1])], INT, found.lu.dtype),
    )
    order = lowering.copied(places)
    arguments = [1, whole(order, found.stack), n, 1, n, whole(found.pivots, found.stack), 1]
    call(lowering, "laswp", arguments, [order], found.stack, n)
    return of_buffer(order)


def columns(stack: Sequence[int], steps: Sequence[int]) -> int | None:
    """Return the longest dimension of a stack that the matrices do not vary along, if there is one."""
    steps = [0] * (len(stack) - len(steps)) + list(steps)
    found = [i for i, n in enumerate(stack) if steps[i] == 0 and n > 1]
    return max(found, key=lambda i: stack[i]) if found else None
