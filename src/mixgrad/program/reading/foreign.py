"""Whose code is whose: functions of libraries are called as they are, those of the user may be rewritten."""

from __future__ import annotations

import sys
import types

_FOREIGN = frozenset(
    [*sys.stdlib_module_names, "numpy", "scipy", "mixgrad", "optree", "sklearn", "matplotlib", "pandas", "pytest"]
)
_GENERATORS = 0x20 | 0x80 | 0x200  # code flags: generator, coroutine, asynchronous generator


def is_foreign_module(name: str | None) -> bool:
    """Whether functions of a module are called, and objects of its classes are kept, as they are."""
    return (name or "").partition(".")[0] in _FOREIGN


def is_foreign(function: types.FunctionType) -> bool:
    """Whether a function is not the user's, or makes generators or coroutines."""
    return is_foreign_module(function.__globals__.get("__name__")) or bool(function.__code__.co_flags & _GENERATORS)
