r"""What the four types of covariance have in common; the types are in `matrix` and `diagonal`, the list in `gaussian`.

A type is one small class without state. It knows how its components look at rows (`whitened`, `pair`), how statistics
become parameters (`m_step`), and the shapes and forms of its arrays. Whoever adds a type adds a class and a line in
`mixgrad.mixture.gaussian`; no other module asks which type it has.

**The M-step.** In a component's frame, with N = mass, delta = first / N and C = second / N - delta delta^T,

.. math:: c' = c + L \delta, \quad \Sigma' = L C L^T + \rho I = L (C + \rho U^T U) L^T

with rho = `reg_covar`. So the new factor is L' = L chol(C + rho U^T U): the factorisation happens in units of the old
covariance, where C is near I, and a badly conditioned covariance costs no digits.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from mixgrad._errors import DataError
from mixgrad.mixture.likelihood import Components

__all__ = ["Covariance", "Moments", "ill_defined", "numbered", "steps"]

EPS = np.finfo(np.float64).eps
# Below this mass a ratio of statistics has no digits left (subnormal numbers): the component has no rows.
NO_MASS = np.finfo(np.float64).tiny / EPS
# If more than this share of a second moment comes from the move of the mean, their difference lost four digits or more.
CANCELLED = 1.0 - 1e-4


class Moments(NamedTuple):
    """Statistics per unit of mass; the covariance in the frame is C = raw - shift.

    Attributes
    ----------
    delta : ndarray of shape (K, d)
        How far the mean moves, in the frame.
    raw : ndarray of the covariances' shape
        Second moment about the frame's origin.
    shift : ndarray of the covariances' shape
        The part of it that the move of the mean explains.
    """

    delta: np.ndarray
    raw: np.ndarray
    shift: np.ndarray


class Covariance(ABC):
    """A type of covariance.

    Attributes
    ----------
    name : str
        What users call it.
    positivity : str
        What its arrays have to be, for messages.
    """

    name: str
    positivity: str

    def standard_normal(self, n_components, n_features):
        """Natural parameters (eta1, eta2) of the standard normal law, one copy per component."""
        return np.zeros((n_components, n_features)), self.uncorrelated(-0.5, n_components, n_features)

    def unit(self, n_components, scale):
        """Factor and whitening of uncorrelated features with standard deviations `scale`, of shape (d,)."""
        factor = self.uncorrelated(scale, n_components, len(scale))
        return factor, self.whitening_of(factor)

    def weights(self, mass):
        """Weights of shape (K,), never zero: a component without rows may come back to life."""
        positive = mass + 10 * EPS
        return positive / positive.sum()

    def m_step(self, mass, moments, components, reg_covar=0.0, resolution=0.0):
        """Parameters that maximise the expected complete log-likelihood.

        Parameters
        ----------
        mass : ndarray of shape (K,)
        moments : Moments
            Taken in the frames of `components`.
        components : Components
        reg_covar : float
            Added to the diagonal of every covariance.
        resolution : float or ndarray of shape (d,)
            Standard deviations up to which a component counts as collapsed to a point (or a line, a plane ...).

        Returns
        -------
        Components

        Raises
        ------
        DataError
            A covariance is not positive definite, or not above `resolution`.
        """
        factor = self.refined(components, moments.raw - moments.shift, reg_covar, resolution)
        means = self.moved_means(moments, components)
        return Components(self.weights(mass), means, factor, self.whitening_of(factor))

    def cancels(self, moments):
        """Whether means moved by so many new standard deviations that `m_step` would subtract nearly equal numbers."""
        raw, shift = self.variances(moments.raw), self.variances(moments.shift)
        # Of a component that sits on one point both are rounding, again and again.
        return bool(np.any((shift > CANCELLED * raw) & (shift > EPS)))

    def moved_means(self, moments, components):
        """Means of shape (K, d) that `m_step` returns."""
        return components.means + self.unwhitened(moments.delta, components.factor)

    @abstractmethod
    def shape(self, n_components, n_features) -> tuple[int, ...]:
        """Shape of the covariances, their factors and precisions."""

    @abstractmethod
    def n_parameters(self, n_components, n_features) -> int:
        """Count the free parameters of the covariances."""

    @abstractmethod
    def of_component(self, covariances, k) -> np.ndarray:
        """Return the covariance of component k."""

    @abstractmethod
    def whitened(self, X, means, whitening) -> np.ndarray:
        """Rows of shape (n, d) in the components' frames, shape (K, n, d)."""

    @abstractmethod
    def unwhitened(self, delta, factor) -> np.ndarray:
        """One vector per component, shape (K, d), from its frame to the units of the data."""

    @abstractmethod
    def pair(self, linear, quadratic, z) -> np.ndarray:
        """<eta1, z> + <eta2, z z^T> for eta1 of shape (K, d) and z of shape (K, n, d): shape (K, n)."""

    @abstractmethod
    def log_normalizer(self, whitening, n_features) -> np.ndarray:
        """d/2 log(2 pi) - log det U, of shape (K,) or ()."""

    @abstractmethod
    def moments(self, statistics) -> Moments:
        """Statistics as `Moments`."""

    @abstractmethod
    def refined(self, components, central, reg_covar, resolution) -> np.ndarray:
        """Factor of the covariances that are `central` in the old frames; refuses what is not positive definite."""

    @abstractmethod
    def uncorrelated(self, values, n_components, n_features) -> np.ndarray:
        """Array of the covariances' shape with `values` on its diagonals."""

    @abstractmethod
    def variances(self, array) -> np.ndarray:
        """Diagonals of an array of the covariances' shape."""

    @abstractmethod
    def covariances(self, factor) -> np.ndarray:
        """L L^T."""

    @abstractmethod
    def precisions(self, whitening) -> np.ndarray:
        """U U^T."""

    @abstractmethod
    def factors(self, covariances) -> tuple[np.ndarray, np.ndarray]:
        """Factor and whitening; raises ``numpy.linalg.LinAlgError`` unless positive definite."""

    @abstractmethod
    def factors_of_precisions(self, precisions) -> tuple[np.ndarray, np.ndarray]:
        """Factor and whitening; raises ``numpy.linalg.LinAlgError`` unless positive definite."""

    @abstractmethod
    def whitening_of(self, factor) -> np.ndarray:
        """U = L^{-T}."""

    @abstractmethod
    def factor_of(self, whitening) -> np.ndarray:
        """L = U^{-T}."""

    @abstractmethod
    def is_positive(self, array) -> bool:
        """Whether covariances or precisions have the `positivity` that they need."""

    @abstractmethod
    def draw(self, random_state, mean, covariance, count) -> np.ndarray:
        """Random rows of one component, of shape (count, d)."""


def steps(statistics):
    """Which components have rows, masses that may be divided by, and moves of the means: none without rows."""
    alive = statistics.mass > NO_MASS
    mass = np.where(alive, statistics.mass, 1.0)
    return alive, mass, np.where(alive[:, None], statistics.first / mass[:, None], 0.0)


def numbered(components):
    """Components of these numbers, in words."""
    return ("component " if len(components) == 1 else "components ") + ", ".join(str(k) for k in components)


def ill_defined(which, reg_covar, dtype=np.float64):
    """Error for covariances that are not positive definite; `which` says whose, and `dtype` is that of the data."""
    return DataError(
        f"Fitting the mixture model failed because of an ill-defined empirical covariance: that of {which} is not "
        "positive definite. Its rows are a single point, or lie on a line or plane (duplicated rows, a constant "
        "feature, or one feature that is a combination of others). "
        f"Increase reg_covar (now {reg_covar:g}), decrease n_components, or scale the input data."
        + (" Data in float64 instead of float32 are more accurate." if dtype == np.float32 else "")
    )
