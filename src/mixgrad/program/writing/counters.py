"""Counters of loops: values that start at a known number and grow by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixgrad.core.program import Equation, Program, Var
from mixgrad.program.writing.scope import Scope

_COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")


def _is_integer(atom: Any) -> bool:
    return not isinstance(atom, Var) and np.ndim(atom) == 0 and np.asarray(atom).dtype.kind == "i"


def find(scope: Scope, equation: Equation) -> int | None:
    """Return which carried value of a loop of known length counts its steps, if one does.

    With slices and stacked values it must start at zero and go with them, so that it says where they are.
    """
    static, body = equation.static, equation.static["body"]
    start, count = static["consts"], static["carry"]
    sliced = len(equation.args) > start + count or len(body.outputs) > count
    known = static["length"] is not None or any(np.shape(x)[0] >= 0 for x in equation.args[start + count :])
    if static["test"] is not None or (sliced and static["reverse"]) or not known:
        return None
    for k in range(count):
        init, var, output = scope.resolved(equation.args[start + k]), body.inputs[start + k], body.outputs[k]
        if not _is_integer(init) or (sliced and init != 0):
            continue
        maker = next((e for e in body.equations if e.outs[0] is output), None)
        if maker is not None and maker.op.name == "add" and _adds_one(maker, var):
            return k
    return None


def _adds_one(equation: Equation, var: Var) -> bool:
    x, y = equation.args
    return (x is var and _is_integer(y) and y == 1) or (y is var and _is_integer(x) and x == 1)


def is_plain(program: Program, var: Var, stacked: int | None = None) -> bool:
    """Whether an integer may be one of Python: it serves as an index and in comparisons only.

    Outputs from number `stacked` on are written into an array of integers.
    """
    for equation in program.equations:
        places = [i for i, arg in enumerate(equation.args) if arg is var]
        if places and not _is_plain_in(program, equation, places):
            return False
    return not any(output is var for output in program.outputs[:stacked])


def _is_plain_in(program: Program, equation: Equation, places: list[int]) -> bool:
    name, static = equation.op.name, equation.static
    if name in ("index", "update"):
        return min(places) >= (1 if name == "index" else 2)
    if name == "scatter":
        return min(places) >= 1
    if name in _COMPARISONS:
        return True
    if name in ("add", "subtract", "multiply") and all(
        _is_integer(a) for i, a in enumerate(equation.args) if i not in places
    ):
        out = equation.outs[0]
        return out is _counted(program, equation) or is_plain(program, out)
    if name == "cond" and min(places) > 0:
        return all(is_plain(branch, branch.inputs[i - 1]) for branch in static["branches"] for i in places)
    if name == "loop" and max(places) < static["consts"]:
        if static["test"] is None:
            return all(is_plain(static["body"], static["body"].inputs[i], static["carry"]) for i in places)
        return all(is_plain(static[key], static[key].inputs[i]) for key in ("test", "body") for i in places)
    return False


def _counted(program: Program, equation: Equation) -> Any:
    """Return the result of an equation if it only leaves the loop: the next value of the counter."""
    out = equation.outs[0]
    used = sum(arg is out for e in program.equations for arg in e.args) + sum(o is out for o in program.outputs)
    return out if used == 1 else None
