"""Conditions: known ones decided, constant operands written into the branches, those with one predicate made one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixgrad.core.program import Equation, Program, Var
from mixgrad.program.simplifying.building import Builder, is_constant, key_of, same_atom, substituted, times_used
from mixgrad.rules.bodies import kind_of, typed_like


def simplify_branches(program: Program) -> Program:
    """Simplify each ``cond``; its branches are left as they are."""
    if not any(equation.op.name == "cond" for equation in program.equations):
        return program
    builder = Builder(program)
    last: Equation | None = None
    for equation in builder:
        if equation.op.name != "cond":
            builder.add(equation)
            continue
        if _decided(equation, builder):
            continue
        equation = _known_results(_without_negation(_fewer_operands(equation), builder), builder)
        if last is not None and builder.equations[-1:] != [last]:
            last = _moved_down(last, equation, builder)
        if last is not None and (fused := _fused(last, equation, program, builder)) is not None:
            builder.equations.pop()
            equation = fused
        builder.add(equation)
        last = equation
    return builder.done()


def _decided(equation: Equation, builder: Builder) -> bool:
    """Put the branch in the place of a condition whose predicate is known."""
    pred, *operands = equation.args
    if not is_constant(pred):
        return False
    branch = equation.static["branches"][bool(pred)]
    if [kind_of(atom) for atom in branch.outputs] != [(out.shape, out.dtype) for out in equation.outs]:
        return False
    results = builder.inline(branch, tuple(map(typed_like, operands, branch.inputs)))
    builder.replace(equation, tuple(map(typed_like, results, equation.outs)))
    return True


def _without_negation(equation: Equation, builder: Builder) -> Equation:
    pred, *operands = equation.args
    inner = builder.definition(pred, "logical_not") or builder.definition(pred, "invert")
    if inner is None or getattr(inner.args[0], "dtype", None) != "bool":
        return equation
    static = {**equation.static, "branches": equation.static["branches"][::-1]}
    return Equation(equation.outs, equation.op, (inner.args[0], *operands), static)


def _fewer_operands(equation: Equation) -> Equation:
    """Write constant operands into the branches, and give each operand once."""
    operands, branches = equation.args[1:], equation.static["branches"]
    first: dict[tuple, int] = {}
    kept = [
        i for i, arg in enumerate(operands) if isinstance(arg, Var) and first.setdefault(key_of(arg), i) == i
    ]  # fmt: skip
    linear = equation.static.get("linear", ())
    mixed = any(
        (i + 1 in linear) != (first[key_of(arg)] + 1 in linear)
        for i, arg in enumerate(operands)
        if isinstance(arg, Var)
    )
    if len(kept) == len(operands) or mixed:
        return equation
    new = []
    for branch in branches:
        atoms = {
            id(var): branch.inputs[first[key_of(arg)]] if isinstance(arg, Var) else typed_like(arg, var)
            for i, (var, arg) in enumerate(zip(branch.inputs, operands))
            if i not in kept
        }
        new.append(substituted(branch, atoms, tuple(branch.inputs[i] for i in kept)))
    static = {**equation.static, "branches": tuple(new)}
    static["linear"] = tuple(1 + at for at, i in enumerate(kept) if i + 1 in linear)
    return Equation(equation.outs, equation.op, (equation.args[0], *[operands[i] for i in kept]), static)


def _known_results(equation: Equation, builder: Builder) -> Equation:
    """Replace results that are an operand, or one constant, whatever the predicate."""
    first, second = equation.static["branches"]
    for out, a, b in zip(equation.outs, first.outputs, second.outputs):
        if isinstance(a, Var) and isinstance(b, Var):
            for arg, x, y in zip(equation.args[1:], first.inputs, second.inputs):
                if a is x and b is y and kind_of(arg) == (out.shape, out.dtype):
                    builder.replaced[id(out)] = arg
        elif is_constant(a) and is_constant(b) and same_atom(a, b) and kind_of(a) == (out.shape, out.dtype):
            builder.replaced[id(out)] = typed_like(a, out)
    return equation


def _moved_down(last: Equation, equation: Equation, builder: Builder) -> Equation | None:
    """Bring the last condition to the end, if it has the predicate and nothing after it needs its results."""
    if last.args[0] is not equation.args[0]:
        return None
    outs = set(map(id, last.outs))
    at = len(builder.equations) - 1
    while builder.equations[at] is not last:
        if any(id(arg) in outs for arg in builder.equations[at].variables()):
            return None
        at -= 1
    builder.equations.append(builder.equations.pop(at))
    return last


def _fused(first: Equation, second: Equation, program: Program, builder: Builder) -> Equation | None:
    """Return one condition for two with the same predicate."""
    if first.args[0] is not second.args[0]:
        return None
    linear: Sequence[int] = ()
    if first.static.get("linear") or second.static.get("linear"):
        if first.static.get("linear") or _read_elsewhere(first, second, program, builder):
            return None
        linear = second.static["linear"]
    own = [(i, arg) for i, arg in enumerate(second.args[1:]) if not any(arg is out for out in first.outs)]
    count = len(first.args) - 1
    branches = tuple(
        _composed(one, two, first, second) for one, two in zip(first.static["branches"], second.static["branches"])
    )
    places = tuple(1 + count + at for at, (i, _) in enumerate(own) if i + 1 in linear)
    static = {**second.static, "branches": branches, "linear": places}
    args = (*first.args, *[arg for _, arg in own])
    return Equation((*first.outs, *second.outs), first.op, args, static)


def _read_elsewhere(first: Equation, second: Equation, program: Program, builder: Builder) -> bool:
    """Whether anything but the second equation reads results of the first."""
    if "uses" not in builder.notes:
        builder.notes["uses"] = times_used(program)
    uses, own = builder.notes["uses"], set(map(id, first.outs))
    read = sum(uses.get(place, 0) for place in own)
    stands = any(id(atom) in own for atom in builder.replaced.values())
    return stands or read > sum(id(arg) in own for arg in second.args)


def _composed(one: Program, two: Program, first: Equation, second: Equation) -> Program:
    """Return a program that runs both, one after the other."""
    results = {id(out): atom for out, atom in zip(first.outs, one.outputs)}
    body = Builder(Program((), (), ()))
    fresh = [Var(var.shape, var.dtype, var.name) for var in two.inputs]
    inputs = [var for var, arg in zip(fresh, second.args[1:]) if id(arg) not in results]
    atoms = [
        typed_like(results[id(arg)], var) if id(arg) in results else var for var, arg in zip(fresh, second.args[1:])
    ]
    outputs: tuple[Any, ...] = body.inline(two, tuple(atoms))
    equations = (*one.equations, *body.equations)
    return Program((*one.inputs, *inputs), equations, (*one.outputs, *outputs), one.name)
