"""Recurrences for truncated Taylor series: coefficient k of the result from coefficients up to k of the arguments.

A series is an array whose first axis counts the coefficients: ``u[k]`` belongs to ``t ** k``. Each function here does
work proportional to the square of the order. The recurrences are those of Griewank and Walther, Evaluating Derivatives,
2nd ed. 2008, chapter 13: nearly every elementary function solves a linear differential equation ``b z' = a z + d``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mixgrad.core.bind import Traced
from mixgrad.rules.row import strong_product, weighted_sum


def derivative(u: Any) -> Any:
    """Return the series of du/dt, one coefficient shorter."""
    return u[1:] * _numbers(len(u) - 1, u)


def integral(v: Any, start: Any) -> Any:
    """Return the series whose derivative is `v` and whose first coefficient is `start`."""
    return _join([start], v / _numbers(len(v), v))


def _numbers(n: int, like: Any) -> np.ndarray:
    """Return 1, 2, ..., n along the first axis, in the precision of `like`."""
    return np.arange(1, n + 1).astype(np.finfo(like.dtype).dtype).reshape((n,) + (1,) * (like.ndim - 1))


def _join(head: list, tail: Any) -> Any:
    return np.concatenate([np.stack([np.broadcast_to(part, tail.shape[1:]) for part in head]), tail])


def lift(constant: Any, order: int, dtype: Any = None) -> Any:
    """Return the series of a constant; `dtype` is that of a number of Python, which has none of its own."""
    constant = constant if hasattr(constant, "dtype") else np.asarray(constant, dtype)
    zeros = np.zeros((order, *constant.shape), constant.dtype)
    return np.concatenate([constant.reshape((1, *constant.shape)), zeros])


def convolve(product: Callable, a: Any, b: Any) -> Any:
    """Return the series of a product of two series; `product` multiplies two stacks of coefficients one by one."""
    return np.stack([np.sum(product(a[: k + 1], b[k::-1]), axis=0) for k in range(len(a))])


def pad(a: Any, ndim: int) -> Any:
    """Insert axes of length one behind that of the coefficients until the array has `ndim` axes."""
    return a.reshape((len(a),) + (1,) * (ndim - a.ndim) + a.shape[1:]) if a.ndim < ndim else a


def multiply(a: Any, b: Any) -> Any:
    """Return the series of an elementwise product, with strong zeros."""
    ndim = max(a.ndim, b.ndim)
    return convolve(product, pad(a, ndim), pad(b, ndim))


def product(a: Any, b: Any) -> Any:
    """Return a b, where zero times anything is zero (the first law of derivatives)."""
    if isinstance(a, Traced) or isinstance(b, Traced):
        dtype = np.result_type(*[getattr(x, "dtype", x) for x in (a, b)])
        return weighted_sum(a, b, shape=np.broadcast_shapes(np.shape(a), np.shape(b)), dtype=dtype)
    return strong_product(a, b)


def divide(a: Any, b: Any) -> Any:
    """Return the series of a / b: from b z = a."""
    ndim = max(a.ndim, b.ndim)
    a, b = pad(a, ndim), pad(b, ndim)
    z = [a[0] / b[0]]
    for k in range(1, len(a)):
        z.append(quotient(a[k] - np.sum(product(b[1 : k + 1], np.stack(z[::-1])), axis=0), b[0]))
    return np.stack(z)


def quotient(a: Any, b: Any) -> Any:
    """Return a / b, where zero over anything is zero (the first law of derivatives)."""
    return np.where(a == 0, np.zeros((), a.dtype), a / np.where(a == 0, np.ones((), b.dtype), b))


def logarithm(u: Any) -> Any:
    """Return the series of log(u): from u z' = u'."""
    if len(u) == 1:
        return np.log(u)
    return integral(divide(derivative(u), u[:-1]), np.log(u[0]))


def square_root(u: Any, start: Any) -> Any:
    """Return the series of sqrt(u): from z z = u."""
    z = [start]
    for k in range(1, len(u)):
        total = u[k]
        if k > 1:
            total = total - np.sum(product(np.stack(z[1:]), np.stack(z[:0:-1])), axis=0)
        z.append(quotient(total, 2 * start))
    return np.stack(z)


def linear_ode(b: Any, a: Any, d: Any, start: Any) -> Any:
    """Return the series z with ``b z' = a z + d`` and ``z[0] = start``; `a` and `d` are one coefficient shorter.

    Where the leading coefficient of `b` vanishes, zero over zero is zero (the first law of derivatives).
    """
    z = [start]
    for k in range(1, len(a) + 1):
        total = np.sum(product(a[:k], np.stack(z[::-1])), axis=0)
        if d is not None:
            total = total + d[k - 1]
        if b is not None and k > 1:
            slopes = np.stack([z[k - i] * (k - i) for i in range(1, k)])
            total = total - np.sum(product(b[1:k], slopes), axis=0)
        z.append((total if b is None else quotient(total, b[0])) / k)
    return np.stack(z)


def exponential(u: Any, start: Any, rate: float = 1.0) -> Any:
    """Return the series of z with z' = rate u' z."""
    return linear_ode(None, rate * derivative(u), None, start)


def power(u: Any, exponent: Any, start: Any) -> Any:
    """Return the series of u ** exponent: from u z' = exponent u' z."""
    return linear_ode(u, exponent * derivative(u), None, start)


def sine_and_cosine(u: Any, sine: Any, cosine: Any, sign: int) -> tuple[Any, Any]:
    """Return the series of s and c with s' = c u' and c' = sign s u': circular for -1, hyperbolic for +1."""
    slope = derivative(u)
    s, c = [sine], [cosine]
    for k in range(1, len(u)):
        next_s = np.sum(product(slope[:k], np.stack(c[::-1])), axis=0) / k
        next_c = sign * np.sum(product(slope[:k], np.stack(s[::-1])), axis=0) / k
        s.append(next_s)
        c.append(next_c)
    return np.stack(s), np.stack(c)


def riccati(u: Any, start: Any, slope_start: Any, sign: int) -> Any:
    """Return the series of z with z' = v u' and v = 1 + sign z ** 2, where v starts at `slope_start`."""
    slope = derivative(u)
    z, v = [start], [slope_start]
    for k in range(1, len(u)):
        z.append(np.sum(product(slope[:k], np.stack(v[::-1])), axis=0) / k)
        v.append(sign * np.sum(product(np.stack(z), np.stack(z[::-1])), axis=0))
    return np.stack(z)


def solve(matrix: Any, right: Any, solve_leading: Callable) -> Any:
    """Return the series x with matrix x = right; `solve_leading` solves with the first coefficient of the matrix."""
    x = [solve_leading(right[0])]
    matrix = pad(matrix, 1 + x[0].ndim)
    for k in range(1, len(right)):
        known = np.sum(np.matmul(matrix[1 : k + 1], np.stack(x[::-1])), axis=0)
        x.append(solve_leading(right[k] - known))
    return np.stack(x)
