"""Programs as readable modules of Python that run with NumPy alone, of the interpreter's bits."""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from typing import Any

import numpy as np

from mixgrad.core.program import Program, Var, programs_in
from mixgrad.program.writing import reversal as _reversal  # noqa: F401  (fills the table of statements)
from mixgrad.program.writing import statements as _statements  # noqa: F401  (fills the table of statements)
from mixgrad.program.writing.expression import Expression
from mixgrad.program.writing.function import Function
from mixgrad.program.writing.scope import FOLDED, Scope
from mixgrad.program.writing.spelling import has_products

_PLAIN = "Products follow IEEE: where one factor is zero and the other inf or nan, they are nan, not zero."


def to_python(program: Program, strict: bool = False, summary: str = "") -> str:
    """Return the text of a module with one function, which computes what the program computes.

    Parameters
    ----------
    program : Program
    strict : bool
        Whether zero times inf or nan is zero in derivatives, as in the interpreter: by a function that comes along,
        instead of plain products. Where all products are finite both give the same bits.
    summary : str
        The first line of the docstring.

    Returns
    -------
    str
        The function is named after the program and takes its inputs by position. It returns the output, or a tuple
        of them. The same program always gives the same text.

    Raises
    ------
    UnsupportedError
        If a row of the table has no spelling.
    """
    function = Function(strict, [program.name, *(var.name for var in _variables(program))])
    scope = Scope(function, program)
    parameters = []
    for var in program.inputs:
        parameters.append(function.names.take(var.name))
        scope.expressions[id(var)] = Expression(parameters[-1])
    scope.run()
    results = [scope.expression(_output(scope, output)) for output in program.outputs]
    function.line(f"return {', '.join(map(str, results)) or '()'}")
    name = program.name
    if not name.isidentifier() or keyword.iskeyword(name) or name in function.names.reserved:
        name = f"{name}_" if name.isidentifier() else "program"
    lossy = not strict and any(has_products(e) for p in _programs(program) for e in p.equations)
    document = _docstring(program, parameters, results, summary, lossy)
    head = [f"def {name}({', '.join(parameters)}):", *document]
    return _module(name, function, [*head, *function.lines])


def _output(scope: Scope, output: Any) -> Any:
    """Return a result; what waits in a long expression gets a name first."""
    if isinstance(output, Var) and id(output) in scope.pending:
        if len(scope.program.outputs) > 1 and len(scope.pending[id(output)].text) > FOLDED // 2:
            scope.settle(id(output))
        scope.taken(output)
    return output


def _programs(program: Program) -> Iterator[Program]:
    """Yield a program and those inside it."""
    yield program
    for equation in program.equations:
        for nested in programs_in(equation.static):
            yield from _programs(nested)


def _variables(program: Program) -> Iterator[Var]:
    for part in _programs(program):
        yield from part.inputs
        for equation in part.equations:
            yield from equation.outs


def _type(value: Any) -> str:
    """Return a type in words: ``float64, shape (3,)``."""
    shape, dtype = np.shape(value), value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    lengths = ["?" if n < 0 else str(n) for n in shape]
    text = f"({lengths[0]},)" if len(lengths) == 1 else f"({', '.join(lengths)})"
    return f"{dtype.name}, shape {text}" if shape else dtype.name


def _docstring(
    program: Program, parameters: list[str], results: list[Expression], summary: str, lossy: bool
) -> list[str]:
    lines = [summary or f"Return {', '.join(map(str, results)) if _short(results) else 'the results'}."]
    lines += ["", _PLAIN] if lossy else []
    if parameters:
        lines += ["", "Parameters", "----------"]
        lines += [f"{name} : {_type(var)}" for name, var in zip(parameters, program.inputs)]
    lines += ["", "Returns", "-------"]
    for result, output in zip(results, program.outputs):
        lines.append(f"{result} : {_type(output)}" if result.is_name else _type(output))
    return [f'    """{lines[0]}', *(f"    {line}".rstrip() for line in lines[1:]), '    """']


def _short(results: list[Expression]) -> bool:
    return bool(results) and all(result.is_name for result in results) and sum(len(r.text) for r in results) < 60


def _module(name: str, function: Function, lines: list[str]) -> str:
    constants = [f"{key} = {text}" for key, text in function.constants.values()]
    parts = ["\n".join(function.imports())]
    if constants:
        parts.append("\n" + "\n".join(constants))
    parts += ["\n\n" + "\n".join(lines), *("\n\n" + text for text in function.helper_texts())]
    return "\n".join([f'"""`{name}`, written by mixgrad: it needs NumPy{_needs(function)}."""', "", *parts, ""])


def _needs(function: Function) -> str:
    return " and SciPy" if len(function.imports()) > 1 else " alone"


# A method of programs. The class itself is three floors below and knows no texts.
Program.to_python = to_python  # type: ignore[attr-defined]
