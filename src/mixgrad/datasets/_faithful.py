"""The eruptions of the Old Faithful geyser."""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np

_DESCRIPTION = """\
Eruptions of the Old Faithful geyser, Yellowstone National Park, Wyoming, USA (272 eruptions, 2 features).

    eruptions   duration of the eruption, in minutes
    waiting     waiting time to the next eruption, in minutes

The durations are rounded times in seconds, of which multiples of five occur more often than by chance. The table is
the data set `faithful` of R; Azzalini and Bowman use a more complete version.

Haerdle, W. (1991). Smoothing Techniques with Implementation in S. Springer, New York.
Azzalini, A. and Bowman, A. W. (1990). A look at some data on the Old Faithful geyser. Applied Statistics 39, 357-365.
"""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A table of numbers and what is known about it.

    Attributes
    ----------
    data : ndarray of shape (n_rows, n_features), float64
        The observations, one per row. Every load returns an array of its own, so writing to it changes no other.
    feature_names : tuple of str
        The names of the columns.
    description : str
        What was observed, in which units, and the source.
    """

    data: np.ndarray
    feature_names: tuple[str, ...]
    description: str


def load_faithful() -> Dataset:
    """Load the eruptions of the Old Faithful geyser.

    Returns
    -------
    Dataset
        `data` of shape (272, 2), float64: the duration of an eruption and the waiting time to the next one, both in
        minutes; `feature_names` is `("eruptions", "waiting")`.

    References
    ----------
    .. [1] Haerdle, W. (1991). Smoothing Techniques with Implementation in S. Springer, New York.
    .. [2] Azzalini, A. and Bowman, A. W. (1990). A look at some data on the Old Faithful geyser. Applied Statistics
       39, 357-365.

    Examples
    --------
    >>> from mixgrad.datasets import load_faithful
    >>> faithful = load_faithful()
    >>> faithful.data.shape
    (272, 2)
    """
    text = files("mixgrad.datasets").joinpath("faithful.csv").read_text(encoding="utf-8")
    header, *lines = text.splitlines()
    data = np.array([line.split(",") for line in lines], dtype=np.float64)
    return Dataset(data, tuple(header.split(",")), _DESCRIPTION)
