"""Random programs in every back end: recorded, simplified, printed and read, written as a module of Python.

What is recorded gives the bits of the run without recording; every other back end gives the bits of the recording, for
values and for gradients.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.program import Program
from mixgrad.program.simplify import simplify
from mixgrad.program.to_text import parse, to_text

REFUSED: Counter[str] = Counter()
"""Why some programs cannot be recorded: mostly since a shape depends on values."""


def module_of(program: Program) -> Callable:
    """Return the function of the module that a program is written as; it gives a tuple."""
    names: dict[str, Any] = {}
    exec(compile(program.to_python(strict=True), "<module>", "exec"), names)  # type: ignore[attr-defined]
    function = next(value for key, value in names.items() if key.rstrip("_") == program.name.rstrip("_"))

    def run(*args: Any) -> tuple:
        results = function(*args)
        return results if isinstance(results, tuple) else (results,)

    return run


BACKENDS: dict[str, Callable[[Program], Callable]] = {
    "interpreted": lambda program: functools.partial(interpret, program),
    "simplified": lambda program: functools.partial(interpret, simplify(program)),
    "printed and read": lambda program: functools.partial(interpret, parse(to_text(program))),
    "written": module_of,
    "simplified and written": lambda program: module_of(simplify(program)),
}
"""Ways of running a recorded program on arrays; the first says what it means. A new back end is one more line."""

REASSOCIATES: frozenset[str] = frozenset()
"""Back ends that add in another order, so that they agree with the others to rounding."""

PRINTED = ("printed and read", "written", "simplified and written")
"""Back ends that pass through a text: it does not say how a constant lies in memory, on which NumPy's sums depend."""


def record(function: Callable, *args: Any) -> Program | None:
    """Return the program of a function, None if mixgrad refuses to record it."""
    try:
        return mg.trace(function)(*args)
    except mg.MixgradError as refusal:
        REFUSED[f"{type(refusal).__name__}: {str(refusal)[:60]}"] += 1
        return None


def sums_otherwise(program: Program) -> bool:
    """Whether a recorded gradient adds in another order than a tape: in branches, loops, and at places read twice."""
    rows = {equation.op.name for equation in program.equations}
    return bool(rows & {"cond", "loop", "scatter"})


def has_strided_constants(program: Program) -> bool:
    """Whether some constant does not lie in memory row by row."""
    atoms = (atom for equation in program.equations for atom in equation.args)
    return any(isinstance(atom, np.ndarray) and not atom.flags.c_contiguous for atom in atoms)


def same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays have the same dtype, shape and elements; nan is nan, and -0.0 is 0.0."""
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


def differing(program: Program, args: list) -> list[tuple[str, int, Any, Any]]:
    """Return (back end, output, got, wanted) where a back end gives other bits than the interpreter."""
    want = interpret(program, *args)
    rounded = set(REASSOCIATES).union(PRINTED if has_strided_constants(program) else ())
    found = []
    for name, backend in BACKENDS.items():
        for i, (a, b) in enumerate(zip(backend(program)(*args), want, strict=True)):
            near = name in rounded and np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
            if not (near or same_bits(a, b)):
                found.append((name, i, a, b))
    return found
