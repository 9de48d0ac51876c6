"""Reverse mode: record the tangents of a forward run, a linear computation, and transpose it.

The nonlinear part of the function runs in `modes.dual`. Its tangents are `Variable`s of a tape: each names the linear
op and the arguments it comes from. The result is a graph of linear equations whose coefficients are known numbers. It
can be run forwards (`push`: tangents of inputs to tangents of outputs) and, transposed, backwards (`pull`: cotangents
of outputs to cotangents of inputs), as often as wanted and for many directions at once. Only what an output depends on
is kept alive.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mixgrad.core.bind import Trace, Traced, bind
from mixgrad.core.box import Box
from mixgrad.core.naming import name_value
from mixgrad.core.op import TABLE, Kind, Op
from mixgrad.core.quiet import QUIET, STATE
from mixgrad.rules.row import (
    FLOAT64,
    NUMBERS,
    as_type,
    at_precision,
    spread,
    transpose_weighted_sum,
    weighted_sum,
)
from mixgrad.rules.shape import unbroadcast

_serial = itertools.count()
SMALL = 2**14
"""Number of elements up to which coefficients are kept during a last sweep."""


class Variable(Box):
    """The left-hand side of a linear equation ``variable = op(*args, **static)``; an input has no op."""

    __slots__ = ("_dtype", "_shape", "args", "name", "op", "serial", "static")

    def __init__(self, trace: TapeTrace, shape: tuple, dtype: np.dtype, op: Op | None, args: tuple, static: dict):
        self._trace = trace
        self._shape = shape
        self._dtype = dtype
        self.op = op
        self.args = args
        self.static = static
        self.serial = next(_serial)
        self.name = ""  # of the tangent, where the source names the value

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
        if op.kind is Kind.NESTED:
            from mixgrad.modes import programs

            return programs.run_tape(self, op, args, static)
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

    def bundle(self, op: Op, args: tuple, static: dict) -> tuple[Variable, ...]:
        """Record an equation with several results: a variable for all of them together, and one for each."""
        together = Variable(self, (), np.dtype(object), op, args, static)
        types = list(zip(op.shape(*args, **static), op.result_dtype(*args, **static)))
        return tuple(
            Variable(self, shape, dtype, _PART, (together,), {"number": number, "count": len(types)})
            for number, (shape, dtype) in enumerate(types)
        )


_PART = Op("part", Kind.LINEAR, lambda together, *, number, count: together[number])


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
    optimistic : bool
        Whether to try a sweep without strong zeros first: see `Accumulator`.
    """

    def __init__(self, trace: TapeTrace, inputs: list[Variable], outputs: list[Variable | None]) -> None:
        self.trace = trace
        self.inputs = inputs
        self.outputs = outputs
        self.equations = _equations(outputs, trace)
        self.optimistic = True

    def push(self, tangents: Sequence[Any], place: Callable[[Any], Any] | None = None) -> list[Any]:
        """Run forwards: one tangent for each input, in; one for each output, or None for zero, out.

        `place` puts other values in place of coefficients.
        """
        values = {variable.serial: tangent for variable, tangent in zip(self.inputs, tangents)}
        with np.errstate(all="ignore"):
            for variable in self.equations:
                if variable.op is not None:
                    args = [
                        values[arg.serial] if self._owns(arg) else arg if place is None else place(arg)
                        for arg in variable.args
                    ]
                    value = bind(variable.op, *args, **variable.static)
                    values[variable.serial] = name_value(value, variable.name) if variable.name else value
        return [None if output is None else values[output.serial] for output in self.outputs]

    def pull(self, cotangents: Sequence[Any], last: bool = False) -> list[Any]:
        """Run backwards: one cotangent for each output, in; one for each input, or None for zero, out.

        With `last` the tape gives up its coefficients on the way, and cannot be used again.
        """
        token = STATE.set(QUIET)
        try:
            if self.optimistic:
                try:
                    return self._sweep(cotangents, Accumulator(strict=False), last)
                except _StrongZeroNeeded:
                    pass
            return self._sweep(cotangents, Accumulator(strict=True), last)
        finally:
            STATE.reset(token)

    def _sweep(self, cotangents: Sequence[Any], bars: Accumulator, last: bool) -> list[Any]:
        for output, cotangent in zip(self.outputs, cotangents):
            if output is not None and cotangent is not None:
                bars.add(output, cotangent)
        for variable in reversed(self.equations):
            if variable.op is not None:
                bar = bars.pop(variable)
                if bar is not None:
                    if variable.name:
                        name_value(bar, variable.name.removesuffix("_dot") + "_bar")
                    if last and type(bar) is np.ndarray and bar.size > SMALL:
                        bars.become_strict(bar)  # what is given up from here on cannot be used once more
                    self._transpose(variable, bar, bars)
                if last and bars.strict:
                    variable.args = ()
        result = [bars.pop(variable) for variable in self.inputs]
        if not bars.strict:
            _require_exact(result)
        return result

    def _transpose(self, variable: Variable, bar: Any, bars: Accumulator) -> None:
        op, args, static = variable.op, variable.args, variable.static
        if op is weighted_sum:  # the most frequent one
            bars.add_products(args, bar)
            return
        if op is _PART:
            bars.collect(args[0], bar, **static)
            return
        if op.kind is Kind.NESTED:
            places = [i for i, arg in enumerate(args) if self._owns(arg)]
            if not bars.strict:
                _require_exact(bar if isinstance(bar, list) else [bar])
            from mixgrad.modes import programs

            for i, part in zip(places, programs.pull_nested(op, bar, args, places, static)):
                if part is not None:
                    bars.add(args[i], part)
            return
        if not bars.strict and not self._keeps_nan(op, args):
            _require_exact([bar])
        for i, arg in enumerate(args):
            if isinstance(arg, Variable) and arg._trace is self.trace:
                if op.accumulate is not None and bars.accumulate(op, arg, bar, args, i, static):
                    continue
                bars.add(arg, op.transpose(bar, args, i, **static))

    def _keeps_nan(self, op: Op, args: tuple) -> bool:
        """Whether the transpose leaves a nan in a cotangent a nan: boxes and rules of users may hide it."""
        foreign = [arg for arg in args if isinstance(arg, Traced) and arg._trace is not self.trace]
        return not foreign and TABLE.get(op.name) is op

    def _owns(self, arg: Any) -> bool:
        return isinstance(arg, Variable) and arg._trace is self.trace


class _StrongZeroNeeded(Exception):
    """A sweep with plain products has met a nan: it must be repeated with strong zeros."""


def _require_exact(bars: Iterable[Any]) -> None:
    """Raise _StrongZeroNeeded if there is a nan in cotangents; those in boxes have been computed with strong zeros."""
    for bar in bars:
        if type(bar) is np.float64:
            if bar != bar:
                raise _StrongZeroNeeded
        elif isinstance(bar, list):
            _require_exact(bar)
        elif bar is not None and not isinstance(bar, Traced) and np.isnan(bar).any():
            raise _StrongZeroNeeded


class Accumulator:
    """Cotangents by variable. What has been summed here is owned here, and is added to in place.

    Strong zeros cost a look at each product. Unless `strict`, plain numbers are multiplied as they are. Where strong
    zeros matter that makes a nan, and no linear op turns a nan into a number again, though it may leave it out: a
    result without a nan is what strong zeros give. Where a cotangent meets a box it must be without a nan.
    """

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self._bars: dict[int, Any] = {}
        self._owned: set[int] = set()

    def become_strict(self, bar: Any) -> None:
        """Go on with strong zeros, from `bar` and from what is here."""
        if not self.strict:
            _require_exact([bar])
            _require_exact(self._bars.values())
            self.strict = True

    def add_products(self, args: tuple, bar: Any) -> None:
        """Add to every second argument the product of `bar` and the argument before it, its weight."""
        plain = not self.strict and not isinstance(bar, Traced) and bar.dtype.kind == "f"
        for i in range(1, len(args), 2):
            weight, variable = args[i - 1], args[i]
            kind = type(weight)
            if plain and (kind in NUMBERS or (kind is np.ndarray and weight.dtype is bar.dtype)):
                if kind is int and weight in (1, -1):
                    product = bar if weight == 1 else -bar
                else:
                    product = weight * bar
                if type(product) is np.float64 and not variable._shape and variable._dtype is FLOAT64:
                    old = self._bars.get(variable.serial)
                    if old is None or type(old) is np.float64:  # `add`, without its cost
                        self._bars[variable.serial] = product if old is None else old + product
                        continue
            else:
                if plain and isinstance(weight, Traced):
                    _require_exact([bar])
                product = transpose_weighted_sum(bar, args, i)
            self.add(variable, product, type(product) is np.ndarray and product is not bar)

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
                if not self.strict and isinstance(total, Traced):
                    _require_exact([old, bar])

    def collect(self, together: Variable, bar: Any, number: int, count: int) -> None:
        """Keep the cotangent of one of several results of an equation."""
        self._bars.setdefault(together.serial, [None] * count)[number] = bar

    def accumulate(self, op: Op, variable: Variable, bar: Any, args: tuple, i: int, static: dict) -> bool:
        """Let a sparse transpose add to the sum in place: reading n elements one by one costs O(n), not O(n^2)."""
        if isinstance(bar, Traced):
            return False
        for arg in args:
            if isinstance(arg, Traced) and arg is not variable:
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
        bar = unbroadcast(bar, shape)
        if bar.shape != shape:
            bar = np.broadcast_to(bar, shape) if isinstance(bar, Traced) else spread(bar, shape)
    if bar.dtype != dtype:
        if isinstance(bar, Traced):
            return (np.real(bar) if dtype.kind != "c" else bar).astype(dtype)
        return as_type(bar, shape, dtype)
    return bar


@name_value.register
def _(value: Variable, name: str) -> Variable:
    value.name = value.name or name
    return value
