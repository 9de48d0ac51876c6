"""Random functions of Python: plain runs, derivatives, programs recorded at other points, and modules agree."""

import pytest

from mixgrad.operators import recorded_loop

from . import run_source
from .source_agreement import COUNTS, find_disagreement
from .source_programs import load, points, source_of

PROGRAMS, CHUNK = 45, 5
GRADIENTS = 4  # recorded for one function in so many: they take longest


@pytest.mark.parametrize("start", range(0, PROGRAMS, CHUNK), ids=lambda start: f"seeds {start} to {start + CHUNK - 1}")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_function_is_the_same_in_every_way_of_running_it(start):
    for seed in range(start, start + CHUNK):
        text = source_of(seed)
        checks = ["eager", "values", "gradients"] if seed % GRADIENTS == 0 else ["eager", "values"]
        disagreement = find_disagreement(text, seed, checks)
        if disagreement is not None:
            pytest.fail(f"seed {seed}\n{text}\n{disagreement}", pytrace=False)


def test_a_seed_is_a_function():
    assert source_of(11) == source_of(11)
    assert source_of(11) != source_of(12)


def test_functions_hold_what_they_should():
    text = "\n".join(map(source_of, range(100)))
    wanted = ["while ", "for ", "elif ", "break", "continue", "return ", "nonlocal ", "enumerate", "zip", "def helper",
              "def step", "append", ":= ", "lambda", " and ", " or ", "not ", "+= ", "[::-1] ", "math."]  # fmt: skip
    assert not [word for word in wanted if text.count(word) < 5]


def test_most_functions_can_be_recorded():
    COUNTS.clear()
    for seed in range(30):
        find_disagreement(source_of(seed), seed, ["values"])
    assert COUNTS["value recorded"] > COUNTS["value refused"]


MISTAKEN = """
import numpy as np

def f(a, v, m):
    for k in range(3):
        a = np.sin(a) + 0.1 * k
    return a + np.sum(v)
"""


def test_a_mistake_is_found_and_shown(monkeypatch, capsys):
    right = recorded_loop.RecordedLoop._inits
    monkeypatch.setattr(recorded_loop.RecordedLoop, "_inits", lambda self: [right(self)[0] + 1, *right(self)[1:]])
    found = find_disagreement(MISTAKEN, 0)
    assert found is not None
    assert "recorded value" in str(found)
    text = run_source.explain(MISTAKEN, 0, found, tries=100)
    assert len(text) < len(MISTAKEN) + 250
    assert "source_of(0)" in text


def test_the_command_counts_functions(capsys):
    assert run_source.main(["--programs", "1", "--seed", "1"]) == 0
    assert "functions 1 to 1: 0 disagreements" in capsys.readouterr().out


def test_a_function_runs_as_it_stands():
    (point,) = points(5, 1)
    assert load(source_of(5))(*point) == load(source_of(5))(*points(5, 1)[0])
