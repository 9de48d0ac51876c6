"""`jit`: a function, or any derivative of it, as machine code for this processor."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import sys
import threading
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from mixgrad._errors import MixgradError, UnsupportedError
from mixgrad._lengths import (
    Axes,
    Family,
    Key,
    Recorder,
    chosen_axes,
    chosen_names,
    differing,
    length_along,
    opened,
    varies,
)
from mixgrad._runs import run
from mixgrad._tree import Structure, flatten, flatten_like
from mixgrad.compile.axes import SHORTEST_ROWS
from mixgrad.compile.executable import Executable
from mixgrad.compile.lengths import LEAST, DependsOnLength
from mixgrad.compile.outputs import check_outputs
from mixgrad.core.bind import Traced
from mixgrad.core.program import Program
from mixgrad.program.simplify import simplify

MANY = 16
"""Number of variants of a function from which on each new one is reported."""
FEW = 4
"""Number of variants up to which axes that are too short for the lanes of vectors are compiled for each length."""
MOST_VARIANTS = 64
"""Number of variants of a function that are kept: those that have been of use last."""
_compiling = [threading.RLock()]
if hasattr(os, "register_at_fork"):  # a child must not wait for a thread of its parent
    os.register_at_fork(after_in_child=lambda: _compiling.__setitem__(0, threading.RLock()))
_WIDE = frozenset(map(np.dtype, (np.float64, np.int64, np.bool_)))


class RecompilationWarning(UserWarning):
    """A function is compiled again and again, for arguments of ever new shapes."""


class Variant:
    """A function compiled for arguments of certain shapes and dtypes, or for any length of some axes.

    Attributes
    ----------
    used : int
        When it has been looked up last: a number that grows.
    """

    used = 0

    def __init__(
        self,
        recorder: Recorder,
        args: tuple,
        kwargs: dict,
        fast: bool,
        family: Family | None = None,
        named: bool = False,
    ) -> None:
        self._places = recorder.places
        self._family = family
        if family is None:
            recorded, self._result = recorder.record()
            self.executable, self._least = Executable(simplify(recorded, "all"), fast=fast), 0
        else:
            self._result, self.executable = family.result, family.compiled(fast, named)
            self._least = self.executable.least
        leaves, _ = flatten((args, kwargs))
        plain = not kwargs and len(args) == len(self._places) == len(leaves) and all(map(varies, args))
        # The entry takes numbers of Python for those of NumPy: where that makes no difference.
        arrays, inputs = [leaves[i] for i in self._places], self.executable.program.inputs
        alike = all(np.shape(leaf) for leaf in arrays) or all(var.dtype in _WIDE for var in inputs)
        self._flat = plain and alike and _is_flat(self._result)
        if family is not None and (family.others or family.least > self._least):
            self._flat = False  # the entry would take other arguments, too
        self.entry = self.executable.entry if self._flat else None
        self.several = 0 if self._result.spec is None else len(self.executable.program.outputs)

    def takes(self, length: int) -> bool:
        """Whether one for any length is for arguments of this length, too."""
        return self._family is not None and length >= self._least and self._family.includes(length)

    def __call__(self, leaves: list) -> Any:
        """Run it on the leaves of the arguments."""
        outputs = self.executable(*[leaves[i] for i in self._places])
        return self._result.unflatten(list(outputs))

    @property
    def into(self) -> Callable | None:
        """What takes the arrays of arguments and of results, if the arguments and results are just these."""
        return self.executable.into if self._flat else None

    def write(self, leaves: list, out: Any, name: str) -> Any:
        """Run it on the leaves of the arguments, write the results into `out`, and return that."""
        arrays = flatten_like(out, self._result, f"{name}: out")
        check_outputs(arrays, self._result.paths(), self.executable.outputs, name)
        self.executable.write([leaves[i] for i in self._places], arrays)
        return out


def _is_flat(result: Structure) -> bool:
    """Whether what is returned is what a compiled function returns: one array, or a tuple of several."""
    if result.spec is None:
        return True
    count = result.spec.num_leaves
    made = result.unflatten([0] * count)
    return count > 1 and type(made) is tuple and made == (0,) * count


class Jitted:
    """What `jit` returns: call it as the function itself, or with arrays for the results as ``out=``.

    Attributes
    ----------
    variants : dict
        What has been compiled, by shapes and dtypes of the arguments.
    """

    def __init__(self, fun: Callable, dynamic: Any = None, fast: bool = False) -> None:
        functools.update_wrapper(self, fun)
        self._fun = fun
        self._fast = fast
        self._dynamic = None if dynamic is None else chosen_names(dynamic)
        self._entry: Callable = _refuse
        self._into: tuple[Callable, int] = _refuse, 0  # and of how many arrays a tuple of results consists
        self._count = 0
        self._clock = itertools.count()
        self._opened: dict[Axes, None] = {}  # axes along which there are variants for any length
        self._closed: set[Key] = set()  # arguments for which there can be none
        self.variants: dict[Key, Variant] = {}

    def __call__(self, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        """Run the function; write its results into `out`, if that is given."""
        if out is None:
            if not kwargs:
                result = self._entry(*args)
                if result is not NotImplemented:
                    return result
            return self._call(args, kwargs)
        into, several = self._into
        if not kwargs and several == (len(out) if type(out) is tuple else 0):
            result = into(*(args + (out if several else (out,))))  # cheaper than a starred call with two parts
            if result is not NotImplemented:
                return out
        return self._write(args, kwargs, out)

    def _call(self, args: tuple, kwargs: dict) -> Any:
        leaves, structure = flatten((args, kwargs))
        if any(isinstance(leaf, Traced) for leaf in leaves):
            return run(self._fun, args, kwargs)  # inside another derivative, batch or recording: part of that
        variant = self._variant(args, kwargs, leaves, structure)
        self._entry = variant.entry or _refuse
        return variant(leaves)

    def _write(self, args: tuple, kwargs: dict, out: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        name = f"mg.jit({getattr(self._fun, '__name__', 'f')})"
        if any(isinstance(leaf, Traced) for leaf in [*leaves, *flatten(out)[0]]):
            raise MixgradError(
                f"{name}: arrays given as out= cannot hold values that are differentiated, batched or recorded. "
                "Leave out= away inside of other derivatives."
            )
        variant = self._variant(args, kwargs, leaves, structure)
        result = variant.write(leaves, out, name)
        self._into = variant.into or _refuse, variant.several
        return result

    def _variant(self, args: tuple, kwargs: dict, leaves: list, structure: Structure) -> Variant:
        key = (structure, *[_kind(leaf) for leaf in leaves])
        found = self._known(key)
        if found is None:
            with _compiling[0]:  # of threads that call it first, one compiles
                found = self._known(key) or self._new(key, args, kwargs)
        found.used = next(self._clock)
        return found

    def _known(self, key: Key) -> Variant | None:
        """Return the variant for some arguments, if there is one: for just these, or for any length."""
        if key in self.variants:
            return self.variants.get(key)
        for axes in list(self._opened):
            length = length_along(key, axes)
            found = None if length is None else self.variants.get(opened(key, axes))
            if length is not None and found is not None and found.takes(length):
                return found
        return None

    def _new(self, key: Key, args: tuple, kwargs: dict) -> Variant:
        made = self._for_any_length(key, args, kwargs)
        if made is None:
            if self._count >= MANY:
                self._warn(key)
            made = key, Variant(Recorder(self._fun, args, kwargs), args, kwargs, self._fast)
        key, variant = made
        self._count += 1
        self.variants[key] = variant
        if len(self.variants) > MOST_VARIANTS:
            others = [(other, found.used) for other, found in list(self.variants.items()) if found is not variant]
            self.variants.pop(min(others, key=lambda pair: pair[1])[0], None)
        return variant

    def _for_any_length(self, key: Key, args: tuple, kwargs: dict) -> tuple[Key, Variant] | None:
        """Return a variant for any length of the axes that vary, if what is computed follows from it simply."""
        axes, other = self._varying(key) if self._dynamic is None else (self._chosen(args, kwargs), None)
        length = length_along(key, axes)
        any_length = opened(key, axes)
        if length is None or length < LEAST or any_length in self._closed or any_length in self.variants:
            return None
        before = length + 1 if other is None else length_along(other, axes)
        assert before is not None
        if self._dynamic is None and max(length, before) < SHORTEST_ROWS and len(self.variants) < FEW:
            return None
        try:
            family = Family(Recorder(self._fun, args, kwargs, axes), length, before)
            named = self._dynamic is not None
            made = any_length, Variant(family.recorder, args, kwargs, self._fast, family, named)
        except DependsOnLength as error:
            if self._dynamic is not None:
                raise self._unsupported(error) from error
            self._closed = {*list(self._closed)[-MOST_VARIANTS:], any_length}
            return None
        self._opened[axes] = None
        return made

    def _varying(self, key: Key) -> tuple[Axes, Key | None]:
        """Return the axes in which a call differs from an earlier one, if that is all, and what was compiled for it."""
        found = ((differing(key, other), other) for other in reversed(list(self.variants)))
        return next(((axes, other) for axes, other in found if axes), (frozenset(), None))

    def _chosen(self, args: tuple, kwargs: dict) -> Axes:
        return chosen_axes(self._fun, self._dynamic or (), args, kwargs)

    def _unsupported(self, error: DependsOnLength) -> UnsupportedError:
        return UnsupportedError(
            f"mg.jit(f, dynamic={self._dynamic!r}): there is no code of {getattr(self._fun, '__name__', 'f')} for any "
            f"length of these axes. What depends on it: {error}. Without `dynamic` it is compiled for each length."
        )

    def _warn(self, key: tuple) -> None:
        before = list(self.variants)[-1]
        changed = [i for i, (a, b) in enumerate(zip(key[1:], before[1:])) if a != b]
        what = f"the array number {changed[0]} among its arguments: " if changed else ""
        now, then = (str(k[1 + changed[0]]) if changed else "" for k in (key, before))
        warnings.warn(
            f"mg.jit({getattr(self._fun, '__name__', 'f')}) is compiled for the {self._count + 1}th time, "
            f"{what}{now} instead of {then}. Where one length varies, mg.jit(f, dynamic=...) says why there is no code "
            "for all of them. Pad arrays to a few lengths, or call the function without jit.",
            RecompilationWarning,
            stacklevel=6,
        )

    def program(self, *args: Any, **kwargs: Any) -> Program:
        """Return the simplified program that runs for such arguments."""
        leaves, structure = flatten((args, kwargs))
        self._variant(args, kwargs, leaves, structure)
        return Recorder(self._fun, args, kwargs).program()

    def explain(self, *args: Any, **kwargs: Any) -> str:
        """Return in words how such arguments are worked off: loops, tiles, temporary arrays, and what NumPy does."""
        leaves, structure = flatten((args, kwargs))
        return self._variant(args, kwargs, leaves, structure).executable.describe()

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __reduce__(self) -> Any:
        # Workers of multiprocessing, joblib and Dask import it by its name if it is a global variable of a module. They
        # get the function otherwise, and compile it or read its code from disk.
        if self.__module__ != "__main__":
            for name, value in list(vars(sys.modules.get(self.__module__, object)).items()):
                if value is self:
                    return name
        return jit, (self._fun, self._dynamic, self._fast)

    def __repr__(self) -> str:
        return f"<compiled {getattr(self._fun, '__qualname__', self._fun)}, {len(self.variants)} variants>"


class _WithOwnOut(Jitted):
    """What `jit` returns of a function that has a parameter `out`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function."""
        return super().__call__(*args) if not kwargs else self._call(args, kwargs)


def _takes_out(fun: Callable) -> bool:
    """Whether a function has a parameter `out` of its own; that of NumPy's functions means the same."""
    if isinstance(fun, np.ufunc) or str(getattr(fun, "__module__", "")).startswith("numpy"):
        return False
    try:
        return "out" in inspect.signature(fun).parameters
    except (TypeError, ValueError):
        return False


def _refuse(*args: Any) -> Any:
    return NotImplemented


def _kind(leaf: Any) -> Hashable:
    """Return what a variant depends on: type, or shape and dtype, of arrays and numbers; other things themselves."""
    if isinstance(leaf, (np.ndarray, np.generic)):
        if leaf.dtype.kind not in "biufc":
            raise MixgradError(f"mg.jit: an argument is an array of {leaf.dtype}, expected numbers or truth values")
        return leaf.shape, leaf.dtype
    if varies(leaf):
        return type(leaf)
    try:
        hash(leaf)
    except TypeError:
        raise MixgradError(
            f"mg.jit: an argument is a {type(leaf).__name__}, expected arrays, numbers, containers of them, or things "
            "that can be compared and hashed, such as strings. Pass its arrays, or let the function close over it."
        ) from None
    return type(leaf), leaf


def jit(fun: Callable, dynamic: int | str | Sequence[int | str] | None = None, fast: bool = False) -> Jitted:
    """Return `fun`, which may be any derivative, compiled to machine code for this processor when it is first called.

    Parameters
    ----------
    fun : callable
        Of arrays, numbers and containers of them; strings and other hashable things are constants of a variant. It is
        run when it is compiled, on placeholders, once or for several lengths: what it prints or stores happens then,
        and arrays that it closes over are constants from then on.
        Inside other derivatives the function itself is run: compile the derivative instead, ``mg.jit(mg.grad(f))``.
    dynamic : int or str, or sequence of them, optional
        Arguments, by place or name, in which the leading axes of all arrays vary and have one common length: there will
        be one kernel for any length from 2 on. By default that is found out when a call differs from an earlier one in
        one length only, but for the first few below 32. Where what `fun` computes does not simply follow from the
        length, each one is compiled, as with ``dynamic=()``.
    fast : bool
        Whether sums and products may be computed in any order, and the sign of zero may be lost. Results then differ
        by roundings from those without, but not from call to call.

    Returns
    -------
    Jitted
        A function with the same results, up to a few roundings; arrays that `fun` writes to are left alone. What has no
        native form is computed by NumPy between the compiled parts.
        With ``out=``, an array or a container of arrays like the result, it writes the results there and returns that:
        arrays of the shapes and dtypes of the results, C-contiguous, and sharing no memory with each other. If they do
        with arguments, or if an index may be out of bounds, results are made first and copied then: after an error
        nothing has been written. A parameter `out` that `fun` has itself stays its own.

    Raises
    ------
    StagingError
        If what `fun` does depends on values in a way that cannot be a program.
    UnsupportedError
        If, for the arguments in `dynamic`, there is no one kernel for any length; the message says what depends on it.
    ShapeError
        If their leading axes have several lengths.
    MixgradError
        If what is given as ``out=`` cannot hold the results, before anything is computed.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> f = mg.jit(mg.grad(lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)))
    >>> f(np.array([0.0, 1.0, 2.0]))
    array([  -2., -200.,  200.])
    >>> slope = np.empty(3)
    >>> f(np.array([1.0, 1.0, 2.0]), out=slope) is slope
    True
    """
    return (_WithOwnOut if _takes_out(fun) else Jitted)(fun, dynamic, fast)
