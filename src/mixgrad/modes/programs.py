"""Programs in a mode: a transform of a program is the trace of an interpreter over it.

The rules of rows with nested programs (`rules.control`) take this module as their argument `transform`, so that they
need not know the modes. Transforms are remembered: a loop that is differentiated again costs no tracing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixgrad.core.bind import Trace, bind
from mixgrad.core.interpret import interpret
from mixgrad.core.op import Op
from mixgrad.core.program import Equation, Program, Var, remembered
from mixgrad.core.quiet import QUIET, STATE
from mixgrad.modes.batch import Batch, BatchTrace
from mixgrad.modes.dual import Dual, DualTrace
from mixgrad.modes.lifts import BatchLift, DualLift, TaylorLift, named, owns
from mixgrad.modes.tape import Tape, TapeTrace, Variable
from mixgrad.modes.taylor import Taylor, TaylorTrace
from mixgrad.modes.trace import Staged, Staging, typed

_SELF = sys.modules[__name__]


def stage(fun: Callable, templates: Sequence[Var], name: str) -> Program:
    """Return the program of a function of arrays like `templates` that returns a list of arrays."""
    token = STATE.set(QUIET)
    try:
        with Staging(keeps=True) as staging:
            boxes = [Staged(staging, Var(var.shape, var.dtype, var.name)) for var in templates]
            outputs = [typed(out) for out in fun(*boxes)]
        return staging.program(boxes, outputs, name)
    finally:
        STATE.reset(token)


# A mode on another payload -------------------------------------------------------------------------------------------


@remembered
def lifted(
    program: Program, lift: Any, flags: tuple[bool, ...], demanded: tuple[bool, ...]
) -> tuple[Program, tuple[bool, ...]]:
    """Return a program in a mode, and which of its outputs are values of the mode.

    Parameters
    ----------
    program : Program
    lift : DualLift, BatchLift or TaylorLift
    flags : tuple of bool
        Which inputs are values of the mode; in their place the new program takes their parts.
    demanded : tuple of bool
        Which outputs shall be values of the mode, even if they are constants.
    """
    found: list[bool] = []

    def run(*boxes: Any) -> list:
        rest = iter(boxes)
        with lift.trace() as trace:
            args = [
                lift.box(trace, [next(rest) for _ in lift.types(var)]) if flag else next(rest)
                for var, flag in zip(program.inputs, flags)
            ]
            result: list = []
            for out, like, must in zip(interpret(program, *args), program.outputs, demanded):
                parts = lift.parts(trace, out)
                if parts is None and must:
                    parts = lift.full(typed(out))
                found.append(parts is not None)
                result += [out] if parts is None else map(_fitted, parts, lift.types(typed(like)))
            return result

    templates = [part for var, flag in zip(program.inputs, flags) for part in (lift.types(var) if flag else (var,))]
    return stage(run, templates, program.name), tuple(found)


def _fitted(value: Any, like: Var) -> Any:
    """Return a value in the type that the results of a body must have."""
    value = typed(value)
    if value.dtype != like.dtype:
        value = np.astype(value, like.dtype)
    return value if value.shape == like.shape else np.broadcast_to(value, like.shape)


# Linearise and transpose ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Linearised:
    """A program taken apart into a nonlinear and a linear one.

    Attributes
    ----------
    primal : Program
        The outputs of the program, then the residuals whose source is "output".
    linear : Program
        Takes all residuals, then the tangents of the inputs that vary; returns the tangents of the outputs that vary.
    sources : tuple of (str, int)
        Where each residual comes from: an "input", an additional "output", or an output of `invariant`.
    invariant : Program
        What depends on the fixed inputs only, as a program of these.
    flags : tuple of bool
        Which outputs vary.
    """

    primal: Program
    linear: Program
    sources: tuple[tuple[str, int], ...]
    invariant: Program
    flags: tuple[bool, ...]


@remembered
def linearised(
    program: Program, flags: tuple[bool, ...], demanded: tuple[bool, ...], again: tuple[bool, ...], fixed: int
) -> Linearised:
    """Take a program apart into a nonlinear part and a part that is linear in the tangents.

    Parameters
    ----------
    program : Program
    flags : tuple of bool
        Which inputs vary.
    demanded : tuple of bool
        Which outputs shall have a tangent, be it zero.
    again : tuple of bool
        Which inputs can be given to the linear part, too.
    fixed : int
        How many inputs, from the first on, are the same whenever the program runs.
    """
    with Staging(keeps=True) as staging:
        boxes = [Staged(staging, Var(var.shape, var.dtype, var.name)) for var in program.inputs]
        with DualTrace() as dual, TapeTrace() as recording:
            variables = [recording.input(box) if flag else None for box, flag in zip(boxes, flags)]
            args = [box if dot is None else Dual(dual, box, dot) for box, dot in zip(boxes, variables)]
            unpacked = [dual.unpack(out) for out in interpret(program, *args)]
    tape = Tape(recording, [dot for dot in variables if dot is not None], [dot for _, dot in unpacked])
    found = _Residuals(staging, boxes, again, fixed)
    for equation in tape.equations:
        for arg in equation.args:
            if isinstance(arg, Staged):
                found.need(arg.symbol)
    varying = tuple(dot is not None or must for (_, dot), must in zip(unpacked, demanded))
    outputs = [typed(out) for out, _ in unpacked] + [Staged(staging, var) for var in found.stacked]
    linear = _linear_program(program, tape, found, varying, flags)
    primal = staging.program(boxes, outputs, program.name)
    return Linearised(primal, linear, tuple(found.sources), found.invariant_program(), varying)


@dataclass
class _Residuals:
    """What the linear part needs of the nonlinear one."""

    staging: Staging
    boxes: list[Staged]
    again: tuple[bool, ...]
    fixed: int
    residuals: dict[int, Var] = field(default_factory=dict)
    sources: list[tuple[str, int]] = field(default_factory=list)
    stacked: list[Var] = field(default_factory=list)
    invariant: list[Var] = field(default_factory=list)
    recomputed: dict[int, Equation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = {id(box.symbol): i for i, box in enumerate(self.boxes)}
        self.definitions = {id(out): equation for equation in self.staging.equations for out in equation.outs}
        self.constant = {id(box.symbol) for box in self.boxes[: self.fixed]}
        for equation in self.staging.equations:
            if all(id(arg) in self.constant for arg in equation.variables()):
                self.constant.update(id(out) for out in equation.outs)

    def need(self, var: Var) -> None:
        """Provide for a residual. One of unknown length cannot be stacked: what it comes from is computed again."""
        if id(var) in self.residuals:
            return
        if -1 in var.shape and id(var) in self.definitions:
            equation = self.definitions[id(var)]
            if id(equation) not in self.recomputed:
                self.recomputed[id(equation)] = equation
                for arg in equation.variables():
                    self.need(arg)
            return
        self.residuals[id(var)] = var
        self.sources.append(self._source(var))

    def _source(self, var: Var) -> tuple[str, int]:
        place = self.places.get(id(var))
        if place is not None and self.again[place]:
            return "input", place
        if id(var) in self.constant:
            self.invariant.append(var)
            return "invariant", len(self.invariant) - 1
        self.stacked.append(var)
        return "output", len(self.stacked) - 1

    def invariant_program(self) -> Program:
        """Return the program of what depends on the fixed inputs only."""
        needed = {id(var) for var in self.invariant}
        kept = []
        for equation in reversed(self.staging.equations):
            if any(id(out) in needed for out in equation.outs):
                kept.append(equation)
                needed.update(id(arg) for arg in equation.variables())
        inputs = tuple(box.symbol for box in self.boxes[: self.fixed])
        return Program(inputs, tuple(reversed(kept)), tuple(self.invariant), "invariant")


def _linear_program(
    program: Program, tape: Tape, found: _Residuals, varying: tuple[bool, ...], flags: tuple[bool, ...]
) -> Program:
    residuals = list(found.residuals.values())

    def run(*boxes: Any) -> list:
        values = {id(var): box for var, box in zip(residuals, boxes)}

        def place(arg: Any) -> Any:
            return values[id(arg.symbol if isinstance(arg, Staged) else arg)] if isinstance(arg, (Staged, Var)) else arg

        for equation in found.staging.equations:
            if id(equation) in found.recomputed:
                result = bind(equation.op, *map(place, equation.args), **equation.static)
                outs = result if equation.op.multiple else (result,)
                values.update((id(out), value) for out, value in zip(equation.outs, outs))
        dots = tape.push(boxes[len(residuals) :], place)
        result = []
        for dot, output, flag in zip(dots, program.outputs, varying):
            if flag:
                like = typed(output)
                result.append(np.zeros(like.shape, like.dtype)[()] if dot is None else _fitted(dot, like))
        return result

    tangents = [Var(var.shape, var.dtype, named(var, "dot")) for var, flag in zip(program.inputs, flags) if flag]
    return stage(run, [*residuals, *tangents], f"{program.name}_linear")


@remembered
def transposed(
    program: Program, linear: tuple[bool, ...], given: tuple[bool, ...], demanded: tuple[bool, ...]
) -> tuple[Program, tuple[bool, ...]]:
    """Return the transpose of a program that is linear in some inputs, and which of these have a cotangent.

    Parameters
    ----------
    program : Program
    linear : tuple of bool
        The linear inputs. The new program takes the others, then the cotangents of outputs.
    given : tuple of bool
        Which outputs have a cotangent.
    demanded : tuple of bool
        Of the linear inputs, those that shall get a cotangent, be it zero. The new program returns them in order.
    """
    found: list[bool] = []

    def run(*boxes: Any) -> list:
        rest = iter(boxes)
        with TapeTrace() as recording:
            variables = [recording.input(var) for var, flag in zip(program.inputs, linear) if flag]
            mine = iter(variables)
            outs = interpret(program, *[next(mine) if flag else next(rest) for flag in linear])
        bars = [next(rest) if flag else None for flag in given]
        tape = Tape(recording, variables, [out if owns(recording, out, Variable) else None for out in outs])
        result = []
        for bar, variable, must in zip(tape.pull(bars), variables, demanded):
            found.append(bar is not None or must)
            if found[-1]:
                result.append(np.zeros(variable.shape, variable.dtype)[()] if bar is None else bar)
        return result

    others = [var for var, flag in zip(program.inputs, linear) if not flag]
    outputs = [typed(out) for out in program.outputs]
    bars = [Var(out.shape, out.dtype, named(out, "bar")) for out, flag in zip(outputs, given) if flag]
    return stage(run, [*others, *bars], f"{program.name}_transposed"), tuple(found)


# Rows with nested programs, as the modes run them ---------------------------------------------------------------------


def is_recorded(tangent: Any) -> bool:
    """Whether a tangent is a variable of a tape, possibly in a batch."""
    while isinstance(tangent, Batch):
        tangent = tangent.payload
    return isinstance(tangent, Variable)


def run_dual(trace: DualTrace, op: Op, args: tuple, static: dict) -> tuple:
    """Run a row with nested programs on dual numbers: values and tangents together, or linearised for a tape."""
    if not any(is_recorded(arg.tangent) for arg in args if owns(trace, arg, Dual)):
        return _run_lifted(trace, DualLift(), op, args, static)
    if op.linearise is None:
        return op.expand(*args, **static)  # type: ignore[misc]
    primals, tangents = zip(*map(trace.unpack, args))
    outs, dots = op.linearise(primals, tangents, _SELF, **static)  # type: ignore[misc]
    return tuple(out if dot is None else Dual(trace, out, dot) for out, dot in zip(outs, dots))


def run_batch(trace: BatchTrace, op: Op, args: tuple, static: dict) -> tuple:
    """Run a row with nested programs on a batch."""
    return _run_lifted(trace, BatchLift(trace.size), op, args, static)


def run_taylor(trace: TaylorTrace, op: Op, args: tuple, static: dict) -> tuple:
    """Run a row with nested programs on polynomials, all of the lowest order among them."""
    order = min(len(arg.coefficients) for arg in args if owns(trace, arg, Taylor)) - 1
    long = [owns(trace, arg, Taylor) and len(arg.coefficients) > order + 1 for arg in args]
    cut = [Taylor(trace, arg.coefficients[: order + 1]) if flag else arg for arg, flag in zip(args, long)]
    return _run_lifted(trace, TaylorLift(order), op, tuple(cut), static)


def _run_lifted(trace: Trace, lift: Any, op: Op, args: tuple, static: dict) -> tuple:
    parts = [lift.parts(trace, arg) for arg in args]
    flags = tuple(part is not None for part in parts)
    given = [arg if part is None else part for arg, part in zip(args, parts)]
    token = STATE.set(QUIET)
    try:
        outs, found = op.lifted(given, flags, lift, _SELF, **static)  # type: ignore[misc]
    finally:
        STATE.reset(token)
    return tuple(lift.box(trace, out) if flag else out for out, flag in zip(outs, found))


def run_tape(trace: TapeTrace, op: Op, args: tuple, static: dict) -> tuple:
    """Record a row with nested programs that is linear in the variables.

    If the row does not say so itself, it is linearised: a linear function is its own derivative, at zero as elsewhere.
    """
    mine = [owns(trace, arg, Variable) for arg in args]
    if op.transpose is not None and all(i in static.get("linear", ()) for i, flag in enumerate(mine) if flag):
        return trace.bundle(op, args, static)
    if op.linearise is None:
        return op.expand(*args, **static)  # type: ignore[misc]
    primals = [np.zeros(arg.shape, arg.dtype)[()] if flag else arg for arg, flag in zip(args, mine)]
    tangents = [arg if flag else None for arg, flag in zip(args, mine)]
    outs, dots = op.linearise(primals, tangents, _SELF, **static)  # type: ignore[misc]
    return tuple(out if dot is None else dot for out, dot in zip(outs, dots))


def pull_nested(op: Op, bars: list, args: tuple, places: list[int], static: dict) -> list:
    """Return the cotangents of the arguments in `places` of a row with nested programs."""
    return op.transpose(bars, args, places, _SELF, **static)  # type: ignore[misc]
