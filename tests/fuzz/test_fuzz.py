"""Random programs: forward, reverse, linearised and Taylor mode, batches, complex steps and plain NumPy agree."""

import inspect
from collections import Counter

import numpy as np
import pytest

from . import run
from .agreement import CHECKS, find_disagreement, leaves
from .form import Facts
from .generate import GROUPS, cached_program, random_program
from .programs import Assign, If, Loop

PROGRAMS, CHUNK = 160, 20
BACKENDS = 5  # one program in so many is recorded, too, and run in every back end


@pytest.mark.parametrize("start", range(0, PROGRAMS, CHUNK), ids=lambda start: f"seeds {start} to {start + CHUNK - 1}")
def test_all_ways_of_running_a_program_agree(start):
    for seed in range(start, start + CHUNK):
        program = cached_program(seed)
        checks = [name for name in CHECKS if name != "back ends" or seed % BACKENDS == 0]
        disagreement = find_disagreement(program, checks)
        if disagreement is not None:
            pytest.fail(f"seed {seed}\n{run.explain(program, disagreement)}", pytrace=False)


# The programs themselves --------------------------------------------------------------------------------------------


def test_a_seed_is_a_program():
    assert str(random_program(11)) == str(random_program(11))
    assert str(random_program(11)) != str(random_program(12))


@pytest.mark.parametrize("seed", range(20))
def test_a_program_is_what_it_prints(seed):
    program = random_program(seed)
    names = {}
    with np.errstate(all="ignore"):
        exec(str(program), names)
        printed = names["program"](names["x"] if program.layout == "bare" else names["inputs"])
        function = program.function(program.argument)
        scope = dict(program.inputs)
        for statement in program.statements:
            statement.run(scope, Facts())
    for name, one, two in zip(program.outputs, leaves(printed), leaves(function), strict=True):
        assert np.shape(scope[name]) == np.shape(one) == np.shape(two)
        assert np.array_equal(scope[name], one)
        assert np.array_equal(scope[name], two)
    assert inspect.getsource(program.function) == program.source


def blocks(statement):
    """Return the statements inside a branch or a loop, block by block."""
    if isinstance(statement, If):
        return statement.arms
    return (statement.body,) if isinstance(statement, Loop) else ()


def statements_of(statements):
    """Yield statements and those inside them."""
    for statement in statements:
        yield statement
        for part in blocks(statement):
            yield from statements_of(part)


def test_programs_hold_what_they_should():
    """All groups of forms, control flow inside control flow, containers, empty arrays, ties, zeros and infinities."""
    seen = Counter()
    group = {form: name for name, (forms, _) in GROUPS.items() for form in forms}
    for seed in range(300):
        program = cached_program(seed)
        facts = program.observe()
        assert 5 <= len(program.statements) <= 25
        seen[program.layout] += 1
        seen.update(name for name in ("kink", "singular", "analytic", "batch") if getattr(facts, name))
        for statement in statements_of(program.statements):
            kind = type(statement).__name__
            seen[group.get(statement.form, "?") if kind == "Assign" else kind] += 1
            if isinstance(statement, Loop):
                seen["for" if statement.condition is None else "while"] += 1
            seen["nested"] += any(not isinstance(part, Assign) for block in blocks(statement) for part in block)
        for x in map(np.asarray, program.inputs.values()):
            seen[f"{x.ndim} axes"] += 1
            seen["empty"] += x.size == 0
            seen["zero"] += bool(np.any(x == 0))
            seen["negative zero"] += bool(np.any((x == 0) & np.signbit(x)))
            seen["infinite"] += bool(np.any(np.isinf(x)))
            seen["huge"] += bool(np.any(np.abs(x) == 1e200))
            seen["repeated"] += len(np.unique(x)) < x.size
    wanted = [
        "If", "for", "while", "nested", "bare", "tuple", "dict", "kink", "singular", "analytic", "batch",
        "0 axes", "1 axes", "2 axes", "empty", "zero", "negative zero", "infinite", "huge", "repeated",
        *(name for name, (_, weight) in GROUPS.items() if weight),
    ]  # fmt: skip
    assert not [name for name in wanted if seen[name] < 5], seen
