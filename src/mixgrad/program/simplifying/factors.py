"""Constant factors and signs: brought behind linear operations, and multiplied there."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixgrad.core.op import TABLE
from mixgrad.core.program import Equation, Var, type_of
from mixgrad.program.simplifying.building import Builder, same_atom, type_of_atom

Uses = dict[int, int]

_LINEAR = {
    **dict.fromkeys(("matvec", "matmul", "vecdot", "multiply", "weighted_sum"), (0, 1)),
    **dict.fromkeys(("solve", "solve_triangular"), (1,)),
    **dict.fromkeys(("reshape", "transpose", "sum", "broadcast_to", "divide"), (0,)),
}
"""Arguments whose factor is one of the result."""


def _scaled(atom: Any, builder: Builder, uses: Uses) -> tuple[Any, Any] | None:
    """Return factor and rest of a product with a number that nothing else needs."""
    inner = builder.definition(atom)
    if inner is None or uses.get(id(atom), 1) != 1 or inner.outs[0].dtype.kind not in "fc":
        return None
    if inner.op.name == "negative":
        return -1, inner.args[0]
    if inner.op.name != "multiply":
        return None
    for factor, rest in (inner.args, inner.args[::-1]):
        if _is_factor(factor) and type_of_atom(rest) == type_of_atom(atom):
            return factor, rest
    return None


def _is_factor(atom: Any) -> bool:
    return not isinstance(atom, Var) and np.shape(atom) == () and bool(np.isfinite(atom)) and bool(atom != 0)


def _product(equation: Equation, factor: Any, rest: Any) -> Equation | None:
    """Return the product of a number and an array, as an equation for the same variable."""
    (out,) = equation.outs
    if factor == -1:
        return Equation(equation.outs, TABLE["negative"], (rest,)) if type_of_atom(rest)[1] == out.dtype else None
    if type_of(TABLE["multiply"], (factor, rest), {}) != [(out.shape, out.dtype)]:
        return None
    return Equation(equation.outs, TABLE["multiply"], (factor, rest))


def _pulled(equation: Equation, builder: Builder, uses: Uses) -> Equation | None:
    """Apply a linear operation first, and multiply its result."""
    (out,) = equation.outs
    if len(equation.args) > 2 or out.dtype.kind not in "fc" or -1 in out.shape:
        return None
    for place in _LINEAR[equation.op.name]:
        found = _scaled(equation.args[place], builder, uses) if place < len(equation.args) else None
        if found is None:
            continue
        factor, rest = found
        args = (*equation.args[:place], rest, *equation.args[place + 1 :])
        if any(_is_factor(arg) for arg in args) and equation.op.name == "multiply":
            continue  # both are numbers: `_joined`
        if type_of(equation.op, args, equation.static) != [(out.shape, out.dtype)]:
            continue
        if _product(equation, factor, out) is not None:
            return _product(equation, factor, builder.emit(equation.op, *args, **equation.static))
    return None


def _joined(equation: Equation, builder: Builder, uses: Uses) -> Equation | None:
    """Multiply two constant factors of a product, if that is a number; a factor two may be in a sum of equals."""
    for factor, x in (equation.args, equation.args[::-1]):
        found = _scaled(x, builder, uses) if _is_factor(factor) else None
        twice = builder.definition(x, "add")
        if found is None and _is_factor(factor) and twice is not None and same_atom(*twice.args):
            found = (2.0, twice.args[0]) if uses.get(id(x), 1) == 1 else None
        if found is None:
            continue
        with np.errstate(all="ignore"):
            both = factor * found[0]
        if _is_factor(both):
            if both == 1 and type_of_atom(found[1]) == (equation.outs[0].shape, equation.outs[0].dtype):
                return Equation(equation.outs, TABLE["multiply"], (1, found[1]))
            return _product(equation, both, found[1])
    return None


def _negated(equation: Equation, builder: Builder, uses: Uses) -> Equation | None:
    """Give the minus to a difference, or let it cancel that of an argument of a linear operation."""
    (x,) = equation.args
    inner = builder.definition(x)
    if inner is None or uses.get(id(x), 1) != 1 or equation.outs[0].dtype.kind not in "fc":
        return None
    if inner.op.name == "subtract":
        return Equation(equation.outs, inner.op, inner.args[::-1])
    if len(inner.args) <= 2:
        for place in _LINEAR.get(inner.op.name, ()):
            negative = builder.definition(inner.args[place], "negative") if place < len(inner.args) else None
            if negative is not None:
                args = (*inner.args[:place], *negative.args, *inner.args[place + 1 :])
                return Equation(equation.outs, inner.op, args, inner.static)
    return None


def _summed(equation: Equation, builder: Builder, uses: Uses) -> Equation | None:
    """Add first what has the same factor: a number, or a matrix."""
    a, b = equation.args
    (out,) = equation.outs
    first, second = _scaled(a, builder, uses), _scaled(b, builder, uses)
    same = type_of_atom(a) == type_of_atom(b) == (out.shape, out.dtype)
    if a is not b and same and first is not None and second is not None and first[0] == second[0]:
        return _product(equation, first[0], builder.emit(equation.op, first[1], second[1]))
    one, two = builder.definition(a), builder.definition(b)
    if a is b or not same or one is None or two is None or one.op is not two.op:
        return None
    if one.op.name not in ("matvec", "matmul") or uses.get(id(a), 1) != 1 or uses.get(id(b), 1) != 1:
        return None
    if not same_atom(one.args[0], two.args[0]) or type_of_atom(one.args[1]) != type_of_atom(two.args[1]):
        return None
    return Equation(equation.outs, one.op, (one.args[0], builder.emit(equation.op, one.args[1], two.args[1])))


def _zero_added(equation: Equation, builder: Builder, uses: Uses) -> Equation | None:
    """Leave out a zero: of a sum that is zero, only the sign changes."""
    (out,) = equation.outs
    for zero, x in (equation.args, equation.args[::-1]):
        is_zero = not isinstance(zero, Var) and np.ndim(zero) == 0 and zero == 0
        if is_zero and type_of_atom(x) == (out.shape, out.dtype) and out.dtype.kind in "fc":
            return Equation(equation.outs, TABLE["multiply"], (1, x))  # `rewrite` leaves x of it
    return None


FACTORS: dict[str, tuple] = dict.fromkeys(_LINEAR, (_pulled,))
FACTORS["multiply"] = (_joined, _pulled)
FACTORS["negative"] = (_negated,)
FACTORS["add"] = (_zero_added, _summed)
FACTORS["subtract"] = (_summed,)
"""Rules by the op of the equation."""
