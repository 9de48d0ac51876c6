"""Branches and loops of a user's function, rewritten as calls: they may depend on values not known yet.

Each block becomes a function inside the function. Those share its variables, and two more read and assign all variables
that the block may change, so that the operators can run it on placeholders and look at what it did::

    while abs(d) > tol:            def test(): return abs(d) > tol
        d = f(x) / g(x)      ->    def body(): nonlocal d, x; d = ...; x = x - d
        x = x - d                  _mg_.while_(test, body, _mg_.State(get, set, ("d", "x"), 2, line))
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from mixgrad.program.reading.jumps import RETURNED, VALUE, assign, lower_jumps
from mixgrad.program.reading.rewrite import Rewriter, operate
from mixgrad.program.reading.scopes import Scope, reads, scope_of, writes

_LAZY = (ast.Subscript, ast.Call, ast.BinOp)


class ControlRewriter(Rewriter):
    """The rewriting of one function for a run without values."""

    def function(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Rewrite a function: its jumps, then its blocks."""
        if not node.body:
            return node
        lowered = lower_jumps(node)
        outer, self.scope = self.scope, scope_of(node)
        mine, self.shared = getattr(self, "shared", None), {}
        body = self.block(node.body)
        start: list[ast.stmt] = []
        if lowered:
            self.shared.pop(RETURNED, None)
            self.shared.pop(VALUE, None)
            start.append(assign(RETURNED, ast.Constant(False), node))
            start.append(assign(VALUE, operate("Undefined", ast.Constant("the result")), node))
            returned: ast.expr = ast.Constant(True) if lowered == "always" else _name(RETURNED)
            result = operate("result", returned, _name(VALUE))
            body.append(ast.copy_location(ast.Return(result), node.body[-1] if node.body else node))
        for name in self.shared:
            if name not in self.scope.parameters and "." not in name and name not in self.scope.outer:
                start.append(assign(name, operate("Undefined", ast.Constant(name)), node))
        node.body = start + body
        self.scope, self.shared = outer, mine
        return node

    # Statements -------------------------------------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> list[ast.stmt]:
        """Make a branch a call of `if_`."""
        state = _State(self, [*node.body, *node.orelse], node)
        test = self.visit(node.test)
        then, orelse = self.fresh("then"), self.fresh("orelse")
        functions = [
            state.function(then, self.block(node.body)),
            state.function(orelse, self.block(node.orelse) or [ast.copy_location(ast.Pass(), node)]),
        ]
        call = operate("if_", test, _name(then), _name(orelse), state.expression)
        return [*functions, *state.accessors(), ast.copy_location(ast.Expr(call), node)]

    def visit_While(self, node: ast.While) -> list[ast.stmt]:
        """Make a loop a call of `while_`."""
        if any(isinstance(part, ast.NamedExpr) for part in ast.walk(node.test)):
            return self._with_assignment_in_the_test(node)
        flags = getattr(node, "mg_flags", [])
        state = _State(self, [*node.body, ast.Expr(node.test)], node)
        body, test = self.fresh("body"), self.fresh("test")
        functions = [
            state.function(test, [ast.copy_location(ast.Return(self.visit(_unless(flags, node.test))), node)]),
            state.function(body, self.block(node.body)),
        ]
        call = operate("while_", _name(test), _name(body), state.expression)
        return [*functions, *state.accessors(), ast.copy_location(ast.Expr(call), node)]

    def _with_assignment_in_the_test(self, node: ast.While) -> list[ast.stmt]:
        """Rewrite ``while (d := g(x)) > tol: ...`` as a loop that is left in the middle."""
        flag = self.fresh("stopped")
        flags = [*getattr(node, "mg_flags", []), flag]
        self.scope.local.add(flag)
        guarded = ast.If(ast.Name(flag, ast.Load()), [ast.Pass()], node.body)
        stop = ast.Assign([ast.Name(flag, ast.Store())], ast.UnaryOp(ast.Not(), node.test))
        loop = ast.While(ast.Constant(True), [stop, guarded], [])
        loop.mg_flags = flags  # type: ignore[attr-defined]
        for part in (guarded, stop, loop):
            ast.copy_location(part, node)
        return [assign(flag, ast.Constant(False), node), *self.visit_While(loop)]

    def visit_For(self, node: ast.For) -> list[ast.stmt]:  # type: ignore[override]
        """Make a loop a call of `for_`."""
        item = self.fresh("item")
        state = _State(self, [node], node, skip=node.iter)
        target, after = self.target(node.target)
        body = self.fresh("body")
        first = ast.copy_location(ast.Assign([target], _name(item)), node)
        function = state.function(body, [first, *after, *self.block(node.body)], [item])
        flags = getattr(node, "mg_flags", [])
        stop: ast.expr = ast.Constant(None)
        functions = [function]
        if flags:
            test = self.fresh("test")
            functions.append(state.function(test, [ast.Return(self.visit(_unless(flags, ast.Constant(True))))]))
            stop = _name(test)
        simple = ast.Constant(target.id if isinstance(target, ast.Name) else "")
        call = operate("for_", self.visit(node.iter), _name(body), stop, state.expression, simple)
        return [*functions, *state.accessors(), ast.copy_location(ast.Expr(call), node)]

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        """Make ``del x`` an assignment, too: the functions of blocks share their variables."""
        out: list[ast.stmt] = []
        for target in node.targets:
            if isinstance(target, ast.Name):
                out.append(assign(target.id, operate("Undefined", ast.Constant(target.id)), node))
            else:
                out.append(ast.copy_location(ast.Delete([self.visit(target)]), node))
        return out

    def visit_Try(self, node: ast.Try) -> list[ast.stmt]:
        """Refuse handlers for what may happen only when the program runs."""
        state = _State(self, node.body, node)
        self.generic_visit(node)
        if not node.handlers:
            return [node]
        check = ast.copy_location(ast.Expr(operate("attempted", state.expression)), node)
        return [*state.accessors(), check, node]

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Refuse to raise where only the running program would know whether to."""
        self.generic_visit(node)
        if node.exc is not None:
            node.exc = operate("raised", node.exc)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """Check what is known; the rest is refused with advice."""
        self.generic_visit(node)
        node.test = operate("asserted", node.test)
        return node

    # Expressions ------------------------------------------------------------------------------------------------------

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """Make ``a if c else b`` a call of `either`."""
        if _assigns(node):
            return self.generic_visit(node)
        changed = self._changed(node)
        self.generic_visit(node)
        then, orelse = (self._watched(_lazy(part), changed) for part in (node.body, node.orelse))
        return operate("either", node.test, then, orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """Make ``a and b`` a call of `and_`; what stands on the right is evaluated only if it counts."""
        if _assigns(node):
            return self.generic_visit(node)
        changed = self._changed(node)
        self.generic_visit(node)
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        result = node.values[-1]
        for value in reversed(node.values[:-1]):
            simple = not any(isinstance(part, _LAZY) for part in ast.walk(result))
            result = operate(name, value, self._watched(_lazy(result), changed), ast.Constant(simple))
        return result

    def _changed(self, node: ast.expr) -> list[str]:
        """Return the variables that functions called in an expression may assign."""
        names = [name for name in writes([node], self.scope) if "." not in name]
        self.shared |= dict.fromkeys(names)
        return names

    def _watched(self, block: ast.expr, names: list[str]) -> ast.expr:
        """Return a lazy expression that may not assign variables if the running program may skip it."""
        if not names:
            return block
        values = ast.Tuple([_name(name) for name in names], ast.Load())
        text = ast.Tuple([ast.Constant(name) for name in names], ast.Load())
        return operate("Watched", block, ast.copy_location(_lazy(values), block), text)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """Make ``not a`` a call of `not_`."""
        self.generic_visit(node)
        return operate("not_", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Split ``a < b < c``."""
        self.generic_visit(node)
        if len(node.ops) == 1 or _assigns(node):
            return node
        names = [f"_mg_term_{k}" for k in range(len(node.ops) + 1)]
        pairs: list[ast.expr] = [
            ast.Compare(_name(left), [op], [_name(right)]) for left, op, right in zip(names, node.ops, names[1:])
        ]
        both = pairs[-1]
        for pair in reversed(pairs[:-1]):
            both = operate("and_", pair, _lazy(both), ast.Constant(True))
        terms = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
        call = ast.Call(ast.Lambda(terms, both), [node.left, *node.comparators], [])
        return ast.copy_location(call, node)


class _State:
    """The variables that a block may change, and those that it reads."""

    def __init__(
        self, rewriter: ControlRewriter, block: Sequence[ast.AST], node: ast.stmt, skip: ast.AST | None = None
    ) -> None:
        scope: Scope = rewriter.scope
        self.outer = scope.outer
        changed = writes(block, scope)
        nodes = [part for top in block for part in ([top] if top is not node else ast.iter_child_nodes(top))]
        read = [name for name in reads([part for part in nodes if part is not skip], scope) if name not in changed]
        self.changed = [name for name in changed if not name.startswith("_mg_part")]
        self.names = self.changed + read
        rewriter.shared |= dict.fromkeys(self.names)
        rewriter.shared |= {name.partition(".")[0]: None for name in self.names}
        self.node = node
        self.get, self.set = rewriter.fresh("get"), rewriter.fresh("set")
        names = ast.Tuple([ast.Constant(name) for name in self.names], ast.Load())
        count, line = ast.Constant(len(self.changed)), ast.Constant(node.lineno)
        self.expression = operate("State", _name(self.get), _name(self.set), names, count, line)

    def function(self, name: str, body: list[ast.stmt], parameters: Sequence[str] = ()) -> ast.stmt:
        """Return the function of a block."""
        return self._define(name, self._declarations(self.changed) + body, parameters)

    def accessors(self) -> list[ast.stmt]:
        """Return the functions that read and assign the variables."""
        values = [
            operate("get_attribute", _name(head), ast.Constant(rest)) if rest else _name(head)
            for head, _, rest in (name.partition(".") for name in self.names)
        ]
        get = self._define(self.get, [ast.Return(ast.Tuple(values, ast.Load()))], ())
        body: list[ast.stmt] = []
        for position, name in enumerate(self.names):
            head, _, rest = name.partition(".")
            value = ast.Subscript(_name("_mg_values"), ast.Constant(position), ast.Load())
            if rest:
                body.append(ast.Expr(operate("set_attribute", _name(head), ast.Constant(rest), value)))
            else:
                body.append(ast.Assign([ast.Name(name, ast.Store())], value))
        declared = self._declarations([name for name in self.names if "." not in name])
        return [get, self._define(self.set, declared + body or [ast.Pass()], ["_mg_values"])]

    def _declarations(self, names: Sequence[str]) -> list[ast.stmt]:
        plain = [name for name in names if "." not in name]
        outside = [name for name in plain if self.outer.get(name) == "global"]
        inside = [name for name in plain if name not in outside]
        declarations: list[ast.stmt] = []
        if outside:
            declarations.append(ast.Global(outside))
        if inside:
            declarations.append(ast.Nonlocal(inside))
        return declarations

    def _define(self, name: str, body: list[ast.stmt], parameters: Sequence[str]) -> ast.stmt:
        arguments = ast.arguments([], [ast.arg(p) for p in parameters], None, [], [], None, [])
        function = ast.FunctionDef(name, arguments, body or [ast.Pass()], [], None, type_params=[])
        return ast.copy_location(function, self.node)


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _lazy(expression: ast.expr) -> ast.expr:
    nothing = ast.arguments([], [], None, [], [], None, [])
    new = ast.Lambda(nothing, expression)
    return ast.copy_location(new, expression) if hasattr(expression, "lineno") else new


def _assigns(node: ast.AST) -> bool:
    return any(isinstance(part, (ast.NamedExpr, ast.Await)) for part in ast.walk(node))


def _unless(flags: Sequence[str], test: ast.expr) -> ast.expr:
    """Return the test of a loop that ends when a flag is up."""
    if not flags:
        return test
    free: list[ast.expr] = [ast.UnaryOp(ast.Not(), ast.Name(flag, ast.Load())) for flag in flags]
    rest = [] if isinstance(test, ast.Constant) and test.value is True else [test]
    terms = free + rest
    result = terms[0] if len(terms) == 1 else ast.BoolOp(ast.And(), terms)
    return ast.fix_missing_locations(ast.copy_location(result, test))
