"""What loops of rewritten code run over: ranges with traced bounds, rows of arrays, and combinations of them."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import numpy as np

from mixgrad.core.bind import Traced
from mixgrad.modes.mutable import Mutable
from mixgrad.operators.items import get_item
from mixgrad.operators.state import unknown


class Sequence:
    """Things that have a number, which may be traced, and of which the k-th can be told for a traced k.

    Attributes
    ----------
    length : int or traced int
    arrays : tuple
        Those that the elements come from.
    """

    length: Any
    arrays: tuple = ()

    @property
    def known(self) -> bool:
        """Whether the number is."""
        return not isinstance(self.length, Traced)

    def at(self, k: Any) -> Any:
        """Return the k-th element."""
        raise NotImplementedError

    def last(self) -> Any:
        """Return the last element."""
        return self.at(self.length - 1)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator:
        return (self.at(k) for k in builtins.range(self.length))


class Range(Sequence):
    """``range(start, stop, step)`` of which something is traced, or that a loop runs over."""

    def __init__(self, start: Any, stop: Any, step: Any) -> None:
        self.start, self.stop, self.step = start, stop, step
        if unknown(step):
            self.length = np.maximum((stop - start + step - np.sign(step)) // step, 0)
        elif unknown(start) or unknown(stop):
            distance = stop if isinstance(start, int) and start == 0 else stop - start
            self.length = np.maximum(distance if step == 1 else -(-distance // step), 0)
        else:
            self.length = len(builtins.range(int(start), int(stop), int(step)))

    def at(self, k: Any) -> Any:
        """Return the k-th number."""
        scaled = k if isinstance(self.step, int) and self.step == 1 else k * self.step
        return scaled if isinstance(self.start, int) and self.start == 0 else self.start + scaled


class Rows(Sequence):
    """The rows of an array."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.arrays = (array,)
        self.length = len(array)

    def at(self, k: Any) -> Any:
        """Return the k-th row."""
        return get_item(self.array, k)


class Enumerated(Sequence):
    """``enumerate(items, start)``."""

    def __init__(self, items: Sequence, start: Any) -> None:
        self.items, self.start = items, start
        self.length, self.arrays = items.length, items.arrays

    def at(self, k: Any) -> Any:
        """Return the k-th pair."""
        return (k if isinstance(self.start, int) and self.start == 0 else self.start + k), self.items.at(k)


class Zipped(Sequence):
    """``zip(...)`` of sequences of known length."""

    def __init__(self, parts: tuple[Sequence, ...]) -> None:
        self.parts = parts
        self.length = min(part.length for part in parts)
        self.arrays = tuple(array for part in parts for array in part.arrays)

    def at(self, k: Any) -> Any:
        """Return the k-th tuple."""
        return tuple(part.at(k) for part in self.parts)


class Reversed(Sequence):
    """``reversed(...)`` of a sequence of known length."""

    def __init__(self, items: Sequence) -> None:
        self.items = items
        self.length, self.arrays = items.length, items.arrays

    def at(self, k: Any) -> Any:
        """Return the k-th element from the end."""
        return self.items.at(self.length - 1 - k)


def sequence_of(iterable: Any) -> Sequence | None:
    """Return what a loop can run over with a traced counter; None for everything else."""
    if isinstance(iterable, Sequence):
        return iterable
    if isinstance(iterable, builtins.range):
        return Range(iterable.start, iterable.stop, iterable.step)
    if isinstance(iterable, (Traced, np.ndarray)) and iterable.ndim:
        return Rows(iterable)
    return None


# What the built-in functions mean -------------------------------------------------------------------------------------


def range(*args: Any) -> Any:
    """Return ``range(...)`` of numbers that may be traced."""
    plain = [int(arg) if isinstance(arg, (Mutable, Traced)) and not unknown(arg) else arg for arg in args]
    if not any(map(unknown, plain)):
        return builtins.range(*plain)
    start, stop, step = (0, plain[0], 1) if len(plain) == 1 else (*plain, 1)[:3]
    return Range(start, stop, step)


def enumerate(iterable: Any, start: int = 0) -> Any:
    """Return ``enumerate(...)``."""
    items = sequence_of(iterable)
    return builtins.enumerate(iterable, start) if items is None else Enumerated(items, start)


def zip(*iterables: Any, strict: bool = False) -> Any:
    """Return ``zip(...)``."""
    parts = tuple(map(sequence_of, iterables))
    if not parts or any(part is None or not part.known for part in parts):
        return builtins.zip(*iterables, strict=strict)
    if strict and len({part.length for part in parts if part is not None}) > 1:
        raise ValueError(f"zip() arguments have different lengths: {[len(part) for part in parts if part is not None]}")
    return Zipped(parts)  # type: ignore[arg-type]


def reversed(iterable: Any) -> Any:
    """Return ``reversed(...)``."""
    items = sequence_of(iterable)
    return builtins.reversed(iterable) if items is None or not items.known else Reversed(items)
