"""Calls and assignments of a user's function, rewritten so that differentiated values pass through them.

In the rewritten text, `_mg_` stands for the operators of `mixgrad.operators`::

    S[i, j] += v          ->   S = _mg_.set_item(_mg_.in_place("+", _mg_.get_item(S, (i, j)), v), S, (i, j))
    helper(x)             ->   _mg_.call(helper, x)
    y = np.zeros(n)       ->   y = _mg_.call(np.zeros, n)

Branches and loops stay as they are: values are known. `control.py` rewrites them, too.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from mixgrad.program.reading.scopes import Scope, scope_of

OPERATORS = "_mg_"
_SYMBOLS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_LOOK_AT_THE_FRAME = {"super", "locals", "globals", "vars", "eval", "exec"}


class Rewriter(ast.NodeTransformer):
    """The rewriting of one function, functions inside it included.

    Parameters
    ----------
    plain : callable
        Says of the function in a call (an expression) whether it may be called as it is.
    """

    def __init__(self, plain: Callable[[ast.expr], bool]) -> None:
        self.plain = plain
        self.scope = Scope()
        self.count = 0

    # Tools ------------------------------------------------------------------------------------------------------------

    def fresh(self, what: str) -> str:
        """Return a name that the user's text does not have."""
        self.count += 1
        return f"_mg_{what}_{self.count}"

    def function(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Rewrite the body of a function."""
        outer, self.scope = self.scope, scope_of(node)
        node.body = self.block(node.body)
        self.scope = outer
        return node

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Rewrite statements."""
        out: list[ast.stmt] = []
        for statement in statements:
            result = self.visit(statement)
            if result is not None:
                out += result if isinstance(result, list) else [result]
        return out

    # Functions inside -------------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Rewrite a function defined inside, and mark it as rewritten."""
        self._outside(node)
        self.function(node)
        node.decorator_list.append(_operator("converted"))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """Rewrite a lambda, and mark it as rewritten."""
        self._outside(node)
        outer, self.scope = self.scope, scope_of(node)
        node.body = self.visit(node.body)
        self.scope = outer
        return operate("converted", node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Leave classes as they are; their methods are rewritten when they are called."""
        return node

    def _outside(self, node: ast.FunctionDef | ast.Lambda) -> None:
        arguments = node.args
        arguments.defaults = [self.visit(value) for value in arguments.defaults]
        arguments.kw_defaults = [value and self.visit(value) for value in arguments.kw_defaults]
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [self.visit(value) for value in node.decorator_list]

    # Calls ------------------------------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Let `call` decide what a function means for differentiated values."""
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _LOOK_AT_THE_FRAME or name.startswith("_mg_") or _is_operator(node.func) or self.plain(node.func):
            return node
        return ast.copy_location(ast.Call(_operator("call"), [node.func, *node.args], node.keywords), node)

    # Elements ---------------------------------------------------------------------------------------------------------

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Read an element: a plain table may be indexed by a traced integer."""
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load) or _is_fixed(node.slice):
            return node
        return operate("get_item", node.value, _index(node.slice))

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        """Assign elements by `set_item`."""
        node.value = self.visit(node.value)
        if not any(isinstance(part, ast.Subscript) for target in node.targets for part in ast.walk(target)):
            node.targets = [self.visit(target) for target in node.targets]
            return self.named(node)
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Subscript):
            return self.set_item(node.targets[0], node.value)
        name = self.fresh("part")
        out: list[ast.stmt] = [ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], node.value), node)]
        for target in node.targets:  # from left to right: an index may be assigned before it is used
            out += self.assign(target, ast.copy_location(ast.Name(name, ast.Load()), target))
        return out

    def assign(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        """Return the statements that assign a value to a target, its parts from left to right."""
        if isinstance(target, ast.Subscript):
            return [self.set_item(target, value)]
        if not isinstance(target, (ast.Tuple, ast.List)):
            return [ast.copy_location(ast.Assign([self.visit(target)], value), target)]
        names = [self.fresh("part") for _ in target.elts]
        stores: list[ast.expr] = []
        after: list[ast.stmt] = []
        for part, name in zip(target.elts, names):
            store: ast.expr = ast.copy_location(ast.Name(name, ast.Store()), part)
            inner = part.value if isinstance(part, ast.Starred) else part
            stores.append(ast.copy_location(ast.Starred(store, ast.Store()), part) if inner is not part else store)
            after += self.assign(inner, ast.copy_location(ast.Name(name, ast.Load()), part))
        unpack = ast.Assign([ast.copy_location(ast.Tuple(stores, ast.Store()), target)], value)
        return [ast.copy_location(unpack, target), *after]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | list[ast.stmt]:
        """Treat ``y: float = x`` as ``y = x``."""
        if node.value is None:
            return node if isinstance(node.target, ast.Name) else ast.copy_location(ast.Pass(), node)
        return self.visit_Assign(ast.copy_location(ast.Assign([node.target], node.value), node))

    def named(self, node: ast.Assign) -> ast.stmt:
        """Tell the value of an assignment to a variable its name."""
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if not name.startswith("_mg_") and not isinstance(node.value, ast.Constant):
                node.value = operate("named", node.value, ast.Constant(name))
        return node

    def target(self, target: ast.expr) -> tuple[ast.expr, list[ast.stmt]]:
        """Return a target without subscripts for a loop, and the statements that assign the elements."""
        if not any(isinstance(part, ast.Subscript) for part in ast.walk(target)):
            return self.visit(target), []
        name = self.fresh("part")
        after = self.assign(target, ast.copy_location(ast.Name(name, ast.Load()), target))
        return ast.copy_location(ast.Name(name, ast.Store()), target), after

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        """Rewrite ``y += v``: arrays change in place, numbers do not."""
        value, symbol = self.visit(node.value), ast.Constant(_SYMBOLS[type(node.op)])
        before: list[ast.stmt] = []
        target = node.target
        if isinstance(target, ast.Name):
            read: ast.expr = ast.copy_location(ast.Name(target.id, ast.Load()), target)
            assign = ast.Assign([target], operate("in_place", symbol, read, value))
            return self.named(ast.copy_location(assign, node))
        if isinstance(target, ast.Attribute):
            target.value = self.once(self.visit(target.value), before)
            read = ast.copy_location(ast.Attribute(target.value, target.attr, ast.Load()), target)
            new = ast.Assign([target], operate("in_place", symbol, read, value))
            return [*before, ast.copy_location(new, node)]
        moving = any(isinstance(part, (ast.Call, ast.NamedExpr)) for part in ast.walk(node.value))
        target.value = self.once(target.value, before)
        target.slice = self.once(_index(target.slice), before, moving)
        read = operate("get_item", target.value, target.slice)
        return [*before, self.set_item(target, operate("in_place", symbol, self.visit(read), value))]

    def once(self, expression: ast.expr, before: list[ast.stmt], moving: bool = False) -> ast.expr:
        """Return a name for an expression that is to be evaluated once; `moving`: variables may change till its use."""
        simple = expression.value if isinstance(expression, ast.Attribute) else expression
        if _is_fixed(expression) or (isinstance(simple, ast.Name) and not moving):
            return expression
        name = self.fresh("part")
        before.append(ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], self.visit(expression)), expression))
        return ast.copy_location(ast.Name(name, ast.Load()), expression)

    def set_item(self, target: ast.Subscript, value: ast.expr) -> ast.stmt:
        """Return the statement that assigns an element; a plain array may have to become one that holds derivatives."""
        base, index = target.value, self.visit(_index(target.slice))
        if isinstance(base, ast.Attribute):
            owner, name = self.visit(base.value), ast.Constant(base.attr)
            return ast.copy_location(ast.Expr(operate("set_item_of", value, owner, name, index)), target)
        if isinstance(base, ast.Name) and (base.id in self.scope.local or base.id in self.scope.outer):
            call = operate("set_item", value, base, index)
            return ast.copy_location(ast.Assign([ast.Name(base.id, ast.Store())], call), target)
        return ast.copy_location(ast.Expr(operate("set_item_there", value, self.visit(base), index)), target)

    def visit_For(self, node: ast.For) -> ast.AST:
        """Rewrite a loop whose target has subscripts."""
        node.target, after = self.target(node.target)
        node.iter = self.visit(node.iter)
        node.body = after + self.block(node.body)
        node.orelse = self.block(node.orelse)
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Visit children; blocks may grow."""
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, self.block(value))
            elif isinstance(value, list):
                value[:] = [self.visit(part) if isinstance(part, ast.AST) else part for part in value]
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        return node


def operate(name: str, *args: ast.expr) -> ast.Call:
    """Return the call of an operator, at the place of its first argument that has one."""
    call = ast.Call(_operator(name), list(args), [])
    place = next((arg for arg in args if hasattr(arg, "lineno")), None)
    return call if place is None else ast.copy_location(call, place)


def _operator(name: str) -> ast.expr:
    return ast.Attribute(ast.Name(OPERATORS, ast.Load()), name, ast.Load())


def _is_operator(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == OPERATORS
    )


def _is_fixed(index: ast.expr) -> bool:
    """Whether an index is made of constants."""
    return all(
        isinstance(part, (ast.Constant, ast.Slice, ast.Tuple, ast.UnaryOp, ast.unaryop, ast.Load))
        for part in ast.walk(index)
    )


def _index(index: ast.expr) -> ast.expr:
    """Return an index as an expression that can stand anywhere: ``a:b`` becomes ``slice(a, b, None)``."""
    if isinstance(index, ast.Slice):
        parts = [part or ast.Constant(None) for part in (index.lower, index.upper, index.step)]
        return ast.copy_location(ast.Call(_operator("slice"), parts, []), index)
    if isinstance(index, ast.Tuple):
        return ast.copy_location(ast.Tuple([_index(part) for part in index.elts], ast.Load()), index)
    return index
