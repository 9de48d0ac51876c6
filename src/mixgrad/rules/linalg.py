"""Rows of linear algebra: solving, and factors. All work on stacks of matrices."""

from __future__ import annotations

import math

import numpy as np

from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules import series
from mixgrad.rules.contraction import adjoint, matmul, stacked_batch
from mixgrad.rules.row import Sample, general
from mixgrad.rules.shape import as_array


def conditioned(x):
    """Make a random matrix well conditioned (for samples)."""
    return x + 4 * np.eye(x.shape[-1]) if x.shape[-1] == x.shape[-2] else x


def _positive_definite(x):
    """Make a random matrix symmetric and positive definite (for samples)."""
    return x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1])


def _triangular(x):
    """Make a random square matrix lower triangular and well conditioned (for samples)."""
    return np.tril(conditioned(x)) if x.shape[-1] == x.shape[-2] else x


def _solution_shape(a, b, **static):
    return (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])


# Solving --------------------------------------------------------------------------------------------------------------


def _solve_jvp(x, args, tangents):
    # A x = b, hence A x_dot = b_dot - A_dot x.
    (a, _), (a_dot, b_dot) = args, tangents
    if a_dot is None:
        return solve(a, b_dot)
    change = matmul(a_dot, x)
    return solve(a, -change if b_dot is None else b_dot - change)


solve = general(
    "solve",
    np.linalg.solve,
    _solve_jvp,
    stacked_batch(lambda: solve, (2, 2)),
    _solution_shape,
    transpose=lambda out_bar, args, i: solve(adjoint(args[0]), out_bar),
    linear_in=(1,),
    series=lambda x, a, b: series.solve(a, b, lambda right: solve(a[0], right)),
    samples=(
        Sample(((3, 3), (3, 2)), make=conditioned),
        Sample(((2, 3, 3), (3, 1)), make=conditioned),
        Sample(((1, 1), (4, 1, 2)), make=conditioned),
    ),
)


def _solve_triangular_value(a, b, *, lower, unit):
    from scipy.linalg import solve_triangular  # heavy: imported on first use

    if a.ndim == 2 == b.ndim:
        return solve_triangular(a, b, lower=lower, unit_diagonal=unit, check_finite=False)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    flat_a = np.broadcast_to(a, (*stack, *a.shape[-2:])).reshape(math.prod(stack), *a.shape[-2:])
    flat_b = np.broadcast_to(b, (*stack, *b.shape[-2:])).reshape(math.prod(stack), *b.shape[-2:])
    # An infinite derivative is an answer, so nothing is refused here.
    parts = [
        solve_triangular(m, v, lower=lower, unit_diagonal=unit, check_finite=False) for m, v in zip(flat_a, flat_b)
    ]
    return np.array(parts).reshape(*stack, *b.shape[-2:])


def _solve_triangular_series(x, a, b, *, lower, unit):
    seen = np.tril(a, -unit) if lower else np.triu(a, unit)
    return series.solve(seen, b, lambda right: triangular(a[0], right, lower=lower, unit=unit))


def _solve_triangular_jvp(x, args, tangents, *, lower, unit):
    (a, _), (a_dot, b_dot) = args, tangents
    if a_dot is None:
        return triangular(a, b_dot, lower=lower, unit=unit)
    seen = np.tril(a_dot, -unit) if lower else np.triu(a_dot, unit)  # the part of the matrix that is read
    change = matmul(seen, x)
    return triangular(a, -change if b_dot is None else b_dot - change, lower=lower, unit=unit)


triangular = general(
    "solve_triangular",
    _solve_triangular_value,
    _solve_triangular_jvp,
    stacked_batch(lambda: triangular, (2, 2)),
    _solution_shape,
    transpose=lambda out_bar, args, i, *, lower, unit: triangular(
        adjoint(args[0]), out_bar, lower=not lower, unit=unit
    ),
    linear_in=(1,),
    series=_solve_triangular_series,
    samples=(
        Sample(((3, 3), (3, 2)), {"lower": True, "unit": False}, make=_triangular),
        Sample(((2, 3, 3), (3, 1)), {"lower": True, "unit": True}, make=_triangular),
    ),
)

inv = general(
    "inv",
    np.linalg.inv,
    lambda x, args, tangents: -matmul(matmul(x, tangents[0]), x),
    lambda args, batched: inv(args[0]),
    lambda a: a.shape,
    expand=lambda a: solve(a, np.eye(a.shape[-1], dtype=a.dtype)),
    samples=(
        Sample(((3, 3),), make=conditioned),
        Sample(((2, 2, 2),), make=conditioned),
        Sample(((1, 1),), domain=(1, 2)),
    ),
)


# Factors --------------------------------------------------------------------------------------------------------------


def _cholesky_jvp(factor, args, tangents):
    # A = L L^H. With S = L^-1 A_dot L^-H:  L_dot = L (lower half of S, with half the diagonal).
    a_dot = (tangents[0] + adjoint(tangents[0])) / 2
    half = triangular(factor, a_dot, lower=True, unit=False)
    s = adjoint(triangular(factor, adjoint(half), lower=True, unit=False))
    n = factor.shape[-1]
    weights = np.tri(n, dtype=factor.dtype) - 0.5 * np.eye(n, dtype=factor.dtype)
    return matmul(factor, s * weights)


def _cholesky_series(factor, a):
    # The coefficient k of L L^H is  L_0 L_k^H + L_k L_0^H + (known terms): the equation of the forward rule.
    factors = [factor]
    for k in range(1, len(a)):
        known = a[k]
        if k > 1:
            known = known - np.sum(matmul(np.stack(factors[1:]), adjoint(np.stack(factors[:0:-1]))), axis=0)
        factors.append(_cholesky_jvp(factor, None, (known,)))
    return np.stack(factors)


cholesky = general(
    "cholesky",
    np.linalg.cholesky,
    _cholesky_jvp,
    lambda args, batched: cholesky(args[0]),
    lambda a: a.shape,
    series=_cholesky_series,
    samples=(
        Sample(((3, 3),), make=_positive_definite),
        Sample(((2, 2, 2),), make=_positive_definite),
        Sample(((1, 1),), make=_positive_definite),
    ),
)


# What NumPy's functions mean ------------------------------------------------------------------------------------------


def square(name, a):
    """Refuse what is no square matrix."""
    if np.ndim(a) < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"np.linalg.{name} needs a square matrix or a stack of them, got shape {np.shape(a)}")


@numpy_function(np.linalg.solve)
def _solve(a, b):
    a, b = as_array(a), as_array(b)
    square("solve", a)
    n = a.shape[-1]
    if np.ndim(b) == 0 or b.shape[0 if np.ndim(b) == 1 else -2] != n:
        raise ValueError(f"np.linalg.solve: a matrix of shape {a.shape} and a right-hand side of shape {np.shape(b)}")
    if np.ndim(b) == 1:
        x = solve(a, b.reshape((n, 1)))
        return x.reshape(x.shape[:-1])
    return solve(a, b)


@numpy_function(np.linalg.inv)
def _inv(a):
    square("inv", a)
    return inv(a)


@numpy_function(np.linalg.cholesky)
def _cholesky(a, /, *, upper=False):
    # NumPy reads one triangle; the derivative is that of the symmetric matrix it stands for.
    square("cholesky", a)
    return adjoint(cholesky(adjoint(a))) if upper else cholesky(a)


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False):
    """Solve ``a x = b`` for a triangular matrix, as `scipy.linalg.solve_triangular` does; arrays or traced values.

    Parameters
    ----------
    a : array_like, shape (..., n, n)
        Only one triangle is read.
    b : array_like, shape (n,) or (..., n, k)
        The right-hand side.
    trans : {0, 1, 2, 'N', 'T', 'C'}
        Solve with `a`, its transpose or its conjugate transpose.
    lower : bool
        Whether `a` is lower triangular.
    unit_diagonal : bool
        Whether the diagonal is taken as ones, and not read.

    Returns
    -------
    ndarray
        The solution, of the shape of `b`, or of the stack's.
    """
    a, b = (x if hasattr(x, "dtype") else np.asarray(x, dtype=float) for x in (a, b))
    square("solve_triangular", a)
    if trans not in (0, "N"):
        a, lower = (adjoint(a) if trans in (2, "C") else np.swapaxes(a, -1, -2)), not lower
    if np.ndim(b) == 0 or b.shape[0 if np.ndim(b) == 1 else -2] != a.shape[-1]:
        raise ValueError(f"solve_triangular: a matrix of shape {a.shape} and a right-hand side of shape {np.shape(b)}")
    static = {"lower": bool(lower), "unit": bool(unit_diagonal)}
    if np.ndim(b) == 1:
        x = triangular(a, b.reshape((-1, 1)), **static)
        return x.reshape(x.shape[:-1])
    return triangular(a, b, **static)


@numpy_function(np.linalg.multi_dot)
def _multi_dot(arrays):
    *front, result = arrays
    for array in reversed(front):
        result = np.matmul(array, result)
    return result


@numpy_function(np.linalg.matrix_power)
def _matrix_power(a, n):
    square("matrix_power", a)
    if n < 0:
        return _matrix_power(inv(a), -n)
    result = None
    while n:
        if n & 1:
            result = a if result is None else matmul(result, a)
        n >>= 1
        a = matmul(a, a) if n else a
    return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape) if result is None else result
