"""Names of the source for the values of a run: what a traced program calls ``w3``, ``w3_dot`` and ``w3_bar``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from mixgrad.core.program import Equation, Program, Var


@functools.singledispatch
def name_value(value: Any, name: str) -> Any:
    """Tell the modes around a value what the source calls it; return the value.

    A plain value has no place for a name. Each mode registers what it does with one: a placeholder of a program gives
    it to its variable, a dual number passes it on to its primal and, with ``_dot``, to its tangent, a variable of the
    tape keeps it, with ``_bar``, for its cotangent. The first name of a value stays.

    Parameters
    ----------
    value : array, number or box
    name : str
    """
    return value


def renamed(program: Program, names: Mapping[int, str]) -> Program:
    """Return the program with names for those of its variables whose identity is in `names`."""
    if not names:
        return program
    variables = [*program.inputs, *(out for equation in program.equations for out in equation.outs)]
    new = {id(var): Var(var.shape, var.dtype, names[id(var)]) for var in variables if id(var) in names}

    def atom(old: Any) -> Any:
        return new.get(id(old), old) if isinstance(old, Var) else old

    equations = tuple(
        Equation(tuple(map(atom, e.outs)), e.op, tuple(map(atom, e.args)), e.static) for e in program.equations
    )
    return Program(tuple(map(atom, program.inputs)), equations, tuple(map(atom, program.outputs)), program.name)
