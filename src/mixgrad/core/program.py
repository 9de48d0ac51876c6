"""A computation as data: typed equations in single assignment.

A `Program` is frozen. Whatever changes one makes another: transformations are traces of interpreters, rewrites return
new programs. `check` says whether one is well formed, and runs after every pass in tests.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mixgrad._errors import ProgramError
from mixgrad.core.bind import Traced
from mixgrad.core.op import Op


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    """A value of a program, known by its identity: assigned once, of a fixed shape and dtype.

    Attributes
    ----------
    shape : tuple of int
        A length of -1 is known only when the program runs: that of what a `while` has stacked.
    dtype : np.dtype
    name : str
        What the source calls it; empty if nothing does.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    name: str = ""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)


Atom = Any
"""An argument of an equation: a `Var`, an array, or a number."""


@dataclass(frozen=True, slots=True, eq=False)
class Equation:
    """``outs = op(*args, **static)``.

    Attributes
    ----------
    outs : tuple of Var
        One, or several if the op has several results.
    op : Op
    args : tuple of Var, array or number
    static : mapping
        Everything about the operation that is no array.
    """

    outs: tuple[Var, ...]
    op: Op
    args: tuple[Atom, ...]
    static: Mapping[str, Any] = field(default_factory=dict)

    def variables(self) -> Iterator[Var]:
        """Yield the arguments that are variables."""
        return (arg for arg in self.args if isinstance(arg, Var))


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Program:
    """Inputs, equations in an order in which they can run, and outputs.

    Attributes
    ----------
    inputs : tuple of Var
    equations : tuple of Equation
    outputs : tuple of Var, array or number
    name : str
        Of the function it came from.
    """

    inputs: tuple[Var, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]
    name: str = "program"

    def __len__(self) -> int:
        return len(self.equations)

    if TYPE_CHECKING:  # what `mixgrad.program` gives to programs, two floors above: for editors and type checkers

        def to_python(self, strict: bool = False, summary: str = "") -> str:
            """Return the program as a module that needs NumPy alone."""
            ...

        def to_dot(self, *args: Any, sweep: Any = None, **options: Any) -> str:
            """Return the computational graph for Graphviz."""
            ...

        def to_svg(self, *args: Any, sweep: Any = None, **options: Any) -> str:
            """Return the computational graph as SVG."""
            ...

        def show(self, *args: Any, sweep: Any = None, **options: Any) -> Any:
            """Return a picture of the computational graph, which notebooks draw."""
            ...


def remembered(function: Callable) -> Callable:
    """Remember the results of a function of a program, and of hashable further arguments, as long as the program lives.

    The results must not refer to the program, except that it may be the result itself.
    """
    known: weakref.WeakKeyDictionary[Program, dict[tuple, Any]] = weakref.WeakKeyDictionary()

    @functools.wraps(function)
    def remembering(program: Program, *args: Any) -> Any:
        results = known.setdefault(program, {})
        if args not in results:
            result = function(program, *args)
            results[args] = _ITSELF if result is program else result
        result = results[args]
        return program if result is _ITSELF else result

    return remembering


_ITSELF = object()


def programs_in(static: Mapping[str, Any]) -> Iterator[Program]:
    """Yield the programs in the static data of an equation."""
    for value in static.values():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Program):
                yield part


def fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a shape is the wanted one, where lengths of -1 may be any."""
    if shape == wanted:
        return True
    return len(shape) == len(wanted) and all(n == m or -1 in (n, m) for n, m in zip(shape, wanted))


def type_of(op: Op, args: tuple[Atom, ...], static: Mapping[str, Any]) -> list[tuple[tuple[int, ...], np.dtype]]:
    """Return shape and dtype of each result of an equation, by the rules of its row."""
    if op.shape is None:
        raise ProgramError(f"{op.name} has no rule for the shape of its result, so it cannot be in a program")
    shapes, dtypes = op.shape(*args, **static), op.result_dtype(*args, **static)
    return list(zip(shapes, dtypes)) if op.multiple else [(tuple(shapes), dtypes)]


def check(program: Program) -> Program:
    """Return the program if it is well formed; raise ProgramError otherwise.

    Every variable is assigned once and before it is used, and has the shape and dtype that the row of its op says.
    Nested programs are well formed, too, and fit the arguments they are given.
    """
    known: set[int] = set()

    def define(var: Var) -> None:
        if id(var) in known:
            raise ProgramError(f"{program.name}: variable {var.name or 'without name'} is assigned twice")
        known.add(id(var))

    for var in program.inputs:
        define(var)
    for number, equation in enumerate(program.equations):
        where = f"{program.name}, equation {number} ({equation.op.name})"
        for arg in equation.variables():
            if id(arg) not in known:
                raise ProgramError(f"{where}: argument {arg.name or 'without name'} is used before it is assigned")
        if any(isinstance(arg, Traced) for arg in equation.args):
            raise ProgramError(f"{where}: an argument is a value of another run, neither a variable nor a constant")
        for nested in programs_in(equation.static):
            check(nested)
        if equation.op.check is not None:
            equation.op.check(equation.args, **equation.static)
        expected = type_of(equation.op, equation.args, equation.static)
        found = [(out.shape, out.dtype) for out in equation.outs]
        if found != expected:
            raise ProgramError(f"{where}: results have the types {found}, the row says {expected}")
        for out in equation.outs:
            define(out)
    for output in program.outputs:
        if isinstance(output, Var) and id(output) not in known:
            raise ProgramError(f"{program.name}: output {output.name or 'without name'} is never assigned")
    return program
