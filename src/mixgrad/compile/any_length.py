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
from mixgrad.compile.lengths import LEAST, DependsOnLength, explained
from mixgrad.compile.lowering import Lowering, NoNativeForm, kind_of
from mixgrad.compile.merging import Merging
from mixgrad.compile.tensor import settle_updates
from mixgrad.compile.zeros import plain_products
from mixgrad.core.program import Program

SAMPLES = (10_007, 7_000)  # rows: as many as there usually are, and nothing else is as long
FEWER_SAMPLES = (2_003, 1_400)  # where there are arrays that have rows in two dimensions


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

        Raises
        ------
        DependsOnLength
            If there is no one kernel for any number of rows.
        """
        self._programs, self._lengths, self._record = programs, lengths, record
        self.least = LEAST
        super().__init__(programs[0], strict)

    def _compile(self, plain: AbstractSet[int]) -> None:
        products = (plain, plain_products(self._programs[1]) if plain else plain)
        trees = [_loops(program, wanted) for program, wanted in zip(self._programs, products)]
        merging = Merging(*trees, *self._lengths)
        self.least = max([LEAST, *(-((length.plus - 1) // length.times) for length in merging.lengths)])
        inputs, outputs = (
            [self._argument(*pair) for pair in zip(*both)]
            for both in ([p.inputs for p in self._programs], [p.outputs for p in self._programs])
        )
        self._inputs = inputs
        self.entry = compiled(trees[0], inputs, outputs, bool(plain), self.least)
        self.parts = [NativePart(list(self.program.inputs), [], self.entry, trees[0])]

    def _argument(self, a: Any, b: Any) -> Argument:
        shapes = np.shape(a), np.shape(b)
        for lengths in zip(*shapes):
            if lengths[0] != lengths[1] and lengths != self._lengths:
                raise DependsOnLength(f"a result has the length {explained(*lengths, *self._lengths) or lengths}")
        return Argument(tuple(n if n == m else -1 for n, m in zip(*shapes)), kind_of(a))

    def _program_for(self, args: Sequence[Any]) -> Program:
        lengths = [
            n for arg, known in zip(args, self._inputs) for n, length in zip(np.shape(arg), known.shape) if length < 0
        ]
        return self._record(lengths[0])

    def _stricter(self) -> Executable:
        return AnyLength(self._programs, self._lengths, self._record, strict=True)


def _loops(program: Program, plain: AbstractSet[int]) -> Fusion:
    lowering = Lowering(plain)
    try:
        lowering.program(program)
    except NoNativeForm as error:
        raise DependsOnLength(f"NumPy computes part of it: {error}") from None
    return fused(settle_updates(lowering.statements, []), WIDTH)
