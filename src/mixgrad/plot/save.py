"""Pictures as files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixgrad._errors import DataError
from mixgrad._files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
_DOTS_PER_INCH = 160


def check_suffix(path: str | os.PathLike[str]) -> str:
    """Return the format that a picture's suffix names; raise DataError for any but .png, .svg and .pdf."""
    suffix = Path(path).suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        raise DataError(
            f"{os.fspath(path)}: pictures are written as {', '.join(PICTURE_SUFFIXES[:-1])} or {PICTURE_SUFFIXES[-1]}, "
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
