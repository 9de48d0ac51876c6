"""Make a failing program small: one change after another that keeps it valid and failing, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .form import SAME, Facts
from .programs import Assign, If, InvalidProgram, Loop, Program, Statement


def shrink(program: Program, fails: Callable[[Program], bool], tries: int = 2000) -> Program:
    """Return a smallest program found for which `fails` holds still."""
    while True:
        for candidate in _candidates(program):
            tries -= 1
            if tries < 0:
                return program
            if _is_valid(candidate) and fails(candidate):
                program = candidate
                break
        else:
            return program


def _is_valid(program: Program) -> bool:
    try:
        program.observe()
    except InvalidProgram:
        return False
    return True


def _candidates(program: Program) -> Iterator[Program]:
    """Yield programs that are smaller or simpler, those that are much smaller first."""
    yield from _fewer_outputs(program)
    yield from _later_starts(program)
    yield from _without_statements(program)
    yield from _simpler_inputs(program)
    if program.layout != "bare" and len(program.inputs) == 1:
        yield replace(program, layout="bare")
    if program.layout in ("dict", "nested"):
        yield replace(program, layout="tuple")


# Outputs and inputs -------------------------------------------------------------------------------------------------


def _tidied(program: Program) -> Program:
    """Return the program without dead code and without inputs that nothing reads."""
    program = program.without_dead_code()
    read = set(program.outputs).union(*(statement.reads for statement in program.statements))
    inputs = {name: x for name, x in program.inputs.items() if name in read}
    layout = program.layout if len(inputs) == len(program.inputs) or program.layout == "bare" else "tuple"
    return replace(program, inputs=inputs, layout=layout) if inputs else program


def _fewer_outputs(program: Program) -> Iterator[Program]:
    if len(program.outputs) > 1:
        for name in program.outputs:
            yield _tidied(replace(program, outputs=(name,)))
    for statement in program.statements:
        if (statement.target,) != program.outputs:
            yield _tidied(replace(program, outputs=(statement.target,)))


def _later_starts(program: Program) -> Iterator[Program]:
    """Make the value of a statement an input, so that nothing before it is needed."""
    scope = dict(program.inputs)
    for k, statement in enumerate(program.statements):
        try:
            with np.errstate(all="ignore"):
                statement.run(scope, Facts())
        except InvalidProgram:
            return
        if (statement.target,) != program.outputs:
            inputs = {**program.inputs, statement.target: np.array(scope[statement.target])[()]}
            rest = program.statements[:k] + program.statements[k + 1 :]
            layout = "tuple" if program.layout == "bare" else program.layout
            yield _tidied(replace(program, inputs=inputs, statements=rest, layout=layout))


def _simpler_inputs(program: Program) -> Iterator[Program]:
    for name, x in program.inputs.items():
        for simpler in _simpler_arrays(x):
            yield replace(program, inputs={**program.inputs, name: simpler})


def _simpler_arrays(x: Any) -> Iterator[Any]:
    if np.ndim(x):
        for axis, n in enumerate(x.shape):
            if n > 1:
                yield np.take(x, range(n - 1), axis)
                yield np.take(x, range(1, n), axis)
    for digits in (0, 1, 2):
        rounded = np.round(x, digits)
        if not np.array_equal(rounded, x):
            yield rounded
    for index in np.ndindex(np.shape(x)):
        for value in (0.0, 1.0, 0.5):
            if x[index] not in (0.0, 1.0, value):
                changed = np.array(x)
                changed[index] = value
                yield changed[()]


# Statements ---------------------------------------------------------------------------------------------------------


def _renamed(statements: tuple, old: str, new: str) -> tuple:
    """Return statements that read another variable."""
    return tuple(_renamed_one(statement, old, new) for statement in statements)


def _renamed_one(statement: Statement, old: str, new: str) -> Statement:
    def name(word: str) -> str:
        return new if word == old else word

    if isinstance(statement, Assign):
        return replace(statement, operands=tuple(map(name, statement.operands)))
    condition = statement.condition and replace(statement.condition, operand=name(statement.condition.operand))
    if isinstance(statement, If):
        arms = tuple(_renamed(arm, old, new) for arm in statement.arms)
        return replace(statement, condition=condition, arms=arms, results=tuple(map(name, statement.results)))
    body, start, result = _renamed(statement.body, old, new), name(statement.start), name(statement.result)
    return replace(statement, condition=condition, body=body, start=start, result=result)


def _without_statements(program: Program) -> Iterator[Program]:
    """Leave out a statement: what reads it reads one of its operands; open up branches and loops."""
    for k, statement in enumerate(program.statements):
        before, after = program.statements[:k], program.statements[k + 1 :]
        for other in sorted(statement.reads):
            outputs = tuple(other if name == statement.target else name for name in program.outputs)
            shorter = replace(program, statements=before + _renamed(after, statement.target, other), outputs=outputs)
            yield _tidied(shorter)
        for parts in _opened(statement):
            yield _tidied(replace(program, statements=before + parts + after))


def _opened(statement: Statement) -> Iterator[tuple]:
    """Yield simpler statements in place of a branch or a loop."""
    if isinstance(statement, If):
        for arm, result in zip(statement.arms, statement.results):
            yield (*arm, *_alias(statement.target, result))
        for i, arm in enumerate(statement.arms):
            for k in range(len(arm)):
                yield (_with_arm(statement, i, arm[:k] + arm[k + 1 :]),)
    elif isinstance(statement, Loop):
        if statement.condition is not None or statement.count > 1:
            yield (replace(statement, condition=None, count=1),)
        for k in range(len(statement.body)):
            yield (replace(statement, body=statement.body[:k] + statement.body[k + 1 :]),)
        if statement.result != statement.target:
            yield (replace(statement, result=statement.target),)
        body = _renamed(statement.body, statement.target, statement.start)
        yield (*body, *_alias(statement.target, statement.result))


def _with_arm(statement: If, i: int, arm: tuple) -> If:
    arms = list(statement.arms)
    arms[i] = arm
    return replace(statement, arms=tuple(arms))


def _alias(target: str, name: str) -> tuple:
    return (Assign(target, SAME, "{0}", (name,)),)
