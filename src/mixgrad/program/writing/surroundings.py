"""What a spelling needs to know of the function that is being written; index expressions and new arrays."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from mixgrad.program.writing.expression import Expression, call, dtype_text, shape_text, tuple_text
from mixgrad.rules.index import SLOT


class Surroundings(Protocol):
    """What a spelling needs to know of the function that is being written."""

    strict: bool

    def expression(self, atom: Any, weak: bool = False) -> Expression:
        """Return a variable or a constant as an expression."""
        ...

    def helper(self, name: str) -> str:
        """Bring a function of `helpers` along, and return its name."""
        ...

    def is_product(self, x: Any, y: Any) -> bool:
        """Whether the program multiplies `x` by `y`, in this order."""
        ...


def index_parts(around: Surroundings, parts: tuple, arrays: tuple) -> list[str]:
    """Return the parts of an index expression as text."""
    rest = iter(arrays)
    return [_index_array(around, next(rest)) if part is SLOT else _index_part(part) for part in parts]


def _index_part(part: Any) -> str:
    if part is Ellipsis:
        return "..."
    if isinstance(part, slice):
        bounds = ["" if bound is None else str(bound) for bound in (part.start, part.stop, part.step)]
        return ":".join(bounds if bounds[2] else bounds[:2])
    return repr(part)


def _index_array(around: Surroundings, array: Any) -> str:
    if isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "ib" and 0 < array.size <= 10:
        return repr(array.tolist())
    if isinstance(array, np.integer):
        return repr(int(array))
    return str(around.expression(array))


def index_text(around: Surroundings, parts: tuple, arrays: tuple) -> str:
    """Return what stands between the brackets."""
    return ", ".join(index_parts(around, parts, arrays)) or "()"


def index_object(around: Surroundings, parts: tuple, arrays: tuple) -> str:
    """Return an index expression as an argument of a function."""
    if any(isinstance(part, slice) for part in parts):
        return f"np.s_[{index_text(around, parts, arrays)}]"
    texts = index_parts(around, parts, arrays)
    return texts[0] if len(texts) == 1 else tuple_text(texts)


def zeros_text(shape: tuple[int, ...], dtype: np.dtype, function: str = "np.zeros") -> str:
    """Return the making of an array."""
    keywords = {} if dtype == np.float64 else {"dtype": dtype_text(dtype)}
    return call(function, shape_text(shape), **keywords).text
