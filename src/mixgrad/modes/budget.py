"""How many states of a loop reverse mode may keep: what `mg.checkpoint(f, memory=)` says of the loops in f."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mixgrad.rules.bodies import check_memory

_budget: ContextVar[int | None] = ContextVar("mixgrad_budget", default=None)


@contextmanager
def budget(memory: int) -> Iterator[None]:
    """Let the loops that are recorded in the block keep so many states."""
    token = _budget.set(memory)
    try:
        yield
    finally:
        _budget.reset(token)


def budget_of(memory: int | None = None, what: str = "loop") -> int | None:
    """Return how many states a loop may keep that asks for `memory` itself; None for all."""
    if memory is None:
        return _budget.get()
    check_memory(memory, what)
    return int(memory)
