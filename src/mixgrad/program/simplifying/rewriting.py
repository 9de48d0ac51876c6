"""The driver of rewrites: from the first equation to the last, each until no rule says anything more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mixgrad.core.program import Equation, Program
from mixgrad.program.simplifying import places, shapes
from mixgrad.program.simplifying.building import Builder, type_of_atom
from mixgrad.program.simplifying.patterns import by_pattern

Rule = Callable[[Equation, Builder], Any]
"""Returns what an equation can be replaced by: an atom, or another equation for the same variable; else None."""

RULES: dict[str, tuple[Rule, ...]] = {
    "transpose": (shapes.transposed,),
    "sum": (shapes.summed,),
    "broadcast_to": (shapes.reshaped,),
    "weighted_sum": (shapes.constant_product,),
    "divide": (shapes.divided,),
    "conjugate": (shapes.real_already,),
    "real": (shapes.real_already,),
    "index": (places.read,),
    "update": (places.write,),
}
"""What patterns do not say, by the op of the equation."""


def rewrite(program: Program) -> Program:
    """Apply `REWRITES` and `RULES`."""
    builder = Builder(program)
    for original in builder:
        equation: Equation | None = original
        while equation is not None:
            found = _rewritten(equation, builder)
            if isinstance(found, Equation):
                equation = found
                continue
            if found is None:
                builder.add(equation)
            else:
                builder.replace(original, (found,))
            equation = None
    return builder.done()


def _rewritten(equation: Equation, builder: Builder) -> Any:
    if len(equation.outs) != 1:
        return None
    for rule in (by_pattern, shapes.loosened, *RULES.get(equation.op.name, ())):
        found = rule(equation, builder)
        if found is None:
            continue
        (out,) = equation.outs
        if not hasattr(found, "dtype") and not isinstance(found, Equation):
            found = np.asarray(found)[()]  # a number of Python is weak, the result was not
        if isinstance(found, Equation) or type_of_atom(found) == (out.shape, out.dtype):
            return found
    return None
