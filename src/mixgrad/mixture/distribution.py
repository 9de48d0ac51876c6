"""The law of a mixture whose parameters are known: densities, shares of components, samples, criteria."""

import math

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mixgrad._errors import DataError
from mixgrad.mixture import sweep
from mixgrad.mixture.checks import check_fixed
from mixgrad.mixture.distinct import check_sample_weight
from mixgrad.mixture.gaussian import COVARIANCES
from mixgrad.mixture.likelihood import Components

__all__ = ["MixtureDistribution"]


class MixtureDistribution(DensityMixin, BaseEstimator):
    """The half of `GaussianMixture` that asks for no fit, only for its parameters."""

    covariance_type: str
    random_state: object
    fixed: object
    weights_: np.ndarray
    means_: np.ndarray
    covariances_: np.ndarray
    precisions_: np.ndarray
    precisions_cholesky_: np.ndarray

    def score_samples(self, X):
        """Log-density of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        X = self._checked(X)
        return sweep.densities(*self._view(X)).astype(self._dtype(X), copy=False)

    def score(self, X, y=None, sample_weight=None):
        """Mean log-density of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            How often each row counts.

        Returns
        -------
        float
        """
        total, weight = self._total_density(X, sample_weight)
        return total / weight

    def predict(self, X):
        """Most probable component of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of int of shape (n_samples,)
        """
        return sweep.most_probable(*self._view(self._checked(X)))

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
        X = self._checked(X)
        return np.ascontiguousarray(sweep.probabilities(*self._view(X)), dtype=self._dtype(X))

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

    def bic(self, X, sample_weight=None):
        """Bayesian information criterion of the model on a table: the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), optional
            How often each row counts.

        Returns
        -------
        float
            ``-2 log L + p log n`` with p free parameters and n the sum of the weights.
        """
        total, weight = self._total_density(X, sample_weight)
        return -2.0 * total + self._n_parameters() * math.log(weight)

    def aic(self, X, sample_weight=None):
        """Akaike information criterion of the model on a table: the lower the better.

        Parameters
        ----------
        X, sample_weight
            As for `bic`.

        Returns
        -------
        float
            ``-2 log L + 2 p`` with p free parameters.
        """
        total, _ = self._total_density(X, sample_weight)
        return -2.0 * total + 2.0 * self._n_parameters()

    def _n_parameters(self):
        """Count the free parameters, p: those that no `fixed` keeps from being estimated."""
        n_components, n_features = self.means_.shape
        of_covariances = COVARIANCES[self.covariance_type].n_parameters(n_components, n_features)
        counts = n_components - 1, n_components * n_features, of_covariances
        return sum(count for count, fixed in zip(counts, check_fixed(self.fixed), strict=True) if not fixed)

    def _store(self, parameters, dtype):
        """Set the attributes that follow from the parameters.

        The factor of the precisions is computed from the covariances as they are stored, so that a model rebuilt from
        its `weights_`, `means_` and `covariances_` is the same model bit by bit.
        """
        covariance = COVARIANCES[self.covariance_type]
        weights, means, covariances = (np.asarray(values, dtype=dtype) for values in parameters)
        covariances, whitening = _definite(covariances, covariance)
        self.weights_, self.means_, self.covariances_ = weights, means, covariances
        self.precisions_cholesky_ = whitening.astype(dtype)
        self.precisions_ = covariance.precisions(whitening).astype(dtype)

    def _checked(self, X):
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    def _view(self, X, weights=None):
        """Return the arguments of a sweep over a table."""
        centre, covariance = np.zeros(X.shape[1]), COVARIANCES[self.covariance_type]
        return sweep.Rows(X, weights), centre, self._components(), covariance

    def _total_density(self, X, sample_weight):
        """Return the log-likelihood of a table, and the sum of its weights."""
        X = self._checked(X)
        weights = check_sample_weight(sample_weight, len(X))
        return sweep.total_density(*self._view(X, weights)), float(len(X) if weights is None else weights.sum())

    def _components(self):
        """Return the model's components in double precision."""
        weights, means, whitening = (
            np.asarray(values, dtype=np.float64) for values in (self.weights_, self.means_, self.precisions_cholesky_)
        )
        return Components(weights, means, COVARIANCES[self.covariance_type].factor_of(whitening), whitening)

    def _dtype(self, X):
        return np.result_type(X, self.means_)


def _definite(covariances, covariance):
    """Covariances that are positive definite as they are stored, and their whitening.

    Rounding to single precision may take that from a matrix that is nearly singular: its variances are raised by as
    little as gives it back.
    """
    rise = np.finfo(covariances.dtype).eps
    while True:
        try:
            return covariances, covariance.factors(covariances.astype(np.float64))[1]
        except np.linalg.LinAlgError:
            covariances = covariance.inflated(covariances, rise)
            rise *= 4.0
