"""Staging: run a function on placeholders that know their shape and dtype only, and record its equations.

Any composition of the other modes can run on placeholders: the trace of a gradient is again a program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from mixgrad._errors import StagingError
from mixgrad.core.bind import Trace, Traced
from mixgrad.core.box import Box
from mixgrad.core.interpret import interpret
from mixgrad.core.naming import name_value, renamed
from mixgrad.core.op import TABLE, Kind, Op
from mixgrad.core.program import Equation, Program, Var, remembered, type_of
from mixgrad.modes.twins import Stale
from mixgrad.rules.shape import as_array


class Staged(Box):
    """A placeholder for an array of a running program.

    Attributes
    ----------
    symbol : Var
    weak : bool
        Whether it stands for a number of Python, such as the counter of a loop, which takes the precision of what it
        meets (NEP 50).
    """

    __slots__ = ("symbol", "weak")

    def __init__(self, trace: Staging, var: Var, weak: bool = False) -> None:
        self._trace = trace
        self.symbol = var
        self.weak = weak

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.symbol.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the array."""
        return self.symbol.dtype

    @property
    def inner(self) -> Any:
        """Refuse: there is no value yet."""
        return self.concrete()

    def concrete(self) -> Any:
        """Refuse: there is no value yet."""
        raise StagingError(
            f"the value of an array (shape {self.shape}, {self.dtype}) is not known while a function is being traced, "
            "so it cannot decide an `if` or `while`, count a loop, be printed or become a plain number. Use np.where, "
            "or take the derivative eagerly, without mg.trace."
        )


_active: ContextVar[bool] = ContextVar("mixgrad_staging", default=False)


def is_staging() -> bool:
    """Whether a function is being recorded."""
    return _active.get()


def typed(value: Any) -> Any:
    """Return an array or number that knows its shape and dtype; lists become arrays."""
    return as_array(value)[()] if not hasattr(value, "dtype") else value


class Staging(Trace):
    """One recording."""

    __slots__ = ("equations", "keeps", "names", "token")

    def __init__(self, keeps: bool | None = None) -> None:
        """Begin a recording.

        Parameters
        ----------
        keeps : bool, optional
            Whether ops that are not in the table, rules of users, are recorded like others: in what will be transformed
            further, such as the body of a loop. By default that is a recording inside another one.
        """
        super().__init__()
        self.equations: list[Equation] = []
        self.names: dict[int, str] = {}
        self.keeps = is_staging() if keeps is None else keeps

    def __enter__(self) -> Staging:
        self.token = _active.set(True)
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        _active.reset(self.token)

    def input(self, value: Any, name: str = "") -> Staged:
        """Return a placeholder for an argument: one for a number of Python takes the precision of what it meets."""
        weak = type(value) in (int, float, complex)
        value = typed(value)
        return Staged(self, Var(tuple(value.shape), value.dtype, name), weak)

    def process(self, op: Op, args: tuple, static: dict) -> Any:
        """Record an equation; ops that are not in the table (rules of users) are run on the placeholders."""
        known = TABLE.get(op.name) is op
        if not known and not self.keeps:
            return op.value(*args, **static)
        if op.kind is Kind.NESTED and not self.keeps:
            static = {key: _without_rules_of_users(value) for key, value in static.items()}
        weak = any(type(arg) is Staged and arg.weak for arg in args)
        if weak:
            args, weak = _strengthened(op, args)
        atoms = tuple(self.unpack(arg) for arg in args)
        types = type_of(op, atoms, static) if op.shape is not None else self._tried(op, args, static)
        outs = tuple(Var(shape, dtype) for shape, dtype in types)
        self.equations.append(Equation(outs, op, atoms, static))
        boxes = tuple(Staged(self, out, weak) for out in outs)
        return boxes if op.multiple else boxes[0]

    def _tried(self, op: Op, args: tuple, static: dict) -> list:
        """Return the types of the results of an op that does not tell them: run it, and forget what is recorded."""
        start = len(self.equations)
        outs = op.value(*args, **static)
        for equation in self.equations[start:]:
            if any(isinstance(arg, Traced) and not any(arg is given for given in args) for arg in equation.args):
                raise StagingError(
                    f"{op.name} has a rule of its own and uses, in a loop or branch that is being traced, a value of "
                    "an enclosing function that is traced, too. Pass that value as an argument."
                )
        del self.equations[start:]
        return [(tuple(out.shape), out.dtype) for out in map(typed, outs if op.multiple else (outs,))]

    def unpack(self, value: Any) -> Any:
        """Return the variable of a placeholder; a constant as it is."""
        if isinstance(value, Staged) and value._trace is self:
            return value.symbol
        return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value

    def program(self, inputs: list[Staged], outputs: list, name: str) -> Program:
        """Return what has been recorded."""
        for output in outputs:
            if type(output) is Stale:
                raise output.error()
        program = Program(
            tuple(box.symbol for box in inputs),
            tuple(self.equations),
            tuple(self.unpack(output) for output in outputs),
            name,
        )
        return renamed(program, self.names)


def _strengthened(op: Op, args: tuple) -> tuple[tuple, bool]:
    """Cast numbers of Python to the dtype of what they meet; return whether the result is weak, too."""
    strong = [arg.dtype for arg in args if hasattr(arg, "dtype") and not getattr(arg, "weak", False)]
    if op.kind not in (Kind.ELEMENTWISE, Kind.ZERO):
        return args, False
    if not strong:
        return args, op.kind is not Kind.DISCRETE
    wanted = np.result_type(*strong, *[_like_python(arg) for arg in args if getattr(arg, "weak", False)])
    if np.result_type(*[arg.dtype for arg in args if hasattr(arg, "dtype")]) == wanted:
        return args, False
    return tuple(np.astype(arg, wanted) if getattr(arg, "weak", False) else arg for arg in args), False


def _like_python(arg: Staged) -> Any:
    return {"i": 1, "f": 1.0, "c": 1j}.get(arg.dtype.kind, True)


# Functions inside a function that is recorded -------------------------------------------------------------------------


def trace_body(fun: Callable, templates: Sequence[Any], name: str = "body") -> tuple[Program, list]:
    """Record a function that may use values of runs around it.

    Parameters
    ----------
    fun : callable
        Takes one array for each template; returns a list of arrays.
    templates : sequence
        Things with a shape and a dtype, possibly a name.
    name : str

    Returns
    -------
    program : Program
        Its first inputs stand for the values of other runs that `fun` uses.
    hoisted : list of boxes
        These values.
    """
    (program,), hoisted = close([record_body(fun, templates, name)])
    return program, hoisted


def record_body(fun: Callable, templates: Sequence[Any], name: str = "body") -> Program:
    """Return the program of a function in which values of runs around it are still arguments of equations."""
    with Staging(keeps=True) as staging:
        boxes = [staging.input(template, getattr(template, "name", "")) for template in templates]
        outputs = [typed(out) for out in fun(*boxes)]
    return staging.program(boxes, outputs, name)


def close(programs: Sequence[Program]) -> tuple[list[Program], list]:
    """Replace the values of other runs in programs by additional first inputs, the same ones in all of them.

    Returns
    -------
    programs : list of Program
    hoisted : list of boxes
        What these inputs stand for.
    """
    found: dict[int, Any] = {}
    for program in programs:
        for atom in (*(arg for equation in program.equations for arg in equation.args), *program.outputs):
            if isinstance(atom, Traced):
                found.setdefault(_identity(atom), atom)
    return [_closed(program, found) for program in programs], list(found.values())


def _identity(box: Any) -> int:
    return id(box.symbol if isinstance(box, Staged) else box)


def _closed(program: Program, found: dict[int, Any]) -> Program:
    new = {key: Var(tuple(box.shape), box.dtype, name_of(box)) for key, box in found.items()}

    def atom(old: Any) -> Any:
        return new[_identity(old)] if isinstance(old, Traced) else old

    equations = tuple(Equation(e.outs, e.op, tuple(map(atom, e.args)), e.static) for e in program.equations)
    return Program((*new.values(), *program.inputs), equations, tuple(map(atom, program.outputs)), program.name)


def name_of(value: Any) -> str:
    """Return what the source calls a value, as far as a recording knows."""
    while isinstance(value, Traced) and not isinstance(value, Staged):
        value = value.inner
    if not isinstance(value, Staged):
        return ""
    return value.symbol.name or value._trace.names.get(id(value.symbol), "")  # type: ignore[attr-defined]


@remembered
def without_rules_of_users(program: Program) -> Program:
    """Return a program in which rows of the table take the place of ops that are not in it, by their values."""
    if all(TABLE.get(e.op.name) is e.op and e.op.kind is not Kind.NESTED for e in program.equations):
        return program
    with Staging(keeps=False) as staging:
        boxes = [Staged(staging, Var(var.shape, var.dtype, var.name)) for var in program.inputs]
        outputs = [typed(out) for out in interpret(program, *boxes)]
    return staging.program(boxes, outputs, program.name)


def _without_rules_of_users(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_without_rules_of_users, value))
    return without_rules_of_users(value) if isinstance(value, Program) else value


@name_value.register
def _(value: Staged, name: str) -> Staged:
    if not value.symbol.name:
        value._trace.names.setdefault(id(value.symbol), name)
    return value
