"""The fuzzer is tested on an engine that is wrong on purpose: it must find each mistake and show it in few lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from mixgrad.core.op import TABLE
from mixgrad.program import to_text
from mixgrad.rules import contraction, row

from . import run
from .agreement import Disagreement, find_disagreement
from .generate import cached_program
from .programs import Program

ENOUGH = 500
"""Programs within which each mistake must be found."""


@dataclass(frozen=True)
class Plant:
    """A mistake: what an attribute of an object becomes.

    Attributes
    ----------
    mistake : str
    owner : object
        A row of the table, or a module.
    attribute : str
    wrong : callable
        ``wrong(right)`` returns the wrong rule.
    found_by : tuple of str
        The checks one of which must find it.
    word : str
        Stands in every program that can show the mistake; the others need not be run.
    """

    mistake: str
    owner: Any
    attribute: str
    wrong: Callable
    found_by: tuple[str, ...]
    word: str = ""


def row_named(name: str) -> Any:
    return TABLE[name]


def scaled(factor: float) -> Callable:
    """Multiply what a rule returns."""
    return lambda right: lambda *args, **static: right(*args, **static) * factor


def without_weights(right):
    return lambda out, args, tangents, **static: tangents[0] * row.stop_gradient(out)


def both_sides(right):
    def jvp(out, args, tangents):
        return sum(t * (a == out) for a, t in zip(args, tangents) if t is not None)

    return jvp


def overwrites(right):
    def accumulate(total, out_bar, args, i, *, form):
        total[form.index(args[1:])] = out_bar

    return accumulate


def same_axis(right):
    return lambda args, batched, **static: row_named("cumsum")(args[0], **static)


def swapped(right):
    return lambda out_bar, args, i: right(out_bar, args, 3 - i)  # the condition is argument 0


def shifted(right):
    return lambda out_bar, args, i, *, axis: right(out_bar, args[::-1], len(args) - 1 - i, axis=axis)


def unflipped(right):
    return lambda out_bar, args, i, *, axis: row_named("cumsum")(out_bar, axis=axis)


def not_transposed(right):
    return lambda out_bar, args, i: row_named("solve")(args[0], out_bar)


def doubled_diagonal(right):
    def jvp(factor, args, tangents):
        dot = right(factor, args, tangents)
        return dot + np.tril(np.triu(dot))

    return jvp


def fewer_digits(right):
    return lambda value: right(round(value, 1) if isinstance(value, float) else value)


def one_step_less(right):
    def value(*args, length, **static):
        return right(*args, length=length - 1 if length else length, **static)

    return value


TRANSPOSES = ("first order", "second order")
ORACLES = ("complex step", "differences", "Taylor")
DERIVATIVE = (*TRANSPOSES, *ORACLES, "value")
TYPES = ("single precision", "complex arguments")

PLANTS = [
    Plant("a wrong partial derivative", row_named("sin"), "jvp", scaled(1.001), ORACLES, word="sin"),
    Plant("a wrong partial derivative by two", row_named("multiply"), "jvp", scaled(1 + 1e-5), ORACLES),
    Plant("a partial derivative that is constant for second order", row_named("exp"), "jvp", without_weights,
          (*ORACLES, "second order"), word="exp"),
    Plant("both sides of a tie count whole", row_named("maximum"), "jvp", both_sides, ("Taylor",), word="maximum"),
    Plant("zero times infinity is nan", row, "strong_product", lambda right: lambda a, b: a * b, DERIVATIVE),
    Plant("sums are transposed twice", row_named("sum"), "transpose", scaled(2.0), TRANSPOSES),
    Plant("branches are transposed crosswise", row_named("where"), "transpose", swapped, TRANSPOSES),
    Plant("parts are cut off at the wrong end", row_named("concatenate"), "transpose", shifted, TRANSPOSES),
    Plant("a running sum is transposed to itself", row_named("cumsum"), "transpose", unflipped, TRANSPOSES,
          word="cumsum"),
    Plant("an element read twice counts once", row_named("index"), "accumulate", overwrites, TRANSPOSES),
    Plant("a solve is not transposed", row_named("solve"), "transpose", not_transposed,
          (*TRANSPOSES, "complex arguments"), word="solve"),
    Plant("an adjoint without conjugation", contraction, "conjugate", lambda right: lambda x: x,
          ("complex arguments",)),
    Plant("a factor's diagonal counts twice", row_named("cholesky"), "jvp", doubled_diagonal, ORACLES, word="cholesky"),
    Plant("a wrong softmax", row_named("logsumexp"), "jvp", scaled(0.99), ORACLES, word="logsumexp"),
    Plant("a batch along the axis of its members", row_named("cumsum"), "batch", same_axis,
          ("first order", "Taylor", "batch"), word="cumsum"),
    Plant("a batch of the wrong extremum", row_named("max"), "batch", lambda right: row_named("min").batch,
          ("batch",), word="max"),
    Plant("a wrong recurrence", row_named("exp"), "series", scaled(1 + 1e-6), ("Taylor",), word="exp"),
    Plant("a text that loses digits", to_text, "_number_text", fewer_digits, ("back ends",)),
    Plant("a recorded loop with a step less", row_named("loop"), "value", one_step_less, ("back ends",), word="for "),
    Plant("a value with other bits", row_named("tanh"), "value", lambda right: lambda x: np.sinh(x) / np.cosh(x),
          ("value", "single precision"), word="tanh"),
    Plant("a result that is widened", row_named("tanh"), "value", lambda right: lambda x: np.tanh(x, dtype=float),
          TYPES, word="tanh"),
]  # fmt: skip


def first_found(plant: Plant) -> tuple[Program, Disagreement] | None:
    """Return the first program with a disagreement."""
    for seed in range(ENOUGH):
        program = cached_program(seed)  # all mistakes are looked for in the same ones
        found = find_disagreement(program, plant.found_by) if plant.word in program.source else None
        if found is not None:
            return program, found
    return None


@pytest.fixture
def plant(request, monkeypatch):
    """Make the mistake, after the programs have been written."""
    for seed in range(ENOUGH):
        cached_program(seed)
    mistake = request.param
    monkeypatch.setattr(mistake.owner, mistake.attribute, mistake.wrong(getattr(mistake.owner, mistake.attribute)))
    return mistake


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.mistake, indirect=True)
def test_a_mistake_is_found(plant):
    assert first_found(plant) is not None, f"not found within {ENOUGH} programs"


@pytest.mark.parametrize("plant", [PLANTS[i] for i in (0, 6, 8)], ids=lambda plant: plant.mistake, indirect=True)
def test_a_mistake_is_shown_in_a_small_program(plant):
    failing, found = first_found(plant)
    text = run.explain(failing, found)
    assert f"# seed {failing.seed}" in text
    assert f"# {found.check}" in text
    assert len(text.split("def program(")[1].split("\n\n")[0].split("\n")) <= 5
    names: dict[str, Any] = {}
    exec(text, names)  # it is whole as it stands
    with np.errstate(all="ignore"):
        names["program"](names["x"] if "x" in names else names["inputs"])


@pytest.mark.parametrize("plant", PLANTS[:1], ids=lambda plant: plant.mistake, indirect=True)
def test_the_command_fails_with_the_program_and_its_seed(plant, capsys):
    failing, _ = first_found(plant)
    assert run.main(["--programs", "5", "--seed", str(failing.seed)]) == 1
    printed = capsys.readouterr().out
    assert f"# the whole program: random_program({failing.seed})" in printed
    assert "import mixgrad as mg" in printed
    assert "def program(" in printed


def test_the_command_counts_programs(capsys):
    assert run.main(["--programs", "3", "--seed", "7"]) == 0
    printed = capsys.readouterr().out
    assert "programs 7 to 9" in printed
    assert "3 programs, 0 disagreements" in printed
