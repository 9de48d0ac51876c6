r"""Coordinates of mixtures about a given one, without constraints: where solvers other than EM move.

Every component looks at the rows in its frame, z = U^T (x - c) (`mixgrad.mixture.likelihood`). A mixture near by has

.. math:: w'_k = \frac{w_k \exp \alpha_k}{\sum_j w_j \exp \alpha_j},
          \quad c'_k = c_k + L_k \delta_k, \quad U'_k = U_k R_k

with R upper triangular and positive on its diagonal, of which the coordinates are the logarithms; so it sees a row as

.. math:: z' = R^T (z - \delta), \quad s' = \log w' - a + \log \det R - |z'|^2 / 2

and any values of alpha, delta and R are a mixture. These three are the `Blocks`. They are not yet good coordinates:
alpha counts a direction that changes nothing, and a component of few rows hardly feels its own. The `Chart` takes both
out. Its coordinates theta are blocks divided by the square root of the Fisher information that a row would have on them
if its component were known: w_k on delta and on R above the diagonal, 2 w_k on the diagonal's logarithms, and on alpha
diag(w) - w w^T, which is the identity on what is orthogonal to sqrt(w) for alpha = beta / sqrt(w).

So theta = 0 is the mixture itself, the length of theta does not depend on units, locations or the number of rows, the
gradient of the mean log-likelihood is the step of EM to first order, and the Hessian is minus the identity plus the
share of information that is missing because components are unknown: its eigenvalues are EM's rates minus 1.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mixgrad.derivatives import hvp, value_and_grad, vmap
from mixgrad.mixture.covariance import NOTHING_FIXED, Covariance, Fixed
from mixgrad.mixture.likelihood import Components, log_likelihood, restricted
from mixgrad.mixture.sweep import centred, over_rows

__all__ = ["Blocks", "Chart", "product", "second_order", "value_and_gradient"]

TINY = np.finfo(np.float64).tiny


class Blocks(NamedTuple):
    """A mixture relative to another; arrays may carry leading axes.

    Attributes
    ----------
    weights : ndarray of shape (K,)
        alpha, gains of the logarithms of the weights before they are made to sum to 1.
    means : ndarray of shape (K, d)
        delta, moves of the means in the frames.
    shapes : ndarray
        Coordinates of R, as `Covariance.turn` takes them.
    """

    weights: np.ndarray
    means: np.ndarray
    shapes: np.ndarray


@dataclass(frozen=True, eq=False)
class Chart:
    """Coordinates about a mixture.

    Attributes
    ----------
    components : Components
        The mixture at the origin.
    covariance : Covariance
    scales : Blocks
        Blocks per unit of a coordinate.
    gauge : ndarray of shape (K, K - 1)
        Orthonormal coordinates of alpha / scale.
    fixed : Fixed
        Blocks without coordinates.
    """

    components: Components
    covariance: Covariance
    scales: Blocks
    gauge: np.ndarray
    fixed: Fixed = NOTHING_FIXED

    @classmethod
    def about(cls, components, problem):
        """Coordinates about a mixture, for the rows of a `Problem`."""
        n_components, n_features = components.means.shape
        # A component with less than a row has the scale of one row: steps stay finite.
        mass = np.maximum(components.weights, 1.0 / problem.total)
        roots = np.sqrt(mass)
        information = problem.covariance.information(mass, n_features)
        means = np.tile(1.0 / roots[:, None], (1, n_features))
        gauge = np.linalg.qr(np.column_stack([roots, np.eye(n_components)[:, 1:]]))[0][:, 1:]
        scales = Blocks(1.0 / roots, means, 1.0 / np.sqrt(information))
        return cls(components, problem.covariance, scales, gauge, problem.fixed)

    @property
    def sizes(self):
        """Number of coordinates of each block."""
        counts = self.gauge.shape[1], self.scales.means.size, self.scales.shapes.size
        return [0 if fixed else count for fixed, count in zip(self.fixed, counts)]

    @property
    def size(self):
        """Number of coordinates, P."""
        return sum(self.sizes)

    def blocks(self, theta):
        """Blocks at coordinates of shape (..., P): a linear map."""
        lead, ends = theta.shape[:-1], np.cumsum(self.sizes)
        weights, means, shapes = np.split(theta, ends[:-1], axis=-1)
        alpha = np.zeros(self.scales.weights.shape) if self.fixed.weights else weights @ self.gauge.T
        return Blocks(
            alpha * self.scales.weights + np.zeros((*lead, 1)),
            *(
                np.zeros((*lead, *scale.shape)) if fixed else block.reshape(*lead, *scale.shape) * scale
                for block, scale, fixed in zip((means, shapes), self.scales[1:], self.fixed[1:])
            ),
        )

    def pulled(self, blocks):
        """Gradient in the coordinates from one in blocks, the transpose of `blocks`: shape (..., P)."""
        lead = blocks.weights.shape[:-1]
        weights, means, shapes = (gradient * scale for gradient, scale in zip(blocks, self.scales))
        parts = weights @ self.gauge, means.reshape(*lead, -1), shapes.reshape(*lead, -1)
        return np.concatenate([part[..., : 0 if fixed else None] for part, fixed in zip(parts, self.fixed)], axis=-1)

    def at(self, theta):
        """Components at coordinates of shape (P,)."""
        blocks, old, covariance = self.blocks(theta), self.components, self.covariance
        weights, means, factor, whitening = old
        if not self.fixed.weights:
            weights = weights * np.exp(blocks.weights - np.max(blocks.weights))
            weights = weights / weights.sum()
        if not self.fixed.means:
            means = means + covariance.unwhitened(blocks.means, factor)
        if not self.fixed.covariances:
            whitening = covariance.composed(whitening, covariance.turn(blocks.shapes))
            factor = covariance.factor_of(whitening)
        return Components(weights, means, factor, whitening)

    def coordinates(self, components):
        """Coordinates of components, of shape (P,): the inverse of `at`."""
        old = self.components
        # A weight of 0 is one without digits: EM gives it back.
        after, before = (np.log(np.maximum(mixture.weights, TINY)) for mixture in (components, old))
        places = np.arange(len(old.means))
        delta = self.covariance.in_frames(components.means, old)[places, places]
        moves = Blocks(after - before, delta, self.covariance.change(old.factor, components.whitening))
        unscaled = Blocks(*(move / scale**2 for move, scale in zip(moves, self.scales)))
        return self.pulled(unscaled)


def value_and_gradient(chart, theta, problem):
    """Mean log-likelihood per row at coordinates of shape (P,), and its gradient there."""
    value, gradient = _over_rows(_value_and_gradient, chart, problem, chart.blocks(theta))
    return float(value) / problem.total, chart.pulled(Blocks(*gradient)) / problem.total


def product(chart, theta, direction, problem):
    """Hessian of the mean log-likelihood times a direction, both of shape (P,)."""
    found = _over_rows(_product, chart, problem, chart.blocks(theta), chart.blocks(direction))
    return chart.pulled(Blocks(*found)) / problem.total


def second_order(chart, theta, problem):
    """Mean log-likelihood per row, its gradient, and its Hessian of shape (P, P): all columns in one pass."""
    directions = chart.blocks(np.eye(chart.size))
    (value, gradient), products = _over_rows(_second_order, chart, problem, chart.blocks(theta), directions)
    hessian = chart.pulled(Blocks(*products)) / problem.total
    return float(value) / problem.total, chart.pulled(Blocks(*gradient)) / problem.total, 0.5 * (hessian + hessian.T)


def _over_rows(program, chart, problem, *others):
    components, covariance = chart.components, chart.covariance.apart
    return over_rows(program, problem.rows, problem.units.centre, components, covariance, *others)


def _value_and_gradient(rows, centre, components, blocks, *, covariance):
    return value_and_grad(_likelihood(rows, centre, components, covariance))(blocks)


def _product(rows, centre, components, blocks, direction, *, covariance):
    return hvp(_likelihood(rows, centre, components, covariance), blocks, direction)


def _second_order(rows, centre, components, blocks, directions, *, covariance):
    function = _likelihood(rows, centre, components, covariance)
    return value_and_grad(function)(blocks), vmap(lambda direction: hvp(function, blocks, direction))(directions)


def _likelihood(rows, centre, components, covariance):
    """Log-likelihood of the rows as a function of blocks; the rows are looked at once, in the frames."""
    view, n_features = covariance.in_frames(centred(rows, centre), components), components.means.shape[1]
    normalizer = covariance.log_normalizer(components.whitening, n_features)
    constant = 0.5 * n_features * math.log(2 * math.pi)

    def function(blocks):
        alpha, delta, change = blocks
        weights = components.weights * np.exp(alpha)
        turn = covariance.turn(change)
        moved = covariance.turned(view - delta[:, None, :], turn)
        # Both normalizers hold the constant of the standard normal law.
        offsets = constant - normalizer - covariance.log_normalizer(turn, n_features)
        table = (np.log(weights / np.sum(weights)) + offsets)[:, None] - 0.5 * np.sum(moved * moved, axis=-1)
        return log_likelihood(restricted(table, rows.labels), rows.weights)

    return function
