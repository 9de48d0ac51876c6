r"""The law of k-means: the limit of EM in which a row belongs to its most probable component.

Take spheres of one size as components, and let that size go to 0. Of the log-likelihood of `likelihood` remains, in
units of the size, the sum with a maximum in place of the log-sum-exp,

.. math:: L = \sum_n w_n \max_k s_{nk}, \quad s_{nk} = l_k - \frac12 |x_n - c_k|^2,

which is minus half the *inertia*. Its gradient in the ``l`` (at 0, the logarithms of equal weights) and in the ``c``
are the sufficient statistics, additive over rows,

.. math:: \partial L / \partial l_k = \sum_{n: k_n = k} w_n, \quad
          \partial L / \partial c_k = \sum_{n: k_n = k} w_n (x_n - c_k),

the weight of a cluster and the sum of its rows about the point c_k. The maximum has the gradient of the score that
attains it, so the labels :math:`k_n` are found first (`nearest`: the lowest of several that are equally near), and
`statistics` differentiates the scores that they pick.

Rows have the shape (n, d) and lie near the origin (see `units.Units`); centres have the shape (K, d).
"""

from functools import lru_cache

import numpy as np

from mixgrad._errors import UnsupportedError
from mixgrad.derivatives import value_and_grad
from mixgrad.mixture.recordings import run_recorded

__all__ = ["Table", "candidates", "nearest", "picked", "picked_scores", "statistics", "tiles"]

# Numbers that are looked at in one sweep from which on it is worth its while to compile, which takes a second.
WORTH_COMPILING = 200_000
TILE_NUMBERS = 300_000  # in a table of the rows that are looked at at a time
FEWEST = 2  # rows for which there is code for any number of them
# Squared distances are differences of squares and products, whose rounding is at most d + 4 of these units.
ROUNDING = 4.0 * np.finfo(np.float64).eps
SMALLEST = 1e-300  # keeps quotients defined where all rows are the same


def nearest(centres, halves, size, rows, squares):
    """Label rows with their nearest centres, and say by how much farther the second nearest one is.

    Parameters
    ----------
    centres : ndarray of shape (K, d)
    halves : ndarray of shape (K,)
        Halves of their squares.
    size : float
        The largest of their squares, for bounds of rounding.
    rows : ndarray of shape (n, d)
    squares : ndarray of shape (n,)
        Squares of the rows.

    Returns
    -------
    labels : ndarray of int32 of shape (n,)
        The lowest of equally near ones.
    gaps : ndarray of shape (n,)
        Lower bounds of the differences of distances; not positive where rounding decided.
    """
    n_clusters, n_features = centres.shape
    numbers = np.arange(n_clusters)
    scores = rows @ centres.T - halves
    best = np.max(scores, axis=1)
    labels = np.min(np.where(scores >= best[:, None], numbers, n_clusters), axis=1)
    second = np.max(np.where(numbers == labels[:, None], -np.inf, scores), axis=1)
    rounding = (ROUNDING * (n_features + 4)) * (squares + size) + SMALLEST
    near, far = (np.sqrt(np.maximum(squares - 2.0 * score, 0.0) + rounding) for score in (best, second))
    return labels.astype(np.int32), (2.0 * (best - second) - rounding) / (near + far)


def picked_scores(log_weights, centres, rows, weights, labels):
    """Sum of the scores that labels pick: minus half the inertia, if log_weights are 0."""
    differences = rows - centres[labels]
    return np.sum(weights * (log_weights[labels] - 0.5 * np.sum(differences**2, axis=1)))


def candidates(rows, weights, squared, points):
    """Squared distances of rows from the nearest of some points if one more joined them, and their weighted sums.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    weights : ndarray of shape (n,)
    squared : ndarray of shape (n,)
        Squared distances from the nearest of the points so far.
    points : ndarray of shape (T, d)
        Of which one is to join them.

    Returns
    -------
    sums : ndarray of shape (T,)
    nearer : ndarray of shape (T, n)
    """
    distances = np.sum((rows[:, None, :] - points) ** 2, axis=2)
    nearer = np.minimum(squared[:, None], distances)
    return np.sum(weights[:, None] * nearer, axis=0), nearer.T


_sweep = value_and_grad(picked_scores, argnums=(0, 1))


def statistics(log_weights, centres, rows, weights, labels):
    """Return `picked_scores` and its gradient: weights of clusters, and sums of their rows about the centres."""
    value, (mass, moments) = _sweep(log_weights, centres, rows, weights, labels)
    return value, mass, moments


# Which arguments of a function hold rows: one kernel serves any number of them.
_OF_ROWS = {
    nearest: ("rows", "squares"),
    statistics: ("rows", "weights", "labels"),
    candidates: ("rows", "weights", "squared"),
}


@lru_cache(256)
def _compiled(function, *shape):
    """Return a function compiled for arrays of one kind; one for all kinds would warn of their number."""
    from mixgrad.compiled import jit  # which loads the compiler: small tables need none

    call = jit(function, dynamic=_OF_ROWS[function])

    def attempt(*args):
        """Call it, or return None if there is no code for any number of rows, as in some wide tables."""
        nonlocal call
        try:
            return None if call is None else call(*args)
        except UnsupportedError:
            call = None
            return None

    return attempt


class Table:
    """Rows with weights, and what is computed of all of them: compiled if there is much of it.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        float64 or float32; computed with in float64.
    weights : ndarray of shape (n,), optional
        1 by default.
    n_clusters : int
        K.

    Attributes
    ----------
    is_large : bool
        Whether there is so much to compute that compiling it pays.
    """

    def __init__(self, rows, weights, n_clusters):
        self.rows = np.ascontiguousarray(rows)
        self.weights = np.ones(len(rows)) if weights is None else weights
        self.squares = np.einsum("nd,nd->n", rows, rows, dtype=np.float64)
        self.n_clusters = n_clusters
        n_rows, n_features = rows.shape
        self.is_large = n_rows * (n_clusters * n_features + 20) >= WORTH_COMPILING

    def nearest(self, centres, some=None):
        """Labels and gaps of some rows: see `nearest`."""
        rows, squares = (picked(array, some) for array in (self.rows, self.squares))
        labels, gaps = np.zeros(len(rows), dtype=np.int32), np.full(len(rows), np.inf)
        if len(centres) == 1:
            return labels, gaps
        own = np.einsum("kd,kd->k", centres, centres)
        known = centres, 0.5 * own, own.max()
        found = self._compiled(nearest, len(rows), *known, rows, squares)
        if found is not None:
            return found
        for tile in tiles(len(rows), 8 * self.n_clusters):
            labels[tile], gaps[tile] = nearest(*known, rows[tile], squares[tile])
        return labels, gaps

    def statistics(self, centres, labels):
        """Inertia of the rows, weights of clusters, and sums of rows about centres: value and gradient."""
        given = np.zeros(len(centres)), centres, self.rows, self.weights, labels
        found = self._compiled(statistics, len(labels), *given)
        value, mass, moments = run_recorded(statistics, (statistics,), given) if found is None else found
        return -2.0 * float(value), mass, moments

    def difference(self, centres, labels, before, some):
        """Return what some rows change of `statistics` when they change their labels."""
        rows, weights = (picked(array, some) for array in (self.rows, self.weights))
        given = np.concatenate([rows, rows]), np.concatenate([weights, -weights]), np.concatenate([labels, before])
        given = np.zeros(len(centres)), centres, *given
        found = self._compiled(statistics, 2 * len(labels), *given)
        _, mass, moments = statistics(*given) if found is None else found
        return mass, moments

    def candidates(self, squared, points):
        """See `candidates`."""
        found = self._compiled(candidates, len(squared), self.rows, self.weights, squared, points)
        if found is not None:
            return found
        sums, nearer = np.zeros(len(points)), np.empty((len(points), len(squared)))
        for tile in tiles(len(squared), points.size):
            added, nearer[:, tile] = candidates(self.rows[tile], self.weights[tile], squared[tile], points)
            sums += added
        return sums, nearer

    def mean(self):
        """Weighted mean of the rows, shape (d,)."""
        return (self.weights @ self.rows) / self.weights.sum()

    def mean_variance(self):
        """Mean of the columns' weighted variances."""
        mean = self.mean()
        variance = (self.weights @ self.squares) / self.weights.sum() - mean @ mean
        return max(float(variance), 0.0) / len(mean)

    def _compiled(self, function, n_rows, *args):
        """Call a function as compiled code, or return None where it is not worth its while, or there is none."""
        if not self.is_large or n_rows < FEWEST:
            return None
        return _compiled(function, self.n_clusters, self.rows.shape[1], self.rows.dtype)(*args)


def tiles(n_rows, numbers):
    """Yield slices that cover the rows in order, as many at a time as the cache holds if a row has so many numbers."""
    rows = max(1, TILE_NUMBERS // numbers)
    for begin in range(0, n_rows, rows):
        yield slice(begin, min(begin + rows, n_rows))


def picked(array, places):
    """Return some rows of an array; None stands for all."""
    return array if places is None else array.take(places, axis=0, mode="clip")
