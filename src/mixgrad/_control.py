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
from mixgrad.operators import branches
from mixgrad.operators.state import cast, is_number
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
    return bool(value) if is_known(value) else branches.truth(value)


# Containers -----------------------------------------------------------------------------------------------------------


class Arguments:
    """Arguments of a function: those that are arrays or numbers vary, all others stay as they are."""

    def __init__(self, tree: Any) -> None:
        self.leaves, self.structure = flatten(tree)
        self.places = [i for i, leaf in enumerate(self.leaves) if is_number(leaf)]
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
        array = typed(value)
        self.shape, self.dtype = tuple(array.shape), array.dtype
        self.like = value if self.weak else array.dtype  # for np.result_type


def common(a: Type, b: Type) -> np.dtype | None:
    """Return the dtype that both have, or take because they are numbers of Python."""
    if a.weak or b.weak:
        return np.result_type(a.like, b.like)
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


def results_of(tree: Any, what: str, name: str = "result") -> tuple[list, Structure]:
    """Take apart what a function returns, or what a loop begins with, which must be made of arrays and numbers."""
    leaves, structure = flatten(tree)
    for path, leaf in zip(structure.paths(), leaves):
        if not is_number(leaf):
            raise ShapeError(f"{what}: {name}{path} is a {type(leaf).__name__}, expected an array or a number")
    return leaves, structure


def pair_of(result: Any, what: str) -> tuple[Any, list, Structure]:
    """Take apart what a step of a scan returns: the next carry, and what to stack."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise ShapeError(f"{what} must return a pair (carry, y), got {type(result).__name__}")
    return result[0], *results_of(result[1], what)


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
        cast_run = lambda *boxes: [cast(leaf, dtype) for leaf, dtype in zip(self._run(*boxes), dtypes)]
        return record_body(cast_run, self.arguments.arrays, self.name)


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
        self.leaves, self.structure = results_of(init, what, "init")
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
            result, ys, self.extra = pair_of(run(self.body, (state, x), {}), self.what)
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
            np.result_type(leaf, kind.like) if weak else dtype
            for leaf, weak, dtype, kind in zip(self.leaves, self.weak, dtypes, self._types)
        ]

    def _promoted(self, i: int, kind: Type, dtype: np.dtype) -> np.dtype:
        """Return the dtype that a carried value must have; refuse what a loop cannot carry."""
        shape = tuple(np.shape(self.leaves[i]))
        common = np.result_type(kind.like, dtype)
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
        init = [cast(leaf, var.dtype) for leaf, var in zip(self.leaves, self.templates)]
        static = {"test": test, "body": body, "consts": len(hoisted), "carry": len(init)}
        if memory is not None:
            static["memory"] = memory
        return list(control.loop(*hoisted, *init, *xs, **static, length=length, reverse=reverse))


def _weakly(out: Any, dtype: np.dtype) -> Any:
    """Return a number of Python in the dtype of what it is carried as."""
    return cast(out, dtype) if np.result_type(getattr(out, "dtype", out), dtype) == dtype else out
