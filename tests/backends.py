"""The back ends that tests of derivatives run on: NumPy, operation by operation, and machine code.

A test that takes the fixture ``mg`` gets mixgrad itself, and then `Compiled`, which has mixgrad's names and compiles
each derivative that the test asks for. A test that takes `run` says itself what is compiled: ``run(mg.grad(f))(x)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mixgrad

BACKENDS = ("eager", "compiled")
RETURN_FUNCTIONS = ("grad", "value_and_grad", "jacobian", "jacfwd", "jacrev", "hessian", "vmap", "nth_derivative")
TAKE_POINTS = ("jvp", "hvp", "taylor", "vjp", "linearize")

compiled_if_long = pytest.mark.parametrize(
    "backend", ["eager", pytest.param("compiled", marks=pytest.mark.long)], indirect=True
)
"""For tests with so many cases that compiling them all takes minutes: `make long` does."""


def some_compiled(every: int, names: Any, argument: str = "name") -> pytest.MarkDecorator:
    """Return the cases of a test for both back ends, where one in `every` is compiled and `make long` compiles all."""
    cases = [pytest.param("eager", name, id=f"eager-{name}") for name in names]
    for number, name in enumerate(names):
        marks = () if number % every == 0 else pytest.mark.long
        cases.append(pytest.param("compiled", name, id=f"compiled-{name}", marks=marks))
    return pytest.mark.parametrize(("backend", argument), cases, indirect=["backend"])


class Compiled:
    """mixgrad's functions, of which those that differentiate give machine code.

    Inside a function that is being differentiated they are the plain ones: there they are part of a program.
    """

    def __init__(self) -> None:
        self._running = False
        self._kept: dict[tuple, Callable] = {}

    def __getattr__(self, name: str) -> Any:
        plain = getattr(mixgrad, name)
        if self._running or name not in (*RETURN_FUNCTIONS, *TAKE_POINTS):
            return plain
        if name in TAKE_POINTS:
            return getattr(self, f"_{name}")
        return lambda *args, **options: self._compiled(plain(*args, **options))

    def _compiled(self, function: Callable) -> Callable:
        compiled = mixgrad.jit(function)

        def run(*args: Any, **kwargs: Any) -> Any:
            if self._running:
                return function(*args, **kwargs)
            self._running = True
            try:
                return compiled(*args, **kwargs)
            finally:
                self._running = False

        return run

    def _once(self, key: tuple, function: Callable) -> Callable:
        """Return the function compiled, the same for the same key: the next direction needs no other code."""
        if key not in self._kept:
            self._kept[key] = self._compiled(function)
        return self._kept[key]

    def _jvp(self, function, primals, tangents, **options):
        push = lambda primals, tangents: mixgrad.jvp(function, primals, tangents, **options)
        return self._once(("jvp", function), push)(primals, tangents)

    def _hvp(self, function, primals, tangents):
        product = lambda primals, tangents: mixgrad.hvp(function, primals, tangents)
        return self._once(("hvp", function), product)(primals, tangents)

    def _taylor(self, function, primals, tangents, order):
        series = lambda primals, tangents: mixgrad.taylor(function, primals, tangents, order)
        return self._once(("taylor", function, order), series)(primals, tangents)

    def _vjp(self, function, *primals, **options):
        values = self._compiled(lambda *x: mixgrad.vjp(function, *x, **options)[::2])(*primals)
        pull = self._once(("vjp", function), lambda x, u: mixgrad.vjp(function, *x, **options)[1](u))
        return values[0], lambda cotangents: pull(primals, cotangents), *values[1:]

    def _linearize(self, function, *primals):
        value = self._compiled(lambda *x: mixgrad.linearize(function, *x)[0])(*primals)
        push = self._once(("linearize", function), lambda x, v: mixgrad.linearize(function, *x)[1](*v))
        return value, lambda *tangents: push(primals, tangents)
