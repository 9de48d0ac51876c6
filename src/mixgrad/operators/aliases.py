"""Which of the arrays that a recorded block leaves in its variables may be one array: see `mixgrad.modes.twins`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from mixgrad.modes.mutable import Mutable, link, twins_of


class Aliases:
    """What places, such as the leaves of variables, may have in common: one array, or views of one.

    Parameters
    ----------
    born : int
        The moment after which arrays belong to the block: of these only their relations to each other are kept.
    """

    def __init__(self, born: int) -> None:
        self.born = born
        self._pairs: dict[tuple[Hashable, Hashable], None] = {}
        self._outer: dict[tuple[Hashable, int], Mutable] = {}

    def __len__(self) -> int:
        return len(self._pairs) + len(self._outer)

    def add(self, arrays: Mapping[Hashable, Mutable]) -> bool:
        """Add what is the case if the places hold these arrays; return whether any of it is new."""
        before = len(self)
        related = {place: [array.base, *twins_of(array)] for place, array in arrays.items()}
        places = list(arrays)
        for k, place in enumerate(places):
            for other in places[:k]:
                if any(arrays[other].base is array for array in related[place]):
                    self._pairs[other, place] = None
            for array in related[place]:
                if array.born <= self.born:
                    self._outer[place, id(array)] = array
        return len(self) > before

    def apply(self, arrays: Mapping[Hashable, Mutable], why: str) -> None:
        """Make arrays that stand for what the places hold twins."""
        for one, other in self._pairs:
            if one in arrays and other in arrays:
                link(arrays[one], arrays[other], why)
        for (place, _), outer in self._outer.items():
            if place in arrays:
                link(arrays[place], outer, why)
