"""``loop(*consts, *carry, *xs, test=, body=, consts=, carry=, length=, reverse=)``: run a program again and again.

The body takes the constants, the carried values and a slice of each of the xs; it returns the carried values and
something to stack. The results are the last carried values and the stacks. With a `test`, a program of constants and
carried values, it is a ``while``; otherwise it makes `length` steps, or as many as the xs have slices, from the last
one to the first if `reverse` is true. `linear` names the arguments in which an instance is linear. With `memory`,
reverse mode keeps no more than so many states at a time, and stacks nothing: see `loop_checkpoint.py`.

In a batch whose members stop at different steps, those that have stopped are frozen, and truth values that they stack
are False.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixgrad._errors import ProgramError
from mixgrad.core.interpret import compiled, interpret
from mixgrad.core.op import Kind, Op, add_row
from mixgrad.core.program import Program, Var, remembered
from mixgrad.rules.bodies import (
    aligned,
    atom,
    check_inputs,
    check_memory,
    kind_of,
    regroup,
    same_kind,
    spread,
    typed_like,
)
from mixgrad.rules.loop_reverse import linearise, transpose

# Value and types ------------------------------------------------------------------------------------------------


def _loop_value(*args, test, body, consts, carry, length, reverse, linear=(), memory=None):
    split = consts + carry
    fixed, xs = args[:consts], args[split:]
    state = tuple(map(typed_like, args[consts:split], body.inputs[consts:split]))
    step = compiled(body)
    stacks: list[list] = [[] for _ in body.outputs[carry:]]

    def run(state: tuple, slices: list) -> tuple:
        outs = step(*fixed, *state, *slices)
        for stack, out in zip(stacks, outs[carry:]):
            stack.append(out)
        return outs[:carry]

    if test is None:
        for i in _steps(length, xs, reverse):
            state = run(state, [x[i] for x in xs])
    else:
        going = compiled(test)
        while going(*fixed, *state)[0]:
            state = run(state, [])
    ys = [stacked(stack[::-1] if reverse else stack, out) for stack, out in zip(stacks, body.outputs[carry:])]
    return (*map(atom, state), *ys)


def _steps(length: int | None, xs: Sequence[Any], reverse: bool) -> range:
    count = len(xs[0]) if length is None else length
    if any(len(x) != count for x in xs):
        raise ProgramError(f"loop: its xs have {[len(x) for x in xs]} slices, expected {count} of each")
    return range(count - 1, -1, -1) if reverse else range(count)


def stacked(stack: list, like: Any) -> np.ndarray:
    """Return slices as one array; if there are none, of the type that `like` says."""
    like = atom(like)
    return np.stack(stack) if stack else np.zeros((0, *(max(n, 0) for n in like.shape)), like.dtype)


def _loop_shape(*args, test, body, consts, carry, length, reverse, linear=(), memory=None):
    split = consts + carry
    sizes = [] if test is not None else [length] if length is not None else [np.shape(x)[0] for x in args[split:]]
    count = next((n for n in sizes if n != -1), -1)
    state = tuple(var.shape for var in body.inputs[consts:split])
    return (*state, *((count, *np.shape(out)) for out in body.outputs[carry:]))


def _loop_dtype(*args, test, body, consts, carry, length, reverse, linear=(), memory=None):
    state = tuple(var.dtype for var in body.inputs[consts : consts + carry])
    return (*state, *(atom(out).dtype for out in body.outputs[carry:]))


def _loop_check(args, *, test, body, consts, carry, length, reverse, linear=(), memory=None):
    split = consts + carry
    if memory is not None:
        check_memory(memory, "loop")
        if test is None and length is None:
            raise ProgramError("loop: with memory= it needs a test or a length")
        if test is not None and len(body.outputs) > carry:
            raise ProgramError("loop: with memory= and a test it stacks nothing")
    if test is None and length is None and len(args) == split:
        raise ProgramError("loop: without test, length and xs it has no end")
    if test is not None and len(args) > split:
        raise ProgramError("loop: one with a test takes no xs")
    sizes = {np.shape(x)[0] for x in args[split:]} | ({length} if length is not None else set())
    if len(sizes - {-1}) > 1:
        raise ProgramError(f"loop: its xs and its length say {sorted(sizes)} steps, expected one number")
    slices = [Var(tuple(np.shape(x)[1:]), atom(x).dtype) for x in args[split:]]
    check_inputs("loop", body, [*args[:split], *slices])
    for var, out in zip(body.inputs[consts:split], body.outputs):
        if not same_kind((var.shape, var.dtype), kind_of(out)):
            raise ProgramError(f"loop: {body.name} takes {(var.shape, var.dtype)} and returns {kind_of(out)} for it")
    if test is not None:
        check_inputs("loop", test, args[:split])
        if [kind_of(out) for out in test.outputs] != [((), np.dtype(bool))]:
            raise ProgramError(f"loop: {test.name} must return one truth value")


# Modes with another payload -------------------------------------------------------------------------------------


def _loop_lifted(args, flags, lift, transform, *, test, body, consts, carry, length, reverse, linear=(), memory=None):
    split = consts + carry
    given, flags = flags, list(flags)
    mixed = False  # members of a batch stop at different steps
    while True:
        inner = tuple(flags)
        if test is not None:
            lifted_test, (mixed,) = transform.lifted(test, lift, inner[:split], (False,))
        truths = tuple(mixed and atom(out).dtype.kind == "b" for out in body.outputs[carry:])
        lifted_body, found = transform.lifted(body, lift, inner, (*inner[consts:split], *truths))
        if mixed:
            found = (True,) * carry + found[carry:]
        if found[:carry] == inner[consts:split]:
            break
        flags[consts:split] = found[:carry]
    stops = (consts, split, len(args))
    moved, places, counts = moved_parts(args, given, flags, body.inputs, lift, stops, range(split, len(args)), linear)
    if test is None:
        lifted_test = None
    elif mixed:
        lifted_test, lifted_body = freeze(lifted_body, lifted_test, *counts[:2], found[carry:], transform)
    outs = loop(
        *moved, test=lifted_test, body=lifted_body, consts=counts[0], carry=counts[1], length=length, reverse=reverse,
        linear=places, **_with_memory(memory),
    )  # fmt: skip
    results = regroup(outs, found, [len(lift.types(atom(out))) for out in body.outputs])
    for i in range(carry, len(results)):
        if found[i] and lift.axis:
            results[i] = tuple(np.swapaxes(part, 0, 1) for part in results[i])
    return results, found


def moved_parts(
    args: Sequence[Any], given: Sequence[bool], flags: Sequence[bool], inputs: Sequence[Var], lift: Any,
    stops: Sequence[int], sliced: Sequence[int], linear: Sequence[int] = (),
) -> tuple[list, tuple[int, ...], list[int]]:  # fmt: skip
    """Return the parts of all arguments in a row; where those of the linear ones are; how many each group has.

    Parameters
    ----------
    args : sequence
        Values, or where `given` says so the parts of one.
    given, flags : sequence of bool
        Which arguments are in parts, and which shall be.
    inputs : sequence of Var
        What the arguments are used as.
    lift : DualLift, BatchLift or TaylorLift
    stops : sequence of int
        Where each group of arguments ends.
    sliced : sequence of int
        Arguments of which the steps take slices.
    linear : sequence of int
    """
    parts = []
    for i, (arg, flag, had) in enumerate(zip(args, flags, given)):
        value = arg if had else lift.full(typed_like(arg, inputs[i])) if flag else arg
        parts.append([np.swapaxes(part, 0, 1) for part in value] if flag and i in sliced and lift.axis else value)
    moved, places = spread(parts, flags, linear)
    sizes = [len(part) if flag else 1 for part, flag in zip(parts, flags)]
    return moved, places, [sum(sizes[start:stop]) for start, stop in zip((0, *stops), stops)]


def _with_memory(memory: int | None) -> dict:
    return {} if memory is None else {"memory": memory}


@remembered
def freeze(body: Program, test: Program, consts: int, carry: int, batched: tuple, transform: Any) -> tuple:
    """Return test and body for members that stop at different steps: go on while there is one that has not."""
    split = consts + carry

    def any_active(*args: Any) -> list:
        return [np.any(interpret(test, *args)[0])]

    def step(*args: Any) -> list:
        (active,) = interpret(test, *args[:split])
        outs = list(map(atom, interpret(body, *args)))
        states = [np.where(aligned(active, new), new, old) for new, old in zip(outs, args[consts:split])]
        return states + [
            np.logical_and(y, aligned(active, y)) if flag and y.dtype.kind == "b" else y
            for y, flag in zip(outs[carry:], batched)
        ]

    return transform.stage(any_active, test.inputs, test.name), transform.stage(step, body.inputs, body.name)


loop = add_row(
    Op(
        "loop",
        Kind.NESTED,
        _loop_value,
        transpose=transpose,
        shape=_loop_shape,
        dtype=_loop_dtype,
        multiple=True,
        lifted=_loop_lifted,
        linearise=linearise,
        check=_loop_check,
    )
)
