"""Covariances with all their entries: `FULL`, one matrix per component, and `TIED`, one for all.

The methods are described in `mixgrad.mixture.covariance.Covariance`.
"""

import math
from abc import abstractmethod

import numpy as np
from scipy.linalg import get_lapack_funcs

from mixgrad.mixture.covariance import Covariance, Moments, ill_defined, numbered, steps

__all__ = ["FULL", "TIED"]

(trtri,) = get_lapack_funcs(("trtri",), dtype=np.float64)

# Matrices whose entries mirror each other to this share of the standard deviations count as symmetric.
ASYMMETRY = 1e-6


class _Matrix(Covariance):
    """Arrays that end in (d, d)."""

    positivity = "symmetric, positive-definite"

    def whitened(self, X, means, whitening):
        return (X - means[:, None, :]) @ whitening

    def pair(self, linear, quadratic, z):
        return np.sum((z @ quadratic + linear[:, None, :]) * z, axis=-1)

    def log_normalizer(self, whitening, n_features):
        return 0.5 * n_features * math.log(2 * math.pi) - np.log(self.variances(whitening)).sum(axis=-1)

    def refined(self, components, central, reg_covar, resolution):
        inner = _symmetric(central) + reg_covar * (components.whitening.mT @ components.whitening)
        try:
            factor = components.factor @ np.linalg.cholesky(inner)
        except np.linalg.LinAlgError:
            collapsed = [not _is_definite(matrix) for matrix in inner.reshape(-1, *inner.shape[-2:])]
        else:
            collapsed = np.atleast_1d(np.any(self.variances(factor) <= resolution, axis=-1))
            if not np.any(collapsed):
                return factor
        raise ill_defined(self._whose(np.flatnonzero(collapsed)), reg_covar) from None

    def variances(self, array):
        return np.diagonal(array, axis1=-2, axis2=-1)

    def covariances(self, factor):
        return _symmetric(factor @ factor.mT)

    def precisions(self, whitening):
        return _symmetric(whitening @ whitening.mT)

    def factors(self, covariances):
        factor = np.linalg.cholesky(covariances)
        return factor, self.whitening_of(factor)

    def factors_of_precisions(self, precisions):
        # P = U U^T with U *upper* triangular: with rows and columns in reverse order that is a Cholesky factorisation.
        reverse = np.linalg.cholesky(precisions[..., ::-1, ::-1])
        whitening = np.ascontiguousarray(reverse[..., ::-1, ::-1])
        return self.factor_of(whitening), whitening

    def whitening_of(self, factor):
        return np.ascontiguousarray(_inverse_triangular(factor, lower=True).mT)

    def factor_of(self, whitening):
        return np.ascontiguousarray(_inverse_triangular(whitening, lower=False).mT)

    def is_positive(self, array):
        variances = np.abs(self.variances(array))
        scale = np.sqrt(variances[..., :, None] * variances[..., None, :])
        return bool(np.all(np.abs(array - array.mT) <= ASYMMETRY * scale)) and _is_definite(array)

    def draw(self, random_state, mean, covariance, count):
        return random_state.multivariate_normal(mean, covariance, count)

    @abstractmethod
    def _whose(self, collapsed) -> str:
        """Name the owners of collapsed covariances."""


class _Full(_Matrix):
    """Each component has its own covariance matrix: arrays of shape (K, d, d)."""

    name = "full"

    def shape(self, n_components, n_features):
        return n_components, n_features, n_features

    def n_parameters(self, n_components, n_features):
        return n_components * n_features * (n_features + 1) // 2

    def of_component(self, covariances, k):
        return covariances[k]

    def uncorrelated(self, values, n_components, n_features):
        return np.tile(np.eye(n_features) * values, (n_components, 1, 1))

    def unwhitened(self, delta, factor):
        return (factor @ delta[:, :, None])[:, :, 0]

    def moments(self, statistics):
        alive, mass, delta = steps(statistics)
        raw = np.where(alive[:, None, None], statistics.second / mass[:, None, None], np.eye(delta.shape[1]))
        return Moments(delta, raw, delta[:, :, None] * delta[:, None, :])

    def _whose(self, collapsed):
        return numbered(collapsed)


class _Tied(_Matrix):
    """All components share one covariance matrix: arrays of shape (d, d)."""

    name = "tied"

    def shape(self, n_components, n_features):
        return n_features, n_features

    def n_parameters(self, n_components, n_features):
        return n_features * (n_features + 1) // 2

    def of_component(self, covariances, k):
        return covariances

    def uncorrelated(self, values, n_components, n_features):
        return np.eye(n_features) * values

    def unwhitened(self, delta, factor):
        return delta @ factor.T

    def moments(self, statistics):
        _, _, delta = steps(statistics)
        total = statistics.mass.sum()
        return Moments(delta, statistics.second / total, (delta.T * (statistics.mass / total)) @ delta)

    def _whose(self, collapsed):
        return "all components together"


FULL = _Full()
TIED = _Tied()


def _symmetric(matrices):
    return 0.5 * (matrices + matrices.mT)


def _is_definite(matrices):
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        return False
    return True


def _inverse_triangular(matrices, lower):
    inverses = np.empty_like(matrices)
    square = (-1, *matrices.shape[-2:])
    for inverse, matrix in zip(inverses.reshape(square), matrices.reshape(square)):
        inverse[...], _ = trtri(matrix, lower=lower)
    return inverses
