"""Binomial checkpointing: which states of a loop to keep, and which to compute again, while it is reversed.

To reverse a loop of `steps` steps, the state before each step is needed once, in the order last to first. If there is
room for `snapshots` states only, the others are computed again from the nearest one that is kept. The schedule here
needs the fewest forward steps that are possible. It is that of A. Griewank and A. Walther, "Algorithm 799: revolve",
ACM Transactions on Mathematical Software 26 (2000), pages 19 to 45.

With ``beta(s, r) = binomial(s + r, s)``, the longest loop that can be reversed with s snapshots and no step run forward
more than r times has beta(s, r) steps. A loop of l steps, ``beta(s, r - 1) < l <= beta(s, r)``, costs
``r * l - beta(s + 1, r - 1)`` forward steps. A place for the next snapshot, after m of the l steps, is best if the m
steps before it can be done in r - 1 rounds with s snapshots, and the l - m steps after it in r rounds with s - 1,
neither part being shorter than one round less allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np


class Action(NamedTuple):
    """One thing to do while a loop is reversed. State k is the one before step k.

    Attributes
    ----------
    kind : {"store", "restore", "advance", "reverse"}
        Keep the present state in a slot; make the state in a slot the present one; run steps forward; run one step
        forward with everything that its reversal needs, and reverse it.
    start, stop : int
        The steps ``start, ..., stop - 1``: many to advance, one to reverse. To store or restore, both are the number of
        the state.
    slot : int
        Where a state is kept, from 0 to ``snapshots - 1``; -1 where no slot takes part.
    """

    kind: Literal["store", "restore", "advance", "reverse"]
    start: int
    stop: int
    slot: int = -1


def beta(s: int, r: int) -> int:
    """Return the number of steps that s snapshots and r rounds can reverse: binomial(s + r, s), 0 if r is negative."""
    return math.comb(s + r, s) if r >= 0 else 0


def rounds(steps: int, snapshots: int) -> int:
    """Return how often a step is run forward at most: the least r with ``steps <= beta(snapshots, r)``."""
    least, most = 0, 1
    while beta(snapshots, most) < steps:
        least, most = most + 1, 2 * most
    while least < most:
        middle = (least + most) // 2
        if beta(snapshots, middle) < steps:
            least = middle + 1
        else:
            most = middle
    return least


def advances(steps: int, snapshots: int) -> int:
    """Return how many steps the `schedule` of the same arguments runs forward, not counting those within "reverse"."""
    _check(steps, snapshots)
    if steps == 0:
        return 0
    r = rounds(steps, snapshots)
    return r * steps - beta(snapshots + 1, r - 1)


def schedule(steps: int, snapshots: int) -> Iterator[Action]:
    """Yield what to do, in order, to reverse a loop with the fewest forward steps.

    Parameters
    ----------
    steps : int
        Length of the loop, at least 0.
    snapshots : int
        Number of states that can be kept at a time, that of the beginning included; at least 1.

    Yields
    ------
    Action
        State 0 is present at the beginning. A "store" into a slot that is in use means that its old state is not needed
        any more.
    """
    _check(steps, snapshots)
    return _actions(steps, snapshots)


def _actions(steps: int, snapshots: int) -> Iterator[Action]:
    if steps == 0:
        return
    kept = [0]  # the states in slots 0, 1, ...: increasing, the slots used as a stack
    present = 0
    yield Action("store", 0, 0, 0)
    for step in reversed(range(steps)):
        if present != kept[-1]:
            present = kept[-1]
            yield Action("restore", present, present, len(kept) - 1)
        while present < step:
            free = snapshots - len(kept)
            target = present + _next_snapshot(step + 1 - present, free + 1) if free else step
            yield Action("advance", present, target)
            present = target
            if free:
                kept.append(present)
                yield Action("store", present, present, len(kept) - 1)
        yield Action("reverse", step, step + 1)
        present = step + 1
        if kept[-1] == step:
            kept.pop()


def _next_snapshot(steps: int, snapshots: int) -> int:
    """Return after how many of at least 2 steps to store, with at least 2 snapshots of which the start has one.

    Among the best places it is the last, which makes the part that needs one snapshot more the short one.
    """
    r = rounds(steps, snapshots)
    return min(beta(snapshots, r - 1), steps - beta(snapshots - 1, r - 1))


def _check(steps: int, snapshots: int) -> None:
    for name, value, least in (("steps", steps, 0), ("snapshots", snapshots, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"a schedule of checkpoints: {name} must be an integer, at least {least}, got {value!r}")
