"""Loops of rewritten code: recorded once where values are traced, whatever their steps; else run as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixgrad.core.bind import Traced
from mixgrad.modes.mutable import Mutable
from mixgrad.modes.twins import Stale
from mixgrad.operators.branches import if_
from mixgrad.operators.recorded_loop import RecordedLoop
from mixgrad.operators.sequences import Sequence, sequence_of
from mixgrad.operators.state import State, leaves_of, unknown


def while_(test: Callable, body: Callable, state: State) -> None:
    """Run a loop while a test holds."""
    while True:
        go = test()
        if not unknown(go) and not go:
            return
        if unknown(go):
            RecordedLoop(state, test, body, None, certain=False).run()
            return
        if _touches_traced(state):
            try:
                RecordedLoop(state, test, body, None, certain=True).run()
            except Exception:  # it needs plain values in some step: run that one as it is
                body()
            else:
                return
        else:
            body()


def for_(iterable: Any, body: Callable, stop: Callable | None, state: State, target: str) -> None:
    """Run a loop over a range or an array (recorded, if its body touches traced values) or over other things."""
    items = sequence_of(iterable)
    if items is None:
        _unrolled(iterable, body, stop, state)
        return
    if items.known and not _touches_traced(state, items):
        _unrolled(items, body, stop, state)
        return
    if items.known and len(items) == 0:
        return
    try:
        RecordedLoop(state, stop, body, items, certain=items.known, target=target).run()
    except Exception as error:  # a body that needs plain values, such as an index of a list
        if not items.known:
            raise
        try:
            _unrolled(items, body, stop, state)
        except Exception as second:
            raise second from error


def _unrolled(iterable: Any, body: Callable, stop: Callable | None, state: State) -> None:
    for item in iterable:
        if stop is not None:
            go = stop()
            if unknown(go):
                if_(go, lambda item=item: body(item), lambda: None, state)
                continue
            if not go:
                return
        body(item)


def _touches_traced(state: State, items: Sequence | None = None) -> bool:
    """Whether variables that a loop reads or writes hold traced values."""
    leaves, _ = leaves_of(state.get())
    if items is not None:
        leaves = leaves + list(items.arrays)
    contents = [leaf.base.content if type(leaf) is Mutable else leaf for leaf in leaves if isinstance(leaf, Traced)]
    return any(type(content) is Stale or unknown(content) for content in contents)
