"""Long chains of ``elif``, without as many levels: first the number of the branch is found, then the branch in a tree.

With three branches (really only longer ones are rewritten) the text ``if a: A elif b: B else: C`` becomes ::

    which = 2
    if a: which = 0
    if which == 2 and b: which = 1
    if which < 1: A
    else:
        if which < 2: B
        else: C

Blocks, programs and calls are a few levels deep, whatever the number of branches. Tests are evaluated in the same
order, and only as long as none has held.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

LONGEST = 20
"""Chains with at most as many tests stay as they are."""


def shorten_chains(tree: ast.AST) -> None:
    """Rewrite the long chains of ``elif`` in a syntax tree, in place."""
    stack = [tree]
    while stack:
        node = stack.pop()
        for _, block in ast.iter_fields(node):
            if isinstance(block, list) and any(isinstance(part, ast.If) for part in block):
                block[:] = [part for statement in block for part in _shortened(statement)]
        stack.extend(ast.iter_child_nodes(node))


def _shortened(statement: ast.stmt) -> list[ast.stmt]:
    tests: list[ast.expr] = []
    blocks: list[list[ast.stmt]] = []
    rest: list[ast.stmt] = [statement]
    while len(rest) == 1 and isinstance(rest[0], ast.If):
        tests.append(rest[0].test)
        blocks.append(rest[0].body)
        rest = rest[0].orelse
    if len(tests) <= LONGEST:
        return [statement]
    which = f"_mg_which_{statement.lineno}_{statement.col_offset}"
    last = len(tests)
    start = _at(ast.Assign([ast.Name(which, ast.Store())], ast.Constant(last)), statement)
    search = [_search(which, k, last, test) for k, test in enumerate(tests)]
    blocks.append(rest or [_at(ast.Pass(), statement)])
    return [start, *search, *_tree(which, blocks, 0, tests)]


def _search(which: str, number: int, last: int, test: ast.expr) -> ast.stmt:
    """Return the statement that notes the number of a branch if it is the first whose test holds."""
    found = [_at(ast.Assign([ast.Name(which, ast.Store())], ast.Constant(number)), test)]
    if number == 0:
        return _at(ast.If(test, found, []), test)
    none_yet = ast.Compare(ast.Name(which, ast.Load()), [ast.Eq()], [ast.Constant(last)])
    if any(
        isinstance(part, (ast.Call, ast.NamedExpr, ast.Await)) for part in ast.walk(test)
    ):  # it may change variables
        return _at(ast.If(none_yet, [_at(ast.If(test, found, []), test)], []), test)
    return _at(ast.If(ast.BoolOp(ast.And(), [none_yet, test]), found, []), test)


def _tree(which: str, blocks: list[list[ast.stmt]], first: int, tests: list[ast.expr]) -> list[ast.stmt]:
    """Return the statements that run one of some blocks, of which the first has the number `first`."""
    if len(blocks) == 1:
        return blocks[0]
    half = len(blocks) // 2
    test = ast.Compare(ast.Name(which, ast.Load()), [ast.Lt()], [ast.Constant(first + half)])
    left, right = _tree(which, blocks[:half], first, tests), _tree(which, blocks[half:], first + half, tests)
    return [_at(ast.If(test, left, right), tests[first])]


def _at(node: ast.stmt, place: ast.AST) -> ast.stmt:
    """Give new nodes the place of an old one; those that have a place keep it."""
    for part in _new(node):
        ast.copy_location(part, place)
    return node


def _new(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes without a place among a node and what is in it."""
    if not hasattr(node, "lineno"):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _new(child)
