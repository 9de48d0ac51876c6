"""Elements and attributes in rewritten code."""

from __future__ import annotations

import builtins
import operator
import sys
from typing import Any

import numpy as np

from mixgrad._errors import BoxConversionError, UnsupportedError
from mixgrad.core.bind import Traced
from mixgrad.core.numpy_table import FUNCTIONS
from mixgrad.modes.mutable import Mutable, assignable
from mixgrad.operators.state import Undefined

slice = builtins.slice

_IN_PLACE = {
    "+": operator.iadd, "-": operator.isub, "*": operator.imul, "/": operator.itruediv, "//": operator.ifloordiv,
    "%": operator.imod, "**": operator.ipow, "@": operator.imatmul, "&": operator.iand, "|": operator.ior,
    "^": operator.ixor, "<<": operator.ilshift, ">>": operator.irshift,
}  # fmt: skip


def _traced(key: Any) -> bool:
    if isinstance(key, tuple):
        return any(map(_traced, key))
    if isinstance(key, builtins.slice):
        return any(isinstance(part, Traced) for part in (key.start, key.stop, key.step))
    return isinstance(key, Traced)


def get_item(x: Any, key: Any) -> Any:
    """Return ``x[key]``; a traced index reads from a plain table, too."""
    if type(x) is np.ndarray and _traced(key):
        return FUNCTIONS[operator.getitem](x, key)
    if isinstance(x, dict) and isinstance(key, Traced):
        raise BoxConversionError(
            f"a differentiated or traced value (shape {key.shape}, {key.dtype}) was used as the key of a dict. Use a "
            "plain value; where no derivative is wanted: float(mg.stop_gradient(key))."
        )
    return x[key]


def set_item(value: Any, x: Any, key: Any) -> Any:
    """Do ``x[key] = value``, the parts in Python's order of evaluation; return what holds the elements now."""
    if type(x) is np.ndarray and (_holds_traced(value) or _traced(key)):
        if sys.getrefcount(x) > _ALONE or x.base is not None:
            raise _shared(x)
        x = assignable(x.copy())
    elif isinstance(x, Traced) and type(x) is not Mutable and x.shape:
        x = assignable(x)
    x[key] = value
    return x


def set_item_of(value: Any, owner: Any, name: str, key: Any) -> None:
    """Do ``owner.name[key] = value``."""
    x = set_item(value, getattr(owner, name), key)
    if type(x) is Mutable and type(getattr(owner, name)) is not Mutable:
        setattr(owner, name, x)


def in_place(symbol: str, x: Any, value: Any) -> Any:
    """Do ``x += value`` and its like; return the result: the same array, where there is one."""
    if type(x) is np.ndarray and x.ndim and _holds_traced(value):
        if sys.getrefcount(x) > _ALONE or x.base is not None:
            raise _shared(x)
        x = assignable(x.copy())
    elif isinstance(x, Traced) and type(x) is not Mutable and x.shape:
        x = assignable(x)
    return _IN_PLACE[symbol](x, value)


def _probe(x: Any) -> int:
    return sys.getrefcount(x)


def _references_of_one_variable() -> int:
    x = np.zeros(1)
    return _probe(x)


_ALONE = _references_of_one_variable()


def _shared(x: np.ndarray) -> UnsupportedError:
    return UnsupportedError(
        f"a differentiated value is to be written into a plain array (shape {x.shape}, {x.dtype}) which other "
        "variables or views share; they would not see it. It was made outside of the differentiated function. Copy it "
        "first: y = np.array(y)."
    )


def _holds_traced(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_traced, value))
    return isinstance(value, Traced)


def get_attribute(owner: Any, name: str) -> Any:
    """Return an attribute that a block may change; there may be none yet."""
    if isinstance(owner, Undefined):
        return owner
    return getattr(owner, name, Undefined(name))


def set_attribute(owner: Any, name: str, value: Any) -> None:
    """Set an attribute, unless it has never had a value."""
    if isinstance(owner, Undefined) or isinstance(value, Undefined):
        return
    try:
        if getattr(owner, name, None) is not value:
            setattr(owner, name, value)
    except AttributeError as error:
        raise BoxConversionError(f"attribute {name} of {type(owner).__name__} cannot be set: {error}") from None
