"""Lloyd's iteration: k-means by turns of labels and means.

Statistics add over rows, so a step takes away and adds the rows that have changed their cluster. And as long as the
centres have moved less than a row's *gap*, by how much the second nearest of them was farther than the nearest, the row
need not be looked at (Hamerly, Making k-means even faster, SDM 2010). Labels are those of the plain iteration.
"""

from typing import NamedTuple

import numpy as np

from mixgrad.mixture.hard import Table, picked, tiles
from mixgrad.mixture.units import Units

__all__ = ["Clusters", "closest_centres", "inertia_of", "lloyd", "moved"]

NEAR = 1000.0  # A table this many times its centres' spread from the origin is not copied, for three of sixteen digits.


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
        due = np.flatnonzero(self._reach <= picked(self._moved, self.labels))
        if 2 * len(due) > len(self.labels):
            due = None
        labels, gaps = self._table.nearest(centres, due)
        gaps += picked(self._moved, labels)
        if due is None:
            self._reach = gaps
        else:
            self._reach[due] = gaps
        before = picked(self.labels, due)
        changed = np.flatnonzero(labels != before)
        if len(changed):
            rows = changed if due is None else due[changed]
            self._relabel(rows, labels[changed], before[changed])
        return len(changed)

    def _relabel(self, rows, labels, before):
        self.labels[rows] = labels
        if self._table.is_large:
            mass, moments = self._table.difference(self._about, labels, before, rows)
            self.mass, self._moments = self.mass + mass, self._moments + moments
        else:  # a recording for all rows costs less than the derivative for some
            _, self.mass, self._moments = self._table.statistics(self._about, self.labels)

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
                for tile in tiles(len(self.labels), table.rows.shape[1])
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
    middle = Units.of(centres).centre
    if np.abs(middle).max() <= NEAR * np.ptp(centres, axis=0).max():
        return X, centres
    return moved(X, middle), centres - middle


def moved(X, middle):
    """Return a table with a point as the origin: the table itself if it is that already."""
    return X - middle if np.any(middle) else X
