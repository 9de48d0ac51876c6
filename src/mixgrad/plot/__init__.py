"""Pictures of fitted mixtures. They need matplotlib, `pip install 'mixgrad[plot]'`, which is imported on first use.

The figures are free-standing `matplotlib.figure.Figure` objects: no pyplot, no global state, no display.
"""

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mixgrad.plot.save import PICTURE_SUFFIXES, check_suffix, save_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

__all__ = ["PICTURE_SUFFIXES", "check_suffix", "mixture", "require_matplotlib", "save"]


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
        A fitted mixture, of any covariance type. Without `lower_bounds_` the log-likelihood is left out.
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
