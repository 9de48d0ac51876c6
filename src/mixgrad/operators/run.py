"""Running a user's function under differentiation or tracing: rewritten where that is needed, else as it is."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

from mixgrad._errors import StagingError
from mixgrad.modes.mutable import mutable_run
from mixgrad.modes.trace import is_staging
from mixgrad.operators.calls import call, is_foreign
from mixgrad.operators.state import place_of
from mixgrad.program.reading.needs import needs_rewriting


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
    if not is_staging() and not any(map(callable, args)) and not needs_rewriting(function, is_foreign):
        return function(*args, **kwargs)
    if isinstance(function, types.FunctionType) and is_foreign(function):
        return function(*args, **kwargs)
    with mutable_run() as (trace, _):
        wrapped_args, wrapped_kwargs = trace.wrap((tuple(args), kwargs))
        try:
            return trace.lend(call(function, *wrapped_args, **wrapped_kwargs))
        except RecursionError as error:
            if not is_staging():
                raise
            raise StagingError(
                f"{place_of(error)}the function calls itself without end while it is traced: whether to stop depends "
                "on a value that is only known when the program runs. Write a loop, or limit the depth by a plain "
                "number."
            ) from error
