"""Whether two variables hold one array may depend on the running program: right for all its inputs, or refused."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.program import check
from mixgrad.program.simplify import simplify

from . import oracle
from .shared_arrays import REFUSED, RIGHT

Y = np.array([0.7, -0.6, 1.3])
W = np.array([1.1, 0.4, -0.8])
STEPS = (0.0, 1.0, 2.0, 3.0)


def number(function):
    """Return the function with a number as its result."""

    def result(y, n):
        z = function(y, n)
        return np.sum(z * W[: len(z)])

    result.__name__ = "result"
    return result


def reference(function, n):
    """Return value and gradient of the function as Python runs it."""
    plain = number(function)
    return plain(Y.copy(), n), oracle.gradient(lambda y: plain(y.copy(), n), Y)


def assert_close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("function", [*RIGHT.values(), *REFUSED.values()], ids=[*RIGHT, *REFUSED])
def test_eager_derivatives_know_which_array_it_is(function):
    plain = number(function)
    for n in STEPS:
        value, gradient = reference(function, n)
        if function is REFUSED["element of a list that is no array of its own"] and n == 0:
            continue  # refused, too: only the list knows the array
        got, slope = mg.value_and_grad(lambda y: plain(y, n))(Y)  # noqa: B023
        assert_close(got, value)
        assert_close(slope, gradient)
        assert_close(mg.jvp(lambda y: plain(y, n), (Y,), (W,))[1], gradient @ W)  # noqa: B023


def written(program):
    """Return the program as the function of a module that needs NumPy alone."""
    names = {}
    exec(program.to_python(strict=True), names)
    return names[program.name]


@pytest.mark.parametrize("function", RIGHT.values(), ids=RIGHT)
def test_programs_are_right_for_any_number_of_steps(function):
    value = check(mg.trace(number(function))(Y, 1.0))
    gradient = check(mg.trace(mg.grad(number(function)))(Y, 1.0))
    tangent = check(mg.trace(tangent_of(number(function)))(Y, 1.0))
    modules = [written(simplify(program)) for program in (value, gradient, tangent)]
    for n in STEPS:
        wants = reference(function, n)
        for program, module, want in zip((value, gradient, tangent), modules, (*wants, wants[1] @ W)):
            (got,) = interpret(program, Y.copy(), n)
            assert_close(got, want)
            again = module(Y.copy(), n)
            np.testing.assert_allclose(again, got, rtol=1e-13, atol=1e-13)


def tangent_of(function):
    return lambda y, n: mg.jvp(lambda y: function(y, n), (y,), (W,))[1]


@pytest.mark.parametrize("transform", [lambda f: f, mg.grad, tangent_of], ids=["value", "gradient", "tangent"])
@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED)
def test_programs_that_nobody_could_write_are_refused(function, transform):
    with pytest.raises((mg.StagingError, mg.UnsupportedError), match=r"= (y|t|np)\.(copy|array)\(") as caught:
        mg.trace(transform(number(function)))(Y, 1.0)
    if caught.type is mg.StagingError:
        assert "depends on" in str(caught.value)
        assert "(line " in str(caught.value) or function is REFUSED["conditional expression"]


def test_an_array_that_may_have_changed_is_not_returned():
    def both(y, n):
        t = y
        if n > 0:
            t = t * 2
        t[0] = 7
        return {"t": t, "y": y}

    for transformed in (both, lambda y, n: tangent_of(both)(y, n)["y"]):
        with pytest.raises(mg.StagingError, match=r"cannot be used here: another variable was written to that may be"):
            mg.trace(transformed)(Y, 1.0)


def test_a_loop_of_known_length_falls_back_on_its_steps():
    def fill(y):
        t = y
        for k in range(3):
            t[k] = t[0] * 2
            t = t + y
        return t * y

    (got,) = interpret(mg.trace(fill)(Y), Y.copy())
    np.testing.assert_array_equal(got, fill(Y.copy()))


def test_many_loops_in_a_row_keep_few_arrays():
    def f(y, n):
        t = y * 1
        for k in (1, 2, 3, 4, 5, 6, 7, 8):
            i = n
            while i > k:
                t = t * 2
                i -= 1
            t[0] += y[1]
        return t

    program = mg.trace(f)(Y, 1.0)
    assert max(len(e.args) for e in program.equations if e.op.name == "loop") <= 4
    for n in (0.0, 3.0, 9.0):
        np.testing.assert_allclose(interpret(program, Y.copy(), n)[0], f(Y.copy(), n), rtol=1e-14)


def test_an_expression_that_may_be_skipped_assigns_no_variable():
    def f(y, n):
        b = y * 2

        def step():
            nonlocal b
            b = y
            return n

        if n > 1 or step() > 5:
            b = b * 3
        return b * (b if n > 3 else y)

    with pytest.raises(mg.StagingError, match=r"assigns variable b, and .* Call it in an `if` statement\."):
        mg.trace(f)(Y, 1.0)
    np.testing.assert_array_equal(mg.jvp(lambda y: f(y, 0.0), (Y,), (W,))[0], Y * Y)
