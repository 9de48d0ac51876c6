"""Strong zeros at no cost: products that may be computed plainly, because a nan that this makes reaches an output.

In a weighted sum zero times anything is zero. Where that matters the plain product is a nan. If all that depends on it
passes a nan on, or leaves the number out altogether, a result without nan is right; one with a nan is computed again,
with strong zeros (the argument of `modes.tape.Accumulator`, for programs).
"""

from __future__ import annotations

from mixgrad.core.op import Kind
from mixgrad.core.program import Equation, Program, Var

_LOSE_NAN = frozenset(
    ("power", "hypot", "fmax", "fmin", "copysign", "heaviside", "logaddexp", "logaddexp2", "astype_discrete")
)


def plain_products(program: Program) -> set[int]:
    """Return the weighted sums, by the identity of their results, that may be computed without strong zeros."""
    hidden: set[int] = set()  # variables in which a nan might get lost
    found = set()
    for equation in reversed(program.equations):
        lost = any(id(out) in hidden for out in equation.outs) or not _passes_nan_on(equation)
        if equation.op.name == "weighted_sum" and not lost:
            found.add(id(equation.outs[0]))
        for i, arg in enumerate(equation.args):
            if isinstance(arg, Var) and (lost or (equation.op.name == "where" and i == 0)):
                hidden.add(id(arg))
    return found


def _passes_nan_on(equation: Equation) -> bool:
    op = equation.op
    if op.kind in (Kind.DISCRETE, Kind.NESTED) or any(out.dtype.kind != "f" for out in equation.outs):
        return False
    return op.name not in _LOSE_NAN
