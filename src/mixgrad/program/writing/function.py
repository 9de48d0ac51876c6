"""What belongs to a written module as a whole: its lines, names, constants and the functions that come along."""

from __future__ import annotations

import ast
import functools
import inspect
from contextlib import contextmanager
from typing import Any

import numpy as np

from mixgrad.program.writing.expression import Expression
from mixgrad.program.writing.names import Names

LONG = 60
"""Constants with a longer text stand before the function."""


@functools.cache
def _helpers() -> dict[str, str]:
    """Return the text of every function that can come along, by its name."""
    from mixgrad.program.writing import helpers

    functions = [value for value in vars(helpers).values() if inspect.isfunction(value)]
    return {f.__name__: inspect.getsource(f).rstrip() for f in functions if f.__module__.startswith("mixgrad.")}


SCIPY = ("solve_triangular", "special")
"""What comes from SciPy: from its linear algebra, and the module of special functions."""


class Function:
    """A function that is being written."""

    def __init__(self, strict: bool, wanted: list[str]) -> None:
        self.strict = strict
        self.names = Names((*_helper_names(), *SCIPY), wanted)
        self.lines: list[str] = []
        self.depth = 1
        self.constants: dict[tuple, tuple[str, str]] = {}
        self.helpers: set[str] = set()
        self.has_products = False

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append("    " * self.depth + text)

    @contextmanager
    def block(self, head: str):
        """Write a block: its head, and what is written inside; ``pass`` if that is nothing."""
        self.line(head)
        self.depth += 1
        start, taken = len(self.lines), set(self.names.taken)
        yield
        if len(self.lines) == start:
            self.line("pass")
        self.depth -= 1
        self.names.taken = taken  # names of the block are free again

    def hoisted(self, value: Any, text: Expression) -> Expression:
        """Return a constant; a long one by the name that it has in the module."""
        if not isinstance(value, np.ndarray) or len(text.text) <= LONG:
            return text
        key = (value.shape, value.dtype.str, value.strides, value.tobytes())
        if key not in self.constants:
            name = next(n for k in range(1, 10**9) if (n := f"CONSTANT_{k}") not in self.names.taken | self.names.wanted
                        and n not in self.names.reserved)  # fmt: skip
            self.names.reserved.add(name)
            self.constants[key] = (name, text.text)
        return Expression(self.constants[key][0])

    def helper(self, name: str) -> str:
        """Bring a function along, and those that it calls; return its name."""
        if name not in self.helpers:
            self.helpers.add(name)
            tree = ast.parse(_helpers().get(name, ""))
            for node in ast.walk(tree):
                if isinstance(node, ast.Name) and node.id != name and node.id in (*_helper_names(), *SCIPY):
                    self.helper(node.id)
        return name

    def helper_texts(self) -> list[str]:
        """Return the functions that come along, in a fixed order."""
        return [text for name, text in _helpers().items() if name in self.helpers]

    def imports(self) -> list[str]:
        """Return the lines of imports."""
        homes = {"special": "scipy", "solve_triangular": "scipy.linalg"}
        scipy = [f"from {home} import {name}" for name, home in homes.items() if name in self.helpers]
        return ["import numpy as np", *scipy]


def _helper_names() -> tuple[str, ...]:
    return tuple(_helpers())
