"""Reverse mode of loops: a loop that stacks what its linear part needs, and that part, which is a loop again.

A linearised ``while`` stacks a True in each step: by the number of these its linear part knows how often to run, and in
a batch by their values which members were still going on.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from mixgrad.core.interpret import interpret
from mixgrad.core.op import TABLE
from mixgrad.core.program import Program, Var, remembered
from mixgrad.rules import loop_checkpoint
from mixgrad.rules.bodies import atom, distribute, var_like, with_parts, zeros_like
from mixgrad.rules.loop_motion import counters, sliced, unchanged, with_constants, with_slices

# Arguments ---------------------------------------------------------------------------------------------------


class _Arguments:
    """The arguments of a new loop, in the three groups of a loop, with the inputs of its body that they belong to."""

    def __init__(self) -> None:
        self.groups: dict[str, list[tuple[Var, Any, bool]]] = {"consts": [], "carry": [], "xs": []}

    def add(self, group: str, var: Var, arg: Any, linear: bool = False) -> None:
        """Add an argument."""
        self.groups[group].append((var, arg, linear))

    def items(self) -> list[tuple[Var, Any, bool]]:
        return [item for group in self.groups.values() for item in group]

    def inputs(self) -> list[Var]:
        """Return the inputs of the body, in order."""
        return [var for var, _, _ in self.items()]

    def run(self, body: Program, length: int | None, reverse: bool) -> tuple:
        """Bind the loop."""
        items = self.items()
        return TABLE["loop"](
            *[arg for _, arg, _ in items],
            test=None,
            body=body,
            consts=len(self.groups["consts"]),
            carry=len(self.groups["carry"]),
            length=length,
            reverse=reverse,
            linear=tuple(i for i, (_, _, linear) in enumerate(items) if linear),
        )


def _group(i: int, consts: int, carry: int) -> str:
    return "consts" if i < consts else "carry" if i < consts + carry else "xs"


def linearise(args, tangents, transform, *, test, body, consts, carry, length, reverse, linear=(), memory=None):
    """Return the results of a loop, and their tangents as those of a linear one."""
    flags = unchanged(body, consts, carry)
    if any(flags):
        ends = [(args[consts + i], tangents[consts + i]) if flag else None for i, flag in enumerate(flags)]
        order, body, test = with_constants(body, test, consts, carry)
        args, tangents = [args[i] for i in order], [tangents[i] for i in order]
        consts, carry = consts + sum(flags), carry - sum(flags)
    if test is None and length is not None:
        readings, body = with_slices(body, consts, counters(args, body, consts, carry), length)
        cut = functools.partial(sliced, length=length, reverse=reverse)
        dots = [(tangents[reading.const], reading.start) for reading in readings]
        args = [*args, *(cut(args[reading.const], reading.start) for reading in readings)]
        tangents = [*tangents, *(None if dot is None else cut(dot, start) for dot, start in dots)]
    static = {"test": test, "consts": consts, "carry": carry, "length": length, "reverse": reverse}
    if memory is None:
        outs, dots = _linearise(args, tangents, transform, body=body, **static)
    else:
        outs, dots = loop_checkpoint.linearise(args, tangents, transform, body=body, memory=memory, **static)
    if not any(flags):
        return outs, dots
    rest = zip(outs, dots)
    pairs = [next(rest) if end is None else end for end in ends] + list(rest)
    return [out for out, _ in pairs], [dot for _, dot in pairs]


def _linearise(args, tangents, transform, *, test, body, consts, carry, length, reverse):
    split = consts + carry
    flags = [dot is not None for dot in tangents]
    again = tuple(not consts <= i < split for i in range(len(args)))
    none = (False,) * (len(body.outputs) - carry)
    while True:
        part = transform.linearised(body, tuple(flags), (*flags[consts:split], *none), again, consts)
        if list(part.flags[:carry]) == flags[consts:split]:
            break
        flags[consts:split] = part.flags[:carry]
    static = {"test": test, "consts": consts, "carry": carry, "length": length, "reverse": reverse}
    if not any(part.flags):
        return TABLE["loop"](*args, body=body, **static), [None] * len(part.flags)
    count = len(body.outputs)
    primal = with_parts(part.primal, outputs=(*part.primal.outputs, np.True_)) if length is None else part.primal
    outs = TABLE["loop"](*args, body=primal, **static)
    new = _linear_arguments(args, tangents, flags, part, outs[count:], consts, carry)
    linear_body = with_parts(part.linear, new.inputs())
    if length is None:
        new.add("xs", Var((), np.dtype(bool), "active"), outs[-1])
        sizes = len(new.groups["consts"]), len(new.groups["carry"])
        linear_body = _masked(linear_body, *sizes, test is not None, transform)
    return outs[:count], distribute(new.run(linear_body, length, reverse), part.flags)


def _linear_arguments(args, tangents, flags, part, stacks, consts, carry) -> _Arguments:
    """Return the arguments of the linear part of a loop."""
    new = _Arguments()
    invariant = interpret(part.invariant, *args[:consts]) if part.invariant.outputs else ()
    for (source, i), var in zip(part.sources, part.linear.inputs):
        if source == "input":
            new.add(_group(i, consts, carry), var, args[i])
        elif source == "invariant":
            new.add("consts", var, invariant[i])
        else:
            new.add("xs", var, stacks[i])
    varying = [i for i, flag in enumerate(flags) if flag]
    for i, var in zip(varying, part.linear.inputs[len(part.sources) :]):
        dot = zeros_like(var) if tangents[i] is None else tangents[i]
        new.add(_group(i, consts, carry), var, dot, linear=True)
    return new


@remembered
def _masked(body: Program, consts: int, carry: int, masked: bool, transform: Any) -> Program:
    """Return the linear part of a `while` with a last x that says whether the loop was still going on."""

    def step(*args: Any) -> list:
        *args, active = args
        outs = interpret(body, *args)
        if not masked:
            return list(outs)
        old = args[consts : consts + carry]
        zeros = [np.zeros((), atom(out).dtype) for out in outs[carry:]]
        return [np.where(active, new, other) for new, other in zip(outs, [*old, *zeros])]

    return transform.stage(step, [*body.inputs, Var((), np.dtype(bool), "active")], body.name)


def transpose(bars, args, places, transform, *, test, body, consts, carry, length, reverse, linear=(), memory=None):
    """Return the cotangents of some arguments of a loop that is linear in them."""
    if memory is not None:
        return loop_checkpoint.transpose(
            bars, args, places, transform, test=test, body=body, consts=consts, carry=carry, length=length,
            reverse=reverse, memory=memory, linear=linear,
        )  # fmt: skip
    split = consts + carry
    flags = tuple(i in linear for i in range(len(args)))
    if test is not None or not all(flags[consts:split]):
        raise AssertionError("only a loop without test that is linear in all it carries has a transpose")
    ys = tuple(bar is not None for bar in bars[carry:])
    state = tuple(bar is not None for bar in bars[:carry])
    before, after = sum(flags[:consts]), sum(flags[split:])
    while True:
        demanded = (False,) * before + state + (False,) * after
        back, found = transform.transposed(body, flags, (*state, *ys), demanded)
        if found[before : before + carry] == state:
            break
        state = found[before : before + carry]
    new, others = _Arguments(), [i for i, flag in enumerate(flags) if not flag]
    for i, var in zip(others, back.inputs):
        new.add(_group(i, consts, carry), var, args[i])
    rest = iter(back.inputs[len(others) :])
    for bar, flag in zip(bars[:carry], state):
        if flag:
            var = next(rest)
            new.add("carry", var, zeros_like(var) if bar is None else bar, linear=True)
    for bar in bars[carry:]:
        if bar is not None:
            new.add("xs", next(rest), bar, linear=True)
    sums = [var for i, var in enumerate(v for v, flag in zip(body.inputs[:consts], flags) if flag) if found[i]]
    for var in sums:
        new.add("carry", var_like(var, "_bar"), zeros_like(var), linear=True)
    step = _summing(back, tuple(new.inputs()), len(new.groups["consts"]), sum(state), len(sums), transform)
    outs = new.run(step, length, not reverse)
    middle = sum(state), sum(state) + len(sums)
    ordered = [*outs[middle[0] : middle[1]], *outs[: middle[0]], *outs[middle[1] :]]
    by_place = dict(zip([i for i, flag in enumerate(flags) if flag], distribute(ordered, found)))
    return [by_place[i] for i in places]


def _summing(back: Program, inputs: tuple[Var, ...], consts: int, state: int, sums: int, transform: Any) -> Program:
    """Return the body of a transposed loop: it adds up the cotangents of its constants, behind those it carries."""
    places = {id(var): i for i, var in enumerate(inputs)}
    mine = [places[id(var)] for var in back.inputs]
    first = consts + state

    def step(*args: Any) -> list:
        outs = interpret(back, *[args[i] for i in mine])
        totals = [total + bar for total, bar in zip(args[first : first + sums], outs)]
        return [*outs[sums : sums + state], *totals, *outs[sums + state :]]

    return transform.stage(step, inputs, back.name)
