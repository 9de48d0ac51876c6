"""The NumPy interpreter: what a program means. Every other way of running one is compared with it."""

from __future__ import annotations

from typing import Any

from mixgrad._errors import ShapeError
from mixgrad.core.bind import bind
from mixgrad.core.program import Program, Var


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
        shape = getattr(arg, "shape", ())
        if shape != var.shape:
            raise ShapeError(f"{program.name}: input {var.name} has the shape {var.shape}, got {shape}")
        values[id(var)] = arg
    for equation in program.equations:
        operands = [values[id(arg)] if isinstance(arg, Var) else arg for arg in equation.args]
        result = bind(equation.op, *operands, **equation.static)
        for out, value in zip(equation.outs, result if equation.op.multiple else (result,)):
            values[id(out)] = value
    return tuple(values[id(output)] if isinstance(output, Var) else output for output in program.outputs)
