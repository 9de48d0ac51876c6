"""Rows of determinants. Their derivatives are right at singular matrices, too, whatever the rank."""

from __future__ import annotations

import numpy as np

from mixgrad._errors import StagingError
from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules import series
from mixgrad.rules.contraction import matmul
from mixgrad.rules.linalg import conditioned, inv, solve, square
from mixgrad.rules.row import Sample, data_of, general


def _trace_of_product(a, b):
    return np.sum(np.swapaxes(a, -1, -2) * b, axis=(-2, -1))


# With a condition number below this the inverse gives cofactors to ten digits, at a tenth of the cost.
WELL_CONDITIONED = 1e6


def _condition(a):
    """Return the largest condition number in a stack of matrices; inf where one is singular, or nearly zero."""
    singular = np.linalg.svd(a, compute_uv=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.max(np.where(singular[..., -1] > 1e-100, singular[..., 0] / singular[..., -1], np.inf), initial=1.0)


def cofactors(a):
    """Return the cofactors of a matrix, the derivative of its determinant, whatever its rank.

    With A = U diag(s) V^H they are det(U) det(V^H) conj(U) diag(prod_{j != i} s_j) conj(V^H).
    """
    n = a.shape[-1]
    u, s, vh = np.linalg.svd(a)
    others = np.where(np.eye(n, dtype=bool), 1.0, s[..., None, :]).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    product = (np.conjugate(u) * others[..., None, :]) @ np.conjugate(vh)
    return (np.asarray(sign)[..., None, None] * product).astype(a.dtype)


def _cofactor_jvp(out, args, tangents):
    (a,), (a_dot,) = args, tangents
    if _is_regular(a):
        # C = det(A) A^-T
        x = inv(a)
        spread = _trace_of_product(x, a_dot)[..., None, None]
        return spread * out - matmul(np.swapaxes(matmul(a_dot, x), -1, -2), out)
    return _adjugate_jvp(a, a_dot)


def _leverrier(a):
    """Return cofactors and determinant by the algorithm of Faddeev and LeVerrier, which never divides by a pivot."""
    n = a.shape[-1]
    eye = np.eye(n, dtype=a.dtype)
    m = np.broadcast_to(eye, a.shape)
    for k in range(1, n):
        product = matmul(a, m)
        m = product - (np.trace(product, axis1=-2, axis2=-1) / k)[..., None, None] * eye
    sign = (-1.0) ** (n - 1)
    return sign * np.swapaxes(m, -1, -2), sign * np.trace(matmul(a, m), axis1=-2, axis2=-1) / n


def _is_regular(a):
    """Whether inverses may be used; while a program is traced nobody knows, so what is right everywhere is used."""
    try:
        return bool(_condition(data_of(a)) < WELL_CONDITIONED)
    except StagingError:
        return False


def _rate(a):
    """Return the series of (log det A)' = tr(A^-1 A')."""
    quotient = series.solve(a[:-1], series.derivative(a), lambda right: solve(a[0], right))
    return np.trace(quotient, axis1=-2, axis2=-1)


def _slogdet_series(out, a):
    sign, logarithm = out
    rate = _rate(a)
    if not np.iscomplexobj(rate):
        return series.lift(sign, len(a) - 1), series.integral(rate, logarithm)
    turn = series.linear_ode(None, np.multiply(1j, np.imag(rate)), None, sign)
    return turn, series.integral(np.real(rate), logarithm)


def _adjugate_jvp(a, a_dot):
    """Differentiate the algorithm of Faddeev and LeVerrier, which never divides by a pivot, and transpose."""
    n = a.shape[-1]
    eye = np.eye(n, dtype=a.dtype)
    m, m_dot = eye, None
    for k in range(1, n):
        product = matmul(a, np.broadcast_to(m, a.shape))
        product_dot = matmul(a_dot, np.broadcast_to(m, a.shape))
        if m_dot is not None:
            product_dot = product_dot + matmul(a, m_dot)
        m = product - (np.trace(product, axis1=-2, axis2=-1) / k)[..., None, None] * eye
        m_dot = product_dot - (np.trace(product_dot, axis1=-2, axis2=-1) / k)[..., None, None] * eye
    if m_dot is None:
        return a_dot * 0
    return (-1.0) ** (n - 1) * np.swapaxes(m_dot, -1, -2)


_REGULAR = (Sample(((3, 3),), make=conditioned), Sample(((2, 2, 2),), make=conditioned))
_SINGULAR = (
    Sample((np.array([[1.0, 2.0], [2.0, 4.0]]),)),
    Sample((np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]]),)),
)

cofactor = general(
    "cofactor",
    cofactors,
    _cofactor_jvp,
    lambda args, batched: cofactor(args[0]),
    lambda a: a.shape,
    expand=lambda a: det(a)[..., None, None] * np.swapaxes(inv(a), -1, -2) if _is_regular(a) else _leverrier(a)[0],
    samples=(*_REGULAR, *_SINGULAR),
)

det = general(
    "det",
    np.linalg.det,
    lambda out, args, tangents: np.sum(cofactor(args[0]) * tangents[0], axis=(-2, -1)),
    lambda args, batched: det(args[0]),
    lambda a: a.shape[:-2],
    expand=lambda a: None if _is_regular(a) else _leverrier(a)[1],
    series=lambda out, a: series.linear_ode(None, _rate(a), None, out),
    samples=(*_REGULAR, *_SINGULAR, Sample((np.zeros((3, 3)),))),
)


def _slogdet_jvp(out, args, tangents):
    rate = _trace_of_product(inv(args[0]), tangents[0])
    if not np.iscomplexobj(rate):
        return None, rate
    return out[0] * (1j * np.imag(rate)), np.real(rate)


slogdet = general(
    "slogdet",
    lambda a: tuple(np.linalg.slogdet(a)),
    _slogdet_jvp,
    lambda args, batched: slogdet(args[0]),
    lambda a: (a.shape[:-2], a.shape[:-2]),
    dtype=lambda a: (a.dtype, np.finfo(a.dtype).dtype),
    multiple=True,
    series=_slogdet_series,
    samples=_REGULAR,
)


# What NumPy's functions mean ------------------------------------------------------------------------------------------

SlogdetResult = type(np.linalg.slogdet(np.eye(1)))


@numpy_function(np.linalg.det)
def _det(a):
    square("det", a)
    return det(a)


@numpy_function(np.linalg.slogdet)
def _slogdet(a):
    square("slogdet", a)
    return SlogdetResult(*slogdet(a))
