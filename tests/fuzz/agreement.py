"""What must agree about a program at its point: the checks of the fuzzer.

`CHECKS` are the comparisons. None of them knows a derivative: modes are compared with each other everywhere, and with
complex steps or difference quotients of plain NumPy where the point is no tie or corner. `backends.py` holds the ways
of running a recorded program.
"""

from __future__ import annotations

import functools
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import mixgrad as mg
from mixgrad.core.interpret import interpret

from .backends import differing, record, same_bits, sums_otherwise
from .form import Facts
from .programs import InvalidProgram, Program

TIGHT, LOOSE = 1e-9, 1e-7
"""Allowed differences, relative to the size of what is compared, to first and to second order."""

SKIPPED: Counter[str] = Counter()
"""How often an oracle had nothing to say."""


class Disagreement(AssertionError):
    """Two ways of computing the same thing differ."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"{check}: {message}")
        self.check = check
        self.part = check  # of which group of checks

    @property
    def kind(self) -> str:
        """What differs, without numbers."""
        return re.sub(r"\W*\d.*", "", str(self).split("\n")[0])[:80]


# Containers ---------------------------------------------------------------------------------------------------------


def leaves(tree: Any) -> list:
    """Return the arrays of a container, those of a dict in the order of its keys."""
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
    if isinstance(tree, (tuple, list)):
        return [leaf for part in tree for leaf in leaves(part)]
    return [tree]


def transform(function: Callable, *trees: Any) -> Any:
    """Apply a function to the arrays of containers of one structure."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: transform(function, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, (tuple, list)):
        return type(first)(transform(function, *parts) for parts in zip(*trees, strict=True))
    return function(*trees)


def inner(first: Any, second: Any) -> float:
    """Return the real inner product of two containers."""
    return sum(float(np.sum(np.real(np.conjugate(a) * b))) for a, b in zip(leaves(first), leaves(second), strict=True))


def size(*trees: Any) -> float:
    """Return the largest magnitude of the finite numbers in some containers, at least 1."""
    parts = [np.abs(leaf[np.isfinite(leaf)]) for tree in trees for leaf in map(np.asarray, leaves(tree))]
    return max([1.0, *(float(np.max(part, initial=0.0)) for part in parts)])


# Points -------------------------------------------------------------------------------------------------------------


class Point:
    """A program at its point, with random directions and what several checks need."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.f = program.function
        self.x = program.argument
        self.facts: Facts = program.observe()
        self.rng = random.Random(program.seed)
        self.v = transform(self.direction, self.x)
        self.value = self.f(self.x)
        self.u = transform(self.direction, self.value)
        inputs = np.concatenate([np.ravel(x) for x in leaves(self.x)])
        self.finite = bool(np.isfinite(inputs).all())
        self.moderate = bool(np.all(np.abs(inputs) < 1e6))
        self.smooth = self.finite and not self.facts.kink and not self.facts.singular
        self.trail: dict[str, Any] = {}

    def direction(self, like: Any) -> Any:
        """Return random short decimals of the shape of an array."""
        flat = [self.rng.choice([-1, 1]) * self.rng.randint(1, 200) / 100 for _ in range(np.size(like))]
        return np.array(flat, dtype=float).reshape(np.shape(like))[()]

    @functools.cached_property
    def columns(self) -> list:
        """The blocks of the Jacobian, by forward mode."""
        return leaves(mg.jacfwd(self.f)(self.x))

    @functools.cached_property
    def scale(self) -> float:
        """The size of a derivative in one direction, if nothing cancels."""
        return 10 * size(*self.columns)

    @functools.cached_property
    def pushed(self) -> Any:
        """The derivative in the direction v, by forward mode."""
        return mg.jvp(self.f, (self.x,), (self.v,))[1]

    def pull(self, x: Any) -> Any:
        """Return the cotangent of the argument, by reverse mode."""
        return mg.vjp(self.f, x)[1](self.u)[0]

    def push(self, x: Any) -> Any:
        """Return the derivative in the direction v, by forward mode."""
        return mg.jvp(self.f, (x,), (self.v,))[1]

    @functools.cached_property
    def twice(self) -> Any:
        """The second derivative in the direction v, by forward mode twice."""
        return mg.jvp(self.push, (self.x,), (self.v,))[1]


def close(check: str, what: str, got: Any, want: Any, allowed: float) -> None:
    """Compare containers of arrays; shapes, signs of infinities and the absence of nan belong to it."""
    for i, (a, b) in enumerate(zip(leaves(got), leaves(want), strict=True)):
        a, b = np.asarray(a), np.asarray(b)
        said = f"{what}, array {i}"
        if a.shape != b.shape:
            raise Disagreement(check, f"{said}: shape {a.shape}, expected {b.shape}")
        if np.isnan(a).any() or np.isnan(b).any():
            raise Disagreement(check, f"{said}: nan\n  got      {a!r}\n  expected {b!r}")
        with np.errstate(invalid="ignore", over="ignore"):
            wrong = ~((np.abs(a - b) <= allowed) | (a == b))
        if wrong.any():
            error = float(np.max(np.abs(a - b)[wrong]))
            raise Disagreement(
                check, f"{said}: error {error:.3g}, allowed {allowed:.3g}\n  got      {a!r}\n  expected {b!r}"
            )


# Values -------------------------------------------------------------------------------------------------------------


def same_values(check: str, point: Point, what: str, got: Any, want: Any, eps: float = 2.0**-52) -> None:
    """Compare values and dtypes: bit by bit where boxes do what NumPy does, to rounding elsewhere."""
    for name, a, b in zip(point.program.outputs, leaves(got), leaves(want), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        if a.dtype != b.dtype:
            raise Disagreement(check, f"{what}: {name} has the dtype {a.dtype}, plain {b.dtype}")
        if name in point.facts.rough:
            close(check, f"{what}: {name}", a, b, 1e5 * eps * size(b))
        elif a.shape != b.shape or not np.array_equal(a, b):
            raise Disagreement(check, f"{what}: {name} is {a!r}, plain {b!r}")


def check_values(point: Point) -> None:
    """Boxes compute what plain NumPy computes."""
    x, v = point.x, point.v
    ways = {
        "in jvp": lambda: mg.jvp(point.f, (x,), (v,))[0],
        "in vjp": lambda: mg.vjp(point.f, x)[0],
        "in linearize": lambda: mg.linearize(point.f, x)[0],
    }
    for name, way in ways.items():
        same_values("value", point, name, way(), point.value)


# First order --------------------------------------------------------------------------------------------------------


def check_first_order(point: Point) -> None:
    """Forward, reverse, linearised and Taylor mode give the same first derivative."""
    check, f, x, v = "first order", point.f, point.x, point.v
    allowed = TIGHT * point.scale
    close(check, "linearised and forward", mg.linearize(f, x)[1](v), point.pushed, allowed)
    close(check, "Jacobian in reverse and forward mode", leaves(mg.jacrev(f)(x)), point.columns, allowed)
    bar = point.pull(x)
    left, right = inner(point.u, point.pushed), inner(bar, v)
    if not abs(left - right) <= 100 * allowed:
        raise Disagreement(check, f"<u, Jv> = {left!r}, <J'u, v> = {right!r} for v = {v!r}, u = {point.u!r}")
    for a, b in zip(leaves(bar), leaves(x), strict=True):
        if np.shape(a) != np.shape(b) or a.dtype != b.dtype:
            raise Disagreement(check, f"a cotangent {a!r} of the argument {b!r}")


def check_taylor(point: Point) -> None:
    """The Taylor coefficients 0, 1 and 2 are the value and the derivatives."""
    order = 1 if point.facts.singular else 2
    coefficients = mg.taylor(point.f, point.x, point.v, order)
    close("Taylor", "coefficient 0", _entry(coefficients, 0), point.value, TIGHT * size(point.value))
    close("Taylor", "coefficient 1", _entry(coefficients, 1), point.pushed, TIGHT * point.scale)
    if order == 2:
        second = transform(lambda c: 2 * c, _entry(coefficients, 2))
        allowed = LOOSE * max(point.scale, size(point.twice))
        close("Taylor", "twice coefficient 2", second, point.twice, allowed)


def _entry(tree: Any, k: int) -> Any:
    return transform(lambda coefficients: coefficients[k], tree)


# Second order -------------------------------------------------------------------------------------------------------


def check_second_order(point: Point) -> None:
    """The orders of the modes can be exchanged."""
    if point.facts.singular:
        return
    check, x, v = "second order", point.x, point.v
    forward_over_reverse = mg.jvp(point.pull, (x,), (v,))[1]
    allowed = LOOSE * max(point.scale, size(point.twice, forward_over_reverse))
    reverse_over_forward = mg.vjp(point.push, x)[1](point.u)[0]
    close(check, "reverse over forward and forward over reverse", reverse_over_forward, forward_over_reverse, allowed)
    reverse_over_reverse = mg.vjp(point.pull, x)[1](v)[0]
    close(check, "reverse over reverse and forward over reverse", reverse_over_reverse, forward_over_reverse, allowed)
    left, right = inner(point.u, point.twice), inner(forward_over_reverse, v)
    if not abs(left - right) <= 100 * allowed:
        raise Disagreement(check, f"<u, d2f v v> = {left!r}, <Hv, v> = {right!r} for v = {v!r}, u = {point.u!r}")


# Oracles ------------------------------------------------------------------------------------------------------------

STEP = 1e-30
NODES = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))


def check_complex_step(point: Point) -> None:
    """Where NumPy computes the program for complex numbers, its imaginary part after a tiny step is the derivative."""
    if not (point.smooth and point.facts.analytic):
        return
    z = transform(lambda x, v: x + 1j * (STEP * v), point.x, point.v)
    want = transform(lambda w: np.imag(w) / STEP, point.f(z))
    close("complex step", "forward mode", point.pushed, want, TIGHT * point.scale)


def _difference(f: Callable, x: Any, v: Any, step: float) -> Any:
    """Return the difference quotient, nan where the shapes of the results depend on the point."""
    parts = [transform(lambda y, w=weight: y * (w / step), f(_moved(x, v, k * step))) for k, weight in NODES]
    return transform(lambda *terms: sum(terms) if len({np.shape(t) for t in terms}) == 1 else np.nan, *parts)


def _moved(x: Any, v: Any, step: float) -> Any:
    return transform(lambda a, b: a + step * b, x, v)


def check_differences(point: Point) -> None:
    """Five-point differences with two steps, which say themselves how far they can be trusted."""
    if not (point.smooth and point.moderate):
        return
    for what, function, got in (("first", point.f, point.pushed), ("second", point.push, point.twice)):
        fine, coarse = (_difference(function, point.x, point.v, step) for step in (1e-5, 4e-5))
        scale = max(point.scale, size(got))
        if not all(np.isfinite(d).all() for d in leaves(fine) + leaves(coarse)):
            SKIPPED["differences: the end of a domain or another shape is near"] += 1
            continue
        error = max(float(np.max(np.abs(a - b), initial=0.0)) for a, b in zip(leaves(fine), leaves(coarse)))
        if error > 1e-3 * scale or scale > 1e5:
            SKIPPED["differences: a corner is near, or the function is steep"] += 1
            continue
        close("differences", f"{what} derivative", got, fine, 1e-6 * scale + 3 * error)


def check_complex_arguments(point: Point) -> None:
    """An analytic program is analytic for the engine, too: J(iv) = i J v; the adjoint fits the real inner product."""
    if not (point.smooth and point.moderate and point.facts.analytic):
        return
    z, v = transform(lambda x, v: x + 1e-3j * v, point.x, point.v), transform(lambda v: v * (1 + 0.5j), point.v)
    value, pull = mg.vjp(point.f, z)
    dots = mg.jvp(point.f, (z,), (v,))[1]
    turned = mg.jvp(point.f, (z,), (transform(lambda v: 1j * v, v),))[1]
    close("complex arguments", "J(iv) and i J v", turned, transform(lambda d: 1j * d, dots), LOOSE * point.scale)
    u = transform(lambda u, y: u * (1 - 0.25j) if np.iscomplexobj(y) else u, point.u, value)
    left, right = inner(u, dots), inner(pull(u)[0], v)
    if not abs(left - right) <= 1e3 * TIGHT * point.scale:
        raise Disagreement("complex arguments", f"Re <u, Jv> = {left!r}, Re <J'u, v> = {right!r}")


# Batches and dtypes -------------------------------------------------------------------------------------------------


def _members(point: Point) -> list | None:
    """Return three points at which the program is valid: the point itself and two others."""
    found = [point.x]
    for scale in (0.05, -0.03, 0.01, 1e-3, 1e-4, 0.0):
        moved = {name: x + scale * point.direction(x) for name, x in point.program.inputs.items()}
        try:
            point.program.observe(moved)
        except InvalidProgram:
            continue
        found.append(point.program.pack(moved))
        if len(found) == 3:
            return found
    return None


def check_batch(point: Point) -> None:
    """A batch is a loop: for values, for derivatives in forward and for those in reverse mode."""
    members = _members(point) if point.facts.batch else None
    if members is None:
        return
    many = transform(lambda *parts: np.stack(parts), *members)
    ways = {
        "values": point.f,
        "forward mode": point.push,
        "reverse mode": point.pull,
    }
    for name, way in ways.items():
        want = transform(lambda *parts: np.stack(parts), *[way(x) for x in members])
        got = mg.vmap(way)(many)
        close("batch", name, got, want, TIGHT * max(point.scale, size(want)))


def check_single_precision(point: Point) -> None:
    """The dtypes of values, tangents and cotangents follow NumPy's promotion."""
    if not point.moderate:
        return
    x, v = (transform(lambda a: a.astype(np.float32), tree) for tree in (point.x, point.v))
    value = point.f(x)
    boxed, dots = mg.jvp(point.f, (x,), (v,))
    same_values("single precision", point, "in jvp", boxed, value, 2.0**-23 / 100)
    u = transform(lambda y: point.direction(y).astype(y.dtype)[()], value)
    bars = mg.vjp(point.f, x)[1](u)[0]
    taylor = transform(lambda c: c[1], mg.taylor(point.f, x, v, 1))
    for what, got, want in (("tangent", dots, value), ("cotangent", bars, x), ("Taylor coefficient", taylor, value)):
        for a, b in zip(leaves(got), leaves(want), strict=True):
            if np.shape(a) != np.shape(b) or a.dtype != b.dtype:
                raise Disagreement(
                    "single precision", f"a {what} of {a.dtype}, {np.shape(a)} for a value of {b.dtype}, {np.shape(b)}"
                )


# Back ends ----------------------------------------------------------------------------------------------------------


def check_backends(point: Point) -> None:
    """The recorded value and the recorded gradient are those of the run without recording, in every back end."""
    check, args = "back ends", leaves(point.x)
    for what, function, want in (("value", point.f, point.value), ("gradient", point.pull, point.pull(point.x))):
        program = record(function, point.x)
        if program is None:
            continue
        got = interpret(program, *args)
        if what == "value":
            same_values(check, point, "recorded", list(got), want)
        elif sums_otherwise(program) or "mg." in point.program.source:
            close(check, "recorded gradient", list(got), want, TIGHT * point.scale)
        elif not all(map(same_bits, got, leaves(want))):
            raise Disagreement(check, f"recorded gradient\n  got      {got!r}\n  expected {leaves(want)!r}")
        for name, i, a, b in differing(program, args):
            raise Disagreement(check, f"{what} {name}, array {i}\n  got      {a!r}\n  expected {b!r}")


CHECKS: dict[str, Callable[[Point], None]] = {
    "value": check_values,
    "first order": check_first_order,
    "Taylor": check_taylor,
    "second order": check_second_order,
    "complex step": check_complex_step,
    "differences": check_differences,
    "complex arguments": check_complex_arguments,
    "batch": check_batch,
    "single precision": check_single_precision,
    "back ends": check_backends,
}


def find_disagreement(program: Program, checks: Iterable[str] = CHECKS) -> Disagreement | None:
    """Return the first disagreement that the named checks find, None if there is none; an exception is one, too."""
    with np.errstate(all="ignore"):
        point = Point(program)
        for name in checks:
            try:
                CHECKS[name](point)
            except Disagreement as disagreement:
                return disagreement
            except Exception as error:
                found = Disagreement(name, f"{type(error).__name__}: {error}")
                found.__cause__ = error
                return found
    return None
