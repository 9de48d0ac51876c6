"""Rows of eigenvalues and singular values, of Hermitian and of any matrices; all work on stacks of matrices.

Of a Hermitian matrix NumPy reads one triangle. The derivative is that of the Hermitian matrix it stands for: tangents
are made Hermitian, so cotangents are.

Where values are repeated, their vectors may be turned among each other. A sum of such values has a derivative all the
same, and the formulas give it with any choice of the vectors; the vectors themselves have none. So `eigh` and `svd` are
there twice: with `unique` they refuse a derivative that depends on the choice, without it (under `eigvalsh` and
`svdvals`) such a turn counts as zero.
"""

from __future__ import annotations

import numpy as np

from mixgrad._errors import DerivativeError, UnsupportedError
from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules.contraction import adjoint, matmul
from mixgrad.rules.linalg import square
from mixgrad.rules.row import Sample, conjugate, general, linear, stop_gradient
from mixgrad.rules.shape import stretch


def _hermitian(x):
    return (x + adjoint(x)) / 2


def _real(x):
    return np.real(x) if x.dtype.kind == "c" else x


def _real_dtype(a):
    return np.finfo(a.dtype).dtype


# Repeated values ------------------------------------------------------------------------------------------------------


def _well_defined_value(x, pairs, *, what):
    if np.any(pairs):
        size = np.abs(x)
        rounding = 100 * x.shape[-1] * np.finfo(x.dtype).eps * np.max(size, axis=(-2, -1), keepdims=True)
        bad = np.argwhere(pairs & (size > rounding))
        if len(bad):
            i, j = sorted(map(int, bad[0][-2:]))
            raise DerivativeError(
                f"{what} {i} and {j} belong to equal values, so they are not unique and have no derivative in this "
                "direction. For a function of the values alone use np.linalg.eigvalsh or np.linalg.svdvals; otherwise "
                "write it without these vectors (np.linalg.solve, inv, pinv, matrix_power), or move the matrix a "
                "little."
            )
    return x


well_defined = linear(  # x itself, which must vanish for pairs of vectors that may be turned among each other
    "well_defined",
    _well_defined_value,
    lambda out_bar, args, i, *, what: well_defined(out_bar, args[1], what=what),
    lambda args, batched, *, what: well_defined(*stretch(args, batched), what=what),
    lambda x, pairs, *, what: x.shape,
    dtype=lambda x, pairs, *, what: x.dtype,
    samples=(
        Sample(((3, 3), np.zeros((3, 3), bool)), {"what": "eigenvectors"}),
        Sample(((2, 3, 2), np.zeros((2, 3, 2), bool)), {"what": "eigenvectors"}),
    ),
)


def _over(x, divisor, scale, what=""):
    """Return x / divisor, and zero where the divisor is nothing but rounding of numbers of the size of `scale`.

    With a name for the vectors in `what`, entries must vanish there, on their way forth and back.
    """
    fixed = stop_gradient(divisor)
    none = np.abs(fixed) <= x.shape[-1] * float(np.finfo(fixed.dtype).eps) * stop_gradient(scale)
    inverse = np.where(none, np.zeros((), fixed.dtype), 1 / np.where(none, np.ones((), fixed.dtype), divisor))
    if not what:
        return x * inverse
    pairs = np.broadcast_to(none & ~np.eye(*x.shape[-2:], dtype=bool), x.shape)
    return well_defined(well_defined(x, pairs, what=what) * inverse, pairs, what=what)


def _largest(values):
    return np.max(np.abs(values), axis=-1)[..., None, None]


# Hermitian matrices ---------------------------------------------------------------------------------------------------


def _symmetric(x):
    """Make a random square matrix symmetric, with eigenvalues apart (for samples)."""
    return (x + np.swapaxes(x, -1, -2)) / 4 + np.diag(3.0 * np.arange(x.shape[-1]))


def _eigh_jvp(out, args, tangents, *, unique, uplo):
    # With V_dot = V K:  K_ij = s_ij / (w_j - w_i), w_dot_i = s_ii, where s = V^H A_dot V. K_ii = 0 keeps the length.
    w, v = out
    s = matmul(adjoint(v), matmul(_hermitian(tangents[0]), v))
    turn = s
    if w.shape[-1]:
        turn = _over(s, w[..., None, :] - w[..., :, None], _largest(w), "eigenvectors" if unique else "")
    return _real(np.diagonal(s, 0, -2, -1)), matmul(v, turn)


eigh = general(
    "eigh",
    lambda a, *, unique, uplo: tuple(np.linalg.eigh(a, uplo)),
    _eigh_jvp,
    lambda args, batched, *, unique, uplo: eigh(args[0], unique=unique, uplo=uplo),
    lambda a, *, unique, uplo: (a.shape[:-1], a.shape),
    dtype=lambda a, *, unique, uplo: (_real_dtype(a), a.dtype),
    multiple=True,
    samples=(
        Sample(((3, 3),), {"unique": True, "uplo": "L"}, make=_symmetric),
        Sample(((2, 2, 2),), {"unique": False, "uplo": "U"}, make=_symmetric),
        Sample(((1, 1),), {"unique": True, "uplo": "L"}),
    ),
)


def _eigvalsh_jvp(w, args, tangents, *, uplo):
    v = eigh(args[0], unique=False, uplo=uplo)[1]
    return _real(np.sum(conjugate(v) * matmul(_hermitian(tangents[0]), v), axis=-2))


eigvalsh = general(
    "eigvalsh",
    lambda a, *, uplo: np.linalg.eigvalsh(a, uplo),
    _eigvalsh_jvp,
    lambda args, batched, *, uplo: eigvalsh(args[0], uplo=uplo),
    lambda a, *, uplo: a.shape[:-1],
    dtype=lambda a, *, uplo: _real_dtype(a),
    samples=(
        Sample(((3, 3),), {"uplo": "L"}, make=_symmetric),
        Sample(((2, 2, 2),), {"uplo": "U"}, make=_symmetric),
        Sample(((1, 1),), {"uplo": "L"}),
    ),
)


# Any matrices ---------------------------------------------------------------------------------------------------------


def _rank_of_shape(a):
    return min(a.shape[-2:])


def _svd_shapes(a):
    stack, (m, n), k = a.shape[:-2], a.shape[-2:], _rank_of_shape(a)
    return (*stack, m, k), (*stack, k), (*stack, k, n)


def _apart(x):
    """Give a random matrix singular values that are apart (for samples)."""
    return x + np.eye(*x.shape[-2:]) * 5.0 * (1 + np.arange(x.shape[-1]))


def _svd_jvp(out, args, tangents, *, unique):
    # With U_dot = U K + ..., V_dot = V L + ... and P = U^H A_dot V, the sum and the difference of the turns decouple:
    # (K + L)_ij = (P + P^H)_ij / (s_j - s_i),  (K - L)_ij = (P - P^H)_ij / (s_i + s_j).
    u, s, vh = out
    a_dot, v = tangents[0], adjoint(vh)
    moved = matmul(a_dot, v)
    p = matmul(adjoint(u), moved)
    k, (m, n) = s.shape[-1], a_dot.shape[-2:]
    if k == 0:
        return moved, np.diagonal(p, 0, -2, -1), matmul(p, vh)
    what, scale = "singular vectors" if unique else "", _largest(s)
    row, column = s[..., None, :], s[..., :, None]
    total = _over(p + adjoint(p), row - column, scale, what)
    difference = _over(p - adjoint(p), row + column, scale, what)
    u_dot, v_dot = matmul(u, (total + difference) / 2), matmul(v, (total - difference) / 2)
    if m > k:
        u_dot = u_dot + _outside(moved - matmul(u, p), row, scale, what)
    if n > k:
        v_dot = v_dot + _outside(matmul(adjoint(a_dot), u) - matmul(v, adjoint(p)), row, scale, what)
    return u_dot, _value_dots(s, _real(np.diagonal(p, 0, -2, -1))), adjoint(v_dot)


def _outside(x, row, scale, what):
    """Return what leaves the space of the vectors; where a value vanishes, that may be turned, too."""
    return _over(x, np.broadcast_to(row, x.shape), scale, what)


def _value_dots(s, dots):
    """Return the tangents of singular values; a value of zero is a kink, as that of abs(x) at zero."""
    return np.where(stop_gradient(s) == 0, np.zeros((), dots.dtype), dots)


svd = general(
    "svd",
    lambda a, *, unique: tuple(np.linalg.svd(a, full_matrices=False)),
    _svd_jvp,
    lambda args, batched, *, unique: svd(args[0], unique=unique),
    lambda a, *, unique: _svd_shapes(a),
    dtype=lambda a, *, unique: (a.dtype, _real_dtype(a), a.dtype),
    multiple=True,
    samples=(
        Sample(((3, 3),), {"unique": True}, make=_apart),
        Sample(((4, 2),), {"unique": True}, make=_apart),
        Sample(((2, 2, 3),), {"unique": False}, make=_apart),
        Sample(((1, 1),), {"unique": True}),
    ),
)


def _svdvals_jvp(s, args, tangents):
    u, _, vh = svd(args[0], unique=False)
    dots = np.sum(conjugate(u) * matmul(tangents[0], adjoint(vh)), axis=-2)
    return _value_dots(s, _real(dots))


svdvals = general(
    "svdvals",
    np.linalg.svdvals,
    _svdvals_jvp,
    lambda args, batched: svdvals(args[0]),
    lambda a: _svd_shapes(a)[1],
    dtype=_real_dtype,
    samples=(
        Sample(((3, 3),), make=_apart),
        Sample(((4, 2),), make=_apart),
        Sample(((2, 2, 3),), make=_apart),
        Sample(((1, 1),)),
    ),
)


def _pinv_jvp(p, args, tangents, *, rtol):
    # Golub and Pereyra 1973; the rank is taken as constant.
    (a,), (a_dot,) = args, tangents
    adjoint_dot = adjoint(a_dot)
    left, right = matmul(p, matmul(adjoint(p), adjoint_dot)), matmul(adjoint_dot, matmul(adjoint(p), p))
    return left - matmul(matmul(left, a), p) + right - matmul(p, matmul(a, right)) - matmul(p, matmul(a_dot, p))


pinv = general(
    "pinv",
    lambda a, *, rtol: np.linalg.pinv(a, rtol=rtol),
    _pinv_jvp,
    lambda args, batched, *, rtol: pinv(args[0], rtol=rtol),
    lambda a, *, rtol: (*a.shape[:-2], a.shape[-1], a.shape[-2]),
    samples=(
        Sample(((3, 3),), {"rtol": None}, make=_apart),
        Sample(((4, 2),), {"rtol": 1e-5}, make=_apart),
        Sample(((2, 2, 3),), {"rtol": None}, make=_apart),
    ),
)


# What NumPy's functions mean ------------------------------------------------------------------------------------------

EighResult = type(np.linalg.eigh(np.eye(1)))
SVDResult = type(np.linalg.svd(np.eye(1)))


def _triangle(name, a, uplo):
    """Refuse what is no square matrix; return the letter of the triangle that is read."""
    square(name, a)
    if uplo.upper() not in ("L", "U"):
        raise ValueError(f"np.linalg.{name} needs UPLO='L' or 'U', got {uplo!r}")
    return uplo.upper()


def _stack_of_matrices(name, a):
    if a.ndim < 2:
        raise ValueError(f"np.linalg.{name} needs a matrix or a stack of them, got shape {a.shape}")


@numpy_function(np.linalg.eigvalsh)
def _eigvalsh(a, UPLO="L"):
    return eigvalsh(a, uplo=_triangle("eigvalsh", a, UPLO))


@numpy_function(np.linalg.eigh)
def _eigh(a, UPLO="L"):
    return EighResult(*eigh(a, unique=True, uplo=_triangle("eigh", a, UPLO)))


@numpy_function(np.linalg.svdvals)
def _svdvals(x, /):
    _stack_of_matrices("svdvals", x)
    return svdvals(x)


@numpy_function(np.linalg.svd)
def _svd(a, full_matrices=True, compute_uv=True):
    _stack_of_matrices("svd", a)
    if not compute_uv:
        return svdvals(a)
    if full_matrices and a.shape[-2] != a.shape[-1]:
        raise UnsupportedError(
            f"np.linalg.svd of a matrix of shape {a.shape} gives, with full_matrices=True, vectors that span the null "
            "space; they are not unique, so they have no derivative. Use np.linalg.svd(a, full_matrices=False)."
        )
    return SVDResult(*svd(a, unique=True))


@numpy_function(np.linalg.pinv)
def _pinv(a, rcond=None, *, rtol=None):
    _stack_of_matrices("pinv", a)
    rtol = rcond if rtol is None else rtol
    return pinv(a, rtol=None if rtol is None else float(rtol))


@numpy_function(np.linalg.matrix_rank)
def _matrix_rank(A, tol=None, *, rtol=None):
    # A count of values, which has no derivative.
    if A.ndim < 2:
        return int(np.any(A != 0))
    s = svdvals(stop_gradient(A))
    if tol is None:
        factor = max(A.shape[-2:]) * np.finfo(s.dtype).eps if rtol is None else rtol
        tol = np.max(s, axis=-1, keepdims=True) * factor
    else:
        tol = np.asarray(tol)[..., None]
    return np.count_nonzero(s > tol, axis=-1)
