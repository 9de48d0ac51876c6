"""Compiled functions for callers in C, and the threads that compiled code uses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mixgrad._errors import MixgradError
from mixgrad._runs import run
from mixgrad.compile.c_function import c_function
from mixgrad.compile.threads import MOST_THREADS, get_threads
from mixgrad.compile.threads import set_threads as _set_threads
from mixgrad.program.simplify import simplify
from mixgrad.staging import record


def cfunc(fun: Callable, arguments: int = 1) -> Any:
    """Return `fun` as a function of C in a ``scipy.LowLevelCallable``, which SciPy calls without Python in between.

    Parameters
    ----------
    fun : callable
        Takes `arguments` floats and returns floats: a function, or a derivative such as ``mg.grad(f)``.
    arguments : int
        One gives ``double f(double)``; several give ``double f(int n, double *x)``, as `scipy.integrate.quad` and
        `nquad` call functions with parameters. Functions with more results than one number, such as gradients and
        Jacobians, become ``void f(double *x, double *results)``.

    Returns
    -------
    scipy.LowLevelCallable
        For `scipy.integrate.quad` and others. Where the function would raise, for an index out of bounds, it gives nan.

    Raises
    ------
    UnsupportedError
        If `fun` takes or returns something else, or needs NumPy.

    Examples
    --------
    >>> import numpy as np, scipy.integrate, mixgrad as mg
    >>> f = mg.cfunc(lambda x: np.exp(-x * x))
    >>> round(scipy.integrate.quad(f, -np.inf, np.inf)[0] ** 2, 10)
    3.1415926536
    """
    from scipy import LowLevelCallable

    recorded, _ = record(lambda *numbers: run(fun, numbers, {}), [np.float64(0.5)] * arguments, [""] * arguments, fun)
    return LowLevelCallable(c_function(simplify(recorded, "all")))


def set_threads(count: int) -> None:
    """Set how many threads compiled code uses for long loops over rows: at first as many as there are processors.

    Results do not depend on it, not even in the last bit.

    Parameters
    ----------
    count : int
        1 to 64.
    """
    if type(count) is bool or not isinstance(count, (int, np.integer)) or not 1 <= count <= MOST_THREADS:
        raise MixgradError(f"the number of threads must be an integer from 1 to {MOST_THREADS}, got {count!r}")
    _set_threads(int(count))


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Let compiled code use so many threads in a block: ``with mg.threads(1): ...``. It holds for the whole process."""
    before = get_threads()
    set_threads(count)
    try:
        yield
    finally:
        _set_threads(before)
