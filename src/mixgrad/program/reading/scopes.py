"""Which names a function or a statement of Python reads and writes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Scope:
    """The names of one function.

    Attributes
    ----------
    parameters : list of str
    local : set of str
        Names that the function itself assigns, parameters included.
    outer : dict of str to str
        Names declared ``global`` or ``nonlocal``, with that word.
    writers : dict of str to set of str
        Functions defined inside, with the variables of this one that they assign.
    """

    parameters: list[str] = field(default_factory=list)
    local: set[str] = field(default_factory=set)
    outer: dict[str, str] = field(default_factory=dict)
    writers: dict[str, set[str]] = field(default_factory=dict)


def scope_of(function: ast.FunctionDef | ast.Lambda) -> Scope:
    """Return the names of a function."""
    arguments = function.args
    parameters = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    parameters += [a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None]
    outer = {}
    body = function.body if isinstance(function.body, list) else [function.body]
    for node in _inside(body):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            word = "global" if isinstance(node, ast.Global) else "nonlocal"
            outer |= dict.fromkeys(node.names, word)
    local = set(parameters) | {name for name in _bound(body) if name not in outer}
    writers = {}
    for node in _inside(body):
        if isinstance(node, ast.FunctionDef):
            declared = {n for part in ast.walk(node) if isinstance(part, ast.Nonlocal) for n in part.names}
            if declared:
                writers[node.name] = declared
    return Scope(parameters, local, outer, writers)


def writes(nodes: Iterable[ast.AST], scope: Scope) -> list[str]:
    """Return the variables that statements may change, in the order of the text.

    Attributes of variables count, as ``self.total``, and so do arrays of which an element is assigned.
    """
    nodes, known = list(nodes), {*scope.local, *scope.outer}
    found = {name: None for name in _bound(nodes) if name in known}
    for node in (part for top in nodes for part in ast.walk(top)):
        if isinstance(node, ast.Name) and node.id in scope.writers:
            found |= dict.fromkeys(sorted(scope.writers[node.id] & known))
    for node in _inside(nodes):
        targets: list = []
        if isinstance(node, (ast.Assign, ast.Delete)):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For)):
            targets = [node.target]
        for target in _flat(targets):
            base = _base(target)
            if base is not None and base.partition(".")[0] in known:
                found[base] = None
    return list(found)


def reads(nodes: Iterable[ast.AST], scope: Scope) -> list[str]:
    """Return the local variables that statements read, nested functions included."""
    found = {}
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id in scope.local:
                found[part.id] = None
    return list(found)


def _flat(targets: Iterable[ast.expr]) -> Iterator[ast.expr]:
    for target in targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            yield from _flat(target.elts)
        else:
            yield target.value if isinstance(target, ast.Starred) else target


def _base(target: ast.expr) -> str | None:
    """Return the variable or attribute whose contents an assignment changes."""
    while isinstance(target, ast.Subscript):
        target = target.value
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        return f"{target.value.id}.{target.attr}"
    return None


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in _inside(nodes):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name


def _inside(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield all nodes that belong to the same scope; of nested scopes only the name."""
    for node in nodes:
        yield node
        if isinstance(node, _FUNCTIONS):
            yield from _inside(_outside_parts(node))
        elif isinstance(node, ast.ClassDef):
            yield from _inside([*node.decorator_list, *node.bases])
        elif isinstance(node, _COMPREHENSIONS):
            yield from (part.target for part in ast.walk(node) if isinstance(part, ast.NamedExpr))
        else:
            yield from _inside(ast.iter_child_nodes(node))


def _outside_parts(node: ast.AST) -> list[ast.AST]:
    arguments = node.args  # type: ignore[attr-defined]
    defaults = [*arguments.defaults, *(value for value in arguments.kw_defaults if value is not None)]
    return [*getattr(node, "decorator_list", ()), *defaults]
