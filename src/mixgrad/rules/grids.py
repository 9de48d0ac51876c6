"""Functions of values on a grid: integrals, differences, interpolation, convolutions, polynomials."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from mixgrad._errors import BoxConversionError, StagingError, UnsupportedError
from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules.index import SLOT, Form, index
from mixgrad.rules.shape import as_array


def _slices(axis, start, stop):
    return (*(slice(None),) * axis, slice(start, stop))


@numpy_function(np.trapezoid)
def _trapezoid(y, x=None, dx=1.0, axis=-1):
    y = as_array(y)
    axis = normalize_axis_index(axis, y.ndim)
    if x is None:
        width = dx
    else:
        x = as_array(x)
        width = np.diff(x, axis=axis) if x.ndim > 1 else np.diff(x).reshape((-1,) + (1,) * (y.ndim - axis - 1))
    return np.sum(width * (y[_slices(axis, 1, None)] + y[_slices(axis, None, -1)]) / 2, axis=axis)


@numpy_function(np.gradient)
def _gradient(f, *varargs, axis=None, edge_order=1):
    axes = tuple(range(f.ndim)) if axis is None else (axis,) if np.ndim(axis) == 0 else tuple(axis)
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if any(np.ndim(step) for step in steps):
        raise UnsupportedError(
            "np.gradient of a grid with coordinates has no rule in mixgrad, only with one step for each axis. Use "
            "np.diff(f) / np.diff(x)."
        )
    if len(steps) != len(axes) or edge_order not in (1, 2):
        raise TypeError(f"np.gradient: {len(varargs)} steps for {len(axes)} axes, edge_order={edge_order!r}")
    slopes = [_central(f, step, normalize_axis_index(i, f.ndim), edge_order) for i, step in zip(axes, steps)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _central(f, step, axis, edge_order):
    if f.shape[axis] <= edge_order:
        raise ValueError(f"np.gradient needs more than {edge_order} values along axis {axis}, got shape {f.shape}")

    def at(start, stop):
        return f[_slices(axis, start, stop)]

    if edge_order == 1:
        first, last = at(1, 2) - at(0, 1), at(-1, None) - at(-2, -1)
    else:
        first = -1.5 * at(0, 1) + 2 * at(1, 2) - 0.5 * at(2, 3)
        last = 1.5 * at(-1, None) - 2 * at(-2, -1) + 0.5 * at(-3, -2)
    return np.concatenate([first, (at(2, None) - at(None, -2)) / 2, last], axis=axis) / step


@numpy_function(np.interp)
def _interp(x, xp, fp, left=None, right=None):
    # The slope at a knot is that to the right of it.
    x, xp = (np.astype(as_array(part), np.float64) for part in (x, xp))
    fp = np.astype(as_array(fp), np.result_type(as_array(fp).dtype, np.float64))
    if xp.ndim != 1 or xp.shape != fp.shape or len(xp) == 0:
        raise ValueError(f"np.interp needs as many points as values, got shapes {xp.shape} and {fp.shape}")
    below = fp[0] if left is None else left
    above = fp[-1] if right is None else right
    if len(xp) > 1:
        low = np.clip(_count_below(x, xp) - 1, 0, len(xp) - 2)
        share = (x - _at(xp, low)) / (_at(xp, low + 1) - _at(xp, low))
        inside = _at(fp, low) + share * (_at(fp, low + 1) - _at(fp, low))
    else:
        inside = np.broadcast_to(fp[0], x.shape)
    return np.where(x < xp[0], below, np.where(x > xp[-1], above, inside))


def _at(values, places):
    """Return ``values[places]``; an array cannot be indexed by a box, the row can."""
    return index(values, places, form=Form((SLOT,)))


def _count_below(x, xp):
    """Return how many points are at most x: by comparisons, where values are not known."""
    try:
        plain = [part.concrete() if hasattr(part, "concrete") else part for part in (xp, x)]
    except (BoxConversionError, StagingError):
        return np.count_nonzero(xp <= x[..., None], axis=-1)
    return np.searchsorted(*plain, side="right")


@numpy_function(np.convolve)
def _convolve(a, v, mode="full"):
    a, v = np.atleast_1d(a), np.atleast_1d(v)
    if a.ndim != 1 or v.ndim != 1 or len(a) == 0 or len(v) == 0:
        raise ValueError(f"np.convolve needs two vectors that are not empty, got shapes {a.shape} and {v.shape}")
    if len(v) > len(a):
        a, v = v, a
    n, m = len(a), len(v)
    windows = np.arange(n + m - 1)[:, None] + np.arange(m)
    full = np.pad(a, m - 1)[windows] @ v[::-1]
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"np.convolve needs the mode 'full', 'same' or 'valid', got {mode!r}")
    start, length = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    return full[start : start + length]


@numpy_function(np.correlate)
def _correlate(a, v, mode="valid"):
    a, v = np.atleast_1d(a), np.atleast_1d(v)
    if len(v) > len(a):
        return np.conjugate(_correlate(v, a, mode))[::-1]
    return _convolve(a, np.conjugate(v)[::-1], mode)


@numpy_function(np.polyval)
def _polyval(p, x):
    p, x = as_array(p), as_array(x)
    y = np.zeros_like(x)
    for coefficient in p:
        y = y * x + coefficient
    return y


@numpy_function(np.vander)
def _vander(x, N=None, increasing=False):
    x = as_array(x)
    n = len(x) if N is None else N
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    return x[:, None] ** powers
