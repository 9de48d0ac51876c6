"""The assignable arrays of a recorded loop: which ones a step writes to, replaces by others, or may have changed.

Arrays whose elements change are carried by what they are, whoever holds them; variables that hold another array after a
step, their `places`, are carried by where they are. At the beginning of a step a place may hold the array before the
loop or one of an earlier step; `Aliases` says so, and what cannot be known is `Stale`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from mixgrad.modes.mutable import Mutable, assignable, exchange, present_time
from mixgrad.modes.twins import Stale
from mixgrad.operators.aliases import Aliases
from mixgrad.operators.state import Recording, cast

Place = tuple[int, int]
"""A variable and one of its leaves."""


class LoopArrays:
    """What is known of the arrays after some recordings of the body.

    Parameters
    ----------
    arrays : sequence of Mutable
        A first guess of what the body writes to.
    certain : bool
        Whether there is a first step.
    why : str
        What it depends on which arrays are the same.

    Attributes
    ----------
    born : int
        The moment at which the loop begins.
    ends : dict
        The arrays that places hold after a step.
    made : dict
        The arrays that places hold after the loop, those that do not replace an array included.
    """

    def __init__(self, arrays: Iterable[Mutable], certain: bool, why: str) -> None:
        self.born = present_time()
        self.certain = certain
        self.why = why
        self.written: dict[int, Mutable] = {id(array): array for array in arrays}
        self.rebound: dict[Place, Mutable] = {}  # places that hold another array after a step, and that before the loop
        self.dtypes: dict[Place, np.dtype] = {}  # of the former
        self.aliases = Aliases(self.born)  # between places at the beginning of a step
        self.stale: dict[Any, Stale] = {}  # arrays (by identity) and places of which the content is not known then
        self.lost: dict[int, Mutable] = {}  # arrays of which the content is not known after a step
        self.boxes: dict[Any, Any] = {}
        self.ends: dict[Place, Mutable] = {}
        self.made: dict[Place, Mutable] = {}

    def enter(self, recording: Recording, name_of: Callable) -> tuple[list, dict[Place, Mutable]]:
        """Return the contents of arrays at the beginning of a step, and the arrays in places.

        `name_of` returns the name of an array, given it and its place, if it has one.
        """
        contents, known = [], {}
        for key, array in self.written.items():
            self.boxes[key] = recording.placeholder(zeros(array.shape, array.dtype), name=name_of(array))
            contents.append((array, self.stale.get(key, self.boxes[key])))
        contents += [(array, self.stale[key]) for key, array in self.lost.items()]
        for place, array in self.rebound.items():
            name = name_of(array, place)
            self.boxes[place] = recording.placeholder(zeros(array.shape, self.dtypes[place]), name=name)
            known[place] = assignable(self.stale.get(place, self.boxes[place]))
        self.aliases.apply(known, self.why)
        return contents, known

    def rebind(self, place: Place, before: Mutable, end: Mutable) -> bool:
        """Note that a place which has held one array holds another one after a step; return whether that is news."""
        self.rebound[place], self.ends[place] = before, end
        known = self.dtypes.get(place)
        self.dtypes[place] = np.result_type(before.dtype, end.dtype)
        return known != self.dtypes[place]

    def learn(self, recording: Recording) -> bool:
        """Look at what a step has done; return whether to record again."""
        before = list(self.written), list(self.lost), len(self.stale), len(self.aliases)
        for key, (array, content) in recording.contents.items():
            if array.born > self.born:
                continue
            kind, other = self.written, self.lost
            if type(content) is Stale:
                self.stale.setdefault(key, content)
                kind, other = other, kind
            other.pop(key, None)
            kind[key] = array
        self.aliases.add(self.rebound)
        self.aliases.add({place: self.ends[place] for place in self.rebound})
        self.after = Aliases(self.born)
        self.after.add({} if self.certain else self.rebound)
        self.after.add(self.ends)
        for place in self.rebound:
            content = recording.content(self.ends[place])
            if type(content) is Stale:
                self.stale.setdefault(place, content)
        return before != (list(self.written), list(self.lost), len(self.stale), len(self.aliases))

    def drop_replaced(self, recording: Recording) -> None:
        """Do not carry arrays that are only replaced."""
        for array in self.rebound.values():
            if id(array.base) not in recording.contents:
                self.written.pop(id(array.base), None)

    def outputs(self, recording: Recording) -> Iterator[tuple[Any, np.dtype]]:
        """Yield the contents after a step with their dtypes; what is stale is not used, and stays as it was."""
        for key, array in self.written.items():
            content = recording.contents.get(key, (array, self.boxes[key]))[1]
            yield self.boxes[key] if type(content) is Stale else content, array.dtype
        for place, dtype in self.dtypes.items():
            content = recording.content(self.ends[place])
            yield self.boxes[place] if type(content) is Stale else content, dtype

    def inits(self) -> Iterator[Any]:
        """Yield the contents before the loop."""
        pairs = [(array, array.dtype) for array in self.written.values()]
        pairs += [(array, self.dtypes[place]) for place, array in self.rebound.items()]
        for array, dtype in pairs:
            content = array.content
            yield zeros(array.shape, dtype) if type(content) is Stale else cast(content, dtype)

    def leave(self, results: Iterator, recording: Recording) -> None:
        """Give the arrays their contents after the loop, and make those that places hold."""
        contents = [(array, self._afterwards(array, next(results))) for array in self.written.values()]
        contents += [(array, self.stale[key]) for key, array in self.lost.items()]
        for place, before in self.rebound.items():
            content = self._afterwards(before, next(results))
            end = recording.content(self.ends[place])
            self.made[place] = assignable(end if type(end) is Stale else content)
        for array, content in contents:
            exchange(array, content)

    def _afterwards(self, before: Mutable, content: Any) -> Any:
        """Return a content after the loop, of which there may have been no step."""
        return before.content if type(before.content) is Stale and not self.certain else content

    def relate(self) -> None:
        """Note which of the arrays that have been made may be the same."""
        self.after.apply(self.made, self.why)


def zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)
