"""Arguments and results of functions that are differentiated: taking apart, checking, putting together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixgrad._errors import DerivativeError, ShapeError
from mixgrad._tree import Structure, flatten, flatten_like
from mixgrad.core.bind import Traced
from mixgrad.rules.shape import as_array


@dataclass
class Inputs:
    """The arguments to differentiate by, taken apart."""

    argnums: tuple[int, ...]
    single: bool
    structures: list[Structure]
    counts: list[int]
    leaves: list

    @classmethod
    def of(cls, args: Sequence[Any], argnums: int | Sequence[int], what: str) -> Inputs:
        single = isinstance(argnums, (int, np.integer))
        numbers = []
        for number in [argnums] if single else list(argnums):  # type: ignore[list-item, arg-type]
            if not isinstance(number, (int, np.integer)) or not -len(args) <= number < len(args):
                raise DerivativeError(
                    f"{what}: argnums={argnums!r} does not name positional arguments of a call with {len(args)} of "
                    "them. Arguments given by keyword cannot be differentiated by: pass them by position."
                )
            numbers.append(int(number) % len(args))
        structures, counts, leaves = [], [], []
        for number in numbers:
            parts, structure = flatten(args[number])
            for i, leaf in enumerate(parts):
                if not can_vary(leaf):
                    raise _not_floating(leaf, f"argument {number}{structure.paths()[i]}", what)
                leaves.append(leaf if hasattr(leaf, "dtype") else np.asarray(leaf)[()])
            structures.append(structure)
            counts.append(len(parts))
        return cls(tuple(numbers), single, structures, counts, leaves)

    def unflatten(self, leaves: list) -> list:
        """Return one container for each of the arguments."""
        result = []
        start = 0
        for structure, count in zip(self.structures, self.counts):
            result.append(structure.unflatten(leaves[start : start + count]))
            start += count
        return result

    def results(self, leaves: list) -> Any:
        """Return the containers: a tuple, or the one alone if `argnums` was a number."""
        trees = self.unflatten(leaves)
        return trees[0] if self.single else tuple(trees)

    def insert(self, args: Sequence[Any], leaves: list) -> list:
        """Return `args` with the differentiated ones replaced."""
        args = list(args)
        for number, tree in zip(self.argnums, self.unflatten(leaves)):
            args[number] = tree
        return args

    def match(self, tangents: Sequence[Any]) -> list:
        """Return the leaves of tangents, which must fit the primals."""
        leaves = []
        for tangent, structure in zip(tangents, self.structures):
            leaves += flatten_like(tangent, structure, "a tangent")
        return [match(tangent, primal, "tangent") for tangent, primal in zip(leaves, self.leaves)]


def can_vary(leaf: Any) -> bool:
    """Whether a leaf has a tangent space: floating-point and complex numbers have."""
    if isinstance(leaf, (float, complex)):
        return True
    return isinstance(leaf, (Traced, np.ndarray, np.generic)) and leaf.dtype.kind in "fc"


def _not_floating(leaf: Any, where: str, what: str) -> DerivativeError:
    """Return the error for a leaf that has no tangent space."""
    dtype = getattr(leaf, "dtype", None)
    got = f"{type(leaf).__name__}" + (f" of dtype {dtype}" if dtype is not None else f" {leaf!r}")
    remedy = "Pass it as a NumPy array of floats"
    if isinstance(leaf, (int, np.integer)) and not isinstance(leaf, bool):
        remedy = f"Pass {float(leaf)}"
    elif isinstance(leaf, np.ndarray) and dtype is not None and dtype.kind in "iub":
        remedy = "Pass x.astype(float)"
    elif hasattr(leaf, "to_numpy"):
        remedy = "Pass x.to_numpy(dtype=float)"
    return DerivativeError(
        f"{what}: {where} must be made of floats to be differentiated by, got {got}, which has no tangent space. "
        f"{remedy}, or name other arguments by argnums."
    )


def match(tangent: Any, primal: Any, kind: str) -> Any:
    """Return a tangent or cotangent with the dtype of its primal; its shape must be that of the primal."""
    tangent = as_array(tangent)
    if tangent.shape != np.shape(primal):
        raise ShapeError(
            f"a {kind} of shape {tangent.shape} was given for a value of shape {np.shape(primal)}; they must be equal"
        )
    dtype = primal.dtype if hasattr(primal, "dtype") else np.asarray(primal).dtype
    if tangent.dtype == dtype or dtype.kind not in "fc":
        return tangent
    if tangent.dtype.kind == "c" and dtype.kind == "f":
        raise ShapeError(f"a complex {kind} was given for a real value ({dtype})")
    return np.astype(tangent, dtype)


def real_number(outputs: list, structure: Structure, fun: Callable) -> Any:
    """Return the single output of a function that has a gradient; refuse others with advice."""
    name = getattr(fun, "__name__", "f")
    if not outputs:
        raise DerivativeError(
            f"grad(f) expects f to return a real number, but {name} returned None. Is a return missing?"
        )
    if len(outputs) > 1 or structure.spec is not None:
        raise DerivativeError(
            f"grad(f) expects f to return a real number, but {name} returned a container of {len(outputs)} values. If "
            "those after the first are additional results, use grad(f, has_aux=True) and return (value, rest). "
            "Perhaps you meant jacobian(f)?"
        )
    value = outputs[0]
    if type(value) is np.float64:
        return value
    if np.shape(value) != ():
        raise DerivativeError(
            f"grad(f) expects f to return a real number, but {name} returned an array of shape {np.shape(value)}. "
            "Perhaps you meant jacobian(f), or f should end with np.sum?"
        )
    if np.iscomplexobj(value):
        raise DerivativeError(
            f"grad(f) expects f to return a real number, but {name} returned a complex one. Return np.real(...), "
            "np.imag(...) or np.abs(...) of it."
        )
    if isinstance(value, float) and not isinstance(value, np.generic):
        return np.float64(value)
    if getattr(value, "dtype", np.dtype(object)).kind != "f":
        raise DerivativeError(
            f"grad(f) expects f to return a real number, but {name} returned {value!r} "
            f"({getattr(value, 'dtype', type(value).__name__)}), which does not vary smoothly."
        )
    return value
