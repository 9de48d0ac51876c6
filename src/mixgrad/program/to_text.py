"""Programs as text that reads back as the identical program.

The text is a function in the syntax of Python, one equation a line, its type in a comment::

    def f(x: f64[2]):
        a = index(x, form=form(0))  # f64
        b = sin(a)  # f64
        return (b,)

Types of results are not read: the rows of the table say them. A nested program, the body of a loop, is a function
before the equation that runs it; a length that is known only when the program runs is a question mark.
"""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np

from mixgrad._errors import ProgramError
from mixgrad.core.numpy_table import load_late
from mixgrad.core.op import TABLE
from mixgrad.core.program import Equation, Program, Var, programs_in, type_of
from mixgrad.program.names import name_of_function, names_of
from mixgrad.rules.index import SLOT, Form

_KINDS = {"f": "f", "c": "c", "i": "i", "u": "u", "b": "bool"}


def dtype_name(dtype: np.dtype) -> str:
    """Return a short name: f64, i32, c128, bool."""
    return "bool" if dtype.kind == "b" else f"{_KINDS[dtype.kind]}{8 * dtype.itemsize}"


_DTYPES = {dtype_name(np.dtype(code)): np.dtype(code) for code in "efdgFDbhilBHIL?"}


def type_text(var: Any) -> str:
    """Return the type of a variable: ``f64[2, 3]``, and ``f64`` for a number."""
    return dtype_name(var.dtype) + (f"[{', '.join(map(_size_text, var.shape))}]" if var.shape else "")


def _size_text(size: int) -> str:
    return "?" if size == -1 else str(size)


# Printing -------------------------------------------------------------------------------------------------------------


def to_text(program: Program) -> str:
    """Return the program as text."""
    return "\n".join(_lines(program, program.name, {}, frozenset())) + "\n"


def _lines(program: Program, name: str, functions: dict[int, str], outside: frozenset[str]) -> list[str]:
    """Return the lines of a program; `functions` are the nested programs that are defined around it."""
    names = names_of(program, outside)
    taken = {*outside, *names.values()}
    functions = dict(functions)
    inputs = ", ".join(f"{names[id(var)]}: {type_text(var)}" for var in program.inputs)
    lines = [f"def {name}({inputs}):"]
    for equation in program.equations:
        for nested in programs_in(equation.static):
            if id(nested) not in functions:
                functions[id(nested)] = function = name_of_function(nested, taken)
                taken.add(function)
                lines += [f"    {line}" for line in _lines(nested, function, functions, frozenset(taken))]
        left = ", ".join(names[id(out)] for out in equation.outs)
        types = ", ".join(type_text(out) for out in equation.outs)
        lines.append(f"    {left} = {_call_text(equation, names, functions)}  # {types}")
    outputs = ", ".join(_atom_text(output, names) for output in program.outputs)
    comma = "," if len(program.outputs) == 1 else ""
    return [*lines, f"    return ({outputs}{comma})"]


def _call_text(equation: Equation, names: dict[int, str], functions: dict[int, str]) -> str:
    parts = [_atom_text(arg, names) for arg in equation.args]
    parts += [f"{key}={_static_text(value, functions)}" for key, value in equation.static.items()]
    return f"{equation.op.name}({', '.join(parts)})"


def _atom_text(atom: Any, names: dict[int, str]) -> str:
    if isinstance(atom, Var):
        return names[id(atom)]
    if isinstance(atom, (np.ndarray, np.generic)):
        alike = atom.size > 1 and atom.tobytes() == atom.ravel()[:1].tobytes() * atom.size
        text = _number_text(atom.ravel()[0].item()) if alike else _list_text(atom.tolist())
        shape = f", {atom.shape}" if alike or atom.size == 0 else ""
        return f"{dtype_name(atom.dtype)}({text}{shape})"
    return _number_text(atom)


def _list_text(value: Any) -> str:
    return f"[{', '.join(map(_list_text, value))}]" if isinstance(value, list) else _number_text(value)


def _number_text(value: Any) -> str:
    if isinstance(value, complex):
        return f"complex({_number_text(value.real)}, {_number_text(value.imag)})"
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "inf", "-inf": "-inf"}.get(repr(value), "nan")
    return repr(value)


def _static_text(value: Any, functions: dict[int, str]) -> str:
    if isinstance(value, Program):
        return functions[id(value)]
    if isinstance(value, np.dtype):
        return dtype_name(value)
    if isinstance(value, Form):
        return f"form({', '.join(_static_text(part, functions) for part in value.parts)})"
    if value is SLOT:
        return "_"
    if value is Ellipsis:
        return "..."
    if isinstance(value, slice):
        return f"slice({value.start}, {value.stop}, {value.step})"
    if isinstance(value, tuple):
        return f"({', '.join(_static_text(part, functions) for part in value)}{',' if len(value) == 1 else ''})"
    return repr(value)


# Programs print as their text. The class itself is two floors below and knows no texts.
Program.__str__ = Program.__repr__ = to_text  # type: ignore[method-assign]


# Reading --------------------------------------------------------------------------------------------------------------


def parse(text: str) -> Program:
    """Return the program of a text that `to_text` wrote.

    Raises
    ------
    ProgramError
        If it is no such text; the message names the line.
    """
    try:
        (function,) = ast.parse(text.replace("?", "-1")).body
    except (SyntaxError, ValueError) as error:
        raise ProgramError(f"this is not the text of a program: {error}") from None
    return _Reader({}).program(function)


class _Reader:
    """The variables of one program read so far, and the nested programs that are defined around it and in it."""

    def __init__(self, functions: dict[str, Program]) -> None:
        self.variables: dict[str, Var] = {}
        self.functions = dict(functions)

    def program(self, function: ast.stmt) -> Program:
        if not isinstance(function, ast.FunctionDef) or not isinstance(function.body[-1], ast.Return):
            raise ProgramError("the text of a program is one function that ends with return")
        inputs = tuple(self.input(argument) for argument in function.args.args)
        equations = []
        for statement in function.body[:-1]:
            if isinstance(statement, ast.FunctionDef):
                self.functions[statement.name] = _Reader(self.functions).program(statement)
            else:
                equations.append(self.equation(statement))
        outputs = tuple(self.atom(node) for node in function.body[-1].value.elts)  # type: ignore[union-attr]
        return Program(inputs, tuple(equations), outputs, function.name)

    def input(self, node: ast.arg) -> Var:
        annotation = node.annotation
        if isinstance(annotation, ast.Name):
            return self.define(node.arg, (), self.dtype(annotation))
        if not isinstance(annotation, ast.Subscript):
            raise ProgramError(f"line {node.lineno}: input {node.arg} has no type such as f64[2, 3]")
        sizes = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        shape = tuple(ast.literal_eval(size) for size in sizes)
        return self.define(node.arg, shape, self.dtype(annotation.value))

    def define(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Var:
        self.variables[name] = var = Var(shape, dtype, name)
        return var

    def dtype(self, node: ast.expr) -> np.dtype:
        if isinstance(node, ast.Name) and node.id in _DTYPES:
            return _DTYPES[node.id]
        raise ProgramError(f"line {node.lineno}: {ast.unparse(node)} is not a dtype such as f64")

    def equation(self, statement: ast.stmt) -> Equation:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
            raise ProgramError(f"line {statement.lineno}: expected `name = op(...)`, got {ast.unparse(statement)!r}")
        call, (target,) = statement.value, statement.targets
        name = ast.unparse(call.func)
        if name not in TABLE:
            load_late()
        if name not in TABLE:
            raise ProgramError(f"line {statement.lineno}: the table has no row {name!r}")
        args = tuple(self.atom(node) for node in call.args)
        static = {str(keyword.arg): self.static(keyword.value) for keyword in call.keywords}
        targets = target.elts if isinstance(target, ast.Tuple) else [target]
        types = type_of(TABLE[name], args, static)
        outs = tuple(self.define(ast.unparse(node), *kind) for node, kind in zip(targets, types, strict=True))
        return Equation(outs, TABLE[name], args, static)

    def atom(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name) and node.id in self.variables:
            return self.variables[node.id]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _DTYPES:
            values = np.array(self.number(node.args[0]), _DTYPES[node.func.id])
            if len(node.args) == 1:
                return values[()]
            shape = self.number(node.args[1])  # of an array of equal numbers, or of an empty one
            return values.reshape(shape) if values.ndim else np.full(shape, values)
        return self.number(node)

    def number(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name) and node.id in ("nan", "inf"):
            return float(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self.number(node.operand)
        if isinstance(node, (ast.List, ast.Tuple)):
            parts = [self.number(part) for part in node.elts]
            return parts if isinstance(node, ast.List) else tuple(parts)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "complex":
            return complex(*[self.number(part) for part in node.args])
        if isinstance(node, ast.Constant):
            return node.value
        raise ProgramError(f"line {node.lineno}: {ast.unparse(node)} is neither assigned before nor a number")

    def static_name(self, node: ast.Name) -> Any:
        return SLOT if node.id == "_" else self.dtype(node)

    def static(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self.functions[node.id] if node.id in self.functions else self.static_name(node)
        if isinstance(node, ast.Tuple):
            return tuple(self.static(part) for part in node.elts)
        if isinstance(node, ast.Call):
            parts = [self.static(part) for part in node.args]
            return Form(tuple(parts)) if ast.unparse(node.func) == "form" else slice(*parts)
        return self.number(node)
