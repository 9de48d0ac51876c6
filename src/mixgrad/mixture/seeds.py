"""Seeds of k-means: rows to start from, drawn so that a `random_state` gives those that it gives in scikit-learn."""

import numpy as np

__all__ = ["SEEDS", "plus_plus", "random_rows"]


def plus_plus(table, n_clusters, random_state):
    """Draw rows far from each other: greedy k-means++ (Arthur and Vassilvitskii, SODA 2007).

    Each further row is the best of ``2 + log K`` that are drawn with probabilities proportional to the weighted squared
    distances from the rows drawn so far.

    Parameters
    ----------
    table : mixgrad.mixture.hard.Table
    n_clusters : int
        K.
    random_state : numpy.random.RandomState

    Returns
    -------
    ndarray of int of shape (K,)
        Numbers of rows.
    """
    rows, weights = table.rows, table.weights
    n_trials = 2 + int(np.log(n_clusters))
    seeds = [random_state.choice(len(rows), p=weights / weights.sum())]
    sums, nearer = table.candidates(np.full(len(rows), np.inf), _points(rows, seeds * n_trials))
    best = 0
    for _ in range(1, n_clusters):
        potential, squared = sums[best], nearer[best]
        draws = random_state.uniform(size=n_trials) * potential
        trials = np.searchsorted(np.cumsum(weights * squared), draws)
        np.clip(trials, None, len(rows) - 1, out=trials)  # a sum may be rounded below the potential
        sums, nearer = table.candidates(squared, _points(rows, trials))
        best = np.argmin(sums)
        seeds.append(trials[best])
    return np.array(seeds)


def random_rows(table, n_clusters, random_state):
    """Draw rows uniformly at random, without replacement as long as there are any.

    Parameters and result are those of `plus_plus`.
    """
    n_rows, weights = len(table.rows), table.weights
    size = min(n_clusters, n_rows)
    rows = random_state.choice(n_rows, size=size, replace=False, p=weights / weights.sum())
    return np.resize(rows, n_clusters)


def _points(rows, numbers):
    return rows[numbers].astype(np.float64, copy=False)


SEEDS = {"k-means++": plus_plus, "random": random_rows}
