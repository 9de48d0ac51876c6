"""Equations with nested programs, simplified: results that nobody uses, and what only these need, are left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from mixgrad.core.op import Kind
from mixgrad.core.program import Equation, Program, Var, programs_in


def map_nested(program: Program, function: Callable[[Program], Program]) -> Program:
    """Return the program with `function` applied to each nested program."""
    if not any(equation.op.kind is Kind.NESTED for equation in program.equations):
        return program
    equations = tuple(_with_mapped(equation, function) for equation in program.equations)
    if all(a is b for a, b in zip(equations, program.equations)):
        return program
    return Program(program.inputs, equations, program.outputs, program.name)


def _with_mapped(equation: Equation, function: Callable[[Program], Program]) -> Equation:
    before = list(programs_in(equation.static))
    static = {key: _mapped(value, function) for key, value in equation.static.items()} if before else equation.static
    if all(a is b for a, b in zip(before, programs_in(static))):
        return equation
    return Equation(equation.outs, equation.op, equation.args, static)


def _mapped(value: Any, function: Callable[[Program], Program]) -> Any:
    if isinstance(value, tuple):
        return tuple(_mapped(part, function) for part in value)
    return function(value) if isinstance(value, Program) else value


def used_equations(program: Program) -> Program:
    """Leave out equations that no output depends on, and results of nested programs that none does."""
    needed = _variables(program.outputs)
    kept = []
    for equation in reversed(program.equations):
        wanted = [id(out) in needed for out in equation.outs]
        if any(wanted):
            if equation.op.name in _SLIM:
                equation = _SLIM[equation.op.name](equation, wanted)
            kept.append(equation)
            needed.update(id(arg) for arg in equation.variables())
    if len(kept) == len(program.equations) and all(a is b for a, b in zip(reversed(kept), program.equations)):
        return program
    return Program(program.inputs, tuple(reversed(kept)), program.outputs, program.name)


def _variables(atoms: Iterable[Any]) -> set[int]:
    return {id(atom) for atom in atoms if isinstance(atom, Var)}


def _inputs_of(program: Program, outputs: Iterable[Any]) -> set[int]:
    """Return which variables these outputs depend on."""
    needed = _variables(outputs)
    for equation in reversed(program.equations):
        if any(id(out) in needed for out in equation.outs):
            needed.update(id(arg) for arg in equation.variables())
    return needed


def _pick(values: Sequence[Any], flags: Sequence[bool]) -> tuple:
    return tuple(value for value, flag in zip(values, flags) if flag)


def _part(program: Program, inputs: Sequence[bool], outputs: Sequence[bool]) -> Program:
    """Return a program with some of its inputs and outputs."""
    chosen = _pick(program.outputs, outputs)
    return used_equations(Program(_pick(program.inputs, inputs), program.equations, chosen, program.name))


def _places(linear: Collection[int], flags: Sequence[bool]) -> tuple[int, ...]:
    """Return the new places of arguments of which only some remain."""
    return tuple(sum(flags[:i]) for i in range(len(flags)) if i in linear and flags[i])


def _slim_cond(equation: Equation, wanted: Sequence[bool]) -> Equation:
    branches = equation.static["branches"]
    used = [_inputs_of(branch, _pick(branch.outputs, wanted)) for branch in branches]
    columns = zip(*[[id(var) in needed for var in branch.inputs] for branch, needed in zip(branches, used)])
    flags = [any(column) for column in columns]
    if all(flags) and all(wanted):
        return equation
    static = {
        **equation.static,
        "branches": tuple(_part(branch, flags, wanted) for branch in branches),
        "linear": _places(equation.static.get("linear", ()), [True, *flags]),
    }
    return Equation(_pick(equation.outs, wanted), equation.op, _pick(equation.args, [True, *flags]), static)


def _slim_loop(equation: Equation, wanted: Sequence[bool]) -> Equation:
    static = dict(equation.static)
    test, body, consts, carry = (static[key] for key in ("test", "body", "consts", "carry"))
    split = consts + carry
    wanted = list(wanted)
    test_needs = set() if test is None else _inputs_of(test, test.outputs)
    tested = [test is not None and id(var) in test_needs for var in (test or body).inputs[:split]]
    wanted[:carry] = [a or b for a, b in zip(wanted[:carry], tested[consts:])]
    while True:
        needed = _inputs_of(body, _pick(body.outputs, wanted))
        flags = [id(var) in needed for var in body.inputs]
        before = wanted[:carry]
        wanted[:carry] = [a or b for a, b in zip(before, flags[consts:split])]
        if wanted[:carry] == before:
            break
    flags[:consts] = [a or b for a, b in zip(flags, tested[:consts])]
    flags[consts:split] = wanted[:carry]
    xs = equation.args[split:]
    if test is None and static["length"] is None:
        known = [x.shape[0] for x in xs if x.shape[0] != -1]
        if known:
            static["length"] = known[0]
        elif not any(flags[split:]):
            flags[split] = True  # it counts the steps
    if all(flags) and all(wanted):
        return equation if static == equation.static else Equation(equation.outs, equation.op, equation.args, static)
    static["body"] = _part(body, flags, wanted)
    if test is not None:
        static["test"] = _part(test, flags[:split], [True])
    static |= {"consts": sum(flags[:consts]), "carry": sum(flags[consts:split])}
    static["linear"] = _places(static.get("linear", ()), flags)
    return Equation(_pick(equation.outs, wanted), equation.op, _pick(equation.args, flags), static)


_SLIM = {"cond": _slim_cond, "loop": _slim_loop}
