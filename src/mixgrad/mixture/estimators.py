"""The estimator: scikit-learn's `GaussianMixture`, fitted by gradients."""

import math
import warnings
from numbers import Integral, Real
from typing import ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from mixgrad._errors import DataError
from mixgrad.mixture.checks import check_covariances, check_means, check_precisions, check_weights
from mixgrad.mixture.covariance import ill_defined
from mixgrad.mixture.em import Problem, Status, run
from mixgrad.mixture.gaussian import COVARIANCES
from mixgrad.mixture.likelihood import Components, component_scores, log_densities, responsibilities
from mixgrad.mixture.progress import Printer
from mixgrad.mixture.start import STARTS, Given, drawn
from mixgrad.mixture.units import centre_of, resolution_of

__all__ = ["GaussianMixture", "Parameters"]


class Parameters(NamedTuple):
    """A mixture's parameters in the units of the data; `covariances` has the shape of its type."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


class GaussianMixture(DensityMixin, BaseEstimator):
    """Gaussian mixture, fitted by expectation maximisation.

    Takes the parameters, and has the methods and attributes, of ``sklearn.mixture.GaussianMixture``, and makes the same
    iterations from the same `random_state`. What it does otherwise:

    - The E-step is the gradient of the log-likelihood, taken by `mixgrad.value_and_grad`; there is no other.
    - Data are centred, and moments are taken about the current means in units of the current spreads. So an offset of
      1e8, badly conditioned covariances, and single precision (computed in double) cost no digits.
    - A decrease of the log-likelihood, which `reg_covar` may cause, is never taken for convergence; a change no larger
      than rounding is. If the bound ends below an earlier one, the parameters of the highest bound are returned.
    - The arguments of the constructor are never overwritten.
    - With ``reg_covar=0`` a component whose spread falls to the rounding of the data is refused.
    - Starts from single rows ('k-means++', 'random_from_data') have weights that sum to 1 and, for 'tied', the pooled
      covariance of the rows that they label; scikit-learn's weights sum to K / n there, which lowers the first bound by
      log(n / K), and its tied covariance counts the other rows too.

    Parameters
    ----------
    n_components : int, default=1
        Number of components, K.
    covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'
        Each component has its own covariance matrix; all share one; own variances per feature; one own variance.
    tol : float, default=1e-3
        A fit has converged when the mean log-likelihood per row grows by less.
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariances, in squared units of the data.
    max_iter : int, default=100
        Largest number of iterations of one start. 0 returns the start itself.
    n_init : int, default=1
        Number of starts; the one with the highest bound is kept.
    init_params : {'kmeans', 'k-means++', 'random', 'random_from_data'}, default='kmeans'
        How a start is drawn: the clusters of k-means; single rows far from each other; random labels; random rows.
    weights_init : array-like of shape (n_components,), default=None
        Weights to start from instead of drawn ones.
    means_init : array-like of shape (n_components, n_features), default=None
        Means to start from.
    precisions_init : array-like, default=None
        Inverse covariances to start from, of the shape of `covariances_`.
    random_state : int, RandomState instance or None, default=None
        Draws the starts, and the rows of `sample`.
    warm_start : bool, default=False
        Whether `fit` continues from the parameters that the model already has; then `n_init` is ignored.
    verbose : int, default=0
        1 prints the starts and iterations, 2 and more also times and changes.
    verbose_interval : int, default=10
        Iterations from one printed line to the next.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    covariances_ : ndarray
        Of shape (n_components, n_features, n_features) 'full', (n_features, n_features) 'tied',
        (n_components, n_features) 'diag', (n_components,) 'spherical'.
    precisions_ : ndarray
        Inverses of `covariances_`, of the same shape.
    precisions_cholesky_ : ndarray
        U, upper triangular, with precision = U U^T; square roots of the precisions for 'diag' and 'spherical'.
    converged_ : bool
        Whether the best start converged.
    n_iter_ : int
        Its number of iterations.
    lower_bound_ : float
        Its mean log-likelihood per row, under the parameters with which the last iteration began.
    lower_bounds_ : list of float
        The same after each of its iterations.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if the data came with names that are all strings.

    Examples
    --------
    >>> import numpy as np
    >>> from mixgrad.mixture import GaussianMixture
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> np.sort(model.means_, axis=0)
    array([[ 1.,  2.],
           [10.,  2.]])
    """

    _parameter_constraints: ClassVar = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions(set(COVARIANCES))],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions(set(STARTS))],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
    }

    weights_: np.ndarray
    means_: np.ndarray
    covariances_: np.ndarray
    precisions_: np.ndarray
    precisions_cholesky_: np.ndarray
    converged_: bool
    n_iter_: int
    lower_bound_: float
    lower_bounds_: list
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(
        self,
        n_components=1,
        *,
        covariance_type="full",
        tol=1e-3,
        reg_covar=1e-6,
        max_iter=100,
        n_init=1,
        init_params="kmeans",
        weights_init=None,
        means_init=None,
        precisions_init=None,
        random_state=None,
        warm_start=False,
        verbose=0,
        verbose_interval=10,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval

    @classmethod
    def from_parameters(cls, weights, means, covariances, covariance_type="full"):
        """Make a model that is ready to use without fitting.

        Parameters
        ----------
        weights : array-like of shape (n_components,)
            Their sum is 1.
        means : array-like of shape (n_components, n_features)
        covariances : array-like
            Of the shape that `covariances_` has for this type; symmetric and positive definite.
        covariance_type : {'full', 'tied', 'diag', 'spherical'}, default='full'

        Returns
        -------
        GaussianMixture

        Raises
        ------
        DataError
            Shapes do not fit, or values are not those of a mixture.
        """
        if covariance_type not in COVARIANCES:
            raise DataError(f"covariance_type should be one of {', '.join(COVARIANCES)}, but got {covariance_type!r}.")
        shape = np.shape(means)
        if len(shape) != 2 or 0 in shape:
            raise DataError(f"The parameter 'means' should have the shape (n_components, n_features), but got {shape}.")
        weights = check_weights(weights, shape[0])
        means = check_means(means, *shape)
        covariances = check_covariances(covariances, COVARIANCES[covariance_type], *shape)
        model = cls(n_components=shape[0], covariance_type=covariance_type)
        model.n_features_in_ = shape[1]
        model._store(Parameters(weights, means, covariances), np.result_type(weights, means, covariances))
        return model

    def fit(self, X, y=None):
        """Estimate the parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        GaussianMixture
            The model itself.

        Raises
        ------
        ValueError
            The table or an argument of the constructor cannot be used, or a covariance is not positive definite.
        """
        return self._fit(X)

    def fit_predict(self, X, y=None):
        """Estimate the parameters and return the most probable component of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        ndarray of int of shape (n_samples,)
        """
        return self._fit(X).predict(X)

    def score_samples(self, X):
        """Log-density of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        X, table = self._scores(X)
        return log_densities(table).astype(self._dtype(X), copy=False)

    def score(self, X, y=None):
        """Mean log-density of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        float
        """
        _, table = self._scores(X)
        return float(np.mean(log_densities(table)))

    def predict(self, X):
        """Most probable component of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of int of shape (n_samples,)
        """
        _, table = self._scores(X)
        return np.argmax(table, axis=0)

    def predict_proba(self, X):
        """Probability of each component given each row: the gradient of the log-likelihood in the scores.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Rows sum to 1, except those from which every component is so far (1e154 standard deviations) that all
            densities are 0: these hold zeros.
        """
        X, table = self._scores(X)
        return np.ascontiguousarray(responsibilities(table).T, dtype=self._dtype(X))

    def sample(self, n_samples=1):
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int, default=1

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the order of the components.
        y : ndarray of int of shape (n_samples,)
            The component of each row.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise DataError(f"Invalid value for 'n_samples': {n_samples} . The sampling requires at least one sample.")
        random_state = check_random_state(self.random_state)
        covariance = COVARIANCES[self.covariance_type]
        # Weights in single precision, or set by hand, miss a sum of 1 by more than NumPy accepts.
        weights = np.asarray(self.weights_, dtype=np.float64)
        counts = random_state.multinomial(n_samples, weights / weights.sum())
        rows = [
            covariance.draw(random_state, mean, covariance.of_component(self.covariances_, k), count)
            for k, (mean, count) in enumerate(zip(self.means_, counts, strict=True))
        ]
        return np.vstack(rows).astype(np.float64, copy=False), np.repeat(np.arange(len(counts)), counts)

    def bic(self, X):
        """Bayesian information criterion of the model on a table: the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        float
            ``-2 log L + p log n`` with p free parameters.
        """
        _, table = self._scores(X)
        return float(-2.0 * np.sum(log_densities(table)) + self._n_parameters() * math.log(table.shape[1]))

    def aic(self, X):
        """Akaike information criterion of the model on a table: the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        float
            ``-2 log L + 2 p`` with p free parameters.
        """
        _, table = self._scores(X)
        return float(-2.0 * np.sum(log_densities(table)) + 2.0 * self._n_parameters())

    def _n_parameters(self):
        """Count the free parameters, p."""
        n_components, n_features = self.means_.shape
        of_covariances = COVARIANCES[self.covariance_type].n_parameters(n_components, n_features)
        return of_covariances + n_components * n_features + n_components - 1

    def _fit(self, X, observe=None):
        """Fit, and tell an observer about it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        observe : callable, optional
            ``observe(start_index, iteration, lower_bound_per_row, parameters)`` is called after each iteration with the
            bound and the `Parameters` that reach it, those with which the iteration began.
        """
        self._validate_params()
        X = np.asarray(validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2))
        if len(X) < self.n_components:
            raise DataError(
                f"Expected n_samples >= n_components but got n_components = {self.n_components}, n_samples = {len(X)}"
            )
        centre = centre_of(X)
        problem = Problem(
            X.astype(np.float64, copy=False) - centre,
            COVARIANCES[self.covariance_type],
            float(self.reg_covar),
            # With a positive reg_covar covariances are positive definite by construction.
            0.0 if self.reg_covar > 0.0 else resolution_of(X),
        )
        best = self._best_fit(problem, centre, observe)
        if best.status is not Status.CONVERGED and self.max_iter > 0:
            warnings.warn(
                "Best performing initialization did not converge. Try different init parameters, or increase max_iter, "
                "tol, or check for degenerate data.",
                ConvergenceWarning,
                stacklevel=3,
            )
        self._store(_in_data_units(best.components, centre, problem.covariance), X.dtype)
        self.converged_ = best.status is Status.CONVERGED
        self.n_iter_ = best.n_iter
        self.lower_bound_ = best.lower_bound
        self.lower_bounds_ = best.lower_bounds
        return self

    def _best_fit(self, problem, centre, observe):
        """Return the `Fit` with the highest bound of all starts."""
        printer = Printer(self.verbose, self.verbose_interval)
        if warm := self.warm_start and hasattr(self, "means_"):
            starts = [self._continued(problem, centre)]
        else:
            given, random_state = self._given(problem, centre), check_random_state(self.random_state)
            starts = drawn(problem, self.n_components, self.init_params, self.n_init, random_state, given)
        earlier_bound = getattr(self, "lower_bound_", -np.inf) if warm else -np.inf
        fits = []
        for index, components in enumerate(starts):

            def watch(state, index=index):
                printer.iteration(state)
                if observe is not None:
                    parameters = _in_data_units(state.evaluated, centre, problem.covariance)
                    observe(index, state.iteration, state.lower_bound, parameters)

            printer.begin(index)
            fits.append(run(problem, components, self.tol, self.max_iter, earlier_bound, watch))
            printer.end(fits[-1], fits[-1].status is Status.CONVERGED)
        # Without iterations there are no bounds to compare, and the last start is kept.
        return max(fits, key=lambda fit: fit.lower_bound) if self.max_iter > 0 else fits[-1]

    def _given(self, problem, centre):
        """Check what the user fixed of a start, and return it as `Given`."""
        covariance, shape = problem.covariance, (self.n_components, problem.X.shape[1])
        weights = means = factors = None
        if self.weights_init is not None:
            weights = check_weights(self.weights_init, shape[0], "weights_init").astype(np.float64)
        if self.means_init is not None:
            means = check_means(self.means_init, *shape, "means_init") - centre
        if self.precisions_init is not None:
            precisions = check_precisions(self.precisions_init, covariance, *shape, "precisions_init")
            factors = covariance.factors_of_precisions(precisions.astype(np.float64))
        return Given(weights, means, factors)

    def _continued(self, problem, centre):
        """Return the components that the model already has, for data that are centred."""
        shape = (self.n_components, problem.X.shape[1])
        if self.means_.shape != shape or self.covariances_.shape != problem.covariance.shape(*shape):
            raise DataError(
                f"warm_start continues from means of shape {self.means_.shape} and covariances of shape "
                f"{self.covariances_.shape}, but n_components, covariance_type and the table ask for {shape} and "
                f"{problem.covariance.shape(*shape)}. Set warm_start=False to begin anew."
            )
        components = self._components()
        return components._replace(means=components.means - centre)

    def _store(self, parameters, dtype):
        """Set the attributes that follow from the parameters.

        The factor of the precisions is computed from the covariances as they are stored, so that a model rebuilt from
        its `weights_`, `means_` and `covariances_` is the same model bit by bit.
        """
        covariance = COVARIANCES[self.covariance_type]
        weights, means, covariances = (np.asarray(values, dtype=dtype) for values in parameters)
        try:
            _, whitening = covariance.factors(covariances.astype(np.float64))
        except np.linalg.LinAlgError:
            raise ill_defined("some component", self.reg_covar, dtype) from None
        self.weights_, self.means_, self.covariances_ = weights, means, covariances
        self.precisions_cholesky_ = whitening.astype(dtype)
        self.precisions_ = covariance.precisions(whitening).astype(dtype)

    def _scores(self, X):
        """Return the rows as they were understood, and their scores of shape (K, n) in double precision."""
        check_is_fitted(self)
        X = np.asarray(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        return X, component_scores(X, self._components(), COVARIANCES[self.covariance_type])

    def _components(self):
        """Return the model's components in double precision."""
        weights, means, whitening = (
            np.asarray(values, dtype=np.float64) for values in (self.weights_, self.means_, self.precisions_cholesky_)
        )
        return Components(weights, means, COVARIANCES[self.covariance_type].factor_of(whitening), whitening)

    def _dtype(self, X):
        return np.result_type(X, self.means_)


def _in_data_units(components, centre, covariance):
    return Parameters(components.weights, components.means + centre, covariance.covariances(components.factor))
