"""What must agree about a random function of Python: plain runs, derivatives, recordings at other points, modules."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.program import Program
from mixgrad.program.simplify import simplify

from .agreement import NODES, Disagreement
from .backends import module_of
from .source_programs import load, points

COUNTS: Counter[str] = Counter()
"""What happened, and why something was not compared."""

ARGUMENTS = (0, 1, 2)


def copied(point: tuple) -> tuple:
    """Return arguments that a function may write to."""
    return tuple(np.array(x) if np.ndim(x) else x for x in point)


def flat(parts: Any) -> np.ndarray:
    return np.concatenate([np.ravel(part) for part in parts])


def compare(what: str, got: Any, want: Any, allowed: float) -> None:
    """Compare numbers or arrays, relative to the size of the largest."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or not np.max(np.abs(got - want)) <= allowed * max(1.0, float(np.max(np.abs(want)))):
        raise Disagreement(what, f"\n  got      {got!r}\n  expected {want!r}")


@dataclasses.dataclass
class Case:
    """One function, with its points and plain values there."""

    f: Callable
    points: list[tuple]
    values: list[float]
    seed: int


def plain_values(f: Callable, where: list[tuple]) -> list[float] | None:
    """Return the values by plain Python, None if it refuses or they are not moderate."""
    values = []
    for point in where:
        try:
            value = f(*copied(point))
        except (ValueError, ArithmeticError, LookupError, UnboundLocalError, TypeError):
            return None
        values.append(float(value))
    return values if np.all(np.isfinite(values)) else None


# Eager ----------------------------------------------------------------------------------------------------------------


def difference(f: Callable, point: tuple, direction: tuple, step: float) -> float:
    """Return a difference quotient of fourth order."""
    return sum(w / step * float(f(*(x + k * step * d for x, d in zip(point, direction)))) for k, w in NODES)


def check_eager(case: Case) -> None:
    """Reverse and forward mode agree with each other and with differences of plain Python."""
    rng = np.random.default_rng(case.seed)
    for point, plain in zip(case.points, case.values):
        direction = tuple(rng.normal(size=np.shape(x)) for x in point)
        try:
            value, parts = mg.value_and_grad(case.f, argnums=ARGUMENTS)(*copied(point))
        except mg.MixgradError as refusal:
            COUNTS[f"eager refused: {type(refusal).__name__}: {str(refusal)[:70]}"] += 1
            return
        gradient = flat(parts)
        if not np.linalg.norm(gradient) < 1e6:
            COUNTS["the function is steep"] += 1
            continue
        compare("eager value", value, plain, 1e-12)
        dot = mg.jvp(case.f, copied(point), direction)[1]
        slope = float(gradient @ flat(direction))
        scale = max(1.0, float(np.linalg.norm(gradient)))
        compare("forward and reverse mode", dot / scale, slope / scale, 1e-9)
        try:
            fine, coarse = (difference(case.f, point, direction, step) for step in (1e-5, 4e-5))
        except (ValueError, ArithmeticError, LookupError):
            continue
        error = abs(fine - coarse)
        if not (error < 1e-4 * scale and scale < 1e4):
            COUNTS["differences: a branch changes near the point, or the function is steep"] += 1
            continue
        compare("eager derivative and differences", slope / scale, fine / scale, 1e-6 + 10 * error / scale)


# Recorded -------------------------------------------------------------------------------------------------------------


def record(what: str, function: Callable, point: tuple) -> Program | None:
    """Return the program of a function; None, and a count, if mixgrad refuses with an explanation."""
    try:
        program = mg.trace(function)(*copied(point))
    except (mg.MixgradError, UnboundLocalError) as refusal:
        text = str(refusal).partition(": ")[2] if str(refusal).startswith("line") else str(refusal)
        COUNTS[f"{what} refused: {type(refusal).__name__}: {text[:70]}"] += 1
        COUNTS[f"{what} refused"] += 1
        return None
    COUNTS[f"{what} recorded"] += 1
    return program


def check_values(case: Case) -> None:
    """A program recorded at one point is right at the others, interpreted and written as a module of Python."""
    program = record("value", case.f, case.points[0])
    if program is None:
        return
    run = module_of(simplify(program))
    for point, value in zip(case.points, case.values):
        arrays = copied(point)
        compare("recorded value", interpret(program, *arrays)[0], value, 1e-12)
        compare("value written as Python", run(*arrays)[0], value, 1e-12)


def check_gradients(case: Case) -> None:
    """The same of the gradient."""
    program = record("gradient", mg.grad(case.f, argnums=ARGUMENTS), case.points[0])
    if program is None:
        return
    run = module_of(simplify(program))
    for point in case.points:
        arrays = copied(point)
        eager = flat(mg.grad(case.f, argnums=ARGUMENTS)(*copied(point)))
        if not np.linalg.norm(eager) < 1e6:
            continue
        compare("recorded gradient", flat(interpret(program, *arrays)), eager, 1e-9)
        compare("gradient written as Python", flat(run(*arrays)), eager, 1e-9)


CHECKS: dict[str, Callable[[Case], None]] = {
    "eager": check_eager,
    "values": check_values,
    "gradients": check_gradients,
}


def find_disagreement(text: str, seed: int, checks: Iterable[str] = CHECKS) -> Disagreement | None:
    """Return what is wrong about the function of a text, None if nothing is; an exception is wrong, too."""
    with np.errstate(all="ignore"):
        f, where = load(text), points(seed)
        values = plain_values(f, where)
        if values is None:
            COUNTS["plain Python refuses, or a number is too large"] += 1
            return None
        case = Case(f, where, values, seed)
        for name in checks:
            try:
                CHECKS[name](case)
            except Disagreement as disagreement:
                disagreement.part = name
                return disagreement
            except Exception as error:
                found = Disagreement(name, f"{type(error).__name__}: {error}")
                found.__cause__, found.part = error, name
                return found
    return None
