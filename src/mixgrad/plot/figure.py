"""The layout of a picture: title, data, log-likelihood, legend."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from mixgrad.plot.panels import MIXTURE_LINE, draw_log_likelihood, draw_pair, draw_single
from mixgrad.plot.scene import Scene, make_scene
from mixgrad.plot.style import INK, SOFT_INK, write_label

_LEGEND_COMPONENTS = 21
# In points.
_MARGIN = 12.0
_TITLE_HEIGHT = 42.0
_LINE_HEIGHT = 13.0
_PAD = 5.0


def draw_mixture(model: Any, X: Any, feature_names: Sequence[str] | None = None) -> Figure:
    """Draw a fitted mixture; see `mixgrad.plot.mixture`."""
    scene = make_scene(model, X, feature_names)
    if len(scene.features) > 2:
        figure = _draw_pairs(scene)
    else:
        figure = _draw_beside(scene)
    write_title(figure, name_mixture(len(scene.weights)), _describe(scene))
    _write_legend(figure, scene)
    return figure


def _draw_beside(scene: Scene) -> Figure:
    """One or two features, and the log-likelihood to the right of them."""
    has_history = len(scene.log_likelihoods) > 0
    figure = make_figure(11.0 if has_history else 7.5, 6.4)
    grid = figure.add_gridspec(1, 2 if has_history else 1, width_ratios=(1.75, 1) if has_history else None)
    axes = figure.add_subplot(grid[0, 0])
    if len(scene.features) == 1:
        draw_single(axes, scene, 0)
    else:
        draw_pair(axes, scene, 0, 1)
    if has_history:
        draw_log_likelihood(figure.add_subplot(grid[0, 1]), scene)
    return figure


def _draw_pairs(scene: Scene) -> Figure:
    """Each feature on the diagonal, each pair below it, and the log-likelihood in the free corner above."""
    features, count = scene.features, len(scene.features)
    figure = make_figure(2.3 * count + 1.4, 2.1 * count + 1.8)
    grid = figure.add_gridspec(count, count)
    for row, vertical in enumerate(features):
        for column, horizontal in enumerate(features[: row + 1]):
            axes = figure.add_subplot(grid[row, column])
            if row == column:
                draw_single(axes, scene, horizontal, compact=True)
            else:
                draw_pair(axes, scene, horizontal, vertical, compact=True)
            trim_labels(axes, scene.names[horizontal], row == count - 1, column == 0 and row > 0)
    if len(scene.log_likelihoods) > 0:
        corner = count // 2
        draw_log_likelihood(figure.add_subplot(grid[:corner, corner:]), scene)
    return figure


def make_figure(width: float, height: float, note_lines: int = 1) -> Figure:
    """Return an empty figure, sizes in inches, whose layout leaves a margin and room for the title and its notes."""
    across, up = _MARGIN / 72 / width, 1 / 72 / height
    heading = _TITLE_HEIGHT + (note_lines - 1) * _LINE_HEIGHT
    room = (across / 2, _MARGIN / 2 * up, 1 - across, 1 - (heading + _MARGIN) * up)
    layout = ConstrainedLayoutEngine(rect=room, w_pad=_PAD / 72, h_pad=_PAD / 72)
    return Figure(figsize=(width, height), layout=layout, facecolor="white")


def trim_labels(axes: Any, name: str, is_bottom: bool, is_left: bool) -> None:
    """Leave labels at the edges of the triangle alone."""
    if is_bottom:
        write_label(axes.set_xlabel(name))
    else:
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
    if not is_left:
        axes.set_ylabel("")
        axes.tick_params(labelleft=False)


def write_title(figure: Figure, title: str, *notes: Sequence[str]) -> None:
    """Write a title, and below it lines of notes."""
    left, top = _MARGIN / 72 / figure.get_figwidth(), 1 / 72 / figure.get_figheight()
    figure.text(left, 1 - _MARGIN * top, title, ha="left", va="top", fontsize=15, fontweight="bold", color=INK)
    for line, parts in enumerate(notes):
        height = _MARGIN + 23 + line * _LINE_HEIGHT
        figure.text(left, 1 - height * top, "  ·  ".join(parts), ha="left", va="top", fontsize=9, color=SOFT_INK,
                    parse_math=False)  # fmt: skip


def name_mixture(count: int) -> str:
    """Say in words how many components a mixture has."""
    return f"Mixture of {count} Gaussians" if count > 1 else "One Gaussian"


def describe_rows(count: int, drawn: int) -> str:
    """Say how many rows there are, and how many of them are drawn."""
    rows = f"{count:,} row{'' if count == 1 else 's'}"
    return rows if drawn == count else f"{rows} (a random {drawn:,} drawn)"


def _describe(scene: Scene) -> list[str]:
    notes = [describe_rows(len(scene.data), len(scene.points)), f"{scene.covariance_type} covariance"]
    if len(scene.features) > 1:
        notes.append("ellipses at 1, 2, 3 standard deviations")
    if len(scene.features) < len(scene.names):
        notes.append(f"the {len(scene.features)} of {len(scene.names)} features that differ most")
    return notes


def _write_legend(figure: Figure, scene: Scene) -> None:
    count = len(scene.weights)
    if count > _LEGEND_COMPONENTS:
        return
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=7, color=color, label=f"{number}: weight {weight:.3f}")
        for number, (weight, color) in enumerate(zip(scene.weights, scene.colors), start=1)
    ]
    if len(scene.features) == 1:
        handles.append(Line2D([], [], color=INK, linewidth=1.2, linestyle=MIXTURE_LINE, label="mixture"))
    if len(handles) > 1:
        columns = min(len(handles), int(figure.get_figwidth() / 1.45))
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=columns,
            frameon=False,
            labelcolor=INK,
            fontsize=9.5,
            handletextpad=0.2,
            columnspacing=1.5,
        )
