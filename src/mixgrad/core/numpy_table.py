"""Which function of NumPy means which op or composition of ops. The rules fill it; the box reads it."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from mixgrad._errors import UnsupportedError

UFUNCS: dict[np.ufunc, Callable] = {}
"""What ``ufunc(x, ...)`` means."""

REDUCTIONS: dict[np.ufunc, Callable] = {}
"""What ``ufunc.reduce(x, axis=..., keepdims=...)`` means."""

FUNCTIONS: dict[Callable, Callable] = {}
"""What the functions of NumPy that are not ufuncs mean."""

LATE: dict[str, Callable[[], object]] = {}
"""Loaders of the rows of a module's ufuncs, by its name: they run when the module is there and a ufunc is unknown."""


def meaning_of(ufunc: np.ufunc) -> Callable | None:
    """Return what a ufunc means; the rows for those of other libraries than NumPy are loaded on first use."""
    if ufunc not in UFUNCS:
        for module, load in LATE.items():
            if module in sys.modules:
                load()
    return UFUNCS.get(ufunc)


def load_late() -> None:
    """Load the rows of all libraries: for a program that is read from a text and names some."""
    for load in LATE.values():
        load()


def numpy_function(*functions: Callable) -> Callable[[Callable], Callable]:
    """Declare that the decorated function is what `functions` of NumPy mean on boxes.

    It takes their arguments, of which it may leave out some; for those the user gets an error that says so.
    """

    def register(implementation: Callable) -> Callable:
        for function in functions:
            table: dict = UFUNCS if isinstance(function, np.ufunc) else FUNCTIONS
            table[function] = implementation
        return implementation

    return register


@functools.cache
def _keywords(implementation: Callable) -> frozenset[str] | None:
    parameters = inspect.signature(implementation).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return frozenset(parameter.name for parameter in parameters if parameter.kind is not parameter.POSITIONAL_ONLY)


def call(implementation: Callable, function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Call the meaning of a NumPy function; keywords it does not take must be absent or have no effect."""
    if not kwargs:
        return implementation(*args)
    if "out" in kwargs:
        if kwargs["out"] is not None:
            raise UnsupportedError(
                f"{name_of(function)}(..., out=...) would write a differentiated value into a plain array and lose its "
                "derivative. Leave out= away and use the result that is returned (y = y + x instead of y += x where y "
                "is a plain array)."
            )
        kwargs = {key: value for key, value in kwargs.items() if key != "out"}
    known = _keywords(implementation)
    if known is not None and not known.issuperset(kwargs):
        key = next(key for key in kwargs if key not in known)
        raise UnsupportedError(
            f"{name_of(function)} with the keyword {key}= has no rule in mixgrad, only with "
            f"{', '.join(sorted(known - {'a', 'x', 'out'})) or 'none'}. Write it without {key}=, for "
            "example by np.where on the argument."
        )
    return implementation(*args, **kwargs)


def name_of(function: Any) -> str:
    """Return the name of a NumPy function as its user writes it."""
    module = getattr(function, "__module__", None) or "numpy"
    name = getattr(function, "__name__", repr(function))
    return f"{module}.{name}".replace("numpy.", "np.")
