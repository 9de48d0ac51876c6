"""Systems of linear equations, Cholesky factors and determinants.

Small matrices are worked off element by element: statements over the stack, which share loops with what is around them
and run in vectors. Others are given to LAPACK.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mixgrad.compile.lowering.matrices import (
    Factors,
    call,
    columns,
    element,
    factors,
    has_zeros,
    known_factors,
    order_of_rows,
    readable,
    singular,
    stretched,
    transposed,
    triangle,
    whole,
)
from mixgrad.compile.lowering.statements import (
    BOOL,
    INT,
    Lowering,
    NoNativeForm,
    Tensor,
    cast,
    converted,
    form,
    of_buffer,
)
from mixgrad.compile.tensor import Apply, Axis, Buffer, Expression, Load, Number, Operand, Position, shifted, volume
from mixgrad.core.program import Equation

SMALL = 8
"""Rows of matrices that are factored element by element, and of blocks of larger systems."""
SMALL_SYSTEM = 32
"""Rows of triangular matrices whose systems are solved row by row, if there are `MANY` right-hand sides to each."""
MANY = 256


def operands(lowering: Lowering, equation: Equation, dtype: np.dtype) -> list[Tensor]:
    """Return the arguments of an equation in a dtype; matrices without elements are left to NumPy."""
    tensors = [converted(lowering.tensor(arg, dtype), dtype) for arg in equation.args]
    if any(0 in x.shape for x in tensors):
        raise NoNativeForm("matrices without elements")
    return tensors


@form("solve")
def _solve(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    a, b = operands(lowering, equation, out.dtype)
    return _solved(lowering, a, stretched(b, out.shape[:-2]))


@form("inv")
def _inv(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    (a,) = operands(lowering, equation, out.dtype)
    one = lambda index: Apply("equal", [Position(index[-2]), Position(index[-1])], INT, BOOL)
    return _solved(lowering, a, Tensor(out.shape, out.dtype, lambda index: cast(one(index), out.dtype)))


@form("solve_triangular")
def _solve_triangular(lowering: Lowering, equation: Equation) -> Tensor:
    (out,), static = equation.outs, equation.static
    a, b = operands(lowering, equation, out.dtype)
    b = stretched(b, out.shape[:-2])
    certain = static["unit"] or triangle(a) != ""
    return _solved_by_triangle(lowering, a, b, static["lower"], static["unit"], certain)


def _solved(lowering: Lowering, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a^-1 b``, where the stack of `b` is that of the result."""
    known = triangle(a)
    if known:
        return _solved_by_triangle(lowering, a, b, known == "L", False, True)
    n, count = a.shape[-1], volume(b.shape) // max(volume(a.shape[:-1]), 1)
    if n <= SMALL_SYSTEM and count >= MANY:
        return _solved_row_by_row(lowering, factors(lowering, a), b)
    found = known_factors(lowering, transposed(a)) if known_factors(lowering, a) is None else None
    flip = "N" if found is None else "T"
    found = found or factors(lowering, a)
    work = lowering.copied(transposed(b))  # column by column
    stack, steps = b.shape[:-2], work.strides()
    rounds, many, leading = _rounds(found.stack, stack, steps, b.shape[-1], n)
    place = lambda buffer: Operand(Load(buffer, [0] * len(buffer.shape)), _chosen(buffer, found.stack, stack, rounds))
    right = Operand(Load(work, [0] * len(work.shape)), [steps[i] for i in rounds])
    arguments = [flip, n, many, place(found.lu), n, place(found.pivots), right, leading, None]
    lengths = [stack[i] for i in rounds]
    call(lowering, "getrs", arguments, [work], lengths, 2 * n * n * many, unless=place(singular(lowering, found)))
    return transposed(of_buffer(work))


def _rounds(
    own: Sequence[int], stack: Sequence[int], steps: Sequence[int], width: int, leading: int
) -> tuple[list[int], int, int]:
    """Return the dimensions of a stack to loop over, how many columns there are at a time, and how far apart they lie.

    Vectors that belong to the same matrix are columns.
    """
    dimensions = list(range(len(stack)))
    varying = [0] * (len(stack) - len(own)) + [int(n > 1) for n in own]
    free = columns(stack, varying) if width == 1 else None
    if free is None:
        return dimensions, width, leading
    dimensions.remove(free)
    return dimensions, stack[free], steps[free]


def _chosen(buffer: Buffer, own: Sequence[int], stack: Sequence[int], rounds: Sequence[int]) -> list[int]:
    """Return the steps of a buffer with its own stack along the dimensions that are looped over."""
    steps = [0 if n == 1 else step for n, step in zip(own, buffer.strides())]
    steps = [0] * (len(stack) - len(own)) + steps
    return [steps[i] for i in rounds]


def _solved_row_by_row(lowering: Lowering, found: Factors, b: Tensor) -> Tensor:
    lu, order = transposed(of_buffer(found.lu)), order_of_rows(lowering, found)

    def row(i: int) -> Callable[[list], Expression]:
        place = lambda index: Apply("cast", [element(order, index[:-1], i)], order.dtype, INT)
        return lambda index: b.at([*index[:-1], place(index), index[-1]])

    n = b.shape[-2]
    middle = _substitute(lowering, lu, [row(i) for i in range(n)], b, True, [None] * n)
    inverse = _inverse_diagonal(lowering, lu, False)
    return _joined(lowering, _substitute(lowering, lu, [x.at for x in middle], b, False, inverse), b.shape)


def _solved_by_triangle(lowering: Lowering, a: Tensor, b: Tensor, lower: bool, unit: bool, certain: bool) -> Tensor:
    """Return ``a^-1 b`` for triangular matrices; with `certain` their diagonals hold no zero."""
    n, count = a.shape[-1], volume(b.shape) // max(volume(a.shape[:-1]), 1)
    if n <= SMALL or (n <= SMALL_SYSTEM and count >= MANY):
        row = lambda i: lambda index: b.at([*index[:-1], 0 if n == 1 else i, index[-1]])
        inverse = [None] * n if unit else _inverse_diagonal(lowering, a, certain)
        return _joined(lowering, _substitute(lowering, a, [row(i) for i in range(n)], b, lower, inverse), b.shape)
    diagonal = Tensor(a.shape[:-1], a.dtype, lambda index: a.at([*index, index[-1]]))
    zeros = None if certain else has_zeros(lowering, diagonal)
    work, matrices = lowering.copied(b), readable(lowering, a)
    own, stack, steps, width = a.shape[:-2], b.shape[:-2], work.strides(), b.shape[-1]
    rounds, many, leading = _rounds(own, stack, steps, width, width)
    from_left = width == 1  # otherwise it is X^T A^T = B^T for BLAS
    upper = "U" if lower == matrices.by_rows else "L"
    flip = "T" if matrices.by_rows == from_left else "N"
    sizes = (n, many) if from_left else (width, n)
    leading = leading if from_left and len(rounds) < len(stack) else n if from_left else width
    along = [0] * (len(stack) - len(own)) + [0 if m == 1 else s for m, s in zip(own, matrices.place.steps)]
    place = Operand(matrices.place.load, [along[i] for i in rounds])
    right = Operand(Load(work, [0] * len(work.shape)), [steps[i] for i in rounds])
    head = ["L" if from_left else "R", upper, flip, "U" if unit else "N", *sizes, 1.0]
    unless = None if zeros is None else Operand(Load(zeros, [0] * len(own)), _chosen(zeros, own, stack, rounds))
    arguments = [*head, place, matrices.leading, right, leading]
    call(lowering, "trsm", arguments, [work], [stack[i] for i in rounds], n * n * many, unless)
    return of_buffer(work)


# Row by row -----------------------------------------------------------------------------------------------------------


def _inverse_diagonal(lowering: Lowering, a: Tensor, certain: bool) -> list[Tensor | None]:
    """Return one over each number on the diagonal; the kernel fails where that is zero."""
    stack, dtype, n = a.shape[:-2], a.dtype, a.shape[-1]

    def inverse(i: int) -> Callable[[list], Expression]:
        def at(index: list) -> Expression:
            number = element(a, index, i, i)
            if not certain:
                fine = Apply("not_equal", [number, Number(0.0, dtype)], dtype, BOOL)
                number = Apply("provided", [fine, number], dtype, dtype)
            return Apply("divide", [Number(1.0, dtype), number], dtype, dtype)

        return at

    result: list[Tensor | None] = []
    for i in range(n):
        result.append(lowering.map(stack, dtype, inverse(i)))
        lowering.statements[-1].checks = not certain
    return result


def _substitute(
    lowering: Lowering,
    a: Tensor,
    rows: list[Callable[[list], Expression]],
    b: Tensor,
    lower: bool,
    inverse: Sequence[Tensor | None],
) -> list[Tensor]:
    """Return the rows of ``a^-1 b``, each from those before it (or behind it): a few rows at a time.

    Within a block of rows all products are written out; what a block contributes to another one is a product of
    matrices, with loops.
    """
    n = len(rows)
    blocks = [range(start, min(start + SMALL, n)) for start in range(0, n, SMALL)]
    done: list[tuple[range, Tensor]] = []
    solved: dict[int, Tensor] = {}
    for block in blocks if lower else reversed(blocks):
        known = [(part, _product(lowering, a, x, block, part, b)) for part, x in done]
        order = block if lower else reversed(block)
        own: dict[int, Tensor] = {}
        for i in order:
            own[i] = _unknown(lowering, a, (i, rows[i], inverse[i]), own, [(i - block.start, x) for _, x in known], b)
        solved |= own
        if len(blocks) > 1:
            shape = (*b.shape[:-2], len(block), b.shape[-1])
            done.append((block, _joined(lowering, [own[i] for i in block], shape)))
    return [solved[i] for i in range(n)]


def _unknown(
    lowering: Lowering, a: Tensor, row: tuple, own: dict[int, Tensor], known: list[tuple[int, Tensor]], b: Tensor
) -> Tensor:
    """Return a row of the result from its row of the right-hand side, rows of its block and what others contribute."""
    (i, right, scale), dtype, before = row, b.dtype, dict(own)

    def at(index: list) -> Expression:
        total = right(index)
        for place, x in known:
            total = Apply("subtract", [total, x.at([*index[:-1], place, index[-1]])], dtype, dtype)
        for k, x in before.items():
            product = Apply("multiply", [element(a, index[:-1], i, k), x.at(index)], dtype, dtype)
            total = Apply("subtract", [total, product], dtype, dtype)
        return total if scale is None else Apply("multiply", [total, element(scale, index[:-1])], dtype, dtype)

    return lowering.map((*b.shape[:-2], b.shape[-1]), dtype, at)


def _product(lowering: Lowering, a: Tensor, x: Tensor, rows: range, part: range, b: Tensor) -> Tensor:
    """Return a block of a matrix times rows of the result."""
    dtype, last = b.dtype, len(b.shape)
    place = lambda index, block: shifted(index, block.start, 1)

    def at(index: list) -> Expression:
        *stack, i, column, k = index
        factors = [element(a, stack, place(i, rows), place(k, part)), x.at([*stack, k, column])]
        return Apply("multiply", factors, dtype, dtype)

    shape = (*b.shape[:-2], len(rows), b.shape[-1], len(part))
    return lowering.reduce("sum", Tensor(shape, dtype, at), [last], False, dtype)


def _joined(lowering: Lowering, rows: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Return the matrix of some rows; one that is asked for by its number needs no array."""
    total = Buffer(shape, rows[0].dtype)
    total.axes = [None if n == 1 else Axis(n, total) for n in shape]
    for i, x in enumerate(rows):
        lowering.write(total, lambda index, i=i: [*index[:-1], i, index[-1]], x)
    return _of_elements(total, lambda index: rows[index[-2]].at([*index[:-2], index[-1]]), 1)


def _of_elements(total: Buffer, known: Callable[[list], Expression], fixed: int) -> Tensor:
    """Return a matrix in a buffer, of which elements in rows (and columns, if `fixed` is 2) with a number are known."""
    stored = of_buffer(total)
    numbered = lambda index: all(type(part) is int for part in index[-2:][:fixed])
    return Tensor(total.shape, total.dtype, lambda index: known(index) if numbered(index) else stored.at(index))


# Cholesky factors -----------------------------------------------------------------------------------------------------


@form("cholesky")
def _cholesky(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    (a,) = operands(lowering, equation, out.dtype)
    n, stack, dtype = a.shape[-1], a.shape[:-2], a.dtype
    if n <= SMALL:
        return _small_cholesky(lowering, a)
    work = lowering.copied(a)  # row by row: LAPACK sees the transposed matrix and gives the transposed factor
    call(lowering, "potrf", ["U", n, whole(work, stack), n, None], [work], stack, n**3 // 3)

    def at(index: list) -> Expression:
        inside = Apply("less_equal", [Position(index[-1]), Position(index[-2])], INT, BOOL)
        return Apply("where", [inside, Load(work, list(index)), Number(0.0, dtype)], dtype, dtype)

    factor = lowering.map(out.shape, dtype, at)
    assert factor.buffer is not None
    factor.buffer.lower = True
    return factor


def _small_cholesky(lowering: Lowering, a: Tensor) -> Tensor:
    n, stack, dtype = a.shape[-1], a.shape[:-2], a.dtype
    found: dict[tuple[int, int], Tensor] = {}
    for j in range(n):
        inverse: Tensor | None = None
        for i in range(j, n):

            def rest(index: list, i: int = i, j: int = j) -> Expression:
                total = element(a, index, i, j)
                for k in range(j):
                    product = Apply("multiply", [found[i, k].at(index), found[j, k].at(index)], dtype, dtype)
                    total = Apply("subtract", [total, product], dtype, dtype)
                return total

            if inverse is None:
                pivot = lowering.map(stack, dtype, rest)
                root, inverse = _root(lowering, pivot)
                found[j, j] = root
            else:
                scale = inverse
                at = lambda index, rest=rest, s=scale: Apply("multiply", [rest(index), s.at(index)], dtype, dtype)
                found[i, j] = lowering.map(stack, dtype, at)
    total = lowering.stored(lowering.full(a.shape, dtype)) if n > 1 else Buffer(a.shape, dtype)
    total.axes = [None if m == 1 else Axis(m, total) for m in a.shape]
    for (i, j), x in found.items():
        lowering.write(total, lambda index, i=i, j=j: [*index, i, j], x)
    total.lower = True
    zero = Number(0.0, dtype)
    at = lambda index: found[index[-2], index[-1]].at(index[:-2]) if index[-2] >= index[-1] else zero
    return _of_elements(total, at, 2)


def _root(lowering: Lowering, pivot: Tensor) -> tuple[Tensor, Tensor]:
    """Return the square root and one over it; the kernel fails where a number is not positive."""
    dtype = pivot.dtype

    def root(index: list) -> Expression:
        positive = Apply("greater", [pivot.at(index), Number(0.0, dtype)], dtype, BOOL)
        return Apply("sqrt", [Apply("provided", [positive, pivot.at(index)], dtype, dtype)], dtype, dtype)

    result = lowering.map(pivot.shape, dtype, root)
    lowering.statements[-1].checks = True
    inverse = lambda index: Apply("divide", [Number(1.0, dtype), result.at(index)], dtype, dtype)
    return result, lowering.map(pivot.shape, dtype, inverse)


# Determinants ---------------------------------------------------------------------------------------------------------


@form("slogdet")
def _slogdet(lowering: Lowering, equation: Equation) -> list[Tensor]:
    (a,) = operands(lowering, equation, equation.outs[0].dtype)
    return list(sign_and_logarithm(lowering, a))


@form("det")
def _det(lowering: Lowering, equation: Equation) -> Tensor:
    (a,) = operands(lowering, equation, equation.outs[0].dtype)
    sign, logarithm = sign_and_logarithm(lowering, a)
    size = lowering.elementwise("exp", logarithm, dtype=a.dtype)
    return lowering.elementwise("multiply", sign, size, dtype=a.dtype)


def sign_and_logarithm(lowering: Lowering, a: Tensor) -> tuple[Tensor, Tensor]:
    """Return sign and logarithm of the size of determinants, from the diagonal of the factors."""
    dtype, last = a.dtype, len(a.shape) - 2
    found = known_factors(lowering, transposed(a)) or factors(lowering, a)
    diagonal = found.diagonal()
    number = lambda value: Number(value, dtype)

    def sign(index: list) -> Expression:
        x, kind = diagonal.at(index), found.pivots.dtype
        row = Apply("cast", [Load(found.pivots, list(index))], kind, INT)
        below = Apply("subtract", [row, Number(1, INT)], INT, INT)
        moved = Apply("not_equal", [below, Position(index[-1])], INT, BOOL)
        negative = Apply("less", [x, number(0.0)], dtype, BOOL)
        odd = Apply("logical_xor", [moved, negative], BOOL, BOOL)
        size = Apply("where", [Apply("equal", [x, number(0.0)], dtype, BOOL), number(0.0), number(1.0)], dtype, dtype)
        return Apply("where", [odd, Apply("negative", [size], dtype, dtype), size], dtype, dtype)

    signs = lowering.map(diagonal.shape, dtype, sign)
    total = lowering.reduce("prod", signs, [last], False, dtype)
    sizes = lowering.elementwise("log", lowering.elementwise("absolute", diagonal, dtype=dtype), dtype=dtype)
    logarithm = lowering.reduce("sum", sizes, [last], False, dtype)
    none = Tensor((), dtype, lambda index: number(0.0))
    singular = lowering.elementwise("equal", total, none, dtype=BOOL, kind=dtype)
    least = Tensor((), dtype, lambda index: number(-np.inf))
    return total, lowering.elementwise("where", singular, least, logarithm, dtype=dtype)
