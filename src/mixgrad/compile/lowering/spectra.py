"""Eigenvalues and singular values, and what is made of them."""

from __future__ import annotations

import numpy as np

from mixgrad.compile.lowering.matrices import INT32, call, element, empty, transposed, whole
from mixgrad.compile.lowering.statements import BOOL, INT, Lowering, NoNativeForm, Tensor, converted, form, of_buffer
from mixgrad.compile.lowering.systems import operands, sign_and_logarithm
from mixgrad.compile.tensor import Apply, Buffer, Expression, Number, Operand, Position
from mixgrad.core.program import Equation


def _working(size: int, dtype: np.dtype) -> tuple[Buffer, Operand]:
    buffer = empty((max(size, 2),), dtype)
    return buffer, whole(buffer)


@form("eigh")
def _eigh(lowering: Lowering, equation: Equation) -> list[Tensor]:
    (a,) = operands(lowering, equation, equation.outs[0].dtype)
    values, vectors = _eigenvalues(lowering, a, "V", equation.static["uplo"])
    return [values, transposed(vectors)]


@form("eigvalsh")
def _eigvalsh(lowering: Lowering, equation: Equation) -> Tensor:
    (a,) = operands(lowering, equation, equation.outs[0].dtype)
    return _eigenvalues(lowering, a, "N", equation.static["uplo"])[0]


def _eigenvalues(lowering: Lowering, a: Tensor, job: str, uplo: str) -> tuple[Tensor, Tensor]:
    """Return eigenvalues and, with job "V", the vectors as rows."""
    n, stack, dtype = a.shape[-1], a.shape[:-2], a.dtype
    vectors, values = lowering.copied(transposed(a)), empty(a.shape[:-1], dtype)
    lengths = (1 + 6 * n + 2 * n * n + 64 * n, 3 + 5 * n)  # what LAPACK asks for, and room for blocks
    (work, first), (integers, second) = (_working(m, kind) for m, kind in zip(lengths, (dtype, INT32)))
    places = [whole(buffer, stack) for buffer in (vectors, values)]
    arguments = [job, uplo, n, places[0], n, places[1], first, lengths[0], second, lengths[1], None]
    call(lowering, "syevd", arguments, [vectors, values, work, integers], stack, 10 * n**3)
    return of_buffer(values), of_buffer(vectors)


@form("svd")
def _svd(lowering: Lowering, equation: Equation) -> list[Tensor]:
    (a,) = operands(lowering, equation, equation.outs[0].dtype)
    return list(_singular_values(lowering, a, "S"))


@form("svdvals")
def _svdvals(lowering: Lowering, equation: Equation) -> Tensor:
    (a,) = operands(lowering, equation, equation.outs[0].dtype)
    return _singular_values(lowering, a, "N")[1]


def _singular_values(lowering: Lowering, a: Tensor, job: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return left vectors, values and right vectors; with job "N" the values alone have content."""
    (m, n), stack, dtype = a.shape[-2:], a.shape[:-2], a.dtype
    k = min(m, n)
    source, values = lowering.copied(transposed(a)), empty((*stack, k), dtype)
    left, right = empty((*stack, k, m), dtype), empty((*stack, n, k), dtype)
    size = 4 * k * k + 7 * k + max(m, n) + 64 * (m + n + 2 * k)  # what LAPACK asks for, and room for blocks
    (work, first), (integers, second) = _working(size, dtype), _working(8 * k, INT32)
    a_place, s_place, u_place, v_place = (whole(buffer, stack) for buffer in (source, values, left, right))
    arguments = [job, m, n, a_place, m, s_place, u_place, m, v_place, k, first, size, second, None]
    call(lowering, "gesdd", arguments, [source, values, left, right, work, integers], stack, 20 * m * n * k)
    return transposed(of_buffer(left)), of_buffer(values), transposed(of_buffer(right))


@form("pinv")
def _pinv(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    (a,), dtype, rtol = operands(lowering, equation, out.dtype), out.dtype, equation.static["rtol"]
    rtol = max(a.shape[-2:]) * np.finfo(dtype).eps if rtol is None else rtol
    u, s, vh = _singular_values(lowering, a, "S")
    largest = lowering.reduce("max", s, [len(s.shape) - 1], True, dtype)

    def inverse(index: list) -> Expression:
        limit = Apply("multiply", [Number(rtol, dtype), element(largest, index)], dtype, dtype)
        large = Apply("greater", [s.at(index), limit], dtype, BOOL)
        quotient = Apply("divide", [Number(1.0, dtype), s.at(index)], dtype, dtype)
        return Apply("where", [large, quotient, Number(0.0, dtype)], dtype, dtype)

    return _weighted_product(lowering, transposed(vh), lowering.map(s.shape, dtype, inverse), transposed(u))


def _weighted_product(lowering: Lowering, u: Tensor, weights: Tensor, vh: Tensor) -> Tensor:
    """Return ``u @ diag(weights) @ vh``."""
    stack = "".join(chr(ord("A") + i) for i in range(len(u.shape) - 2))
    return lowering.contract([f"{stack}ik", f"{stack}k", f"{stack}kj"], f"{stack}ij", [u, weights, vh], u.dtype)


@form("cofactor")
def _cofactor(lowering: Lowering, equation: Equation) -> Tensor:
    (out,) = equation.outs
    (a,), dtype = operands(lowering, equation, out.dtype), out.dtype
    u, s, vh = _singular_values(lowering, a, "S")
    n, last = s.shape[-1], len(s.shape)

    def others(index: list) -> Expression:
        *place, j, i = index
        same = Apply("equal", [Position(i), Position(j)], INT, BOOL)
        return Apply("where", [same, Number(1.0, dtype), s.at([*place, i])], dtype, dtype)

    rest = lowering.reduce("prod", Tensor((*s.shape, n), dtype, others), [last], False, dtype)
    sign = lowering.elementwise("multiply", *(sign_and_logarithm(lowering, x)[0] for x in (u, vh)), dtype=dtype)
    weights = lowering.map(
        s.shape, dtype, lambda index: Apply("multiply", [element(sign, index[:-1]), rest.at(index)], dtype, dtype)
    )
    return _weighted_product(lowering, u, weights, vh)


@form("well_defined")
def _well_defined(lowering: Lowering, equation: Equation) -> Tensor:
    (out,), (x, pairs) = equation.outs, equation.args
    x, pairs, dtype = lowering.tensor(x, out.dtype), converted(lowering.tensor(pairs), BOOL), out.dtype
    if 0 in x.shape or x.shape != out.shape or len(x.shape) != len(pairs.shape):
        raise NoNativeForm("matrices without elements")
    size = lowering.elementwise("absolute", x, dtype=dtype)
    largest = lowering.reduce("max", size, [len(x.shape) - 2, len(x.shape) - 1], True, dtype)
    rounding = Number(100 * x.shape[-1] * float(np.finfo(dtype).eps), dtype)

    def checked(index: list) -> Expression:
        limit = Apply("multiply", [rounding, element(largest, index)], dtype, dtype)
        far = Apply("greater", [size.at(index), limit], dtype, BOOL)
        wrong = Apply("logical_and", [element(pairs, index), far], BOOL, BOOL)
        return Apply("provided", [Apply("logical_not", [wrong], BOOL, BOOL), x.at(index)], dtype, dtype)

    return lowering.map(out.shape, dtype, checked)
