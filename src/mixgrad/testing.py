"""Checking derivatives: `check_grads` compares every mode with differences of the function itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mixgrad._tree import flatten
from mixgrad.derivatives import jvp, vjp

# Five-point central difference: error h^4 f^(5) / 30 + eps f / h, least near h = eps^(1/5).
_NODES = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))


def check_grads(
    fun: Callable,
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("forward", "reverse"),
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the derivatives of `fun` with difference quotients, in random directions.

    Forward mode is compared with a five-point central difference, reverse mode with forward mode by the identity
    ``<u, J v> == <J' u, v>``; order 2 does the same for the derivative, and so on.

    Parameters
    ----------
    fun : callable
        Smooth near `args`; returns arrays, numbers or containers of them.
    args : tuple
        Its arguments: arrays of floats, floats or containers of them.
    order : int
        Highest order of derivatives to check.
    modes : sequence of {"forward", "reverse"}
        The modes to check.
    rtol, atol : float, optional
        Tolerances, relative to the largest entry compared; the default, 1e-7 for float64 and 2e-2 for float32, is
        what differences of rounded values permit (100 times as much for each further order).
    seed : int
        Of the random directions; it stands in the message of a failure.

    Raises
    ------
    AssertionError
        If a derivative is wrong; the message says in which mode, at which order and by how much.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> mg.check_grads(lambda x: np.sum(np.sin(x) * x), (np.array([1.0, 2.0]),), order=2)
    """
    unknown = set(modes) - {"forward", "reverse"}
    if unknown:
        raise ValueError(f"check_grads: modes must be 'forward' or 'reverse', got {sorted(unknown)}")
    random = np.random.default_rng(seed)
    leaves, structures = _arguments(args)
    single = any(leaf.dtype in (np.float32, np.complex64) for leaf in leaves)
    default = 2e-2 if single else 1e-7
    tolerance = {"rtol": default if rtol is None else rtol, "atol": default if atol is None else atol}
    _check(fun, leaves, structures, order, 1, tuple(modes), tolerance, random, seed)


def _arguments(args: Sequence[Any]) -> tuple[list, list]:
    flat = [flatten(arg) for arg in args]
    leaves = [np.asarray(leaf)[()] for parts, _ in flat for leaf in parts]
    return leaves, [(structure, len(parts)) for parts, structure in flat]


def _rebuild(leaves: Sequence[Any], structures: list) -> tuple:
    args = []
    start = 0
    for structure, count in structures:
        args.append(structure.unflatten(list(leaves[start : start + count])))
        start += count
    return tuple(args)


def _check(fun, leaves, structures, order, level, modes, tolerance, random, seed):
    directions = [_random_like(leaf, random) for leaf in leaves]
    primals, tangents = _rebuild(leaves, structures), _rebuild(directions, structures)

    def along(*args: Any) -> Any:
        return jvp(fun, args, tangents)[1]

    where = f"order {level} (check_grads, seed {seed})"
    slope = _flat(along(*primals))
    if "forward" in modes:
        _compare(slope, _difference(fun, leaves, directions, structures), tolerance, f"forward mode, {where}")
    if "reverse" in modes:
        value, pullback = vjp(fun, *primals)
        bars = [_random_like(np.asarray(leaf), random) for leaf in flatten(value)[0]]
        cotangents = pullback(flatten(value)[1].unflatten(bars))
        left = _inner(bars, slope)
        right = _inner(_flat(cotangents), directions)
        scale = sum(float(np.sum(np.abs(a * b))) for a, b in zip(bars, slope))
        _compare([np.asarray(right)], [np.asarray(left)], tolerance, f"reverse mode, {where}", scale)
    if order > level:
        wider = {key: 100 * value for key, value in tolerance.items()}
        _check(along, leaves, structures, order, level + 1, modes, wider, random, seed)


def _random_like(leaf: Any, random: np.random.Generator) -> Any:
    values = np.round(random.standard_normal(np.shape(leaf)), 2)
    if leaf.dtype.kind == "c":
        values = values + 1j * np.round(random.standard_normal(np.shape(leaf)), 2)
    return np.asarray(values).astype(leaf.dtype if leaf.dtype.kind in "fc" else float)[()]


def _flat(tree: Any) -> list:
    return [np.asarray(leaf) for leaf in flatten(tree)[0]]


def _inner(us: Sequence[Any], vs: Sequence[Any]) -> float:
    return float(sum(np.sum(np.real(np.conjugate(u) * v)) for u, v in zip(us, vs)))


def _difference(fun, leaves, directions, structures):
    epsilon = max(np.finfo(leaf.dtype).eps for leaf in leaves)
    size = max([1.0, *(float(np.max(np.abs(leaf), initial=0.0)) for leaf in leaves)])
    step = float(epsilon) ** 0.2 * size
    total = None
    for node, weight in _NODES:
        moved = [(x + (node * step) * v).astype(x.dtype) for x, v in zip(leaves, directions)]
        values = _flat(fun(*_rebuild(moved, structures)))
        part = [weight / step * value for value in values]
        total = part if total is None else [a + b for a, b in zip(total, part)]
    return total


def _compare(found, expected, tolerance, where, scale=None):
    for a, b in zip(found, expected, strict=True):
        size = max(float(np.max(np.abs(b), initial=0.0)), scale or 0.0)
        error = float(np.max(np.abs(a - b), initial=0.0))
        if not error <= tolerance["atol"] + tolerance["rtol"] * size:
            raise AssertionError(
                f"{where}: differs by {error:.3g} where {tolerance['atol'] + tolerance['rtol'] * size:.3g} is allowed\n"
                f"derivative: {a}\nexpected:   {b}"
            )
