"""What cannot become a program is refused with the line; what raises in Python raises; nothing is silently wrong."""

import contextlib
import inspect
import re

import numpy as np
import pytest

import mixgrad as mg

from . import delicate, delicate_state, refusals
from .test_constructs import OneProgram, assert_right, run_eager


@contextlib.contextmanager
def allow_refusal():
    """Accept errors of mixgrad, and that of Python where a value serves as a key."""
    try:
        yield
    except mg.MixgradError:
        pass
    except TypeError as error:
        assert "unhashable" in str(error)  # noqa: PT017


@pytest.mark.parametrize("name", refusals.NOT_STAGED)
def test_runs_at_once(name):
    function, points, _ = refusals.NOT_STAGED[name]
    assert_right(name, function, points, run_eager)


assert delicate_state  # it adds to the list

REFUSED = (mg.MixgradError, UnboundLocalError)  # the latter where Python itself would raise it after the other branch


@pytest.mark.parametrize("transform", [lambda f: f, mg.grad], ids=["value", "gradient"])
@pytest.mark.parametrize("name", refusals.NOT_STAGED)
def test_is_refused_by_staging(name, transform):
    function, points, words = refusals.NOT_STAGED[name]
    with pytest.raises(REFUSED) as caught:
        mg.trace(transform(function))(points[0])
    message = str(caught.value)
    assert re.search(words, message), message


@pytest.mark.parametrize("name", refusals.NOT_STAGED)
def test_the_refusal_names_the_line(name):
    """In its message, or as a line of the traceback."""
    function, points, _ = refusals.NOT_STAGED[name]
    with pytest.raises(REFUSED) as caught:
        mg.trace(function)(points[0])
    lines, first = inspect.getsourcelines(function)
    named = [int(number) for number in re.findall(r"(?:line |refusals\.py:)(\d+)", str(caught.value))]
    named += [entry.lineno + 1 for entry in caught.traceback if str(entry.path).endswith("refusals.py")]
    assert any(first < number < first + len(lines) for number in named), (named, str(caught.value))


@pytest.mark.parametrize("name", refusals.RAISES)
def test_raises_as_python_does(name):
    function, x, error, match = refusals.RAISES[name]
    with pytest.raises(error, match=match):
        function(x.copy())
    for transformed in (mg.grad(function), lambda x: mg.jvp(function, (x,), (np.ones_like(x),))):
        with pytest.raises(error, match=match):
            transformed(x)


@pytest.mark.parametrize("name", delicate.RIGHT_OR_REFUSED)
def test_right_or_refused_at_once(name):
    function, points = delicate.RIGHT_OR_REFUSED[name]
    with allow_refusal():
        assert_right(name, function, points, run_eager)


@pytest.mark.parametrize("name", delicate.RIGHT_OR_REFUSED)
def test_right_or_refused_staged(name):
    function, points = delicate.RIGHT_OR_REFUSED[name]
    with allow_refusal():
        assert_right(name, function, points, OneProgram())
