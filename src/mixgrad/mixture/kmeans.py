"""The estimator: scikit-learn's `KMeans`, fitted by gradients."""

import warnings
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from mixgrad._errors import DataError
from mixgrad.mixture.distinct import check_sample_weight, distinct
from mixgrad.mixture.hard import Table
from mixgrad.mixture.lloyd import closest_centres, inertia_of, lloyd, moved
from mixgrad.mixture.seeds import SEEDS
from mixgrad.mixture.units import Units

__all__ = ["KMeans"]


class KMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """k-means clustering.

    Takes the parameters, and has the methods and attributes, of ``sklearn.cluster.KMeans``, and finds the same clusters
    from the same `random_state`. What it does otherwise:

    - Weights of clusters and sums of their rows are the gradient of the inertia, taken by `mixgrad.value_and_grad`.
    - A row of weight 0 is a row removed, and a row of weight 2 a row repeated, bit by bit and starts included: fits run
      on distinct rows, the variance that `tol` refers to counts weights, and weights are not negative. Where rows are
      repeated a `random_state` may thus draw other starts than in scikit-learn.
    - Data are moved to the origin without rounding, in `predict`, `score` and `transform` too, and everything is
      computed in double precision. So an offset of 1e8 costs no digits.
    - Rows whose nearest centre cannot have changed are left out of an iteration, for either `algorithm`.
    - The table is never overwritten. Sparse matrices are made dense.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters, K.
    init : {'k-means++', 'random'}, callable or array-like of shape (n_clusters, n_features), default='k-means++'
        How a start is drawn: rows far from each other; random rows; ``init(X, n_clusters, random_state=...)`` of the
        distinct rows less their mean, which returns centres less that mean; or the centres themselves.
    n_init : 'auto' or int, default='auto'
        Number of starts; the result of least inertia is kept. 'auto' is 10 for 'random' and callables, and else 1.
    max_iter : int, default=300
        Largest number of iterations of one start.
    tol : float, default=1e-4
        A fit has converged when labels stay the same, or when the sum of squares of the centres' moves is at most
        `tol` times the mean variance of the columns.
    verbose : int, default=0
        Whether to print the inertia of each iteration.
    random_state : int, RandomState instance or None, default=None
        Draws the starts.
    copy_x : bool, default=True
        Taken for compatibility.
    algorithm : {'lloyd', 'elkan'}, default='lloyd'
        Taken for compatibility; results are the same.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
    labels_ : ndarray of int32 of shape (n_samples,)
        The nearest centre of each row: what `predict` gives.
    inertia_ : float
        Weighted sum of squared distances of rows from their nearest centres.
    n_iter_ : int
        Number of iterations of the best start.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if the data came with names that are all strings.

    Examples
    --------
    >>> import numpy as np
    >>> from mixgrad.mixture import KMeans
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = KMeans(n_clusters=2, random_state=0).fit(X)
    >>> model.labels_
    array([1, 1, 1, 0, 0, 0], dtype=int32)
    >>> model.cluster_centers_
    array([[10.,  2.],
           [ 1.,  2.]])
    """

    _parameter_constraints: ClassVar = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"k-means++", "random"}), callable, "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "copy_x": ["boolean"],
        "algorithm": [StrOptions({"lloyd", "elkan"})],
    }

    cluster_centers_: np.ndarray
    labels_: np.ndarray
    inertia_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(
        self,
        n_clusters=8,
        *,
        init="k-means++",
        n_init="auto",
        max_iter=300,
        tol=1e-4,
        verbose=0,
        random_state=None,
        copy_x=True,
        algorithm="lloyd",
    ):
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm

    def fit(self, X, y=None, sample_weight=None):
        """Find the clusters.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts; not negative.

        Returns
        -------
        KMeans
            The model itself.

        Raises
        ------
        ValueError
            The table, the weights or an argument of the constructor cannot be used.
        """
        return self._fit(X, sample_weight)

    def fit_predict(self, X, y=None, sample_weight=None):
        """Find the clusters, and return that of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts; not negative.

        Returns
        -------
        ndarray of int32 of shape (n_samples,)
        """
        return self._fit(X, sample_weight).labels_

    def predict(self, X):
        """Nearest centre of each row, the lowest of several.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of int32 of shape (n_samples,)
        """
        check_is_fitted(self)
        return closest_centres(self._checked(X), self.cluster_centers_)

    def fit_transform(self, X, y=None, sample_weight=None):
        """Find the clusters, and return the distances of the rows from their centres.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts; not negative.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters)
        """
        return self._fit(X, sample_weight)._distances(self._checked(X))

    def transform(self, X):
        """Distances of the rows from the centres.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_clusters)
        """
        check_is_fitted(self)
        return self._distances(self._checked(X))

    def score(self, X, y=None, sample_weight=None):
        """Minus the inertia of a table.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts; not negative.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        X = self._checked(X)
        return -inertia_of(X, check_sample_weight(sample_weight, len(X)), self.cluster_centers_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _fit(self, X, sample_weight):
        """Find the clusters; warnings name the line that calls `fit` or `fit_predict`."""
        self._validate_params()
        X = self._checked(X, reset=True)
        weights = check_sample_weight(sample_weight, len(X))
        if len(X) < self.n_clusters:
            raise DataError(f"n_samples={len(X)} should be >= n_clusters={self.n_clusters}.")
        if self.algorithm == "elkan" and self.n_clusters == 1:
            warnings.warn(
                "algorithm='elkan' doesn't make sense for a single cluster. Using 'lloyd' instead.",
                RuntimeWarning,
                stacklevel=3,
            )
        rows, weights, _ = distinct(X, weights)
        middle = Units.of(rows).centre
        table = Table(moved(rows, middle), weights, self.n_clusters)
        best = self._best_fit(table, middle)
        self.cluster_centers_ = (best.centres + middle).astype(X.dtype, copy=False)
        self.labels_ = closest_centres(X, self.cluster_centers_)
        self.inertia_ = best.inertia
        self.n_iter_ = best.n_iter
        self._n_features_out = self.n_clusters
        found = np.count_nonzero(np.bincount(best.labels))
        if found < self.n_clusters:
            warnings.warn(
                f"Number of distinct clusters ({found}) found smaller than n_clusters ({self.n_clusters}). Possibly "
                "due to duplicate points in X.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _checked(self, X, reset=False):
        """Return a table as a dense array of float64 or float32."""
        X = validate_data(
            self, X, accept_sparse="csr", dtype=[np.float64, np.float32], accept_large_sparse=False, reset=reset
        )
        return X.toarray() if isinstance(X, (sparse.csr_matrix, sparse.csr_array)) else np.asarray(X)

    def _distances(self, X):
        middle = Units.of(self.cluster_centers_).centre
        distances = euclidean_distances(moved(X, middle), self.cluster_centers_ - middle)
        return distances.astype(X.dtype, copy=False)

    def _best_fit(self, table, middle):
        """Return the `Clusters` of least inertia of all starts."""
        random_state, tol = check_random_state(self.random_state), self.tol * table.mean_variance()
        given = self._given_centres(table.rows.dtype, middle)
        best = None
        for _ in range(self._count_starts(given)):
            centres = self._start(table, random_state) if given is None else given
            if self.verbose:
                print("Initialization complete")
            clusters = lloyd(table, centres, self.max_iter, tol, _print_iteration if self.verbose else None)
            # The same clusters in another order may have less inertia by rounding.
            if best is None or (clusters.inertia < best.inertia and not _same(clusters.labels, best.labels)):
                best = clusters
        assert best is not None
        return best

    def _given_centres(self, dtype, middle):
        """Return the centres to start from, less the middle of the table, if the user gave them."""
        if isinstance(self.init, str) or callable(self.init):
            return None
        centres = check_array(self.init, dtype=dtype, order="C")
        self._check_centres(centres)
        return centres - middle

    def _check_centres(self, centres):
        counts = (self.n_clusters, "number of clusters"), (self.n_features_in_, "number of features of the data")
        for length, (expected, name) in zip(centres.shape, counts, strict=True):
            if length != expected:
                raise DataError(
                    f"The shape of the initial centers {centres.shape} does not match the {name} {expected}."
                )

    def _count_starts(self, given):
        if self.n_init == "auto":
            return 10 if callable(self.init) or (isinstance(self.init, str) and self.init == "random") else 1
        if given is not None and self.n_init != 1:
            warnings.warn(
                "Explicit initial center position passed: performing only one init in "
                f"{type(self).__name__} instead of n_init={self.n_init}.",
                RuntimeWarning,
                stacklevel=5,
            )
            return 1
        return int(self.n_init)

    def _start(self, table, random_state):
        """Draw centres."""
        if not callable(self.init):
            return table.rows[SEEDS[self.init](table, self.n_clusters, random_state)]
        mean = table.mean().astype(table.rows.dtype)
        centres = check_array(
            self.init(table.rows - mean, self.n_clusters, random_state=random_state), dtype=table.rows.dtype, order="C"
        )
        self._check_centres(centres)
        return centres + mean


def _same(labels, others):
    """Whether each cluster is part of one other cluster."""
    other = np.zeros(labels.max() + 1, dtype=others.dtype)
    other[labels] = others
    return np.array_equal(other[labels], others)


def _print_iteration(iteration, inertia, reason):
    print(f"Iteration {iteration}, inertia {inertia}.")
    if reason is not None:
        print(f"Converged at iteration {iteration}: {reason}.")
