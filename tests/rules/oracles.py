"""Oracles of the conformance test: what each row means, said without the engine.

Elementwise rows have a function of mpmath; its partial derivatives are difference quotients in a hundred and more
digits, so they are exact for numbers of 53 bits. Other rows have a plain NumPy function that takes complex arguments
too: the derivative is its imaginary part after a step of 1e-30 i, exact to rounding. Rows without a derivative have
what they compute.

Whoever adds a row adds its oracle here (`test_complete.py` asks for it).
"""

from __future__ import annotations

import itertools
from functools import cache

import mpmath
import numpy as np
from mpmath import mp

from . import special_oracles as special

# Elementwise rows: mpmath -------------------------------------------------------------------------------------------


def _share_max(x, y):
    return max(x, y)


def _share_min(x, y):
    return min(x, y)


def _logarithm(base):
    return lambda x: mp.log(x) / mp.log(base)


def _logaddexp(base):
    def function(x, y):
        x, y = max(x, y), min(x, y)
        return x + mp.log(1 + mp.power(base(), y - x)) / mp.log(base())

    return function


def _power(x, y):
    if isinstance(x, mpmath.mpf) and x == 0:
        return mp.mpf(1) if y == 0 else mp.mpf(0) if y > 0 else mp.inf
    return mp.power(x, y)


def _copysign(x, y):
    return abs(x) if y > 0 else -abs(x)


MPMATH = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "negative": lambda x: -x,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "reciprocal": lambda x: 1 / x,
    "square": lambda x: x * x,
    "power": _power,
    "sqrt": mp.sqrt,
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "remainder": lambda x, y: x - y * mp.floor(x / y),
    "fmod": lambda x, y: x - y * mp.sign(x / y) * mp.floor(abs(x / y)),
    "exp": mp.exp,
    "exp2": lambda x: mp.power(2, x),
    "expm1": lambda x: mp.exp(x) - 1,
    "log": mp.log,
    "log2": _logarithm(2),
    "log10": _logarithm(10),
    "log1p": lambda x: mp.log(1 + x),
    "logaddexp": _logaddexp(lambda: mp.e),
    "logaddexp2": _logaddexp(lambda: mp.mpf(2)),
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "arcsin": mp.asin,
    "arccos": mp.acos,
    "arctan": mp.atan,
    "arctan2": mp.atan2,
    "hypot": lambda x, y: mp.sqrt(x * x + y * y),
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "arcsinh": mp.asinh,
    "arccosh": mp.acosh,
    "arctanh": mp.atanh,
    "deg2rad": lambda x: x * mp.pi / 180,
    "rad2deg": lambda x: x * 180 / mp.pi,
    "radians": lambda x: x * mp.pi / 180,
    "degrees": lambda x: x * 180 / mp.pi,
    "absolute": abs,
    "fabs": abs,
    "maximum": _share_max,
    "minimum": _share_min,
    "fmax": _share_max,
    "fmin": _share_min,
    "copysign": _copysign,
    "heaviside": lambda x, y: mp.mpf(0) if x < 0 else mp.mpf(1) if x > 0 else y,
    **special.MPMATH,
}

ANALYTIC = (
    "add", "subtract", "negative", "multiply", "divide", "reciprocal", "square", "power", "sqrt", "exp", "exp2",
    "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh",
    "tanh", "arcsinh", "arccosh", "arctanh",
)  # fmt: skip
"""Elementwise rows that NumPy computes for complex numbers, where they are analytic functions."""

DIGITS = {"tanh": 1000, **special.DIGITS}  # 1 - tanh(300) begins at the 260th digit
STEP = 30


@cache
def partial(name: str, args: tuple, *places: int):
    """Return the value (no places) or a partial derivative by the arguments at one, two or three (equal) places.

    Difference quotients with steps of 1e-30 of the arguments' size, hence with a relative error of about 1e-60.
    """
    function = MPMATH[name]
    with mp.workdps(DIGITS.get(name, 150)):
        point = [mp.mpmathify(complex(arg) if isinstance(arg, complex) else float(arg)) for arg in args]
        largest = max((abs(p) for p in point), default=0) or mp.mpf(1)
        steps = [(abs(p) or largest) * mp.mpf(10) ** -STEP for p in point]

        def at(*moves):
            moved = list(point)
            for place, sign in zip(places, moves):
                moved[place] = moved[place] + sign * steps[place]
            return function(*moved)

        if not places:
            return at()
        if len(places) == 1:
            return (at(1) - at(-1)) / (2 * steps[places[0]])
        if len(places) == 3:
            return (at(2) - 2 * at(1) + 2 * at(-1) - at(-2)) / (2 * steps[places[0]] ** 3)
        if places[0] == places[1]:
            return (at(1) - 2 * at() + at(-1)) / steps[places[0]] ** 2
        return (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * steps[places[0]] * steps[places[1]])


# Other rows: NumPy, for real and complex arguments ------------------------------------------------------------------


def _weighted_sum(*args, shape, dtype):
    return np.broadcast_to(sum(c * t for c, t in zip(args[::2], args[1::2])), shape)


def _laplace(a):
    """Return the determinant by expansion along the first row: a polynomial in the entries."""
    if a.shape[-1] == 1:
        return a[..., 0, 0]
    rest = [np.delete(a[..., 1:, :], j, axis=-1) for j in range(a.shape[-1])]
    return sum((-1) ** j * a[..., 0, j] * _laplace(minor) for j, minor in enumerate(rest))


def _cofactor(a):
    n = a.shape[-1]
    result = np.empty_like(a)
    for i, j in itertools.product(range(n), repeat=2):
        minor = np.delete(np.delete(a, i, axis=-2), j, axis=-1)
        result[..., i, j] = (-1) ** (i + j) * (_laplace(minor) if n > 1 else 1)
    return result


def _slogdet(a):
    det = _laplace(a)
    sign = np.sign(det.real)
    return sign, np.log(det * sign)


def _triangle(a, b, *, lower, unit):
    part = np.tril(a, -1) if lower else np.triu(a, 1)
    diagonal = np.ones(a.shape[-1]) if unit else np.diagonal(a, 0, -2, -1)[..., None]
    return np.linalg.solve(part + np.eye(a.shape[-1]) * diagonal, b)


def _cholesky(a):
    """Return the factor for symmetric matrices, without complex conjugation, so that it is analytic."""
    a = (a + np.swapaxes(a, -1, -2)) / 2
    n = a.shape[-1]
    factor = np.zeros_like(a)
    for j in range(n):
        factor[..., j, j] = np.sqrt(a[..., j, j] - np.sum(factor[..., j, :j] ** 2, -1))
        for i in range(j + 1, n):
            inner = np.sum(factor[..., i, :j] * factor[..., j, :j], -1)
            factor[..., i, j] = (a[..., i, j] - inner) / factor[..., j, j]
    return factor


def _jacobi(a):
    """Return eigenvalues and eigenvectors of a symmetric matrix by rotations, which are analytic in its entries."""
    n = a.shape[-1]
    a, v = (a + a.T) / 2, np.eye(n, dtype=a.dtype)
    for i, j in list(itertools.combinations(range(n), 2)) * 12:
        if a[i, j] == 0:
            continue
        gap = a[j, j] - a[i, i]
        t = 2 * a[i, j] / (gap + (1 if gap.real >= 0 else -1) * np.sqrt(gap**2 + 4 * a[i, j] ** 2))
        c = 1 / np.sqrt(t**2 + 1)
        turn = np.eye(n, dtype=a.dtype)
        turn[[i, j, i, j], [i, j, j, i]] = c, c, c * t, -c * t
        a, v = turn.T @ a @ turn, v @ turn
    order = np.argsort(np.diagonal(a).real)
    return np.diagonal(a)[order], v[:, order]


def _eigh(a, *, uplo, unique=True):
    """Return the eigenvectors with NumPy's signs, for one matrix or a stack."""
    if a.ndim > 2:
        return tuple(map(np.stack, zip(*[_eigh(part, uplo=uplo) for part in a])))
    w, v = _jacobi(a)
    signs = np.sign(np.sum(v.real * np.linalg.eigh(a.real, uplo)[1], axis=0))
    return w, v * signs


def _svd(a, *, unique=True):
    """Return singular values and vectors of matrices of full rank from eigenvalues of A^T A, with NumPy's signs."""
    if a.ndim > 2:
        return tuple(map(np.stack, zip(*map(_svd, a))))
    if a.shape[0] < a.shape[1]:
        u, s, vh = _svd(a.T)
        signs = np.sign(np.sum(vh.T.real * np.linalg.svd(a.real, full_matrices=False)[0], axis=0))
        return vh.T * signs, s, (u * signs).T
    w, v = _jacobi(a.T @ a)
    s, v = np.sqrt(w)[::-1], v[:, ::-1]
    v = v * np.sign(np.sum(v.T.real * np.linalg.svd(a.real, full_matrices=False)[2], axis=1))
    return a @ v / s, s, v.T


def _pinv(a, *, rtol):
    """Return the pseudoinverse of matrices of full rank."""
    transposed = np.swapaxes(a, -1, -2)
    if a.shape[-2] >= a.shape[-1]:
        return np.linalg.solve(transposed @ a, transposed)
    return np.swapaxes(np.linalg.solve(a @ transposed, a), -1, -2)


def _index(x, *arrays, form):
    return x[form.index(arrays)]


def _scatter(y, *arrays, form, shape):
    flat = np.zeros(np.prod(shape, dtype=int), y.dtype)
    places = np.arange(flat.size).reshape(shape)[form.index(arrays)]
    for place, value in zip(places.ravel(), np.broadcast_to(y, places.shape).ravel()):
        flat[place] += value
    return flat.reshape(shape)


def _update(y, value, *arrays, form):
    flat = y.ravel().tolist()
    places = np.arange(y.size).reshape(y.shape)[form.index(arrays)]
    for place, part in zip(np.ravel(places), np.ravel(value), strict=True):
        flat[place] = part
    return np.array(flat, y.dtype).reshape(y.shape)


def _einsum(*operands, subscripts):
    inputs, output = subscripts
    return np.einsum(",".join(inputs) + "->" + output, *operands)


NUMPY = {
    "weighted_sum": _weighted_sum,
    "matmul": lambda x, y: np.einsum("...ij,...jk->...ik", x, y),
    "matvec": lambda x, y: np.einsum("...ij,...j->...i", x, y),
    "vecdot": lambda x, y: np.sum(x * y, axis=-1),
    "einsum": _einsum,
    "index": _index,
    "scatter": _scatter,
    "update": _update,
    "sum": lambda x, *, axis, keepdims: np.sum(x, axis=axis, keepdims=keepdims),
    # NumPy orders complex numbers by their real parts first.
    "max": lambda x, *, axis, keepdims: np.max(x, axis=axis, keepdims=keepdims),
    "min": lambda x, *, axis, keepdims: np.min(x, axis=axis, keepdims=keepdims),
    "logsumexp": lambda x, *, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
    "solve": lambda a, b: np.linalg.inv(a) @ b,
    "solve_triangular": _triangle,
    "inv": lambda a: np.linalg.solve(a, np.broadcast_to(np.eye(a.shape[-1]), a.shape)),
    "cholesky": _cholesky,
    "cofactor": _cofactor,
    "det": _laplace,
    "slogdet": _slogdet,
    "eigh": _eigh,
    "eigvalsh": lambda a, *, uplo: _eigh(a, uplo=uplo)[0],
    "svd": _svd,
    "svdvals": lambda a: _svd(a)[1],
    "pinv": _pinv,
    "well_defined": lambda x, pairs, *, what: x,
    "reshape": lambda x, *, shape: np.reshape(x, shape),
    "transpose": lambda x, *, axes: np.transpose(x, axes),
    "broadcast_to": lambda x, *, shape: np.broadcast_to(x, shape),
    "concatenate": lambda *arrays, axis: np.concatenate(arrays, axis),
    "where": lambda condition, x, y: np.where(condition, x, y),
    "astype": lambda x, *, dtype: x,
    "cumsum": lambda x, *, axis: np.cumsum(x, axis),
    **special.NUMPY,
}

COMPLEX_PARTS = {"conjugate": np.conjugate, "real": np.real, "imag": np.imag}
"""Linear over the real numbers only: no complex step can be taken, and none is needed."""

REAL_ONLY = {
    "max", "min", "logsumexp", "cholesky", "eigh", "eigvalsh", "svd", "astype", "weighted_sum", *special.NUMPY,
}  # fmt: skip
"""Rows of `NUMPY` whose samples make no sense for complex numbers: they compare, need a Hermitian matrix, have results
with a phase of any choice, or a real dtype as static data."""


# Rows without a derivative ------------------------------------------------------------------------------------------

CONSTANT = {
    "stop_gradient": lambda x: x,
    "argsort": lambda x, *, axis: np.argsort(x, axis=axis, kind="stable"),
    "argmax": lambda x, *, axis: np.argmax(x, axis=axis),
    "argmin": lambda x, *, axis: np.argmin(x, axis=axis),
    "any": lambda x, *, axis, keepdims: np.any(x, axis=axis, keepdims=keepdims),
    "all": lambda x, *, axis, keepdims: np.all(x, axis=axis, keepdims=keepdims),
    "count_nonzero": lambda x, *, axis, keepdims: np.sum(x != 0, axis=axis, keepdims=keepdims),
    "astype_discrete": lambda x, *, dtype: x.astype(dtype),
    **{
        function.__name__: function
        for function in (
            np.floor, np.ceil, np.trunc, np.rint, np.sign, np.spacing, np.floor_divide, np.less, np.less_equal,
            np.greater, np.greater_equal, np.equal, np.not_equal, np.isfinite, np.isinf, np.isnan, np.signbit,
            np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.bitwise_and, np.bitwise_or,
            np.bitwise_xor, np.invert, np.left_shift, np.right_shift, np.isposinf, np.isneginf,
        )
    },
}  # fmt: skip


def has_oracle(name: str) -> bool:
    """Return whether the row of this name can be compared with something."""
    return any(name in table for table in (MPMATH, NUMPY, COMPLEX_PARTS, CONSTANT))


def complex_step(function, args, tangents):
    """Return the directional derivative of an analytic NumPy function at real arguments, exact to rounding."""
    step = 1e-30
    out = function(*[np.asarray(x) + 1j * step * np.asarray(v) for x, v in zip(args, tangents)])
    return [np.imag(part) / step for part in (out if isinstance(out, tuple) else (out,))]


WEIGHTS = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}


def five_points(function, args, tangents, step=5e-4):
    """Return the directional derivative of any function that returns a list of arrays, to about ten digits."""
    total = None
    for k, weight in WEIGHTS.items():
        parts = function(*[np.asarray(x) + k * step * np.asarray(v) for x, v in zip(args, tangents)])
        terms = [weight * np.asarray(part) / step for part in parts]
        total = terms if total is None else [a + b for a, b in zip(total, terms)]
    return total


def is_real(number) -> bool:
    """Return whether mpmath says that a function of real numbers is real here."""
    return not isinstance(number, mpmath.mpc) or number.imag == 0
