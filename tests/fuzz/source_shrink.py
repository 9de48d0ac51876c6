"""Makes the text of a function smaller, statement by statement, while something stays wrong about it."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

_BLOCKS = ("body", "orelse")


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for field in _BLOCKS:
            block = getattr(node, field, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _smaller(tree: ast.Module) -> Iterator[ast.Module]:
    """Yield trees with one statement less, with a block in the place of its statement, or with a part for a whole."""
    for b, block in enumerate(list(_blocks(tree))):
        for i in reversed(range(len(block))):
            replacements: list[list[ast.stmt]] = [[]]
            replacements += [
                getattr(block[i], field) for field in _BLOCKS if isinstance(getattr(block[i], field, None), list)
            ]
            for replacement in replacements:
                new = copy.deepcopy(tree)
                place = list(_blocks(new))[b]
                place[i : i + 1] = copy.deepcopy(replacement) or ([] if len(place) > 1 else [ast.Pass()])
                yield new
    count = sum(isinstance(node, (ast.BinOp, ast.Call, ast.IfExp, ast.BoolOp)) for node in ast.walk(tree))
    for k in range(count):
        for part in range(3):
            new = copy.deepcopy(tree)
            if _Cut(k, part).run(new):
                yield new


class _Cut(ast.NodeTransformer):
    """Puts one part of the k-th expression into its place."""

    def __init__(self, k: int, part: int) -> None:
        self.k, self.part, self.done = k, part, False

    def run(self, tree: ast.Module) -> bool:
        self.visit(tree)
        return self.done

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, (ast.BinOp, ast.Call, ast.IfExp, ast.BoolOp)):
            if self.k == 0:
                self.k -= 1
                parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
                if isinstance(node, ast.Call):
                    parts = node.args
                if self.part < len(parts):
                    self.done = True
                    return parts[self.part]
                return node
            self.k -= 1
        return super().generic_visit(node)


def shrink(text: str, fails: Callable[[str], bool], tries: int = 1500) -> str:
    """Return a small text for which `fails` still holds."""
    tree = ast.parse(text)
    found = True
    while found:
        found = False
        for candidate in _smaller(tree):
            tries -= 1
            if tries < 0:
                return ast.unparse(tree)
            new = ast.unparse(ast.fix_missing_locations(candidate))
            if len(new) < len(ast.unparse(tree)) and fails(new):
                tree, found = ast.parse(new), True
                break
    return ast.unparse(tree)
