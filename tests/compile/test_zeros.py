"""Strong zeros in compiled code: plain products first, and again with strong zeros where a nan comes out."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.compile.executable import Executable
from mixgrad.compile.zeros import plain_products


def root_or_zero(x):
    return np.sum(np.where(x > 0, np.sqrt(np.abs(x) * np.where(x > 0, 1.0, 0.0)), 0.0))


@pytest.mark.parametrize("size", [3, 100])
def test_zero_times_infinity_is_zero(size):
    x = np.linspace(-1.0, 1.0, size)
    want = np.where(x > 0, 0.5 / np.sqrt(np.where(x > 0, x, 1.0)), 0.0)
    np.testing.assert_allclose(mg.grad(root_or_zero)(x), want, rtol=1e-14)
    function = mg.jit(mg.grad(root_or_zero))
    assert plain_products(function.program(x))  # there is something to be computed again
    for _ in range(2):
        np.testing.assert_allclose(function(x), want, rtol=1e-14)


def test_a_nan_that_is_meant_stays():
    function = mg.jit(mg.grad(lambda x: np.sum(np.log(x) * x)))
    x = np.array([1.0, -1.0, 2.0])
    np.testing.assert_array_equal(np.isnan(function(x)), [False, True, False])


def test_where_a_nan_could_get_lost_products_are_strict():
    def slope_is_large(x):
        return mg.grad(root_or_zero)(x) > -1.0

    program = mg.simplify(mg.trace(slope_is_large)(np.array([-1.0, 4.0])), "all")
    np.testing.assert_array_equal(Executable(program)(np.array([-1.0, 4.0]))[0], [True, True])


def rooted(x):
    """A sum in a loop, whose slope at zero is zero times infinity for numbers that are left out."""
    total, state = 0.0, 0.5
    for i in range(len(x)):
        root = np.where(x[i] > 0, np.sqrt(np.abs(x[i]) * np.where(x[i] > 0, 1.0, 0.0)), 0.0)
        state = state * np.cos(state) + root
        total = total + state**2
    return total


def test_loops_have_plain_products_too():
    x = np.array([0.25, 0.0, 4.0, -1.0, 1.0])
    function = mg.jit(mg.grad(rooted))
    program = function.program(x)
    (loops, sums) = (
        [e for e in program.equations if e.op.name == "loop"],
        lambda inner: {id(e.outs[0]) for e in inner.equations if e.op.name == "weighted_sum"},
    )
    inside = set().union(*(sums(e.static["body"]) for e in loops))
    assert inside
    assert inside <= plain_products(program)
    np.testing.assert_allclose(function(x), mg.grad(rooted)(x), rtol=1e-13)
    assert np.isfinite(function(x)).all()


def slope(x):
    """One plus zero times infinity where x is not positive."""
    return mg.grad(lambda x: np.where(x > 0, np.sqrt(np.abs(x) * np.where(x > 0, 1.0, 0.0)), 0.0) + x)(x)


def test_products_that_decide_whether_a_loop_goes_on_are_strict():
    def halved(x):
        steps = 0.0
        while slope(x) < 1.25:  # compared with nan, that would be false
            x = x + 0.25
            steps = steps + 1.0
            if steps > 3.0:
                break
        return steps

    for x in (-0.5, -1.0, 0.0, 0.25):
        assert mg.jit(halved)(x) == halved(x)


def test_products_lost_in_a_later_step_are_strict():
    def function(x):
        first, second = 0.0, 0.0
        for _ in range(3):
            second = np.where(first > 0.5, second + 1.0, second)
            first = slope(x)
            x = x - 1.0
        return second

    for x in (0.0, -1.0, 2.0):
        assert mg.jit(function)(x) == function(x)
