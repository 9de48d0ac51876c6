"""Contraction forms: what is equal but for rounding and the sign of zero, as a person would rather write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mixgrad.core.op import TABLE
from mixgrad.core.program import Equation, Program, Var, type_of
from mixgrad.program.nested import map_nested
from mixgrad.program.simplifying.building import Builder, times_used, type_of_atom
from mixgrad.program.simplifying.factors import FACTORS

Labels = list[str | None]
"""For each axis of an operand the letter of the axis of the product; None for an axis of length one."""

_LETTERS = "ijklmnopqrstuvwxyzabcdefgh"
_NAMED = {
    (("i", "i"), ""): "vecdot",
    (("ij", "j"), "i"): "matvec",
    (("ij", "jk"), "ik"): "matmul",
}


def contract(program: Program) -> Program:
    """Write sums of products as contractions, fold transposes into them, and collect constant factors."""
    program = map_nested(program, contract)
    builder = Builder(program)
    uses = times_used(program)
    for equation in builder:
        found = None
        for rule in (*_RULES.get(equation.op.name, ()), *FACTORS.get(equation.op.name, ())):
            found = rule(equation, builder, uses)
            if found is not None:
                break
        builder.add(equation if found is None else found)
    return builder.done()


# Products and sums ----------------------------------------------------------------------------------------------------


def _sum(equation: Equation, builder: Builder, uses: dict[int, int]) -> Equation | None:
    (x,) = equation.args
    (out,) = equation.outs
    product = builder.definition(x, "multiply")
    turned = builder.definition(x, "transpose")
    axis, keepdims = equation.static["axis"], equation.static["keepdims"]
    if turned is not None and not keepdims:
        return _sum_of_transpose(equation, turned)
    if product is None or uses.get(id(x)) != 1 or keepdims or not axis or len(x.shape) > len(_LETTERS):
        return None
    if any(np.ndim(arg) == 0 for arg in product.args if not isinstance(arg, Var)):
        return None  # a factor
    kinds = {type_of_atom(arg)[1] for arg in product.args}
    if len(kinds) != 1 or out.dtype not in kinds or out.dtype.kind not in "fc" or -1 in x.shape:
        return None
    letters = _LETTERS[: len(x.shape)]
    operands, terms = zip(*[_bare(arg, letters, x.shape, builder) for arg in product.args])
    output = "".join(letter for i, letter in enumerate(letters) if i not in axis)
    if "" in terms or not all(any(letter in term for term in terms) for letter in letters):
        return None
    return _contraction(equation, builder, operands, terms, output)


def _sum_of_transpose(equation: Equation, turned: Equation) -> Equation | None:
    axes, axis = turned.static["axes"], equation.static["axis"]
    rest = [axes[i] for i in range(len(axes)) if i not in axis]
    if rest != sorted(rest):
        return None
    static = {"axis": tuple(sorted(axes[i] for i in axis)), "keepdims": False}
    return Equation(equation.outs, equation.op, turned.args, static)


def _bare(atom: Any, letters: str, shape: tuple[int, ...], builder: Builder) -> tuple[Any, str]:
    """Return an operand of a product without the axes it was given for it, and the letters of those that remain."""
    own = type_of_atom(atom)[0]
    start = len(shape) - len(own)
    labels: Labels = [letters[start + i] if n == shape[start + i] else None for i, n in enumerate(own)]
    while (inner := builder.definition(atom)) is not None:
        step = _LOOKING.get(inner.op.name)
        found = None if step is None else step(inner, labels)
        if found is None:
            break
        atom, labels = inner.args[0], found
    if None in labels:
        sizes = tuple(n for n, label in zip(type_of_atom(atom)[0], labels) if label is not None)
        atom = builder.emit("reshape", atom, shape=sizes) if isinstance(atom, Var) else np.reshape(atom, sizes)
    return atom, "".join(label for label in labels if label is not None)


def _through_index(inner: Equation, labels: Labels) -> Labels | None:
    """Look through an index that only puts in axes of length one."""
    parts = inner.static["form"].parts
    if not all(part is None or part is Ellipsis or part == slice(None) for part in parts):
        return None
    new = inner.outs[0].ndim
    spread = [p for p in parts if p is not Ellipsis]
    at = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
    spread[at:at] = [slice(None)] * (new - len(spread))
    return [label for label, part in zip(labels, spread) if part is not None]


def _through_reshape(inner: Equation, labels: Labels) -> Labels | None:
    """Look through a reshape that only puts in axes of length one."""
    old, new = type_of_atom(inner.args[0])[0], inner.outs[0].shape
    if -1 in old or 1 in old or tuple(n for n in new if n != 1) != old:
        return None
    kept = [label for n, label in zip(new, labels) if n != 1]
    return kept if all(label is None for n, label in zip(new, labels) if n == 1) else None


def _through_broadcast(inner: Equation, labels: Labels) -> Labels | None:
    old, new = type_of_atom(inner.args[0])[0], inner.outs[0].shape
    start = len(new) - len(old)
    return [None if n != new[start + i] else labels[start + i] for i, n in enumerate(old)]


def _through_transpose(inner: Equation, labels: Labels) -> Labels | None:
    axes = inner.static["axes"]
    return [labels[axes.index(i)] for i in range(len(axes))]


_LOOKING = {
    "index": _through_index,
    "reshape": _through_reshape,
    "broadcast_to": _through_broadcast,
    "transpose": _through_transpose,
}


def _contraction(
    equation: Equation, builder: Builder, operands: Sequence[Any], terms: Sequence[str], output: str
) -> Equation | None:
    """Return the contraction, by its name if it has one, with the operands in either order."""
    (out,) = equation.outs
    for order in ((0, 1), (1, 0)):
        pair, words = [operands[i] for i in order], [terms[i] for i in order]
        for (named, result), name in _NAMED.items():
            letters = (
                _renaming("".join(words), "".join(named)) if list(map(len, words)) == list(map(len, named)) else None
            )
            if letters is None or output.translate(letters) != result:
                continue
            if type_of(TABLE[name], tuple(pair), {}) == [(out.shape, out.dtype)]:
                return Equation(equation.outs, TABLE[name], tuple(pair))
    static = {"subscripts": (tuple(terms), output)}
    return Equation(equation.outs, TABLE["einsum"], tuple(operands), static)


def _renaming(word: str, wanted: str) -> dict[int, str] | None:
    """Return the translation of letters that makes one word of another, if there is one."""
    letters = dict(zip(word, wanted))
    same = len(word) == len(wanted) and len(set(letters.values())) == len(letters)
    return str.maketrans(letters) if same and "".join(letters[c] for c in word) == wanted else None


# Transposes -----------------------------------------------------------------------------------------------------------


def _matmul(equation: Equation, builder: Builder, uses: dict[int, int]) -> Equation | None:
    """Write the product of two transposes as the transpose of a product."""
    turned = [builder.definition(arg, "transpose") for arg in equation.args]
    if any(t is None or t.static["axes"] != (1, 0) or uses.get(id(t.outs[0])) != 1 for t in turned):
        return None
    a, b = (t.args[0] for t in turned if t is not None)
    return Equation(equation.outs, TABLE["transpose"], (builder.emit("matmul", b, a),), {"axes": (1, 0)})


def _einsum(equation: Equation, builder: Builder, uses: dict[int, int]) -> Equation | None:
    """Fold transposes of the operands into the subscripts."""
    terms, output = equation.static["subscripts"]
    args, words = list(equation.args), list(terms)
    for i, arg in enumerate(args):
        turned = builder.definition(arg, "transpose")
        if turned is not None:
            axes = turned.static["axes"]
            args[i] = turned.args[0]
            words[i] = "".join(words[i][axes.index(axis)] for axis in range(len(axes)))
    if words == list(terms):
        return None
    return Equation(equation.outs, equation.op, tuple(args), {"subscripts": (tuple(words), output)})


_RULES = {"sum": (_sum,), "matmul": (_matmul,), "einsum": (_einsum,)}
