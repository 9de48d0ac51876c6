"""Random programs as data: a list of statements that prints as NumPy source, and runs as what it prints.

A program takes one argument, an array or a container of arrays, and returns one or several arrays. `Program.function`
is the printed source, compiled: plain Python on whatever it is given, arrays or boxes. `observe` runs the statements
one by one on plain arrays and says what is known about the point (`Facts`).
"""

from __future__ import annotations

import functools
import itertools
import linecache
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

import mixgrad as mg

from .form import MARGIN, Facts, Form

NAMES = {"np": np, "mg": mg, "special": special}
_files = itertools.count(1)

LARGEST = 1e3
"""Numbers of a program are smaller than this in magnitude, but for special values..."""

HUGE = 1e100
"""... which are larger than this."""


class InvalidProgram(Exception):
    """The program leaves the domain of one of its statements, or NumPy refuses it."""


# Statements ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assign:
    """``target = text``, the text with the names of the operands in place of ``{0}`` and ``{1}``."""

    target: str
    form: Form
    text: str
    operands: tuple[str, ...]

    @property
    def reads(self) -> frozenset[str]:
        return frozenset(self.operands)

    @property
    def expression(self) -> str:
        return self.text.format(*self.operands)

    def lines(self) -> list[str]:
        return [f"{self.target} = {self.expression}"]

    def run(self, scope: dict, facts: Facts) -> None:
        value = checked(evaluate(self.expression, scope))
        facts.note(self.form, self.text, self.operands, [scope[name] for name in self.operands], self.target)
        scope[self.target] = value


@dataclass(frozen=True)
class Condition:
    """``measure > threshold``, where the measure is a function of one variable."""

    measure: str
    operand: str
    threshold: float

    @property
    def text(self) -> str:
        return f"{self.measure.format(self.operand)} > {self.threshold}"

    def holds(self, scope: dict, facts: Facts) -> bool:
        value = float(evaluate(self.measure.format(self.operand), scope))
        facts.batch = False
        facts.analytic = facts.analytic and "abs" not in self.measure
        if abs(value - self.threshold) < MARGIN:
            facts.corner([self.operand])
        return value > self.threshold


@dataclass(frozen=True)
class If:
    """A branch on a value; both arms set `target`, to their last statement's value."""

    target: str
    condition: Condition
    arms: tuple[tuple[Any, ...], tuple[Any, ...]]
    results: tuple[str, str]

    @property
    def reads(self) -> frozenset[str]:
        arms = zip(self.arms, self.results, strict=True)
        return frozenset({self.condition.operand}).union(*(reads_of(arm, result) for arm, result in arms))

    def lines(self) -> list[str]:
        head = [f"if {self.condition.text}:", "else:"]
        return [
            line
            for word, arm, result in zip(head, self.arms, self.results)
            for line in (word, *indent([*lines_of(arm), f"{self.target} = {result}"]))
        ]

    def run(self, scope: dict, facts: Facts) -> None:
        which = 0 if self.condition.holds(scope, facts) else 1
        for statement in self.arms[which]:
            statement.run(scope, facts)
        scope[self.target] = scope[self.results[which]]
        facts.pass_on(self.target, self.results[which])


@dataclass(frozen=True)
class Loop:
    """A loop that carries `target`, from the value of `start`: ``for`` if `condition` is None, otherwise ``while``.

    Its last line is a contraction, so that every such loop ends and stays in range.
    """

    target: str
    start: str
    count: int
    condition: Condition | None
    body: tuple[Any, ...]
    result: str

    @property
    def reads(self) -> frozenset[str]:
        return (reads_of(self.body, self.result) - {self.target}) | {self.start}

    @property
    def step(self) -> str:
        return f"0.5 * {self.target} + 0.2 * np.sin({self.result})"

    def lines(self) -> list[str]:
        head = f"for i in range({self.count}):" if self.condition is None else f"while {self.condition.text}:"
        return [f"{self.target} = {self.start}", head, *indent([*lines_of(self.body), f"{self.target} = {self.step}"])]

    def run(self, scope: dict, facts: Facts) -> None:
        scope[self.target] = scope[self.start]
        facts.pass_on(self.target, self.start)
        trips = 0
        while trips < self.count if self.condition is None else self.condition.holds(scope, facts):
            for statement in self.body:
                statement.run(scope, facts)
            scope[self.target] = checked(evaluate(self.step, scope))
            facts.pass_on(self.target, self.result)
            trips += 1
            if trips > 40:
                raise InvalidProgram("a loop does not end")


Statement = Assign | If | Loop


def reads_of(statements: tuple, *results: str) -> frozenset[str]:
    """Return the variables that some statements, and then their results, need from outside."""
    free: set[str] = set()
    made: set[str] = set()
    for statement in statements:
        free |= statement.reads - made
        made.add(statement.target)
    return frozenset(free | (set(results) - made))


def lines_of(statements: tuple) -> list[str]:
    """Return the source lines of some statements."""
    return [line for statement in statements for line in statement.lines()]


def indent(lines: list[str]) -> list[str]:
    """Return lines one level further in."""
    return [f"    {line}" for line in lines]


# Running ------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str):
    return compile(expression, "<statement>", "eval")


def evaluate(expression: str, scope: dict) -> Any:
    """Return the value of an expression, on plain arrays."""
    try:
        return eval(_compiled(expression), {**NAMES, **scope})
    except Exception as error:  # whatever NumPy finds wrong with the operands
        raise InvalidProgram(f"{type(error).__name__}: {error}") from error


def checked(value: Any) -> Any:
    """Return the value of a statement; refuse what is no array of reasonable floats."""
    if getattr(value, "dtype", np.dtype(object)).kind != "f":
        raise InvalidProgram(f"{type(value).__name__} is no array of floats")
    size = np.abs(value)
    if value.size > 60 or value.ndim > 3 or np.isnan(value).any():
        raise InvalidProgram("nan, or too many elements")
    if np.any((size > LARGEST) & (size < HUGE)):
        raise InvalidProgram("a number too large")
    return value


# Programs -----------------------------------------------------------------------------------------------------------

LAYOUTS: dict[str, Callable] = {
    "bare": lambda arrays: next(iter(arrays.values())),
    "tuple": lambda arrays: tuple(arrays.values()),
    "dict": dict,
    "nested": lambda arrays: {"first": next(iter(arrays.values())), "rest": list(arrays.values())[1:]},
}
"""How the inputs are put into one argument."""


@dataclass(frozen=True)
class Program:
    """A program and its point.

    Attributes
    ----------
    seed : int
    inputs : dict of str to array
    layout : str
        See `LAYOUTS`.
    statements : tuple of statements
    outputs : tuple of str
        The variables returned.
    """

    seed: int
    inputs: dict[str, Any]
    layout: str
    statements: tuple[Statement, ...]
    outputs: tuple[str, ...]

    @functools.cached_property
    def argument(self) -> Any:
        """The point, as the function takes it."""
        return self.pack(self.inputs)

    def pack(self, arrays: dict[str, Any]) -> Any:
        """Return arrays by name as the function's argument."""
        return LAYOUTS[self.layout](arrays)

    @property
    def source(self) -> str:
        """The source of the function."""
        return "\n".join([*self._head(), *indent([*lines_of(self.statements), self._return()])]) + "\n"

    def _head(self) -> list[str]:
        names = list(self.inputs)
        if self.layout == "bare":
            return [f"def program({names[0]}):"]
        unpack = {
            "tuple": f"({', '.join(names)},) = inputs",
            "dict": "; ".join(f"{name} = inputs[{name!r}]" for name in names),
            "nested": f"{names[0]}, [{', '.join(names[1:])}] = inputs['first'], inputs['rest']",
        }
        return ["def program(inputs):", f"    {unpack[self.layout]}"]

    def _return(self) -> str:
        if len(self.outputs) == 1:
            return f"return {self.outputs[0]}"
        if self.seed % 2:
            return "return {" + ", ".join(f"'out{i}': {name}" for i, name in enumerate(self.outputs)) + "}"
        return f"return {', '.join(self.outputs)}"

    @functools.cached_property
    def function(self) -> Callable:
        """The printed source, compiled; `inspect.getsource` knows it, too."""
        source = self.source
        file = f"<program {self.seed}, {next(_files)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        names: dict[str, Any] = {**NAMES, "__name__": "program"}
        exec(compile(source, file, "exec"), names)
        return names["program"]

    def observe(self, inputs: dict[str, Any] | None = None) -> Facts:
        """Run the statements one by one on plain arrays; return what is known about the point.

        Raises
        ------
        InvalidProgram
            If the program does not run there, or leaves a domain.
        """
        facts = Facts()
        scope = dict(self.inputs if inputs is None else inputs)
        with np.errstate(all="ignore"):
            for statement in self.statements:
                statement.run(scope, facts)
        if not scope.keys() >= set(self.outputs):
            raise InvalidProgram("an output is missing")
        if not facts.valid:
            raise InvalidProgram("a statement leaves its domain")
        return facts

    def without_dead_code(self) -> Program:
        """Return the program without statements that no output needs."""
        needed = set(self.outputs)
        kept = []
        for statement in reversed(self.statements):
            if statement.target in needed:
                needed |= statement.reads
                kept.append(statement)
        return replace(self, statements=tuple(reversed(kept)))

    def __str__(self) -> str:
        container = LAYOUTS[self.layout]({name: _Literal(value) for name, value in self.inputs.items()})
        argument = f"{'x' if self.layout == 'bare' else 'inputs'} = {container!r}"
        more = "from scipy import special\n" if "special." in self.source else ""
        head = f"# seed {self.seed}\nimport numpy as np\n{more}import mixgrad as mg\n"
        return f"{head}\n{self.source}\n{argument}\n"


class _Literal:
    """An array that prints as Python source."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        x = self.value
        if isinstance(x, np.generic):
            return f"np.float64({_number(x)})"
        return f"np.zeros({x.shape})" if not x.size else f"np.array({_nested(x)})"


def _number(x: Any) -> str:
    return repr(float(x)) if np.isfinite(x) else f"{'-' if x < 0 else ''}np.inf"


def _nested(x: np.ndarray) -> str:
    return _number(x) if x.ndim == 0 else f"[{', '.join(_nested(part) for part in x)}]"
