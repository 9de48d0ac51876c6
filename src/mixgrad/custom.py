"""Rules of the user's own: `custom_jvp`, `custom_vjp`.

A rule is given once, for one mode, and serves all: forward and reverse mode, any order, batches and Taylor polynomials.
A function with a rule becomes an op, made anew for each call, that is not in the table. From a forward rule the reverse
one follows by linearise-and-transpose. From a reverse rule, a linear function of the cotangents, the forward one
follows by transposing that function: record it on a tape, pull the tangents through.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mixgrad._arguments import can_vary
from mixgrad._errors import DerivativeError, ShapeError
from mixgrad._tree import LEAF, Structure, flatten
from mixgrad.core.bind import Traced, bind
from mixgrad.core.op import Kind, Op
from mixgrad.modes.batch import Batch, BatchTrace
from mixgrad.modes.tape import Tape, TapeTrace, Variable
from mixgrad.modes.taylor import Taylor
from mixgrad.rules import series
from mixgrad.rules.shape import as_array

# Calls ----------------------------------------------------------------------------------------------------------------


class Call:
    """One call of a function with a rule: which leaves of its arguments can vary, and how to put them back."""

    def __init__(self, args: tuple) -> None:
        self.leaves, self.structure = flatten(args)
        self.places = [i for i, leaf in enumerate(self.leaves) if can_vary(leaf)]
        self.out_structure: Structure = LEAF

    def varying(self) -> list:
        """Return the leaves that can vary, as arrays."""
        return [as_array(self.leaves[i])[()] for i in self.places]

    def run(self, op: Op) -> Any:
        """Apply the op that was made for this call; return what the function would."""
        out = op(*self.varying())
        return self.out_structure.unflatten(list(out))

    def rebuild(self, values: Sequence[Any], others: Callable[[Any], Any] = lambda leaf: leaf) -> tuple:
        """Return arguments with `values` in place of the leaves that can vary."""
        leaves = [others(leaf) for leaf in self.leaves]
        for place, value in zip(self.places, values):
            leaves[place] = value
        return self.structure.unflatten(leaves)

    def outputs(self, out: Any, name: str, args: Sequence[Any]) -> list:
        """Take apart what the function returned."""
        leaves, self.out_structure = flatten(out)
        newest = max((arg._trace.number for arg in args if isinstance(arg, Traced)), default=0)
        for leaf in leaves:
            if isinstance(leaf, Traced) and leaf._trace.number > newest:
                raise DerivativeError(
                    f"{name} has a rule of its own and uses a differentiated value that is not among its arguments (a "
                    "variable of an enclosing function). Its derivative would be lost: pass the value as an argument."
                )
        return [as_array(leaf)[()] for leaf in leaves]


def positional(fun: Callable, args: tuple, kwargs: dict) -> tuple:
    """Return the arguments of a call by position."""
    if not kwargs:
        return args
    bound = inspect.signature(fun).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def _make_op(name: str, value: Callable, jvp: Callable) -> Op:
    """Return an op of several results from its value on leaves and its forward rule on leaves."""

    def batch(args: list, batched: list) -> tuple:
        in_batch = functools.partial(_in_batch, size=_length(args, batched))
        return _make_op(
            name,
            lambda *xs: in_batch(value, xs, batched),
            lambda out, xs, tangents: in_batch(
                lambda *parts: jvp(
                    parts[: len(out)], parts[len(out) : len(out) + len(xs)], parts[len(out) + len(xs) :]
                ),
                (*out, *xs, *tangents),
                [True] * len(out) + batched * 2,
            ),
        )(*args)

    def expand(*args: Any) -> tuple:
        """Integrate z' = (forward rule at u) u'; the rule meets polynomials one order lower."""
        flags = [isinstance(arg, Taylor) for arg in args]
        newest = max((arg for arg, flag in zip(args, flags) if flag), key=lambda arg: arg._trace.number)
        trace = newest._trace
        flags = [flag and arg._trace is trace for arg, flag in zip(args, flags)]
        start = bind(op, *[arg.coefficients[0] if flag else arg for arg, flag in zip(args, flags)])
        lower = [Taylor(trace, arg.coefficients[:-1]) if flag else arg for arg, flag in zip(args, flags)]
        slopes = [
            Taylor(trace, series.derivative(arg.coefficients)) if flag else None for arg, flag in zip(args, flags)
        ]
        dots = op.jvp(op(*lower), lower, slopes)  # type: ignore[misc]
        order = len(newest.coefficients) - 2
        return tuple(
            z if dot is None else Taylor(trace, series.integral(trace.unpack(dot, order), z))
            for z, dot in zip(start, dots)
        )

    def filled(out: tuple, args: Sequence[Any], tangents: Sequence[Any]) -> tuple:
        zeros = [np.zeros(arg.shape, arg.dtype) if dot is None else dot for arg, dot in zip(args, tangents)]
        return tuple(jvp(tuple(out), tuple(args), tuple(zeros)))

    op = Op(name, Kind.GENERAL, value, filled, batch=batch, expand=expand, multiple=True)
    return op


def _length(args: Sequence[Any], batched: Sequence[bool]) -> int:
    return next(len(arg) for arg, flag in zip(args, batched) if flag)


def _in_batch(function: Callable, args: Sequence[Any], batched: Sequence[bool], size: int) -> tuple:
    """Run a function of leaves on a batch; its results come with the batch as their first axis."""
    with BatchTrace(size) as trace:
        out = function(*[Batch(trace, arg) if flag else arg for arg, flag in zip(args, batched)])
        return tuple(None if part is None else trace.unpack(part) for part in out)


# Forward rules --------------------------------------------------------------------------------------------------------


class custom_jvp:
    """Give a function a forward rule of its own; every other mode follows from it.

    Parameters
    ----------
    fun : callable
        The function. Arguments that are not made of floats are passed to the rule as they are.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> @mg.custom_jvp
    ... def log1pexp(x):
    ...     return np.logaddexp(0.0, x)
    >>> @log1pexp.defjvp
    ... def _(primals, tangents):
    ...     (x,), (x_dot,) = primals, tangents
    ...     return log1pexp(x), x_dot / (1 + np.exp(-x))
    >>> float(mg.grad(log1pexp)(0.0))
    0.5
    """

    def __init__(self, fun: Callable) -> None:
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.rule: Callable | None = None

    def defjvp(self, rule: Callable, check: Sequence[Any] | None = None) -> Callable:
        """Set the rule.

        Parameters
        ----------
        rule : callable
            ``rule(primals, tangents)`` takes two tuples and returns the value and its tangent, linear in the tangents.
        check : tuple, optional
            Arguments at which the rule is compared with difference quotients, at once.

        Returns
        -------
        callable
            The rule itself, so that this serves as a decorator.
        """
        self.rule = rule
        _check(self, check)
        return rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        args = positional(self.fun, args, kwargs)
        call = Call(args)
        if not any(isinstance(leaf, Traced) for leaf in call.leaves):
            return self.fun(*args)
        name = getattr(self.fun, "__name__", "f")
        rule = self.rule
        if rule is None:
            raise DerivativeError(f"{name} is a custom_jvp without a rule. Set one by @{name}.defjvp.")

        def value(*xs: Any) -> tuple:
            return tuple(call.outputs(self.fun(*call.rebuild(xs)), name, xs))

        def jvp(out: tuple, xs: tuple, tangents: tuple) -> list:
            result = rule(call.rebuild(xs), call.rebuild(tangents, _zero_tangent))
            if not isinstance(result, tuple) or len(result) != 2:
                raise DerivativeError(f"the rule of {name} must return (value, tangent), got {type(result).__name__}")
            return _fitting(flatten(result[1])[0], out, f"the rule of {name} must return a tangent for each output")

        return call.run(_make_op(name, value, jvp))


def _zero_tangent(leaf: Any) -> Any:
    """Return the tangent of an argument without a tangent space."""
    return np.zeros(np.shape(leaf))[()] if isinstance(leaf, (int, np.ndarray, np.generic)) else None


def _fitting(leaves: list, primals: Sequence[Any], what: str) -> list:
    if len(leaves) != len(primals) or any(np.shape(leaf) != np.shape(x) for leaf, x in zip(leaves, primals)):
        raise ShapeError(
            f"{what}, of shapes {[np.shape(x) for x in primals]}; got {[np.shape(leaf) for leaf in leaves]}"
        )
    return [as_array(leaf) for leaf in leaves]


def _check(fun: Callable, args: Sequence[Any] | None) -> None:
    if args is not None:
        from mixgrad.testing import check_grads

        check_grads(fun, tuple(args), order=1)


# Reverse rules --------------------------------------------------------------------------------------------------------


class custom_vjp:
    """Give a function a reverse rule of its own; every other mode follows from it.

    Parameters
    ----------
    fun : callable
        The function. Arguments that are not made of floats get no cotangent: the rule returns None for them.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> @mg.custom_vjp
    ... def clipped_gradient(x):
    ...     return x
    >>> clipped_gradient.defvjp(lambda x: (x, None), lambda _, bar: (np.clip(bar, -1.0, 1.0),))
    >>> float(mg.grad(lambda x: 5 * clipped_gradient(x))(2.0))
    1.0
    """

    def __init__(self, fun: Callable) -> None:
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.forward: Callable | None = None
        self.backward: Callable | None = None

    def defvjp(self, forward: Callable, backward: Callable, check: Sequence[Any] | None = None) -> None:
        """Set the rule.

        Parameters
        ----------
        forward : callable
            ``forward(*args)`` returns the value and whatever `backward` needs.
        backward : callable
            ``backward(kept, out_bar)`` returns a tuple with a cotangent for each argument, or None for zero. It is
            linear in `out_bar`.
        check : tuple, optional
            Arguments at which the rule is compared with difference quotients, at once.
        """
        self.forward, self.backward = forward, backward
        _check(self, check)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        args = positional(self.fun, args, kwargs)
        call = Call(args)
        if not any(isinstance(leaf, Traced) for leaf in call.leaves):
            return self.fun(*args)
        name = getattr(self.fun, "__name__", "f")
        if self.forward is None or self.backward is None:
            raise DerivativeError(
                f"{name} is a custom_vjp without a rule. Set one by {name}.defvjp(forward, backward)."
            )
        rule = _ReverseRule(name, call, self.forward, self.backward)
        return call.run(_make_op(name, rule.value, rule.jvp))


class _ReverseRule:
    """The rule of one call of a `custom_vjp`, on leaves."""

    def __init__(self, name: str, call: Call, forward: Callable, backward: Callable) -> None:
        self.name = name
        self.call = call
        self.forward = forward
        self.backward = backward
        self.kept: list | None = None  # what the forward part kept, when it has run on plain arrays
        self.kept_structure: Structure = LEAF

    def value(self, *xs: Any) -> tuple:
        """Run the forward part."""
        result = self.forward(*self.call.rebuild(xs))
        if not isinstance(result, tuple) or len(result) != 2:
            raise DerivativeError(
                f"the forward part of the rule of {self.name} must return (value, kept), got {type(result).__name__}"
            )
        self.kept, self.kept_structure = flatten(result[1])
        return tuple(self.call.outputs(result[0], self.name, xs))

    def jvp(self, out: tuple, xs: tuple, tangents: tuple) -> list:
        """Return the tangents of the outputs."""
        if self.kept is None or any(isinstance(x, Traced) for x in xs):
            self.value(*xs)  # further out, what is kept varies, too: here it comes from the boxes of this level
        kept, self.kept = self.kept or [], None
        arrays = [leaf for leaf in kept if can_vary(leaf)]
        others = [None if can_vary(leaf) else leaf for leaf in kept]
        linear = _LinearRule(self, others, [_template(x) for x in xs], [_template(y) for y in out])
        packed = _pack(tangents)
        dots = bind(linear.op(), packed, *arrays) if _is_recorded(packed) else linear.forward(packed, *arrays)
        return _unpack(dots, linear.outs)

    def pull(self, kept: list, bars: Sequence[Any], inputs: list) -> list:
        """Call the backward part; return a cotangent for each argument that can vary."""
        out_bar = self.call.out_structure.unflatten(list(bars))
        return self.leaves_of(self.backward(self.kept_structure.unflatten(kept), out_bar), inputs)

    def leaves_of(self, result: Any, inputs: list) -> list:
        """Check what the backward part returned, and take it apart."""
        arguments = self.call.rebuild(range(len(self.call.places)), lambda leaf: None)
        if not isinstance(result, tuple) or len(result) != len(arguments):
            raise DerivativeError(
                f"the backward part of the rule of {self.name} must return a tuple of {len(arguments)} cotangents, one "
                f"for each argument, got {type(result).__name__}"
            )
        found: list = [None] * len(inputs)
        for bar, argument in zip(result, arguments):
            numbers = flatten(argument)[0]
            if bar is None or not numbers:
                continue
            what = f"the backward part of the rule of {self.name} must return cotangents like the arguments"
            for number, leaf in zip(numbers, _fitting(flatten(bar)[0], [inputs[n] for n in numbers], what)):
                found[number] = leaf
        return [np.zeros(x.shape, x.dtype) if bar is None else bar for bar, x in zip(found, inputs)]


def _template(x: Any) -> np.ndarray:
    """Return an array of the shape and dtype of `x` that takes no memory."""
    return np.broadcast_to(np.zeros((), x.dtype), x.shape)


class _LinearRule:
    """The linear map of tangents whose transpose is a user's `backward`; tangents are packed into one vector."""

    def __init__(self, rule: _ReverseRule, others: list, xs: list, outs: list) -> None:
        self.rule = rule
        self.others = others  # what was kept and is no array of floats
        self.xs = xs
        self.outs = outs

    def backward(self, out_bar: Any, *kept: Any) -> Any:
        """Return the packed cotangents of the arguments."""
        rest = iter(kept)
        leaves = [next(rest) if leaf is None else leaf for leaf in self.others]
        return _pack(self.rule.pull(leaves, _unpack(out_bar, self.outs), self.xs))

    def forward(self, packed: Any, *kept: Any) -> Any:
        """Transpose `backward`: record it as a function of the cotangent and pull the tangent through."""
        size = sum(math.prod(y.shape) for y in self.outs)
        with TapeTrace() as trace:
            out_bar = trace.input(np.broadcast_to(np.zeros((), np.result_type(*self.outs)), (size,)))
            bars = self.backward(out_bar, *kept)
        if not isinstance(bars, Variable):
            return np.zeros(out_bar.shape, out_bar.dtype)
        (dots,) = Tape(trace, [out_bar], [bars]).pull([packed])
        return np.zeros(out_bar.shape, out_bar.dtype) if dots is None else dots

    def op(self) -> Op:
        """Return the op that a tape records."""
        return _linear_op(self.rule.name, self.forward, self.backward, sum(math.prod(y.shape) for y in self.outs))


def _linear_op(name: str, forward: Callable, backward: Callable, size: int) -> Op:
    def batch(args: list, batched: list) -> Any:
        n = _length(args, batched)

        def run(function: Callable) -> Callable:
            return lambda *parts: _in_batch(lambda *boxes: (function(*boxes),), parts, [True, *batched[1:]], n)[0]

        moved = args[0] if batched[0] else np.broadcast_to(args[0], (n, *args[0].shape))
        return bind(_linear_op(name, run(forward), run(backward), size), moved, *args[1:])

    return Op(
        f"linear part of {name}",
        Kind.LINEAR,
        forward,
        transpose=lambda out_bar, args, i: backward(out_bar, *args[1:]),
        batch=batch,
        shape=lambda packed, *kept: (*packed.shape[:-1], size),
        dtype=lambda packed, *kept: packed.dtype,
        linear_in=(0,),
    )


def _is_recorded(x: Any) -> bool:
    while isinstance(x, Batch):
        x = x.payload
    return isinstance(x, Variable)


def _pack(leaves: Sequence[Any]) -> Any:
    return np.concatenate([np.reshape(leaf, (-1,)) for leaf in leaves])


def _unpack(packed: Any, templates: list) -> list:
    parts = []
    start = 0
    for x in templates:
        size = math.prod(x.shape)
        parts.append(np.astype(packed[start : start + size].reshape(x.shape), x.dtype))
        start += size
    return parts
