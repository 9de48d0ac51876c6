"""Covariances of uncorrelated features: `DIAGONAL`, a variance per feature, and `SPHERICAL`, one for all features.

The methods are described in `mixgrad.mixture.covariance.Covariance`.
"""

import math
from abc import abstractmethod

import numpy as np

from mixgrad.mixture.covariance import Covariance, Moments, steps

__all__ = ["DIAGONAL", "SPHERICAL"]


class _Elementwise(Covariance):
    """Arrays whose first axis is the component."""

    positivity = "positive"

    def of_component(self, covariances, k):
        return covariances[k]

    def view(self, X, components):
        return (X - components.means[:, None, :]) * self._against_rows(components.whitening)

    def squares(self, view):
        return np.sum(view * view, axis=-1)

    def pair(self, linear, quadratic, view):
        return np.sum((view * self._against_rows(quadratic) + linear[:, None, :]) * view, axis=-1)

    def second_shape(self, n_components, n_features):
        return self.shape(n_components, n_features)

    def refined(self, components, central, reg_covar, floor):
        inner = central + reg_covar * components.whitening**2
        factor = components.factor * np.sqrt(np.maximum(inner, 0.0))
        smallest = self._smallest(floor)
        low = factor < smallest
        factor = np.where(low, smallest, factor)
        return factor, self.whitening_of(factor), low.reshape(len(low), -1).any(axis=1)

    def variances(self, array):
        return array

    def covariances(self, factor):
        return factor**2

    def precisions(self, whitening):
        return whitening**2

    def factors(self, covariances):
        if not self.is_positive(covariances):
            raise np.linalg.LinAlgError("a variance is not positive")
        factor = np.sqrt(covariances)
        return factor, 1.0 / factor

    def factors_of_precisions(self, precisions):
        whitening, factor = self.factors(precisions)
        return factor, whitening

    def whitening_of(self, factor):
        return 1.0 / factor

    def factor_of(self, whitening):
        return 1.0 / whitening

    def turn(self, change):
        return np.exp(change)

    def turned(self, view, turn):
        return view * self._against_rows(turn)

    def composed(self, whitening, turn):
        return whitening * turn

    def change(self, factor, whitening):
        return np.log(factor * whitening)

    def inflated(self, covariances, share):
        return np.maximum((1.0 + share) * covariances, np.finfo(covariances.dtype).tiny)

    def is_positive(self, array):
        return bool(np.all(array > 0.0))

    def draw(self, random_state, mean, covariance, count):
        return mean + random_state.standard_normal(size=(count, len(mean))) * np.sqrt(covariance)

    @abstractmethod
    def _against_rows(self, array) -> np.ndarray:
        """Make an array of the variances' shape fit rows in frames, shape (K, n, d)."""

    @abstractmethod
    def _smallest(self, floor) -> np.ndarray:
        """Floor of the features as one of the standard deviations."""


class _Diagonal(_Elementwise):
    """Each component has its own variance for each feature: arrays of shape (K, d)."""

    name = "diag"

    def shape(self, n_components, n_features):
        return n_components, n_features

    def n_parameters(self, n_components, n_features):
        return n_components * n_features

    def log_normalizer(self, whitening, n_features):
        return 0.5 * n_features * math.log(2 * math.pi) - np.log(whitening).sum(axis=-1)

    def uncorrelated(self, values, n_components, n_features):
        return np.tile(np.ones(n_features) * values, (n_components, 1))

    def unwhitened(self, delta, factor):
        return delta * factor

    def moments(self, statistics, components, fixed_means=False):
        alive, mass, delta = steps(statistics, fixed_means)
        return Moments(delta, np.where(alive[:, None], statistics.second / mass[:, None], 1.0), delta**2)

    def information(self, weights, n_features):
        return np.tile(2.0 * weights[:, None], (1, n_features))

    def _against_rows(self, array):
        return array[:, None, :]

    def _smallest(self, floor):
        return floor


class _Spherical(_Elementwise):
    """Each component has one variance for all features: arrays of shape (K,)."""

    name = "spherical"

    def shape(self, n_components, n_features):
        return (n_components,)

    def n_parameters(self, n_components, n_features):
        return n_components

    def log_normalizer(self, whitening, n_features):
        return n_features * (0.5 * math.log(2 * math.pi) - np.log(whitening))

    def uncorrelated(self, values, n_components, n_features):
        return np.full(n_components, np.max(values))

    def unwhitened(self, delta, factor):
        return delta * factor[:, None]

    def moments(self, statistics, components, fixed_means=False):
        # eta2 multiplies |z|^2, so the second statistic is a sum over features: its mean is the variance.
        alive, mass, delta = steps(statistics, fixed_means)
        raw = np.where(alive, statistics.second / (mass * delta.shape[1]), 1.0)
        return Moments(delta, raw, np.mean(delta**2, axis=1))

    def in_frames(self, X, components):
        return super().view(X, components)

    def view(self, X, components):
        # Not yet divided by the deviation, which is cheaper to do with sums over the features.
        return X - components.means[:, None, :], components.whitening[:, None]

    def squares(self, view):
        offsets, whitening = view
        return whitening**2 * np.sum(offsets * offsets, axis=-1)

    def pair(self, linear, quadratic, view):
        offsets, whitening = view
        first = whitening * np.sum(offsets * linear[:, None, :], axis=-1)
        return first + quadratic[:, None] * self.squares(view)

    def information(self, weights, n_features):
        return 2.0 * n_features * weights

    def _against_rows(self, array):
        return array[:, None, None]

    def _smallest(self, floor):
        return np.max(floor)


DIAGONAL = _Diagonal()
SPHERICAL = _Spherical()
