"""Arrays created inside functions that are differentiated: `np.zeros` and its kind, as mutable arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from mixgrad._errors import UnsupportedError
from mixgrad.core.bind import Traced
from mixgrad.core.numpy_table import name_of
from mixgrad.modes.assignment import assigned, cast, has_traced
from mixgrad.modes.mutable import Mutable, MutableTrace
from mixgrad.rules.shape import as_array

_SHAPES = (np.zeros, np.ones, np.empty, np.eye, np.identity, np.tri)
_LIKE = (np.zeros_like, np.ones_like, np.empty_like)
_CONVERTING = (np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.copy)
_ZEROS = {np.empty: np.zeros, np.empty_like: np.zeros_like}  # the derivative of garbage helps nobody


def creation(function: Callable) -> Callable:
    """Return what a function that creates arrays means inside a converted function.

    Parameters
    ----------
    function : callable
        One of `CREATORS`.

    Returns
    -------
    callable
        ``create(trace, *args, **kwargs)``, with the arguments of `function` after the run, returns a mutable array.
    """
    meaning = CREATORS[function]

    def create(trace: MutableTrace, *args: Any, **kwargs: Any) -> Any:
        return meaning(function, trace, args, kwargs)

    create.__name__ = create.__qualname__ = function.__name__
    return create


def new(trace: MutableTrace, content: Any) -> Any:
    """Make an array that nobody else has mutable, one without axes included; other things stay as they are."""
    if isinstance(content, Traced) or (type(content) is np.ndarray and content.dtype.kind in "fciub"):
        return Mutable(trace, content, shared=isinstance(content, np.ndarray) and content.base is not None)
    return content


def _of_shape(function: Callable, trace: MutableTrace, args: tuple, kwargs: dict) -> Any:
    args, kwargs = trace.peek((args, kwargs))
    _check_static(function, args, kwargs)
    return new(trace, _ZEROS.get(function, function)(*args, **kwargs))


def _check_static(function: Callable, args: Any, kwargs: Any) -> None:
    if has_traced((args, kwargs)):
        raise UnsupportedError(
            f"{name_of(function)} was given a value that is differentiated, batched or traced where its result needs a "
            "plain number: the shape of an array must be known. Pass an integer that does not depend on such values, "
            "as len(x) or x.shape[0]; for a sequence with a traced start or step write start + step * np.arange(n)."
        )


def _like(function: Callable, trace: MutableTrace, args: tuple, kwargs: dict) -> Any:
    args, kwargs = trace.peek((args, kwargs))
    _check_static(function, args[1:], {key: value for key, value in kwargs.items() if key not in ("a", "x")})
    bound = inspect.signature(function).bind(*args, **kwargs).arguments
    source = bound.pop("a" if "a" in bound else "prototype")
    if has_traced(source):
        source = as_array(source)
        shape = bound.pop("shape", None)
        dtype = bound.pop("dtype", None)
        plain = np.ones if function is np.ones_like else np.zeros
        return new(trace, plain(source.shape if shape is None else shape, source.dtype if dtype is None else dtype))
    return new(trace, _ZEROS.get(function, function)(source, **bound))


def _full(function: Callable, trace: MutableTrace, args: tuple, kwargs: dict) -> Any:
    bound = inspect.signature(function).bind(*args, **kwargs).arguments
    fill = trace.lend(bound.pop("fill_value"))
    bound = trace.peek(bound)
    like = bound.get("a")
    if not has_traced((fill, like)):
        _check_static(function, bound, None)
        return new(trace, function(**bound, fill_value=fill))
    fill = stacked(fill)
    shape, dtype = bound.get("shape"), bound.get("dtype")
    if function is np.full_like:
        like = stacked(like)
        shape, dtype = like.shape if shape is None else shape, like.dtype if dtype is None else dtype
    _check_static(function, shape, None)
    return new(trace, assigned(np.zeros(shape, fill.dtype if dtype is None else dtype), ..., fill))


def _linspace(function: Callable, trace: MutableTrace, args: tuple, kwargs: dict) -> Any:
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    values = trace.peek(bound.arguments)
    start, stop, axis = values["start"], values["stop"], values["axis"]
    if not has_traced((start, stop)):
        _check_static(function, tuple(values.values()), None)
        return trace.wrap(function(**values)) if values["retstep"] else new(trace, function(**values))
    start, stop = trace.lend((bound.arguments["start"], bound.arguments["stop"]))
    num = values["num"]
    _check_static(function, num, None)
    if values["retstep"] or axis != 0 or values["dtype"] is not None:
        raise UnsupportedError(
            "np.linspace of traced values has no rule with axis=, dtype= or retstep=. Leave them out."
        )
    places = np.linspace(0.0, 1.0, num, endpoint=values["endpoint"])
    places = places.reshape((-1,) + (1,) * max(np.ndim(start), np.ndim(stop)))
    return new(trace, start * (1 - places) + stop * places)


def _converted(function: Callable, trace: MutableTrace, args: tuple, kwargs: dict) -> Any:
    """`np.array` and its kind: of numbers, arrays, and nested lists of both."""
    bound = inspect.signature(function).bind(*args, **kwargs).arguments if function is np.copy else None
    if bound is None:
        names = ("object", "dtype") if function is np.array else ("a", "dtype")
        bound = {**dict(zip(names, args)), **kwargs}
    source = bound.pop("object", bound.pop("a", None))
    dtype = bound.get("dtype")
    copies = function is np.copy or (function is np.array and bound.get("copy", True) is True) or bound.get("copy")
    if trace.owns(source) and not copies and (dtype is None or np.dtype(dtype) == source.dtype):
        contiguous = function is not np.ascontiguousarray or source.layout().flags.c_contiguous
        if contiguous and bound.get("ndmin", 0) <= source.ndim:
            return source
    inside = trace.peek(source)
    if not has_traced(inside):
        if not copies and type(inside) is np.ndarray and not trace.owns(source):
            return trace.wrap(function(inside, **bound))
        copied = function(inside, **bound)
        return new(trace, copied if copies or copied is not inside else copied.copy())
    content = stacked(trace.lend(source))
    if dtype is not None:
        content = cast(content, np.dtype(dtype))
    for _ in range(bound.get("ndmin", 0) - np.ndim(content)):
        content = np.expand_dims(content, 0)
    if function is np.ascontiguousarray and not np.ndim(content):
        content = np.reshape(content, (1,))
    return new(trace, content)


def stacked(tree: Any) -> Any:
    """Return nested lists of numbers, traced ones included, as one array of the dtype that NumPy would choose."""
    if not isinstance(tree, (list, tuple)):
        return as_array(tree)
    if not has_traced(tree):
        return np.array(tree)
    parts = [stacked(part) for part in tree]
    shapes = sorted({part.shape for part in parts})
    if len(shapes) > 1:
        raise ValueError(
            "setting an array element with a sequence. The requested array has an inhomogeneous shape: its parts have "
            f"the shapes {', '.join(map(str, shapes))}"
        )
    return np.stack(parts)


CREATORS: dict[Callable, Callable] = {
    **dict.fromkeys((*_SHAPES, np.arange), _of_shape),
    **dict.fromkeys(_LIKE, _like),
    **dict.fromkeys((np.full, np.full_like), _full),
    np.linspace: _linspace,
    **dict.fromkeys(_CONVERTING, _converted),
}
"""The functions of NumPy that create arrays, and what they mean here."""
