"""Names for the variables of a program: those of the source where it has some, then a, b, ..., z, aa, ab ..."""

from __future__ import annotations

import itertools
import keyword
import string
from collections.abc import Iterator

from mixgrad.core.op import TABLE
from mixgrad.core.program import Program, Var

_RESERVED = {"nan", "inf", "complex", "form", "slice", "np", "_"}


def names_of(program: Program) -> dict[int, str]:
    """Return a name for each variable, by the variable's identity; the same program always gets the same names."""
    variables = [*program.inputs, *(out for equation in program.equations for out in equation.outs)]
    names: dict[int, str] = {}
    taken: set[str] = set()
    fresh = _fresh({var.name for var in variables})
    for var in variables:
        names[id(var)] = name = _wanted(var, taken) or next(fresh)
        taken.add(name)
    return names


def _wanted(var: Var, taken: set[str]) -> str:
    if not var.name.isidentifier() or keyword.iskeyword(var.name) or var.name in _RESERVED:
        return ""
    if var.name not in taken:
        return var.name
    return next(name for n in itertools.count(2) if (name := f"{var.name}_{n}") not in taken)


def _fresh(wanted: set[str]) -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            name = "".join(letters)
            if name not in wanted and name not in TABLE and not keyword.iskeyword(name) and name not in _RESERVED:
                yield name
