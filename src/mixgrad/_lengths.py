"""Arguments whose lengths vary from call to call: which axes these are, and recordings of a function for any length."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mixgrad._errors import MixgradError, ShapeError
from mixgrad._runs import run
from mixgrad._tree import Structure, flatten
from mixgrad.compile.any_length import FEWER_SAMPLES, SAMPLES, AnyLength
from mixgrad.compile.comparing import Comparison
from mixgrad.compile.lengths import LEAST, DependsOnLength
from mixgrad.core.program import Program
from mixgrad.operators.state import is_number
from mixgrad.program.simplify import simplify
from mixgrad.staging import record

Axes = frozenset[tuple[int, int]]
"""Numbers of leaves among the arguments, and of dimensions of these arrays."""
Key = tuple[Any, ...]
"""What a variant depends on: the structure of the arguments, and what is known of each leaf; of arrays shape, dtype."""


# Axes -----------------------------------------------------------------------------------------------------------------


def differing(key: Key, other: Key) -> Axes | None:
    """Return the axes in which two calls differ, if they have one length here and one there, and all else is equal."""
    if len(key) != len(other) or key[0] != other[0]:
        return None
    axes, lengths = set(), set()
    for leaf, (new, old) in enumerate(zip(key[1:], other[1:])):
        if new == old:
            continue
        if not _is_array(new) or not _is_array(old) or new[1] != old[1] or len(new[0]) != len(old[0]):
            return None
        changed = [(dim, pair) for dim, pair in enumerate(zip(new[0], old[0])) if pair[0] != pair[1]]
        axes |= {(leaf, dim) for dim, _ in changed}
        lengths |= {pair for _, pair in changed}
    long_enough = all(isinstance(n, int) and n >= LEAST for pair in lengths for n in pair)
    return frozenset(axes) if len(lengths) == 1 and long_enough else None


def length_along(key: Key, axes: Axes) -> int | None:
    """Return the length that all these axes have; None if they have several."""
    lengths = {_shape(key, leaf)[dim] for leaf, dim in axes if dim < len(_shape(key, leaf))}
    return lengths.pop() if len(lengths) == 1 else None


def opened(key: Key, axes: Axes) -> Key:
    """Return what a variant for any length of these axes depends on."""
    kinds = list(key[1:])
    for leaf in {leaf for leaf, _ in axes}:
        shape, dtype = kinds[leaf]
        kinds[leaf] = tuple("n" if (leaf, dim) in axes else n for dim, n in enumerate(shape)), dtype
    return key[0], *kinds


def _shape(key: Key, leaf: int) -> tuple[int, ...]:
    return key[1 + leaf][0] if leaf + 1 < len(key) and _is_array(key[1 + leaf]) else ()


def _is_array(kind: Any) -> bool:
    return isinstance(kind, tuple) and isinstance(kind[0], tuple)


def chosen_names(dynamic: Any) -> tuple[int | str, ...]:
    """Return the arguments that `dynamic` names, as a tuple."""
    names = dynamic if isinstance(dynamic, (tuple, list)) else (dynamic,)
    if not all(isinstance(name, (int, str)) and not isinstance(name, bool) and name != "" for name in names):
        raise MixgradError(
            f"mg.jit: dynamic={dynamic!r}, expected the place or the name of an argument whose leading axis varies, or "
            'several of them, such as dynamic=0 or dynamic=("x", "y")'
        )
    return tuple(names)


def chosen_axes(fun: Callable, names: Sequence[int | str], args: tuple, kwargs: dict) -> Axes:
    """Return the leading axes of all arrays in these arguments.

    Raises
    ------
    MixgradError
        If there is no such argument, or no array in it.
    ShapeError
        If the axes have several lengths.
    """
    leaves, structure = flatten((args, kwargs))
    paths = structure.paths()
    known = _parameters(fun)
    axes, lengths = set(), {}
    for name in names:
        place = known.index(name) if name in known else name
        called = known[name] if isinstance(name, int) and 0 <= name < len(known) else name
        heads = f"[0][{place}]", f"[1][{called!r}]"
        inside = tuple(head + sign for head in heads for sign in "[.")
        found = [i for i, path in enumerate(paths) if path in heads or path.startswith(inside)]
        arrays = [i for i in found if np.ndim(leaves[i])]
        if not arrays:
            raise MixgradError(f"mg.jit: dynamic names the argument {name!r}, and there is no array in it in this call")
        axes |= {(i, 0) for i in arrays}
        lengths |= {f"{name!r}{paths[i]}": np.shape(leaves[i])[0] for i in arrays}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"mg.jit: the arguments that dynamic names have leading axes of several lengths: {lengths}")
    return frozenset(axes)


def _parameters(fun: Callable) -> list[str]:
    try:
        return list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        return []


# Recordings -----------------------------------------------------------------------------------------------------------


def varies(leaf: Any) -> bool:
    """Whether a leaf is an array or a number that compiled code can take; anything else is a constant of a variant."""
    return is_number(leaf) and not (type(leaf) is int and not -(2**63) <= leaf < 2**63)


class Recorder:
    """Records a function for arguments like some given ones, of which it keeps shapes and dtypes.

    Attributes
    ----------
    places : list of int
        Which leaves of the arguments are inputs of the program.
    """

    def __init__(self, fun: Callable, args: tuple, kwargs: dict, axes: Axes = frozenset()) -> None:
        leaves, self._structure = flatten((args, kwargs))
        self._fun, self._axes = fun, axes
        self._fixed = [None if varies(leaf) else leaf for leaf in leaves]
        self.places = [i for i, leaf in enumerate(leaves) if varies(leaf)]
        self._like = {i: (np.shape(leaves[i]), getattr(leaves[i], "dtype", leaves[i])) for i in self.places}

    def record(self, length: int | None = None) -> tuple[Program, Structure]:
        """Return the program, for another length of the axes, and the structure of what is returned."""
        arrays = [self._placeholder(i, length) for i in self.places]
        return record(self._run, arrays, [""] * len(arrays), self._fun)

    def fixed_lengths(self) -> set[int]:
        """Return the lengths of the axes that do not vary."""
        shapes = [(i, shape) for i, (shape, _) in self._like.items()]
        return {n for i, shape in shapes for dim, n in enumerate(shape) if (i, dim) not in self._axes}

    def program(self, length: int | None = None) -> Program:
        """Return the simplified program."""
        return simplify(self.record(length)[0], "all")

    def _run(self, *arrays: Any) -> Any:
        full = list(self._fixed)
        for place, array in zip(self.places, arrays):
            full[place] = array
        args, kwargs = self._structure.unflatten(full)
        return run(self._fun, args, kwargs)

    def _placeholder(self, leaf: int, length: int | None) -> Any:
        shape, dtype = self._like[leaf]
        if not isinstance(dtype, np.dtype):
            return dtype  # a number of Python
        if length is not None:
            shape = tuple(length if (leaf, dim) in self._axes else n for dim, n in enumerate(shape))
        return np.broadcast_to(np.zeros((), dtype), shape)


class Family:
    """The programs of a function for all lengths of some axes, which are one program with a number that varies in it.

    Attributes
    ----------
    recorder : Recorder
    result : Structure
        Of what is returned.
    least : int
        From this length on the function is known to be this program,
    others : set of int
        but not for these ones: lengths that fixed axes have, too, so that more arrays fit each other.
    """

    def __init__(self, recorder: Recorder, n: int, m: int) -> None:
        """Compare what is recorded for several lengths: `n`, `m`, very short and long ones.

        Raises
        ------
        DependsOnLength
            If these programs differ by more than numbers that follow from the length.
        """
        self.recorder, self._n = recorder, n
        self.others: set[int] = set()
        self._first, self.result = self._recorded(n)
        self._known = self._compared(*self._recorded(m), m)
        self._samples = FEWER_SAMPLES if self._known.planes else SAMPLES
        self._programs = [self._required(length) for length in self._samples]
        self.least = min(n, m)
        self.includes(LEAST)
        self.others = {length for length in recorder.fixed_lengths() if length >= LEAST and not self._agrees(length)}

    def _recorded(self, length: int) -> tuple[Program, Structure]:
        try:
            return self.recorder.record(length)
        except Exception as error:
            raise DependsOnLength(f"where it is {length}, recording raises {type(error).__name__}: {error}") from error

    def _compared(self, program: Program, result: Structure, length: int) -> Comparison:
        if result != self.result:
            raise DependsOnLength("the structure of the result")
        return Comparison(self._first, program, self._n, length)

    def _required(self, length: int) -> Program:
        """Return what is recorded for a length, which must be what it is for others."""
        program, result = self._recorded(length)
        if length != self._n:
            self._compared(program, result, length).require(self._known)
        return program

    def includes(self, length: int) -> bool:
        """Whether the function is this program for a length, too; it is recorded for that, if that is not known."""
        if LEAST <= length < self.least and self._agrees(length):
            self.least = length
        return length >= self.least and length not in self.others

    def _agrees(self, length: int) -> bool:
        try:
            self._required(length)
        except DependsOnLength:
            return False
        return True

    def compiled(self, fast: bool, named: bool) -> AnyLength:
        """Return the program as machine code; `fast` code may sum in any order.

        Where the axes are named one kernel is wanted in any case, if need be without BLAS.
        """
        programs = [simplify(program, "all") for program in self._programs]
        self._programs = []
        return AnyLength(programs, self._samples, self.recorder.program, fast=fast, loops=named)
