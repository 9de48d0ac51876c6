"""Loops: what does not change from step to step leaves them, and what is known about their results is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mixgrad.core.op import Kind
from mixgrad.core.program import Equation, Program, Var
from mixgrad.program.simplifying.building import LARGEST, Builder, key_of, same_atom, substituted
from mixgrad.rules.bodies import kind_of, typed_like, var_like

_HARMLESS = frozenset(("reshape", "transpose", "broadcast_to", "negative", "conjugate"))
"""What raises nothing and warns of nothing, so that it may run though the loop makes no step."""


def simplify_loops(program: Program) -> Program:
    """Simplify each ``loop``; what its body computes from its own values is left as it is."""
    if not any(equation.op.name == "loop" for equation in program.equations):
        return program
    builder = Builder(program)
    for equation in builder:
        if equation.op.name == "loop":
            for step in (_unchanged_carries, _fewer_arguments, _without_invariants):
                equation = step(equation, builder)
            _known_results(equation, builder)
        builder.add(equation)
    return builder.done()


# Arguments ------------------------------------------------------------------------------------------------------------


def _rearranged(equation: Equation, order: Sequence[int], consts: int, carry: int, atoms: dict[int, Any]) -> Equation:
    """Return the loop with some of its arguments in another order; `atoms` stand for inputs of the body and test."""
    static = dict(equation.static)
    split = static["consts"] + static["carry"]
    body, test = static["body"], static["test"]
    static["body"] = substituted(body, {id(body.inputs[i]): atom for i, atom in atoms.items()}, _at(body.inputs, order))
    if test is not None:
        known = {id(test.inputs[i]): _in_test(atom, body, test) for i, atom in atoms.items() if i < split}
        static["test"] = substituted(test, known, _at(test.inputs, [i for i in order if i < split]))
    linear = static.get("linear", ())
    static |= {"consts": consts, "carry": carry, "linear": tuple(at for at, i in enumerate(order) if i in linear)}
    return Equation(equation.outs, equation.op, _at(equation.args, order), static)


def _at(values: Sequence[Any], places: Sequence[int]) -> tuple:
    return tuple(values[i] for i in places)


def _in_test(atom: Any, body: Program, test: Program) -> Any:
    """Return the input of the test in the place of one of the body."""
    return next((b for a, b in zip(body.inputs, test.inputs) if a is atom), atom)


def _unchanged_carries(equation: Equation, builder: Builder) -> Equation:
    """Make constants of carried values that each step returns as they are."""
    consts, carry, body = (equation.static[key] for key in ("consts", "carry", "body"))
    split = consts + carry
    args = (*equation.args[:consts], *map(typed_like, equation.args[consts:split], body.inputs[consts:split]))
    args += equation.args[split:]
    same = [
        i
        for i in range(consts, split)
        if kind_of(args[i]) == (body.inputs[i].shape, body.inputs[i].dtype)
        and (body.outputs[i - consts] is body.inputs[i] or same_atom(body.outputs[i - consts], args[i]))
    ]
    if not same:
        return equation
    rest = [i for i in range(consts, split) if i not in same]
    for i in same:
        builder.replaced[id(equation.outs[i - consts])] = args[i]
    order = [*range(consts), *same, *rest, *range(split, len(args))]
    kept = [i - consts for i in rest] + list(range(carry, len(equation.outs)))
    new = _rearranged(
        Equation(equation.outs, equation.op, args, equation.static), order, consts + len(same), len(rest), {}
    )
    body = new.static["body"]
    static = {**new.static, "body": Program(body.inputs, body.equations, _at(body.outputs, kept), body.name)}
    return Equation(_at(equation.outs, kept), equation.op, new.args, static)


def _fewer_arguments(equation: Equation, builder: Builder) -> Equation:
    """Write constants into the body, and give each constant and each array of slices once."""
    consts, carry, body = (equation.static[key] for key in ("consts", "carry", "body"))
    split, linear = consts + carry, equation.static.get("linear", ())
    atoms: dict[int, Any] = {}
    seen: dict[tuple, int] = {}
    for i, (arg, var) in enumerate(zip(equation.args, body.inputs)):
        if i < consts and not isinstance(arg, Var):
            atoms[i] = typed_like(arg, var)
        elif not consts <= i < split:
            part = _slice_of(arg, builder) if i >= split and i not in linear else None
            first = seen.setdefault((i < consts, i in linear, key_of(arg)), i)
            if part is not None:
                atoms[i] = part
            elif first != i:
                atoms[i] = body.inputs[first]
    counted = equation.static["length"] is not None or equation.static["test"] is not None
    if not counted and all(i in atoms for i in range(split, len(body.inputs))):
        atoms.pop(split, None)  # it counts the steps
    if not atoms:
        return equation
    order = [i for i in range(len(body.inputs)) if i not in atoms]
    return _rearranged(equation, order, sum(i < consts for i in order), carry, atoms)


def _slice_of(arg: Any, builder: Builder) -> Any:
    """Return what all slices of an array are, if that is known: of a constant, or of what a loop has stacked."""
    if not isinstance(arg, Var):
        first = arg[0] if len(arg) else None
        bits = [key_of(part) for part in arg] if 1 <= len(arg) <= LARGEST else []
        return first if bits and all(key == bits[0] for key in bits) else None
    inner = builder.definition(arg, "loop")
    if inner is None:
        return None
    place = next(i for i, out in enumerate(inner.outs) if out is arg)
    out = inner.static["body"].outputs[place] if place >= inner.static["carry"] else arg
    return None if isinstance(out, Var) else typed_like(out, arg)


# What is computed in each step again ----------------------------------------------------------------------------------


def _without_invariants(equation: Equation, builder: Builder) -> Equation:
    """Compute before the loop what depends on its constants alone, if it makes a step for certain."""
    consts, body, test = (equation.static[key] for key in ("consts", "body", "test"))
    length = equation.static["length"]
    runs = test is None and length is not None and length > 0
    outside = dict(zip(map(id, body.inputs[:consts]), equation.args))
    linear = equation.static.get("linear", ())
    varying = {id(var) for i, var in enumerate(body.inputs[:consts]) if i in linear}
    kept, moved = [], []
    for inner in body.equations:
        fixed = all(id(arg) in outside for arg in inner.variables())
        if not fixed or not (runs or inner.op.name in _HARMLESS) or inner.op.kind is Kind.NESTED:
            kept.append(inner)
            continue
        args = tuple(outside[id(arg)] if isinstance(arg, Var) else arg for arg in inner.args)
        outs = tuple(map(var_like, inner.outs))
        builder.add(Equation(outs, inner.op, args, inner.static))
        outside.update(zip(map(id, inner.outs), outs))
        moved += zip(inner.outs, outs)
        if any(id(arg) in varying for arg in inner.variables()):
            varying.update(map(id, inner.outs))
    if not moved:
        return equation
    count = len(moved)
    inside = tuple(a for a, _ in moved)
    inputs = (*body.inputs[:consts], *inside, *body.inputs[consts:])
    static = {**equation.static, "body": Program(inputs, tuple(kept), body.outputs, body.name)}
    if test is not None:
        new = tuple(map(var_like, inside))
        given = (*test.inputs[:consts], *new, *test.inputs[consts:])
        static["test"] = Program(given, test.equations, test.outputs, test.name)
    static["consts"] = consts + count
    places = [i if i < consts else i + count for i in linear]
    places += [consts + i for i, var in enumerate(inside) if id(var) in varying]
    static["linear"] = tuple(sorted(places))
    args = (*equation.args[:consts], *[b for _, b in moved], *equation.args[consts:])
    return Equation(equation.outs, equation.op, args, static)


# Results --------------------------------------------------------------------------------------------------------------


def _known_results(equation: Equation, builder: Builder) -> None:
    """Replace results that are known without the loop: stacks of slices, of constants and counters, and last counts."""
    consts, carry, body = (equation.static[key] for key in ("consts", "carry", "body"))
    split = consts + carry
    slices = {id(var): arg for var, arg in zip(body.inputs[split:], equation.args[split:])}
    count = None if equation.static["test"] is not None else _count(equation)
    counters = {} if count is None else _counters(equation, count)
    first: dict[int, Var] = {}
    for place, (out, inner) in enumerate(zip(equation.outs, body.outputs)):
        atom: Any = None
        if place < carry:
            series = counters.get(id(body.inputs[consts + place]))
            atom = None if series is None or count is None else series(count)
        elif isinstance(inner, Var):
            series = counters.get(id(inner))
            if id(inner) in slices:
                atom = slices[id(inner)]
            elif series is not None and count is not None and count <= LARGEST:
                steps = np.arange(count)[::-1] if equation.static["reverse"] else np.arange(count)
                atom = series(steps)
            else:
                atom = first.setdefault(id(inner), out)
        elif count is not None and count * np.size(inner) <= LARGEST:
            atom = np.full((count, *np.shape(inner)), inner, out.dtype)
        if atom is not None and atom is not out and kind_of(atom) == (out.shape, out.dtype):
            builder.replaced[id(out)] = atom


def _count(equation: Equation) -> int | None:
    split = equation.static["consts"] + equation.static["carry"]
    lengths = [equation.static["length"], *[np.shape(x)[0] for x in equation.args[split:]]]
    return next((n for n in lengths if n not in (None, -1)), None)


def _counters(equation: Equation, count: int) -> dict[int, Callable]:
    """Return, for inputs of the body that count, a function that gives the value at the beginning of a step."""
    consts, carry, body = (equation.static[key] for key in ("consts", "carry", "body"))
    definitions = {id(inner.outs[0]): inner for inner in body.equations if len(inner.outs) == 1}
    found: dict[int, Callable] = {}
    for var, start, out in zip(body.inputs[consts:], equation.args[consts : consts + carry], body.outputs):
        inner = definitions.get(id(out))
        if var.dtype.kind not in "iu" or var.shape or isinstance(start, Var) or inner is None:
            continue
        step = _increment(inner, var)
        if step is None:
            continue
        begin, limits = int(start), np.iinfo(var.dtype)
        if all(limits.min <= n <= limits.max for n in (begin, begin + step * count)):
            found[id(var)] = _series(begin, step, var.dtype)
            found[id(out)] = _series(begin + step, step, var.dtype)
    return found


def _series(begin: int, step: int, dtype: np.dtype) -> Callable:
    return lambda number: np.asarray(begin + step * number, dtype)[()]


def _increment(inner: Equation, var: Var) -> int | None:
    if inner.op.name not in ("add", "subtract") or len(inner.args) != 2:
        return None
    a, b = inner.args
    if b is var and inner.op.name == "add":
        a, b = b, a
    if a is not var or isinstance(b, Var) or np.shape(b) or np.asarray(b).dtype.kind not in "iu":
        return None
    return int(b) if inner.op.name == "add" else -int(b)
