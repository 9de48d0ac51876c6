"""`sum_rows`: a function that adds over rows, worked off block by block."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mixgrad._blocks import HiddenArgument, over_blocks
from mixgrad._control import results_of
from mixgrad._errors import DerivativeError, ShapeError
from mixgrad._runs import run
from mixgrad._tree import LEAF, flatten
from mixgrad.core.bind import Traced
from mixgrad.modes.trace import typed

BLOCK = 2**18  # bytes of rows in a block: larger ones leave the cache, smaller ones are all overhead


def sum_rows(fun: Callable, rows: int | Sequence[int] = -1, block: int | None = None) -> Callable:
    """Return `fun`, which adds over rows of its data, such that it runs block by block: memory stays that of a block.

    Parameters
    ----------
    fun : callable
        Takes any number of rows and returns their sum, an array, a number or a container of them, and zero for none:
        ``fun(p, all_rows) == fun(p, some) + fun(p, others)`` is what `sum_rows` relies on.
    rows : int or sequence of int
        Which positional arguments hold rows, along the first axis of each of their arrays: by default the last one. All
        have the same number of rows; weights are one more of them.
    block : int, optional
        How many rows to work off at a time; by default as many as 256 kilobytes hold.

    Returns
    -------
    callable
        Takes the arguments of `fun`, and has the same value up to rounding. Blocks are added in their order, so that
        results are the same in every run; float32 is added in float64. Every derivative is made of those of blocks:
        the gradient comes with the value in one pass, and memory is that of one block, and of the result, as long as
        what is differentiated by is among the arguments. Within `mg.jit` and `mg.trace` it is `fun` of all rows:
        compiled code makes tiles of them itself, and works on all processors.

    Raises
    ------
    ShapeError
        If the arrays of rows differ in length or have no axis.

    Examples
    --------
    >>> import numpy as np, mixgrad as mg
    >>> loss = mg.sum_rows(lambda p, x, y: np.sum((x @ p - y) ** 2), rows=(1, 2))
    >>> x, y = np.arange(200_000.0).reshape(100_000, 2) / 1e5, np.ones(100_000)
    >>> mg.grad(loss)(np.zeros(2), x, y)
    array([-199998., -200000.])
    """
    if block is not None and (isinstance(block, bool) or not isinstance(block, (int, np.integer)) or block < 1):
        raise ValueError(f"sum_rows: block must be a number of rows, at least 1, got {block!r}")
    name = f"sum_rows({getattr(fun, '__name__', 'f')})"

    @functools.wraps(fun)
    def total(*args: Any, **kwargs: Any) -> Any:
        call = _Call(fun, name, args, kwargs, _places(rows, len(args), name))
        try:
            sums, _ = over_blocks(call.body, call.whole, call.rows, call.block_size() if block is None else int(block))
        except HiddenArgument:  # blocks cannot be taken apart; all rows at once can
            sums, _ = call.body(call.whole, call.rows)
        return call.result.unflatten(sums)

    return total


def _places(rows: int | Sequence[int], count: int, name: str) -> set[int]:
    numbers: list[Any] = list(rows) if isinstance(rows, (tuple, list)) else [rows]
    if not numbers or any(not isinstance(n, (int, np.integer)) or not -count <= n < count for n in numbers):
        raise DerivativeError(
            f"{name}: rows={rows!r} does not name positional arguments of a call with {count} of them. Arguments with "
            "rows are given by position."
        )
    return {int(n) % count for n in numbers}


class _Call:
    """One call: which leaves of its arguments hold rows, and how to put the arguments together again."""

    def __init__(self, fun: Callable, name: str, args: tuple, kwargs: dict, places: set[int]) -> None:
        self.fun, self.name, self.kwargs = fun, name, kwargs
        self.result = LEAF
        self.whole: list = []
        self.rows: list = []
        self.parts = []
        for number, arg in enumerate(args):
            leaves, structure = flatten(arg)
            holds_rows = number in places
            if holds_rows:
                paths = [f"argument {number}{path}" for path in structure.paths()]
                leaves = [self._array(leaf, path) for leaf, path in zip(leaves, paths)]
            (self.rows if holds_rows else self.whole).extend(leaves)
            self.parts.append((structure, len(leaves), holds_rows))
        lengths = [leaf.shape[0] for leaf in self.rows]
        if len(set(lengths)) != 1:
            raise ShapeError(f"{name}: arguments with rows must be arrays of one length, got lengths {lengths}")

    def _array(self, leaf: Any, path: str) -> Any:
        array: Any = leaf if isinstance(leaf, Traced) else np.asarray(leaf)
        if np.ndim(array) == 0 or array.dtype.kind not in "biufc":
            raise ShapeError(
                f"{self.name}: {path} has the shape {np.shape(array)} and dtype {array.dtype}, "
                "expected an array of numbers with the rows along its first axis. Pass lists of numbers as np.array(x)."
            )
        return array

    def block_size(self) -> int:
        """Return how many rows make a block of ordinary size."""
        row = sum(leaf.dtype.itemsize * int(np.prod(leaf.shape[1:])) for leaf in self.rows)
        return max(1, BLOCK // max(row, 1))

    def body(self, whole: list, rows: list) -> tuple[list, list]:
        """Call the function on a block."""
        known, block = iter(whole), iter(rows)
        args = [
            structure.unflatten([next(block if holds_rows else known) for _ in range(count)])
            for structure, count, holds_rows in self.parts
        ]
        leaves, self.result = results_of(run(self.fun, args, self.kwargs), self.name)
        sums = [typed(leaf) for leaf in leaves]
        if any(leaf.dtype.kind == "b" for leaf in sums):
            raise ShapeError(f"{self.name}: the function returns truth values, which do not add; count by np.sum(...)")
        return sums, []
