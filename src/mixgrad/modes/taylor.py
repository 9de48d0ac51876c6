"""Taylor mode: truncated polynomials ``c_0 + c_1 t + ... + c_p t^p``, at a cost proportional to ``p ** 2``.

The rows of the table give most of it without saying so: a linear op works on each coefficient (it is the op on a
batch), a product convolves them, and any other elementwise function follows from its partial derivatives by
``z' = sum p_i u_i'``. Only functions whose derivative needs their own value give a recurrence (`Op.series`); others say
what they are composed of (`Op.expand`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mixgrad._errors import UnsupportedError
from mixgrad.core.bind import Trace, bind
from mixgrad.core.box import Box
from mixgrad.core.op import Kind, Op
from mixgrad.core.quiet import QUIET, STATE
from mixgrad.rules import series
from mixgrad.rules.row import at_precision
from mixgrad.rules.shape import as_array


class Taylor(Box):
    """A truncated Taylor polynomial: `coefficients` has the powers of t along its first axis."""

    __slots__ = ("coefficients",)

    def __init__(self, trace: TaylorTrace, coefficients: Any) -> None:
        self._trace = trace
        self.coefficients = coefficients

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.coefficients.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self.coefficients.dtype

    @property
    def inner(self) -> Any:
        """The value one level further out."""
        return self.coefficients[0]

    def concrete(self) -> Any:
        """Return the plain NumPy value."""
        value = self.coefficients[0]
        return value.concrete() if isinstance(value, Box) else value


class TaylorTrace(Trace):
    """One run on polynomials."""

    __slots__ = ()

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        """Compute the coefficients of the result."""
        if op.kind is Kind.NESTED:
            from mixgrad.modes import programs

            return programs.run_taylor(self, op, args, static)
        varies = [isinstance(arg, Taylor) and arg._trace is self for arg in args]
        values = [arg.coefficients[0] if flag else arg for arg, flag in zip(args, varies)]
        if op.kind in (Kind.ZERO, Kind.DISCRETE):
            return bind(op, *values, **static)
        token = STATE.set(QUIET)
        try:
            if _order(args, varies) == 0:
                out = bind(op, *values, **static)
                lifted = [Taylor(self, series.lift(part, 0)) for part in (out if op.multiple else (out,))]
                return tuple(lifted) if op.multiple else lifted[0]
            if op.name == "multiply":
                return Taylor(self, self._multiply(op, args, varies, values))
            if _is_linear(op, varies):
                return Taylor(self, self._linear(op, args, varies, static))
            expanded = None if op.expand is None else op.expand(*args, **static)
            if expanded is not None:
                if isinstance(expanded, tuple):
                    return expanded
                return np.astype(expanded, op.result_dtype(*values, **static))
            return self._nonlinear(op, args, varies, values, static)
        finally:
            STATE.reset(token)

    def _nonlinear(self, op: Op, args: tuple, varies: list[bool], values: list, static: dict) -> Any:
        start = bind(op, *values, **static)
        if op.series is not None:
            lifted = [self._lift(arg, args, varies) for arg in args]
            if op.kind is Kind.ELEMENTWISE:
                lifted = [series.pad(_cast(c, start.dtype), 1 + start.ndim) for c in lifted]
            out = op.series(start, *lifted, **static)
            if op.multiple:
                return tuple(Taylor(self, part) for part in out)
            if out is not None:
                return Taylor(self, _cast(out, start.dtype))
        if op.kind is Kind.MULTILINEAR and sum(varies) == 2:
            return Taylor(self, _product(op, args, varies, static))
        if op.kind is Kind.GENERAL and op.jvp is not None:
            return self._by_forward_rule(op, args, varies, start, static)
        if op.kind is not Kind.ELEMENTWISE:
            raise UnsupportedError(f"{op.name} has no rule for Taylor polynomials with these arguments varying")
        return Taylor(self, self._from_partials(op, args, varies, start))

    def _multiply(self, op: Op, args: tuple, varies: list[bool], values: list) -> Any:
        """Multiply with strong zeros, except in the value itself."""
        start = bind(op, *values)
        if all(varies):
            out = series.multiply(args[0].coefficients, args[1].coefficients)
        else:
            moved, fixed = (args[0].coefficients, args[1]) if varies[0] else (args[1].coefficients, args[0])
            moved = series.pad(moved, 1 + start.ndim)
            out = series.product(moved, np.expand_dims(as_array(fixed), 0) if np.ndim(fixed) else fixed)
        return _cast(np.concatenate([np.expand_dims(start, 0), out[1:]]), start.dtype)

    def _linear(self, op: Op, args: tuple, varies: list[bool], static: dict) -> Any:
        """Apply a linear op to each coefficient; constants have one coefficient, the others are zero."""
        together = op.kind is Kind.LINEAR or _is_sum(op)
        places = range(len(args)) if op.linear_in is None else op.linear_in
        batched = [flag or (together and i in places) for i, flag in enumerate(varies)]
        payloads = [self._lift(arg, args, varies) if flag else arg for arg, flag in zip(args, batched)]
        return op.batch(payloads, batched, **static)

    def _lift(self, arg: Any, args: tuple, varies: list[bool]) -> Any:
        """Return the coefficients of an argument, be it constant; a number of Python takes the others' dtype."""
        if isinstance(arg, Taylor) and arg._trace is self:
            return arg.coefficients
        dtype = None if hasattr(arg, "dtype") else np.result_type(arg, *[a.dtype for a, f in zip(args, varies) if f])
        return series.lift(arg, _order(args, varies), dtype)

    def _from_partials(self, op: Op, args: tuple, varies: list[bool], start: Any) -> Any:
        """Integrate ``z' = sum_i p_i(u) u_i'``."""
        shorter = [Taylor(self, arg.coefficients[:-1]) if flag else arg for arg, flag in zip(args, varies)]
        shorter = at_precision(shorter, start.dtype)
        slope = None
        for partial, arg, flag in zip(op.partials, args, varies):
            if flag:
                weight = partial if type(partial) is int else partial(None, *shorter)
                slopes = series.derivative(arg.coefficients)
                term = series.multiply(self.unpack(weight, len(slopes) - 1), slopes)
                term = series.pad(term, 1 + start.ndim)
                slope = term if slope is None else slope + term
        return _cast(series.integral(np.broadcast_to(slope, (len(slope), *start.shape)), start), start.dtype)

    def _by_forward_rule(self, op: Op, args: tuple, varies: list[bool], start: Any, static: dict) -> Any:
        """Integrate ``z' = jvp(z, u, u')``: on polynomials of z up to a power it gives the next coefficient."""
        found = [[part] for part in (start if op.multiple else (start,))]
        slopes = [series.derivative(arg.coefficients) if flag else None for arg, flag in zip(args, varies)]
        for k in range(_order(args, varies)):
            known = tuple(Taylor(self, np.stack(coefficients)) for coefficients in found)
            shorter = [Taylor(self, arg.coefficients[: k + 1]) if flag else arg for arg, flag in zip(args, varies)]
            tangents = [None if slope is None else Taylor(self, slope[: k + 1]) for slope in slopes]
            dots = op.jvp(known if op.multiple else known[0], shorter, tangents, **static)
            for coefficients, dot in zip(found, dots if op.multiple else (dots,)):
                last = np.zeros_like(coefficients[0]) if dot is None else self.unpack(dot, k)[k] / (k + 1)
                coefficients.append(last)
        results = tuple(Taylor(self, np.stack(coefficients)) for coefficients in found)
        return results if op.multiple else results[0]

    def unpack(self, value: Any, order: int) -> Any:
        """Return the coefficients of a result; a constant has one that is not zero."""
        if isinstance(value, Taylor) and value._trace is self:
            return value.coefficients
        return series.lift(value, order)


def _order(args: tuple, varies: list[bool]) -> int:
    return min(len(arg.coefficients) for arg, flag in zip(args, varies) if flag) - 1


def _cast(coefficients: Any, dtype: np.dtype) -> Any:
    if coefficients.dtype == dtype or dtype.kind not in "fc":
        return coefficients
    return np.astype(coefficients, dtype)


def _is_sum(op: Op) -> bool:
    return op.kind is Kind.ELEMENTWISE and all(type(partial) is int for partial in op.partials)


def _is_linear(op: Op, varies: list[bool]) -> bool:
    """Whether the op is linear in what varies."""
    if op.linear_in is not None and not all(i in op.linear_in for i, flag in enumerate(varies) if flag):
        return False
    return op.kind is Kind.LINEAR or _is_sum(op) or sum(varies) == 1


def _product(op: Op, args: tuple, varies: list[bool], static: dict) -> Any:
    """Convolve the coefficients of the two arguments that vary."""
    i, j = (k for k, flag in enumerate(varies) if flag)

    def product(a: Any, b: Any) -> Any:
        payloads = list(args)
        payloads[i], payloads[j] = a, b
        return op.batch(payloads, varies, **static)

    return series.convolve(product, args[i].coefficients, args[j].coefficients)
