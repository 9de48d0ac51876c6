"""`source`: a function and its derivative as readable Python that needs NumPy alone."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from mixgrad._arguments import Inputs
from mixgrad._errors import DerivativeError
from mixgrad._runs import run_forward, run_recorded
from mixgrad._tree import flatten
from mixgrad.core.naming import renamed
from mixgrad.core.program import Program
from mixgrad.program.from_python import definition
from mixgrad.program.simplify import simplify
from mixgrad.program.to_python import to_python
from mixgrad.program.writing.names import Names
from mixgrad.staging import _names as names_of_leaves
from mixgrad.staging import trace

Mode = Literal["forward", "reverse"]
LONGEST_COMMENT = 88


def source(
    fun: Callable,
    *args: Any,
    mode: Mode | None = None,
    strict: bool = False,
    argnums: int | Sequence[int] = 0,
) -> str:
    """Return the text of a Python module that computes `fun`, or its derivative, with NumPy alone.

    Parameters
    ----------
    fun : callable
        Of arrays, numbers and containers of them, which become parameters one by one.
    *args : arrays, numbers or containers
        Only their shapes and dtypes matter, and the module is for these.
    mode : {None, "forward", "reverse"}
        Nothing but the function itself; the dual program, which takes a tangent ``x_dot`` after all arguments for each
        ``x`` and returns values and tangents; or the program that returns values and cotangents ``x_bar``: for a
        function with a real number as its result the gradient, for others it takes a cotangent ``<result>_bar`` after
        all arguments for each result.
    strict : bool
        Whether products in derivatives are zero where one factor is zero and the other inf or nan, as in `mixgrad`
        itself: by a function that the module brings along. Otherwise they are plain products.
    argnums : int or sequence of int
        The positional arguments to differentiate by.

    Returns
    -------
    str
        A module with one function named after `fun`, with `mode` after `fun` and ``_dual`` or ``_gradient``. Where a
        line of `fun` has become something that reads differently, it stands above as a comment.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> text = mg.source(lambda x, y: x * y + np.sin(x), 1.0, 2.0, mode="forward", argnums=(0, 1))
    >>> print(text.partition(" = ")[2].splitlines()[0])
    x_dot * y + x * y_dot + np.cos(x) * x_dot
    """
    if mode not in (None, "forward", "reverse"):
        raise ValueError(f"source: mode must be None, 'forward' or 'reverse', got {mode!r}")
    if mode is None:
        return _with_lines_of(fun, to_python(simplify(trace(fun)(*args)), strict))
    inputs = Inputs.of(args, argnums, "source")
    name = getattr(fun, "__name__", "")
    name = name if name.isidentifier() else "program"
    if mode == "forward":
        program, summary = _forward(fun, args, inputs)
        name += "_dual"
    else:
        program, summary = _reverse(fun, args, inputs)
        name += "_gradient" if summary.startswith("Return the value and the gradient") else "_pullback"
    program = simplify(program)
    program = Program(program.inputs, program.equations, program.outputs, name)
    return _with_lines_of(fun, to_python(program, strict, summary))


class _Leaves:
    """The arguments of a function leaf by leaf, with names."""

    def __init__(self, fun: Callable, args: tuple, inputs: Inputs) -> None:
        self.leaves, self.structure = flatten(args)
        self.inputs = inputs
        self.names = names_of_leaves(fun, len(args), self.structure.paths())
        rest = iter(self.names)
        by_argument = [[next(rest) for _ in flatten(arg)[0]] for arg in args]
        self.moved = [name for number in inputs.argnums for name in by_argument[number]]

    def trace(self, function: Callable, more: list, names: list[str]) -> Program:
        """Record ``function(args, more)`` with a parameter for each leaf and each of `more`."""
        count = len(self.leaves)
        known = Names((), ())
        parameters = [known.take(name) for name in (*self.names, *names)]

        def flat(*values: Any) -> list:
            return function(self.structure.unflatten(list(values[:count])), list(values[count:]))

        kind = inspect.Parameter.POSITIONAL_ONLY
        flat.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in parameters])  # type: ignore[attr-defined]
        return trace(flat)(*self.leaves, *more)


def _forward(fun: Callable, args: tuple, inputs: Inputs) -> tuple[Program, str]:
    leaves = _Leaves(fun, args, inputs)

    def dual(primals: tuple, tangents: list) -> list:
        given = Inputs.of(primals, inputs.argnums, "source")
        value, dot = run_forward(fun, primals, {}, given, tangents, False)
        return [*flatten(value)[0], *flatten(dot)[0]]

    program = leaves.trace(dual, inputs.leaves, [f"{name}_dot" for name in leaves.moved])
    half = len(program.outputs) // 2
    if half == 1:
        program = _with_output_names(program, program.outputs, ["value", "value_dot"], keep=True)
    return program, f"Return the value and the tangent of `{_title(fun)}`{'' if half == 1 else ', result by result'}."


def _reverse(fun: Callable, args: tuple, inputs: Inputs) -> tuple[Program, str]:
    leaves = _Leaves(fun, args, inputs)
    results = simplify(trace(fun)(*args)).outputs
    types = [(np.shape(out), _dtype_of(out)) for out in results]
    if not any(dtype.kind in "fc" for _, dtype in types):
        raise DerivativeError(f"source: {_title(fun)} returns nothing made of floats, so it has no derivative")
    scalar = len(types) == 1 and types[0][0] == () and types[0][1].kind == "f"

    def back(primals: tuple, cotangents: list) -> list:
        record = run_recorded(fun, primals, {}, inputs.argnums, False, "source")
        bars = [np.ones((), types[0][1])[()]] if scalar else cotangents
        return [*record.outputs, *record.pull_leaves(bars)]

    cotangents = [] if scalar else [np.zeros(shape, dtype) for shape, dtype in types]
    names = [] if scalar else [f"{getattr(out, 'name', '') or 'y'}_bar" for out in results]
    program = leaves.trace(back, cotangents, names)
    if len(types) == 1:
        program = _with_output_names(program, program.outputs[:1], ["value"], keep=True)
    bars = program.outputs[len(types) :]
    program = _with_output_names(program, bars, [f"{name}_bar" for name in leaves.moved])
    what = "value and the gradient" if scalar else "value and the cotangents of the arguments"
    return program, f"Return the {what} of `{_title(fun)}`."


def _dtype_of(value: Any) -> np.dtype:
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype


def _title(fun: Callable) -> str:
    return getattr(fun, "__name__", "f")


def _with_output_names(program: Program, outputs: Sequence[Any], names: list[str], keep: bool = False) -> Program:
    """Return a program in which those of the outputs that an equation computes have these names, or `keep` theirs."""
    computed = {id(out) for equation in program.equations for out in equation.outs}
    wanted = {id(out): name for out, name in zip(outputs, names) if id(out) in computed and not (keep and out.name)}
    return renamed(program, wanted)


def _with_lines_of(fun: Callable, text: str) -> str:
    """Put assignments of `fun` above the lines that they have become, unless these read the same."""
    assigned = _assignments(fun)
    lines = []
    for line in text.splitlines():
        found = re.fullmatch(r"( +)(\w+) = (.+)", line)
        known = assigned.pop(found[2], None) if found else None
        if found and known is not None and known[1].partition(" = ")[2] != found[3]:
            lines.append(f"{found[1]}# line {known[0]}: {known[1]}")
        lines.append(line)
    return "\n".join(lines) + "\n"


def _assignments(fun: Callable) -> dict[str, tuple[int, str]]:
    """Return line and text of the assignments of a function to names that it assigns once."""
    node = definition(fun.__code__) if inspect.isfunction(fun) else None
    found: dict[str, list[tuple[int, str]]] = {}
    for statement in ast.walk(node) if node is not None else ():
        if isinstance(statement, (ast.Assign, ast.AugAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append((statement.lineno, ast.unparse(statement)))
    return {name: lines[0] for name, lines in found.items() if len(lines) == 1 and len(lines[0][1]) <= LONGEST_COMMENT}
