"""Logarithms of sums of exponentials share these with their derivatives.

The value of `logsumexp` is one op, and its derivative a softmax, written in others. Where a program has both, the value
becomes ``log(total) + shift``, for the sum and the largest entry that the softmax has computed anyway.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from mixgrad.core.op import TABLE
from mixgrad.core.program import Equation, Var


def shared(equations: Sequence[Equation]) -> list[Equation]:
    """Return the equations, with logarithms of sums written with the exponentials that other equations need."""
    if all(equation.op.name != "logsumexp" for equation in equations):
        return list(equations)
    known = {_key(equation.op.name, equation.args, equation.static): equation for equation in equations}
    result: dict[int, Equation] = {}  # by identity: some come earlier than they did
    for equation in equations:
        softmax = _softmax(known, equation) if equation.op.name == "logsumexp" else None
        for new in [equation] if softmax is None else [*softmax, *_value(equation, softmax)]:
            result.setdefault(id(new), new)
    return list(result.values())


def _softmax(known: dict[Hashable, Equation], equation: Equation) -> list[Equation] | None:
    """Return the equations of the softmax of the same entries, in their order: see the rule of `logsumexp`."""
    (x,), axis = equation.args, equation.static["axis"]
    zero, one = (np.asarray(number, equation.outs[0].dtype) for number in (0.0, 1.0))
    found: list[Equation] = []

    def out(name: str, *args: Any, **static: Any) -> Any:
        made = known.get(_key(name, args, static))
        if made is not None and made not in found:
            found.append(made)
        return None if made is None else made.outs[0]

    constant = out("stop_gradient", x)
    largest = out("max", x if constant is None else constant, axis=axis, keepdims=True)
    shift = out("where", out("isneginf", largest), zero, largest)
    infinite = out("isposinf", x)
    e = out("where", infinite, one, out("exp", out("subtract", out("where", infinite, zero, x), shift)))
    return None if out("sum", e, axis=axis, keepdims=True) is None else found


def _value(equation: Equation, softmax: list[Equation]) -> Iterator[Equation]:
    """Yield the equations of the logarithm."""
    (out,) = equation.outs
    (total,) = softmax[-1].outs
    (shift,) = next(found for found in softmax if found.op.name == "where").outs  # the first of three
    logarithm, value = Var(total.shape, total.dtype), Var(total.shape, total.dtype)
    yield Equation((logarithm,), TABLE["log"], (total,))
    if out.shape == total.shape:
        yield Equation((out,), TABLE["add"], (logarithm, shift))
    else:
        yield Equation((value,), TABLE["add"], (logarithm, shift))
        yield Equation((out,), TABLE["reshape"], (value,), {"shape": out.shape})


def _key(name: str, args: Sequence[Any], static: Any) -> Hashable:
    """Return what two equations have in common if they compute the same."""
    atoms = (id(arg) if isinstance(arg, Var) else (np.shape(arg), np.asarray(arg).tobytes()) for arg in args)
    return name, tuple(atoms), repr(sorted(static.items()))
