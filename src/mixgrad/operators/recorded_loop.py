"""A loop of rewritten code as one equation: its body is recorded once, whatever the number of steps.

What the loop carries from step to step is found out by recording the body: first with what the variables hold before
the loop, then again for as long as a step leaves other types, or other arrays, than it has met.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from mixgrad._errors import StagingError
from mixgrad.core.bind import Traced
from mixgrad.core.naming import name_value
from mixgrad.core.program import Program
from mixgrad.modes.budget import budget_of
from mixgrad.modes.mutable import Mutable, assignable, forget_twins
from mixgrad.modes.trace import Staged, close, name_of
from mixgrad.modes.twins import Stale
from mixgrad.operators.branches import maybe, truth
from mixgrad.operators.loop_arrays import LoopArrays, Place, zeros
from mixgrad.operators.sequences import Sequence
from mixgrad.operators.state import (
    Recording,
    State,
    Undefined,
    arrays_in,
    cast,
    dependence,
    differs,
    is_number,
    is_weak,
    leaves_of,
    shared_array,
    type_of,
)
from mixgrad.rules.control import loop

_STEP = "before the loop and after a step"
_STEPS = "how often a loop has run"


@dataclasses.dataclass
class _Name:
    """A variable that the loop may change: its leaves before the first step."""

    name: str
    value: Any
    leaves: list
    structure: Any


class _Again(Exception):
    """The body has shown that the carried values have other types, or are other arrays, than assumed: record again."""


class RecordedLoop:
    """The recording of one loop.

    Parameters
    ----------
    state : State
        The variables.
    test : callable or None
        Whether to make another step.
    body : callable
        Takes an element of `items`, if there are any.
    items : Sequence or None
    certain : bool
        Whether there is a first step.
    target : str
        The variable that the elements are assigned to, if it is a single one.
    """

    def __init__(
        self,
        state: State,
        test: Callable | None,
        body: Callable,
        items: Sequence | None,
        certain: bool,
        target: str = "",
    ) -> None:
        self.state = state
        self.test = test
        self.body = body
        self.items = items
        self.certain = certain
        self.target = target
        self.values = list(state.get())
        self.names = [_Name(n, v, *leaves_of(v)) for n, v in zip(state.names[: state.changed], self.values)]
        leaves = [leaf for name in self.names for leaf in name.leaves]
        self.arrays = LoopArrays(arrays_in(leaves), certain, dependence(_STEPS, state))
        self.types: dict[Place, tuple] = {}  # shape and dtype that the loop carries
        for i, name in enumerate(self.names):
            for j, leaf in enumerate(name.leaves):
                if is_number(leaf) and type(leaf) is not Mutable:
                    self.types[i, j] = type_of(leaf)
        # Those that are numbers of Python before the loop and after each step.
        self.weak = {(i, j) for i, j in self.types if is_weak(self.names[i].leaves[j])}
        self.fresh: dict[Place, tuple] = {}  # first assigned in the body

    # Recording ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Record the loop, bind it, and give the variables their values."""
        for _ in range(20):
            try:
                body, outputs = self._record_body()
            except _Again:
                continue
            self._bind(body, outputs)
            return
        raise StagingError(f"line {self.state.line}: the types of the variables of this loop keep changing")

    def _enter(self, recording: Recording) -> tuple[list, list, Any]:
        """Return values and contents for one run on placeholders, and the counter."""
        counter = None if self.items is None else recording.placeholder(np.int64(0), weak=True)
        values = list(self.values)
        for i, name in enumerate(self.names):
            leaves = list(name.leaves)
            for j in range(len(leaves)):
                if (i, j) in self.types:
                    shape, dtype = self.types[i, j]
                    leaves[j] = recording.placeholder(zeros(shape, dtype), (i, j) in self.weak, _text_name(name.name))
            values[i] = name.structure.unflatten(leaves)
        contents, known = self.arrays.enter(recording, self._name_of)
        _replace(values, known)
        for (i, _), (shape, dtype) in self.fresh.items():
            recording.placeholder(zeros(shape, dtype), name=_text_name(self.names[i].name))
        self.entered = [leaves_of(value)[0] for value in values]  # now: the block may change lists in place
        return values, contents, counter

    def _name_of(self, array: Mutable, place: Place | None = None) -> str:
        """Return what the program calls an array: the variable that it is in, or the name of its content."""
        found = _text_name(self.names[place[0]].name) if place else ""
        leaves = [(name.name, leaf) for name in self.names for leaf in name.leaves if type(leaf) is Mutable]
        found = found or next((_text_name(name) for name, leaf in leaves if leaf.base is array.base), "")
        return found or ("" if type(array.content) is Stale else name_of(array.content))

    def _record_body(self) -> tuple[Recording, list]:
        recording = Recording(self.state)
        self.unchanged: set[Place] = set()
        self.arrays.ends = {}
        values, contents, counter = self._enter(recording)
        self._item: Any = None

        def body() -> Any:
            if self.items is None:
                self.body()
                return None
            self._item = self.items.at(counter)
            self.body(self._item)
            return counter + 1

        certain = self.test is None and self.certain
        try:
            with contextlib.nullcontext() if certain else maybe():
                recording.run(body, values, contents, certain)
            return recording, self._outputs(recording, counter)
        finally:
            forget_twins(self.arrays.born)

    # What the body has left -----------------------------------------------------------------------------------------

    def _outputs(self, recording: Recording, counter: Any) -> list:
        """Return the carried values after a step, in the order of the placeholders; or ask for another recording."""
        again = False
        outputs: list = [] if counter is None else [(recording.result, np.dtype(np.int64))]
        self.recording = recording
        fresh: dict[Place, tuple] = {}
        late: list = []
        for i, name in enumerate(self.names):
            after = recording.values[i]
            if isinstance(name.value, Undefined):
                self._new_variable(i, name, after, fresh, late)
                continue
            leaves, structure = leaves_of(after)
            if structure != name.structure:
                raise differs(self.state, name.name, name.value, after, _STEP)
            for j, (leaf, was) in enumerate(zip(leaves, self.entered[i])):
                again |= self._leaf(i, j, name, leaf, was, outputs)
        again |= self.arrays.learn(recording)
        if again or fresh != self.fresh:
            self.fresh = fresh
            self.arrays.drop_replaced(recording)
            raise _Again
        return outputs + list(self.arrays.outputs(recording)) + late

    def _leaf(self, i: int, j: int, name: _Name, leaf: Any, was: Any, outputs: list) -> bool:
        """Look at one leaf of a variable after a step; return whether to record again."""
        before = name.leaves[j]
        if type(before) is Mutable:
            if leaf is was and (i, j) not in self.arrays.rebound:
                return False
            if type(leaf) is not Mutable or leaf.shape != before.shape:
                raise differs(self.state, name.name, before, leaf, _STEP)
            return self.arrays.rebind((i, j), before, leaf)
        if (i, j) not in self.types:
            if leaf is was or (type(leaf) is type(was) and not is_number(leaf) and leaf == was):
                return False
            raise differs(self.state, name.name, before, leaf, _STEP)
        if not is_number(leaf):
            raise differs(self.state, name.name, before, leaf, _STEP)
        if (i, j) in self.weak and not is_weak(leaf):
            self.weak.discard((i, j))
            self.types[i, j] = type_of(leaf)
            return True
        shape, dtype = self.types[i, j]
        new_shape, new_dtype = type_of(leaf)
        new_dtype = np.result_type(dtype, leaf.dtype if hasattr(leaf, "dtype") else leaf)
        if new_shape != shape and (shape != () or isinstance(before, Traced) or not self.certain):
            raise differs(self.state, name.name, before, leaf, _STEP)
        if leaf is was:
            self.unchanged.add((i, j))
        self.types[i, j] = new_shape, new_dtype
        outputs.append((self._content(i, j, leaf), new_dtype))
        return new_dtype != dtype or new_shape != shape

    def _new_variable(self, i: int, name: _Name, after: Any, fresh: dict, late: list) -> None:
        """Carry a variable that the body assigns first, if there is certainly a step that does."""
        if isinstance(after, Undefined) or not (self.certain or name.name.startswith("_mg_")):
            return
        if name.name == self.target and self.test is None and after is self._item:
            return
        leaves, _ = leaves_of(after)
        for j, leaf in enumerate(leaves):
            if is_number(leaf):
                fresh[i, j] = type_of(leaf)
                late.append((self._content(i, j, leaf), type_of(leaf)[1]))

    def _content(self, i: int, j: int, leaf: Any) -> Any:
        """Return the number that a place which held no assignable array holds after a step; note it if it holds one."""
        content = self.recording.content(leaf)
        if type(leaf) is Mutable:
            self.arrays.ends[i, j] = leaf
            if type(content) is Stale:
                raise content.error()
        return content

    # Binding --------------------------------------------------------------------------------------------------------

    def _bind(self, recording: Recording, outputs: list) -> None:
        programs = [recording.program(outputs, "body")]
        length = None
        if self.test is None and self.items is not None and self.items.known:
            length = len(self.items)
        else:
            programs.append(self._record_test())
        (body, *test), consts = close(programs)
        memory = budget_of()
        results = loop(
            *consts, *self._inits(), test=test[0] if test else None, body=body, consts=len(consts),
            carry=len(recording.inputs), length=length, reverse=False, **({} if memory is None else {"memory": memory}),
        )  # fmt: skip
        self._restore(list(results), recording)

    def _inits(self) -> list:
        inits: list = [] if self.items is None else [np.int64(0)]
        for (i, j), (shape, dtype) in self.types.items():
            value = cast(self.names[i].leaves[j], dtype)
            inits.append(value if np.shape(value) == shape else np.broadcast_to(value, shape))
        inits += self.arrays.inits()
        inits += [np.zeros(shape, dtype)[()] for shape, dtype in self.fresh.values()]
        return inits

    def _record_test(self) -> Program:
        recording = Recording(self.state)
        values, contents, counter = self._enter(recording)

        def test() -> Any:
            go = True if self.test is None else self.test()
            if self.items is not None:
                more = counter < self.items.length
                go = more if go is True else np.logical_and(more, go)
            return truth(go) if isinstance(go, Traced) else np.bool_(bool(go))

        try:
            with maybe():
                recording.run(test, values, contents)
        finally:
            forget_twins(self.arrays.born)
        return recording.program([(recording.result, np.dtype(bool))], "test")

    def _restore(self, results: list, recording: Recording) -> None:
        """Give the variables and arrays their values after the loop."""
        for result, box in zip(results, recording.inputs):
            if box.symbol.name:
                name_value(result, box.symbol.name)
        rest = iter(results if self.items is None else results[1:])
        values = list(self.values)
        carried = {place: next(rest) for place in self.types}
        self.arrays.leave(rest, recording)
        new = {place: next(rest) for place in self.fresh}
        for i, name in enumerate(self.names):
            if isinstance(name.value, Undefined):
                values[i] = self._after(i, name, recording, new)
            else:
                leaves = list(name.leaves)
                for j in range(len(leaves)):
                    if (i, j) in carried and (i, j) not in self.unchanged:
                        leaves[j] = self._put_back((i, j), carried[i, j], name.leaves[j])
                        if (i, j) in self.weak and type(leaves[j]) is Staged:
                            leaves[j].weak = True
                values[i] = name.structure.unflatten(leaves)
        _replace(values, {place: self.arrays.made[place] for place in self.arrays.rebound})
        self.arrays.relate()
        self.state.set(values)

    def _after(self, i: int, name: _Name, recording: Recording, new: dict) -> Any:
        """Return the value of a variable that the loop has assigned first."""
        after = recording.values[i]
        known = self.test is None and self.items is not None and self.items.known
        if known and name.name == self.target and after is self._item:
            return self.items.last()  # type: ignore[union-attr]
        if isinstance(after, Undefined):
            return name.value
        if not (self.certain or name.name.startswith("_mg_")):
            return Undefined(name.name, f": the loop in line {self.state.line} assigns it, and may make no step")
        leaves, structure = leaves_of(after)
        for j in range(len(leaves)):
            if (i, j) in new:
                leaves[j] = self._put_back((i, j), new[i, j])
        return structure.unflatten(leaves)

    def _put_back(self, place: Place, value: Any, before: Any = None) -> Any:
        """Return a value of the loop as the body has left it: assignable if it was."""
        if place not in self.arrays.ends:
            return value
        shared = not self.certain and np.ndim(before) > 0
        self.arrays.made[place] = assignable(value, shared_array("an array", self.state, _STEPS) if shared else "")
        return self.arrays.made[place]


def _text_name(name: str) -> str:
    """Return a name for the text of programs; flags that the rewriting has added have none."""
    return "" if name.startswith("_mg_") else name.replace(".", "_")


def _replace(values: list, arrays: dict[tuple[int, int], Mutable]) -> None:
    """Put arrays into places (variable, leaf)."""
    for (i, j), array in arrays.items():
        leaves, structure = leaves_of(values[i])
        leaves[j] = array
        values[i] = structure.unflatten(leaves)
