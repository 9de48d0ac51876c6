"""What of Python cannot be rewritten: found before anything runs, with file, line and column, and a way out."""

from __future__ import annotations

import ast

from mixgrad._errors import SourceError

_REFUSED = {
    ast.Yield: ("yield", "a generator has no single result: return an array or a list"),
    ast.YieldFrom: ("yield from", "a generator has no single result: return an array or a list"),
    ast.Await: ("await", "differentiate the computation itself, and await outside"),
    ast.AsyncFor: ("async for", "differentiate the computation itself, and await outside"),
    ast.AsyncWith: ("async with", "differentiate the computation itself, and await outside"),
    ast.AsyncFunctionDef: ("async def", "differentiate the computation itself, and await outside"),
}


def check(function: ast.AST, filename: str, name: str) -> None:
    """Refuse a function with constructs that have no meaning for derivatives or programs.

    Raises
    ------
    SourceError
        It names the first of them, its place, and what to write instead.
    """
    stack = [function]
    while stack:
        node = stack.pop()
        found = _REFUSED.get(type(node))
        if found is not None:
            raise SourceError(
                f'File "{filename}", line {node.lineno}, column {node.col_offset + 1}, in {name}: '  # type: ignore[attr-defined]
                f"{found[0]} cannot be differentiated or traced; {found[1]}."
            )
        stack += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.ClassDef)]
