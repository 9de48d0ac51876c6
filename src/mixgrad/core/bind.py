"""Levels, traces and `bind`, the only dispatch point of the engine.

Every run of a mode (one `jvp`, one `vjp`, one `vmap` ...) is a `Trace` with a number of its own, taken from a counter
that only grows. A value that takes part in the run is a box that names its trace. An operation on boxes belongs to the
trace with the highest number among them, the innermost one; that trace treats boxes of all others as plain values and
binds again on what it unpacks. So nesting to any depth is right, perturbations of different runs are never confused,
and there is no stack of levels: nothing is left behind by an exception, and threads do not see each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from mixgrad._errors import DerivativeError

if TYPE_CHECKING:
    from mixgrad.core.op import Op

_numbers = itertools.count(1)  # next() on it is atomic
_captor: ContextVar[Trace | None] = ContextVar("mixgrad_captor", default=None)
_captures: set[object] = set()  # empty, in any thread, most of the time: cheaper to ask than the variable


class Trace:
    """One run of one mode. Use it as a context: after the block its boxes are dead, and using one is an error.

    Attributes
    ----------
    number : int
        Larger than that of every run that has begun before, hence larger than those around this one.
    alive : bool
        False once the function under this run has returned.
    """

    __slots__ = ("alive", "number")

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.alive = True

    def __enter__(self):
        return self

    def __exit__(self, *exception: object) -> None:
        self.alive = False

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        """Run `op` on `args`, of which at least one is a box of this trace."""
        raise NotImplementedError

    def process_like(self, op: Op, args: tuple, static: dict, like: Any) -> Any:
        """Run `op`, whose result has the shape and dtype of `like`: a trace may spare itself finding them out."""
        return self.process(op, args, static)

    def dead(self) -> DerivativeError:
        """Return the error for a box that outlived its run."""
        return DerivativeError(
            f"a value of {type(self).__name__} number {self.number} is used after the function it belongs to has "
            "returned. It was probably stored in a global variable, an attribute or a closure. Return it from the "
            "function instead (for values that are not differentiated: has_aux=True), or store "
            "mg.stop_gradient(value)."
        )


@contextmanager
def captured_by(trace: Trace) -> Iterator[None]:
    """Let `trace` have all operations on boxes of runs around it, too: they belong to a block that it records."""
    key = object()
    _captures.add(key)
    token = _captor.set(trace)
    try:
        yield
    finally:
        _captor.reset(token)
        _captures.discard(key)


class Traced:
    """A value that takes part in a run: it names its trace. `box.Box` gives it the behaviour of an array."""

    __slots__ = ("_trace",)
    _trace: Trace
    shape: Any
    dtype: Any

    @property
    def inner(self) -> Any:
        """The value one level further out."""
        raise NotImplementedError

    def settled(self) -> Any:
        """Return the present value, which no later assignment changes: an immutable box is that itself."""
        return self


def innermost(args: Any) -> Trace | None:
    """Return the innermost run among boxes, which must be alive; None if there is no box."""
    top = None
    for arg in args:
        if isinstance(arg, Traced):
            trace = arg._trace
            if top is None or trace.number > top.number:
                top = trace
    if top is not None and not top.alive:
        raise top.dead()
    return top


def bind(op: Op, *args: Any, **static: Any) -> Any:
    """Apply `op` to positional arrays and keyword-only static data: NumPy at once, or through the innermost trace."""
    top = None  # as in `innermost`, without its frame
    for arg in args:
        if isinstance(arg, Traced):
            trace = arg._trace
            if top is None or trace.number > top.number:
                top = trace
    if top is None:
        return op.value(*args, **static)
    if not top.alive:
        raise top.dead()
    if _captures:
        captor = _captor.get()
        if captor is not None and captor.number > top.number:
            top = captor
    return top.process(op, args, static)


def bind_like(like: Any, op: Op, args: tuple, static: dict) -> Any:
    """Bind an op whose result is known to have the shape and dtype of `like`: a tangent those of its primal."""
    top = innermost(args)
    return op.value(*args, **static) if top is None else top.process_like(op, args, static, like)
