"""Python source in: a function is read from its file, rewritten, and compiled at its old place.

Tracebacks and debuggers show the user's own lines. The new function shares globals and closure with the old one.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import types
from typing import Any

import numpy as np

from mixgrad.program.reading import fence
from mixgrad.program.reading.chains import shorten_chains
from mixgrad.program.reading.control import ControlRewriter
from mixgrad.program.reading.rewrite import OPERATORS, Rewriter

_CREATION = """
    zeros ones empty full eye identity array asarray asanyarray ascontiguousarray arange linspace logspace geomspace
    zeros_like ones_like empty_like full_like copy tri diag put copyto fill_diagonal place putmask
"""
CREATION = frozenset(_CREATION.split())
"""Functions of NumPy that make arrays or write into them: in rewritten functions they go through `call`."""

_FACTORY, _FUNCTION = "_mg_factory", "_mg_function"


def rewrite(function: types.FunctionType, operators: Any, control: bool) -> types.FunctionType | None:
    """Return `function` with its calls and assignments, and with `control` its branches and loops, as operators.

    Parameters
    ----------
    function : function
    operators : module
        What ``_mg_`` stands for.
    control : bool

    Returns
    -------
    function or None
        None if there is no source.

    Raises
    ------
    SourceError
        If the source has constructs that cannot be rewritten.
    """
    code = _code(function.__code__, control, _names_of_numpy(function))
    if code is None:
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    cells[OPERATORS] = types.CellType(operators)
    closure = tuple(cells[name] for name in code.co_freevars)
    new = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    new.__kwdefaults__ = function.__kwdefaults__
    new.__qualname__, new.__module__, new.__doc__ = function.__qualname__, function.__module__, function.__doc__
    return new


def _names_of_numpy(function: types.FunctionType) -> frozenset[str]:
    """Return the names by which a function knows NumPy."""
    code = function.__code__
    own = code.co_varnames + code.co_cellvars
    return frozenset(name for name in _all_names(code) if function.__globals__.get(name) is np and name not in own)


def _is_plain(function: ast.expr, numpy: frozenset[str]) -> bool:
    """Whether an expression names a function of NumPy that needs no help with differentiated values."""
    parts = []
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if not parts or not isinstance(function, ast.Name) or function.id not in numpy:
        return False
    return parts[0] not in CREATION and parts != ["at", "add"]


def _all_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names) | set(code.co_freevars)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _all_names(constant)
    return names


@functools.lru_cache(maxsize=4096)
def _code(code: types.CodeType, control: bool, numpy: frozenset[str]) -> types.CodeType | None:
    node = definition(code)
    if node is None:
        return None
    fence.check(node, code.co_filename, code.co_name)
    node = copy.deepcopy(node)
    if isinstance(node, ast.Lambda):
        body: list[ast.stmt] = [ast.copy_location(ast.Return(node.body), node.body)]
        node = ast.copy_location(ast.FunctionDef("", node.args, body, [], None, type_params=[]), node)
    node.name = _FUNCTION  # so that in the body its own name means what it has meant
    node.decorator_list, node.returns = [], None
    _forget_annotations_and_defaults(node.args)
    rewriter = (ControlRewriter if control else Rewriter)(lambda called: _is_plain(called, numpy))
    node = rewriter.function(node)
    free = [*code.co_freevars, OPERATORS]
    arguments = ast.arguments([], [ast.arg(name) for name in free], None, [], [], None, [])
    factory = ast.FunctionDef(_FACTORY, arguments, [node], [], None, type_params=[])
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(factory, node)], []))
    compiled = compile(module, code.co_filename, "exec", dont_inherit=True)
    found = _named(_named(compiled, _FACTORY), _FUNCTION)
    return found.replace(co_name=code.co_name, co_qualname=code.co_qualname)


def _named(code: types.CodeType, name: str) -> types.CodeType:
    return next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)


def _forget_annotations_and_defaults(arguments: ast.arguments) -> None:
    """Leave out what is not evaluated again: the new function is given the default values of the old one."""
    everything = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    for argument in everything:
        if argument is not None:
            argument.annotation = None
    none = ast.Constant(None)
    arguments.defaults = [none for _ in arguments.defaults]
    arguments.kw_defaults = [value and none for value in arguments.kw_defaults]


# The source of a function ---------------------------------------------------------------------------------------------


def definition(code: types.CodeType) -> ast.FunctionDef | ast.Lambda | None:
    """Return the syntax tree of the function that a code object belongs to; None if its source is not known."""
    try:
        lines, _ = inspect.findsource(code)
    except (OSError, TypeError, IndexError):
        return None
    tree = _parse("".join(lines))
    if tree is None:
        return None
    candidates = tree.get((code.co_firstlineno, code.co_name), [])
    if len(candidates) > 1:
        candidates = [node for node in candidates if _covers(node, code)]
    return candidates[0] if candidates else None


Definitions = dict[tuple[int, str], list]


@functools.lru_cache(maxsize=256)
def _parse(text: str) -> Definitions | None:
    """Return the functions of a file by first line, decorators included, and name."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    shorten_chains(tree)
    found: Definitions = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found.setdefault((line, node.name), []).append(node)
        elif isinstance(node, ast.Lambda):
            found.setdefault((node.lineno, "<lambda>"), []).append(node)
    return found


def _covers(node: ast.AST, code: types.CodeType) -> bool:
    """Whether all instructions lie inside the body of a lambda: there may be several on a line."""
    body = node.body[0] if isinstance(node, ast.FunctionDef) else node.body  # type: ignore[attr-defined]
    first, last = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
    places = [place for place in code.co_positions() if None not in place and place[2] != place[3]]
    starts = [(line, column) for line, _, column, _ in places]
    ends = [(line, column) for _, line, _, column in places]
    return bool(starts) and min(starts) == first and max(ends) == last
