"""Random functions of Python as text: loops, branches, jumps, item assignment, aliases, helpers and closures.

`source_of(seed)` is a module with a function ``f(a, v, m)`` of a number, a vector of three and a 3 x 3 matrix, which
returns a number. Expressions are templates: ``{s}`` stands for a number, ``{v}`` for a vector, ``{m}`` for a matrix,
``{i}`` for an index, ``{t}`` for a test, ``{c}`` for a constant. Functions are bounded, constants are no ties.
"""

from __future__ import annotations

import contextlib
import itertools
import linecache
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

NUMBERS = (
    "np.sin({s})", "math.sin({s})", "np.tanh({s})", "math.tanh({s})", "{s} * np.cos({s})", "{s} / (1.0 + {s} ** 2)",
    "0.5 * {s} - 0.3 * {s}", "{s} + {c}", "-{s}", "abs({s})", "min({s}, {s})", "max({s}, {s}, {c})", "np.max({v})",
    "{s} if {t} else {s}", "np.sum({v})", "sum({v})", "{v}[{i}]", "{m}[{i}, {i}]", "{v} @ {v}", "float({s})",
    "len({v}) * {s}", "math.sqrt(1.0 + {s} ** 2)", "math.exp(-({s}) ** 2)", "math.atan2({s}, 2.0)", "{v}.sum()",
    "np.mean({m})", "{m}[{i}].sum()", "{v}[-1]", "np.where({t}, {s}, {s})", "sum([p * {s} for p in {v}])",
    "(lambda q: q * {s})({s})", "{m}[{i}][{i}]", "np.minimum({s}, {s})",
)  # fmt: skip
VECTORS = (
    "np.sin({v})", "np.tanh({v})", "{v} * {s}", "{v} + {v}", "{v} * np.cos({v})", "{v} - {c}", "{m}[{i}]",
    "{m}[:, {i}]", "np.tanh({m} @ {v})", "np.where({v} > {c}, {v}, {v})", "np.stack([{s}, {s}, {s}])",
    "np.array([{s}, {s}, {s}])", "{v}[::-1]", "{v}.copy()", "np.zeros(3)", "np.ones(3) * {s}", "np.cumsum({v})",
    "np.concatenate([{v}[1:], {v}[:1]])", "np.maximum({v}, {v})", "np.full(3, {s})", "np.zeros_like({v})",
    "{v} if {t} else {v}", "np.array([p * {s} for p in {v}])", "{m}.T[{i}]",
)  # fmt: skip
MATRICES = (
    "np.sin({m})", "{m} * {s}", "{m} + {m}", "np.outer({v}, {v})", "{m}.T", "{m}.copy()", "np.zeros((3, 3))",
    "np.stack([{v}, {v}, {v}])", "np.tanh({m} @ {m})", "np.eye(3) * {s}",
)  # fmt: skip
TESTS = (
    "{s} > {c}", "{s} < {c}", "{s} < {s}", "-0.317 < {s} < 0.613", "{s} > {c} and {s} < {c}", "{s} > {c} or {t}",
    "not {s} > {c}", "np.any({v} > {c})", "np.all({v} < {c})", "{i} == 1", "{v}[{i}] > {c}", "len({v}) > 2",
    "bool({s} > {c})", "not ({t} and {t})", "({s} > {c}) == ({s} > {c})",
)  # fmt: skip
INDICES = ("0", "1", "2", "-1", "{k}", "{k}", "{k}", "int(abs({s}) * 10) % 3", "np.argmax({v})")
TEMPLATES = {"s": NUMBERS, "v": VECTORS, "m": MATRICES, "t": TESTS, "i": INDICES}
ATOMS = {"s": "0.25", "v": "np.ones(3)", "m": "np.eye(3)", "t": "True", "i": "1", "k": "0"}
CONSTANTS = ("-0.717", "-0.211", "0.123", "0.437", "0.871", "1.313")


class Writer:
    """Writes one module.

    Attributes
    ----------
    kinds : dict of str to str
        The variables that have values here: "s", "v", "m", "k" (an index) or "l" (a list of two numbers).
    closed : set of str
        Variables of an enclosing function, which the one being written must not rebind.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lines: list[str] = []
        self.depth = 0
        self.kinds: dict[str, str] = {}
        self.closed: set[str] = set()
        self.helpers: list[str] = []
        self.numbers = itertools.count(1)
        self.loops = 0
        self.returns = True

    # Expressions ----------------------------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def names(self, kind: str, bound: bool = False) -> list[str]:
        """Return the variables of a kind; with `bound` those that may be assigned."""
        return [name for name, its in self.kinds.items() if its == kind and not (bound and name in self.closed)]

    def expression(self, kind: str, depth: int = 2) -> str:
        """Return a random expression."""
        if kind == "c":
            return self.rng.choice(CONSTANTS)
        if kind in "svmk" and (depth <= 0 or kind == "k" or self.chance(0.25)):
            return self.rng.choice(self.names(kind) or [ATOMS[kind]])
        templates = [*TEMPLATES[kind], *(self.helpers * 3 if kind == "s" else ())]
        template = self.rng.choice(templates if depth > 0 else TEMPLATES[kind][:4])
        return re.sub(r"\{(\w)\}", lambda found: self.part(found[1], depth - 1), template)

    def part(self, kind: str, depth: int) -> str:
        text = self.expression(kind, depth)
        return text if re.fullmatch(r"-?[\w.]+", text) or kind == "i" else f"({text})"

    def bounded(self, kind: str) -> str:
        """Return an expression whose value mostly stays small."""
        text = self.expression(kind)
        return f"np.tanh({text})" if self.chance(0.4) else text

    # Statements -----------------------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    @contextlib.contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write an indented block; what is first assigned in it is forgotten afterwards."""
        self.line(head)
        self.depth += 1
        before, length = dict(self.kinds), len(self.lines)
        yield
        if len(self.lines) == length:
            self.line("pass")
        self.kinds = before
        self.depth -= 1

    def fresh(self, kind: str) -> str:
        return f"{kind}{next(self.numbers)}"

    def statements(self, least: int, most: int) -> None:
        for _ in range(self.rng.randint(least, most)):
            self.statement()

    def statement(self) -> None:
        """Write one statement."""
        simple = [self.assign] * 6 + [self.item] * 6 + [self.augment] * 3 + [self.several, self.alias, self.call]
        nested = [self.branch] * 3 + [self.counted] * 2 + [self.elements] * 2 + [self.repeat] * 2 + [self.collect]
        deep = self.depth > 3 or self.loops > 2
        self.rng.choice(simple if deep else simple + nested)()

    def assign(self) -> None:
        kind = self.rng.choice("sssvvm")
        old = self.names(kind, bound=True)
        name = self.rng.choice(old) if old and self.chance(0.7) else self.fresh(kind)
        self.line(f"{name} = {self.bounded(kind)}")
        self.kinds[name] = kind

    def item(self) -> None:
        """``v[i] = s`` and its like."""
        sign = self.rng.choice(["=", "=", "+=", "-=", "*="])
        if self.names("l") and self.chance(0.2):
            target, value = f"{self.rng.choice(self.names('l'))}[{self.rng.randint(0, 1)}]", self.bounded("s")
        elif self.chance(0.6) or not self.names("m"):
            place, kind = self.rng.choice([("{i}", "s"), ("{i}", "s"), ("1:", "s"), (":", "v"), ("::-1", "v")])
            target = f"{self.expression('v', 0)}[{place.format(i=self.expression('i', 1))}]"
            value = self.bounded(kind)
        else:
            forms = [("{i}, {j}", "s"), ("{i}", "v"), (":, {i}", "v"), ("{i}, 1:", "s"), (":", "m")]
            place, kind = self.rng.choice(forms)
            index = place.format(i=self.expression("i", 1), j=self.expression("i", 1))
            target, value = f"{self.expression('m', 0)}[{index}]", self.bounded(kind)
        if target.split("[")[0] in self.kinds:  # not a constant that stands for a missing variable
            self.line(f"{target} {sign} {value}")

    def augment(self) -> None:
        kind = self.rng.choice("ssvm")
        names = self.names(kind, bound=True)
        if names:
            self.line(f"{self.rng.choice(names)} {self.rng.choice(['+=', '-=', '*='])} {self.bounded(kind)}")

    def several(self) -> None:
        """``a, b = b, a``"""
        names = self.names("s", bound=True)
        if len(names) > 1:
            one, two = self.rng.sample(names, 2)
            self.line(f"{one}, {two} = {self.bounded('s')}, {self.bounded('s')}")

    def alias(self) -> None:
        """A second name for an array, or for a part of it."""
        kind = self.rng.choice("vvm")
        sources = self.names(kind) + (
            [f"{name}[{self.expression('i', 0)}]" for name in self.names("m")] * (kind == "v")
        )
        old = self.names(kind, bound=True)
        if sources:
            name = self.rng.choice(old) if old and self.chance(0.3) else self.fresh(kind)
            self.line(f"{name} = {self.rng.choice(sources)}")
            self.kinds[name] = kind

    def call(self) -> None:
        if self.helpers:
            template = self.rng.choice(self.helpers)
            call = re.sub(r"\{(\w)\}", lambda found: self.part(found[1], 0), template)
            names = self.names("s", bound=True)
            self.line(f"{self.rng.choice(names)} = {call}" if names and self.chance(0.6) else call)

    def collect(self) -> None:
        """A list that grows in a loop."""
        name, index, total = self.fresh("parts"), self.fresh("k"), self.fresh("s")
        self.line(f"{name} = []")
        with self.block(f"for {index} in range(3):"):
            self.kinds[index] = "k"
            self.line(f"{name}.append({self.bounded('s')})")
        self.line(f"{total} = {self.rng.choice(['sum(%s)', 'max(%s)', 'math.fsum(%s)', 'np.stack(%s).sum()']) % name}")
        self.kinds[total] = "s"

    def branch(self) -> None:
        walrus = self.fresh("s") if self.chance(0.1) else ""
        test = f"({walrus} := {self.expression('s')}) > 0.19" if walrus else self.expression("t")
        if walrus:
            self.kinds[walrus] = "s"
        with self.block(f"if {test}:"):
            self.statements(1, 2)
            self.jump(0.25)
        if self.chance(0.3):
            with self.block(f"elif {self.expression('t')}:"):
                self.statements(1, 2)
                self.jump(0.15)
        if self.chance(0.5):
            with self.block("else:"):
                self.statements(1, 2)

    def jump(self, probability: float) -> None:
        """End a block by a jump, now and then."""
        if self.chance(probability):
            jumps = (["break", "continue"] * 2 if self.loops else []) + (["return"] if self.returns else [])
            word = self.rng.choice(jumps or ["pass"])
            self.line(f"return {self.result()}" if word == "return" else word)

    def body(self) -> None:
        self.loops += 1
        self.statements(1, 3)
        if self.chance(0.3):
            with self.block(f"if {self.expression('t')}:"):
                self.statements(0, 1)
                self.line(self.rng.choice(["break", "continue"]))
            self.statements(0, 2)
        self.loops -= 1

    def otherwise(self) -> None:
        """``else`` of a loop."""
        if self.chance(0.1):
            with self.block("else:"):
                self.statements(1, 1)

    def counted(self) -> None:
        """A loop over numbers."""
        index = self.fresh("k")
        numbers = ["range(3)", "range(1, 3)", "range(2, -1, -1)", "reversed(range(3))", "range(len({v}))",
                   "range(0, 3, 2)", "range(int(abs({s}) * 3) % 4)"]  # fmt: skip
        choice = re.sub(r"\{(\w)\}", lambda found: self.part(found[1], 0), self.rng.choice(numbers))
        with self.block(f"for {index} in {choice}:"):
            self.kinds[index] = "k"
            self.body()
        self.otherwise()

    def elements(self) -> None:
        """A loop over arrays."""
        index, one, two = self.fresh("k"), self.fresh("s"), self.fresh("s")
        row, other = self.fresh("v"), self.fresh("v")
        forms = [
            ("{0} in {{v}}", {one: "s"}), ("{1}, {0} in enumerate({{v}})", {one: "s", index: "k"}),
            ("{0}, {2} in zip({{v}}, {{v}})", {one: "s", two: "s"}), ("{3} in {{m}}", {row: "v"}),
            ("{1}, ({0}, {2}) in enumerate(zip({{v}}, {{v}}))", {index: "k", one: "s", two: "s"}),
            ("{3}, {4} in zip({{m}}, {{m}})", {row: "v", other: "v"}), ("{0} in reversed({{v}})", {one: "s"}),
            ("{3} in ({{v}}, {{v}})", {row: "v"}), ("{1}, {3} in enumerate({{m}})", {index: "k", row: "v"}),
        ]  # fmt: skip
        head, kinds = self.rng.choice(forms)
        text = head.format(one, index, two, row, other)
        text = re.sub(r"\{(\w)\}", lambda found: self.part(found[1], self.rng.randint(0, 1)), text)
        with self.block(f"for {text}:"):
            self.kinds |= kinds
            self.body()
        self.otherwise()

    def repeat(self) -> None:
        """A loop with a test."""
        count, most = self.fresh("n"), self.rng.randint(1, 5)
        self.line(f"{count} = 0")
        endless = self.chance(0.2)
        test = self.rng.choice([f"{count} < {most}", f"{count} < {most} and {{t}}", f"{{t}} and {count} < {most}"])
        test = re.sub(r"\{(\w)\}", lambda found: self.part(found[1], 1), test)
        with self.block("while True:" if endless else f"while {test}:"):
            self.line(f"{count} += 1")
            if endless:
                self.line(f"if {count} > {most} or {self.expression('t')}: break")
            self.kinds[f"{count} % 3"] = "k"
            self.body()
        self.otherwise()

    # Functions --------------------------------------------------------------------------------------------------------

    def helper(self) -> None:
        """A function that may write into its argument."""
        name, kinds, helpers = self.fresh("helper"), self.kinds, self.helpers
        kind = self.rng.choice("vvm")
        self.kinds, self.helpers = {"z": kind, "p": "s"}, []
        with self.block(f"def {name}(z, p):"):
            self.statements(1, 4)
            self.line(f"return {self.bounded('s')}")
        self.kinds, self.helpers = kinds, [*helpers, f"{name}({{{kind}}}, {{s}})"]

    def closure(self) -> None:
        """A function inside the function, which may assign to its variables."""
        name, closed = self.fresh("step"), self.closed
        helpers, self.helpers = self.helpers, []
        outside = [n for n in self.kinds if self.kinds[n] != "k"]
        assigned = [n for n in outside if self.chance(0.4)]
        self.closed = set(outside) - set(assigned)
        with self.block(f"def {name}(p):"):
            if assigned:
                self.line(f"nonlocal {', '.join(assigned)}")
            self.kinds["p"] = "s"
            self.statements(1, 3)
            self.line(f"return {self.bounded('s')}")
        self.closed, self.helpers = closed, [*helpers, f"{name}({{s}})"]

    def result(self) -> str:
        """Return an expression that depends on everything."""
        terms = [*self.names("s"), *(f"np.sum(np.sin({name}))" for name in self.names("v"))]
        terms += [f"np.sum(np.cos({name} * [0.3, 0.5, 0.9]))" for name in self.names("m")]
        terms += [f"sum({name})" for name in self.names("l")]
        return " + ".join(f"np.tanh({term})" for term in terms)

    def module(self) -> str:
        """Return the whole text."""
        self.lines = ["import math", "", "import numpy as np", "", ""]
        while self.chance(0.4):
            self.helper()
            self.lines += ["", ""]
        with self.block("def f(a, v, m):"):
            self.kinds = {"a": "s", "v": "v", "m": "m"}
            self.line("b = a * 0.7 - 0.2")
            self.kinds["b"] = "s"
            if self.chance(0.2):
                self.line("parts = [a, b]")
                self.kinds["parts"] = "l"
            self.statements(1, 3)
            if self.chance(0.3):
                self.closure()
            self.statements(3, 6)
            self.line(f"return {self.result()}")
        return "\n".join(self.lines) + "\n"


def source_of(seed: int) -> str:
    """Return the text of the module of a seed."""
    return Writer(seed).module()


_files = itertools.count(1)


def load(text: str) -> Callable:
    """Return the function ``f`` of a text; `inspect` finds the text."""
    file = f"<source program {next(_files)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(text, file, "exec"), names)
    return names["f"]


def points(seed: int, count: int = 3) -> list[tuple]:
    """Return random arguments."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(), rng.normal(size=3), rng.normal(size=(3, 3))) for _ in range(count)]
