"""Names for the variables of a program: those of the source where it has some, then a, b, ..., z, aa, ab ..."""

from __future__ import annotations

import itertools
import keyword
import string
from collections.abc import Collection, Iterable, Iterator

from mixgrad.core.op import TABLE
from mixgrad.core.program import Program, Var

_RESERVED = {"nan", "inf", "complex", "form", "slice", "np", "_"}


def names_of(program: Program, outside: Iterable[str] = ()) -> dict[int, str]:
    """Return a name for each variable, by the variable's identity; the same program always gets the same names.

    Those of nested programs are not among them: a nested program has names of its own, which are to be different from
    all names `outside` of it.
    """
    variables = [*program.inputs, *(out for equation in program.equations for out in equation.outs)]
    names: dict[int, str] = {}
    taken: set[str] = set(outside)
    fresh = _fresh({var.name for var in variables} | taken)
    for var in variables:
        names[id(var)] = name = _wanted(var, taken) or next(fresh)
        taken.add(name)
    return names


def name_of_function(program: Program, taken: Collection[str]) -> str:
    """Return a name for a nested program."""
    return _unused(program.name, taken) if _is_usable(program.name) else _unused("body", taken)


def _wanted(var: Var, taken: set[str]) -> str:
    return _unused(var.name, taken) if _is_usable(var.name) else ""


def _is_usable(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and name not in _RESERVED


def _unused(name: str, taken: Collection[str]) -> str:
    if name not in taken:
        return name
    return next(new for n in itertools.count(2) if (new := f"{name}_{n}") not in taken)


def _fresh(wanted: set[str]) -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            name = "".join(letters)
            if name not in wanted and name not in TABLE and not keyword.iskeyword(name) and name not in _RESERVED:
                yield name
