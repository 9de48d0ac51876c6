"""Strong zeros in the backward sweep: it is tried without them first, and nobody may see that."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.modes import tape

SIZES = (1, 3, tape.SMALL + 5)  # with large arrays a last sweep turns to strong zeros on the way


def guarded(x):
    """The root of the positive entries: the derivative of the root is infinite or nan where it is not taken."""
    return np.where(x > 0, np.sqrt(x), 0.0)


def guarded_slope(x):
    return np.array([0.5 / np.sqrt(v) if v > 0 else 0.0 for v in x])


@pytest.fixture
def attempts(monkeypatch):
    """Whether each sweep that is begun is strict."""
    found = []
    sweep = tape.Tape._sweep

    def counted(self, cotangents, bars, last):
        found.append(bars.strict)
        return sweep(self, cotangents, bars, last)

    monkeypatch.setattr(tape.Tape, "_sweep", counted)
    return found


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt")
@pytest.mark.parametrize("size", SIZES)
def test_a_branch_not_taken_does_not_poison(random, size, attempts):
    x = random.uniform(-1, 1, size)
    x[0] = 0.0
    weights = random.normal(size=size)
    expected = weights * guarded_slope(x)
    np.testing.assert_allclose(mg.grad(lambda x: np.sum(weights * guarded(x)))(x), expected, rtol=1e-14)
    assert attempts == ([False, True] if size <= tape.SMALL else [False])
    _, pullback = mg.vjp(guarded, x)
    np.testing.assert_allclose(pullback(weights)[0], expected, rtol=1e-14)
    np.testing.assert_allclose(pullback(weights)[0], expected, rtol=1e-14)


@pytest.mark.parametrize("size", SIZES)
def test_ordinary_numbers_need_one_sweep(random, size, attempts):
    x = random.uniform(1, 2, size)
    np.testing.assert_allclose(mg.grad(lambda x: np.sum(np.log(x) * x))(x), np.log(x) + 1, rtol=1e-14)
    assert attempts == [False]


def test_infinite_derivatives_stay_and_need_one_sweep(attempts):
    x = np.array([0.0, 4.0])
    assert np.array_equal(mg.grad(lambda x: np.sum(np.sqrt(x)))(x), [np.inf, 0.25])
    assert attempts == [False]


def test_nan_of_the_function_stays(attempts):
    gradient = mg.grad(lambda x: np.sum(x * np.array([np.nan, 2.0])))(np.array([1.0, 1.0]))
    assert np.isnan(gradient[0])
    assert gradient[1] == 2.0
    assert attempts == [False, True]


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt")
def test_rules_of_users_never_see_the_first_try(random):
    seen = []

    @mg.custom_vjp
    def clipped(x):
        return x

    def backward(kept, bar):
        seen.append(np.array(bar))
        return (np.clip(np.nan_to_num(bar, nan=7.0), -1.0, 1.0),)

    clipped.defvjp(lambda x: (clipped(x), None), backward)
    x = np.concatenate([[0.0, -1.0], random.uniform(1, 2, 3)])
    gradient = mg.grad(lambda x: np.sum(guarded(clipped(x))))(x)
    np.testing.assert_allclose(gradient, np.clip(guarded_slope(x), -1, 1), rtol=1e-14)
    assert len(seen) == 1


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt")
def test_boxes_never_meet_the_first_try(random, mg):
    x = np.concatenate([[0.0, -1.0], random.uniform(1, 2, 3)])
    second = np.array([-0.25 * v**-1.5 if v > 0 else 0.0 for v in x])
    hessian = mg.hessian(lambda x: np.sum(guarded(x)))(x)
    np.testing.assert_allclose(hessian, np.diag(second), rtol=1e-13)
    again = mg.jacrev(mg.grad(lambda x: np.sum(guarded(x))))(x)
    np.testing.assert_allclose(again, np.diag(second), rtol=1e-13)


def test_a_cotangent_that_meets_a_box_is_exact(mg):
    # The inner sweep is plain up to 0 * inf, and only then meets the weight y, a box of the outer derivative.
    def inner(y):
        return mg.grad(lambda x: np.where(np.array([False, True]), np.sqrt(x * y), x)[0])(np.array([0.0, 1.0]))[0]

    assert inner(np.float64(0.0)) == 1.0
    assert mg.grad(inner)(np.float64(0.0)) == 0.0


@pytest.mark.filterwarnings("ignore:(invalid value|divide by zero) encountered in divide")
def test_complex_sweeps_keep_strong_zeros(mg):
    def f(z):
        return np.real(np.where(np.abs(z) > 0, 1 / z, 0.0)[0])

    assert np.array_equal(mg.grad(f)(np.array([0.0 + 0.0j, 1.0 + 0.0j])), [0.0, 0.0])
