"""Branches of rewritten code: run as they are where the test is known, else both recorded as programs of a `cond`."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mixgrad._errors import StagingError
from mixgrad.core.bind import Traced
from mixgrad.modes.mutable import Mutable, assignable, exchange, forget_twins, present_time
from mixgrad.modes.trace import close
from mixgrad.modes.twins import Stale
from mixgrad.operators.aliases import Aliases
from mixgrad.operators.state import (
    NOTHING,
    Recording,
    State,
    Undefined,
    arrays_in,
    dependence,
    differs,
    is_number,
    leaves_of,
    shared_array,
    type_of,
    unknown,
)
from mixgrad.rules.control import cond

_WHICH = "which branch of an `if` has run"
_undecided: contextvars.ContextVar[bool] = contextvars.ContextVar("mixgrad_undecided", default=False)


def if_(test: Any, then: Callable, orelse: Callable, state: State) -> None:
    """Run one of two blocks; both, recorded, if only the running program will know which."""
    if not unknown(test):
        (then if test else orelse)()
        return
    _choose(test, then, orelse, state)


def either(test: Any, then: Callable, orelse: Callable) -> Any:
    """Return ``then() if test else orelse()``."""
    if not unknown(test):
        return then() if test else orelse()
    blocks = [block.checked if isinstance(block, Watched) else block for block in (then, orelse)]
    return _choose(test, *blocks, NOTHING)


class Watched:
    """A part of an expression in which functions are called that may assign variables.

    Where the running program decides whether the part is evaluated, such an assignment is refused: an expression has no
    results but its value.
    """

    def __init__(self, block: Callable, values: Callable, names: tuple[str, ...]) -> None:
        self.block = block
        self.values = values
        self.names = names

    def __call__(self) -> Any:
        """Evaluate the part where it is certain that it counts."""
        return self.block()

    def checked(self) -> Any:
        """Evaluate the part where that is not certain."""
        before = self.values()
        result = self.block()
        for name, old, new in zip(self.names, before, self.values()):
            if old is not new:
                raise StagingError(
                    f"a function that is called on the right of `and`, `or` or in `a if c else b` assigns variable "
                    f"{name}, and whether it is called depends on a value that is only known when the program runs. "
                    "Call it in an `if` statement."
                )
        return result


def and_(value: Any, rest: Callable, simple: bool) -> Any:
    """Return ``value and rest()``."""
    if not unknown(value):
        return value and rest()
    if simple:
        other = rest()
        if is_number(other) and type_of(other)[1].kind == "b":
            return np.logical_and(truth(value), other)
    return either(value, rest, lambda: value)


def or_(value: Any, rest: Callable, simple: bool) -> Any:
    """Return ``value or rest()``."""
    if not unknown(value):
        return value or rest()
    if simple:
        other = rest()
        if is_number(other) and type_of(other)[1].kind == "b":
            return np.logical_or(truth(value), other)
    return either(value, lambda: value, rest)


def not_(value: Any) -> Any:
    """Return ``not value``."""
    return np.logical_not(truth(value)) if unknown(value) else not value


def truth(value: Any) -> Any:
    """Return a value that is not known yet as a single truth value."""
    if value.shape != ():
        if value.size != 1:
            raise ValueError(
                "the truth value of an array with more than one element is ambiguous; use np.any or np.all: "
                f"got shape {value.shape}"
            )
        value = value.reshape(())
    return value if value.dtype == bool else value != 0


def undecided() -> bool:
    """Whether a block is being recorded that the running program may skip."""
    return _undecided.get()


@contextlib.contextmanager
def maybe() -> Iterator[None]:
    """Mark what is recorded here as something that the running program may skip."""
    token = _undecided.set(True)
    try:
        yield
    finally:
        _undecided.reset(token)


def _choose(test: Any, then: Callable, orelse: Callable, state: State) -> Any:
    """Record both blocks, bind `cond`, and put the results into the variables; return the blocks' value."""
    entry = _Entry(state)
    try:
        with maybe():
            blocks = [entry.record(block) for block in (orelse, then)]
        merge = _Merge(state, entry, blocks)
    finally:
        forget_twins(entry.born)
    return merge.restore(merge.bind(truth(test)))


class _Entry:
    """The values before a branch, of which the traced ones become placeholders in each block."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.born = present_time()
        self.leaves, self.structure = leaves_of(state.get())
        self.arrays = [array for array in arrays_in(self.leaves) if _takes_part(array.content)]
        self.places = [
            i for i, leaf in enumerate(self.leaves) if isinstance(leaf, Traced) and type(leaf) is not Mutable
        ]
        self.operands = [self.leaves[i] for i in self.places] + [array.content for array in self.arrays]

    def record(self, body: Callable) -> Recording:
        """Run a block with placeholders for the traced values."""
        recording = Recording(self.state)
        inputs = [recording.placeholder(operand) for operand in self.operands]
        leaves = list(self.leaves)
        for i, box in zip(self.places, inputs):
            leaves[i] = box
        contents = list(zip(self.arrays, inputs[len(self.places) :]))
        return recording.run(body, self.structure.unflatten(leaves), contents)

    def content(self, array: Mutable, recording: Recording) -> Any:
        """Return the content of an array that a block has not changed, as that block sees it."""
        for known, box in zip(self.arrays, recording.inputs[len(self.places) :]):
            if known is array:
                return box
        return array.content


class _Merge:
    """What two blocks have left in the variables, brought to one form."""

    def __init__(self, state: State, entry: _Entry, blocks: list[Recording]) -> None:
        self.state = state
        self.entry = entry
        self.blocks = blocks
        self.outputs: list[list] = [[], []]  # of each block, the numbers that it hands on
        arrays = {key: array for block in blocks for key, (array, _) in block.contents.items()}
        self.arrays = list(arrays.values())
        self.array_plan = [self._merge_contents(array) for array in self.arrays]
        self.ends: list[dict[int, Mutable]] = [{}, {}]  # what the arrays that are made here are after each block
        self.made: dict[int, Mutable] = {}
        self.places = 0
        self.fillings: list = []  # zeros in place of values that there are none of
        names = (*state.names, "")
        ends = [(*block.values, block.result) for block in blocks]
        self.plan = [self._merge(name, a, b) for name, a, b in zip(names, *ends)]
        self.aliases = Aliases(entry.born)
        for arrays in self.ends:
            self.aliases.add(arrays)

    def _original(self, leaf: Any, block: Recording) -> Any:
        """Return what a placeholder stands for, if `leaf` is one."""
        for box, operand in zip(block.inputs, self.entry.operands):
            if leaf is box:
                return operand
        return leaf

    def _merge_contents(self, array: Mutable) -> Callable:
        ends = []
        for block in self.blocks:
            _, content = block.contents.get(id(array), (array, None))
            ends.append(self.entry.content(array, block) if content is None else content)
        return self._number("an array", *ends)

    def _merge(self, name: str, one: Any, other: Any) -> Callable:
        """Return how the value of a variable follows from the results of `cond`."""
        if isinstance(one, Undefined) or isinstance(other, Undefined):
            return self._half_defined(name, one, other)
        (ones, structure), (others, second) = leaves_of(one), leaves_of(other)
        if structure != second:
            raise differs(self.state, name, one, other, "after one branch and after the other")
        parts = [self._leaf(name, a, b) for a, b in zip(ones, others)]
        return lambda results: structure.unflatten([part(results) for part in parts])

    def _half_defined(self, name: str, one: Any, other: Any) -> Callable:
        if isinstance(one, Undefined) and isinstance(other, Undefined):
            return lambda results: one
        if name.startswith("_mg_"):  # a flag says whether it counts
            given = other if isinstance(one, Undefined) else one
            leaves, structure = leaves_of(given)
            zeros = [_nothing_like(leaf) for leaf in leaves]
            self.fillings += zeros
            filled = structure.unflatten(zeros)
            return self._merge(name, *((filled, other) if isinstance(one, Undefined) else (one, filled)))
        why = f": only one branch of the `if` in line {self.state.line} assigns it, and that one may not have run"
        return lambda results: Undefined(name, why)

    def _leaf(self, name: str, one: Any, other: Any) -> Callable:
        first, second = self._original(one, self.blocks[0]), self._original(other, self.blocks[1])
        if first is second:
            return lambda results: first
        if not is_number(one) or not is_number(other):
            if type(one) is type(other) and one == other:
                return lambda results: one
            raise differs(self.state, name, one, other, "after one branch and after the other")
        plain = not isinstance(one, (Traced, np.ndarray)) and not isinstance(other, (Traced, np.ndarray))
        if plain and type(one) is type(other) and _same(one, other):
            return lambda results: one
        number = self._number(name, *[block.content(end) for block, end in zip(self.blocks, (one, other))])
        if type(one) is not Mutable and type(other) is not Mutable:
            return number
        self.places += 1
        place = self.places
        refusal = ""
        for ends, end in zip(self.ends, (one, other)):
            if type(end) is Mutable:
                ends[place] = end
            elif not any(end is zeros for zeros in self.fillings):
                refusal = shared_array(name, self.state, _WHICH)

        def make(results: tuple) -> Any:
            self.made[place] = assignable(number(results), refusal)
            return self.made[place]

        return make

    def _number(self, name: str, one: Any, other: Any) -> Callable:
        (shape, _), (second, _) = type_of(one), type_of(other)
        if shape != second:
            raise differs(self.state, name, one, other, "after one branch and after the other")
        for end in (one, other):
            if type(end) is Stale:
                return lambda results: end
        dtype = np.result_type(*[end.dtype if hasattr(end, "dtype") else end for end in (one, other)])
        position = len(self.outputs[0])
        for outputs, end in zip(self.outputs, (one, other)):
            outputs.append((end, dtype))
        return lambda results: results[position]

    def bind(self, test: Any) -> tuple:
        """Bind the row `cond`."""
        if not self.outputs[0]:
            return ()
        programs, consts = close(
            [
                block.program(outputs, name)
                for block, outputs, name in zip(self.blocks, self.outputs, ("orelse", "then"))
            ]
        )
        return cond(test, *consts, *self.entry.operands, branches=tuple(programs))

    def restore(self, results: tuple) -> Any:
        """Give the variables their values; return that of the block."""
        for array, plan in zip(self.arrays, self.array_plan):
            exchange(array, plan(results))
        *values, result = [plan(results) for plan in self.plan]
        self.aliases.apply(self.made, dependence(_WHICH, self.state))
        self.state.set(values)
        return result


def _same(one: Any, other: Any) -> bool:
    return one == other and repr(one) == repr(other)


def _nothing_like(leaf: Any) -> Any:
    return np.zeros(*type_of(leaf))[()] if is_number(leaf) else leaf


def _takes_part(content: Any) -> bool:
    """Whether an array is one of the values of a program."""
    return isinstance(content, Traced) and type(content) is not Stale
