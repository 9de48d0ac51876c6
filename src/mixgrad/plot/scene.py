"""What a picture of a mixture shows, as arrays: free of matplotlib."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad._errors import DataError
from mixgrad.plot.style import component_colors, mix

MAX_POINTS = 5000
MAX_FEATURES = 5

# By covariance type: the model's `covariances_`, K and d to an array of shape (K, d, d).
_FULL_COVARIANCES: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "full": lambda covariances, k, d: covariances,
    "tied": lambda covariances, k, d: np.broadcast_to(covariances, (k, d, d)),
    "diag": lambda covariances, k, d: covariances[:, :, np.newaxis] * np.eye(d),
    "spherical": lambda covariances, k, d: covariances[:, np.newaxis, np.newaxis] * np.eye(d),
}


@dataclass(frozen=True, eq=False)
class Scene:
    """A mixture and its data, for drawing.

    Attributes
    ----------
    data : ndarray of shape (n_rows, n_features)
        All rows.
    points : ndarray of shape (n_points, n_features)
        The rows to draw one by one, in random order, so that no component hides another.
    point_colors : ndarray of shape (n_points, 3)
        Their colours, mixed by responsibility.
    weights : ndarray of shape (n_components,)
    means : ndarray of shape (n_components, n_features)
    covariances : ndarray of shape (n_components, n_features, n_features)
    colors : ndarray of shape (n_components, 3)
        The colours of the components.
    names : tuple of str
        The names of the features.
    features : list of int
        The features to draw.
    log_likelihoods : ndarray of shape (n_iterations,)
        Total log-likelihood by iteration; empty if unknown.
    covariance_type : str
    limits : tuple of (float, float), optional
        Limits of the axis of each feature, where pictures are to be compared; by default those that fit this one.
    top : float, optional
        Limit of the axis of densities, likewise.
    """

    data: np.ndarray
    points: np.ndarray
    point_colors: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    colors: np.ndarray
    names: tuple[str, ...]
    features: list[int]
    log_likelihoods: np.ndarray
    covariance_type: str
    limits: tuple[tuple[float, float], ...] | None = None
    top: float | None = None


def make_scene(model: Any, X: Any, feature_names: Sequence[str] | None) -> Scene:
    """Collect what is to be drawn; raise DataError if data or names do not fit the model."""
    if not hasattr(model, "means_"):
        raise DataError("the mixture has no parameters yet: fit it first, or draw its fit with `mixgrad.plot.em`")
    means = np.asarray(model.means_, dtype=np.float64)
    k, d = means.shape
    data, names = check_data(model, X, feature_names)
    weights = np.asarray(model.weights_, dtype=np.float64)
    points = draw_points(data)
    colors = component_colors(k)
    # Iterations that only finish what a search has found are no course of a fit.
    bounds = None if getattr(model, "n_init", 1) == "auto" else getattr(model, "lower_bounds_", None)
    return Scene(
        data=data,
        points=points,
        point_colors=mix(responsibilities_of(model, points), colors),
        weights=weights,
        means=means,
        covariances=full_covariances(model.covariance_type, np.asarray(model.covariances_), k, d),
        colors=colors,
        names=names,
        features=_most_separating(data, weights, means),
        log_likelihoods=np.asarray([] if bounds is None else bounds, dtype=np.float64) * len(data),
        covariance_type=model.covariance_type,
    )


def check_data(model: Any, X: Any, feature_names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the data as float64, and the names of their features; raise DataError if they do not fit the model."""
    data = np.asarray(X, dtype=np.float64)
    d = model.means_.shape[1]
    if data.ndim != 2 or data.shape[1] != d or len(data) == 0:
        raise DataError(f"the mixture has {d} features, so X must be of shape (n_rows, {d}); got {data.shape}")
    default_names = getattr(model, "feature_names_in_", [f"feature {i}" for i in range(1, d + 1)])
    names = tuple(map(str, default_names if feature_names is None else feature_names))
    if len(names) != d:
        raise DataError(f"the mixture has {d} features, but there are {len(names)} names")
    return data, names


def draw_points(data: np.ndarray) -> np.ndarray:
    """Return the rows to draw one by one: in random order, at most `MAX_POINTS`."""
    return data[np.random.default_rng(0).permutation(len(data))[:MAX_POINTS]]


def full_covariances(covariance_type: str, covariances: np.ndarray, k: int, d: int) -> np.ndarray:
    """Return covariances of any type as matrices, shape (K, n_features, n_features)."""
    return _FULL_COVARIANCES[covariance_type](covariances, k, d)


def responsibilities_of(model: Any, points: np.ndarray) -> np.ndarray:
    """Return the responsibilities of a model's components for rows, shape (n_rows, n_components)."""
    with warnings.catch_warnings():
        # A model that was fitted to a data frame misses the names of the columns, which an array has not.
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
        return np.asarray(model.predict_proba(points), dtype=np.float64)


def _most_separating(data: np.ndarray, weights: np.ndarray, means: np.ndarray) -> list[int]:
    """Return, in their order, the features in which the means differ most, in units of the data's spread."""
    d = data.shape[1]
    if d <= MAX_FEATURES:
        return list(range(d))
    spread = data.var(axis=0)
    between = weights @ (means - weights @ means) ** 2
    share = np.divide(between, spread, out=np.zeros(d), where=spread > 0)
    return sorted(np.argsort(-share, kind="stable")[:MAX_FEATURES].tolist())
