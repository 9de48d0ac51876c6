"""Where a table lies and how finely it is resolved."""

import numpy as np

from mixgrad._errors import DataError

__all__ = ["centre_of", "resolution_of", "scale_of"]

# Squares of larger spans come near the largest float64, and squares of smaller spreads near the smallest.
LARGEST_SPAN = 1e150
SMALLEST_SPREAD = 1e-150


def centre_of(X):
    """Point of shape (d,) near the middle of the rows, such that ``X - centre`` is exact.

    Parameters are computed relative to it, so that they have as many digits at an offset of 1e8 as at none. It is a
    multiple of a power of two above four times the span of its column: the subtraction does not round, a column whose
    offset is small against its span (all ordinary data) is left untouched bit by bit, and a constant column becomes 0.

    Raises
    ------
    DataError
        A column spans so much that variances overflow.
    """
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    with np.errstate(over="ignore"):
        span = high - low
    if not np.all(span < LARGEST_SPAN):
        column = int(np.argmax(span))
        reach = f"from {low[column]:g} to {high[column]:g}"
        raise DataError(f"Column {column} reaches {reach}: its variance overflows. Scale the input data.")
    _, exponent = np.frexp(4.0 * span)
    grid = np.ldexp(1.0, exponent)
    return np.where(span > 0.0, grid * np.round((low + 0.5 * span) / grid), low)


def resolution_of(X):
    """Return standard deviations, shape (d,), that are nothing but rounding of the table's own numbers."""
    rounding = 4.0 * np.finfo(np.float64).eps * np.abs(X).max(axis=0).astype(np.float64)
    return np.maximum(rounding, SMALLEST_SPREAD)


def scale_of(X):
    """Return the size of each column, shape (d,); 1 for a column of zeros."""
    scale = np.abs(X).max(axis=0)
    return np.where(scale > SMALLEST_SPREAD, scale, 1.0)
