"""Checkpoint schedules: possible, complete, and as cheap as an exhaustive search finds."""

from functools import cache
from itertools import islice

import pytest

from mixgrad.core.revolve import Action, advances, beta, rounds, schedule


@cache
def least_advances(steps, snapshots):
    """Search: advance to some state, store it, reverse what follows with one slot less, return to the beginning."""
    if steps <= 1:
        return 0
    if snapshots == 1:
        return steps - 1 + least_advances(steps - 1, 1)
    return min(m + least_advances(steps - m, snapshots - 1) + least_advances(m, snapshots) for m in range(1, steps))


def obey(actions, snapshots):
    """Follow a schedule as a machine that knows no more than states; return its forward steps and the reversed."""
    slots, present, forward, done = {}, 0, 0, []
    for action in actions:
        if action.kind == "store":
            assert action.start == action.stop == present
            assert 0 <= action.slot < snapshots
            slots[action.slot] = present
        elif action.kind == "restore":
            assert slots[action.slot] == action.start == action.stop
            present = action.start
        elif action.kind == "advance":
            assert present == action.start < action.stop
            present, forward = action.stop, forward + action.stop - action.start
        else:
            assert action.kind == "reverse"
            assert present == action.start == action.stop - 1
            present = action.stop
            done.append(action.start)
    return forward, done


@pytest.mark.parametrize("snapshots", range(1, 9))
def test_no_schedule_is_cheaper(snapshots):
    for steps in range(41):
        forward, done = obey(schedule(steps, snapshots), snapshots)
        assert done == list(range(steps))[::-1]
        assert forward == least_advances(steps, snapshots) == advances(steps, snapshots)


@pytest.mark.parametrize(("steps", "snapshots"), [(10_000, 3), (5_000, 12), (300, 1), (100_000, 10), (50, 1000)])
def test_long_loops(steps, snapshots):
    forward, done = obey(schedule(steps, snapshots), snapshots)
    assert done == list(range(steps))[::-1]
    assert forward == advances(steps, snapshots)


def test_no_step_runs_more_often_than_rounds_say():
    for steps, snapshots in ((56, 3), (57, 3), (200, 4)):
        runs = [0] * steps
        for action in schedule(steps, snapshots):
            if action.kind == "advance":
                for step in range(action.start, action.stop):
                    runs[step] += 1
        assert max(runs) == rounds(steps, snapshots)
    assert beta(3, 5) == 56  # so 56 steps and 3 snapshots need 5 rounds, 57 need 6
    assert (rounds(56, 3), rounds(57, 3)) == (5, 6)


def test_known_numbers():
    # binomial(5, 3) = 10: two rounds with three snapshots are just enough for 10 steps.
    assert (beta(3, 2), rounds(10, 3), advances(10, 3)) == (10, 2, 15)
    assert [advances(steps, 1) for steps in (0, 1, 2, 3, 10)] == [0, 0, 1, 3, 45]
    assert advances(100, 100) == advances(100, 99) == 99  # all states are kept: one forward sweep
    assert [beta(s, -1) for s in (1, 5)] == [0, 0]


def test_the_order_of_a_small_case():
    assert list(schedule(0, 3)) == []
    assert list(schedule(4, 2)) == [
        Action("store", 0, 0, 0),
        Action("advance", 0, 2),
        Action("store", 2, 2, 1),
        Action("advance", 2, 3),
        Action("reverse", 3, 4),
        Action("restore", 2, 2, 1),
        Action("reverse", 2, 3),
        Action("restore", 0, 0, 0),
        Action("advance", 0, 1),
        Action("store", 1, 1, 1),
        Action("reverse", 1, 2),
        Action("restore", 0, 0, 0),
        Action("reverse", 0, 1),
    ]


def test_a_million_steps_cost_nothing_before_they_are_asked_for():
    actions = schedule(1_000_000, 20)
    first = list(islice(actions, 10_000))
    assert first[0] == Action("store", 0, 0, 0)
    reversed_steps = [action.start for action in first if action.kind == "reverse"]
    assert reversed_steps == list(range(1_000_000 - len(reversed_steps), 1_000_000))[::-1]
    assert advances(1_000_000, 20) == 8 * 1_000_000 - beta(21, 7)
    assert advances(10**30, 2) > 10**30  # no recursion, no table


@pytest.mark.parametrize(("steps", "snapshots"), [(-1, 3), (3, 0), (2.5, 3), (3, "2"), (True, 3)])
@pytest.mark.parametrize("function", [schedule, advances])
def test_refuses(function, steps, snapshots):
    with pytest.raises(ValueError, match=r"(steps|snapshots) must be an integer, at least [01], got"):
        function(steps, snapshots)
