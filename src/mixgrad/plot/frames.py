"""The frames of a fit that somebody else runs: what observes it, and the file that is made of what was seen."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from mixgrad.plot.history import FILM_ITERATIONS, GRID_ITERATIONS, Recorder, make_history
from mixgrad.plot.save import FILM_SUFFIXES, PICTURE_SUFFIXES, check_suffix, save_figure

FRAME_SUFFIXES = (*FILM_SUFFIXES, *PICTURE_SUFFIXES)


def recorder_for(path: str | os.PathLike[str]) -> Recorder:
    """Return an observer that keeps what a file with this suffix shows; raise DataError if there is no such format."""
    return Recorder(FILM_ITERATIONS if _is_film(path) else GRID_ITERATIONS)


def save_frames(
    recorder: Recorder,
    model: Any,
    X: Any,
    feature_names: Sequence[str] | None,
    path: str | os.PathLike[str],
    observe: Callable[[float], object] | None = None,
) -> None:
    """Write the fit that a recorder has observed: an animation or a grid, by the suffix.

    `observe` is called now and then with the fraction of an animation that is drawn.
    """
    from mixgrad.plot.film import save_film
    from mixgrad.plot.stages import make_stages
    from mixgrad.plot.strip import draw_strip

    stages = make_stages(make_history(recorder, model, X), model, X, feature_names)
    if _is_film(path):
        save_film(stages, path, observe)
    else:
        save_figure(draw_strip(stages), path)


def check_frames(path: str | os.PathLike[str]) -> str:
    """Return the format that the suffix of a file of frames names; raise DataError if it names none."""
    return check_suffix(path, FRAME_SUFFIXES, "frames")


def _is_film(path: str | os.PathLike[str]) -> bool:
    return f".{check_frames(path)}" in FILM_SUFFIXES
