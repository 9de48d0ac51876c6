r"""k-means, the limit of EM in which a row belongs to its most probable component: the same law with hard labels.

Take spheres of one size as components, and let that size go to 0. Of the log-likelihood of `likelihood` remains, in
units of the size, the sum with a maximum in place of the log-sum-exp,

.. math:: L = \sum_n w_n \max_k s_{nk}, \quad s_{nk} = l_k - \frac12 |x_n - c_k|^2,

which is minus half the *inertia*. Its gradient in the ``l`` (at 0, the logarithms of equal weights) and in the ``c``
are the sufficient statistics, additive over rows,

.. math:: \partial L / \partial l_k = \sum_{n: k_n = k} w_n, \quad
          \partial L / \partial c_k = \sum_{n: k_n = k} w_n (x_n - c_k),

the weight of a cluster and the sum of its rows about the point c_k. The maximum has the gradient of the score that
attains it, so the labels :math:`k_n` are found first (`nearest`: the lowest of several that are equally near), and
`statistics` differentiates the scores that they pick. As these add over rows, a step of Lloyd's iteration takes
away and adds the rows that have changed their cluster. And as long as the centres have moved less than a row's *gap*,
by how much the second nearest of them was farther than the nearest, the row need not be looked at (Hamerly, Making
k-means even faster, SDM 2010). Labels are those of the plain iteration.

Rows have the shape (n, d) and lie near the origin (see `units.centre_of`); centres have the shape (K, d).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mixgrad._errors import UnsupportedError
from mixgrad.compiled import jit
from mixgrad.derivatives import value_and_grad
from mixgrad.mixture.likelihood import tiles
from mixgrad.mixture.units import centre_of

__all__ = ["Clusters", "Table", "closest_centres", "inertia_of", "lloyd", "moved"]

# Numbers that are looked at in one sweep from which on it is worth its while to compile, which takes a second.
WORTH_COMPILING = 1_000_000
FEWEST = 2  # rows for which there is code for any number of them
# Squared distances are differences of squares and products, whose rounding is at most d + 4 of these units.
PART = 25  # columns
ROUNDING = 4.0 * np.finfo(np.float64).eps


class Clusters(NamedTuple):
    """What an iteration of Lloyd's ends with.

    Attributes
    ----------
    centres : ndarray of shape (K, d)
    labels : ndarray of int32 of shape (n,)
        The nearest centre of each row.
    inertia : float
        Weighted sum of squared distances of the rows from their nearest centres.
    n_iter : int
    converged : bool
        Whether the labels, or within `tol` the centres, stayed the same.
    """

    centres: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    converged: bool


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
    rounding = (ROUNDING * (n_features + 4)) * (squares + size)
    near, far = (np.sqrt(np.maximum(squares - 2.0 * score, 0.0) + rounding) for score in (best, second))
    return labels.astype(np.int32), (2.0 * (best - second) - rounding) / (near + far)


def _columns(n_features):
    """Cut the columns into parts so short that rows, not columns, become the lanes of vectors in compiled code."""
    return [slice(begin, begin + PART) for begin in range(0, n_features, PART)]


def picked_scores(log_weights, centres, rows, weights, labels):
    """Sum of the scores that labels pick: minus half the inertia, if log_weights are 0."""
    picked = centres[labels]
    distances = sum(np.sum((rows[:, some] - picked[:, some]) ** 2, axis=1) for some in _columns(rows.shape[1]))
    return np.sum(weights * (log_weights[labels] - 0.5 * distances))


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
    return jit(function, dynamic=_OF_ROWS[function])


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
    """

    def __init__(self, rows, weights, n_clusters):
        self.rows = np.ascontiguousarray(rows)
        self.weights = np.ones(len(rows)) if weights is None else weights
        self.squares = np.einsum("nd,nd->n", rows, rows, dtype=np.float64)
        self.n_clusters = n_clusters
        self._refused = set()
        n_rows, n_features = rows.shape
        self._compiles = n_rows * (n_clusters * n_features + 20) >= WORTH_COMPILING

    def nearest(self, centres, some=None):
        """Labels and gaps of some rows: see `nearest`."""
        rows, squares = (_picked(array, some) for array in (self.rows, self.squares))
        labels, gaps = np.zeros(len(rows), dtype=np.int32), np.full(len(rows), np.inf)
        if len(centres) == 1:
            return labels, gaps
        own = np.einsum("kd,kd->k", centres, centres)
        known = centres, 0.5 * own, own.max()
        found = self._compiled(nearest, len(rows), *known, rows, squares)
        if found is not None:
            return found
        for tile in tiles(len(rows), 1, 8 * self.n_clusters):
            labels[tile], gaps[tile] = nearest(*known, rows[tile], squares[tile])
        return labels, gaps

    def statistics(self, centres, labels):
        """Inertia of the rows, weights of clusters, and sums of rows about centres: value and gradient."""
        given = np.zeros(len(centres)), centres, self.rows, self.weights, labels
        found = self._compiled(statistics, len(labels), *given)
        value, mass, moments = statistics(*given) if found is None else found
        return -2.0 * float(value), mass, moments

    def difference(self, centres, labels, before, some):
        """Return what some rows change of `statistics` when they change their labels."""
        rows, weights = (_picked(array, some) for array in (self.rows, self.weights))
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
        for tile in tiles(len(squared), *points.shape):
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
        if not self._compiles or n_rows < FEWEST or function in self._refused:
            return None
        try:
            return _compiled(function, self.n_clusters, self.rows.shape[1], self.rows.dtype)(*args)
        except UnsupportedError:  # there is none for any number of rows, in some wide tables with many clusters
            self._refused.add(function)
            return None


def _picked(array, places):
    """Return some rows of an array; None stands for all."""
    return array if places is None else array.take(places, axis=0, mode="clip")


class _Assignment:
    """The labels of a table under centres that move, and the statistics that follow from them.

    Parameters
    ----------
    table : Table
    centres : ndarray of shape (K, d)
        Statistics are taken about these, also when centres have moved.
    """

    def __init__(self, table, centres):
        self._table, self._about, self._centres = table, centres, centres
        self.labels, reach = table.nearest(centres)
        # A row is looked at again when its cluster's `_moved`, a sum of moves over all steps, comes up to its `_reach`.
        self._moved = np.zeros(len(centres))
        self._reach = reach
        _, self.mass, self._moments = table.statistics(centres, self.labels)

    def move(self, centres):
        """Take other centres; return how many rows have changed their labels."""
        self._moved += _approach(centres, self._centres)
        self._centres = centres
        due = np.flatnonzero(self._reach <= _picked(self._moved, self.labels))
        if 2 * len(due) > len(self.labels):
            due = None
        labels, gaps = self._table.nearest(centres, due)
        gaps += _picked(self._moved, labels)
        if due is None:
            self._reach = gaps
        else:
            self._reach[due] = gaps
        before = _picked(self.labels, due)
        changed = np.flatnonzero(labels != before)
        if len(changed):
            rows = changed if due is None else due[changed]
            mass, moments = self._table.difference(self._about, labels[changed], before[changed], rows)
            self.mass, self._moments = self.mass + mass, self._moments + moments
            self.labels[rows] = labels[changed]
        return len(changed)

    def means(self):
        """Means of the clusters' rows, shape (K, d); empty clusters get rows that are far from their centres."""
        mass, moments = self.mass, self._moments
        empty = np.flatnonzero(mass <= 0.0)
        if len(empty):
            mass, moments = self._filled(empty)
        filled = mass > 0.0
        centres = self._about + moments / np.where(filled, mass, 1.0)[:, None]
        if not np.all(filled):  # nothing to fill them with: all rows are at centres
            centres[~filled] = centres[np.argmax(mass)]
        return centres

    def _filled(self, empty):
        """Return weights and sums of clusters after each empty one got one of the rows farthest from their centres."""
        table, mass, moments = self._table, self.mass.copy(), self._moments.copy()
        distances = np.concatenate(
            [
                np.sum((table.rows[tile] - self._centres[self.labels[tile]]) ** 2, axis=1, dtype=np.float64)
                for tile in tiles(len(self.labels), 1, table.rows.shape[1])
            ]
        )
        if not np.any(distances):
            return mass, moments
        farthest = np.argpartition(distances, -len(empty))[: -len(empty) - 1 : -1]
        for cluster, row in zip(empty, farthest, strict=True):
            weight, old = table.weights[row], self.labels[row]
            mass[old] -= weight
            moments[old] -= weight * (table.rows[row] - self._about[old])
            mass[cluster] = weight
            moments[cluster] = weight * (table.rows[row] - self._about[cluster])
        return mass, moments


def _approach(centres, before):
    """By how much a row of each cluster may have come nearer to another centre than to its own, shape (K,)."""
    moves = np.sqrt(np.sum((centres - before) ** 2, axis=1)) * (1.0 + 1e-9)  # more than rounding could hide
    if len(moves) == 1:
        return moves
    largest = np.argmax(moves)
    others = np.full(len(moves), moves[largest])
    others[largest] = np.delete(moves, largest).max()
    return moves + others


def lloyd(table, centres, max_iter=300, tol=0.0, watch=None):
    """Alternate between labels and means until labels stay the same.

    Parameters
    ----------
    table : Table
    centres : ndarray of shape (K, d)
        To start from.
    max_iter : int
    tol : float
        Stop, too, when the sum of squares of the centres' moves is no larger.
    watch : callable, optional
        ``watch(iteration, inertia, reason)`` after each iteration, `reason` being why it was the last, or None.

    Returns
    -------
    Clusters
    """
    centres = np.asarray(centres, dtype=np.float64)
    reason, iteration, state = None, 0, None
    for iteration in range(max_iter):
        changed = -1
        if state is None:
            state = _Assignment(table, centres)
        else:
            changed = state.move(centres)
        before, centres = centres, state.means()
        shift = float(np.sum((centres - before) ** 2))
        if changed == 0:
            reason = "strict convergence"
        elif shift <= tol:
            reason = f"center shift {shift} within tolerance {tol}"
        if watch is not None:
            watch(iteration, table.statistics(before, state.labels)[0], reason)
        if reason is not None:
            break
    assert state is not None, "max_iter is at least 1"
    if reason != "strict convergence":
        state.move(centres)
    inertia = table.statistics(centres, state.labels)[0]
    return Clusters(centres, state.labels, inertia, iteration + 1, reason is not None)


def closest_centres(X, centres):
    """Label rows with their nearest centres, the lowest of several.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    centres : ndarray of shape (K, d)

    Returns
    -------
    ndarray of int32 of shape (n,)
    """
    rows, centres = _about_the_middle(X, centres)
    return Table(rows, None, len(centres)).nearest(centres)[0]


def inertia_of(X, weights, centres):
    """Return the weighted sum of squared distances of rows from their nearest centres."""
    rows, centres = _about_the_middle(X, centres)
    table = Table(rows, weights, len(centres))
    return table.statistics(centres, table.nearest(centres)[0])[0]


def _about_the_middle(X, centres):
    """Return rows and centres moved to the origin, such that squares of distances keep their digits."""
    centres = np.asarray(centres, dtype=np.float64)
    middle = centre_of(centres)
    return moved(X, middle), centres - middle


def moved(X, middle):
    """Return a table with a point as the origin: the table itself if it is that already."""
    return X - middle if np.any(middle) else X
