"""Machine code kept on disk, so that another process need not compile it again.

A file is named by everything that its code depends on and holds a checksum: one that is damaged, or that another
program has put there, is compiled again. The folder must belong to this user, and nobody else may write to it;
otherwise nothing is kept. ``MIXGRAD_CACHE`` names another folder; empty, it switches the cache off.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import platform
import stat
import sys

import llvmlite
import numpy as np

from mixgrad._files import replacing

LARGEST = 256 * 2**20  # bytes of all files together
_FORMAT = "1"  # to be changed when the same LLVM IR begins to need other code
_HEADER = b"mixgrad code 1\n"


def folder() -> pathlib.Path | None:
    """Return the folder for machine code, made if need be; None if there is none that can be trusted."""
    name = os.environ.get("MIXGRAD_CACHE")
    if name == "":
        return None
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = pathlib.Path(name) if name else pathlib.Path(base) / "mixgrad"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError:
        return None
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return path if mine and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else None


def key(text: str, processor: str) -> str:
    """Return the name of the code of a module of LLVM IR for a processor."""
    versions = (_FORMAT, llvmlite.__version__, np.__version__, sys.version, platform.machine(), processor)
    return hashlib.sha256("\n".join((*versions, text)).encode()).hexdigest()


def read(name: str) -> bytes | None:
    """Return the object code of this name; None if there is none, or it is damaged."""
    place = folder()
    if place is None:
        return None
    try:
        content = (place / name).read_bytes()
    except OSError:
        return None
    header, _, rest = content.partition(b"\n\n")
    if header + b"\n" != _HEADER + hashlib.sha256(rest).hexdigest().encode() + b"\n":
        return None
    with contextlib.suppress(OSError):
        os.utime(place / name)  # for `_trim`: it has been of use
    return rest


def write(name: str, code: bytes) -> None:
    """Keep object code; a failure, such as a full disk, is no error."""
    place = folder()
    if place is None:
        return
    with contextlib.suppress(OSError):
        with replacing(place / name) as file:
            file.write(_HEADER + hashlib.sha256(code).hexdigest().encode() + b"\n\n" + code)
        _trim(place)


def _trim(place: pathlib.Path) -> None:
    """Remove what has been of no use for longest, if there is too much."""
    with os.scandir(place) as entries:
        files = [(entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in entries if entry.is_file()]
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= LARGEST:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
            total -= size
