"""Exact simplification: each pass takes a program and returns one that computes the same bits with fewer equations.

Rewrites are data: a pattern and its replacement, in the syntax of programs. One driver tries them; it takes a
replacement only if shape and dtype are those of what it replaces, so that a rule need not speak of broadcasting. Every
rule keeps nan, inf and -0.0: there is no ``x * 0 -> 0`` and no ``x + 0 -> x``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mixgrad.core.op import TABLE, Kind
from mixgrad.core.program import Equation, Program, Var, remembered, type_of
from mixgrad.program.nested import map_nested, used_equations
from mixgrad.program.to_text import to_text

# A replacement that is a call of the pattern's own op keeps its static data.
REWRITES: tuple[tuple[str, str], ...] = (
    # Strong products with one: seeds of the reverse sweep, and what remains of constants.
    ("weighted_sum(c, 1.0)", "c"),
    ("weighted_sum(1, t)", "t"),
    ("weighted_sum(1.0, t)", "t"),
    ("weighted_sum(-1, t)", "negative(t)"),
    ("weighted_sum(c, -1.0)", "negative(c)"),
    ("weighted_sum(1, s, 1, t)", "add(s, t)"),
    ("weighted_sum(1, s, -1, t)", "subtract(s, t)"),
    ("weighted_sum(c, negative(1.0))", "negative(c)"),
    # Arithmetic
    ("multiply(x, 1.0)", "x"),
    ("multiply(1.0, x)", "x"),
    ("multiply(x, -1.0)", "negative(x)"),
    ("multiply(-1.0, x)", "negative(x)"),
    ("divide(x, 1.0)", "x"),
    ("subtract(x, 0.0)", "x"),
    ("add(x, -0.0)", "x"),
    ("add(-0.0, x)", "x"),
    ("negative(negative(x))", "x"),
    ("add(x, negative(y))", "subtract(x, y)"),
    ("subtract(x, negative(y))", "add(x, y)"),
    ("conjugate(conjugate(x))", "x"),
    # Shapes: what changes neither shape nor dtype is nothing.
    ("reshape(x)", "x"),
    ("broadcast_to(x)", "x"),
    ("astype(x)", "x"),
    ("reshape(reshape(x))", "reshape(x)"),
    ("broadcast_to(broadcast_to(x))", "broadcast_to(x)"),
    ("where(c, x, x)", "x"),
)

Pass = Callable[[Program], Program]


# Patterns -------------------------------------------------------------------------------------------------------------


class _Matcher:
    """The equations of a program by what they define, for patterns that look further up."""

    def __init__(self, definitions: Mapping[int, Equation]) -> None:
        self.definitions = definitions

    def match(self, pattern: ast.expr, atom: Any, bound: dict[str, Any]) -> bool:
        """Whether `atom` has the form of `pattern`; `bound` receives what its names stand for."""
        if isinstance(pattern, ast.Name):
            return _same_atom(bound.setdefault(pattern.id, atom), atom)
        if isinstance(pattern, ast.Call):
            equation = self.definitions.get(id(atom)) if isinstance(atom, Var) else None
            return equation is not None and self.match_call(pattern, equation, bound)
        return _is_constant(atom, ast.literal_eval(pattern))

    def match_call(self, pattern: ast.Call, equation: Equation, bound: dict[str, Any]) -> bool:
        """Whether an equation has the form of a call."""
        if equation.op.name != ast.unparse(pattern.func) or len(equation.args) != len(pattern.args):
            return False
        return all(self.match(part, arg, bound) for part, arg in zip(pattern.args, equation.args))


def _is_constant(atom: Any, value: float) -> bool:
    """Whether an atom is this number everywhere, with this sign of zero; an int in a pattern means an int."""
    if isinstance(atom, Var):
        return False
    if type(value) is int:
        return type(atom) is int and atom == value
    array = np.asarray(atom)
    same = array.dtype.kind in "fc" and array.size > 0 and bool(np.all(array == value))
    return same and (value != 0 or bool(np.all(np.signbit(array.real) == np.signbit(value))))


def _same_atom(a: Any, b: Any) -> bool:
    return a is b if isinstance(a, Var) or isinstance(b, Var) else _key(a) == _key(b)


def _type(atom: Any) -> tuple[tuple[int, ...], np.dtype]:
    if isinstance(atom, Var):
        return atom.shape, atom.dtype
    return np.shape(atom), np.asarray(atom).dtype


_PARSED = tuple((ast.parse(p, mode="eval").body, ast.parse(r, mode="eval").body) for p, r in REWRITES)
_BY_OP: dict[str, list[tuple[ast.Call, ast.expr]]] = {}
for _pattern, _replacement in _PARSED:
    assert isinstance(_pattern, ast.Call)
    _BY_OP.setdefault(ast.unparse(_pattern.func), []).append((_pattern, _replacement))


# The driver -----------------------------------------------------------------------------------------------------------


class _Builder:
    """A program being made from another, equation by equation."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.equations: list[Equation] = []
        self.definitions: dict[int, Equation] = {}
        self.replaced: dict[int, Any] = {}

    def atom(self, atom: Any) -> Any:
        return self.replaced.get(id(atom), atom) if isinstance(atom, Var) else atom

    def moved(self, equation: Equation) -> Equation:
        """Return the equation with arguments replaced."""
        args = tuple(self.atom(arg) for arg in equation.args)
        return Equation(equation.outs, equation.op, args, equation.static)

    def add(self, equation: Equation) -> None:
        self.equations.append(equation)
        for out in equation.outs:
            self.definitions[id(out)] = equation

    def replace(self, equation: Equation, atoms: tuple) -> None:
        for out, atom in zip(equation.outs, atoms):
            self.replaced[id(out)] = atom

    def done(self) -> Program:
        outputs = tuple(self.atom(output) for output in self.program.outputs)
        return Program(self.program.inputs, tuple(self.equations), outputs, self.program.name)


def rewrite(program: Program) -> Program:
    """Apply `REWRITES`, from the first equation to the last."""
    builder = _Builder(program)
    matcher = _Matcher(builder.definitions)
    for original in program.equations:
        equation: Equation | None = builder.moved(original)
        while equation is not None:
            atom, following = _rewritten(equation, matcher)
            if atom is not None:
                builder.replace(original, (atom,))
            elif following is None:
                builder.add(equation)
            equation = following
    return builder.done()


def _rewritten(equation: Equation, matcher: _Matcher) -> tuple[Any, Equation | None]:
    """Return what an equation can be replaced by: an atom, or another equation for the same variable."""
    for pattern, replacement in _BY_OP.get(equation.op.name, ()):
        bound: dict[str, Any] = {}
        if not matcher.match_call(pattern, equation, bound):
            continue
        (out,) = equation.outs
        if isinstance(replacement, ast.Name):
            if _type(bound[replacement.id]) == (out.shape, out.dtype):
                return bound[replacement.id], None
            continue
        assert isinstance(replacement, ast.Call)
        op = TABLE[ast.unparse(replacement.func)]
        args = tuple(bound[ast.unparse(arg)] for arg in replacement.args)
        static = equation.static if op is equation.op else {}
        same = len(args) == len(equation.args) and all(map(_same_atom, args, equation.args))
        if not same and type_of(op, args, static) == [(out.shape, out.dtype)]:
            return None, Equation(equation.outs, op, args, static)
    return None, None


# Other passes ---------------------------------------------------------------------------------------------------------


def fold_constants(program: Program) -> Program:
    """Compute equations without variables, unless the result has more than a thousand numbers."""
    builder = _Builder(program)
    for original in program.equations:
        equation = builder.moved(original)
        small = all(np.prod(out.shape) <= 1000 for out in equation.outs)
        if small and equation.op.kind is not Kind.NESTED and not any(isinstance(arg, Var) for arg in equation.args):
            with np.errstate(all="ignore"):
                result = equation.op.value(*equation.args, **equation.static)
            builder.replace(original, result if equation.op.multiple else (result,))
        else:
            builder.add(equation)
    return builder.done()


def share(program: Program) -> Program:
    """Compute equal equations once (common subexpressions)."""
    builder = _Builder(program)
    seen: dict[tuple, Equation] = {}
    for original in program.equations:
        equation = builder.moved(original)
        key = (equation.op.name, tuple(map(_key, equation.args)), repr(sorted(equation.static.items(), key=str)))
        if key in seen:
            builder.replace(original, seen[key].outs)
        else:
            seen[key] = equation
            builder.add(equation)
    return builder.done()


def _key(atom: Any) -> tuple:
    if isinstance(atom, Var):
        return ("var", id(atom))
    array = np.asarray(atom)
    return (type(atom).__name__, array.shape, array.dtype.str, array.tobytes())


def drop_dead(program: Program) -> Program:
    """Leave out equations, and results of nested programs, that no output depends on."""
    return used_equations(program)


def simplify_nested(program: Program) -> Program:
    """Simplify the bodies of loops and the branches of conditions."""
    return map_nested(program, _simplify_once)


@remembered
def _simplify_once(program: Program) -> Program:
    return simplify(program)


def split_sums(program: Program) -> Program:
    """Write weighted sums of three and more terms whose weights are 1 and -1 as sums and differences."""
    builder = _Builder(program)
    for original in program.equations:
        equation = builder.moved(original)
        weights = equation.args[::2]
        units = all(type(weight) is int and weight in (1, -1) for weight in weights)
        if equation.op.name == "weighted_sum" and len(weights) > 2 and units:
            builder.replace(original, (_chain(builder, equation),))
        else:
            builder.add(equation)
    return builder.done()


def _chain(builder: _Builder, equation: Equation) -> Any:
    total = None
    for weight, term in zip(equation.args[::2], equation.args[1::2]):
        name = "add" if weight == 1 else "subtract"
        op, args = (TABLE[name], (total, term)) if total is not None else (TABLE["negative"], (term,))
        if total is None and weight == 1:
            total = term
            continue
        ((shape, dtype),) = type_of(op, args, {})
        total = Var(shape, dtype)
        builder.add(Equation((total,), op, args))
    return total


PASSES: dict[str, Pass] = {
    "simplify_nested": simplify_nested,
    "split_sums": split_sums,
    "fold_constants": fold_constants,
    "share": share,
    "rewrite": rewrite,
    "drop_dead": drop_dead,
}


def simplify(program: Program, passes: Mapping[str, Pass] = PASSES) -> Program:
    """Apply all passes until the program stays the same.

    Parameters
    ----------
    program : Program
    passes : mapping of str to callable
        By name; ``simplify(program, {"share": PASSES["share"]})`` shows what one of them does.
    """
    while True:
        before = program
        for apply in passes.values():
            program = apply(program)
        if len(program) == len(before) and to_text(program) == to_text(before):
            return program
