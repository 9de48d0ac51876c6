"""Functions of the user as bodies of loops and branches: which values are known, what goes in, what comes out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mixgrad._errors import ShapeError
from mixgrad._runs import run
from mixgrad._tree import LEAF, Structure, flatten
from mixgrad.core.bind import Traced
from mixgrad.core.program import Program, Var
from mixgrad.modes.batch import Batch
from mixgrad.modes.dual import Dual
from mixgrad.modes.tape import Variable
from mixgrad.modes.taylor import Taylor
from mixgrad.modes.trace import Staged, record_body, typed
from mixgrad.rules import control

_NUMBERS = (bool, int, float, complex)


# What is known --------------------------------------------------------------------------------------------------------


def is_staged(value: Any) -> bool:
    """Whether a value, or its tangent, is a placeholder of a program, at whatever level of nested modes."""
    while isinstance(value, Traced):
        if isinstance(value, (Staged, Variable)):
            return isinstance(value, Staged)
        if isinstance(value, Dual):
            if is_staged(value.tangent):
                return True
            value = value.primal
        elif isinstance(value, Batch):
            value = value.payload
        elif isinstance(value, Taylor):
            value = value.coefficients
        else:
            value = value.inner
    return False


def any_staged(tree: Any) -> bool:
    """Whether a container holds a placeholder of a program."""
    return any(is_staged(leaf) for leaf in flatten(tree)[0])


def is_known(value: Any) -> bool:
    """Whether a value is one number now: neither a placeholder nor different for each member of a batch."""
    while isinstance(value, Traced):
        if isinstance(value, (Staged, Batch)):
            return False
        value = value.inner
    return True


def plain(value: Any) -> Any:
    """Return the number under all boxes."""
    while isinstance(value, Traced):
        value = value.inner
    return value


def truth(value: Any, what: str) -> Any:
    """Return a truth value; anything but one number is refused."""
    if np.shape(value) != ():
        raise ShapeError(f"{what} has the shape {np.shape(value)}, expected one truth value. Use np.any or np.all.")
    if isinstance(value, Traced) and not is_known(value):
        return value if value.dtype == bool else value != 0
    return bool(value)


# Containers -----------------------------------------------------------------------------------------------------------


def leaves_of(tree: Any) -> tuple[list, Structure]:
    """Return the leaves of a container; arrays with item assignment by their present content."""
    leaves, structure = flatten(tree)
    return [leaf.settled() if hasattr(leaf, "settled") else leaf for leaf in leaves], structure


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (Traced, np.ndarray, np.generic, *_NUMBERS))


class Arguments:
    """Arguments of a function: those that are arrays or numbers vary, all others stay as they are."""

    def __init__(self, tree: Any) -> None:
        self.leaves, self.structure = leaves_of(tree)
        self.places = [i for i, leaf in enumerate(self.leaves) if _is_array(leaf)]
        self.arrays = [typed(self.leaves[i]) for i in self.places]

    def rebuild(self, arrays: Sequence[Any]) -> Any:
        """Return the container with other arrays."""
        leaves = list(self.leaves)
        for i, array in zip(self.places, arrays):
            leaves[i] = array
        return self.structure.unflatten(leaves)


class Type:
    """Shape and dtype of a result; that of a number of Python is weak (NEP 50)."""

    def __init__(self, value: Any) -> None:
        self.weak = type(value) in _NUMBERS
        self.value = value if self.weak else None
        value = typed(value)
        self.shape, self.dtype = tuple(value.shape), value.dtype


def common(a: Type, b: Type) -> np.dtype | None:
    """Return the dtype that both have, or take because they are numbers of Python."""
    if a.weak or b.weak:
        return np.result_type(a.value if a.weak else a.dtype, b.value if b.weak else b.dtype)
    return a.dtype if a.dtype == b.dtype else None


def text_of(kind: Any) -> str:
    """Return shape and dtype in words."""
    return f"an array of shape {kind.shape} and dtype {kind.dtype}"


def same_structure(a: Structure, b: Structure, what: str, other: str) -> None:
    """Refuse results of different containers."""
    if a != b:
        raise ShapeError(
            f"{what} {_describe(a)}, {other} returns {_describe(b)}. They must return the same containers."
        )


def check_structure(before: Structure, after: Structure, what: str) -> Structure:
    """Refuse a state of other containers than the one before."""
    if before != after:
        raise ShapeError(
            f"{what} must return the containers that it is given, {_describe(before)}; it returns {_describe(after)}."
        )
    return after


def _describe(structure: Structure) -> str:
    return "a single array" if structure.spec is None else str(structure.spec)


def _cast(value: Any, dtype: np.dtype) -> Any:
    value = typed(value)
    return value if value.dtype == dtype else np.astype(value, dtype)


def results_of(tree: Any, what: str) -> tuple[list, Structure]:
    """Take apart what a function returns, which must be made of arrays and numbers."""
    leaves, structure = leaves_of(tree)
    for path, leaf in zip(structure.paths(), leaves):
        if not _is_array(leaf):
            raise ShapeError(f"{what}: result{path} is a {type(leaf).__name__}, expected an array or a number")
    return leaves, structure


class Branch:
    """One of the functions of `cond`, recorded."""

    def __init__(self, fun: Callable, arguments: Arguments, name: str) -> None:
        self.fun = fun
        self.arguments = arguments
        self.name = name
        self.structure: Structure
        self._first: Program | None = None
        self._types: list[Type] = []

    def _run(self, *boxes: Any) -> list:
        result = run(self.fun, self.arguments.rebuild(boxes), {})
        leaves, self.structure = results_of(result, f"cond: {self.name}_fun")
        self._types = [Type(leaf) for leaf in leaves]
        return leaves

    def types(self) -> list[Type]:
        """Run the function once; return the types of its results."""
        self._first = record_body(self._run, self.arguments.arrays, self.name)
        return self._types

    def program(self, dtypes: list[np.dtype]) -> Program:
        """Return its program, with results of these dtypes."""
        if self._first is not None and all(kind.dtype == dtype for kind, dtype in zip(self._types, dtypes)):
            return self._first
        cast = lambda *boxes: [_cast(leaf, dtype) for leaf, dtype in zip(self._run(*boxes), dtypes)]
        return record_body(cast, self.arguments.arrays, self.name)


# Loops ----------------------------------------------------------------------------------------------------------------


class Carry:
    """What a loop carries: its containers and types.

    Numbers of Python in the first state take the dtype that a step gives them, as they would in a loop of Python.
    """

    def __init__(
        self, body: Callable, init: Any, what: str, xs: Sequence[Any] = (), rebuild: Callable | None = None
    ) -> None:
        self.body = body
        self.what = what
        self.xs = xs
        self.rebuild = rebuild  # makes the second argument of the body from slices of the xs
        self.leaves, self.structure = leaves_of(init)
        for path, leaf in zip(self.structure.paths(), self.leaves):
            if not _is_array(leaf):
                raise ShapeError(f"{what}: init{path} is a {type(leaf).__name__}, expected an array or a number")
        self.weak = [type(leaf) in _NUMBERS for leaf in self.leaves]
        self.templates: list[Var] = []
        self.extra: Structure = LEAF  # of what is stacked
        self._types: list[Type] = []

    def record(self) -> Program:
        """Return the program of the body; `templates` are then what the loop carries."""
        dtypes = self._first_dtypes()
        while True:
            types = zip(self.leaves, dtypes)
            self.templates = [Var(tuple(np.shape(leaf)), dtype) for leaf, dtype in types]
            program = record_body(functools.partial(self._cast_step, dtypes), [*self.templates, *self.xs])
            wanted = [self._promoted(i, kind, dtypes[i]) for i, kind in enumerate(self._types)]
            if wanted == dtypes:
                return program
            dtypes = wanted

    def _step(self, *boxes: Any) -> list:
        state = self.structure.unflatten(list(boxes[: len(self.leaves)]))
        if self.rebuild is None:
            result, ys = run(self.body, (state,), {}), []
        else:
            x = self.rebuild(list(boxes[len(self.leaves) :]))
            result, ys = self._pair(run(self.body, (state, x), {}))
        leaves, structure = results_of(result, self.what)
        check_structure(self.structure, structure, self.what)
        self._types = [Type(leaf) for leaf in leaves]
        return [*leaves, *ys]

    def _cast_step(self, dtypes: list[np.dtype], *boxes: Any) -> list:
        outs = self._step(*boxes)
        return [_weakly(out, dtype) for out, dtype in zip(outs, dtypes)] + outs[len(dtypes) :]

    def _first_dtypes(self) -> list[np.dtype]:
        """Return the dtypes of the first state; numbers of Python take those that a first step gives them."""
        dtypes = [typed(leaf).dtype for leaf in self.leaves]
        if not any(self.weak):
            return dtypes
        strong = [leaf for leaf, weak in zip(self.leaves, self.weak) if not weak]

        def probe(*boxes: Any) -> list:
            rest = iter(boxes)
            return self._step(*[leaf if weak else next(rest) for leaf, weak in zip(self.leaves, self.weak)], *rest)

        record_body(probe, [*strong, *self.xs])
        return [
            np.result_type(leaf, kind.value if kind.weak else kind.dtype) if weak else dtype
            for leaf, weak, dtype, kind in zip(self.leaves, self.weak, dtypes, self._types)
        ]

    def _pair(self, result: Any) -> tuple[Any, list]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise ShapeError(f"{self.what} must return a pair (carry, y), got {type(result).__name__}")
        ys, self.extra = results_of(result[1], self.what)
        return result[0], ys

    def _promoted(self, i: int, kind: Type, dtype: np.dtype) -> np.dtype:
        """Return the dtype that a carried value must have; refuse what a loop cannot carry."""
        shape = tuple(np.shape(self.leaves[i]))
        common = np.result_type(kind.value if kind.weak else kind.dtype, dtype)
        if kind.shape != shape or (common != dtype and not self.weak[i]):
            path = self.structure.paths()[i]
            raise ShapeError(
                f"{self.what} must return what it is given, but state{path} is an array of shape {shape} and dtype "
                f"{dtype}, and {text_of(kind)} comes back. Give init the shape and dtype that the loop computes with."
            )
        return common

    def bind(
        self,
        hoisted: list,
        xs: Sequence[Any],
        test: Program | None,
        body: Program,
        length: int | None,
        reverse: bool,
        memory: int | None,
    ) -> list:
        """Bind the loop."""
        init = [_cast(leaf, var.dtype) for leaf, var in zip(self.leaves, self.templates)]
        static = {"test": test, "body": body, "consts": len(hoisted), "carry": len(init)}
        if memory is not None:
            static["memory"] = memory
        return list(control.loop(*hoisted, *init, *xs, **static, length=length, reverse=reverse))


def _weakly(out: Any, dtype: np.dtype) -> Any:
    """Return a number of Python in the dtype of what it is carried as."""
    if type(out) in _NUMBERS and np.result_type(out, dtype) == dtype:
        return np.asarray(out, dtype)[()]
    if hasattr(out, "dtype") and out.dtype != dtype and np.result_type(out.dtype, dtype) == dtype:
        return np.astype(out, dtype)
    return out
