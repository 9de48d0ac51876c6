"""Modes that run the same computation on another payload: what stands for a value of a program.

A dual number is a pair of arrays; a batch and a polynomial are arrays with one more axis. The rules of loops and
branches (`rules.control`) need to know no more about a mode than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad.core.bind import Trace
from mixgrad.core.program import Var
from mixgrad.modes.batch import Batch, BatchTrace
from mixgrad.modes.dual import Dual, DualTrace
from mixgrad.modes.taylor import Taylor, TaylorTrace
from mixgrad.rules import series


@dataclass(frozen=True)
class DualLift:
    """Dual numbers: a value is a pair of primal and tangent."""

    axis = 0  # the axis of a part along which the first axis of the value lies

    def trace(self) -> DualTrace:
        """Begin a run."""
        return DualTrace()

    def types(self, var: Any) -> tuple[Var, ...]:
        """Return what the parts of a value are like."""
        return Var(var.shape, var.dtype, getattr(var, "name", "")), Var(var.shape, var.dtype, named(var, "dot"))

    def box(self, trace: Any, parts: Sequence[Any]) -> Dual:
        """Return the value of these parts."""
        return Dual(trace, *parts)

    def parts(self, trace: Any, value: Any) -> tuple | None:
        """Return the parts of a value; None if it is a constant of the run."""
        return (value.primal, value.tangent) if owns(trace, value, Dual) else None

    def full(self, value: Any) -> tuple:
        """Return the parts of a constant."""
        return value, np.zeros(value.shape, value.dtype)[()]


@dataclass(frozen=True)
class BatchLift:
    """Batches: a value is an array with the members along its first axis."""

    size: int
    axis = 1

    def trace(self) -> BatchTrace:
        """Begin a run."""
        return BatchTrace(self.size)

    def types(self, var: Any) -> tuple[Var, ...]:
        """Return what the parts of a value are like."""
        return (Var((self.size, *var.shape), var.dtype, getattr(var, "name", "")),)

    def box(self, trace: Any, parts: Sequence[Any]) -> Batch:
        """Return the value of these parts."""
        return Batch(trace, *parts)

    def parts(self, trace: Any, value: Any) -> tuple | None:
        """Return the parts of a value; None if it is a constant of the run."""
        return (value.payload,) if owns(trace, value, Batch) else None

    def full(self, value: Any) -> tuple:
        """Return the parts of a constant."""
        return (np.broadcast_to(value, (self.size, *value.shape)),)


@dataclass(frozen=True)
class TaylorLift:
    """Truncated polynomials: a value is an array with the coefficients along its first axis."""

    order: int
    axis = 1

    def trace(self) -> TaylorTrace:
        """Begin a run."""
        return TaylorTrace()

    def types(self, var: Any) -> tuple[Var, ...]:
        """Return what the parts of a value are like."""
        return (Var((self.order + 1, *var.shape), var.dtype, getattr(var, "name", "")),)

    def box(self, trace: Any, parts: Sequence[Any]) -> Taylor:
        """Return the value of these parts."""
        return Taylor(trace, *parts)

    def parts(self, trace: Any, value: Any) -> tuple | None:
        """Return the parts of a value; None if it is a constant of the run."""
        return (value.coefficients,) if owns(trace, value, Taylor) else None

    def full(self, value: Any) -> tuple:
        """Return the parts of a constant."""
        return (series.lift(value, self.order),)


def owns(trace: Trace, value: Any, kind: type) -> bool:
    """Whether a value is a box of this run."""
    return isinstance(value, kind) and value._trace is trace


def named(var: Any, suffix: str) -> str:
    """Return the name of what belongs to a variable: its tangent, its cotangent."""
    name = getattr(var, "name", "")
    return f"{name}_{suffix}" if name else ""
