"""Where results go: destinations are checked before the work."""

import os
import tempfile
from pathlib import Path

from mixgrad._errors import DataError


def check_destination(path: str, inputs: tuple[str, ...] = ()) -> None:
    """Raise DataError unless a file can be written there, and is none of the inputs.

    Permissions alone do not tell (read-only file systems, quotas, the superuser), so a file is made and removed.
    """
    target = Path(os.path.realpath(path))
    if not path or target.is_dir():
        raise DataError(f"{path or repr(path)}: this is a directory, not a file to write to")
    if any(os.path.exists(name) and target.exists() and os.path.samefile(name, target) for name in inputs):
        raise DataError(f"{path}: this is an input; write to another file")
    if target.exists() and not os.access(target, os.W_OK):
        raise DataError(f"{path}: the file is write-protected")
    if target.exists() and not target.is_file():
        raise DataError(f"{path}: this is no ordinary file, so it cannot be replaced")
    if not target.parent.is_dir():
        raise DataError(f"{path}: there is no directory {str(target.parent)!r}")
    try:
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise DataError(f"{path}: the directory cannot be written to ({error.strerror})") from None
