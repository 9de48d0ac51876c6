"""Forward mode: dual numbers ``x + x_dot eps``, with ``eps ** 2 == 0``.

A dual number carries one tangent, an array of the primal's shape. What the tangent is decides what the mode does:
an array gives one directional derivative; a box of a batch gives many directions at once, while the primal is computed
once; a box of the tape (`modes.tape`) is a variable whose linear dependence is recorded: that is reverse mode.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixgrad.core.bind import Trace, Traced, bind
from mixgrad.core.box import Box
from mixgrad.core.naming import name_value
from mixgrad.core.op import Kind, Op
from mixgrad.core.quiet import QUIET, STATE

_NESTED = Kind.NESTED


class Dual(Box):
    """A dual number: `primal` and `tangent`, of the same shape and dtype."""

    __slots__ = ("primal", "tangent")

    def __init__(self, trace: DualTrace, primal: Any, tangent: Any) -> None:
        self._trace = trace
        self.primal = primal
        self.tangent = tangent

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.primal.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self.primal.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.primal.ndim

    @property
    def inner(self) -> Any:
        """The value one level further out."""
        return self.primal

    def concrete(self) -> Any:
        """Return the plain NumPy value."""
        return self.primal.concrete() if isinstance(self.primal, Box) else self.primal

    def _describe(self) -> str:
        return f"{self.primal!r} + {self.tangent!r} eps"


class DualTrace(Trace):
    """One forward run."""

    __slots__ = ()

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        """Compute the result on primals, and its tangent by the op's forward rule."""
        if op.kind is _NESTED:
            from mixgrad.modes import programs

            return programs.run_dual(self, op, args, static)
        primals = []
        tangents = []
        plain = True
        for arg in args:
            tangent = None
            if isinstance(arg, Traced):
                if arg._trace is self:
                    arg, tangent = arg.primal, arg.tangent  # type: ignore[attr-defined]
                    plain = plain and not isinstance(arg, Traced)
                else:
                    plain = False
            primals.append(arg)
            tangents.append(tangent)
        out = op.value(*primals, **static) if plain else bind(op, *primals, **static)
        if op.jvp is None:  # piecewise constant, or no tangent space
            return out
        token = STATE.set(QUIET)
        try:
            out_dot = op.jvp(out, primals, tangents, **static)
        finally:
            STATE.reset(token)
        if not op.multiple:
            return out if out_dot is None else Dual(self, out, out_dot)
        return tuple(part if part_dot is None else Dual(self, part, part_dot) for part, part_dot in zip(out, out_dot))

    def unpack(self, value: Any) -> tuple[Any, Any]:
        """Return primal and tangent of a result of the run; the tangent is None where it does not vary."""
        if isinstance(value, Dual) and value._trace is self:
            return value.primal, value.tangent
        return value, None


@name_value.register
def _(value: Dual, name: str) -> Dual:
    name_value(value.primal, name)
    name_value(value.tangent, f"{name}_dot")
    return value
