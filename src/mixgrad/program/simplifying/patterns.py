"""Rewrites as data: a pattern and its replacement, in the syntax of programs.

Names that begin with i or j stand for integers, with p or q for truth values, with n for constant integers, with k for
constants that have a sign; all others for anything. A number in a pattern is a constant that is this number everywhere,
with this sign of zero, of this kind: 1.0 is a float, 1 an integer, True a truth value. A replacement that is a call of
the pattern's own op keeps its static data. It is taken only if shape and dtype are those of what it replaces, so that a
rule need not speak of broadcasting.
"""

from __future__ import annotations

import ast
import functools
from typing import Any, NamedTuple

import numpy as np

from mixgrad.core.op import TABLE
from mixgrad.core.program import Equation, Var, type_of
from mixgrad.program.simplifying.building import Builder, same_atom, type_of_atom

REWRITES: tuple[tuple[str, str], ...] = (
    # Strong products with one: seeds of the reverse sweep, and what remains of constants.
    ("weighted_sum(c, 1.0)", "c"),
    ("weighted_sum(c, 1)", "c"),
    ("weighted_sum(1, t)", "t"),
    ("weighted_sum(1.0, t)", "t"),
    ("weighted_sum(-1, t)", "negative(t)"),
    ("weighted_sum(-1.0, t)", "negative(t)"),
    ("weighted_sum(c, -1.0)", "negative(c)"),
    ("weighted_sum(1, s, 1, t)", "add(s, t)"),
    ("weighted_sum(1, s, -1, t)", "subtract(s, t)"),
    ("weighted_sum(-1, s, 1, t)", "subtract(t, s)"),
    # Floats: what leaves nan, infinities and the sign of zero alone.
    ("multiply(x, 1.0)", "x"),
    ("multiply(1.0, x)", "x"),
    ("multiply(x, 1)", "x"),
    ("multiply(1, x)", "x"),
    ("multiply(x, -1.0)", "negative(x)"),
    ("multiply(-1.0, x)", "negative(x)"),
    ("multiply(x, -1)", "negative(x)"),
    ("multiply(-1, x)", "negative(x)"),
    ("divide(x, 1.0)", "x"),
    ("divide(x, 1)", "x"),
    ("divide(x, -1.0)", "negative(x)"),
    ("power(x, 1.0)", "x"),
    ("subtract(x, 0.0)", "x"),
    ("subtract(x, 0)", "x"),
    ("subtract(-0.0, x)", "negative(x)"),
    ("add(x, -0.0)", "x"),
    ("add(-0.0, x)", "x"),
    ("add(add(x, 0.0), 0.0)", "add(x, 0.0)"),
    # Signs
    ("negative(negative(x))", "x"),
    ("add(x, negative(y))", "subtract(x, y)"),
    ("add(negative(x), y)", "subtract(y, x)"),
    ("subtract(x, negative(y))", "add(x, y)"),
    ("multiply(negative(x), negative(y))", "multiply(x, y)"),
    ("divide(negative(x), negative(y))", "divide(x, y)"),
    ("multiply(k, negative(x))", "multiply(negative(k), x)"),
    ("multiply(negative(x), k)", "multiply(x, negative(k))"),
    ("negative(multiply(k, x))", "multiply(negative(k), x)"),
    ("negative(multiply(x, k))", "multiply(x, negative(k))"),
    ("negative(divide(k, x))", "divide(negative(k), x)"),
    ("negative(divide(x, k))", "divide(x, negative(k))"),
    ("square(negative(x))", "square(x)"),
    ("absolute(negative(x))", "absolute(x)"),
    ("absolute(absolute(x))", "absolute(x)"),
    # Integers, whose arithmetic is that of a ring.
    ("add(i, 0)", "i"),
    ("add(0, i)", "i"),
    ("subtract(add(i, j), j)", "i"),
    ("subtract(add(j, i), j)", "i"),
    ("add(subtract(i, j), j)", "i"),
    ("add(j, subtract(i, j))", "i"),
    ("add(add(i, na), nb)", "add(i, add(na, nb))"),
    ("add(subtract(i, na), nb)", "add(i, subtract(nb, na))"),
    ("subtract(add(i, na), nb)", "add(i, subtract(na, nb))"),
    ("subtract(subtract(i, na), nb)", "subtract(i, add(na, nb))"),
    ("floor_divide(i, 1)", "i"),
    ("invert(invert(i))", "i"),
    # Truth values
    ("invert(invert(p))", "p"),
    ("logical_not(logical_not(p))", "p"),
    *[
        rewrite
        for both, either, differ in (
            ("logical_and", "logical_or", "logical_xor"),
            ("bitwise_and", "bitwise_or", "bitwise_xor"),
        )
        for rewrite in (
            (f"{both}(p, True)", "p"),
            (f"{both}(True, p)", "p"),
            (f"{both}(p, False)", "False"),
            (f"{both}(False, p)", "False"),
            (f"{both}(p, p)", "p"),
            (f"{either}(p, False)", "p"),
            (f"{either}(False, p)", "p"),
            (f"{either}(p, True)", "True"),
            (f"{either}(True, p)", "True"),
            (f"{either}(p, p)", "p"),
            (f"{differ}(p, False)", "p"),
            (f"{differ}(False, p)", "p"),
            (f"{differ}(p, True)", "logical_not(p)"),
            (f"{differ}(True, p)", "logical_not(p)"),
        )
    ],
    # Choices
    ("where(c, x, x)", "x"),
    ("where(True, x, y)", "x"),
    ("where(False, x, y)", "y"),
    ("where(logical_not(p), x, y)", "where(p, y, x)"),
    ("where(invert(p), x, y)", "where(p, y, x)"),
    ("where(c, where(c, x, y), z)", "where(c, x, z)"),
    ("where(c, x, where(c, y, z))", "where(c, x, z)"),
    ("maximum(x, x)", "x"),
    ("minimum(x, x)", "x"),
    # Shapes and dtypes: what changes neither is nothing.
    ("reshape(x)", "x"),
    ("broadcast_to(x)", "x"),
    ("astype(x)", "x"),
    ("astype_discrete(i)", "i"),
    ("astype_discrete(p)", "p"),
    ("conjugate(conjugate(x))", "x"),
    ("reshape(reshape(x))", "reshape(x)"),
    ("broadcast_to(broadcast_to(x))", "broadcast_to(x)"),
    ("stop_gradient(stop_gradient(x))", "stop_gradient(x)"),
)

_KINDS = {"i": "iu", "j": "iu", "n": "iu", "p": "b", "q": "b"}


# Matching -------------------------------------------------------------------------------------------------------------


class _Name(NamedTuple):
    text: str
    kinds: str
    constant: bool


class _Call(NamedTuple):
    op: str
    parts: tuple


def _read(node: ast.expr) -> Any:
    """Return a pattern or a replacement as a name, a call or a number."""
    if isinstance(node, ast.Name):
        return _Name(node.id, _KINDS.get(node.id[0], ""), node.id[0] in "kn")
    if isinstance(node, ast.Call):
        return _Call(ast.unparse(node.func), tuple(map(_read, node.args)))
    return ast.literal_eval(node)


def _match(pattern: Any, atom: Any, bound: dict[str, Any], builder: Builder) -> bool:
    """Whether `atom` has the form of `pattern`; `bound` receives what its names stand for."""
    if isinstance(pattern, _Call):
        equation = builder.definition(atom, pattern.op)
        return equation is not None and _match_call(pattern, equation, bound, builder)
    if not isinstance(pattern, _Name):
        return not isinstance(atom, Var) and _is_number(atom, pattern, builder)
    if pattern.constant and (isinstance(atom, Var) or (not pattern.kinds and not _has_sign(atom))):
        return False
    if pattern.kinds and type_of_atom(atom)[1].kind not in pattern.kinds:
        return False
    if pattern.text in bound:
        return same_atom(bound[pattern.text], atom)
    bound[pattern.text] = atom
    return True


def _match_call(pattern: _Call, equation: Equation, bound: dict[str, Any], builder: Builder) -> bool:
    if len(equation.args) != len(pattern.parts):
        return False
    return all(_match(part, arg, bound, builder) for part, arg in zip(pattern.parts, equation.args))


def _has_sign(constant: Any) -> bool:
    return type(constant) is int or np.asarray(constant).dtype.kind in "fc"


def _is_number(atom: Any, wanted: complex, builder: Builder) -> bool:
    """Whether an atom is this number everywhere, of this kind and with this sign of zero."""
    number = builder.uniform(atom)
    kind = np.asarray(number).dtype.kind
    if isinstance(wanted, bool) or kind == "b":
        return kind == "b" and isinstance(wanted, bool) and number == wanted
    if isinstance(wanted, int):
        return kind in "iu" and number == wanted
    if kind not in "fc" or number != wanted:
        return False
    return wanted != 0 or bool(np.signbit(np.real(number)) == np.signbit(wanted))


# Replacing ------------------------------------------------------------------------------------------------------------


def _made(replacement: Any, bound: dict[str, Any], builder: Builder) -> Any:
    """Return the atom that an argument of a replacement stands for."""
    if isinstance(replacement, _Name):
        return bound[replacement.text]
    if isinstance(replacement, _Call):
        op, args = TABLE[replacement.op], [_made(part, bound, builder) for part in replacement.parts]
        if any(isinstance(arg, Var) for arg in args):
            return builder.emit(op, *args)
        if len(args) == 1 and type(args[0]) in (int, float, complex):
            return -args[0]  # a number of Python stays one
        with np.errstate(all="ignore"):
            return op.value(*args)
    return replacement


_BY_OP: dict[str, list[tuple[_Call, Any]]] = {}
for _texts in REWRITES:
    _pattern, _replacement = (_read(ast.parse(_text, mode="eval").body) for _text in _texts)
    _BY_OP.setdefault(_pattern.op, []).append((_pattern, _replacement))

_LONGEST = max(len(pattern.parts) for rewrites in _BY_OP.values() for pattern, _ in rewrites)


@functools.cache
def _candidates(op: str, forms: tuple[str, ...]) -> tuple:
    """Return the rewrites of an op that arguments of these forms leave: ops that define them, or a number sign."""
    return tuple(
        rewrite
        for rewrite in _BY_OP.get(op, ())
        if len(rewrite[0].parts) == len(forms) and all(map(_admits, rewrite[0].parts, forms))
    )


def _admits(pattern: Any, form: str) -> bool:
    if isinstance(pattern, _Call):
        return pattern.op == form
    return form == "#" or (isinstance(pattern, _Name) and not pattern.constant)


def _form_of(atom: Any, builder: Builder) -> str:
    if not isinstance(atom, Var):
        return "#"
    equation = builder.definitions.get(id(atom))
    return "" if equation is None else equation.op.name


def by_pattern(equation: Equation, builder: Builder) -> Any:
    """Return what an equation can be replaced by: an atom, or another equation for the same variable; else None."""
    name = equation.op.name
    if name not in _BY_OP or len(equation.args) > _LONGEST:
        return None
    for pattern, replacement in _candidates(name, tuple(_form_of(arg, builder) for arg in equation.args)):
        bound: dict[str, Any] = {}
        if not _match_call(pattern, equation, bound, builder):
            continue
        (out,) = equation.outs
        if not isinstance(replacement, _Call):
            atom = _made(replacement, bound, builder)
            if isinstance(atom, bool) and out.shape == ():
                atom = np.bool_(atom)
            if type_of_atom(atom) == (out.shape, out.dtype):
                return atom
            continue
        op = TABLE[replacement.op]
        args = tuple(_made(part, bound, builder) for part in replacement.parts)
        static = equation.static if op is equation.op else {}
        signed = out.dtype.kind != "u" or not any(type(arg) is int and arg < 0 for arg in args)
        if signed and type_of(op, args, static) == [(out.shape, out.dtype)]:
            return Equation(equation.outs, op, args, static)
    return None
