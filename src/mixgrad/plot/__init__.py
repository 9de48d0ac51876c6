"""Pictures of mixtures, fitted and on the way.

They need matplotlib, `pip install 'mixgrad[plot]'`, which is imported on first use.
The figures are free-standing `matplotlib.figure.Figure` objects: no pyplot, no global state, no display.
"""

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mixgrad.plot.history import FILM_ITERATIONS, GRID_ITERATIONS, record_fit
from mixgrad.plot.save import FILM_SUFFIXES, PICTURE_SUFFIXES, check_suffix, save_figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure

__all__ = [
    "FILM_SUFFIXES",
    "PICTURE_SUFFIXES",
    "animate",
    "check_suffix",
    "em",
    "mixture",
    "require_matplotlib",
    "save",
]


def require_matplotlib() -> None:
    """Raise ImportError, naming the remedy, if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise ImportError("pictures need matplotlib, which is not installed: pip install 'mixgrad[plot]'")


def mixture(model: Any, X: Any, feature_names: "Sequence[str] | None" = None) -> "Figure":
    """Draw a fitted Gaussian mixture over its data, beside the log-likelihood by iteration.

    The data are coloured by responsibility: a point that two components share has a colour between theirs. Each
    component has ellipses at 1, 2 and 3 standard deviations (Mahalanobis distances). One feature gives a histogram with
    the densities of the components; more than two give a plot of each pair, for at most five features.

    Parameters
    ----------
    model : GaussianMixture
        A fitted mixture, of any covariance type. Without `lower_bounds_`, and of a search (``n_init="auto"``), the
        log-likelihood by iteration is left out.
    X : array_like of shape (n_rows, n_features)
        The data that the mixture was fitted to. Of more than 5000 rows a random sample is drawn; the title says so.
    feature_names : sequence of str, optional
        Names for the axes; by default those of the data frame that the model was fitted to.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `mixgrad.plot.save`, or with its own `savefig`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    DataError
        If the data or the names do not fit the model.

    Examples
    --------
    >>> from mixgrad import plot
    >>> from mixgrad.datasets import load_faithful
    >>> from mixgrad.mixture import GaussianMixture
    >>> faithful = load_faithful()
    >>> model = GaussianMixture(2, random_state=0).fit(faithful.data)
    >>> figure = plot.mixture(model, faithful.data, faithful.feature_names)
    >>> plot.save(figure, "faithful.png")  # doctest: +SKIP
    """
    require_matplotlib()
    from mixgrad.plot.figure import draw_mixture

    return draw_mixture(model, X, feature_names)


def em(
    model: Any,
    X: Any,
    feature_names: "Sequence[str] | None" = None,
    *,
    iterations: "Iterable[int]" = GRID_ITERATIONS,
    features: "Sequence[str | int] | None" = None,
) -> "Figure":
    """Fit a mixture and draw it after each of some iterations: EM at work, as a grid of panels.

    All panels have the same axes and each component its colour; points are coloured by responsibility. The title of a
    panel gives the log-likelihood of the mixture in it.

    Parameters
    ----------
    model : GaussianMixture
        Its arguments say what to fit. A copy is fitted; the model itself is not changed. Of several starts the best is
        drawn. It is always EM that is drawn, stopped by `tol`, also of a model with another `solver`. A search,
        ``n_init="auto"``, is refused: it is not one course of EM.
    X : array_like of shape (n_rows, n_features)
        The data. Of more than 5000 rows a random sample is drawn, and all are fitted.
    feature_names : sequence of str, optional
        Names for the axes; by default those of a data frame.
    iterations : iterable of int, default (0, 1, 2, 3, 4, 5, 6, 20)
        Those to draw; 0 is the start. Iterations that the fit does not reach are left out, and the title says so.
    features : sequence of str or int, optional
        One or two features to draw, by name or by position from 0. By default those that there are; of more than two,
        the two directions (linear combinations of all features) in which the final components differ most. Means and
        ellipses are then those of the mixture seen along these directions.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with `mixgrad.plot.save`, or with its own `savefig`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    DataError
        If the model is none of ours or searches, or names, features or iterations are not as described.

    Examples
    --------
    >>> from mixgrad import plot
    >>> from mixgrad.datasets import load_faithful
    >>> from mixgrad.mixture import GaussianMixture
    >>> faithful = load_faithful()
    >>> model = GaussianMixture(2, init_params="random_from_data", tol=1e-10, random_state=0)
    >>> figure = plot.em(model, faithful.data, faithful.feature_names)
    >>> plot.save(figure, "em.png")  # doctest: +SKIP
    """
    require_matplotlib()
    from mixgrad.plot.stages import make_stages
    from mixgrad.plot.strip import draw_strip

    fitted, history = record_fit(model, X, iterations)
    return draw_strip(make_stages(history, fitted, X, feature_names, features))


def animate(
    model: Any,
    X: Any,
    path: str | os.PathLike[str],
    feature_names: "Sequence[str] | None" = None,
    *,
    iterations: "Iterable[int]" = FILM_ITERATIONS,
    features: "Sequence[str | int] | None" = None,
) -> None:
    """Fit a mixture and write it, iteration by iteration, as an animation beside the growing log-likelihood.

    From one iteration to the next the ellipses glide, so that the eye can follow; EM itself jumps. The same fit gives
    the same file.

    Parameters
    ----------
    model, X, feature_names, features
        As in `em`.
    path : str or path-like
        The file, replaced whole or not at all: .gif, or .html for a page with buttons to play and step, which needs
        nothing else.
    iterations : iterable of int, default range(41)
        Those to draw; 0 is the start. It ends earlier where the fit does.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    DataError
        If the suffix is another, the model none of ours or one that searches, or names, features or iterations are not
        as described.
    """
    require_matplotlib()
    check_suffix(path, FILM_SUFFIXES, "animations")
    from mixgrad.plot.film import save_film
    from mixgrad.plot.stages import make_stages

    fitted, history = record_fit(model, X, iterations)
    save_film(make_stages(history, fitted, X, feature_names, features), path)


def save(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure to a file whose suffix, .png, .svg or .pdf, names the format; all of it or nothing.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : str or path-like
        The file; it is replaced if it exists.

    Raises
    ------
    DataError
        If the suffix is none of the three.
    """
    save_figure(figure, path)
