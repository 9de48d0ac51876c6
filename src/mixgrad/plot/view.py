"""From where a table of many features is looked at: one or two of them, or two directions. Free of matplotlib."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mixgrad._errors import DataError


class View(NamedTuple):
    """Axes of a picture as linear functions of the features.

    Attributes
    ----------
    centre : ndarray of shape (n_features,)
        What is subtracted first.
    axes : ndarray of shape (n_features, 1) or (n_features, 2)
    names : tuple of str
        One for each axis.
    note : str
        What the axes are, in words; empty if that is plain.
    """

    centre: np.ndarray
    axes: np.ndarray
    names: tuple[str, ...]
    note: str

    def of_points(self, points: np.ndarray) -> np.ndarray:
        """Return points of shape (n, n_features) as seen, shape (n, 1) or (n, 2)."""
        return (points - self.centre) @ self.axes

    def of_covariances(self, covariances: np.ndarray) -> np.ndarray:
        """Return covariances of shape (K, n_features, n_features) as seen; normal laws stay normal."""
        return self.axes.T @ covariances @ self.axes


def choose_view(
    features: Sequence[str | int] | None,
    names: Sequence[str],
    weights: np.ndarray,
    means: np.ndarray,
    covariances: np.ndarray,
) -> View:
    """Return a view of the features asked for, by name or position, or of a mixture with these parameters.

    One or two features are shown as they are; of more, the two directions in which the components differ most.
    """
    d = len(names)
    if features is None and d > 2:
        axes = _telling_directions(weights, means, covariances)
        note = f"{d} features, seen along the two directions in which the final components differ most"
        return View(weights @ means, axes, ("direction 1", "direction 2"), note)
    chosen = list(range(d)) if features is None else _positions(features, names)
    shown = tuple(names[i] for i in chosen)
    note = f"{len(chosen)} of {d} features shown" if len(chosen) < d else ""
    return View(np.zeros(d), np.eye(d)[:, chosen], shown, note)


def _positions(features: Any, names: Sequence[str]) -> list[int]:
    wanted = [features] if isinstance(features, str | int) else list(features)
    chosen = []
    for feature in wanted:
        if isinstance(feature, str) and feature in names:
            chosen.append(list(names).index(feature))
        elif isinstance(feature, int | np.integer) and 0 <= feature < len(names):
            chosen.append(int(feature))
        else:
            shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
            raise DataError(f"features: there is no feature {feature!r}; expected positions from 0 or names: {shown}")
    if not 1 <= len(set(chosen)) == len(chosen) <= 2:
        raise DataError(f"features: expected one or two different features, got {wanted!r:.200}")
    return chosen


def _telling_directions(weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Return two directions, shape (n_features, 2), in which means and spreads of the components differ most.

    Where the mixture's covariance is I, they are the leading eigenvectors of ``B^2 + sum_k w_k (S_k - S)^2`` with B the
    covariance of the means, S_k the covariances and S their mean: Scrucca, "Dimension reduction for model-based
    clustering", Statistics and Computing 20 (2010). Where that leaves a choice, as it does for two components of one
    shape, the larger variance of the standardised features decides.
    """
    offsets = means - weights @ means
    between = (weights * offsets.T) @ offsets
    within = np.tensordot(weights, covariances, 1)
    spread = np.sqrt(np.diag(between + within))
    unit = np.diag(np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0))
    variances, vectors = np.linalg.eigh(unit @ (between + within) @ unit)
    kept = variances > 1e-10 * variances[-1]
    whitening = unit @ (vectors[:, kept] / np.sqrt(variances[kept]))
    between, within, each = (whitening.T @ part @ whitening for part in (between, within, covariances))
    difference = between @ between + np.tensordot(weights, (each - within) @ (each - within), 1)
    difference += np.diag(1e-6 * variances[kept] / variances[-1])
    leading = (whitening @ np.linalg.eigh(difference)[1])[:, ::-1][:, :2]
    leading *= np.sign(leading[np.abs(leading * spread[:, np.newaxis]).argmax(axis=0), range(leading.shape[1])])
    # A table whose features are all multiples of one has no second direction.
    return np.pad(leading, ((0, 0), (0, 2 - leading.shape[1])))
