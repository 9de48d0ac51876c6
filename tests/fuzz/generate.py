"""`random_program(seed)`: a program that is well typed at its point, since every statement was run when it was made."""

from __future__ import annotations

import functools
import itertools
import random
import warnings
from typing import Any

import numpy as np

from .algebra_forms import CONTRACTIONS, LINALG
from .array_forms import INDEXING, REDUCTIONS, SHAPES
from .elementwise_forms import COMPLEX, KINKED, LAWS, MASKS, SMOOTH, TABLE_FORMS
from .form import Facts
from .programs import Assign, Condition, If, InvalidProgram, Loop, Program, Statement

GROUPS = {
    "smooth": (SMOOTH, 6),
    "kinked": (KINKED, 3),
    "masks": (MASKS, 1),
    "laws": (LAWS, 2),
    "complex": (COMPLEX, 1),
    "rows of the table": (TABLE_FORMS, 1 if TABLE_FORMS else 0),
    "reductions": (REDUCTIONS, 3),
    "shapes": (SHAPES, 3),
    "indexing": (INDEXING, 3),
    "contractions": (CONTRACTIONS, 3),
    "linear algebra": (LINALG, 2),
}
"""Forms by group, and how often a statement is of the group."""

SHAPES_OF_INPUTS = ((), (), (1,), (3,), (3,), (2, 3), (2, 3), (0,), (2, 2), (3, 3), (2, 1), (1, 3))
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-200, -1e-9)
FLAVOURS = ("anything", "anything", "anything", "smooth", "analytic")
"""What a program may hold: ties and corners, smooth functions, or functions with a complex step."""

EXTREME = (1e200, -1e200, float("-inf"), float("inf"))
MEASURES = ("np.sum({0})", "np.sum({0} * {0})", "np.max(np.abs({0}))", "np.sum(np.sin({0}))")


def random_program(seed: int) -> Program:
    """Return the program of a seed, of 5 to 25 statements."""
    rng = random.Random(seed)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        while True:
            flavour = rng.choice(FLAVOURS)
            writer = Writer(rng, flavour, random_inputs(rng, flavour))
            size = rng.randint(5, 25)
            for _ in range(3 * size):
                if len(writer.statements) < size:
                    writer.add()
            program = writer.finish(seed)
            if len(program.statements) >= 5:
                return program


cached_program = functools.cache(random_program)
"""The same, written once: for tests that go through the same seeds."""


# Inputs -------------------------------------------------------------------------------------------------------------


def random_inputs(rng: random.Random, flavour: str) -> dict[str, Any]:
    """Return one to four arrays of short decimals, with special values among them."""
    count = rng.choice([1, 2, 2, 3, 3, 4])
    kind = "generic" if flavour != "anything" else rng.choice(["generic", "special", "special", "extreme"])
    return {name: random_array(rng, kind) for name in "abcd"[:count]}


def random_array(rng: random.Random, kind: str) -> Any:
    """Return an array or, for the shape (), a scalar."""
    shape = rng.choice(SHAPES_OF_INPUTS)
    flat = [rng.randint(-300, 300) / 100 for _ in range(int(np.prod(shape)))]
    for i in range(len(flat)):
        if rng.random() < (0.1 if kind == "generic" else 0.4):
            flat[i] = rng.choice([rng.choice(SPECIAL), rng.choice(flat)])
        if kind == "extreme" and rng.random() < 0.15:
            flat[i] = rng.choice(EXTREME)
    x = np.array(flat, dtype=float).reshape(shape)
    return x[()] if rng.random() < 0.8 else x


# Statements ---------------------------------------------------------------------------------------------------------


class Writer:
    """Writes a program statement by statement, running each."""

    def __init__(self, rng: random.Random, flavour: str, inputs: dict[str, Any]) -> None:
        self.rng = rng
        self.flavour = flavour
        self.unread = set(inputs)
        self.rough: set[str] = set()
        self.inputs = inputs
        self.scope = dict(inputs)
        self.statements: list[Statement] = []
        self.numbers = itertools.count(1)

    def add(self) -> None:
        """Add one statement, most often an assignment."""
        kind = self.rng.random()
        try:
            if kind < 0.04:
                statement = self.branch(2)
            elif kind < 0.08:
                statement = self.loop(2)
            else:
                statement = self.assign(list(self.scope))
            if statement is not None:
                self.accept(statement, self.statements)
                self.unread = (self.unread - statement.reads) | {statement.target}
        except InvalidProgram:
            pass  # it does not fit these operands: the program does without it

    def accept(self, statement: Statement, statements: list[Statement]) -> None:
        """Run a statement; keep it if it is valid."""
        facts, scope = Facts(rough=set(self.rough)), dict(self.scope)
        statement.run(scope, facts)
        if not facts.valid or not self.suits(facts):
            raise InvalidProgram("outside the domain")
        self.rough |= facts.rough
        self.scope[statement.target] = scope[statement.target]
        statements.append(statement)

    def suits(self, facts: Facts) -> bool:
        """Return whether a statement fits the flavour of the program."""
        smooth = not facts.kink and not facts.singular
        return self.flavour == "anything" or (smooth and (facts.analytic or self.flavour == "smooth"))

    def name(self) -> str:
        return f"t{next(self.numbers)}"

    def pick(self, names: list[str]) -> str:
        """Return a variable, most often a recent one, or one that has not been read yet."""
        unread = [name for name in names if name in self.unread]
        if unread and self.rng.random() < 0.4:
            return self.rng.choice(unread)
        back = min(int(self.rng.expovariate(0.25)), len(names) - 1)
        return names[-1 - back] if self.rng.random() < 0.8 else self.rng.choice(names)

    def assign(self, names: list[str], gentle: bool = False) -> Assign | None:
        """Return an assignment that fits some of the variables; a gentle one has no domain and does not grow."""
        for _ in range(12):
            forms = self.forms(gentle)
            form = self.rng.choice(forms)
            for _ in range(5):
                operands = self.operands(form.arity, names)
                text = form.spell(self.rng, [self.scope[name] for name in operands])
                if text is not None:
                    return Assign(self.name(), form, text, operands)
        return None

    def operands(self, arity: int, names: list[str]) -> tuple[str, ...]:
        """Return variables for a form; now and then the same one twice, which makes ties."""
        first = self.pick(names)
        others = (self.pick(names) if self.rng.random() < 0.85 else first for _ in range(arity - 1))
        return (first, *others)

    def forms(self, gentle: bool) -> list:
        if gentle:
            return GENTLE
        names = list(GROUPS)
        weights = [GROUPS[name][1] for name in names]
        return GROUPS[self.rng.choices(names, weights)[0]][0]

    def condition(self, operand: str, names: list[str] | None = None) -> Condition:
        return Condition(self.rng.choice(MEASURES), operand, self.rng.choice([-0.25, 0.0, 0.3, 1.0, 2.5]))

    def body(self, carried: str, depth: int) -> tuple[tuple[Statement, ...], str]:
        """Return some statements and the last of their variables that has the shape of `carried`."""
        scope = dict(self.scope)
        names = [carried, *self.rng.sample(sorted(self.scope), min(2, len(self.scope)))]
        statements: list[Statement] = []
        shape = np.shape(self.scope[carried])
        result = carried
        for _ in range(self.rng.randint(1, 3)):
            statement = self.inner(names, depth)
            if statement is None:
                continue
            try:
                self.accept(statement, statements)
            except InvalidProgram:
                continue
            names.append(statement.target)
            if np.shape(self.scope[statement.target]) == shape:
                result = statement.target
        self.scope = scope
        return tuple(statements), result

    def inner(self, names: list[str], depth: int) -> Statement | None:
        if depth > 1 and self.rng.random() < 0.15:
            return self.branch(depth - 1, names) if self.rng.random() < 0.5 else self.loop(depth - 1, names)
        return self.assign(names, gentle=True)

    def branch(self, depth: int, names: list[str] | None = None) -> If:
        """Return a branch on a value, with an arm for each outcome."""
        names = list(self.scope) if names is None else names
        tested, carried = self.pick(names), self.pick(names)
        arms, results = zip(*(self.body(carried, depth) for _ in range(2)))
        return If(self.name(), self.condition(tested), arms, results)

    def loop(self, depth: int, names: list[str] | None = None) -> Loop:
        """Return a loop that carries a variable: a fixed number of trips, or as many as the value needs."""
        names = list(self.scope) if names is None else names
        start, target = self.pick(names), self.name()
        self.scope[target] = self.scope[start]
        body, result = self.body(target, depth)
        condition = None
        if self.rng.random() < 0.5:
            condition = Condition("np.max(np.abs({0}))", target, self.rng.choice([0.45, 0.7, 1.3]))
        del self.scope[target]
        return Loop(target, start, self.rng.randint(0, 3), condition, body, result)

    def finish(self, seed: int) -> Program:
        """Return the program; its outputs are variables that nothing reads."""
        made = [statement.target for statement in self.statements]
        ends = [name for name in made if name in self.unread]
        outputs = tuple(self.rng.sample(ends, min(len(ends), self.rng.choice([1, 2, 3, 4]))))
        layouts = ["bare"] if len(self.inputs) == 1 and self.rng.random() < 0.6 else ["tuple", "dict", "nested"]
        program = Program(seed, self.inputs, self.rng.choice(layouts), tuple(self.statements), outputs)
        return program.without_dead_code()


GENTLE = [form for form in SMOOTH + KINKED if form.domain is None and form.limit > 3] + [
    form for form in REDUCTIONS if form.domain is None
]
