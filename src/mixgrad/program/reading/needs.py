"""Whether a function has to be rewritten before it can be differentiated: most have not, and run as they are."""

from __future__ import annotations

import builtins
import dis
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mixgrad.core.box import Box
from mixgrad.program.reading.foreign import is_foreign, is_foreign_module

_MAKE_OR_WRITE = frozenset((
    "array", "asarray", "asanyarray", "ascontiguousarray", "full", "full_like", "linspace", "put", "copyto",
    "fill_diagonal", "place", "putmask", "fill", "sort", "partition", "resize", "itemset", "setflags", "at", "out",
))  # fmt: skip
_CONVERT = frozenset(["isinstance", "map", "filter", "reduce"])
_KNOWN_ATTRIBUTES = frozenset().union(*map(dir, (np, np.linalg, np.ndarray, Box, list, dict)))
_STORES = frozenset(["STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"])
_DATA = frozenset([int, float, complex, bool, str, np.ndarray, np.float64, np.float32, np.int64])
"""Types of values of which it does not matter which one a name has."""
_MISSING = object()


class _Verdict:
    """Whether a function needs rewriting, and the values of names that this rests on."""

    def __init__(self) -> None:
        self.needed = False
        self.names: list[tuple[str, Any]] = []
        self.functions: list[types.FunctionType] = []

    def holds(self, function: types.FunctionType) -> bool:
        """Whether the names still mean the same."""
        for name, value in self.names:
            found = _lookup(function, name)
            if found is not value and not (type(found) is type(value) and type(value) in _DATA):
                return False
        return True


_verdicts: dict[types.CodeType, _Verdict] = {}


def needs_rewriting(function: Callable) -> bool:
    """Return whether a function, or one that it calls, writes to arrays or makes them of numbers.

    Functions of `math` are mostly called with plain numbers: see `remember_need`.
    """
    return _needs(function, ())


def remember_need(function: Callable) -> bool:
    """Note that a function did meet a value that it would have to be rewritten for; return whether that is news."""
    while isinstance(function, (functools.partial, types.MethodType)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    verdict = _verdicts.get(function.__code__) if isinstance(function, types.FunctionType) else None
    if verdict is None or verdict.needed:
        return False
    verdict.needed = True
    return True


def _needs(function: Any, callers: tuple) -> bool:
    while isinstance(function, (functools.partial, types.MethodType)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    if not isinstance(function, types.FunctionType):
        method = getattr(type(function), "__call__", None)  # noqa: B004
        return type(method) is types.FunctionType and not is_foreign(method)
    verdict = _verdicts.get(function.__code__)
    if verdict is None or not (verdict.needed or verdict.holds(function)):
        if len(_verdicts) > 10_000:
            _verdicts.clear()
        verdict = _verdicts[function.__code__] = _judge(function)
    if not verdict.functions or verdict.needed:
        return verdict.needed
    callers = (*callers, function)
    return any(_needs(callee, callers) for callee in verdict.functions if callee not in callers)


def _judge(function: types.FunctionType) -> _Verdict:
    verdict = _Verdict()
    if is_foreign(function):
        verdict.names.append(("__name__", _lookup(function, "__name__")))
        return verdict
    objects, attributes = [], set()
    owner: Any = _MISSING  # the module that an attribute belongs to
    for instruction in _instructions(function.__code__):
        kind, name = instruction.opname, instruction.argval
        owner, before = _MISSING, owner
        if kind in _STORES or (kind == "BINARY_OP" and instruction.argrepr.endswith("=")):
            verdict.needed = True
        elif kind in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_FREEVAR"):
            value = _lookup(function, name)
            verdict.needed |= name in _CONVERT
            if value is not _MISSING:
                verdict.names.append((name, value))
                if isinstance(value, types.ModuleType):
                    owner = value
                else:
                    objects.append(value)
                    _judge_value(value, verdict)
        elif kind == "IMPORT_NAME":
            verdict.needed = True
        elif kind in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"):
            verdict.needed |= name in _MAKE_OR_WRITE
            if before is _MISSING:
                attributes.add(name)
            else:
                value = getattr(before, name, None)
                owner = value if isinstance(value, types.ModuleType) else _MISSING
                _judge_value(value, verdict)
    for attribute in attributes - _KNOWN_ATTRIBUTES:
        _judge_attribute(attribute, objects, verdict)
    return verdict


def _judge_value(value: Any, verdict: _Verdict) -> None:
    if isinstance(value, types.FunctionType):
        verdict.functions.append(value)
    elif isinstance(value, type):
        verdict.needed |= value.__module__ != "builtins" and not is_foreign_module(value.__module__)
    elif callable(value) and not isinstance(value, np.ufunc):
        verdict.needed |= _needs(value, ())


def _judge_attribute(attribute: str, objects: list, verdict: _Verdict) -> None:
    found = [inspect.getattr_static(value, attribute, _MISSING) for value in objects]
    found = [value for value in found if value is not _MISSING]
    if not found or any(isinstance(value, property) for value in found):
        verdict.needed = True  # a method of we do not know what
    for value in found:
        if isinstance(value, types.FunctionType):
            verdict.functions.append(value)


def _lookup(function: types.FunctionType, name: str) -> Any:
    free = function.__code__.co_freevars
    if name in free and function.__closure__:
        try:
            return function.__closure__[free.index(name)].cell_contents
        except ValueError:
            return _MISSING
    value = function.__globals__.get(name, _MISSING)
    return getattr(builtins, name, _MISSING) if value is _MISSING else value


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)
