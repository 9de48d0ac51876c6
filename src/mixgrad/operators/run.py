"""Running a user's function under differentiation or tracing: rewritten where that is needed, else as it is."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

from mixgrad._errors import BoxConversionError, MixgradError, StagingError
from mixgrad.modes.mutable import mutable_run
from mixgrad.modes.trace import is_staging
from mixgrad.operators.calls import call
from mixgrad.operators.state import place_of
from mixgrad.program.from_python import definition
from mixgrad.program.reading.foreign import is_foreign
from mixgrad.program.reading.needs import needs_rewriting, remember_need


def run(function: Callable, args: Sequence[Any], kwargs: dict) -> Any:
    """Call `function`; its item assignments, calls of `math` and, in a recording, its branches and loops are rewritten.

    Parameters
    ----------
    function : callable
    args : sequence
        Plain values and boxes.
    kwargs : dict

    Returns
    -------
    object
        Without assignable arrays in it: their contents, as they are at the end.
    """
    try:
        return _run(function, args, kwargs)
    except ValueError as error:
        # y[i] = x on a plain array: NumPy hides our advice behind "setting an array element with a sequence".
        if not isinstance(error.__cause__, BoxConversionError):
            raise
        advice = BoxConversionError(str(error.__cause__)).with_traceback(error.__traceback__)
        _say_if_without_source(advice, function)
        raise advice from None
    except MixgradError as error:
        _say_if_without_source(error, function)
        raise
    except RecursionError as error:
        if not is_staging():
            raise
        raise StagingError(
            f"{place_of(error)}the function calls itself without end while it is traced: whether to stop depends on a "
            "value that is only known when the program runs. Write a loop, or limit the depth by a plain number."
        ) from error


def _run(function: Callable, args: Sequence[Any], kwargs: dict) -> Any:
    if not is_staging() and not any(map(callable, args)) and not needs_rewriting(function):
        try:
            return function(*args, **kwargs)
        except BoxConversionError:  # such as math.sin of a differentiated number: from now on it is rewritten
            if not remember_need(function):
                raise
    if isinstance(function, types.FunctionType) and is_foreign(function):
        return function(*args, **kwargs)
    with mutable_run() as (trace, _):
        wrapped_args, wrapped_kwargs = trace.wrap((tuple(args), kwargs))
        return trace.lend(call(function, *wrapped_args, **wrapped_kwargs))


def _say_if_without_source(error: MixgradError, function: Callable) -> None:
    """Add a note if the function could not be rewritten for want of its source."""
    if isinstance(function, types.FunctionType) and definition(function.__code__) is None:
        error.add_note(
            f"The source of {function.__name__} was not found, so it ran as it is: without assignments to elements, "
            "functions of math and, while tracing, branches on values. Keep it in a file or a notebook."
        )
