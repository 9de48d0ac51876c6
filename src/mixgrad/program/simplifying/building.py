"""A program being made from another, and what the passes ask about atoms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mixgrad.core.op import TABLE, Op
from mixgrad.core.program import Equation, Program, Var, type_of

LARGEST = 1000
"""Constants of more numbers than that are not made."""


# Atoms ----------------------------------------------------------------------------------------------------------------


def key_of(atom: Any) -> tuple:
    """Return what two atoms have in common if they are the same variable, or the same bits of the same type."""
    if isinstance(atom, Var):
        return ("var", id(atom))
    array = np.asarray(atom)
    part = stored(array)
    return (type(atom).__name__, array.shape, array.dtype.str, part.shape, part.tobytes())


def stored(array: np.ndarray) -> np.ndarray:
    """Return the array without the repetitions of `np.broadcast_to`: a large constant may be one number in memory."""
    return (
        array[tuple([slice(None, 1) if step == 0 else slice(None) for step in array.strides])] if array.ndim else array
    )


def same_atom(a: Any, b: Any) -> bool:
    """Whether two atoms are the same variable or the same bits."""
    return a is b if isinstance(a, Var) or isinstance(b, Var) else key_of(a) == key_of(b)


def type_of_atom(atom: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype."""
    if isinstance(atom, Var):
        return atom.shape, atom.dtype
    return np.shape(atom), np.asarray(atom).dtype


def is_constant(atom: Any) -> bool:
    """Whether an atom is no variable."""
    return not isinstance(atom, Var)


def uniform(atom: Any) -> Any:
    """Return the number that a constant is everywhere, in its type; None if there is no such number."""
    if isinstance(atom, Var):
        return None
    if not isinstance(atom, np.ndarray):
        return atom
    if not atom.size:
        return None
    atom = stored(atom)
    first = atom.flat[0]
    if first != atom.flat[-1] and first == first:
        return None
    same = np.array_equal(atom, np.broadcast_to(first, atom.shape), equal_nan=atom.dtype.kind in "fc")
    if not same or (first == 0 and not _one_sign(atom)):
        return None
    return first


def _one_sign(zeros: np.ndarray) -> bool:
    if zeros.dtype.kind == "c":
        return _one_sign(np.real(zeros)) and _one_sign(np.imag(zeros))
    signs = np.signbit(zeros) if zeros.dtype.kind == "f" else np.zeros(1)
    return bool(np.all(signs == signs.flat[0]))


# Programs -------------------------------------------------------------------------------------------------------------


def with_args(equation: Equation, args: tuple) -> Equation:
    """Return the equation with these arguments; itself if they are its own."""
    if len(args) == len(equation.args) and all(a is b for a, b in zip(args, equation.args)):
        return equation
    return Equation(equation.outs, equation.op, args, equation.static)


def with_equations(program: Program, equations: tuple[Equation, ...], outputs: tuple) -> Program:
    """Return the program with these equations and outputs; itself if they are its own."""
    same = len(equations) == len(program.equations) and all(a is b for a, b in zip(equations, program.equations))
    if same and all(a is b for a, b in zip(outputs, program.outputs)):
        return program
    return Program(program.inputs, equations, outputs, program.name)


def substituted(program: Program, atoms: Mapping[int, Any], inputs: tuple[Var, ...]) -> Program:
    """Return the program with these inputs, and with atoms in the places of variables, known by their identity."""

    def atom(old: Any) -> Any:
        return atoms.get(id(old), old) if isinstance(old, Var) else old

    equations = tuple(with_args(equation, tuple(map(atom, equation.args))) for equation in program.equations)
    return Program(inputs, equations, tuple(map(atom, program.outputs)), program.name)


def times_used(program: Program) -> dict[int, int]:
    """Return how often each variable is an argument or an output."""
    counts: dict[int, int] = {}
    for equation in program.equations:
        for arg in equation.variables():
            counts[id(arg)] = counts.get(id(arg), 0) + 1
    for output in program.outputs:
        if isinstance(output, Var):
            counts[id(output)] = counts.get(id(output), 0) + 1
    return counts


class Builder:
    """A program being made from another, equation by equation."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.equations: list[Equation] = []
        self.definitions: dict[int, Equation] = {}
        self.replaced: dict[int, Any] = {}
        self.notes: dict[Any, Any] = {}

    def __iter__(self) -> Iterator[Equation]:
        """Yield the equations of the old program, with the replacements so far."""
        for equation in self.program.equations:
            if any(id(arg) in self.replaced for arg in equation.args):
                equation = with_args(equation, tuple(map(self.atom, equation.args)))
            yield equation

    def atom(self, atom: Any) -> Any:
        """Return what an atom has been replaced by."""
        return self.replaced.get(id(atom), atom) if isinstance(atom, Var) else atom

    def uniform(self, atom: Any) -> Any:
        """Return the number that a constant is everywhere, or None; each constant is looked at once."""
        if not isinstance(atom, np.ndarray):
            return uniform(atom)
        key = ("uniform", id(atom))
        if key not in self.notes:
            self.notes[key] = (atom, uniform(atom))
        return self.notes[key][1]

    def definition(self, atom: Any, name: str = "") -> Equation | None:
        """Return the equation that defines a variable, if it is one of the op of this name."""
        equation = self.definitions.get(id(atom)) if isinstance(atom, Var) else None
        return equation if equation is not None and name in ("", equation.op.name) else None

    def add(self, equation: Equation) -> None:
        """Append an equation."""
        self.equations.append(equation)
        for out in equation.outs:
            self.definitions[id(out)] = equation

    def emit(self, op: Op | str, *args: Any, **static: Any) -> Var:
        """Append an equation for a new variable."""
        op = TABLE[op] if isinstance(op, str) else op
        ((shape, dtype),) = type_of(op, args, static)
        out = Var(shape, dtype)
        self.add(Equation((out,), op, args, static))
        return out

    def replace(self, equation: Equation, atoms: tuple) -> None:
        """Let atoms stand for the results of an equation from now on."""
        for out, atom in zip(equation.outs, atoms, strict=True):
            self.replaced[id(out)] = atom

    def inline(self, program: Program, args: tuple) -> tuple:
        """Append the equations of a program, and return its outputs for these arguments."""
        known = dict(zip(map(id, program.inputs), args))
        atom = lambda old: known.get(id(old), old) if isinstance(old, Var) else old
        for equation in program.equations:
            outs = tuple(Var(out.shape, out.dtype, out.name) for out in equation.outs)
            known.update(zip(map(id, equation.outs), outs))
            self.add(Equation(outs, equation.op, tuple(map(atom, equation.args)), equation.static))
        return tuple(map(atom, program.outputs))

    def done(self) -> Program:
        """Return the new program; the old one if nothing is new."""
        outputs = tuple(self.atom(output) for output in self.program.outputs)
        return with_equations(self.program, tuple(self.equations), outputs)
