"""`checkpoint`: reverse mode that keeps less, and computes again what it needs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from mixgrad import derivatives
from mixgrad._control import results_of
from mixgrad._runs import run
from mixgrad.core.interpret import interpret
from mixgrad.custom import Call, custom_vjp, positional
from mixgrad.modes.budget import budget
from mixgrad.modes.trace import close, record_body
from mixgrad.rules.bodies import check_memory


def checkpoint(fun: Callable, memory: int | None = None) -> Callable:
    """Return `fun` such that reverse mode keeps less of what happens inside, and computes it again when it needs it.

    Without `memory`, only the arguments are kept: the values inside `fun` are computed again in the backward sweep;
    each level of nesting costs one more evaluation. With `memory`, each loop inside `fun` keeps so many of its states.

    Parameters
    ----------
    fun : callable
        Without `memory`, all values that it depends on and that are differentiated must be among its arguments.
    memory : int, optional
        How many states of each loop in `fun` reverse mode may keep at a time, at least 1. Loops are those of Python,
        `mg.while_loop`, `mg.fori_loop` and `mg.scan`, loops inside loops as well. For what it costs see the notes of
        `mg.while_loop`. The function is then recorded, as by `mg.trace`.

    Raises
    ------
    ValueError
        If `memory` is not an integer, at least 1.
    StagingError
        With `memory`: if something in `fun` needs the value of an array.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> def pendulum(x, n):
    ...     v = 0.0
    ...     for _ in range(n):
    ...         v = v - 0.01 * np.sin(x)
    ...         x = x + 0.01 * v
    ...     return x
    >>> slope = mg.grad(mg.checkpoint(pendulum, memory=10))(1.0, 1000)
    >>> bool(np.isclose(slope, mg.grad(pendulum)(1.0, 1000)))
    True
    """
    if memory is not None:
        check_memory(memory, "checkpoint")
        return _with_budget(fun, int(memory))

    def forward(*args: Any) -> tuple:
        return fun(*args), args

    def backward(args: tuple, out_bar: Any) -> tuple:
        call = Call(args)
        _, pullback = derivatives.vjp(lambda *xs: fun(*call.rebuild(xs)), *call.varying())
        return call.rebuild(pullback(out_bar), lambda leaf: None)

    wrapped = custom_vjp(fun)
    wrapped.defvjp(forward, backward)
    return wrapped


def _with_budget(fun: Callable, memory: int) -> Callable:
    name = getattr(fun, "__name__", "f")

    @functools.wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        call = Call(positional(fun, args, kwargs))

        def recorded(*boxes: Any) -> list:
            with budget(memory):
                result = run(fun, call.rebuild(boxes), {})
            leaves, call.out_structure = results_of(result, f"checkpoint: {name}")
            return leaves

        (program,), hoisted = close([record_body(recorded, call.varying(), name)])
        return call.out_structure.unflatten(list(interpret(program, *hoisted, *call.varying())))

    return checkpointed
