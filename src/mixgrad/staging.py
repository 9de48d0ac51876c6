"""`trace`: the program of a function, for arguments of given shapes and dtypes."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from mixgrad._runs import run
from mixgrad._tree import Structure, flatten
from mixgrad.core.program import Program
from mixgrad.modes.trace import Staging
from mixgrad.program import to_python as _writing  # noqa: F401  (programs have to_python)
from mixgrad.program import to_svg as _pictures  # noqa: F401  (programs have pictures)
from mixgrad.program import to_text as _printing  # noqa: F401  (programs print as text)


def trace(fun: Callable) -> Callable[..., Program]:
    """Return a function that records `fun` as a program, instead of running it on numbers.

    Parameters
    ----------
    fun : callable
        Of arrays, numbers and containers of them; any derivative (``mg.grad(f)`` ...) is such a function, too. Loops
        of Python and branches on values stay loops and branches, if the source of `fun` is known.

    Returns
    -------
    callable
        Takes the arguments of `fun`, of which only shapes and dtypes matter, and returns a `Program`: its inputs are
        the arrays in the arguments, its outputs those in the result, in the order of containers. Printing shows it.

    Raises
    ------
    StagingError
        If what `fun` does depends on values in a way that cannot be a program; the message says where.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> print(mg.trace(lambda x, y: x * y + np.sin(x))(1.0, 2.0))
    def program(x: f64, y: f64):
        a = multiply(x, y)  # f64
        b = sin(x)  # f64
        c = add(a, b)  # f64
        return (c,)
    <BLANKLINE>
    """

    @functools.wraps(fun)
    def traced(*args: Any, **kwargs: Any) -> Program:
        leaves, structure = flatten(args)
        names = _names(fun, len(args), structure.paths())
        return record(lambda *inputs: run(fun, structure.unflatten(list(inputs)), kwargs), leaves, names, fun)[0]

    return traced


def record(fun: Callable, arrays: Sequence[Any], names: Sequence[str], origin: Any) -> tuple[Program, Structure]:
    """Run `fun` on placeholders for some arrays; return the program and the structure of what `fun` returned."""
    with Staging() as staging:
        inputs = [staging.input(leaf, name) for leaf, name in zip(arrays, names)]
        outputs, structure = flatten(fun(*inputs))
    name = getattr(origin, "__name__", "")
    return staging.program(inputs, outputs, name if name.isidentifier() else "program"), structure


def _names(fun: Callable, count: int, paths: list[str]) -> list[str]:
    """Return a name for each leaf: that of its parameter, and the way to it: ``p['a'][0]`` becomes ``p_a_0``."""
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    heads = named[:count] + [f"x{i}" for i in range(len(named), count)]
    result = []
    for path in paths:
        number, rest = re.fullmatch(r"\[(\d+)\](.*)", path).groups()  # type: ignore[union-attr]
        result.append("_".join([heads[int(number)], *re.findall(r"\w+", rest)]))
    return result
