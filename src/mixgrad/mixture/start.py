"""Starts of EM: components that labels give, drawn so that a seed gives the same start as in scikit-learn.

Where a problem is relative to the units of its table, its rows come merged, repeated ones once with the sum of their
weights, and sorted: the start depends neither on their order nor on whether a row is repeated or weighs more. Otherwise
they come as the user has them, and starts are scikit-learn's.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus

from mixgrad.mixture.em import labelled, shared
from mixgrad.mixture.hard import Table
from mixgrad.mixture.likelihood import Components
from mixgrad.mixture.lloyd import lloyd
from mixgrad.mixture.other_threads import one_openmp_thread
from mixgrad.mixture.seeds import plus_plus
from mixgrad.mixture.sweep import Rows

__all__ = ["STARTS", "Given", "comparable", "drawn", "from_known"]

# A table of more rows starts from a sample of them: every row of the start costs more memory than one of the fit.
LARGE, SAMPLE = 2_000_000, 200_000
# As KMeans has by default, in units of the mean variance of the columns.
KMEANS_TOL = 1e-4
# Numbers that k-means looks at in one sweep from which on ours repays, in a fit, that it is compiled: most of a second.
WORTH_COMPILING = 2_000_000


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

    @classmethod
    def of(cls, components):
        """Return all of some components."""
        return cls(components.weights, components.means, (components.factor, components.whitening))

    def only(self, fixed):
        """Return what is `Fixed`."""
        return Given(
            self.weights if fixed.weights else None,
            self.means if fixed.means else None,
            self.factors if fixed.covariances else None,
        )

    def put_into(self, components):
        """Components with what is given in its place."""
        factor, whitening = (None, None) if self.factors is None else self.factors
        named = {"weights": self.weights, "means": self.means, "factor": factor, "whitening": whitening}
        return components._replace(**{name: values for name, values in named.items() if values is not None})


def drawn(problem, n_components, init_params, random_state, given):
    """Return the components of one start.

    Parameters
    ----------
    problem : Problem
    n_components : int
    init_params : str
        A key of `STARTS`.
    random_state : numpy.random.RandomState
        Not touched if everything is given.
    given : Given

    Returns
    -------
    Components
    """
    if all(part is not None for part in given):
        return Components(given.weights, given.means, *given.factors)
    if len(problem.rows.X) > LARGE:
        problem = problem.part(np.unique(random_state.randint(len(problem.rows.X), size=SAMPLE)))
    if n_components > len(problem.rows.X):
        # Fewer distinct rows than components: some share a row.
        places = np.arange(n_components) % len(problem.rows.X)
        components, _ = _single_rows(problem, places, given.factors)
    else:
        components, _ = STARTS[init_params](problem, n_components, random_state, given.factors)
    return given.put_into(components)


def from_known(problem, n_components, given):
    """Components of rows with known labels, the others being counted to the nearest mean of the known.

    A component that no label names starts at the row farthest from the means before it.
    """
    X, labels, weights = comparable(problem), problem.rows.labels, problem.rows.weights
    weights = np.ones(len(X)) if weights is None else weights
    means = np.empty((n_components, X.shape[1]))
    distances = np.full((n_components, len(X)), np.inf)
    named = np.isin(np.arange(n_components), labels)
    for k in np.argsort(~named, kind="stable"):
        nearest = np.min(distances, axis=0)
        if named[k]:
            own = labels == k
            means[k] = np.average(X[own], axis=0, weights=weights[own])
        else:
            means[k] = X[np.argmax(np.where(labels < 0, nearest, -1))]
        distances[k] = np.sum((X - means[k]) ** 2, axis=1)
    whole = replace(problem, rows=problem.rows._replace(labels=None))
    completed = np.where(labels >= 0, labels, np.argmin(distances, axis=0))
    components, _ = labelled(whole, completed, n_components, given.factors)
    return given.put_into(components)


def kmeans(problem, n_components, random_state, factors):
    """Begin with the clusters of k-means."""
    X, weights = comparable(problem), problem.rows.weights
    if X.size * n_components >= WORTH_COMPILING:
        table = Table(X, weights, n_components)
        seeds = plus_plus(table, n_components, random_state)
        clusters = lloyd(table, table.rows[seeds], tol=KMEANS_TOL * table.mean_variance()).labels
    else:  # the peer's is the same, and has less to set up; on several threads it adds in a random order
        model = KMeans(n_clusters=n_components, n_init=1, random_state=random_state)  # pyright: ignore
        with one_openmp_thread():
            clusters = model.fit(X, sample_weight=weights).labels_
    return labelled(problem, clusters, n_components, factors)


def kmeans_plus_plus(problem, n_components, random_state, factors):
    """Begin with one row per component, far from each other: the seeding of k-means."""
    weights = problem.rows.weights
    _, places = kmeans_plusplus(comparable(problem), n_components, sample_weight=weights, random_state=random_state)
    return _single_rows(problem, places, factors)


def random(problem, n_components, random_state, factors):
    """Share all rows at random: every component starts near the whole table."""
    shares = random_state.uniform(size=(len(problem.rows.X), n_components))
    return shared(problem, shares / shares.sum(axis=1, keepdims=True), factors)


def random_from_data(problem, n_components, random_state, factors):
    """Begin with one row per component, drawn at random without replacement."""
    weights = problem.rows.weights
    chances = None if weights is None or np.all(weights == weights[0]) else weights / weights.sum()
    places = random_state.choice(len(problem.rows.X), size=n_components, replace=False, p=chances)
    return _single_rows(problem, places, factors)


def _single_rows(problem, places, factors):
    rows = Rows(problem.rows.X[places])
    return labelled(replace(problem, rows=rows), np.arange(len(places)), len(places), factors)


def comparable(problem):
    """Rows whose distances mean something: in units of the columns, unless those that the user has are to count."""
    X = problem.rows.X - problem.units.centre
    return X / problem.units.scale if problem.relative else X


STARTS = {
    "kmeans": kmeans,
    "k-means++": kmeans_plus_plus,
    "random": random,
    "random_from_data": random_from_data,
}
