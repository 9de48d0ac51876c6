"""A loop in the form that costs reverse mode least: what stays the same is a constant, what is read in turn an x.

Reverse mode stacks carried values, but not constants; and the cotangent of an array that is read element by element, at
the place of a counter, would be a sum of arrays of zeros but for one element.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad.core.program import Equation, Program, Var, remembered
from mixgrad.rules.bodies import with_parts
from mixgrad.rules.index import SLOT, Form


def unchanged(body: Program, consts: int, carry: int) -> list[bool]:
    """Return which of the carried values a body hands on as they are."""
    return [out is var for out, var in zip(body.outputs[:carry], body.inputs[consts:])]


@remembered
def with_constants(body: Program, test: Program | None, consts: int, carry: int) -> tuple[list[int], Program, Any]:
    """Return body and test of a loop whose unchanged values are constants; and where its arguments are now."""
    flags = unchanged(body, consts, carry)
    kept = [i for i, flag in enumerate(flags) if not flag]
    first = [*range(consts), *(consts + i for i, flag in enumerate(flags) if flag), *(consts + i for i in kept)]
    order = [*first, *range(consts + carry, len(body.inputs))]
    outputs = [*(body.outputs[i] for i in kept), *body.outputs[carry:]]
    new_test = None if test is None else with_parts(test, [test.inputs[i] for i in first])
    return order, with_parts(body, [body.inputs[i] for i in order], outputs), new_test


@dataclass(frozen=True)
class Reading:
    """A constant that is read at the place of a counter: from `start` on, one slice in each step."""

    const: int
    start: int
    var: Var


@remembered
def with_slices(body: Program, consts: int, counters: tuple[tuple[int, int], ...], length: int) -> tuple[list, Program]:
    """Return a body that takes slices in place of constants that it reads at a counter, and what these slices are.

    Parameters
    ----------
    body : Program
    consts : int
    counters : tuple of (int, int)
        Inputs that count the steps, with their first values.
    length : int
    """
    starts = {id(body.inputs[i]): start for i, start in counters}
    places = {id(var): i for i, var in enumerate(body.inputs[:consts])}
    found: dict[tuple[int, int], Reading] = {}
    replaced: dict[int, Any] = {}
    equations = []
    for equation in body.equations:
        operands = tuple(replaced.get(id(arg), arg) for arg in equation.args)
        new = Equation(equation.outs, equation.op, operands, equation.static)
        if equation.op.name in ("add", "subtract"):
            starts.update(_moved_counter(equation, starts))
        if _reads_a_slice(equation, places, starts, length):
            array, counter = equation.args
            slot = Reading(places[id(array)], starts[id(counter)], Var(array.shape[1:], array.dtype))
            reading = found.setdefault((slot.const, slot.start), slot)
            rest = equation.static["form"].parts[1:]
            if not rest:
                replaced[id(equation.outs[0])] = reading.var
                continue
            new = Equation(equation.outs, equation.op, (reading.var,), {"form": Form(rest)})
        equations.append(new)
    outputs = tuple(replaced.get(id(out), out) for out in body.outputs)
    inputs = (*body.inputs, *(reading.var for reading in found.values()))
    return list(found.values()), Program(inputs, tuple(equations), outputs, body.name)


def counters(args: Sequence[Any], body: Program, consts: int, carry: int) -> tuple[tuple[int, int], ...]:
    """Return the carried integers that grow by one in each step, from a number on that is known."""
    definitions = {id(out): equation for equation in body.equations for out in equation.outs}
    found = []
    for i in range(consts, consts + carry):
        equation = definitions.get(id(body.outputs[i - consts]))
        if equation is None or equation.op.name != "add" or not isinstance(args[i], (int, np.integer)) or args[i] < 0:
            continue
        others = [arg for arg in equation.args if arg is not body.inputs[i]]
        if len(others) == 1 and isinstance(others[0], (int, np.integer)) and others[0] == 1:
            found.append((i, int(args[i])))
    return tuple(found)


def _moved_counter(equation: Equation, starts: dict[int, int]) -> dict[int, int]:
    """Return the first value of ``i + 1`` and the like, for a counter i."""
    sign = 1 if equation.op.name == "add" else -1
    counter, number = equation.args
    if sign == 1 and id(counter) not in starts:
        counter, number = number, counter
    if id(counter) not in starts or not isinstance(number, (int, np.integer)):
        return {}
    return {id(equation.outs[0]): starts[id(counter)] + sign * int(number)}


def _reads_a_slice(equation: Equation, places: dict[int, int], starts: dict[int, int], length: int) -> bool:
    if equation.op.name != "index" or len(equation.args) != 2:
        return False
    array, counter = equation.args
    parts = equation.static["form"].parts
    if id(array) not in places or id(counter) not in starts or parts[0] is not SLOT or SLOT in parts[1:]:
        return False
    return starts[id(counter)] >= 0 and starts[id(counter)] + length <= array.shape[0]


def sliced(value: Any, start: int, length: int, reverse: bool) -> Any:
    """Return the slices of an array that a loop reads, in the order of its xs."""
    if start or np.shape(value)[0] != length:
        value = value[start : start + length]
    return value[::-1] if reverse else value
