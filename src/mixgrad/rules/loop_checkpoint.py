"""Reverse mode of loops with a bound on the states that are kept: binomial checkpointing.

Such a loop is linearised into one that carries values and tangents side by side: it stacks nothing, and is linear in
the tangents though not in all it carries. Its transpose is the row `reversal` (`reversal.py`), which computes the
values again from the states that it keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad.core.interpret import interpret
from mixgrad.core.op import TABLE
from mixgrad.core.program import Program, Var, remembered
from mixgrad.rules.bodies import distribute, pruned, var_like, with_parts, zeros_like

# Linearise ------------------------------------------------------------------------------------------------------


def linearise(args, tangents, transform, *, test, body, consts, carry, length, reverse, memory):
    """Return the results of a loop, and their tangents as those of a loop of values and tangents."""
    split = consts + carry
    static = {"length": length, "reverse": reverse, "memory": memory}
    outs = TABLE["loop"](*args, test=test, body=body, consts=consts, carry=carry, **static)
    given = tuple(dot is not None for dot in tangents)
    flags, part, (joint, joint_test) = _with_tangents(body, test, given, consts, carry, transform)
    if not any(part.flags):
        return outs, [None] * len(part.flags)
    new: list = []  # values, and whether they are tangents
    sizes = []
    invariant = interpret(part.invariant, *args[:consts]) if part.invariant.outputs else ()
    for start, stop, more in ((0, consts, invariant), (consts, split, ()), (split, len(args), ())):
        new += [(value, False) for value in (*args[start:stop], *more)]
        for i in range(start, stop):
            if flags[i]:
                new.append((zeros_like(body.inputs[i]) if tangents[i] is None else tangents[i], True))
        sizes.append(len(new))
    results = TABLE["loop"](
        *[value for value, _ in new], test=joint_test, body=joint, consts=sizes[0], carry=sizes[1] - sizes[0],
        linear=tuple(i for i, (_, linear) in enumerate(new) if linear), **static,
    )  # fmt: skip
    return outs, distribute(results[carry:], part.flags)


@remembered
def _with_tangents(
    body: Program, test: Program | None, flags: tuple[bool, ...], consts: int, carry: int, transform: Any
) -> tuple[tuple[bool, ...], Any, tuple]:
    """Return which inputs vary, a body taken apart, and body and test of a loop of values and tangents."""
    split = consts + carry
    again, none = (True,) * len(flags), (False,) * (len(body.outputs) - carry)
    while True:
        part = transform.linearised(body, flags, (*flags[consts:split], *none), again, consts)
        if part.flags[:carry] == flags[consts:split]:
            break
        flags = (*flags[:consts], *part.flags[:carry], *flags[split:])
    values = [var_like(var) for var in body.inputs]
    fixed = [var_like(var) for var in part.invariant.outputs]
    varying = part.linear.inputs[len(part.sources) :]
    dots = {i: var_like(var) for i, var in zip([i for i, flag in enumerate(flags) if flag], varying)}
    groups = []
    for start, stop, more in ((0, consts, fixed), (consts, split, []), (split, len(flags), [])):
        groups.append([*values[start:stop], *more, *(dots[i] for i in range(start, stop) if i in dots)])
    inputs = [var for group in groups for var in group]
    places = {id(var): i for i, var in enumerate(inputs)}

    def step(*boxes: Any) -> list:
        own = lambda variables: [boxes[places[id(var)]] for var in variables]
        primals, known = own(values), own(fixed)
        outs = interpret(part.primal, *primals)
        kept = {"input": primals, "invariant": known, "output": outs[len(body.outputs) :]}
        residuals = [kept[source][i] for source, i in part.sources]
        return [*outs[:carry], *interpret(part.linear, *residuals, *own(dots.values()))]

    joint = transform.stage(step, inputs, body.name)
    if test is None:
        return flags, part, (joint, None)
    tested = dict(zip(map(id, values), test.inputs))
    wider = [tested.get(id(var)) or var for group in groups[:2] for var in group]
    return flags, part, (joint, with_parts(test, wider))


# Transpose ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Backwards:
    """The programs of a backward sweep.

    Attributes
    ----------
    step, back : Program
    test : Program or None
    kept : tuple of int
        The arguments that are not linear and that the sweep needs.
    state : tuple of bool
        Which carried values have a cotangent.
    found : tuple of bool
        Which linear arguments have one.
    """

    step: Program
    back: Program
    test: Program | None
    kept: tuple[int, ...]
    state: tuple[bool, ...]
    found: tuple[bool, ...]


def transpose(bars, args, places, transform, *, test, body, consts, carry, length, reverse, memory, linear):
    """Return the cotangents of some arguments of a loop that is linear in them, but not in all that it carries."""
    split = consts + carry
    flags = tuple(i in linear for i in range(len(args)))
    given = tuple(bar is not None for bar in bars)
    sweep = _backwards(body, test, flags, given, consts, carry, transform)
    firsts = [
        zeros_like(var) if bar is None else bar
        for bar, var, has in zip(bars, body.inputs[consts:split], sweep.state)
        if has
    ]
    constants = [var for var, flag in zip(body.inputs[:consts], flags) if flag]
    sums = [zeros_like(var) for var, has in zip(constants, sweep.found) if has]
    ys = [bar for bar in bars[carry:] if bar is not None]
    outs = TABLE["reversal"](
        *[args[i] for i in sweep.kept], *firsts, *sums, *ys, test=sweep.test, step=sweep.step, back=sweep.back,
        consts=sum(i < consts for i in sweep.kept), state=sum(consts <= i < split for i in sweep.kept),
        xs=sum(i >= split for i in sweep.kept), carry=len(firsts) + len(sums), length=length, reverse=reverse,
        memory=memory,
    )  # fmt: skip
    middle = len(firsts), len(firsts) + len(sums)
    ordered = [*outs[middle[0] : middle[1]], *outs[: middle[0]], *outs[middle[1] :]]
    by_place = dict(zip([i for i, flag in enumerate(flags) if flag], distribute(ordered, sweep.found)))
    return [by_place[i] for i in places]


@remembered
def _backwards(
    body: Program, test: Program | None, flags: tuple[bool, ...], given: tuple[bool, ...], consts: int, carry: int,
    transform: Any,
) -> _Backwards:  # fmt: skip
    """Return the programs of the backward sweep of a loop, of which `flags` are the linear arguments."""
    split = consts + carry
    before, after = sum(flags[:consts]), sum(flags[split:])
    linear_carry = [i for i in range(carry) if flags[consts + i]]
    state = tuple(bar and flag for bar, flag in zip(given, flags[consts:split]))
    while True:
        carried = tuple(state[i] for i in linear_carry)
        demanded = (False,) * before + carried + (False,) * after
        back, found = transform.transposed(body, flags, (*state, *given[carry:]), demanded)
        if found[before : before + len(linear_carry)] == carried:
            break
        has = dict(zip(linear_carry, found[before:]))
        state = tuple(has.get(i, False) for i in range(carry))
    values = [i for i, flag in enumerate(flags) if not flag]
    going = None if test is None else with_parts(test, [test.inputs[i] for i in values])
    constants = [var for var, flag in zip(body.inputs[:consts], flags) if flag]
    sums = [var_like(var, "_bar") for var, has in zip(constants, found) if has]
    back = _summing(back, going, len(values), sum(state), sums, transform)
    step = with_parts(body, [body.inputs[i] for i in values], body.outputs[:carry])
    kept = _needed(step, back, going, values, consts, split)
    own = lambda program: [program.inputs[n] for n, i in enumerate(values) if i in kept]
    return _Backwards(
        pruned(with_parts(step, own(step), [body.outputs[i - consts] for i in kept if consts <= i < split])),
        with_parts(back, [*own(back), *back.inputs[len(values) :]]),
        None if going is None else with_parts(going, own(going)),
        kept,
        state,
        found,
    )


def _summing(back: Program, going: Program | None, values: int, carry: int, sums: list[Var], transform: Any) -> Program:
    """Return a step of the cotangents that adds up those of constants, behind those that it carries.

    That of a `while` asks the test itself whether it is a step: in a batch, members that have stopped stay in the same
    state, and their cotangents stay the same.
    """
    variables = list(map(var_like, back.inputs))
    stop = values + carry

    def step(*boxes: Any) -> list:
        outs = interpret(back, *boxes[:stop], *boxes[stop + len(sums) :])
        totals = [total + bar for total, bar in zip(boxes[stop:], outs[: len(sums)])]
        news = [*outs[len(sums) : len(sums) + carry], *totals]
        if going is not None:
            (active,) = interpret(going, *boxes[: len(going.inputs)])
            news = [np.where(active, new, old) for new, old in zip(news, boxes[values:])]
        return [*news, *outs[len(sums) + carry :]]

    return pruned(transform.stage(step, [*variables[:stop], *sums, *variables[stop:]], back.name))


def _needed(
    step: Program, back: Program, going: Program | None, values: list[int], consts: int, split: int
) -> tuple[int, ...]:
    """Return which arguments the sweep needs: a counter that nobody reads need not be carried."""
    kept = {i for program in (back, going) if program is not None for i in _read(program, values)}
    while True:
        outputs = [step.outputs[i - consts] for i in kept if consts <= i < split]
        more = kept | set(_read(pruned(with_parts(step, outputs=outputs)), values))
        if more == kept:
            return tuple(sorted(kept))
        kept = more


def _read(program: Program, values: list[int]) -> list[int]:
    """Return which of the arguments, given by the first inputs of a program, it reads."""
    used = {id(var) for equation in program.equations for var in equation.variables()}
    used |= {id(out) for out in program.outputs}
    return [i for i, var in zip(values, program.inputs) if id(var) in used]
