"""Covariances with all their entries: `FULL`, one matrix per component, and `TIED`, one for all.

The methods are described in `mixgrad.mixture.covariance.Covariance`.
"""

import functools
import math

import numpy as np
from scipy.linalg import get_lapack_funcs

from mixgrad.mixture.covariance import Covariance, Moments, steps
from mixgrad.rules.index import take_apart, update

__all__ = ["FULL", "TIED"]

(trtri,) = get_lapack_funcs(("trtri",), dtype=np.float64)

# Matrices whose entries mirror each other to this share of the standard deviations count as symmetric.
ASYMMETRY = 1e-6
# Singular values below this share of the largest are nothing but its rounding.
ROUNDING = 1e-15


class _Matrix(Covariance):
    """Arrays that end in (d, d)."""

    positivity = "symmetric, positive-definite"

    def view(self, X, components):
        return (X - components.means[:, None, :]) @ _upper(_triangle(components.whitening))

    def squares(self, view):
        return np.sum(view * view, axis=-1)

    def pair(self, linear, quadratic, view):
        return np.sum((view @ _upper(quadratic) + linear[:, None, :]) * view, axis=-1)

    def log_normalizer(self, whitening, n_features):
        return 0.5 * n_features * math.log(2 * math.pi) - np.log(self.variances(whitening)).sum(axis=-1)

    def refined(self, components, central, reg_covar, floor):
        inner = central  # of which all that follows reads one triangle
        if reg_covar:
            inner = inner + reg_covar * (components.whitening.mT @ components.whitening)
        old, size = _each(components.factor), inner.shape[-1]
        collapsed = np.zeros(len(old), dtype=bool)
        try:
            factor = components.factor @ np.linalg.cholesky(inner)
        except np.linalg.LinAlgError:
            factor, collapsed[:] = np.empty_like(inner), True
        else:
            whitening = self.whitening_of(factor)
            # The smallest eigenvalue in units of the floor is at least one over this: in most cases that settles it.
            in_floor = _each(whitening) * (np.ones(size) * floor)[:, None]
            collapsed = np.einsum("kij,kij->k", in_floor, in_floor) >= 1.0
            if not collapsed.any():
                return factor, whitening, np.zeros(len(components.means), dtype=bool)
        for k in np.flatnonzero(collapsed):
            _each(factor)[k], collapsed[k] = _raised(old[k], _each(inner)[k], np.ones(size) * floor)
        return factor, self.whitening_of(factor), np.broadcast_to(collapsed, len(components.means))

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

    def turn(self, change):
        diagonal = _on_diagonal(change.shape[-1])
        # The inner choice keeps entries above the diagonal, of any size, out of the exponential.
        return _upper(np.where(diagonal, np.exp(np.where(diagonal, change, 0.0)), change))

    def turned(self, view, turn):
        return view @ turn

    def composed(self, whitening, turn):
        return whitening @ turn

    def change(self, factor, whitening):
        turn = _triangle(factor.mT @ whitening)
        diagonal = _on_diagonal(turn.shape[-1])
        return np.where(diagonal, np.log(np.where(diagonal, turn, 1.0)), turn)

    def inflated(self, covariances, share):
        rise = np.maximum(share * self.variances(covariances), np.finfo(covariances.dtype).tiny)
        return covariances + rise[..., None] * np.eye(rise.shape[-1], dtype=covariances.dtype)

    def is_positive(self, array):
        deviations = np.sqrt(np.abs(self.variances(array)))
        scale = deviations[..., :, None] * deviations[..., None, :]
        return bool(np.all(np.abs(array - array.mT) <= ASYMMETRY * scale)) and _is_definite(array)

    def draw(self, random_state, mean, covariance, count):
        return random_state.multivariate_normal(mean, covariance, count)


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

    def second_shape(self, n_components, n_features):
        return n_components, n_features * (n_features + 1) // 2

    def information(self, weights, n_features):
        return weights[:, None] * _information(n_features)

    def moments(self, statistics, components, fixed_means=False):
        alive, mass, delta = steps(statistics, fixed_means)
        second = _mirrored(statistics.second)
        raw = second / mass[:, None, None]
        if not alive.all():
            raw[~alive] = np.eye(delta.shape[1])
        return Moments(delta, raw, delta[:, :, None] * delta[:, None, :])


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

    def second_shape(self, n_components, n_features):
        return (n_features * (n_features + 1) // 2,)

    def information(self, weights, n_features):
        return weights.sum() * _information(n_features)

    def moments(self, statistics, components, fixed_means=False):
        _, _, delta = steps(statistics, fixed_means)
        total = statistics.mass.sum()
        raw = _mirrored(statistics.second) / total
        return Moments(delta, raw, (delta.T * (statistics.mass / total)) @ delta)


class _TiedTogether(_Tied):
    """`TIED`, seen from the middle of the mixture: the second moments of the rows are the same for all components.

    What the rows' shares of the components add up to is 1, so their second moment about a point that all share is no
    matter of the shares: a K-th of the work. The moments about the means follow by subtraction, which costs digits when
    the means lie far apart; then `Covariance.cancels` asks for `apart`.
    """

    @property
    def apart(self):
        return TIED_APART

    def view(self, X, components):
        middle = components.weights @ components.means
        whitening = _upper(_triangle(components.whitening))
        z = (X - middle) @ whitening
        return z, z - ((components.means - middle) @ whitening)[:, None, :]

    def squares(self, view):
        return super().squares(view[1])

    def pair(self, linear, quadratic, view):
        together, own = view
        return np.sum(own * linear[:, None, :], axis=-1) + np.sum((together @ _upper(quadratic)) * together, axis=-1)

    def moments(self, statistics, components, fixed_means=False):
        _, _, delta = steps(statistics, fixed_means)
        total = statistics.mass.sum()
        raw = _mirrored(statistics.second) / total
        middle = components.weights @ components.means
        offsets = (components.means - middle) @ components.whitening
        # Sums of r (z - m)(z - m)^T = sums of z z^T minus this, for any place m of the new means.
        places = offsets + delta
        first = statistics.first + statistics.mass[:, None] * offsets
        share = (first.T @ places) / total
        shift = share + share.T - (places.T * (statistics.mass / total)) @ places
        return Moments(delta, raw, shift)


FULL = _Full()
TIED_APART = _Tied()
TIED = _TiedTogether()


def _symmetric(matrices):
    return 0.5 * (matrices + matrices.mT)


def _is_definite(matrices):
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        return False
    return True


def _each(matrices):
    return matrices.reshape(-1, *matrices.shape[-2:])


@functools.cache
def _places(size):
    """Rows and columns of the entries of an upper triangle, and for each place of a matrix its entry there."""
    rows, columns = np.triu_indices(size)
    entry = np.empty((size, size), dtype=np.intp)
    entry[rows, columns] = entry[columns, rows] = np.arange(len(rows))
    return rows, columns, entry


def _triangle(matrices):
    """Upper triangles, row by row: shape (..., d (d + 1) / 2)."""
    rows, columns, _ = _places(matrices.shape[-1])
    return matrices[..., rows, columns]


def _upper(triangle):
    """Upper triangular matrices from `_triangle`; so the compiler sees which half is zero."""
    size = _size(triangle)
    rows, columns, _ = _places(size)
    form, places = take_apart((..., rows, columns))
    return update(np.zeros((*triangle.shape[:-1], size, size)), triangle, *places, form=form)


def _on_diagonal(length):
    """Which entries of a `_triangle` of this length lie on the diagonal."""
    rows, columns = np.triu_indices((math.isqrt(8 * length + 1) - 1) // 2)
    return rows == columns


def _information(n_features):
    """Return the Fisher information of the standard normal law: 2 on a log-scale, 1 on a shear."""
    return 1.0 + _on_diagonal(n_features * (n_features + 1) // 2)


def _mirrored(triangle):
    """Symmetric matrices from their upper triangles."""
    return triangle[..., _places(_size(triangle))[2]]


def _size(triangle):
    return (math.isqrt(8 * triangle.shape[-1] + 1) - 1) // 2


def _raised(old, inner, floor):
    """Factor of ``old inner old^T`` with eigenvalues raised to 1 in units of the floor, and whether any was below.

    Without ever forming that product: it would round the small eigenvalues away.
    """
    values, vectors = np.linalg.eigh(inner)
    root = (old / floor[:, None]) @ (vectors * np.sqrt(np.maximum(values, 0.0)))
    axes, lengths, _ = np.linalg.svd(root)
    least = max(1.0, ROUNDING * lengths[0])
    triangle = np.asarray(np.linalg.qr((floor[:, None] * axes * np.maximum(lengths, least)).T, mode="r")).T
    return triangle * np.where(np.diagonal(triangle) < 0.0, -1.0, 1.0), lengths[-1] < least


def _inverse_triangular(matrices, lower):
    inverses = np.empty_like(matrices)
    square = (-1, *matrices.shape[-2:])
    for inverse, matrix in zip(inverses.reshape(square), matrices.reshape(square)):
        inverse[...], _ = trtri(matrix, lower=lower)
    return inverses
