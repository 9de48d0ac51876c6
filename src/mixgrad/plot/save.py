"""Writing files whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mixgrad._errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
_DOTS_PER_INCH = 160


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing such that its name only ever holds the old content or the whole new one.

    The content goes to a temporary file in the same directory, which takes the name at the end of the block; if the
    block raises, nothing changes. A link is followed.
    """
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:64]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode_for(target))
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _mode_for(target: Path) -> int:
    """Return the permissions that the file has, or would have had if `open` had made it."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)  # the only way to read it
    os.umask(mask)
    return 0o666 & ~mask


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
