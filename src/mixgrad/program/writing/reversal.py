"""Writing the backward sweep of a checkpointed loop: its programs as functions, and a call that obeys the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixgrad.core.program import Equation, Program, Var
from mixgrad.program.writing.expression import Expression, tuple_text
from mixgrad.program.writing.scope import STATEMENTS, Scope
from mixgrad.program.writing.surroundings import zeros_text
from mixgrad.rules.bodies import atom


def reversal(scope: Scope, equation: Equation) -> None:
    """Write a row `reversal`."""
    static, function = equation.static, scope.function
    scope.settle_all()
    programs = [_function(scope, static[key], key) for key in ("step", "back", "test")]
    inputs = static["back"].inputs
    texts = [_argument(scope, arg, var) for arg, var in zip(equation.args, inputs)]
    stops = np.cumsum([0, *(static[key] for key in ("consts", "state", "xs", "carry"))]).tolist()
    groups = [tuple_text(texts[start:stop]) for start, stop in zip(stops, [*stops[1:], len(texts)])]
    stacked = map(atom, static["back"].outputs[static["carry"] :])
    empty = [zeros_text((0, *(max(n, 0) for n in out.shape)), out.dtype) for out in stacked]
    numbers = [f"{key}={static[key]}" for key in ("length", "reverse", "memory")]
    names = scope.result_names(equation.outs)
    call = ", ".join([*programs, *groups, *numbers, f"empty={tuple_text(empty)}"])
    function.line(f"{tuple_text(names)[1:-1]} = {scope.helper('reversal')}({call})")


def _argument(scope: Scope, arg: Any, var: Var) -> str:
    arg = scope.resolved(arg)
    return str(scope.expression(arg if hasattr(arg, "dtype") else np.asarray(arg, var.dtype)[()]))


def _function(scope: Scope, program: Program | None, wanted: str) -> str:
    """Write a program as a function inside the function; return its name."""
    if program is None:
        return "None"
    names = scope.function.names
    name = names.take(wanted)
    taken = set(names.taken)
    inner = Scope(scope.function, program)
    inner.fixed |= scope.fixed
    parameters = [names.take(var.name) for var in program.inputs]
    for var, parameter in zip(program.inputs, parameters):
        inner.expressions[id(var)] = Expression(parameter)
    with scope.function.block(f"def {name}({', '.join(parameters)}):"):
        inner.run()
        results = _results(inner, program.outputs)
        scope.function.line(f"return {results[0] if wanted == 'test' else tuple_text(results)}")
    names.taken = taken
    return name


def _results(inner: Scope, outputs: Sequence[Any]) -> list[str]:
    results = [str(inner.typed(output)) for output in outputs]
    inner.taken(*outputs)
    return results


STATEMENTS["reversal"] = reversal
