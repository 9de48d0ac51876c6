"""Starts of EM: components that labels give, drawn so that a seed gives the same start as in scikit-learn.

Labels have the shape (K, n): the share of each row that each component gets in the first M-step. A function that draws
them takes rows of shape (n, d), the number of components K and a ``numpy.random.RandomState``.
"""

from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus

from mixgrad.mixture.em import supervised
from mixgrad.mixture.likelihood import Components

__all__ = ["STARTS", "Given", "drawn"]


class Given(NamedTuple):
    """What the user fixed of a start; None stands for what is to be drawn.

    Attributes
    ----------
    weights : ndarray of shape (K,) or None
    means : ndarray of shape (K, d) or None
        Relative to the same centre as the rows.
    factors : tuple or None
        Factor and whitening of the covariances.
    """

    weights: np.ndarray | None = None
    means: np.ndarray | None = None
    factors: tuple | None = None


def drawn(problem, n_components, init_params, n_starts, random_state, given):
    """Yield the components of each start.

    Parameters
    ----------
    problem : Problem
    n_components, n_starts : int
    init_params : str
        A key of `STARTS`.
    random_state : numpy.random.RandomState
        Not touched if everything is given.
    given : Given

    Yields
    ------
    Components
    """
    complete = all(part is not None for part in given)
    fixed = {name: getattr(given, name) for name in ("weights", "means") if getattr(given, name) is not None}
    for _ in range(n_starts):
        if complete:
            yield Components(given.weights, given.means, *given.factors)
        else:
            labels = STARTS[init_params](problem.X, n_components, random_state)
            yield supervised(problem, labels, given.factors)._replace(**fixed)


def kmeans(X, n_components, random_state):
    """Label rows with the clusters of k-means."""
    clusters = KMeans(n_clusters=n_components, n_init=1, random_state=random_state).fit(X).labels_  # pyright: ignore
    return (clusters == np.arange(n_components)[:, None]).astype(np.float64)


def kmeans_plus_plus(X, n_components, random_state):
    """Label one row per component, far from each other: the seeding of k-means."""
    _, rows = kmeans_plusplus(X, n_components, random_state=random_state)
    return _single_rows(rows, len(X))


def random(X, n_components, random_state):
    """Label all rows at random: every component starts near the whole table."""
    labels = random_state.uniform(size=(len(X), n_components))
    return (labels / labels.sum(axis=1, keepdims=True)).T


def random_from_data(X, n_components, random_state):
    """Label one row per component, uniformly at random without replacement."""
    return _single_rows(random_state.choice(len(X), size=n_components, replace=False), len(X))


def _single_rows(rows, n_rows):
    labels = np.zeros((len(rows), n_rows))
    labels[np.arange(len(rows)), rows] = 1.0
    return labels


STARTS = {
    "kmeans": kmeans,
    "k-means++": kmeans_plus_plus,
    "random": random,
    "random_from_data": random_from_data,
}
