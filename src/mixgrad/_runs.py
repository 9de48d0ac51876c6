"""Runs of a user's function: on dual numbers, or recorded on a tape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad._arguments import Inputs
from mixgrad._errors import DerivativeError, ShapeError
from mixgrad._tree import Structure, flatten, map_leaves
from mixgrad.core.bind import Traced
from mixgrad.modes.dual import Dual, DualTrace
from mixgrad.modes.tape import Tape, TapeTrace
from mixgrad.operators.run import run


def size_of(x: Any) -> int:
    return math.prod(np.shape(x))


def owned(x: Any) -> Any:
    """Return a result as an array of its own: not a view of a cotangent, nor read-only."""
    if isinstance(x, np.ndarray):
        if x.ndim == 0:
            return x[()]
        if x.base is not None or not x.flags.writeable:
            return x.copy()
    return x


@dataclass
class Record:
    """A function that has been run, with its derivative as a tape."""

    inputs: Inputs
    outputs: list
    structure: Structure
    aux: Any
    tape: Tape

    def pull(self, cotangents: list, last: bool = False) -> Any:
        """Return the cotangents of the arguments, as containers; `last` says that the tape is not needed any more."""
        return self.inputs.results(self.pull_leaves(cotangents, last))

    def pull_leaves(self, cotangents: list, last: bool = False) -> list:
        """Return the cotangents of the arguments, leaf by leaf."""
        taken = {id(cotangent) for cotangent in cotangents}  # arrays that are somebody's already
        result = []
        for bar, leaf in zip(self.tape.pull(cotangents, last), self.inputs.leaves):
            if bar is None:
                result.append(np.zeros(np.shape(leaf), leaf.dtype)[()])
            else:
                result.append(bar.copy() if id(bar) in taken else owned(bar))
                taken.add(id(bar))
        return result

    def push(self, tangents: list) -> list:
        """Return the tangents of the outputs, leaf by leaf."""
        dots = self.tape.push(tangents)
        return [zeros_like(out) if dot is None else owned(dot) for dot, out in zip(dots, self.outputs)]

    def tangent_leaves(self, tangents: Sequence[Any]) -> list:
        """Return the leaves of tangents of the arguments."""
        if len(tangents) != len(self.inputs.structures):
            raise ShapeError(f"the linear function takes {len(self.inputs.structures)} tangents, got {len(tangents)}")
        return self.inputs.match(tangents)


def zeros_like(out: Any) -> Any:
    dtype = getattr(out, "dtype", np.dtype(float))
    return np.zeros(np.shape(out), dtype if dtype.kind in "fc" else float)[()]


def run_recorded(
    fun: Callable, args: Sequence[Any], kwargs: dict, argnums: int | Sequence[int], has_aux: bool, what: str
) -> Record:
    """Run `fun` and record the tape of its tangents."""
    inputs = Inputs.of(args, argnums, what)
    with DualTrace() as dual, TapeTrace() as recording:
        variables = [recording.input(leaf) for leaf in inputs.leaves]
        boxes = [Dual(dual, leaf, variable) for leaf, variable in zip(inputs.leaves, variables)]
        result = run(fun, inputs.insert(args, boxes), kwargs)
        outputs, structure, aux = take_apart(result, has_aux, what, fun)
        unpacked = [dual.unpack(leaf) for leaf in outputs]
        if has_aux:
            aux = map_leaves(lambda leaf: dual.unpack(leaf)[0], aux)
    tape = Tape(recording, variables, [variable for _, variable in unpacked])
    return Record(inputs, [primal for primal, _ in unpacked], structure, aux, tape)


def _kind_of(result: Any) -> str:
    return f"an array of shape {result.shape}" if isinstance(result, Traced) else type(result).__name__


def take_apart(result: Any, has_aux: bool, what: str, fun: Callable) -> tuple[list, Structure, Any]:
    aux = None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise DerivativeError(
                f"{what}(f, has_aux=True) expects f to return a pair (value, aux), but "
                f"{getattr(fun, '__name__', 'f')} returned {_kind_of(result)}"
            )
        result, aux = result
    leaves, structure = flatten(result)
    return leaves, structure, aux


def run_forward(
    fun: Callable, args: Sequence[Any], kwargs: dict, inputs: Inputs, tangents: list, has_aux: bool
) -> tuple:
    """Run `fun` on dual numbers; return value, tangent and, if asked for, aux."""
    with DualTrace() as dual:
        boxes = [Dual(dual, leaf, tangent) for leaf, tangent in zip(inputs.leaves, tangents)]
        outputs, structure, aux = take_apart(run(fun, inputs.insert(args, boxes), kwargs), has_aux, "jvp", fun)
        unpacked = [dual.unpack(leaf) for leaf in outputs]
        aux = map_leaves(lambda leaf: dual.unpack(leaf)[0], aux)
    value = structure.unflatten([primal for primal, _ in unpacked])
    tangent = structure.unflatten([zeros_like(primal) if dot is None else dot for primal, dot in unpacked])
    return (value, tangent, aux) if has_aux else (value, tangent)
