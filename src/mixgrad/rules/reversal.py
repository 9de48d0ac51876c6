"""``reversal(*consts, *state, *xs, *carry, *zs, test=, step=, back=, ...)``: go through the states of a loop backwards.

The states are those of ``loop(*consts, *state, *xs, test=test, body=step)``. For each of them, the last one first,
`back` runs: it takes constants, the state, slices of the xs, carried values and slices of the zs, and returns the
carried values and something to stack, at the place of the slice. The results are the last carried values and the
stacks. No more than `memory` states are kept at a time; the others are computed again by `step`, in the order that
`core/revolve.py` says. It is the transpose of a loop that is checkpointed, but `back` may be any program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixgrad._errors import ProgramError
from mixgrad.core.interpret import compiled
from mixgrad.core.op import Kind, Op, add_row
from mixgrad.core.program import Program, Var
from mixgrad.core.revolve import schedule
from mixgrad.rules.bodies import atom, check_inputs, check_memory, kind_of, regroup, same_kind, typed_like, with_parts
from mixgrad.rules.loop import freeze, loop, moved_parts, stacked

# Value and types ------------------------------------------------------------------------------------------------


def _groups(args: Sequence[Any], consts: int, state: int, xs: int, carry: int) -> list:
    """Return constants, states, xs, carried values, zs."""
    stops = np.cumsum([0, consts, state, xs, carry]).tolist()
    return [args[start:stop] for start, stop in zip(stops, [*stops[1:], len(args)])]


Slots = dict
"""Where states are kept, by number; tests count how many there are at a time."""


class _Values:
    """One run on plain arrays."""

    def __init__(self, args: Sequence[Any], test: Program | None, step: Program, back: Program, sizes: tuple):
        self.fixed, first, self.xs, carry, self.zs = _groups(args, *sizes)
        consts, states = sizes[:2]
        self.first = tuple(map(typed_like, first, step.inputs[consts : consts + states]))
        start = sum(sizes[:3])
        self.bars = tuple(map(typed_like, carry, back.inputs[start : start + sizes[3]]))
        self.test = None if test is None else compiled(test)
        self.step, self.back = compiled(step), compiled(back)

    def count(self) -> int:
        """Return the number of steps of a `while`: make them."""
        assert self.test is not None
        state, count = self.first, 0
        while self.test(*self.fixed, *state)[0]:
            state, count = self.step(*self.fixed, *state), count + 1
        return count

    def run(self, count: int, reverse: bool, memory: int, stacks: list[list]) -> None:
        """Obey the schedule."""
        state, kept, carry = self.first, Slots(), len(self.bars)
        for action in schedule(count, memory):
            if action.kind == "store":
                kept[action.slot] = state
            elif action.kind == "restore":
                state = kept[action.slot]
            elif action.kind == "advance":
                for i in range(action.start, action.stop):
                    place = count - 1 - i if reverse else i
                    state = self.step(*self.fixed, *state, *[x[place] for x in self.xs])
            else:
                place = count - 1 - action.start if reverse else action.start
                slices = [x[place] for x in self.xs], [z[place] for z in self.zs]
                outs = self.back(*self.fixed, *state, *slices[0], *self.bars, *slices[1])
                self.bars = outs[:carry]
                for stack, out in zip(stacks, outs[carry:]):
                    stack.append(out)


def _value(*args, test, step, back, consts, state, xs, carry, length, reverse, memory):
    values = _Values(args, test, step, back, (consts, state, xs, carry))
    stacks: list[list] = [[] for _ in back.outputs[carry:]]
    values.run(values.count() if test is not None else length, reverse, memory, stacks)
    ys = [stacked(stack if reverse else stack[::-1], out) for stack, out in zip(stacks, back.outputs[carry:])]
    return (*map(atom, values.bars), *ys)


def _shape(*args, test, step, back, consts, state, xs, carry, length, reverse, memory):
    start = consts + state + xs
    finals = tuple(var.shape for var in back.inputs[start : start + carry])
    return (*finals, *((length, *np.shape(out)) for out in back.outputs[carry:]))


def _dtype(*args, test, step, back, consts, state, xs, carry, length, reverse, memory):
    start = consts + state + xs
    return (*(var.dtype for var in back.inputs[start : start + carry]), *(atom(o).dtype for o in back.outputs[carry:]))


def _check(args, *, test, step, back, consts, state, xs, carry, length, reverse, memory):
    check_memory(memory, "reversal")
    fixed, first, slices, bars, others = _groups(args, consts, state, xs, carry)
    if (test is None) == (length is None):
        raise ProgramError("reversal: it has either a test or a length")
    if test is not None and (slices or others or len(back.outputs) > carry):
        raise ProgramError("reversal: one with a test takes no xs and stacks nothing")
    for x in (*slices, *others):
        if np.shape(x)[0] not in (length, -1):
            raise ProgramError(f"reversal: something to slice has the shape {np.shape(x)}, expected {length} slices")
    parts = [[Var(tuple(np.shape(x)[1:]), atom(x).dtype) for x in group] for group in (slices, others)]
    check_inputs("reversal", step, [*fixed, *first, *parts[0]])
    check_inputs("reversal", back, [*fixed, *first, *parts[0], *bars, *parts[1]])
    _check_carried(step, step.inputs[consts : consts + state])
    start = consts + state + xs
    _check_carried(back, back.inputs[start : start + carry])
    if test is not None:
        check_inputs("reversal", test, [*fixed, *first])


def _check_carried(program: Program, inputs: Sequence[Var]) -> None:
    for var, out in zip(inputs, program.outputs):
        if not same_kind((var.shape, var.dtype), kind_of(out)):
            raise ProgramError(
                f"reversal: {program.name} takes {(var.shape, var.dtype)} and returns {kind_of(out)} for it"
            )


# Modes ----------------------------------------------------------------------------------------------------------


def _lifted(args, flags, lift, transform, *, test, step, back, consts, state, xs, carry, length, reverse, memory):
    split, start, stop = consts + state, consts + state + xs, consts + state + xs + carry
    given, flags = flags, list(flags)
    mixed = False  # members of a batch stop at different steps
    while True:
        inner = tuple(flags[:start])
        if test is not None:
            new_test, (mixed,) = transform.lifted(test, lift, inner[:split], (False,))
        new_step, found = transform.lifted(step, lift, inner, inner[consts:split])
        found = (True,) * state if mixed else found
        if found == inner[consts:split]:
            break
        flags[consts:split] = found
    while True:
        demanded = (*flags[start:stop], *(False,) * (len(back.outputs) - carry))
        new_back, found = transform.lifted(back, lift, tuple(flags), demanded)
        if list(found[:carry]) == flags[start:stop]:
            break
        flags[start:stop] = found[:carry]
    stops = (consts, split, start, stop, len(args))
    sliced = [*range(split, start), *range(stop, len(args))]
    moved, _, counts = moved_parts(args, given, flags, back.inputs, lift, stops, sliced)
    if test is None:
        new_test = None
    elif mixed:
        new_test, new_step = freeze(new_step, new_test, counts[0], counts[1], (), transform)
    outs = reversal(
        *moved, test=new_test, step=new_step, back=new_back, consts=counts[0], state=counts[1], xs=counts[2],
        carry=counts[3], length=length, reverse=reverse, memory=memory,
    )  # fmt: skip
    results = regroup(outs, found, [len(lift.types(atom(out))) for out in back.outputs])
    for i in range(carry, len(results)):
        if found[i] and lift.axis:
            results[i] = tuple(np.swapaxes(part, 0, 1) for part in results[i])
    return results, found


def _expand(*args, test, step, back, consts, state, xs, carry, length, reverse, memory):
    """Return the same by a loop that stacks all states, and one over these: what is differentiated in reverse mode."""
    fixed, first, slices, bars, others = _groups(args, consts, state, xs, carry)
    stacking = with_parts(step, outputs=(*step.outputs, *step.inputs[consts : consts + state]))
    static = {"consts": consts, "length": length, "reverse": reverse}
    outs = loop(*fixed, *first, *slices, test=test, body=stacking, carry=state, **static)
    n = consts + state + xs
    order = [*back.inputs[:consts], *back.inputs[n : n + carry], *back.inputs[consts:n], *back.inputs[n + carry :]]
    static |= {"test": None, "body": with_parts(back, order), "carry": carry, "reverse": not reverse}
    return loop(*fixed, *bars, *outs[state:], *slices, *others, **static)


reversal = add_row(
    Op(
        "reversal",
        Kind.NESTED,
        _value,
        shape=_shape,
        dtype=_dtype,
        multiple=True,
        lifted=_lifted,
        expand=_expand,
        check=_check,
    )
)
