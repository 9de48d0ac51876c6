"""A program for any number of rows: one kernel, made of the program for two numbers of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from mixgrad.compile.call import Argument
from mixgrad.compile.emission import WIDTH
from mixgrad.compile.executable import Executable, NativePart, compiled
from mixgrad.compile.fusion import Fusion, fused
from mixgrad.compile.lengths import LEAST, DependsOnLength, Length, explained
from mixgrad.compile.lowering import Lowering, NoNativeForm, kind_of
from mixgrad.compile.merging import Merging
from mixgrad.compile.tensor import settle_updates
from mixgrad.compile.zeros import plain_products
from mixgrad.core.program import Program

SAMPLES = (10_007, 7_000)  # rows: as many as there usually are, and nothing else is as long
FEWER_SAMPLES = (2_003, 1_400)  # where there are arrays that grow faster


class AnyLength(Executable):
    """A program that is compiled once for any number of rows.

    Attributes
    ----------
    least : int
        The number of rows from which on it can be called.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        lengths: tuple[int, int],
        record: Callable[[int], Program],
        strict: bool = False,
        fast: bool = False,
        loops: bool = False,
    ) -> None:
        """Compile a program.

        Parameters
        ----------
        programs : two programs
            For different numbers of rows.
        lengths : two integers
            These numbers.
        record : callable
            Gives the program for a number of rows.
        strict : bool
            Whether all products are strong zeros' ones: see `zeros`.
        fast : bool
            Whether sums may be made in any order.
        loops : bool
            Whether large products of which a length is that of the rows become loops: BLAS would be told their number.

        Raises
        ------
        DependsOnLength
            If there is no one kernel for any number of rows.
        """
        self._programs, self._lengths, self._record, self._as_loops = programs, lengths, record, loops
        self.least = LEAST
        super().__init__(programs[0], strict, fast)

    def _compile(self, plain: AbstractSet[int] | None) -> None:
        products = (plain, plain_products(self._programs[1]) if plain else plain)
        rows = self._lengths if self._as_loops else (None, None)
        trees = [_loops(*both) for both in zip(self._programs, products, rows)]
        merging = Merging(*trees, *self._lengths)
        self.least = max([LEAST, *(-((length.plus - 1) // length.times) for length in merging.lengths)])
        following: dict[Length, int] = {Length(): -1}
        inputs, outputs = (
            [Argument(self._shape(np.shape(a), np.shape(b), following), kind_of(a)) for a, b in zip(*both)]
            for both in ([p.inputs for p in self._programs], [p.outputs for p in self._programs])
        )
        self._inputs, self.outputs = inputs, outputs
        numbers = {number: (length.times, length.plus) for length, number in following.items() if number < -1}
        self.entry, into = compiled(trees[0], inputs, outputs, bool(plain), self.fast, self.least, numbers)
        into = None if numbers else into  # lengths of given arrays would have to be compared with what they follow from
        self.parts = [NativePart(list(self.program.inputs), [], self.entry, trees[0], into)]

    def _shape(self, first: tuple[int, ...], second: tuple[int, ...], following: dict[Length, int]) -> tuple[int, ...]:
        """Return a shape with negative numbers in the place of lengths that follow from the number of rows."""
        lengths = [n if n == m else explained(n, m, *self._lengths) for n, m in zip(first, second, strict=True)]
        return tuple(
            following.setdefault(length, -1 - len(following)) if isinstance(length, Length) else length
            for length in lengths
        )  # type: ignore[return-value]  (the loops have no other lengths: see `Merging`)

    def _program_for(self, args: Sequence[Any]) -> Program:
        lengths = [
            n for arg, known in zip(args, self._inputs) for n, length in zip(np.shape(arg), known.shape) if length < 0
        ]
        return self._record(lengths[0])

    def _stricter(self) -> Executable:
        return AnyLength(self._programs, self._lengths, self._record, True, self.fast, self._as_loops)


def _loops(program: Program, plain: AbstractSet[int] | None, rows: int | None) -> Fusion:
    lowering = Lowering(plain, rows)
    try:
        lowering.program(program)
    except NoNativeForm as error:
        raise DependsOnLength(f"NumPy computes part of it: {error}") from None
    return fused(settle_updates(lowering.statements, []), WIDTH, triangles=plain is not None)
