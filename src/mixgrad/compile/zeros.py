"""Strong zeros at no cost: products that may be computed plainly, because a nan that this makes reaches an output.

In a weighted sum zero times anything is zero. Where that matters the plain product is a nan. If all that depends on it
passes a nan on, or leaves the number out altogether, a result without nan is right; one with a nan is computed again,
with strong zeros (the argument of `modes.tape.Accumulator`, for programs).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixgrad.core.op import Kind
from mixgrad.core.program import Equation, Program, Var

_LOSE_NAN = frozenset(
    ("power", "hypot", "fmax", "fmin", "copysign", "heaviside", "logaddexp", "logaddexp2", "astype_discrete")
)


def plain_products(program: Program) -> set[int]:
    """Return the weighted sums, by the identity of their results, that may be computed without strong zeros."""
    products = _Products()
    products.look(program, [False] * len(program.outputs))
    return products.plain - products.strong


class _Products:
    """Finds out what passes a nan on; what is written in several places must do so in all of them."""

    def __init__(self) -> None:
        self.plain: set[int] = set()
        self.strong: set[int] = set()

    def look(self, program: Program, lost: Sequence[bool]) -> list[bool]:
        """Look at a program some of whose results get lost; return in which of its inputs a nan may."""
        hidden = {id(out) for out, gone in zip(program.outputs, lost) if gone}  # where a nan might get lost
        for equation in reversed(program.equations):
            flags = [id(out) in hidden for out in equation.outs]
            if equation.op.name == "weighted_sum":
                (self.strong if flags[0] or not _passes_nan_on(equation) else self.plain).add(id(equation.outs[0]))
            for arg, gone in zip(equation.args, self._lost_arguments(equation, flags), strict=True):
                if isinstance(arg, Var) and gone:
                    hidden.add(id(arg))
        return [id(var) in hidden for var in program.inputs]

    def _lost_arguments(self, equation: Equation, flags: list[bool]) -> list[bool]:
        name, static, count = equation.op.name, equation.static, len(equation.args)
        if name == "loop":
            return self._lost_in_loop(flags, **static)
        if name == "cond":
            found = [self.look(branch, flags) for branch in static["branches"]]
            return [True, *map(any, zip(*found))]
        lost = any(flags) or not _passes_nan_on(equation)
        return [lost or (name == "where" and i == 0) for i in range(count)]

    def _lost_in_loop(
        self, flags: list[bool], *, test: Program | None, body: Program, consts: int, carry: int, **_: Any
    ) -> list[bool]:
        """Return the same for a loop: what is lost of a carried value in one step is lost of it in any."""
        split = consts + carry
        asked = [False] * split if test is None else self.look(test, [True])
        kept, stacks = flags[:carry], flags[carry:]
        while True:
            within = _Products()
            found = within.look(body, kept + stacks)
            after = [any(three) for three in zip(kept, found[consts:split], asked[consts:])]
            if after == kept:
                self.plain |= within.plain
                self.strong |= within.strong
                return [a or b for a, b in zip(found[:consts], asked)] + kept + found[split:]
            kept = after


def _passes_nan_on(equation: Equation) -> bool:
    op = equation.op
    if op.kind in (Kind.DISCRETE, Kind.NESTED) or any(out.dtype.kind != "f" for out in equation.outs):
        return False
    return op.name not in _LOSE_NAN
