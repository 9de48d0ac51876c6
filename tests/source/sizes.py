"""The size of a program, and what it is made of."""

from __future__ import annotations

from typing import Any

from mixgrad.core.program import Program


def size(program: Program) -> int:
    """Return the number of equations, those of nested programs included."""
    return len(ops(program))


def ops(program: Program) -> list[str]:
    """Return the names of the ops of all equations, those of nested programs included."""
    names = []
    for equation in program.equations:
        names.append(equation.op.name)
        for value in equation.static.values():
            names += _nested(value)
    return names


def _nested(value: Any) -> list[str]:
    if isinstance(value, Program):
        return ops(value)
    return [name for part in value for name in _nested(part)] if isinstance(value, (tuple, list)) else []
