"""The numbers of a forward or a reverse sweep through a program, variable by variable and edge by edge.

Derivatives are the engine's: forward mode of the whole program and of single equations, and transposes of single
equations. What is left to do here is what a reverse sweep is: to add up, from the last equation to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mixgrad._errors import DerivativeError, ShapeError
from mixgrad._tree import flatten
from mixgrad.core.bind import bind
from mixgrad.core.interpret import interpret
from mixgrad.core.program import Equation, Program, Var
from mixgrad.modes.dual import Dual, DualTrace
from mixgrad.modes.tape import Tape, TapeTrace

Sweep = Literal["forward", "reverse"]


@dataclass
class Numbers:
    """Variables are known by their identity, edges by the number of their equation and their variable.

    Attributes
    ----------
    values : dict of int to array
    derivatives : dict of int to array
        The tangent or the adjoint of each variable that has a tangent space.
    flows : dict of (int, int) to array
        What goes along an edge: the part of the tangent of the result, or of the adjoint of the argument, that comes
        from there. An equation with several results sends tangents to its first one that has some.
    partials : dict of (int, int) to number
        The local partial derivative, where argument and result are real numbers.
    """

    values: dict[int, Any]
    derivatives: dict[int, Any] = field(default_factory=dict)
    flows: dict[tuple[int, int], Any] = field(default_factory=dict)
    partials: dict[tuple[int, int], Any] = field(default_factory=dict)


def numbers_of(program: Program, args: Sequence[Any], sweep: Sweep | None = None, seeds: Any = None) -> Numbers:
    """Run a program and, if asked to, a sweep.

    Parameters
    ----------
    program : Program
    args : sequence
        Arrays or containers of them: one array for each input.
    sweep : {"forward", "reverse"} or None
    seeds : array, container or None
        Tangents of the inputs or cotangents of the outputs, one for each or for each that has a tangent space. None
        stands for 1 for the first and 0 for the others if all are numbers, and for ones otherwise.
    """
    variables = [*program.inputs, *(out for equation in program.equations for out in equation.outs)]
    everything = Program(program.inputs, program.equations, tuple(variables), program.name)
    inputs = _arguments(program, args)
    with np.errstate(all="ignore"):
        numbers = Numbers({id(var): value for var, value in zip(variables, interpret(everything, *inputs))})
        if sweep == "forward":
            _forward(everything, numbers, seeds)
        elif sweep == "reverse":
            _reverse(everything, program.outputs, numbers, seeds)
        if sweep:
            _local_partials(program, numbers)
    return numbers


def varies(atom: Any) -> bool:
    """Whether an argument is a variable with a tangent space."""
    return isinstance(atom, Var) and atom.dtype.kind in "fc"


def inputs_of(equation: Equation) -> list[Var]:
    """Return the variables among the arguments, each once."""
    return list({id(var): var for var in equation.variables()}.values())


def _arguments(program: Program, args: Sequence[Any]) -> list:
    leaves, _ = flatten(tuple(args))
    if len(leaves) != len(program.inputs):
        names = ", ".join(var.name for var in program.inputs)
        raise ShapeError(
            f"{program.name} takes {len(program.inputs)} arrays ({names}), got {len(leaves)}. Pass the arguments that "
            "the program was traced with, or others of the same shapes."
        )
    result = []
    for var, leaf in zip(program.inputs, leaves):
        array = np.asarray(leaf)
        if not np.can_cast(array.dtype, var.dtype, "same_kind"):
            raise ShapeError(f"{program.name}: input {var.name} has the dtype {var.dtype}, got {array.dtype}")
        result.append(array.astype(var.dtype)[()])
    return result


def _seeds(variables: list[Var], values: dict[int, Any], given: Any, what: str, whose: str) -> dict[int, Any]:
    """Return a seed for each variable with a tangent space, by identity."""
    varying = [var for var in variables if varies(var)]
    if not varying:
        raise DerivativeError(f"no {whose} is made of floats, so there are no {what}s to begin the sweep with")
    if given is None:
        seeds = [np.ones(np.shape(values[id(var)]), var.dtype)[()] for var in varying]
        if all(var.shape == () for var in varying):
            seeds[1:] = [np.zeros((), var.dtype)[()] for var in varying[1:]]
        return {id(var): seed for var, seed in zip(varying, seeds)}
    leaves, _ = flatten(given)
    if len(leaves) not in (len(variables), len(varying)):
        raise ShapeError(f"expected {len(varying)} {what}s, one for each {whose} made of floats, got {len(leaves)}")
    result = {}
    for var, leaf in zip(variables if len(leaves) == len(variables) else varying, leaves):
        if varies(var):
            shape = np.shape(values[id(var)])
            if np.shape(leaf) != shape:
                raise ShapeError(f"the {what} of {whose} {var.name or 'without name'} must have the shape {shape}, "
                                 f"got {np.shape(leaf)}")  # fmt: skip
            result[id(var)] = np.asarray(leaf).astype(var.dtype)[()]
    return result


# Forward --------------------------------------------------------------------------------------------------------------


def _forward(everything: Program, numbers: Numbers, given: Any) -> None:
    values, tangents = numbers.values, numbers.derivatives
    seeds = _seeds(list(everything.inputs), values, given, "tangent", "input")
    with DualTrace() as trace:
        inputs = [(values[id(var)], seeds.get(id(var))) for var in everything.inputs]
        boxes = [value if seed is None else Dual(trace, value, seed) for value, seed in inputs]
        for var, value in zip(everything.outputs, interpret(everything, *boxes)):
            if varies(var):
                tangent = trace.unpack(value)[1]
                tangents[id(var)] = np.zeros_like(values[id(var)]) if tangent is None else tangent
    for number, equation in enumerate(everything.equations):
        for var in filter(varies, inputs_of(equation)):
            flow = _push(equation, values, var, tangents[id(var)])
            if flow is not None:
                numbers.flows[number, id(var)] = flow


def _push(equation: Equation, values: dict[int, Any], var: Var, tangent: Any) -> Any:
    """Return the tangent of the first result that has one, if only one argument varies."""
    with DualTrace() as trace:
        box = Dual(trace, values[id(var)], tangent)
        args = [box if arg is var else values[id(arg)] if isinstance(arg, Var) else arg for arg in equation.args]
        result = bind(equation.op, *args, **equation.static)
        parts = [trace.unpack(part)[1] for part in (result if equation.op.multiple else (result,))]
    return next((part for part in parts if part is not None), None)


def _local_partials(program: Program, numbers: Numbers) -> None:
    for number, equation in enumerate(program.equations):
        if any(out.shape or out.dtype.kind != "f" for out in equation.outs) or len(equation.outs) != 1:
            continue
        for var in inputs_of(equation):
            if var.dtype.kind == "f" and not var.shape:
                partial = _push(equation, numbers.values, var, np.ones((), var.dtype)[()])
                numbers.partials[number, id(var)] = 0.0 if partial is None else partial


# Reverse --------------------------------------------------------------------------------------------------------------


def _reverse(everything: Program, results: tuple, numbers: Numbers, given: Any) -> None:
    distinct = list({id(var): var for var in results if isinstance(var, Var)}.values())
    adjoints = _seeds(distinct, numbers.values, given, "cotangent", "output")
    for number, equation in reversed(list(enumerate(everything.equations))):
        bars = [adjoints.get(id(out)) for out in equation.outs]
        if all(bar is None for bar in bars):
            continue
        for var, flow in _pull(equation, numbers.values, bars):
            numbers.flows[number, id(var)] = flow
            adjoints[id(var)] = adjoints[id(var)] + flow if id(var) in adjoints else flow
    for var in filter(varies, everything.outputs):
        zero = np.zeros_like(numbers.values[id(var)])
        numbers.derivatives[id(var)] = adjoints.get(id(var), zero)


def _pull(equation: Equation, values: dict[int, Any], bars: list) -> list[tuple[Var, Any]]:
    """Return what an equation adds to the adjoint of each of its arguments."""
    varying = [var for var in inputs_of(equation) if varies(var)]
    with DualTrace() as trace, TapeTrace() as recording:
        tangents = [recording.input(values[id(var)]) for var in varying]
        boxes = {id(var): Dual(trace, values[id(var)], tangent) for var, tangent in zip(varying, tangents)}
        args = [boxes.get(id(arg), values.get(id(arg))) if isinstance(arg, Var) else arg for arg in equation.args]
        result = bind(equation.op, *args, **equation.static)
        parts = [trace.unpack(part)[1] for part in (result if equation.op.multiple else (result,))]
    flows = Tape(recording, tangents, parts).pull(bars)
    return [(var, flow) for var, flow in zip(varying, flows) if flow is not None]
