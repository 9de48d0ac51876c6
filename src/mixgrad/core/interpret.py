"""The NumPy interpreter: what a program means. Every other way of running one is compared with it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from mixgrad._errors import ShapeError
from mixgrad.core.bind import Traced, bind
from mixgrad.core.naming import name_value
from mixgrad.core.program import Program, Var, fits, remembered


def interpret(program: Program, *args: Any) -> tuple:
    """Run a program on arrays, or on the boxes of any mode: transforming a program is running it in that mode.

    Parameters
    ----------
    program : Program
    *args : array or number
        One for each input, of its shape.

    Returns
    -------
    tuple
        One value for each output.
    """
    if len(args) != len(program.inputs):
        raise ShapeError(f"{program.name} takes {len(program.inputs)} arrays, got {len(args)}")
    values: dict[int, Any] = {}
    for var, arg in zip(program.inputs, args):
        if not hasattr(arg, "dtype"):
            arg = np.asarray(arg, var.dtype)[()]
        if arg.shape != var.shape and not fits(arg.shape, var.shape):
            raise ShapeError(f"{program.name}: input {var.name} has the shape {var.shape}, got {arg.shape}")
        values[id(var)] = arg
    for equation in program.equations:
        operands = [values[id(arg)] if isinstance(arg, Var) else arg for arg in equation.args]
        result = bind(equation.op, *operands, **equation.static)
        for out, value in zip(equation.outs, result if equation.op.multiple else (result,)):
            values[id(out)] = name_value(value, out.name) if out.name and isinstance(value, Traced) else value
    return tuple(values[id(output)] if isinstance(output, Var) else output for output in program.outputs)


@remembered
def compiled(program: Program) -> Callable[..., tuple]:
    """Return `interpret` for one program and arguments that are known to be plain arrays of the right shapes.

    A function of Python with one line for each equation, for what runs often: the bodies of loops.
    """
    known: dict[str, Any] = {}
    names: dict[int, str] = {id(var): f"x{i}" for i, var in enumerate(program.inputs)}

    def name(atom: Any) -> str:
        if not isinstance(atom, Var):
            known[f"c{len(known)}"] = atom
            return f"c{len(known) - 1}"
        return names[id(atom)]

    lines = [f"def run({', '.join(names.values())}):"]
    for equation in program.equations:
        args = ", ".join(map(name, equation.args))
        value = f"c{len(known)}"
        known[value] = functools.partial(equation.op.value, **equation.static) if equation.static else equation.op.value
        for out in equation.outs:
            names[id(out)] = f"v{len(names)}"
        targets = ", ".join(names[id(out)] for out in equation.outs)
        lines.append(f"    {targets}{',' * equation.op.multiple} = {value}({args})")
    lines.append(f"    return ({''.join(name(output) + ', ' for output in program.outputs)})")
    exec("\n".join(lines), known)
    return known["run"]
