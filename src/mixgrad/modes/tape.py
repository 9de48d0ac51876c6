"""Reverse mode: record the tangents of a forward run, a linear computation, and transpose it.

The nonlinear part of the function runs in `modes.dual`. Its tangents are `Variable`s of a tape: each names the linear
op and the arguments it comes from. The result is a graph of linear equations whose coefficients are known numbers. It
can be run forwards (`push`: tangents of inputs to tangents of outputs) and, transposed, backwards (`pull`: cotangents
of outputs to cotangents of inputs), as often as wanted and for many directions at once. Only what an output depends on
is kept alive.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from mixgrad.core.bind import Trace, Traced, bind
from mixgrad.core.box import Box
from mixgrad.core.op import Kind, Op
from mixgrad.core.quiet import QUIET, STATE
from mixgrad.rules.row import as_type, at_precision, transpose_weighted_sum, weighted_sum

_serial = itertools.count()


class Variable(Box):
    """The left-hand side of a linear equation ``variable = op(*args, **static)``; an input has no op."""

    __slots__ = ("_dtype", "_shape", "args", "op", "serial", "static")

    def __init__(self, trace: TapeTrace, shape: tuple, dtype: np.dtype, op: Op | None, args: tuple, static: dict):
        self._trace = trace
        self._shape = shape
        self._dtype = dtype
        self.op = op
        self.args = args
        self.static = static
        self.serial = next(_serial)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self._dtype


class TapeTrace(Trace):
    """The recording of the tangents of one forward run."""

    __slots__ = ()

    def input(self, value: Any) -> Variable:
        """Return a free variable for the tangent of `value`."""
        return Variable(self, value.shape, value.dtype, None, (), {})

    def process_like(self, op: Op, args: tuple, static: dict, like: Any) -> Variable:
        """Record a linear equation for the tangent of `like`."""
        return Variable(self, like.shape, like.dtype, op, args, static)

    def process(self, op: Op, args: tuple, static: dict) -> Variable:
        """Record a linear equation."""
        if op is weighted_sum:
            return Variable(self, static["shape"], static["dtype"], op, args, static)
        shape, dtype = op.shape(*args, **static), op.result_dtype(*args, **static)
        places = range(len(args)) if op.linear_in is None else op.linear_in
        if not all(i in places for i, arg in enumerate(args) if isinstance(arg, Variable) and arg._trace is self):
            raise AssertionError(f"a forward rule applies {op.name} to a tangent, in which it is not linear")
        if op.kind is not Kind.ELEMENTWISE:
            return Variable(self, shape, dtype, op, args, static)
        # Sums, products with constants and the like are weighted sums; their weights are the partial derivatives.
        pairs: list = []
        args = at_precision(args, dtype)
        for partial, arg in zip(op.partials, args):
            if isinstance(arg, Variable) and arg._trace is self:
                pairs += (partial(None, *args) if callable(partial) else partial, arg)
        return Variable(self, shape, dtype, weighted_sum, tuple(pairs), {"shape": shape, "dtype": dtype})


def _equations(outputs: Sequence[Any], trace: TapeTrace) -> list[Variable]:
    """Return the variables that `outputs` depend on, in the order of their recording."""
    waiting = [output for output in outputs if isinstance(output, Variable)]
    seen = {variable.serial: variable for variable in waiting}
    while waiting:
        for arg in waiting.pop().args:
            if type(arg) is Variable and arg._trace is trace and arg.serial not in seen:
                seen[arg.serial] = arg
                waiting.append(arg)
    return [seen[serial] for serial in sorted(seen)]


class Tape:
    """The linear map from the tangents of the inputs to those of the outputs.

    Attributes
    ----------
    inputs : list of Variable
    outputs : list of Variable or None
        None for an output that does not depend on the inputs.
    equations : list of Variable
        In the order of their recording, inputs included.
    """

    def __init__(self, trace: TapeTrace, inputs: list[Variable], outputs: list[Variable | None]) -> None:
        self.trace = trace
        self.inputs = inputs
        self.outputs = outputs
        self.equations = _equations(outputs, trace)

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """Run forwards: one tangent for each input, in; one for each output, or None for zero, out."""
        values = {variable.serial: tangent for variable, tangent in zip(self.inputs, tangents)}
        with np.errstate(all="ignore"):
            for variable in self.equations:
                if variable.op is not None:
                    args = [values[arg.serial] if self._owns(arg) else arg for arg in variable.args]
                    values[variable.serial] = bind(variable.op, *args, **variable.static)
        return [None if output is None else values[output.serial] for output in self.outputs]

    def pull(self, cotangents: Sequence[Any], last: bool = False) -> list[Any]:
        """Run backwards: one cotangent for each output, in; one for each input, or None for zero, out.

        With `last` the tape gives up its coefficients on the way, and cannot be used again.
        """
        bars = Accumulator()
        for output, cotangent in zip(self.outputs, cotangents):
            if output is not None and cotangent is not None:
                bars.add(output, cotangent)
        token = STATE.set(QUIET)
        try:
            for variable in reversed(self.equations):
                if variable.op is not None:
                    bar = bars.pop(variable)
                    if bar is not None:
                        self._transpose(variable, bar, bars)
                    if last:
                        variable.args = ()
        finally:
            STATE.reset(token)
        return [bars.pop(variable) for variable in self.inputs]

    def _transpose(self, variable: Variable, bar: Any, bars: Accumulator) -> None:
        op, args, static = variable.op, variable.args, variable.static
        if op is weighted_sum:  # the most frequent one: every second argument is a variable, the others are weights
            for i in range(1, len(args), 2):
                product = transpose_weighted_sum(bar, args, i)
                bars.add(args[i], product, type(product) is np.ndarray and product is not bar)
            return
        for i, arg in enumerate(args):
            if isinstance(arg, Variable) and arg._trace is self.trace:
                if op.accumulate is not None and bars.accumulate(op, arg, bar, args, i, static):
                    continue
                bars.add(arg, op.transpose(bar, args, i, **static))

    def _owns(self, arg: Any) -> bool:
        return isinstance(arg, Variable) and arg._trace is self.trace


class Accumulator:
    """Cotangents by variable. What has been summed here is owned here, and is added to in place."""

    def __init__(self) -> None:
        self._bars: dict[int, Any] = {}
        self._owned: set[int] = set()

    def add(self, variable: Variable, bar: Any, own: bool = False) -> None:
        """Add a cotangent to what the variable has; `own` says that it is an array that nobody else has."""
        if bar.shape != variable._shape or bar.dtype != variable._dtype:
            bar, own = fit(bar, variable._shape, variable._dtype), False
        serial = variable.serial
        old = self._bars.get(serial)
        if old is None:
            self._bars[serial] = bar
            if own:
                self._owned.add(serial)
        elif serial in self._owned and not isinstance(bar, Traced):
            np.add(old, bar, out=old)
        else:
            self._bars[serial] = total = old + bar
            if type(total) is np.ndarray:
                self._owned.add(serial)
            else:
                self._owned.discard(serial)

    def accumulate(self, op: Op, variable: Variable, bar: Any, args: tuple, i: int, static: dict) -> bool:
        """Let a sparse transpose add to the sum in place: reading n elements one by one costs O(n), not O(n^2)."""
        if isinstance(bar, Traced) or any(isinstance(arg, Traced) for arg in args if arg is not variable):
            return False
        serial = variable.serial
        total = self._bars.get(serial)
        if isinstance(total, Traced):
            return False
        if serial not in self._owned:
            owned = np.zeros(variable._shape, variable._dtype)
            if total is not None:
                owned += total
            self._bars[serial] = total = owned
            self._owned.add(serial)
        op.accumulate(total, bar, args, i, **static)
        return True

    def pop(self, variable: Variable) -> Any:
        """Return the cotangent of a variable, and forget it; None for zero."""
        return self._bars.pop(variable.serial, None)


def fit(bar: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Bring a cotangent to the shape and dtype of its primal: the transpose of broadcasting and of casting."""
    if bar.shape != shape:
        added = bar.ndim - len(shape)
        if added > 0:
            bar = bar.sum(axis=tuple(range(added)))
        stretched = tuple(i for i, n in enumerate(shape) if n == 1 and bar.shape[i] != 1)
        if stretched:
            bar = bar.sum(axis=stretched, keepdims=True)
        if bar.shape != shape:
            bar = np.broadcast_to(bar, shape)
    if bar.dtype != dtype:
        if isinstance(bar, Traced):
            return (np.real(bar) if dtype.kind != "c" else bar).astype(dtype)
        return as_type(bar, shape, dtype)
    return bar
