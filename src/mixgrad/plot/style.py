"""Colours and the look of axes."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

INK = "#2b2f36"
SOFT_INK = "#6b7280"
GRID = "#e8eaee"
BARS = "#d9dce2"
_LONGEST_NAME = 26

# Okabe and Ito's palette, which remains distinct for the colour-blind. Its yellow, too pale on white, is left out, and
# its black is a grey.
_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5f6368")
# Each round of the palette is mixed with some black or white: the factor that is kept, and the white that is added.
_ROUNDS = ((1.0, 0.0), (0.55, 0.0), (0.6, 0.4))


def component_colors(n_components: int) -> np.ndarray:
    """Return a colour for each component, shape (n_components, 3), sRGB in [0, 1]; they repeat after 21."""
    base = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in _PALETTE]) / 255
    rounds = [base * keep + white for keep, white in _ROUNDS]
    return np.resize(np.concatenate(rounds), (n_components, 3))


def mix(responsibilities: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Mix the colours of the components by responsibility.

    Parameters
    ----------
    responsibilities : ndarray of shape (n_rows, n_components)
        Non-negative, with rows that sum to one.
    colors : ndarray of shape (n_components, 3)
        In sRGB.

    Returns
    -------
    ndarray of shape (n_rows, 3)
        In sRGB. Mixed as light is (in linear intensities, here by a power law), which avoids muddy browns.
    """
    gamma = 2.2
    return np.clip(responsibilities @ colors**gamma, 0.0, 1.0) ** (1 / gamma)


def dress(axes: "Axes") -> None:
    """Give axes the common look: no box, a faint grid behind the data, quiet labels."""
    axes.set_axisbelow(True)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_facecolor("white")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#c3c8d0")
    axes.tick_params(colors=SOFT_INK, labelsize=9, length=3, color="#c3c8d0")
    # The usual place of a power of ten is that of a title.
    axes.yaxis.get_offset_text().set(x=-0.02, horizontalalignment="right")


def write_label(text: "Text") -> None:
    """Style the label of an axis: a dollar sign starts no formula, and a long name is cut."""
    name = text.get_text()
    text.set_text(name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…")
    text.set_parse_math(False)
    text.set_color(INK)
    text.set_fontsize(10)
