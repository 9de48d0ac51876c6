"""The variables of a block of rewritten code: reading them, running the block on placeholders, putting results back."""

from __future__ import annotations

import contextlib
import traceback
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import optree

from mixgrad._errors import StagingError
from mixgrad.core.bind import Traced, captured_by
from mixgrad.core.program import Program, Var
from mixgrad.modes.mutable import Mutable, exchange, present_time, watched_writes
from mixgrad.modes.trace import Staged, Staging, name_of
from mixgrad.program.reading.foreign import is_foreign_module

_CALLABLES = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType)
_NUMBERS = (bool, int, float, complex, np.ndarray, np.generic)


class Undefined:
    """The value of a variable that has none."""

    __slots__ = ("name", "why")

    def __init__(self, name: str, why: str = "") -> None:
        self.name = name
        self.why = why

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise UnboundLocalError(
            f"cannot access {self.name if ' ' in self.name else f'variable {self.name!r}'} where it is not associated "
            f"with a value{self.why}"
        )

    def __getattr__(self, name: str) -> Any:
        return self._refuse()

    __call__ = __iter__ = __getitem__ = __len__ = __bool__ = __float__ = __int__ = __index__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = _refuse
    __neg__ = __pos__ = __abs__ = __lt__ = __le__ = __gt__ = __ge__ = __array_ufunc__ = __array_function__ = _refuse


class State:
    """The variables that a block may change (the first `changed` of `names`), and those that it reads.

    Lists and dicts that it reads count as changed, for they have methods that change them, and so do the attributes of
    objects of the user's classes: ``total`` of an object in variable ``a`` is the variable ``a.total``.

    Attributes
    ----------
    names : list of str
    changed : int
    line : int
        Of the statement in the user's text.
    """

    def __init__(self, get: Callable, set: Callable, names: tuple[str, ...], changed: int, line: int) -> None:
        self._get = get
        self._set = set
        self.line = line
        values = get()
        first = [i for i, value in enumerate(values) if i < changed or isinstance(value, (list, dict))]
        rest = [i for i in range(len(values)) if i not in first]
        self._objects = _objects_in(zip(names, values))
        attributes = [(name, owner, key) for name, owner in self._objects for key in vars(owner)]
        self._attributes = [(owner, key) for _, owner, key in attributes]
        self._order = first + rest
        self._middle = len(first)
        self.changed = len(first) + len(attributes)
        self.names = [names[i] for i in first] + [f"{name}.{key}" for name, _, key in attributes]
        self.names += [names[i] for i in rest]

    def get(self) -> list:
        """Return the values of all of them."""
        values = self._get()
        ordered = [values[i] for i in self._order]
        if self._objects:
            known = {id(owner): vars(owner) for _, owner in self._objects}
            count = sum(map(len, known.values()))
            if count != len(self._attributes):
                raise StagingError(f"line {self.line}: the block gives an object new attributes; set them before it")
            ordered[self._middle : self._middle] = [known[id(owner)][key] for owner, key in self._attributes]
        return ordered

    def set(self, values: Sequence[Any]) -> None:
        """Assign all of them."""
        count = len(self._attributes)
        plain = [*values[: self._middle], *values[self._middle + count :]]
        ordered = [None] * len(plain)
        for i, value in zip(self._order, plain):
            ordered[i] = value
        self._set(ordered)
        for owner, _ in self._attributes:
            vars(owner).clear()
        for (owner, key), value in zip(self._attributes, values[self._middle :]):
            vars(owner)[key] = value


def _objects_in(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the objects of the user's classes in variables, and in their attributes, each once."""
    found: dict[int, tuple[str, Any]] = {}
    stack = list(pairs)
    while stack:
        name, value = stack.pop()
        kind = type(value)
        if is_foreign_module(kind.__module__) or isinstance(value, (Traced, type, *_CALLABLES)):
            continue
        if id(value) not in found and hasattr(value, "__dict__"):
            found[id(value)] = name, value
            stack += [(f"{name}.{key}", part) for key, part in vars(value).items()]
    return list(found.values())


NOTHING = State(lambda: (), lambda values: None, (), 0, 0)
"""The state of an expression, which changes no variable."""


def unknown(value: Any) -> bool:
    """Whether the plain value of something is known only when a program runs."""
    while isinstance(value, Traced):
        if type(value) is Staged:
            return True
        value = value.inner
    return False


def is_number(leaf: Any) -> bool:
    """Whether a leaf is a number or an array, traced or not."""
    return isinstance(leaf, (Traced, *_NUMBERS))


def leaves_of(value: Any) -> tuple[list, Any]:
    """Return the leaves of lists, tuples and dicts, and their structure; other objects are leaves."""
    return optree.tree_flatten(value, none_is_leaf=True)


def arrays_in(leaves: Sequence[Any]) -> list[Mutable]:
    """Return the arrays that hold the elements of assignable arrays among `leaves`, each once."""
    return list({id(leaf.base): leaf.base for leaf in leaves if type(leaf) is Mutable}.values())


def _assignable(values: Sequence[Any]) -> list[Mutable]:
    return [leaf for value in values for leaf in leaves_of(value)[0] if type(leaf) is Mutable]


class Recording:
    """One run of a block on placeholders.

    Attributes
    ----------
    staging : Staging
    inputs : list of Staged
        The placeholders.
    result : object
        What the block returned.
    values : tuple
        Of the variables, when it was done.
    contents : dict
        The assignable arrays from before that the block has written to, and their new contents, by identity.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.staging = Staging()
        self.born = present_time()
        self.inputs: list[Staged] = []
        self.result: Any = None
        self.values: tuple = ()
        self.contents: dict[int, tuple[Mutable, Any]] = {}
        self._lent: dict[int, Any] = {}

    def placeholder(self, like: Any, weak: bool = False, name: str = "") -> Staged:
        """Return a new placeholder for a number or an array; it is called `name`, or as what it stands for."""
        box = Staged(self.staging, Var(*type_of(like), name or name_of(like)), weak)
        self.inputs.append(box)
        return box

    def run(
        self, body: Callable, values: Sequence[Any], contents: Sequence[tuple[Mutable, Any]], certain: bool = False
    ) -> Recording:
        """Run the block with these values and contents; afterwards everything is as it was before.

        Unless it is `certain` that the running program comes to this block, everything that it does belongs to the
        program; otherwise what does not depend on the placeholders is done outside, once.
        """
        before = self.state.get()
        capture = contextlib.nullcontext() if certain else captured_by(self.staging)
        with self.staging, watched_writes() as written, capture:
            try:
                for array, content in contents:
                    exchange(array, content)
                self.state.set(values)
                self.result = body()
                self.values = self.state.get()
                self._lent = {
                    id(y): y.lend() for y in _assignable((*self.values, self.result)) if id(y.base) in written
                }
                self.contents = {key: (array, array.content) for key, (array, _) in written.items()}
                for key, (_, content) in zip([id(array) for array, _ in contents], contents):
                    if self.contents[key][1] is content:
                        del self.contents[key]
            finally:
                for array, old in written.values():
                    exchange(array, old)
                self.state.set(before)
            return self

    def content(self, leaf: Any) -> Any:
        """Return a leaf that the block has left; of an assignable array its content at that time."""
        if type(leaf) is not Mutable:
            return leaf
        return self._lent[id(leaf)] if id(leaf) in self._lent else leaf.lend()

    def program(self, outputs: Sequence[tuple[Any, np.dtype]], name: str) -> Program:
        """Return the recorded program with these outputs; values from outside are still arguments of its equations."""
        self.staging.alive = True
        try:
            return self.staging.program(self.inputs, [cast(*output) for output in outputs], name)
        finally:
            self.staging.alive = False


def is_weak(value: Any) -> bool:
    """Whether a value is a number of Python, or stands for one."""
    return type(value) in (int, float, complex) or (type(value) is Staged and value.weak)


def type_of(value: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype."""
    if isinstance(value, (Traced, np.ndarray, np.generic)):
        return tuple(value.shape), np.dtype(value.dtype)
    return (), np.asarray(value).dtype


def cast(value: Any, dtype: np.dtype) -> Any:
    """Return a number or array in another dtype."""
    if not hasattr(value, "dtype"):
        return np.asarray(value, dtype)[()]
    return value if value.dtype == dtype else np.astype(value, dtype)


def describe(value: Any) -> str:
    """Return what a value is, for messages."""
    if isinstance(value, Undefined):
        return "no value"
    if is_number(value):
        shape, dtype = type_of(value)
        return f"an array of shape {shape}, {dtype}" if shape else f"a number ({dtype})"
    return f"{type(value).__name__} {value!r}" if isinstance(value, (str, type(None))) else type(value).__name__


def differs(state: State, name: str, one: Any, other: Any, where: str) -> StagingError:
    """Return the error for a variable that is one thing here and another there."""
    what = f"variable {name}" if name else "the value"
    place = f"line {state.line}: " if state.line else ""
    return StagingError(
        f"{place}{what} is {describe(one)} {where} {describe(other)}; when the choice is made by a value "
        "that is only known when the program runs, both must have the same structure and shape. Give it the same kind "
        "of value in both, or use mg.stop_gradient and plain numbers for what is not differentiated."
    )


def dependence(what: str, state: State) -> str:
    """Return what something depends on, with its line, for messages."""
    return f"{what} (line {state.line})" if state.line else what


def shared_array(name: str, state: State, what: str) -> str:
    """Return why an array must not be written to: which other array would change depends on the running program."""
    return (
        f"{name or 'an array'} cannot be written to here: whether it is a view of another array, or the same one, "
        f"depends on {dependence(what, state)}, and that is only known when the program runs. Write to a copy: "
        "y = y.copy()."
    )


def place_of(error: BaseException) -> str:
    """Return where in the user's text an error arose."""
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not is_foreign_module(frame.f_globals.get("__name__", "")):
            found = f'File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}: '
            break
    return found
