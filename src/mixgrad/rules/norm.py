"""Norms of vectors and matrices, composed of rows that are there: no derivative of their own."""

from __future__ import annotations

import numpy as np

from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules.reduction import axes_of, root_of_squares


@numpy_function(np.linalg.norm)
def _norm(x, ord=None, axis=None, keepdims=False):
    axes = axes_of(axis, x.ndim)
    if ord is None:
        return root_of_squares(_sum_of_squares(x, axes, keepdims))
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError(f"np.linalg.norm with ord={ord!r} needs one or two axes, got {len(axes)}")
    if ord == "fro":
        return root_of_squares(_sum_of_squares(x, axes, keepdims))
    if ord in (1, -1, np.inf, -np.inf):
        inner, outer = axes if abs(ord) == 1 else axes[::-1]
        reduce = np.max if ord > 0 else np.min
        sums = np.sum(np.abs(x), axis=inner, keepdims=True)
        largest = reduce(sums, axis=outer, keepdims=True)
        return largest if keepdims else np.squeeze(largest, axes)
    if ord in (2, -2, "nuc"):
        return _by_singular_values(x, ord, axes, keepdims)
    raise ValueError(
        f"np.linalg.norm: ord={ord!r} is no norm of matrices, only None, 'fro', 'nuc', 1, -1, 2, -2, inf, -inf are"
    )


def _by_singular_values(x, ord, axes, keepdims):
    values = np.linalg.svdvals(np.moveaxis(x, axes, (-2, -1)))
    if ord == "nuc":
        result = np.sum(values, axis=-1)
    else:
        result = np.max(values, axis=-1) if ord > 0 else np.min(values, axis=-1)
    return np.expand_dims(result, axes) if keepdims else result


@numpy_function(np.linalg.vector_norm)
def _linalg_vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    axes = axes_of(axis, x.ndim)
    return _vector_norm(x, ord, axes, keepdims)


@numpy_function(np.linalg.matrix_norm)
def _linalg_matrix_norm(x, /, *, keepdims=False, ord="fro"):
    return _norm(x, ord, (-2, -1), keepdims)


def _sum_of_squares(x, axes, keepdims):
    if np.iscomplexobj(x):
        return _sum_of_squares(np.real(x), axes, keepdims) + _sum_of_squares(np.imag(x), axes, keepdims)
    return np.sum(np.square(x), axis=axes, keepdims=keepdims)


def _vector_norm(x, ord, axes, keepdims):
    if ord == 2:
        return root_of_squares(_sum_of_squares(x, axes, keepdims))
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axes, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.astype(x != 0, x.dtype), axis=axes, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axes, keepdims=keepdims)
    if not isinstance(ord, (int, float)):
        raise ValueError(f"np.linalg.norm: ord={ord!r} is not an order of a norm of vectors")
    return np.sum(size**ord, axis=axes, keepdims=keepdims) ** (1 / ord)
