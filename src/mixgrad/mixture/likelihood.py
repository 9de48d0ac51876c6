r"""The log-likelihood of a mixture, and the sufficient statistics as its gradient.

The law of this package: write the log-likelihood of n rows under K components as

.. math:: L = \sum_n v_n \log \sum_k \exp s_{nk},
          \quad s_{nk} = \log w_k + \langle \eta^1_k, z_{nk} \rangle
                       + \langle \eta^2_k, z_{nk} z_{nk}^T \rangle - a_k

with sample weights v, 1 unless given, and take ``log w``, ``eta1`` and ``eta2`` as independent inputs. Then dL/ds is
the table of responsibilities r (times v), and

.. math:: \partial L / \partial \log w_k = \sum_n r_{nk}, \quad
          \partial L / \partial \eta^1_k = \sum_n r_{nk} z_{nk}, \quad
          \partial L / \partial \eta^2_k = \sum_n r_{nk} z_{nk} z_{nk}^T

are the sufficient statistics, additive over rows. So nothing here, or elsewhere in the package, computes an E-step: it
is the reverse sweep of the log-likelihood, in its two halves: `responsibilities` is the gradient in the scores, and
`pulled_back` takes it through the scores to the parameters.

Every component looks at the rows in a *frame* of its own: z = U^T (x - c) with c its current mean and U the Cholesky
factor of its current precision U U^T. Frames are constants of one iteration. In them the component is the standard
normal law, that is ``eta1 = 0`` and ``eta2 = -I/2``, and the statistics are moments about the current mean in units of
the current spread: near 0 and I when EM converges, whatever the location and the units of the data. Raw moments about
the origin would lose all digits of a variance at an offset of 1e8.

A row whose component is *known* has no other: its other scores are -inf. With all rows known one M-step is the maximum
(supervised learning), with some it is semi-supervised EM, and the law stays as it is.

Arrays of rows carry the component first: z has the shape (K, n, d) and scores have the shape (K, n). The functions here
are programs: `mixgrad.mixture.sweep` runs them over tables, compiled if that pays.
"""

from typing import Any, NamedTuple

import numpy as np

from mixgrad.derivatives import stop_gradient, value_and_grad, vjp

__all__ = [
    "Components",
    "Statistics",
    "log_densities",
    "log_likelihood",
    "pulled_back",
    "responsibilities",
    "restricted",
    "scores",
]


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
        dL/d eta2: sums of r z z^T. Of matrices it is the upper triangle, row by row: (K, d (d + 1) / 2) full, and
        (d (d + 1) / 2,) tied; (K, d) diag; (K,) spherical: sums of r |z|^2.
    """

    log_likelihood: float
    mass: np.ndarray
    first: np.ndarray
    second: np.ndarray


def scores(view, components, covariance):
    """Joint log-density of every row and component, in the components' own frames.

    Parameters
    ----------
    view : object
        The rows in the components' frames, as `covariance.view` gives them.
    components : Components
    covariance : mixgrad.mixture.covariance.Covariance

    Returns
    -------
    array of shape (K, n)
    """
    # A weight of 0 is a component without rows: its scores are -inf.
    at_means = np.log(components.weights) - covariance.log_normalizer(components.whitening, components.means.shape[1])
    return at_means[:, None] - 0.5 * covariance.squares(view)


def restricted(table, labels):
    """Scores of shape (K, n) under known labels of shape (n,): -inf where they say otherwise; -1 says nothing."""
    if labels is None:
        return table
    known = (labels >= 0) & (labels != np.arange(len(table))[:, None])
    return np.where(known, -np.inf, table)


def log_densities(table):
    """Log-density of every row, of shape (n,): the logarithm of the sum of exponentials of the scores (K, n).

    Spelled out, and not `mixgrad.logsumexp`, so that the derivative finds the exponentials computed. There is no score
    of plus infinity; a row all of whose scores are minus infinity has density 0.
    """
    largest = np.max(stop_gradient(table), axis=0)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    return np.log(np.sum(np.exp(table - shift), axis=0)) + shift


def log_likelihood(table, row_weights=None):
    """Log-likelihood of the rows, summed, from their scores of shape (K, n)."""
    densities = log_densities(table)
    return np.sum(densities if row_weights is None else row_weights * densities)


responsibilities = value_and_grad(log_likelihood)
"""The log-likelihood and its gradient in the scores: the share of each component in each row, times the row's weight.

Takes the arguments of `log_likelihood`; the gradient has the shape (K, n), and its columns sum to the rows' weights.
"""


def pulled_back(shares, view, components, covariance):
    """Sufficient statistics of the rows: the gradient in the scores, pulled back to the natural parameters.

    Parameters
    ----------
    shares : array of shape (K, n)
        dL/ds.
    view, covariance
        As for `scores`.
    components : Components
        Those whose frames they are.

    Returns
    -------
    tuple of array
        mass, first and second, as `Statistics` has them.
    """

    def natural(log_weights, linear, quadratic) -> Any:
        return log_weights[:, None] + covariance.pair(linear, quadratic, view)

    # The scores are linear in the natural parameters: their derivative is the same everywhere.
    n_components, n_features = components.means.shape
    second = np.zeros(covariance.second_shape(n_components, n_features))
    _, pull = vjp(natural, np.zeros(n_components), np.zeros((n_components, n_features)), second)
    return pull(shares)
