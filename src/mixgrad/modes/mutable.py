"""Arrays with item assignment, inside functions that are differentiated.

A `Mutable` behaves as a NumPy array does, ``y[i] = v``, ``y += v`` and views that write through included, and holds its
present content: a plain array, or an immutable box of any other mode. A write replaces the content by a functional
update of it. Where everything is plain, NumPy itself does the work, in place as far as nobody else holds the array.

`MutableTrace` is always the innermost run: its operations unpack their arguments first, so no box of another mode ever
holds a `Mutable`, and a write is never missed by a derivative. What functions of NumPy mean that make views or write is
in `modes.mutable_numpy`, arrays are created in `modes.creation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from mixgrad.core.bind import Trace, Traced, bind
from mixgrad.core.op import Op
from mixgrad.modes.assignment import has_traced
from mixgrad.modes.mutable_array import Mutable
from mixgrad.modes.twins import Stale, Twins

_INNERMOST = 2**62  # above the numbers of all other modes, of runs that begin later, too

_active: ContextVar[MutableTrace | None] = ContextVar("mixgrad_mutable", default=None)


class MutableTrace(Trace):
    """One run of a function whose arrays can be written to.

    It is never over: what is stored somewhere stays an array. The boxes of other modes in it know when they are dead.
    """

    __slots__ = ("born", "twins", "watch")

    def __init__(self) -> None:
        super().__init__()
        self.number += _INNERMOST
        self.born = 0  # how many arrays there have been
        self.watch: _Watch | None = None
        self.twins: Twins | None = None

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        """Run the op on the contents."""
        result = bind(op, *self.lend(args), **static)
        return tuple(map(self.result, result)) if op.multiple else self.result(result)

    def result(self, value: Any) -> Any:
        """Make a new array mutable."""
        return Mutable(self, value, shared=True) if np.ndim(value) else value

    def owns(self, value: Any) -> bool:
        """Whether a value is a mutable array."""
        return type(value) is Mutable

    def wrap(self, tree: Any, known: dict[int, Any] | None = None) -> Any:
        """Make the arrays in tuples, lists and dicts mutable; a container without arrays stays the same object.

        An array that comes twice is the same mutable array twice. Arrays of the user's are never written to.
        """
        known = {} if known is None else known
        if isinstance(tree, Traced) or type(tree) is np.ndarray:
            if not tree.shape or self.owns(tree):
                return tree
            if id(tree) not in known:
                known[id(tree)] = Mutable(self, tree, shared=True)
                known[id(tree)].writeable = isinstance(tree, Traced) or tree.flags.writeable
            return known[id(tree)]
        return _map(lambda part: self.wrap(part, known), tree)

    def peek(self, tree: Any) -> Any:
        """Return the contents, for use at once."""
        if type(tree) is Mutable:
            return tree.read()
        return _map(self.peek, tree)

    def lend(self, tree: Any) -> Any:
        """Return the contents, for whoever keeps them: those that are plain arrays will not change any more."""
        if type(tree) is Mutable:
            content = tree.lend()
            if self.twins is not None and type(content) is Stale:
                raise content.error()  # a mode that never looks at it must not take it for a constant
            return content
        return _map(self.lend, tree)

    def contents(self, tree: Any) -> tuple[Any, bool]:
        """Return the contents, and whether all are plain. If not, they are lent: boxes keep what they meet."""
        inside = self.peek(tree)
        return (self.lend(tree), False) if has_traced(inside) else (inside, True)

    def apply(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        """Call a function of NumPy that writes nothing, except into `out`."""
        out = kwargs.get("out")
        if out is not None and self.owns(out):
            return self._apply_into(out, function, args, {key: value for key, value in kwargs.items() if key != "out"})
        (args, kwargs), plain = self.contents((args, kwargs))
        result = function(*args, **kwargs)
        if not plain:
            return self.wrap(result)
        return self.fresh(result.copy() if any(result is arg for arg in args) else result)

    def _apply_into(self, out: Mutable, function: Callable, args: tuple, kwargs: dict) -> Mutable:
        out.check_writeable("output array is read-only")
        (args, kwargs), plain = self.contents((args, kwargs))
        if plain and out.is_plain():
            function(*args, **kwargs, out=out.own())
        else:
            out.store(function(*args, **kwargs), f"output of {getattr(function, '__name__', 'function')}")
        return out

    def fresh(self, result: Any) -> Any:
        """Make a plain result mutable. Parts of arguments are copied: views have rules of their own."""
        if type(result) is np.ndarray:
            return Mutable(self, result.copy() if result.base is not None else result) if result.ndim else result
        return _map(self.fresh, result)


def _map(function: Callable, tree: Any) -> Any:
    """Apply a function to the entries of a tuple, list or dict; without a change return the same object."""
    if isinstance(tree, (list, tuple)):
        new: Any = [function(part) for part in tree]
        if all(a is b for a, b in zip(new, tree)):
            return tree
        return tree._make(new) if hasattr(tree, "_make") else type(tree)(new)  # type: ignore[attr-defined]
    if type(tree) is dict:
        new = {key: function(part) for key, part in tree.items()}
        return tree if all(new[key] is tree[key] for key in tree) else new
    return tree


@contextmanager
def mutable_run() -> Iterator[tuple[MutableTrace, bool]]:
    """Give the run of mutable arrays of this thread, and whether it begins here: what is inside shares it."""
    trace = _active.get()
    if trace is not None:
        yield trace, False
        return
    trace = MutableTrace()
    token = _active.set(trace)
    try:
        yield trace, True
    finally:
        _active.reset(token)


def call(function: Callable, args: tuple, kwargs: dict) -> Any:
    """Call a function with its arrays mutable; the outermost such call returns plain arrays or boxes of other modes."""
    with mutable_run() as (trace, begins):
        args, kwargs = trace.wrap((args, kwargs))
        result = function(*args, **kwargs)
        return trace.lend(result) if begins else trace.wrap(result)


class _Watch:
    """Notices each write: the first one to each array that is older than itself, and those to arrays with twins."""

    def __init__(self, trace: MutableTrace, born: int) -> None:
        self.trace = trace
        self.born = born
        self.written: dict[int, tuple[Mutable, Any]] = {}
        self.views: list[Mutable] = []  # that have been read again, by equations of a block

    def notice(self, base: Mutable) -> None:
        """Keep the content that an array has before it is written to."""
        if base._born <= self.born and id(base) not in self.written:
            base._shared = True
            self.written[id(base)] = base, base._content
        if self.trace.twins is not None:
            for twin, why in self.trace.twins.of(base):
                exchange(twin, Stale(twin.shape, twin.dtype, why))

    def refreshed(self, view: Mutable) -> None:
        """Note that a view has got its content again: that belongs to the block."""
        if self.born >= 0:
            self.views.append(view)


@contextmanager
def watched_writes() -> Iterator[dict[int, tuple[Mutable, Any]]]:
    """Give the arrays from before that are written to inside, with the contents that they had."""
    trace = _active.get()
    assert trace is not None
    before = trace.watch
    trace.watch = watch = _Watch(trace, trace.born)
    try:
        yield watch.written
    finally:
        for view in watch.views:
            view._version = -1
        trace.watch = _Watch(trace, -1) if before is None and trace.twins is not None else before


def exchange(array: Mutable, content: Any) -> None:
    """Replace the content of an array as a recording does: no statement of the user's writes to it."""
    twins, array._trace.twins = array._trace.twins, None
    try:
        array.content = content
    finally:
        array._trace.twins = twins


def twins_of(array: Mutable) -> list[Mutable]:
    """Return the arrays that may be the same as one, or views of the same."""
    twins = array._trace.twins
    return [] if twins is None else [twin for twin, _ in twins.of(array.base)]


def link(one: Mutable, other: Mutable, why: str) -> None:
    """Note that two arrays may be the same, or views of the same, which depends on what `why` says."""
    trace = one._trace
    if trace.twins is None:
        trace.twins = Twins()
    if trace.watch is None:
        trace.watch = _Watch(trace, -1)
    trace.twins.link(one.base, other.base, why)


def forget_twins(born: int) -> None:
    """Forget which arrays that were made after a moment may be the same as others."""
    trace = _active.get()
    if trace is not None and trace.twins is not None:
        trace.twins.forget(born)


def present_time() -> int:
    """Return a number that is larger than the birth of each array so far."""
    trace = _active.get()
    return 0 if trace is None else trace.born


def assignable(content: Any, refusal: str = "") -> Any:
    """Return a mutable array with this content, in the present run; numbers stay as they are.

    With a `refusal` it is read-only, and says so when it is written to.
    """
    trace = _active.get()
    assert trace is not None
    array = content if type(content) is Mutable else trace.result(content)
    if type(array) is Mutable and refusal:
        array.writeable, array.refusal = False, refusal
    return array
