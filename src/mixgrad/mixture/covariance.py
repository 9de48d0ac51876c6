r"""What the four types of covariance have in common; the types are in `matrix` and `diagonal`, the list in `gaussian`.

A type is one small class without state. It knows how its components look at rows (`view`, `pair`), how statistics
become parameters (`m_step`), and the shapes and forms of its arrays. Whoever adds a type adds a class and a line in
`mixgrad.mixture.gaussian`; no other module asks which type it has.

**The M-step.** In a component's frame, with N = mass, delta = first / N and C = second / N - delta delta^T,

.. math:: c' = c + L \delta, \quad \Sigma' = L C L^T + \rho I = L (C + \rho U^T U) L^T

with rho = `reg_covar`. So the new factor is L' = L chol(C + rho U^T U): the factorisation happens in units of the old
covariance, where C is near I, and a badly conditioned covariance costs no digits.

**The floor.** The likelihood of a mixture has no maximum: a component that shrinks onto a row gains without limit. So
covariances are bound from below, Sigma >= D^2 with D = diag(floor), the floor being tiny standard deviations in units
of the data (Hathaway 1985). Where a covariance would fall below, the best one that does not is the same with its
eigenvalues relative to D^2 raised to 1. That is still an exact M-step, of the bounded problem: the likelihood does not
decrease, and the component is reported as collapsed.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from mixgrad.mixture.likelihood import Components
from mixgrad.mixture.units import SMALLEST_SPREAD

__all__ = ["NOTHING_FIXED", "Covariance", "Fixed", "Moments", "steps"]

EPS = np.finfo(np.float64).eps
# Below this mass a ratio of statistics has no digits left (subnormal numbers): the component has no rows.
NO_MASS = np.finfo(np.float64).tiny / EPS
# If more than this share of a second moment comes from the move of the mean, their difference lost four digits or more.
CANCELLED = 1.0 - 1e-4


class Fixed(NamedTuple):
    """Which blocks of the parameters an M-step leaves as they are."""

    weights: bool = False
    means: bool = False
    covariances: bool = False


NOTHING_FIXED = Fixed()


class Moments(NamedTuple):
    """Statistics per unit of mass; the covariance in the frame is C = raw - shift.

    Attributes
    ----------
    delta : ndarray of shape (K, d)
        How far the mean moves, in the frame.
    raw : ndarray of the covariances' shape
        Second moment about the frame's origin.
    shift : ndarray of the covariances' shape
        The part of it that the place of the new mean explains.
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

    @property
    def apart(self) -> "Covariance":
        """The same type, looking from each component's own mean: slower for some types, and never less accurate."""
        return self

    def unit(self, n_components, scale):
        """Factor and whitening of uncorrelated features with standard deviations `scale`, of shape (d,)."""
        factor = self.uncorrelated(scale, n_components, len(scale))
        return factor, self.whitening_of(factor)

    def in_frames(self, X, components):
        """Rows in the components' frames as an array of shape (K, n, d)."""
        return self.apart.view(X, components)

    def weights(self, mass):
        """Weights of shape (K,), never zero: a component without rows may come back to life."""
        positive = mass + 10 * EPS * (mass.sum() / len(mass))
        return positive / positive.sum()

    def m_step(self, mass, moments, components, reg_covar=0.0, floor=SMALLEST_SPREAD, fixed=NOTHING_FIXED):
        """Parameters that maximise the expected complete log-likelihood.

        Parameters
        ----------
        mass : ndarray of shape (K,)
        moments : Moments
            Taken in the frames of `components`.
        components : Components
        reg_covar : float
            Added to the diagonal of every covariance.
        floor : float or ndarray of shape (d,)
            Smallest standard deviations.
        fixed : Fixed

        Returns
        -------
        components : Components
        collapsed : ndarray of bool of shape (K,)
            Whose covariances are on the floor.
        """
        weights = components.weights if fixed.weights else self.weights(mass)
        means = self.moved_means(moments, components)
        if fixed.covariances:
            return components._replace(weights=weights, means=means), np.zeros(len(mass), dtype=bool)
        factor, whitening, collapsed = self.refined(components, moments.raw - moments.shift, reg_covar, floor)
        return Components(weights, means, factor, whitening), collapsed

    def cancels(self, moments):
        """Whether means moved by so many new standard deviations that `m_step` would subtract nearly equal numbers."""
        raw, shift = self.variances(moments.raw), self.variances(moments.shift)
        # Of a component that sits on one point both are rounding, again and again.
        return bool(((shift > CANCELLED * raw) & (shift > EPS)).any())

    def moved_means(self, moments, components):
        """Means of shape (K, d) that `m_step` returns."""
        return components.means + self.unwhitened(moments.delta, components.factor)

    @abstractmethod
    def shape(self, n_components, n_features) -> tuple[int, ...]:
        """Shape of the covariances, their factors and precisions."""

    @abstractmethod
    def second_shape(self, n_components, n_features) -> tuple[int, ...]:
        """Shape of the second statistic."""

    @abstractmethod
    def n_parameters(self, n_components, n_features) -> int:
        """Count the free parameters of the covariances."""

    @abstractmethod
    def of_component(self, covariances, k) -> np.ndarray:
        """Return the covariance of component k."""

    @abstractmethod
    def view(self, X, components) -> Any:
        """Rows of shape (n, d) in the components' frames; for most types an array of shape (K, n, d).

        A program, like the next two: it is differentiated and compiled. It makes no use of the factor.
        """

    @abstractmethod
    def squares(self, view) -> np.ndarray:
        """|z|^2 of shape (K, n)."""

    @abstractmethod
    def unwhitened(self, delta, factor) -> np.ndarray:
        """One vector per component, shape (K, d), from its frame to the units of the data."""

    @abstractmethod
    def pair(self, linear, quadratic, view) -> np.ndarray:
        """<eta1, z> + <eta2, z z^T> of shape (K, n), for eta1 of shape (K, d) and eta2 of that of the statistic."""

    @abstractmethod
    def log_normalizer(self, whitening, n_features) -> np.ndarray:
        """d/2 log(2 pi) - log det U, of shape (K,) or ()."""

    @abstractmethod
    def moments(self, statistics, components, fixed_means=False) -> Moments:
        """Statistics in the frames of the components as `Moments`; fixed means do not move."""

    @abstractmethod
    def refined(self, components, central, reg_covar, floor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Factor and whitening of covariances that are `central` in the old frames, and who had to be raised."""

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
    def turn(self, change) -> np.ndarray:
        """R of the covariances' shape, upper triangular where it is a matrix, from its `second_shape` coordinates.

        These are the logarithms of the diagonal and the entries above it; 0 is the identity. A program, like the next.
        """

    @abstractmethod
    def turned(self, view, turn) -> np.ndarray:
        """R^T z of shape (K, n, d) for rows z in frames, of the same shape."""

    @abstractmethod
    def composed(self, whitening, turn) -> np.ndarray:
        """Whitening U R."""

    @abstractmethod
    def change(self, factor, whitening) -> np.ndarray:
        """Coordinates of the R for which a whitening is U R, from L = U^{-T}."""

    @abstractmethod
    def information(self, weights, n_features) -> np.ndarray:
        """Fisher information per row on the coordinates of R if components were known, of `second_shape`."""

    @abstractmethod
    def inflated(self, covariances, share) -> np.ndarray:
        """Covariances with variances larger by a share of themselves, or by the smallest number where that is less."""

    @abstractmethod
    def is_positive(self, array) -> bool:
        """Whether covariances or precisions have the `positivity` that they need."""

    @abstractmethod
    def draw(self, random_state, mean, covariance, count) -> np.ndarray:
        """Random rows of one component, of shape (count, d)."""


def steps(statistics, fixed_means):
    """Which components have rows, masses that may be divided by, and moves of the means: none without rows."""
    alive = statistics.mass > NO_MASS
    mass = np.where(alive, statistics.mass, 1.0)
    delta = statistics.first / mass[:, None]
    if fixed_means or not alive.all():
        delta[~alive | fixed_means] = 0.0
    return alive, mass, delta
