"""Simplification: each pass takes a program and returns one that computes the same with fewer equations.

The passes of `EXACT`, the default, change no bit, whatever the numbers: nan, infinities and the sign of zero are kept,
so there is no ``x * 0 -> 0`` and no ``x + 0.0 -> x``. (The sign of a zero that a strong product makes depends on the
other entries of the array; that one is not kept.)

``contract``, asked for by ``simplify(program, "all")``, writes what a person would: sums of products become
contractions, transposes are folded into them, constant factors and signs are collected behind linear operations. It
adds and multiplies in another order, so its results differ by rounding, in the sign of zeros, and where an intermediate
value overflows or underflows. Everything else about nan and infinities stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from mixgrad.core.op import TABLE, Kind
from mixgrad.core.program import Equation, Program, remembered
from mixgrad.program.nested import map_nested, used_equations
from mixgrad.program.simplifying.branches import simplify_branches
from mixgrad.program.simplifying.building import LARGEST, Builder, key_of
from mixgrad.program.simplifying.contract import contract
from mixgrad.program.simplifying.loops import simplify_loops
from mixgrad.program.simplifying.rewriting import rewrite
from mixgrad.program.to_text import to_text

Pass = Callable[[Program], Program]

_COMMUTATIVE = frozenset(
    (
        *("add", "multiply", "equal", "not_equal"),
        *("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"),
    )
)
_ROUNDS = 100


def fold_constants(program: Program) -> Program:
    """Compute equations without variables, unless the result has more than a thousand numbers."""
    builder = Builder(program)
    for equation in builder:
        constant = not any(True for _ in equation.variables()) and equation.op.kind is not Kind.NESTED
        if constant and all(-1 not in out.shape and np.prod(out.shape) <= LARGEST for out in equation.outs):
            with np.errstate(all="ignore"):
                result = equation.op.value(*equation.args, **equation.static)
            builder.replace(equation, result if equation.op.multiple else (result,))
        else:
            builder.add(equation)
    return builder.done()


def share(program: Program) -> Program:
    """Compute equal equations once (common subexpressions)."""
    builder = Builder(program)
    seen: dict[tuple, Equation] = {}
    for equation in builder:
        args = [key_of(arg) for arg in equation.args]
        if equation.op.name in _COMMUTATIVE:
            args.sort()
        static = repr(sorted(equation.static.items(), key=str)) if equation.static else ""
        key = (equation.op.name, tuple(args), static)
        if key in seen:
            builder.replace(equation, seen[key].outs)
        else:
            seen[key] = equation
            builder.add(equation)
    return builder.done()


def drop_dead(program: Program) -> Program:
    """Leave out equations, and results of nested programs, that no output depends on."""
    return used_equations(program)


def simplify_nested(program: Program) -> Program:
    """Simplify the bodies of loops and the branches of conditions, exactly."""
    return map_nested(program, _simplify_once)


@remembered
def _simplify_once(program: Program) -> Program:
    return simplify(program, EXACT)


def split_sums(program: Program) -> Program:
    """Write weighted sums of three and more terms whose weights are 1 and -1 as sums and differences."""
    builder = Builder(program)
    for equation in builder:
        weights = equation.args[::2]
        units = all(type(weight) is int and weight in (1, -1) for weight in weights)
        if equation.op.name == "weighted_sum" and len(weights) > 2 and units:
            builder.add(_chain(builder, equation))
        else:
            builder.add(equation)
    return builder.done()


def _chain(builder: Builder, equation: Equation) -> Equation:
    """Return the last sum of a chain; the others are appended."""
    (out,) = equation.outs
    weights, terms = equation.args[::2], equation.args[1::2]
    total = terms[0] if weights[0] == 1 else builder.emit("negative", terms[0])
    names = ["add" if weight == 1 else "subtract" for weight in weights]
    for name, term in zip(names[1:-1], terms[1:-1]):
        total = builder.emit(name, total, term)
    return Equation((out,), TABLE[names[-1]], (total, terms[-1]))


PASSES: dict[str, Pass] = {
    "simplify_nested": simplify_nested,
    "simplify_branches": simplify_branches,
    "simplify_loops": simplify_loops,
    "split_sums": split_sums,
    "fold_constants": fold_constants,
    "share": share,
    "rewrite": rewrite,
    "drop_dead": drop_dead,
    "contract": contract,
}
"""Every pass by name, in the order in which they are applied."""

EXACT: tuple[str, ...] = tuple(name for name in PASSES if name != "contract")
"""The passes that change no bit."""

_GROUPS = {"exact": EXACT, "all": tuple(PASSES)}


def simplify(program: Program, passes: str | Iterable[str] | Mapping[str, Pass] = "exact") -> Program:
    """Apply passes until the program stays the same.

    Parameters
    ----------
    program : Program
    passes : {"exact", "all"}, or names of passes, or mapping of str to callable
        "exact" passes change no bit of any result; "all" has ``contract``, too, which changes the rounding: sums of
        products become contractions, constant factors are collected. ``simplify(program, ["share"])`` shows what one
        pass does; `mixgrad.program.simplify.PASSES` has them all. A pass of your own is given in a mapping.

    Raises
    ------
    ValueError
        If there is no pass of a name.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> program = mg.trace(lambda a, x: np.sum(a * x, axis=1))(np.ones((2, 3)), np.ones(3))
    >>> print(mg.simplify(program, "all"))
    def program(a: f64[2, 3], x: f64[3]):
        b = matvec(a, x)  # f64[2]
        return (b,)
    <BLANKLINE>
    """
    chosen = _chosen(passes)
    for _ in range(_ROUNDS):
        before = program
        for apply in chosen:
            program = apply(program)
        if program is before or (len(program) == len(before) and to_text(program) == to_text(before)):
            break
    return program


def _chosen(passes: str | Iterable[str] | Mapping[str, Pass]) -> list[Pass]:
    if isinstance(passes, Mapping):
        return list(passes.values())
    names = _GROUPS.get(passes, (passes,)) if isinstance(passes, str) else tuple(passes)
    unknown = [name for name in names if name not in PASSES]
    if unknown:
        known = ", ".join(PASSES)
        raise ValueError(f"simplify: there is no pass {unknown[0]!r}. Give 'exact', 'all', or some of {known}")
    return [PASSES[name] for name in names]
