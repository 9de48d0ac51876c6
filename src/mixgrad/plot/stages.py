"""The iterations of a fit as scenes with the same axes and the same colours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mixgrad._errors import DataError
from mixgrad.plot.history import History
from mixgrad.plot.panels import density_limit, feature_limits
from mixgrad.plot.scene import Scene, check_data, draw_points, full_covariances, responsibilities_of
from mixgrad.plot.style import component_colors, mix
from mixgrad.plot.view import View, choose_view


@dataclass(frozen=True, eq=False)
class Stages:
    """What the pictures of a fit show.

    Attributes
    ----------
    history : History
    frame : Scene
        What all scenes share.
    scenes : dict of int to Scene
        By iteration: the data as seen in the view, with the mixture after so many iterations.
    view : View
    """

    history: History
    frame: Scene
    scenes: dict[int, Scene]
    view: View


def make_stages(
    history: History,
    model: Any,
    X: Any,
    feature_names: Sequence[str] | None = None,
    features: Sequence[str | int] | None = None,
) -> Stages:
    """Prepare the iterations of a fit for drawing; raise DataError if they, names or features do not fit."""
    if not history.parameters:
        count = history.n_iterations
        raise DataError(f"the fit ends after {count} iterations, and reaches none of those to draw")
    data, names = check_data(model, X, feature_names)
    d, kind = data.shape[1], history.covariance_type
    weights, means, covariances = _as_floats((model.weights_, model.means_, model.covariances_))
    k = len(weights)
    view = choose_view(features, names, weights, means, full_covariances(kind, covariances, k, d))
    points, colors = draw_points(data), component_colors(k)
    frame = Scene(
        data=view.of_points(data),
        points=view.of_points(points),
        point_colors=np.empty((len(points), 3)),
        weights=weights,
        means=means,
        covariances=covariances,
        colors=colors,
        names=view.names,
        features=list(range(len(view.names))),
        log_likelihoods=history.log_likelihoods,
        covariance_type=kind,
    )
    scenes = {i: _look(frame, view, points, parameters) for i, parameters in history.parameters.items()}
    return Stages(history, frame, _with_common_limits(scenes), view)


def between(earlier: Scene, later: Scene, share: float) -> Scene:
    """Return a scene on the straight way from one to another, for the eye alone: EM jumps."""

    def blend(name: str) -> np.ndarray:
        return (1 - share) * getattr(earlier, name) + share * getattr(later, name)

    moved = ("weights", "means", "covariances", "point_colors")
    return replace(earlier, **{name: blend(name) for name in moved})


def _as_floats(parameters: Any) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(values, dtype=np.float64) for values in parameters)


def _look(frame: Scene, view: View, points: np.ndarray, parameters: Any) -> Scene:
    """Return the scene of a mixture with these parameters, as seen in the view."""
    weights, means, covariances = _as_floats(parameters)
    kind = frame.covariance_type
    responsibilities = _responsibilities(points, weights, means, covariances, kind)
    return replace(
        frame,
        point_colors=mix(responsibilities, frame.colors),
        weights=weights,
        means=view.of_points(means),
        covariances=view.of_covariances(full_covariances(kind, covariances, *means.shape)),
    )


def _responsibilities(
    points: np.ndarray, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, covariance_type: str
) -> np.ndarray:
    from mixgrad.mixture.estimators import GaussianMixture

    # Parameters in single precision miss a sum of 1 by more than is accepted of double ones.
    weights = weights / weights.sum()
    model = GaussianMixture.from_parameters(weights, means, covariances, covariance_type)
    return responsibilities_of(model, points)


def _with_common_limits(scenes: dict[int, Scene]) -> dict[int, Scene]:
    """Give all scenes limits that hold each of them."""
    limits = []
    for feature in next(iter(scenes.values())).features:
        lows, highs = zip(*(feature_limits(scene, feature) for scene in scenes.values()))
        limits.append((min(lows), max(highs)))
    scenes = {iteration: replace(scene, limits=tuple(limits)) for iteration, scene in scenes.items()}
    if len(limits) > 1:
        return scenes
    tops = [density_limit(scene, 0) for scene in scenes.values()]
    # Of the needles that starts from single rows are, only a part.
    top = min(max(tops), 1.25 * tops[-1])
    return {iteration: replace(scene, top=top) for iteration, scene in scenes.items()}
