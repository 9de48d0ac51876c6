"""Calls in rewritten code: functions of the user are rewritten, too; built-in ones get a meaning for traced values."""

from __future__ import annotations

import builtins
import functools
import math
import operator
import types
from collections.abc import Callable
from typing import Any

import numpy as np

import mixgrad.operators as operators  # this package: what `_mg_` stands for in the code that `call` rewrites
from mixgrad._errors import StagingError
from mixgrad.core.bind import Traced
from mixgrad.core.naming import name_value
from mixgrad.modes.assignment import has_traced
from mixgrad.modes.creation import CREATORS, creation
from mixgrad.modes.mutable import Mutable, assignable, mutable_run
from mixgrad.modes.trace import is_staging
from mixgrad.operators import sequences
from mixgrad.operators.branches import truth, undecided
from mixgrad.operators.items import is_new
from mixgrad.operators.loops import for_
from mixgrad.operators.sequences import sequence_of
from mixgrad.operators.state import State, Undefined, leaves_of, unknown
from mixgrad.program.from_python import rewrite
from mixgrad.program.reading.foreign import is_foreign


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function with values that may be traced."""
    try:
        meaning = MEANINGS.get(function)
    except TypeError:  # no hash: an instance
        meaning = None
    if meaning is not None:
        return meaning(*args, **kwargs)
    kind = type(function)
    if kind is types.MethodType and type(function.__func__) is types.FunctionType:
        function, args, kind = function.__func__, (function.__self__, *args), types.FunctionType
    elif kind is functools.partial:
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    elif kind not in (types.FunctionType, types.BuiltinFunctionType, builtins.type):
        method = getattr(kind, "__call__", None)  # noqa: B004
        if type(method) is types.FunctionType and kind is not Undefined:
            function, args, kind = method, (function, *args), types.FunctionType
    if kind is types.FunctionType:
        new = rewritten(function)
        if new is not function:
            return new(*args, **kwargs)
    found = function(*args, **kwargs)
    return assignable(found) if type(found) is np.ndarray else found


def rewritten(function: types.FunctionType) -> Callable:
    """Return a function of the user rewritten, as the present run needs it; others as they are."""
    if getattr(function, "_mg_rewritten", False) or is_foreign(function):
        return function
    new = rewrite(function, operators, control=is_staging())
    return function if new is None else new


def converted(function: Any) -> Any:
    """Mark a function defined inside rewritten code as rewritten."""
    function._mg_rewritten = True
    return function


def named(value: Any, name: str) -> Any:
    """Return a value that is about to be assigned: a new array can be written to, and a recording learns its name."""
    if isinstance(value, Traced):
        if type(value) is not Mutable and value.shape and is_new(value):
            value = assignable(value)
        name_value(value, name)
    return value


def result(returned: Any, value: Any) -> Any:
    """Return the result of a function with several returns."""
    if unknown(returned):
        raise StagingError(
            "the function may reach its end without `return`, depending on a value that is only known when the "
            "program runs. Return a value on every path."
        )
    return value if returned else None


def raised(error: Any) -> Any:
    """Return an exception that is about to be raised, if it is certain that it must be."""
    if undecided():
        name = error.__name__ if isinstance(error, type) else f"{type(error).__name__}({error})"
        raise StagingError(
            f"whether {name} is raised depends on a value that is only known when the program runs. Check "
            "arguments before the function, or return nan there with np.where."
        )
    return error


def asserted(condition: Any) -> Any:
    """Return the condition of an `assert`, which must be known."""
    if unknown(condition):
        raise StagingError(
            "an assert depends on a value that is only known when the program runs. Check arguments before the "
            "function, or leave the assert to a run without tracing."
        )
    return condition


def attempted(state: State) -> None:
    """Refuse a `try` with handlers around values that are not known yet."""
    for name, value in zip(state.names, state.get()):
        if any(map(unknown, leaves_of(value)[0])):
            raise StagingError(
                f"line {state.line}: whether an exception is raised in this `try` depends on {name}, which is only "
                "known when the program runs. Test for the case beforehand, with `if` or np.where."
            )


# Built-in functions ---------------------------------------------------------------------------------------------------


def _number(kind: type) -> Callable:
    def meaning(x: Any = 0, *rest: Any) -> Any:
        if kind is complex and rest and has_traced((x, *rest)):
            return x + 1j * rest[0]
        if not isinstance(x, Traced) or x.size != 1:
            return kind(x, *rest)
        x = x.reshape(()) if x.shape else x
        if kind in (bool, int) and not unknown(x):
            return kind(x)
        if kind is bool:
            return truth(x)
        if kind is int:
            return np.astype(np.trunc(x), np.int64)
        return np.astype(x, np.result_type(x.dtype, complex) if kind is complex else float)

    return meaning


def _extreme(builtin: Callable, better: Callable) -> Callable:
    def meaning(*args: Any, **kwargs: Any) -> Any:
        values = list(args[0]) if len(args) == 1 else args
        if kwargs or not any(map(unknown, values)):
            return builtin(*args, **kwargs)
        best = values[0]
        for value in values[1:]:
            best = np.where(truth(better(value, best)), value, best)
        return best

    return meaning


def _sum(iterable: Any, /, start: Any = 0) -> Any:
    items = sequence_of(iterable) if is_staging() else None
    if items is None or not isinstance(iterable, Traced):
        return builtins.sum(iterable, start)
    total = start

    def body(item: Any) -> None:
        nonlocal total
        total = total + item

    def assign(values: Any) -> None:
        nonlocal total
        (total,) = values

    for_(items, body, None, State(lambda: (total,), assign, ("total",), 1, 0), "")
    return total


def _round(x: Any, ndigits: Any = None) -> Any:
    if not unknown(x):
        return builtins.round(x, ndigits) if ndigits is not None else builtins.round(x)
    return np.astype(np.rint(x), np.int64) if ndigits is None else np.round(x, ndigits)


def _isinstance(x: Any, kinds: Any) -> bool:
    if isinstance(x, kinds):
        return True
    if not isinstance(x, Traced):
        return False
    return isinstance(np.zeros((0,) * x.ndim, x.dtype)[()], kinds)


def _with_calls(builtin: Callable) -> Callable:
    """Make a built-in function that takes a function first call it by `call`."""
    return lambda function, *rest: builtin(function and functools.partial(call, function), *rest)


def _when_staging(builtin: Callable, meaning: Callable) -> Callable:
    return lambda *args, **kwargs: (meaning if is_staging() else builtin)(*args, **kwargs)


def _mathematical(plain: Callable, meaning: Callable) -> Callable:
    def call_it(*args: Any) -> Any:
        if not has_traced(args):
            return plain(*args)
        if not any(map(unknown, args)) and not any(isinstance(arg, (list, tuple)) for arg in args):
            plain(*[arg.concrete() if isinstance(arg, Traced) else arg for arg in args])  # for its exceptions
        return meaning(*[arg.reshape(()) if isinstance(arg, Traced) and arg.size == 1 else arg for arg in args])

    return call_it


def _whole(function: Callable) -> Callable:
    return lambda x: np.astype(function(x), np.int64) if unknown(x) else int(function(x.concrete()))


def _log(x: Any, base: Any = None) -> Any:
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _special(name: str) -> Callable:
    def meaning(x: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(x)

    return meaning


_MATHEMATICS: dict[Callable, Callable] = {
    getattr(math, name): getattr(np, name)
    for name in (
        "sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "exp2", "log1p", "log2", "log10", "sqrt", "cbrt",
        "fabs", "degrees", "radians", "copysign", "fmod", "isnan", "isinf", "isfinite", "isclose", "ldexp",
    )
} | {
    math.asin: np.arcsin, math.acos: np.arccos, math.atan: np.arctan, math.atan2: np.arctan2,
    math.asinh: np.arcsinh, math.acosh: np.arccosh, math.atanh: np.arctanh, math.pow: np.power,
    math.log: _log, math.floor: _whole(np.floor), math.ceil: _whole(np.ceil), math.trunc: _whole(np.trunc),
    math.hypot: lambda *xs: functools.reduce(np.hypot, xs, 0.0), math.remainder: lambda x, y: x - y * np.rint(x / y),
    math.fsum: _sum,
    math.prod: lambda xs, start=1: functools.reduce(operator.mul, xs, start),
    math.dist: lambda p, q: np.sqrt(builtins.sum((a - b) ** 2 for a, b in builtins.zip(p, q))),
    math.erf: _special("erf"), math.erfc: _special("erfc"),
    math.gamma: _special("gamma"), math.lgamma: _special("gammaln"),
}  # fmt: skip


def _created(function: Callable) -> Callable:
    create = creation(function)

    def meaning(*args: Any, **kwargs: Any) -> Any:
        with mutable_run() as (trace, _):
            return create(trace, *args, **kwargs)

    return meaning


MEANINGS: dict[Any, Callable] = {
    float: _number(float),
    int: _number(int),
    complex: _number(complex),
    bool: _number(bool),
    min: _extreme(min, operator.lt),
    max: _extreme(max, operator.gt),
    sum: _sum,
    round: _round,
    isinstance: _isinstance,
    map: _with_calls(map),
    filter: _with_calls(filter),
    functools.reduce: _with_calls(functools.reduce),
    range: _when_staging(range, sequences.range),
    enumerate: _when_staging(enumerate, sequences.enumerate),
    zip: _when_staging(zip, sequences.zip),
    reversed: _when_staging(reversed, sequences.reversed),
    **{plain: _mathematical(plain, meaning) for plain, meaning in _MATHEMATICS.items()},
    **{function: _created(function) for function in CREATORS},
}
"""What functions mean in rewritten code."""
