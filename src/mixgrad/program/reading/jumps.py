"""`return`, `break` and `continue` as assignments to flags, so that every block of a function is left at its end.

That is the form in which branches and loops can become `cond` and `loop`. Where one branch of an `if` always jumps, the
statements after the `if` move into the other branch, which needs no flag; a flag guards what is left.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

_DEEPEST = 20
RETURNED, VALUE = "_mg_returned", "_mg_value"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LOOPS = (ast.For, ast.While)


def lower_jumps(function: ast.FunctionDef) -> str:
    """Rewrite the body of a function in place.

    Returns
    -------
    str
        "": it ends with its only return, if it has one. "always": its result is in `VALUE` at the end. "sometimes": it
        is there if `RETURNED` says so, otherwise the function has come to its end without return.
    """
    returns = _count(function.body, ast.Return)
    at_the_end = isinstance(function.body[-1], ast.Return) and returns == 1
    lowering = _Lowering()
    if returns == 0 or at_the_end:
        end = function.body[-1:] if at_the_end else []
        function.body = lowering.block(function.body[:-1] if at_the_end else function.body, None, False) + end
        return ""
    always = _always_jumps(function.body)
    function.body = lowering.block(function.body, None, False)
    return "always" if always else "sometimes"


def assign(name: str, value: ast.expr, like: ast.AST) -> ast.Assign:
    """Return the statement ``name = value`` at the place of another one."""
    return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), like)


class _Loop:
    """The flags of the loop around a block."""

    def __init__(self, number: int) -> None:
        self.broken = f"_mg_broken_{number}"
        self.continued = f"_mg_continued_{number}"


class _Lowering:
    """One function."""

    def __init__(self) -> None:
        self.loops = 0
        self.depth = 0

    def block(self, statements: Sequence[ast.stmt], loop: _Loop | None, tail: bool) -> list[ast.stmt]:
        """Lower a block; `tail` says that nothing follows it in the body of its loop."""
        out: list[ast.stmt] = []
        for position, statement in enumerate(statements):
            if self.depth > _DEEPEST:
                return out + self.flat(statements[position:], loop)
            rest = list(statements[position + 1 :])
            if isinstance(statement, (ast.Return, ast.Break, ast.Continue)):
                return out + self.jump(statement, loop, tail)
            if isinstance(statement, ast.If) and rest:
                if _always_jumps(statement.body):
                    statement.orelse, rest = statement.orelse + rest, []
                elif _always_jumps(statement.orelse):
                    statement.body, rest = statement.body + rest, []
            flags = _flags(statement, loop)
            self.depth += 1
            out += self.statement(statement, loop, tail and not rest)
            if flags and rest:
                out.append(_unless(flags, self.block(rest, loop, tail)))
            self.depth -= 1
            if flags or not rest:
                return out
        return out

    def flat(self, statements: Sequence[ast.stmt], loop: _Loop | None) -> list[ast.stmt]:
        """Lower a block with a guard before each statement: hundreds of jumps must not become hundreds of levels."""
        out: list[ast.stmt] = []
        raised: list[str] = []
        for statement in statements:
            flags = _flags(statement, loop)
            jumps = isinstance(statement, (ast.Return, ast.Break, ast.Continue))
            depth, self.depth = self.depth, 0
            lowered = self.jump(statement, loop, False) if jumps else self.statement(statement, loop, False)
            self.depth = depth
            out += [_unless(raised, lowered)] if raised else lowered
            raised += [flag for flag in flags if flag not in raised]
        return out

    def jump(self, statement: ast.stmt, loop: _Loop | None, tail: bool) -> list[ast.stmt]:
        """Return the assignments that stand for a jump."""
        true = ast.Constant(True)
        if isinstance(statement, ast.Return):
            value = statement.value or ast.Constant(None)
            return [assign(VALUE, value, statement), assign(RETURNED, true, statement)]
        assert loop is not None  # Python's own compiler has seen to it
        if isinstance(statement, ast.Break):
            return [assign(loop.broken, true, statement)]
        return [ast.copy_location(ast.Pass(), statement) if tail else assign(loop.continued, true, statement)]

    def statement(self, statement: ast.stmt, loop: _Loop | None, tail: bool) -> list[ast.stmt]:
        """Lower the blocks inside a statement."""
        if isinstance(statement, _SCOPES):
            return [statement]
        if isinstance(statement, _LOOPS):
            return self.loop(statement, loop, tail)
        for field in ("body", "orelse", "finalbody"):
            block = getattr(statement, field, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                setattr(statement, field, self.block(block, loop, tail))
        for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            part.body = self.block(part.body, loop, tail)
        return [statement]

    def loop(self, statement: ast.For | ast.While, outer: _Loop | None, tail: bool) -> list[ast.stmt]:
        """Lower a loop; the names of the flags that end it are noted in its attribute `mg_flags`."""
        self.loops += 1
        loop = _Loop(self.loops)
        false = ast.Constant(False)
        before: list[ast.stmt] = []
        flags = []
        returns = _count(statement.body, ast.Return) > 0
        body = self.block(statement.body, loop, True)
        inside = {node.id for part in body for node in ast.walk(part) if isinstance(node, ast.Name)}
        if loop.broken in inside:
            before.append(assign(loop.broken, false, statement))
            flags.append(loop.broken)
        if returns:
            flags.append(RETURNED)
        if loop.continued in inside:
            before.append(assign(loop.continued, false, statement))
            body.insert(0, assign(loop.continued, false, statement))
        after = self.block(statement.orelse, outer, tail) if statement.orelse else []
        if after and flags:
            after = [_unless(flags, after)]
        statement.body, statement.orelse = body, []
        statement.mg_flags = flags  # type: ignore[union-attr]
        return [*before, statement, *after]


def _unless(flags: Sequence[str], block: list[ast.stmt]) -> ast.stmt:
    test = ast.UnaryOp(ast.Not(), _any_of(flags))
    return ast.copy_location(ast.If(test, block, []), block[0])


def _any_of(flags: Sequence[str]) -> ast.expr:
    names: list[ast.expr] = [ast.Name(flag, ast.Load()) for flag in flags]
    return names[0] if len(names) == 1 else ast.BoolOp(ast.Or(), names)


def _always_jumps(block: Sequence[ast.stmt]) -> bool:
    if not block:
        return False
    last = block[-1]
    if isinstance(last, ast.If):
        return _always_jumps(last.body) and _always_jumps(last.orelse)
    if isinstance(last, (ast.With, ast.Try)):
        return _always_jumps(last.body) and all(_always_jumps(part.body) for part in getattr(last, "handlers", ()))
    if isinstance(last, ast.While):
        endless = isinstance(last.test, ast.Constant) and bool(last.test.value)
        return endless and not any(_Loop(0).broken in _flags(part, _Loop(0)) for part in last.body)
    return isinstance(last, (ast.Return, ast.Break, ast.Continue))


def _flags(statement: ast.AST, loop: _Loop | None) -> list[str]:
    """Return the flags that a statement may set, as seen by the block that it stands in."""
    if isinstance(statement, _SCOPES):
        return []
    if isinstance(statement, ast.Return):
        return [RETURNED]
    if isinstance(statement, ast.Break):
        return [loop.broken] if loop else []
    if isinstance(statement, ast.Continue):
        return [loop.continued] if loop else []
    found: list[str] = []
    for child in ast.iter_child_nodes(statement):
        inner = loop
        if isinstance(statement, _LOOPS) and child not in statement.orelse:
            inner = None  # its own breaks end there
        found += [flag for flag in _flags(child, inner) if flag not in found]
    return found


def _count(block: Sequence[ast.stmt], kind: type) -> int:
    return sum((1 if isinstance(node, kind) else 0) for statement in block for node in _walk_scope(statement))


def _walk_scope(node: ast.AST):
    yield node
    if not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _walk_scope(child)
