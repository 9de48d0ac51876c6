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
