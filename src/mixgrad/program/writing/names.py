"""Names of the variables of a written function."""

from __future__ import annotations

import builtins
import itertools
import keyword
import string
import unicodedata
from collections.abc import Iterable, Iterator

_USED = ("range", "len", "reversed", "zip", "complex", "bool", "int", "float", "__debug__")
assert all(hasattr(builtins, name) for name in _USED)


class Names:
    """The names that are taken, and those that are free.

    Parameters
    ----------
    reserved : iterable of str
        Names of functions and constants of the module.
    wanted : iterable of str
        Names of the source, which no value without a name shall get.
    """

    def __init__(self, reserved: Iterable[str], wanted: Iterable[str]) -> None:
        self.reserved = {"np", *_USED, *reserved, *keyword.kwlist}
        self.wanted = {unicodedata.normalize("NFKC", name) for name in wanted}
        self.taken: set[str] = set()

    def take(self, name: str = "") -> str:
        """Return a free name that is now taken: this one if possible, one like it, or a short one."""
        name = unicodedata.normalize("NFKC", name)
        free = next(self._like(name) if name.isidentifier() else self._short())
        self.taken.add(free)
        return free

    def position(self) -> str:
        """Return a name for the position in a loop: i, j, k where they are free."""
        return self.take(next((name for name in "ijk" if self._is_free(name) and name not in self.wanted), "i"))

    def _like(self, name: str) -> Iterator[str]:
        if name in self.reserved:
            name += "_"
        numbered = (n for k in itertools.count(2) if (n := f"{name}_{k}") not in self.wanted)
        yield from (n for n in itertools.chain([name], numbered) if self._is_free(n))

    def _short(self) -> Iterator[str]:
        for length in itertools.count(1):
            for letters in itertools.product(string.ascii_lowercase, repeat=length):
                name = "".join(letters)
                if self._is_free(name) and name not in self.wanted:
                    yield name

    def _is_free(self, name: str) -> bool:
        return name not in self.taken and name not in self.reserved
