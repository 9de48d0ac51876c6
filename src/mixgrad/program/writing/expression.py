"""Expressions of Python as text with the strength of their outermost operator, and constants that read back exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

# How strongly an operator binds, as in the grammar of Python.
COMPARE, OR, XOR, AND, SHIFT, SUM, PRODUCT, UNARY, POWER, ATOM = range(10)

DEFAULT_DTYPES = {"f": np.dtype(np.float64), "i": np.dtype(np.int64), "b": np.dtype(bool), "c": np.dtype(complex)}
"""What ``np.array`` makes of numbers of Python."""


@dataclass(frozen=True)
class Expression:
    """A piece of Python: its text, and how strongly its outermost operator binds."""

    text: str
    strength: int = ATOM

    def __str__(self) -> str:
        return self.text

    def within(self, strength: int) -> str:
        """Return the text, in parentheses if it binds less strongly than this."""
        return f"({self.text})" if self.strength < strength else self.text

    @property
    def is_name(self) -> bool:
        """Whether it is a variable."""
        return self.text.isidentifier()


def binary(left: Expression, sign: str, right: Expression, strength: int) -> Expression:
    """Return ``left sign right`` for an operator that groups from the left; comparisons do not group."""
    first = left.within(strength + 1 if strength == COMPARE else strength)
    return Expression(f"{first} {sign} {right.within(strength + 1)}", strength)


def negated(x: Expression) -> Expression:
    """Return ``-x``."""
    return Expression(f"-{x.within(POWER)}", UNARY)


def call(name: str, *args: Any, **keywords: Any) -> Expression:
    """Return a call; keywords are given as text."""
    parts = [*map(str, args), *(f"{key}={value}" for key, value in keywords.items())]
    return Expression(f"{name}({', '.join(parts)})")


def tuple_text(parts: Iterable[Any]) -> str:
    """Return a tuple as text."""
    texts = [str(part) for part in parts]
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"


def dtype_text(dtype: np.dtype) -> str:
    """Return a dtype as text."""
    return "bool" if dtype.kind == "b" else f"np.{dtype.name}"


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as the first argument of ``np.zeros``: one length without parentheses."""
    return str(shape[0]) if len(shape) == 1 else tuple_text(shape)


# Constants ------------------------------------------------------------------------------------------------------------


def number(value: Any) -> Expression:
    """Return a number of Python (or its extended precision) as it reads back."""
    if isinstance(value, complex):
        if value.real == 0 and not math.copysign(1, value.real) < 0 and math.isfinite(value.imag):
            return Expression(f"{value.imag!r}j", UNARY if math.copysign(1, value.imag) < 0 else ATOM)
        return call("complex", number(value.real), number(value.imag))
    if isinstance(value, np.longdouble):
        return call("np.longdouble", f'"{value!s}"')
    if isinstance(value, float) and not math.isfinite(value):
        return Expression("np.nan") if math.isnan(value) else Expression("np.inf" if value > 0 else "-np.inf", UNARY)
    return Expression(repr(value), UNARY if repr(value).startswith("-") else ATOM)


def shortest(value: Any) -> Any:
    """Return a NumPy number as a number of Python: for short floats the one with the fewest digits that gives it."""
    if isinstance(value, (np.float32, np.float16)) and np.isfinite(value):
        return float(str(value))
    return value.item() if isinstance(value, np.generic) else value


def constant(value: Any, weak: bool = False) -> Expression:
    """Return a constant: an array, or a number, of its own dtype unless it may be `weak`."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return number(value)
    if isinstance(value, np.generic):
        plain = number(shortest(value))
        return plain if weak else call(f"np.{value.dtype.name}", plain)
    return _array(value)


def _array(x: np.ndarray) -> Expression:
    dtype = {} if x.dtype == np.float64 else {"dtype": dtype_text(x.dtype)}
    shape = shape_text(x.shape)
    if x.size == 0:
        return call("np.zeros", shape, **dtype)
    stretched = tuple(slice(None, 1) if n > 1 and step == 0 else slice(None) for n, step in zip(x.shape, x.strides))
    if slice(None, 1) in stretched:  # one number for many: as it lies in memory
        return call("np.broadcast_to", _array(np.ascontiguousarray(x[stretched])), tuple_text(x.shape))
    if x.size > 1 and x.dtype.kind != "g" and x.flags.c_contiguous:
        first = x.flat[0]
        if np.array_equal(x.view(np.uint8), np.full_like(x, first).view(np.uint8)):
            return _uniform(x, first, shape, dtype)
        if x.dtype == np.int64 and x.ndim == 1 and np.array_equal(x, np.arange(len(x))):
            return call("np.arange", len(x))
        if x.ndim == 2 and x.shape[0] == x.shape[1] and np.array_equal(x, np.eye(len(x))) and not np.signbit(x).any():
            return call("np.eye", len(x), **dtype)
    natural = DEFAULT_DTYPES.get(x.dtype.kind)
    dtype = {} if x.dtype == natural else {"dtype": dtype_text(x.dtype)}
    order = {} if x.flags.c_contiguous or not x.flags.f_contiguous else {"order": '"F"'}
    return call("np.array", _nested(x), **dtype, **order)


def _uniform(x: np.ndarray, value: Any, shape: str, dtype: dict[str, str]) -> Expression:
    if value == 0 and not (x.dtype.kind == "c" or np.signbit(value) if x.dtype.kind in "fc" else False):
        return call("np.zeros", shape, **dtype)
    if value == 1:
        return call("np.ones", shape, **dtype)
    dtype = {} if x.dtype == DEFAULT_DTYPES.get(x.dtype.kind) else {"dtype": dtype_text(x.dtype)}
    return call("np.full", shape, number(shortest(value)), **dtype)


def _nested(x: Any) -> str:
    if isinstance(x, np.ndarray) and x.ndim:
        return f"[{', '.join(map(_nested, x))}]"
    return number(shortest(x[()] if isinstance(x, np.ndarray) else x)).text
