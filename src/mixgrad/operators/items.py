"""Elements and attributes in rewritten code."""

from __future__ import annotations

import operator
import sys
from builtins import slice  # rewritten code makes its slices by this name
from typing import Any

import numpy as np

from mixgrad._errors import BoxConversionError, UnsupportedError
from mixgrad.core.bind import Traced
from mixgrad.core.numpy_table import FUNCTIONS
from mixgrad.modes.assignment import has_traced
from mixgrad.modes.mutable import Mutable, assignable
from mixgrad.operators.state import Undefined

_IN_PLACE = {
    "+": operator.iadd, "-": operator.isub, "*": operator.imul, "/": operator.itruediv, "//": operator.ifloordiv,
    "%": operator.imod, "**": operator.ipow, "@": operator.imatmul, "&": operator.iand, "|": operator.ior,
    "^": operator.ixor, "<<": operator.ilshift, ">>": operator.irshift,
}  # fmt: skip


def _traced(key: Any) -> bool:
    if isinstance(key, tuple):
        return any(map(_traced, key))
    if isinstance(key, slice):
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
    if _needs_another(x, has_traced(value) or _traced(key)):
        if sys.getrefcount(x) > _ALONE:
            raise _shared(x)
        x = _another(x)
    x[key] = value
    return x


def set_item_there(value: Any, x: Any, key: Any) -> None:
    """Do ``x[key] = value`` where no variable could take another array in place of `x`."""
    if _needs_another(x, has_traced(value) or _traced(key)):
        raise _shared(x)
    x[key] = value


def set_item_of(value: Any, owner: Any, name: str, key: Any) -> None:
    """Do ``owner.name[key] = value``. The attribute counts as the only one that knows its array."""
    x = getattr(owner, name)
    if _needs_another(x, has_traced(value) or _traced(key)):
        x = _another(x)
        setattr(owner, name, x)
    x[key] = value


def in_place(symbol: str, x: Any, value: Any) -> Any:
    """Do ``x += value`` and its like; return the result: the same array, where there is one."""
    if _needs_another(x, has_traced(value)):
        if sys.getrefcount(x) > _ALONE:
            raise _shared(x)
        x = _another(x)
    return _IN_PLACE[symbol](x, value)


# Arrays that cannot be written to: plain ones cannot hold derivatives, boxes of other modes do not change. A variable
# that is the only one to know such an array gets an assignable one instead; others would miss the write.


def _needs_another(x: Any, traced: bool) -> bool:
    if type(x) is np.ndarray:
        return traced and x.ndim > 0
    return isinstance(x, Traced) and type(x) is not Mutable and bool(x.shape)


def _another(x: Any) -> Any:
    if type(x) is not np.ndarray:
        return assignable(x)
    if x.base is not None:
        raise _shared(x)
    return assignable(x.copy())


def is_new(x: Any) -> bool:
    """Whether nobody holds `x` but the caller of the caller's expression: it is about to get its first name."""
    return sys.getrefcount(x) <= _ALONE  # one call further in, and no variable


def _probe(x: Any) -> int:
    return sys.getrefcount(x)


def _references_of_one_variable() -> int:
    x = np.zeros(1)
    return _probe(x)


_ALONE = _references_of_one_variable()


def _shared(x: Any) -> UnsupportedError:
    return UnsupportedError(
        f"an array (shape {x.shape}, {x.dtype}) that was made outside of the rewritten code is to be written to, and "
        "other variables, containers or views share it; they would not see it. Copy it first: y = np.array(y)."
    )


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
