"""What is known about a tree of loops before it is written: where sums begin, and what never lies in memory."""

from __future__ import annotations

import itertools

from mixgrad.compile.fusion import Fusion, Key, Loop, everything, paths
from mixgrad.compile.tensor import Axis, Region, Statement, base_of, reads, written


class Plan:
    """Facts about the statements of a tree of loops.

    Attributes
    ----------
    starts : dict of Loop to list of Statement
        The sums all of whose elements are set to the neutral number before the loop.
    chains : dict of Loop to list of Statement
        The sums that grow in a register during the loop: it and all loops in it are summed over.
    direct : set of Statement
        The sums that are added to memory at once.
    in_register : set of Statement
        Those of which the register is the result.
    contracted : dict of int to set of Key
        By the identity of a buffer, the loops that all its users share: within one step of them one element along that
        axis is all that exists.
    """

    def __init__(self, fusion: Fusion) -> None:
        self.starts: dict[Loop, list[Statement]] = {}
        self.chains: dict[Loop, list[Statement]] = {}
        self.direct: set[Statement] = set()
        self.in_register: set[Statement] = set()
        users: dict[int, list[tuple[Loop, ...]]] = {}
        aliased: set[int] = set()
        for statement, path in everything(fusion):
            if statement.reduction:
                self._plan_reduction(statement, path)
            handed = itertools.chain(*statement.wanted) if isinstance(statement, Region) else ()
            for buffer in [*written(statement), *handed, *(load.buffer for load in reads(statement))]:
                users.setdefault(id(base_of(buffer)), []).append(path)
                if buffer.role == "alias":
                    aliased.add(id(base_of(buffer)))
        self.contracted: dict[int, set[Key]] = {}
        for key, found in users.items():
            shared = itertools.takewhile(lambda loops: len(set(loops)) == 1, zip(*found))
            self.contracted[key] = set() if key in aliased else {loops[0].key for loops in shared}

    def _plan_reduction(self, statement: Statement, path: tuple[Loop, ...]) -> None:
        reduced = summed(statement)
        own = [loop.key[0] in reduced for loop in path]
        first = own.index(True) if True in own else len(path)
        chain = len(path)
        while chain > 0 and own[chain - 1] and path[chain - 1].key[1] != "tile":
            chain -= 1
        if chain == first < len(path):
            self.in_register.add(statement)
        elif first < len(path):
            self.starts.setdefault(path[first], []).append(statement)
        if chain < len(path):
            self.chains.setdefault(path[chain], []).append(statement)
        else:
            self.direct.add(statement)
            if statement.triangle is not None and statement.triangle.summed is not None:
                statement.triangle = None  # the longest sum is never in one place, where it could be looked at

    def bound(self, loop: Loop) -> tuple[Axis, bool] | None:
        """Return the axis whose place is where a loop ends, True, or begins, False: for triangles of all inside."""
        found = {s.triangle and s.triangle.other(loop.key[0]) for s, _ in paths(loop.body)}
        return found.pop() if len(found) == 1 else None

    def repeatable(self, loop: Loop, rows: Axis) -> bool:
        """Whether a loop over rows may take some of them twice: it only writes results, and what lives in registers."""
        for statement, _ in paths(loop.body):
            inside = (rows, "lane") in self.contracted.get(id(base_of(statement.out)), ())
            if not (inside or (statement.out.role == "output" and not statement.adds)) or rows in summed(statement):
                return False
        return True


def summed(statement: Statement) -> set[Axis]:
    """Return the axes over which a statement sums."""
    return {axis.root() for axis in statement.reduced}
