"""Nested programs, from the side of the rows that hold them: what `branch` and `loop` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixgrad._errors import ProgramError
from mixgrad.core.program import Program, Var, fits


def atom(value: Any) -> Any:
    """Return a number of Python as one that knows its type."""
    return value if hasattr(value, "dtype") else np.asarray(value)[()]


def typed_like(value: Any, like: Any) -> Any:
    """Return a number of Python in the dtype of what it is used as."""
    return value if hasattr(value, "dtype") else np.asarray(value, like.dtype)[()]


def zeros_like(like: Any) -> Any:
    """Return zeros of a shape and dtype."""
    return np.zeros(like.shape, like.dtype)[()]


def var_like(value: Any, suffix: str = "") -> Var:
    """Return a variable for a value such as this one."""
    name = getattr(value, "name", "")
    return Var(tuple(value.shape), value.dtype, f"{name}{suffix}" if name else "")


def with_parts(program: Program, inputs: Sequence[Var] | None = None, outputs: Sequence[Any] | None = None) -> Program:
    """Return a program with other inputs (the same ones in another order, and more) or outputs."""
    return Program(
        program.inputs if inputs is None else tuple(inputs),
        program.equations,
        program.outputs if outputs is None else tuple(outputs),
        program.name,
    )


def pruned(program: Program) -> Program:
    """Return a program without the equations that no output depends on."""
    needed = {id(out) for out in program.outputs if isinstance(out, Var)}
    kept = []
    for equation in reversed(program.equations):
        if any(id(out) in needed for out in equation.outs):
            kept.append(equation)
            needed.update(id(arg) for arg in equation.variables())
    return Program(program.inputs, tuple(reversed(kept)), program.outputs, program.name)


def regroup(outs: Sequence[Any], flags: Sequence[bool], widths: Sequence[int]) -> list:
    """Return the results of a lifted program, with the parts of each value in a tuple."""
    rest = iter(outs)
    return [tuple(next(rest) for _ in range(n)) if flag else next(rest) for flag, n in zip(flags, widths)]


def distribute(values: Sequence[Any], flags: Sequence[bool]) -> list:
    """Return the next value for each flag that is set, and None for the others."""
    rest = iter(values)
    return [next(rest) if flag else None for flag in flags]


def spread(args: Sequence[Any], flags: Sequence[bool], linear: Sequence[int]) -> tuple[list, tuple[int, ...]]:
    """Return the parts of all arguments in a row, and where those of the linear ones are."""
    moved: list = []
    places: list[int] = []
    for i, (arg, flag) in enumerate(zip(args, flags)):
        parts = arg if flag else (arg,)
        if i in linear:
            places += range(len(moved), len(moved) + len(parts))
        moved += parts
    return moved, tuple(places)


def aligned(flag: Any, like: Any) -> Any:
    """Return one truth value for each member of a batch, in a shape that broadcasts against `like`."""
    return np.reshape(flag, flag.shape + (1,) * (np.ndim(like) - 1))


def kind_of(value: Any) -> tuple:
    """Return shape and dtype."""
    value = atom(value)
    return tuple(value.shape), value.dtype


def same_kind(a: tuple, b: tuple) -> bool:
    """Whether shapes and dtypes are the same, lengths that are not known yet apart."""
    return fits(a[0], b[0]) and a[1] == b[1]


def check_inputs(what: str, program: Program, args: Sequence[Any]) -> None:
    """Refuse arguments that do not fit a nested program."""
    if len(program.inputs) != len(args):
        raise ProgramError(f"{what}: {program.name} takes {len(program.inputs)} values, is given {len(args)}")
    for var, arg in zip(program.inputs, args):
        if not same_kind(kind_of(typed_like(arg, var)), (var.shape, var.dtype)):
            raise ProgramError(
                f"{what}: {program.name} takes {var.name or 'a value'} of the type {(var.shape, var.dtype)}, is given "
                f"{kind_of(arg)}"
            )


def check_memory(memory: Any, what: str) -> None:
    """Refuse a number of states that cannot be kept."""
    if isinstance(memory, bool) or not isinstance(memory, (int, np.integer)) or memory < 1:
        raise ProgramError(
            f"{what}: memory= is the number of states of a loop that reverse mode may keep at a time, expected an "
            f"integer, at least 1, got {memory!r}"
        )
