r"""The log-likelihood of a mixture, and the sufficient statistics as its gradient.

The law of this package: write the log-likelihood of n rows under K components as

.. math:: L = \sum_n \log \sum_k \exp s_{nk},
          \quad s_{nk} = \log w_k + \langle \eta^1_k, z_{nk} \rangle
                       + \langle \eta^2_k, z_{nk} z_{nk}^T \rangle - a_k

and take ``log w``, ``eta1`` and ``eta2`` as independent inputs. Then dL/ds is the table of responsibilities r, and

.. math:: \partial L / \partial \log w_k = \sum_n r_{nk}, \quad
          \partial L / \partial \eta^1_k = \sum_n r_{nk} z_{nk}, \quad
          \partial L / \partial \eta^2_k = \sum_n r_{nk} z_{nk} z_{nk}^T

are the sufficient statistics, additive over rows. So nothing here, or elsewhere in the package, computes an E-step: it
is the reverse sweep of ``log_likelihood``.

Every component looks at the rows in a *frame* of its own: z = U^T (x - c) with c its current mean and U the Cholesky
factor of its current precision U U^T. Frames are constants of one iteration. In them the component is the standard
normal law, that is ``eta1 = 0`` and ``eta2 = -I/2``, and the statistics are moments about the current mean in units of
the current spread: near 0 and I when EM converges, whatever the location and the units of the data. Raw moments about
the origin would lose all digits of a variance at an offset of 1e8.

Arrays of rows carry the component first: z has the shape (K, n, d) and scores have the shape (K, n).
"""

from functools import reduce
from typing import NamedTuple

import numpy as np

from mixgrad.derivatives import grad, value_and_grad
from mixgrad.rules.reduction import logsumexp

__all__ = [
    "Components",
    "Statistics",
    "complete_log_likelihood",
    "complete_statistics",
    "component_scores",
    "log_densities",
    "log_likelihood",
    "responsibilities",
    "scores",
    "sufficient_statistics",
    "tiles",
]

# A tile of rows is as long as makes its table z hold about this many numbers (2 MB): memory does not grow with the
# rows, and the cost of a sweep's bookkeeping stays far below that of its arithmetic.
TILE_NUMBERS = 300_000


class Components(NamedTuple):
    """A mixture's parameters, in the form in which they serve as frames.

    The last two shapes depend on the type of covariance: (K, d, d) full, (d, d) tied, (K, d) diag, (K,) spherical.

    Attributes
    ----------
    weights : ndarray of shape (K,)
    means : ndarray of shape (K, d)
        The reference points c.
    factor : ndarray
        L, lower triangular where it is a matrix: covariance = L L^T, and x = c + L z.
    whitening : ndarray
        U = L^{-T}, upper triangular where it is a matrix: precision = U U^T, and z = U^T (x - c).
    """

    weights: np.ndarray
    means: np.ndarray
    factor: np.ndarray
    whitening: np.ndarray


class Statistics(NamedTuple):
    """The log-likelihood of some rows and its gradient: additive over rows.

    Attributes
    ----------
    log_likelihood : float
    mass : ndarray of shape (K,)
        dL/d log w: the expected number of rows of each component.
    first : ndarray of shape (K, d)
        dL/d eta1: sums of r z.
    second : ndarray
        dL/d eta2: sums of r z z^T, of shape (K, d, d) full, (d, d) tied, (K, d) diag, (K,) spherical.
    """

    log_likelihood: float
    mass: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def merged(self, other):
        """Return the statistics of both sets of rows, taken in the same frames."""
        return Statistics(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def scores(log_weights, linear, quadratic, z, log_normalizer, pair):
    """Joint log-density of every row and component.

    Parameters
    ----------
    log_weights : array of shape (K,)
    linear : array of shape (K, d)
        eta1.
    quadratic : array
        eta2, of the shape of its type of covariance.
    z : ndarray of shape (K, n, d)
        The rows in the components' frames.
    log_normalizer : ndarray of shape (K,) or ()
        a = d/2 log(2 pi) - log det U.
    pair : callable
        ``pair(linear, quadratic, z)`` is <eta1, z> + <eta2, z z^T>, of shape (K, n).

    Returns
    -------
    array of shape (K, n)
    """
    return (log_weights - log_normalizer)[:, None] + pair(linear, quadratic, z)


def log_likelihood(log_weights, linear, quadratic, z, log_normalizer, pair):
    """Log-likelihood of the rows, summed; the arguments are those of `scores`."""
    return np.sum(logsumexp(scores(log_weights, linear, quadratic, z, log_normalizer, pair), axis=0))


def complete_log_likelihood(log_weights, linear, quadratic, z, log_normalizer, pair, labels):
    """Log-likelihood of rows *and* soft labels of shape (K, n); the other arguments are those of `scores`.

    It is linear in the scores with the labels as coefficients, so its gradient is the statistics of a supervised fit.
    """
    return np.sum(labels * scores(log_weights, linear, quadratic, z, log_normalizer, pair))


_sweep = value_and_grad(log_likelihood, argnums=(0, 1, 2))
_complete_sweep = value_and_grad(complete_log_likelihood, argnums=(0, 1, 2))
_sweep_of_scores = grad(lambda table: np.sum(logsumexp(table, axis=0)))


def responsibilities(table):
    """Share of every row that belongs to each component: the gradient of the log-likelihood in its scores.

    Parameters
    ----------
    table : ndarray of shape (K, n)
        Scores.

    Returns
    -------
    ndarray of shape (K, n)
        Columns sum to 1.
    """
    with _beyond_floats():
        return _sweep_of_scores(table)


def log_densities(table):
    """Log-density of every row, shape (n,), from scores of shape (K, n)."""
    with _beyond_floats():
        return logsumexp(table, axis=0)


def tiles(n_rows, n_components, n_features, numbers=None):
    """Yield slices that cover the rows in order, each of about `numbers` values of z."""
    rows = max(1, (TILE_NUMBERS if numbers is None else numbers) // (n_components * n_features))
    for begin in range(0, n_rows, rows):
        yield slice(begin, min(begin + rows, n_rows))


def sufficient_statistics(X, components, covariance):
    """Log-likelihood of a table and its gradient in the frames of the components.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    components : Components
    covariance : mixgrad.mixture.covariance.Covariance

    Returns
    -------
    Statistics
    """

    def sweep(rows, point, z, log_normalizer):
        return _sweep(*point, z, log_normalizer, covariance.pair)

    return _over_tiles(sweep, X, components, covariance)


def complete_statistics(X, labels, components, covariance):
    """As `sufficient_statistics`, for soft labels of shape (K, n) that are given instead of inferred."""

    def sweep(rows, point, z, log_normalizer):
        return _complete_sweep(*point, z, log_normalizer, covariance.pair, labels[:, rows])

    return _over_tiles(sweep, X, components, covariance)


def component_scores(X, components, covariance):
    """Joint log-density of every row and component under the components themselves, shape (K, n)."""
    point, log_normalizer = _point(components, covariance)
    table = np.empty((len(components.means), len(X)))
    with _beyond_floats():
        for rows in tiles(len(X), *components.means.shape):
            z = covariance.whitened(X[rows], components.means, components.whitening)
            table[:, rows] = scores(*point, z, log_normalizer, covariance.pair)
    return table


def _beyond_floats():
    """Let densities underflow and squared distances of far rows overflow: neither is an error."""
    return np.errstate(under="ignore", over="ignore")


def _point(components, covariance):
    """Return the inputs of the derivative at which frames describe their own components, and the normalizers."""
    with np.errstate(divide="ignore"):  # a weight of 0 is a component without rows: its scores are -inf
        log_weights = np.log(components.weights)
    linear, quadratic = covariance.standard_normal(*components.means.shape)
    return (log_weights, linear, quadratic), covariance.log_normalizer(components.whitening, components.means.shape[1])


def _over_tiles(sweep, X, components, covariance):
    point, log_normalizer = _point(components, covariance)

    def part(rows):
        z = covariance.whitened(X[rows], components.means, components.whitening)
        value, gradient = sweep(rows, point, z, log_normalizer)
        return Statistics(value, *gradient)

    with _beyond_floats():
        return reduce(Statistics.merged, map(part, tiles(len(X), *components.means.shape)))
