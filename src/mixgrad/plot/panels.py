"""The panels of a picture: two features, one feature, the log-likelihood. Each draws a scene into given axes."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Ellipse
from matplotlib.ticker import MaxNLocator

from mixgrad.plot.scene import Scene
from mixgrad.plot.style import BARS, GRID, INK, SOFT_INK, dress, write_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DEVIATIONS = (1, 2, 3)
_MOST_SMALL_NUMBERS = 12  # more of them would hide the points
MIXTURE_LINE = (0, (4, 2))  # dashes


def draw_pair(axes: "Axes", scene: Scene, first: int, second: int, compact: bool = False) -> None:
    """Draw the points in two features, and each component's ellipses at 1, 2 and 3 standard deviations."""
    dress(axes)
    x, y = scene.points[:, first], scene.points[:, second]
    many = len(x) > 1000
    size = float(np.clip(6000 / len(x), 3, 26)) * (0.6 if compact else 1.0)
    axes.scatter(
        x,
        y,
        s=size,
        c=scene.point_colors,
        alpha=0.55 if many else 0.8,
        linewidths=0 if many or compact else 0.3,
        edgecolors="white",
        rasterized=many,
        zorder=2,
    )
    pair = np.ix_((first, second), (first, second))
    for mean, covariance, color in zip(scene.means[:, (first, second)], scene.covariances, scene.colors):
        _draw_ellipses(axes, mean, covariance[pair], color)
    if 1 < len(scene.weights) <= (_MOST_SMALL_NUMBERS if compact else np.inf):
        for number, (mean, color) in enumerate(zip(scene.means[:, (first, second)], scene.colors), start=1):
            _draw_number(axes, mean[0], mean[1], number, color, compact)
    axes.set_xlim(*feature_limits(scene, first))
    axes.set_ylim(*feature_limits(scene, second))
    _label_axes(axes, scene.names[first], scene.names[second])


def draw_single(axes: "Axes", scene: Scene, feature: int, compact: bool = False) -> None:
    """Draw one feature: a histogram, the density of each component and of the mixture, and (not compact) the points."""
    dress(axes)
    limits = feature_limits(scene, feature)
    density, edges = _histogram(scene.data[:, feature])
    axes.stairs(density, edges, fill=True, color=BARS, zorder=1)
    means = scene.means[:, feature]
    grid, curves = _densities(scene, feature)
    for curve, color in zip(curves, scene.colors):
        axes.fill_between(grid, curve, color=color, alpha=0.22, linewidth=0, zorder=2)
        axes.plot(grid, curve, color=color, linewidth=1.2 if compact else 1.8, zorder=3)
    if not compact:
        axes.plot(grid, curves.sum(axis=0), color=INK, linewidth=1.2, linestyle=MIXTURE_LINE, zorder=4)
    top = density_limit(scene, feature)
    axes.set_xlim(*limits)
    axes.set_ylim(0, top)
    if compact:
        axes.grid(False)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        return
    if len(means) > 1:
        for number, (mean, curve, color) in enumerate(zip(means, curves, scene.colors), start=1):
            _draw_number(axes, mean, min(curve.max(), top) / 2, number, color, compact)
    _draw_rug(axes, scene, feature, top)
    _label_axes(axes, scene.names[feature], "density")


def draw_log_likelihood(axes: "Axes", scene: Scene) -> None:
    """Draw the total log-likelihood by iteration, with its last value."""
    dress(axes)
    values = scene.log_likelihoods
    iterations = np.arange(1, len(values) + 1)
    axes.axhline(values[-1], color=SOFT_INK, linewidth=0.8, linestyle=(0, (2, 3)), zorder=1)
    few = len(values) <= 80
    axes.plot(iterations, values, color=INK, linewidth=1.4, marker="o" if few else "", markersize=3, zorder=3)
    axes.plot(iterations[-1:], values[-1:], color=INK, marker="o", markersize=5.5, zorder=4)
    axes.annotate(
        f"{values[-1]:.3f}".replace("-", "−"),
        (iterations[-1], values[-1]),
        xytext=(0, -9),
        textcoords="offset points",
        ha="right",
        va="top",
        color=INK,
        fontsize=10,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
        zorder=3.5,
    )
    low, high = values.min(), values.max()
    margin = 0.07 * (high - low) or max(abs(high), 1.0) * 1e-3
    axes.set_ylim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_title("Log-likelihood by iteration", loc="left", fontsize=10, color=INK)
    _label_axes(axes, "iteration", "")


def feature_limits(scene: Scene, feature: int) -> tuple[float, float]:
    """Return limits that hold all the data and the ellipses, but of a very wide component only a part."""
    if scene.limits is not None:
        return scene.limits[feature]
    column = scene.data[:, feature]
    low, high = float(column.min()), float(column.max())
    reach = DEVIATIONS[-1] * np.sqrt(scene.covariances[:, feature, feature])
    widest_low = float((scene.means[:, feature] - reach).min())
    widest_high = float((scene.means[:, feature] + reach).max())
    if low == high:  # one row, or one value: only the mixture says what is near
        low, high = min(low, widest_low), max(high, widest_high)
    room = (high - low) or max(abs(low), 1.0) * 0.1
    return (
        max(min(low, widest_low), low - 0.25 * room) - 0.03 * room,
        min(max(high, widest_high), high + 0.25 * room) + 0.03 * room,
    )


def density_limit(scene: Scene, feature: int) -> float:
    """Return a limit that holds the densities, but of a needle only a part: it must not flatten everything else."""
    if scene.top is not None:
        return scene.top
    column, total = scene.data[:, feature], _densities(scene, feature)[1].sum(axis=0).max()
    if column.min() == column.max():  # the bar of a single value is as high as it is thin, which is arbitrary
        return 1.08 * total
    highest = _histogram(column)[0].max()
    return 1.08 * min(max(total, highest), 4 * highest)


def _histogram(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.histogram(column, bins=_bin_edges(column), density=True)


def _densities(scene: Scene, feature: int) -> tuple[np.ndarray, np.ndarray]:
    """Return abscissae, and the density of each component there times its weight, shape (n_components, n)."""
    means, deviations = scene.means[:, feature], np.sqrt(scene.covariances[:, feature, feature])
    grid = _grid(feature_limits(scene, feature), means, deviations)
    standard = (grid - means[:, np.newaxis]) / deviations[:, np.newaxis]
    return grid, np.exp(-0.5 * standard**2) * (scene.weights / deviations)[:, np.newaxis] / np.sqrt(2 * np.pi)


def _draw_ellipses(axes: "Axes", mean: np.ndarray, covariance: np.ndarray, color: np.ndarray) -> None:
    variances, directions = np.linalg.eigh(covariance)
    lengths = np.sqrt(np.maximum(variances, 0.0))
    angle = float(np.degrees(np.arctan2(directions[1, 1], directions[0, 1])))
    centre = float(mean[0]), float(mean[1])
    for deviation, width in zip(DEVIATIONS, (1.6, 1.2, 0.9)):
        size = {"width": 2 * deviation * lengths[1], "height": 2 * deviation * lengths[0], "angle": angle}
        axes.add_patch(Ellipse(centre, **size, facecolor=color, alpha=0.07, linewidth=0, zorder=1))
        axes.add_patch(Ellipse(centre, **size, facecolor="none", edgecolor=color, linewidth=width, zorder=3))


def _draw_number(axes: "Axes", x: float, y: float, number: int, color: np.ndarray, compact: bool) -> None:
    box = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": color, "linewidth": 1.4}
    size = 7 if compact else 10
    axes.text(x, y, str(number), ha="center", va="center", size=size, weight="bold", color=color, bbox=box, zorder=5,
              clip_on=True)  # fmt: skip


def _draw_rug(axes: "Axes", scene: Scene, feature: int, top: float) -> None:
    x = scene.points[:, feature]
    bottom = -0.075 * top
    ends = np.empty((len(x), 2, 2))
    ends[:, :, 0] = x[:, np.newaxis]
    ends[:, :, 1] = (bottom * 0.9, bottom * 0.2)
    alpha = float(np.clip(200 / len(x), 0.15, 0.8))
    axes.add_collection(
        LineCollection(list(ends), colors=scene.point_colors, linewidths=0.9, alpha=alpha, rasterized=len(x) > 1000)
    )
    axes.axhline(0, color=GRID, linewidth=0.8, zorder=1)
    axes.set_ylim(bottom, top)
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])


def _label_axes(axes: "Axes", x: str, y: str) -> None:
    write_label(axes.set_xlabel(x))
    write_label(axes.set_ylabel(y))


def _bin_edges(column: np.ndarray) -> np.ndarray:
    """Return bins by Freedman and Diaconis' rule, but not too few; on rounded data each holds equally many values."""
    low, high = float(column.min()), float(column.max())
    if low == high:
        return np.histogram_bin_edges(column, 10)
    lower, upper = np.quantile(column, (0.25, 0.75))
    # The rule assumes one bump; a mixture has several, so it is a lower bound on the resolution.
    rule = (high - low) * len(column) ** (1 / 3) / (2 * (upper - lower)) if upper > lower else 0.0
    width = (high - low) / np.clip(rule, min(1.2 * len(column) ** 0.5, 30), 80)
    step = float(np.diff(np.unique(column)).min())
    if (high - low) / step > 300:
        return np.linspace(low, high, int(np.ceil((high - low) / width)) + 1)
    width = np.ceil(width / step) * step
    return low - step / 2 + width * np.arange(np.ceil((high - low + step / 2) / width) + 1)


def _grid(limits: tuple[float, float], means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Return abscissae, dense enough where a component is narrow."""
    around = means[:, np.newaxis] + deviations[:, np.newaxis] * np.linspace(-4, 4, 161)
    return np.unique(np.concatenate([np.linspace(*limits, 401), around.ravel().clip(*limits)]))
