"""Writing the equations of one program as statements: names, folding of what is used once, arrays changed in place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mixgrad.core.program import Equation, Program, Var
from mixgrad.program.writing import spelling
from mixgrad.program.writing.expression import Expression, constant
from mixgrad.program.writing.function import Function

FOLDED, LINE = 44, 100
"""The longest expression that is folded into another, and the longest line with something folded in."""

VIEWS = {"reshape", "transpose", "broadcast_to", "real", "imag", "stop_gradient", "index", "conjugate"}
"""Rows whose result may be a view of their first argument."""

STATEMENTS: dict[str, Callable[[Scope, Equation], None]] = {}
"""Rows that take more than an expression; `statements` fills it."""


def is_view(equation: Equation) -> bool:
    """Whether the result may share its numbers with the first argument (the first term, for a sum of one)."""
    name, static = equation.op.name, equation.static
    if name == "index" and not equation.outs[0].shape and Ellipsis not in static["form"].parts:
        return False
    short = (name == "weighted_sum" and len(equation.args) == 2) or (name == "einsum" and len(equation.args) == 1)
    return name in VIEWS or short or static.get("axis") == ()


class Scope:
    """One program that is being written, with what is known of its variables."""

    def __init__(self, function: Function, program: Program) -> None:
        self.function = function
        self.program = program
        self.strict = function.strict
        self.expressions: dict[int, Expression] = {}
        self.constants: dict[int, Any] = {}  # variables that turned out to be known numbers
        self.pending: dict[int, Expression] = {}  # expressions that wait for their only use
        self.targets: dict[int, str] = {}  # names that results shall have if that is possible
        self.guards: dict[int, list[Var]] = {}  # the variables that have such a name until then
        self.hints: dict[int, str] = {}  # names for variables that have none
        self.fixed: set[str] = set()  # names of others, which keep their values
        self.views: set[int] = set()  # results that may share their numbers with others
        self.arrays: dict[int, Expression] = {}  # constants that have got a name here
        self.owned: set[int] = set()  # roots of arrays that nobody else has
        self.roots: dict[int, int] = {}
        self.number = -1
        self.uses: Counter[int] = Counter()
        self.last: dict[int, int] = {}  # the last equation that reads an array, or a view of it
        self.products: set[tuple[int, int]] = set()
        self._survey()

    def _survey(self) -> None:
        for number, equation in enumerate(self.program.equations):
            for arg in equation.variables():
                self.uses[id(arg)] += 1
            for arg in equation.variables():
                self._seen(arg, number)
            if equation.op.name == "loop":
                self._hint(equation)
            if equation.op.name == "multiply":
                self.products.add((id(equation.args[0]), id(equation.args[1])))
            if is_view(equation):
                source = equation.args[equation.op.name == "weighted_sum"]
                self.views.add(id(equation.outs[0]))
                if isinstance(source, Var):
                    self.roots[id(equation.outs[0])] = self.root(source)
        for output in self.program.outputs:
            if isinstance(output, Var):
                self.uses[id(output)] += 1
                self._seen(output, len(self.program.equations))

    def _hint(self, equation: Equation) -> None:
        """Let the first value of what a loop carries have the name of the last one."""
        for init, out in zip(equation.args[equation.static["consts"] :], equation.outs[: equation.static["carry"]]):
            if isinstance(init, Var) and out.name:
                self.hints.setdefault(id(init), out.name)

    def _seen(self, var: Var, number: int) -> None:
        self.last[self.root(var)] = number

    def root(self, var: Var) -> int:
        """Return the identity of the variable of which this may be a view."""
        return self.roots.get(id(var), id(var))

    def is_dead(self, var: Var) -> bool:
        """Whether nothing after this equation reads the array, or a view of it."""
        return self.last.get(self.root(var), -1) <= self.number

    # What spellings ask -----------------------------------------------------------------------------------------------

    def resolved(self, atom: Any) -> Any:
        """Return an argument; a variable whose number is known as that number."""
        return self.constants.get(id(atom), atom) if isinstance(atom, Var) else atom

    def expression(self, atom: Any, weak: bool = False) -> Expression:
        """Return a variable or a constant as an expression."""
        atom = self.resolved(atom)
        if isinstance(atom, Var):
            return self.expressions[id(atom)]
        return self.function.hoisted(atom, constant(atom, weak))

    def named(self, atom: Any) -> Expression:
        """Return an array as a name, so that a loop does not make it again and again."""
        atom = self.resolved(atom)
        if isinstance(atom, Var) or not isinstance(atom, np.ndarray):
            return self.expression(atom)
        if id(atom) not in self.arrays:
            text = self.expression(atom)
            if not text.is_name:
                name = self.function.names.take()
                self.function.line(f"{name} = {text}")
                text = Expression(name)
            self.arrays[id(atom)] = text
        return self.arrays[id(atom)]

    def helper(self, name: str) -> str:
        """Bring a function along."""
        return self.function.helper(name)

    def is_product(self, x: Any, y: Any) -> bool:
        """Whether the program multiplies `x` by `y`, in this order."""
        return (id(x), id(y)) in self.products

    # Writing ----------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Write the equations."""
        for number, equation in enumerate(self.program.equations):
            self.number = number
            if not any(self.uses[id(out)] for out in equation.outs):
                continue
            if equation.op.name in STATEMENTS:
                STATEMENTS[equation.op.name](self, equation)
            elif equation.op.multiple:
                right = self.spelled(equation)
                self.function.line(f"{', '.join(self.result_names(equation.outs))} = {right}")
            else:
                self._assign(equation)
        self.number += 1

    def spelled(self, equation: Equation) -> Expression:
        """Return the right-hand side, folding in what waits for it as far as the line stays short."""
        args = tuple(map(self.resolved, equation.args))
        while True:
            right = spelling.spell(self, equation, args)
            waiting = [id(arg) for arg in equation.variables() if id(arg) in self.pending]
            if len(right.text) <= LINE - 4 * self.function.depth - 8 or not waiting:
                break
            self.settle(max(waiting, key=lambda key: len(self.pending[key].text)))
        for key in waiting:
            self.pending.pop(key, None)
        return right

    def _assign(self, equation: Equation) -> None:
        (out,) = equation.outs
        right = self.spelled(equation)
        self.expressions[id(out)] = right
        once = self.uses[id(out)] == 1 and len(right.text) <= FOLDED
        if not self.has_target(out) and not out.name and (once or right.is_name):
            self.pending[id(out)] = right
        else:
            self.define(out, right)

    def define(self, out: Var, right: Expression) -> str:
        """Write an assignment, and return the name."""
        name = self.name_for(out)
        if right.text != name:
            self.function.line(f"{name} = {right}")
        self.expressions[id(out)] = Expression(name)
        if id(out) not in self.views:
            self.owned.add(id(out))
        return name

    def has_target(self, out: Var) -> bool:
        """Whether there is a name that a result shall have, whose old value is not needed any more."""
        if id(out) not in self.targets or not all(map(self.is_dead, self.guards.get(id(out), ()))):
            return False
        holders = [key for key, text in self.expressions.items() if text.text == self.targets[id(out)]]
        return all(self.last.get(self.roots.get(key, key), -1) <= self.number for key in holders if key != id(out))

    def name_for(self, out: Var) -> str:
        """Return the name for a result."""
        if not self.has_target(out):
            return self.function.names.take(out.name or self.hints.get(id(out), ""))
        self.settle_all(mentioning=self.targets[id(out)])
        return self.targets[id(out)]

    def is_fixed(self, name: str) -> bool:
        """Whether a name must keep its value: it belongs to the module, or to what is around a nested program."""
        return name in self.fixed or name in self.function.names.reserved

    def result_names(self, outs: Iterable[Var]) -> list[str]:
        """Return names for several results; those that nobody reads are an underscore."""
        names = []
        for out in outs:
            names.append(self.name_for(out) if self.uses[id(out)] else "_")
            self.expressions[id(out)] = Expression(names[-1])
        return names

    def settle(self, key: int) -> None:
        """Assign an expression that waits to a name."""
        right = self.pending.pop(key)
        if right.is_name:
            return
        name = self.function.names.take(self.hints.get(key, ""))
        self.function.line(f"{name} = {right}")
        self.expressions[key] = Expression(name)
        if key not in self.views:
            self.owned.add(key)

    def settle_all(self, keep: Iterable[Any] = (), mentioning: str | None = None) -> None:
        """Assign all expressions that wait, since what they read may be about to change."""
        kept = {id(atom) for atom in keep}
        for key in list(self.pending):
            if key in kept or (mentioning is not None and mentioning not in words(self.pending[key].text)):
                continue
            self.settle(key)

    def taken(self, *atoms: Any) -> None:
        """Say that expressions have been written where they were used."""
        for atom in atoms:
            self.pending.pop(id(atom), None)

    def typed(self, atom: Any) -> Expression:
        """Return a value that leaves a branch or a loop: numbers of Python as those of NumPy."""
        atom = self.resolved(atom)
        return self.expression(atom if hasattr(atom, "dtype") else np.asarray(atom)[()])


def words(text: str) -> set[str]:
    """Return the names in a piece of Python."""
    return set(re.findall(r"(?<![\w.])[^\W\d]\w*", text))
