"""EM at work as an animation: frames drawn by matplotlib, written as GIF or as a page of HTML."""

import base64
import html
import io
import json
import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from itertools import pairwise
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import MaxNLocator
from PIL import Image

from mixgrad._files import replacing
from mixgrad.plot.figure import make_figure, write_title
from mixgrad.plot.panels import feature_limits
from mixgrad.plot.save import FILM_SUFFIXES, check_suffix
from mixgrad.plot.scene import Scene
from mixgrad.plot.stages import Stages, between
from mixgrad.plot.strip import describe_fit, draw_stage, name_film, name_iteration, write_number
from mixgrad.plot.style import INK, dress, write_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOTS_PER_INCH = {"gif": 100, "html": 150}
# In milliseconds: an iteration stands, the first ones longer; between two the ellipses glide.
_STANDING, _STANDING_AT_FIRST, _GLIDING, _AT_THE_END = 300, 700, 50, 3000
_FIRST = 6
# The longest way, as a share of the picture, that an ellipse goes from one drawn frame to the next, and most frames.
_STRIDE, _MOST_BETWEEN = 0.02, 7
# Its place in the palette, after colours that are found in the pictures.
_WHITE = 255


class Shot(NamedTuple):
    """A frame to draw.

    Attributes
    ----------
    scene : Scene
    moment : float
        The iteration; a fraction on the way from one to the next.
    milliseconds : int
        How long it stands.
    """

    scene: Scene
    moment: float
    milliseconds: int


def save_film(stages: Stages, path: str | os.PathLike[str], observe: Callable[[float], object] | None = None) -> None:
    """Write the iterations as an animation; see `mixgrad.plot.animate`. Calls `observe` with the fraction drawn."""
    kind = check_suffix(path, FILM_SUFFIXES, "animations")
    shots = list(plan_shots(stages))
    camera = _Camera(stages, _DOTS_PER_INCH[kind])
    palette = _palette([camera.take(shot) for shot in (shots[0], shots[len(shots) // 2], shots[-1])])
    # One at a time: a film's pictures together would fill the memory.
    pictures = _draw(shots, camera, palette, observe)
    with replacing(path) as file:
        {"gif": _write_gif, "html": _write_page}[kind](file, pictures, shots, name_film(stages))


def plan_shots(stages: Stages) -> Iterator[Shot]:
    """Yield what to draw: the iterations, and between them as many steps as their way is long."""
    scenes = list(stages.scenes.items())
    for place, ((iteration, scene), (next_iteration, following)) in enumerate(pairwise(scenes)):
        yield Shot(scene, float(iteration), _STANDING_AT_FIRST if place <= _FIRST else _STANDING)
        count = min(int(_way(scene, following) / _STRIDE), _MOST_BETWEEN)
        for share in np.arange(1, count + 1) / (count + 1):
            moment = float(iteration + share * (next_iteration - iteration))
            yield Shot(between(scene, following, share), moment, _GLIDING)
    yield Shot(scenes[-1][1], float(scenes[-1][0]), _AT_THE_END)


def _draw(
    shots: list[Shot], camera: "_Camera", palette: Image.Image, observe: Callable[[float], object] | None
) -> Iterator[Image.Image]:
    for count, shot in enumerate(shots, start=1):
        yield _reduce(camera.take(shot), palette)
        if observe is not None:
            observe(count / len(shots))


class _Camera:
    """Draws shots into one figure; what does not move is drawn once."""

    def __init__(self, stages: Stages, dots_per_inch: int) -> None:
        self._values = stages.history.log_likelihoods
        self._last = max(stages.scenes)
        notes = describe_fit(stages, _describe_length(stages))
        figure = make_figure(9.6, 5.4, len(notes))
        figure.set_dpi(dots_per_inch)
        grid = figure.add_gridspec(1, 2, width_ratios=(1.6, 1))
        self._mixture, self._course = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
        write_title(figure, name_film(stages), *notes)
        self._canvas = FigureCanvasAgg(figure)
        self._draw(Shot(stages.scenes[self._last], self._last, 0))
        for axes in (self._mixture, self._course):
            axes.set_title(" ", fontsize=11)  # keeps room for the headings, which change
            self._clear(axes)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)

    def take(self, shot: Shot) -> Image.Image:
        """Return the picture of a shot."""
        self._draw(shot)
        self._canvas.restore_region(self._background)
        for axes in (self._mixture, self._course):
            for artist in sorted(_moving(axes), key=Artist.get_zorder):
                axes.draw_artist(artist)
            self._clear(axes)
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB")

    def _draw(self, shot: Shot) -> None:
        draw_stage(self._mixture, shot.scene)
        reached = int(shot.moment)
        _write_heading(self._mixture, name_iteration(reached), "bold")
        self._draw_course(shot.moment)
        _write_heading(self._course, f"log-likelihood {write_number(self._values[reached])}", "normal")

    def _draw_course(self, moment: float) -> None:
        """Draw the log-likelihood up to a moment."""
        axes, values, reached = self._course, self._values, int(moment)
        dress(axes)
        x = np.append(np.arange(reached + 1), moment)
        y = np.append(values[: reached + 1], np.interp(moment, np.arange(len(values)), values))
        axes.plot(x, y, color=INK, linewidth=1.4, zorder=3)
        axes.plot(x[:-1], y[:-1], color=INK, linestyle="", marker="o", markersize=3, zorder=3)
        axes.plot(x[-1:], y[-1:], color=INK, marker="o", markersize=6, zorder=4)
        axes.set_xlim(-0.03 * self._last, 1.03 * self._last + 0.1)
        axes.set_ylim(*_course_limits(values[: self._last + 1]))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.ticklabel_format(axis="y", useOffset=False)
        write_label(axes.set_xlabel("iteration"))

    @staticmethod
    def _clear(axes: "Axes") -> None:
        for artist in _moving(axes):
            artist.remove()


def _moving(axes: "Axes") -> list[Artist]:
    return [*axes.collections, *axes.patches, *axes.lines, *axes.texts]


def _write_heading(axes: "Axes", text: str, weight: str) -> None:
    axes.annotate(text, (0, 1), xytext=(0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=11,
                  fontweight=weight, color=INK, annotation_clip=False)  # fmt: skip


def _describe_length(stages: Stages) -> str:
    """Say how far the film goes, if the fit went on."""
    last = max(stages.scenes)
    return f"of which the first {last} are shown" if last < stages.history.n_iterations else ""


def _course_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits for a curve; of a start far below everything that follows, only the way up from it shows."""
    low, high = float(values.min()), float(values.max())
    if len(values) > 2:
        low = max(low, high - 1.5 * (high - float(values[1:].min())))
    margin = 0.07 * (high - low) or max(abs(high), 1.0) * 1e-3
    return low - margin, high + margin


def _way(earlier: Scene, later: Scene) -> float:
    """Return how far ellipses move, or grow, at most, as a share of the picture."""
    longest = 0.0
    for feature in earlier.features:
        low, high = feature_limits(later, feature)
        edges = [
            scene.means[:, feature] + sign * np.sqrt(scene.covariances[:, feature, feature])
            for scene in (earlier, later)
            for sign in (-1, 1)
        ]
        moved = np.abs(np.subtract(edges[:2], edges[2:])) / (high - low)
        longest = max(longest, float(moved.max()))
    return longest


def _palette(pictures: list[Image.Image]) -> Image.Image:
    """Return a palette for all pictures of a film, so that colours do not flicker; the last colour is white."""
    together = np.concatenate([np.asarray(picture) for picture in pictures])
    image = Image.fromarray(together).quantize(_WHITE, dither=Image.Dither.NONE)
    colors = np.full((_WHITE + 1, 3), 255, dtype=np.uint8)
    found = np.array(image.getpalette(), dtype=np.uint8).reshape(-1, 3)[:_WHITE]
    colors[: len(found)] = found
    image.putpalette(colors.tobytes())
    return image


def _reduce(picture: Image.Image, palette: Image.Image) -> Image.Image:
    """Return a picture in the colours of a palette. Pillow's search is approximate, so white is seen to."""
    reduced = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    is_white = (np.asarray(picture) == 255).all(axis=2)
    reduced.paste(_WHITE, mask=Image.fromarray(is_white))
    return reduced


def _write_gif(file: IO[bytes], pictures: Iterator[Image.Image], shots: list[Shot], title: str) -> None:
    durations = [shot.milliseconds for shot in shots]
    next(pictures).save(file, "GIF", save_all=True, append_images=pictures, duration=durations, loop=0, comment=title)


def _write_page(file: IO[bytes], pictures: Iterator[Image.Image], shots: list[Shot], title: str) -> None:
    frames = []
    for picture, shot in zip(pictures, shots):
        stream = io.BytesIO()
        picture.save(stream, "PNG", optimize=True)
        text = base64.b64encode(stream.getvalue()).decode("ascii")
        frames.append({"milliseconds": shot.milliseconds, "moment": round(shot.moment, 3), "picture": text})
    template = files("mixgrad.plot").joinpath("film.html").read_text(encoding="utf-8")
    page = template.replace("{{title}}", html.escape(title)).replace("{{frames}}", json.dumps(frames))
    file.write(page.encode("utf-8"))
