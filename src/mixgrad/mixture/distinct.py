"""Tables without repeated rows, and the weights that say how often each row counts.

Fits run on distinct rows with weights, so that the two laws of weights hold bit by bit: a row of weight 0 is a row
removed, and a row of weight 2 is a row repeated.
"""

import numpy as np

from mixgrad._errors import DataError

__all__ = ["check_sample_weight", "distinct"]

FEW = 4  # columns that are looked at first: in most tables they tell all rows apart
BLOCK = 8192  # rows whose hashes are computed at a time: they stay in the cache


def check_sample_weight(sample_weight, n_rows):
    """Weights of rows that a user gives, as an array: finite, and so their sum.

    Parameters
    ----------
    sample_weight : None, a number, or array-like of shape (n,)
    n_rows : int
        n.

    Returns
    -------
    ndarray of float64 of shape (n,), or None
        None if none were given.

    Raises
    ------
    DataError
        They are not finite numbers, one for each row, of which none is negative and one at least is positive.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight)
        weights = weights if weights.dtype == np.float64 else weights.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample_weight should hold one number for each row: {error}.") from None
    if weights.ndim == 0:
        weights = np.full(n_rows, weights)
    if weights.ndim != 1:
        raise DataError(f"Sample weights must be 1D array or scalar, got {weights.ndim}D array.")
    if weights.shape != (n_rows,):
        raise DataError(f"sample_weight.shape == {weights.shape}, expected {(n_rows,)}!")
    if not np.all(np.isfinite(weights)):
        raise DataError("Input sample_weight contains NaN or infinity.")
    if np.any(weights < 0.0):
        row = int(np.argmin(weights))
        raise DataError(f"Negative values in data passed to sample_weight: {weights[row]:g} for row {row}.")
    if not np.any(weights):
        raise DataError("Sample weights must contain at least one non-zero number.")
    with np.errstate(over="ignore"):
        if np.isinf(weights.sum()):
            raise DataError("The sum of the sample weights overflows: divide them all by the largest.")
    return weights


def distinct(X, sample_weight=None):
    """Merge the rows of a table that are equal, and leave out those of weight 0.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Finite, float64 or float32. ``-0.0`` equals ``0.0``.
    sample_weight : ndarray of shape (n,), optional
        None counts each row once.

    Returns
    -------
    rows : ndarray of shape (m, d)
        In the order in which they come first; `X` itself if nothing is left out.
    weights : ndarray of shape (m,) or None
        Sums of the weights of equal rows; None if all are 1.
    index : ndarray of int of shape (n,) or None
        For each row of `X` its place in `rows`, -1 for rows of weight 0; None if `rows` is `X`.
    """
    if sample_weight is not None and not np.all(sample_weight):
        kept = np.flatnonzero(sample_weight)
        rows, weights, index = distinct(X[kept], sample_weight[kept])
        places = np.full(len(X), -1)
        places[kept] = index if index is not None else np.arange(len(kept))
        return rows, weights, places
    first, index = _groups(X)
    if first is None or index is None:
        unit = sample_weight is None or bool(np.all(sample_weight == 1.0))
        return X, None if unit else sample_weight, None
    weights = np.bincount(index, sample_weight, len(first)).astype(np.float64, copy=False)
    return X[first], weights, index


def _groups(X):
    """Return the first row of each group of equal rows, in order, and the group of each row; None if all differ."""
    if X.shape[1] == 0:
        return np.arange(min(1, len(X))), np.zeros(len(X), dtype=np.intp)
    hashes = ordered = np.empty(0, dtype=np.uint64)
    for n_features in sorted({min(FEW, X.shape[1]), X.shape[1]}):
        hashes = _hashes(X[:, :n_features])
        ordered = np.sort(hashes)
        if not np.any(ordered[1:] == ordered[:-1]):
            return None, None
    order = np.argsort(hashes, kind="stable")
    groups = _numbered(order, ordered[1:] != ordered[:-1])
    if not np.array_equal(X, X.take(groups[0][groups[1]], axis=0)):  # rows that differ have the same hash
        order = np.lexsort(X.T)
        groups = _numbered(order, np.any(X[order[1:]] != X[order[:-1]], axis=1))
    return (None, None) if len(groups[0]) == len(X) else groups


def _numbered(order, differs):
    """Return the first row of each group and the group of each row; in the order given, groups lie together."""
    begins = np.r_[True, differs]
    group = np.empty(len(order), dtype=np.intp)
    group[order] = np.cumsum(begins) - 1
    first = order[begins]  # sorts are stable: the first of a group is its first row
    by_row = np.argsort(first)
    number = np.empty(len(first), dtype=np.intp)
    number[by_row] = np.arange(len(first))
    return first[by_row], number[group]


def _hashes(X):
    """Return a 64-bit number for each row, equal for equal rows and else hardly ever."""
    word = np.uint32 if X.dtype == np.float32 else np.uint64
    hashes = np.zeros(len(X), dtype=np.uint64)
    factor, half = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
    for begin in range(0, len(X), BLOCK):
        own = hashes[begin : begin + BLOCK]
        columns = np.ascontiguousarray(X[begin : begin + BLOCK].T) + X.dtype.type(0.0)  # -0.0 becomes 0.0
        for bits in columns.view(word):
            own ^= bits
            own ^= own >> half  # floats such as 1.0 and 2.0 differ in high bits only, and products carry upwards
            own *= factor
    return hashes ^ (hashes >> half)
