"""Pictures as files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixgrad._errors import DataError
from mixgrad._files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
FILM_SUFFIXES = (".gif", ".html")
_DOTS_PER_INCH = 160


def check_suffix(
    path: str | os.PathLike[str], suffixes: Sequence[str] = PICTURE_SUFFIXES, what: str = "pictures"
) -> str:
    """Return the format that a file's suffix names; raise DataError for any that is not among those given."""
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        raise DataError(
            f"{os.fspath(path)}: {what} are written as {', '.join(suffixes[:-1])} or {suffixes[-1]}, "
            f"by the suffix of the file; got {repr(suffix) if suffix else 'none'}"
        )
    return suffix[1:]


def save_figure(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure in the format that the suffix names, whole or not at all."""
    import matplotlib

    picture_format = check_suffix(path)
    # Neither the time nor random identifiers: the same figure gives the same file.
    metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(picture_format, {})
    with matplotlib.rc_context({"svg.hashsalt": "mixgrad"}), replacing(path) as file:
        figure.savefig(file, format=picture_format, dpi=_DOTS_PER_INCH, metadata=metadata)
