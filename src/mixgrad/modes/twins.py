"""Arrays that may be one array or two: while a function is recorded, nobody knows.

After ``t = y`` and ``if c: t = 2 * t`` it depends on the running program whether `t` is `y`. Both are kept as arrays of
their own, and are twins: a write to one of them makes the content of the other `Stale`, for it may have changed, too.
Only who uses it then is refused.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from mixgrad._errors import StagingError
from mixgrad.core.bind import Trace
from mixgrad.core.box import Box
from mixgrad.core.op import Op


class _Refusal(Trace):
    """The run of all stale contents, further in than any other: whatever is done with one is refused."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.number = 2**63

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        raise next(arg.error() for arg in args if type(arg) is Stale)


_REFUSAL = _Refusal()


class Stale(Box):
    """The content of an array that may have changed since it was known."""

    __slots__ = ("_dtype", "_shape", "_why")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, why: str) -> None:
        self._trace = _REFUSAL
        self._shape, self._dtype, self._why = shape, dtype, why

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self._dtype

    @property
    def inner(self) -> Any:
        """Refuse: nobody knows the value."""
        raise self.error()

    def concrete(self) -> Any:
        """Refuse: nobody knows the value."""
        raise self.error()

    def error(self) -> StagingError:
        """Return the error for whoever uses the content."""
        return StagingError(
            f"an array (shape {self.shape}, {self.dtype}) cannot be used here: another variable was written to that "
            f"may be the same array, or a view of it. Whether it is depends on {self._why}, and that is only known "
            "when the program runs. Make them two arrays before the write: t = t.copy()."
        )


class Twins:
    """Which arrays of a run may be the same, or views of the same. All are arrays that hold their elements."""

    def __init__(self) -> None:
        self._arrays: dict[int, Any] = {}
        self._pairs: dict[int, dict[int, str]] = {}  # of each array, by identity, the twins, and what it depends on

    def link(self, one: Any, other: Any, why: str) -> None:
        """Make two arrays twins."""
        if one is other:
            return
        self._forget([key for key in self._arrays if sys.getrefcount(self._arrays[key]) == 2])  # only known here
        for a, b in ((one, other), (other, one)):
            self._arrays[id(a)] = a
            self._pairs.setdefault(id(a), {}).setdefault(id(b), why)

    def of(self, array: Any) -> list[tuple[Any, str]]:
        """Return the twins of an array, and what it depends on whether they are the same."""
        return [(self._arrays[key], why) for key, why in self._pairs.get(id(array), {}).items()]

    def forget(self, born: int) -> None:
        """Forget the arrays that were made after a moment: they were placeholders in a block that is recorded now."""
        self._forget([key for key, array in self._arrays.items() if array.born > born])

    def _forget(self, keys: list[int]) -> None:
        for key in keys:
            for other in self._pairs.pop(key):
                self._pairs.get(other, {}).pop(key, None)
            del self._arrays[key]
