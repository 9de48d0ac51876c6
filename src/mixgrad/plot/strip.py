"""EM at work as a grid of panels, one for each iteration."""

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from mixgrad.plot.figure import describe_rows, make_figure, name_mixture, trim_labels, write_title
from mixgrad.plot.history import History
from mixgrad.plot.panels import draw_pair, draw_single
from mixgrad.plot.scene import Scene
from mixgrad.plot.stages import Stages
from mixgrad.plot.style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_COLUMNS = 4
_MOST_LISTED = 3


def draw_strip(stages: Stages) -> Figure:
    """Draw the iterations; see `mixgrad.plot.em`."""
    count = len(stages.scenes)
    rows = math.ceil(count / _MOST_COLUMNS)
    columns = math.ceil(count / rows)
    notes = describe_fit(stages, _describe_missing(stages.history))
    figure = make_figure(max(3.2 * columns + 0.5, 8.0), 2.75 * rows + 1.2, len(notes))
    grid = figure.add_gridspec(rows, columns)
    for place, (iteration, scene) in enumerate(stages.scenes.items()):
        axes = figure.add_subplot(grid[divmod(place, columns)])
        draw_stage(axes, scene, compact=True)
        trim_labels(axes, scene.names[0], place + columns >= count, place % columns == 0)
        # Their height is given, or a panel with a power of ten at its axis would have them higher than the others.
        axes.set_title(name_iteration(iteration), loc="left", y=1, fontsize=10, fontweight="bold", color=INK)
        value = write_number(stages.history.log_likelihoods[iteration])
        axes.set_title(f"log-likelihood {value}", loc="right", y=1, fontsize=9, color=INK)
    write_title(figure, name_film(stages), *notes)
    return figure


def draw_stage(axes: "Axes", scene: Scene, compact: bool = False) -> None:
    """Draw the mixture of one iteration over the data."""
    if len(scene.features) == 1:
        draw_single(axes, scene, 0)
    else:
        draw_pair(axes, scene, 0, 1, compact)


def name_film(stages: Stages) -> str:
    """Return the title of the pictures of a fit."""
    name = name_mixture(len(stages.frame.weights))
    return f"EM at work: {name[0].lower()}{name[1:]}"


def name_iteration(iteration: int) -> str:
    """Return the title of the picture of an iteration."""
    return f"iteration {iteration}" if iteration else "start"


def write_number(value: float) -> str:
    """Write a log-likelihood, with a minus sign as long as a digit."""
    decimals = "3f" if abs(value) < 1e5 else "1f" if abs(value) < 1e8 else "3e"
    return f"{value:.{decimals}}".replace("-", "−")


def describe_fit(stages: Stages, ending: str) -> list[list[str]]:
    """Say in lines what the pictures show, and how the fit went; `ending` says what of it is not shown."""
    scene, history = stages.frame, stages.history
    curves = "ellipses at 1, 2, 3 standard deviations" if len(scene.features) > 1 else "densities of the components"
    shown = [describe_rows(len(scene.data), len(scene.points)), f"{scene.covariance_type} covariance", curves]
    count = history.n_iterations
    end = f"{'converged' if history.converged else 'stopped'} after {count} iteration{'' if count == 1 else 's'}"
    if history.n_starts > 1:
        end = f"best of {history.n_starts} starts, {end}"
    lines = [shown, [stages.view.note], [f"{end}, {ending}" if ending else end]]
    return [line for line in lines if line != [""]]


def _describe_missing(history: History) -> str:
    """Say which iterations are left out because the fit ended before."""
    missing = [str(iteration) for iteration in history.missing]
    if len(missing) > _MOST_LISTED:
        missing = [f"{missing[0]} to {missing[-1]}"]
    return f"so there is no iteration {' or '.join(missing)}" if missing else ""
