"""Reductions that leave nan out: entries that are nan have the derivative zero."""

from __future__ import annotations

import math

import numpy as np

from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules.reduction import axes_of, root_of_squares


def _filled(a, value):
    return np.where(np.isnan(a), np.asarray(value, a.dtype), a)


def _count(a, axis, keepdims=False):
    """Return how many entries are not nan."""
    present = np.count_nonzero(~np.isnan(a), axis=axes_of(axis, a.ndim), keepdims=keepdims)
    return np.astype(present, np.finfo(a.dtype).dtype)


@numpy_function(np.nansum)
def _nansum(a, axis=None, dtype=None, out=None, keepdims=False):
    return np.sum(_filled(a, 0), axis=axis, dtype=dtype, keepdims=keepdims)


@numpy_function(np.nanprod)
def _nanprod(a, axis=None, dtype=None, out=None, keepdims=False):
    return np.prod(_filled(a, 1), axis=axis, dtype=dtype, keepdims=keepdims)


@numpy_function(np.nancumsum)
def _nancumsum(a, axis=None):
    return np.cumsum(_filled(a, 0), axis=axis)


@numpy_function(np.nancumprod)
def _nancumprod(a, axis=None):
    return np.cumprod(_filled(a, 1), axis=axis)


@numpy_function(np.nanmean)
def _nanmean(a, axis=None, dtype=None, out=None, keepdims=False):
    return _nansum(a, axis, dtype, keepdims=keepdims) / _count(a, axis, keepdims)


@numpy_function(np.nanvar)
def _nanvar(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=None):
    ddof = ddof if correction is None else correction
    deviation = np.where(np.isnan(a), np.zeros((), a.dtype), a - _nanmean(a, axis, dtype, keepdims=True))
    size = np.abs(deviation) if a.dtype.kind == "c" else deviation
    return np.sum(np.square(size), axis=axis, keepdims=keepdims) / (_count(a, axis, keepdims) - ddof)


@numpy_function(np.nanstd)
def _nanstd(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=None):
    return root_of_squares(_nanvar(a, axis, dtype, out, ddof, keepdims, correction=correction))


@numpy_function(np.nanmax)
def _nanmax(a, axis=None, out=None, keepdims=False):
    return _extremum(np.max, a, axis, keepdims, -math.inf)


@numpy_function(np.nanmin)
def _nanmin(a, axis=None, out=None, keepdims=False):
    return _extremum(np.min, a, axis, keepdims, math.inf)


def _extremum(function, a, axis, keepdims, instead):
    found = function(_filled(a, instead), axis=axis, keepdims=keepdims)
    none = np.all(np.isnan(a), axis=axis, keepdims=keepdims)
    return np.where(none, np.asarray(math.nan, a.dtype), found)
