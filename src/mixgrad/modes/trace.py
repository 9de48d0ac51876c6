"""Staging: run a function on placeholders that know their shape and dtype only, and record its equations.

Any composition of the other modes can run on placeholders: the trace of a gradient is again a program.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixgrad._errors import StagingError
from mixgrad.core.bind import Trace
from mixgrad.core.box import Box
from mixgrad.core.op import Op
from mixgrad.core.program import Equation, Program, Var, type_of


class Staged(Box):
    """A placeholder for an array of a running program."""

    __slots__ = ("var",)

    def __init__(self, trace: Staging, var: Var) -> None:
        self._trace = trace
        self.var = var

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.var.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self.var.dtype

    @property
    def inner(self) -> Any:
        """Refuse: there is no value yet."""
        return self.concrete()

    def concrete(self) -> Any:
        """Refuse: there is no value yet."""
        raise StagingError(
            f"the value of an array (shape {self.shape}, {self.dtype}) is not known while a function is being traced, "
            "so it cannot decide an `if` or `while`, count a loop, be printed or become a plain number. Use np.where, "
            "or take the derivative eagerly, without mg.trace."
        )


class Staging(Trace):
    """One recording."""

    __slots__ = ("equations",)

    def __init__(self) -> None:
        super().__init__()
        self.equations: list[Equation] = []

    def input(self, value: Any, name: str = "") -> Staged:
        """Return a placeholder for an argument."""
        return Staged(self, Var(tuple(np.shape(value)), np.asarray(value).dtype, name))

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        """Record an equation; ops that are not in the table (rules of users) are run on the placeholders."""
        if op.shape is None:
            return op.value(*args, **static)
        atoms = tuple(self.unpack(arg) for arg in args)
        outs = tuple(Var(shape, dtype) for shape, dtype in type_of(op, atoms, static))
        self.equations.append(Equation(outs, op, atoms, static))
        boxes = tuple(Staged(self, out) for out in outs)
        return boxes if op.multiple else boxes[0]

    def unpack(self, value: Any) -> Any:
        """Return the variable of a placeholder; a constant as it is."""
        if isinstance(value, Staged) and value._trace is self:
            return value.var
        return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value

    def program(self, inputs: list[Staged], outputs: list, name: str) -> Program:
        """Return what has been recorded."""
        return Program(
            tuple(box.var for box in inputs),
            tuple(self.equations),
            tuple(self.unpack(output) for output in outputs),
            name,
        )
