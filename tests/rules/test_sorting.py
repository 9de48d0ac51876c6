"""Quantiles at ties and of missing values, and functions on grids where they have a kink."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad._errors import UnsupportedError


@pytest.mark.parametrize("method", ["linear", "hazen", "midpoint", "lower", "higher", "nearest"])
@pytest.mark.parametrize("q", [0.0, 0.2, 0.5, 0.77, 1.0])
def test_at_ties_a_quantile_is_that_of_the_stable_sort(method, q, random):
    x = random.integers(0, 3, 7).astype(float)
    gradient = mg.grad(lambda x: np.quantile(x, q, method=method))(x)
    # Of distinct values in the same order.
    apart = x + 1e-3 * np.arange(7)
    np.testing.assert_allclose(gradient, mg.grad(lambda x: np.quantile(x, q, method=method))(apart), rtol=1e-12)
    assert gradient.sum() == pytest.approx(1.0)


def test_missing_and_infinite_values():
    x = np.array([1.0, np.nan, 2.0])
    for function in (np.median, lambda x: np.quantile(x, 0.25), lambda x: np.percentile(x, 30)):
        value, dot = mg.jvp(function, (x,), (np.ones(3),))
        assert np.isnan(value)
        assert not np.isnan(dot)
    rows = np.stack([x, np.arange(3.0)])
    np.testing.assert_array_equal(mg.jvp(lambda x: np.median(x, axis=1), (rows,), (rows,))[0], [np.nan, 1.0])
    infinite = np.array([np.inf, 1.0, -np.inf, 2.0, np.inf])
    value, gradient = mg.value_and_grad(np.median)(infinite)
    assert value == 2
    np.testing.assert_array_equal(gradient, [0, 0, 0, 1, 0])


def test_quantiles_of_nothing_and_weighted_ones_are_refused():
    with pytest.raises(ValueError, match="a quantile of no values"):
        mg.grad(lambda x: np.quantile(x, 0.5))(np.zeros(0))
    with pytest.raises(UnsupportedError, match=r"weights= has no rule in mixgrad. Use np.repeat"):
        mg.grad(lambda x: np.percentile(x, 50, weights=np.ones(3), method="inverted_cdf"))(np.ones(3))
    with pytest.raises(UnsupportedError, match="of a differentiated q"):
        mg.grad(lambda q: np.quantile(np.arange(3.0), q))(0.5)


def test_entries_that_are_left_out_are_flat():
    x = np.array([3.0, np.nan, 1.0, 3.0])
    for function, want in (
        (np.nansum, [1, 0, 1, 1]),
        (np.nanmean, [1 / 3, 0, 1 / 3, 1 / 3]),
        (np.nanmax, [0.5, 0, 0, 0.5]),
        (np.nanmin, [0, 0, 1, 0]),
        (np.nanprod, [3, 0, 9, 3]),
    ):
        np.testing.assert_allclose(mg.grad(function)(x), want, rtol=1e-15)


def test_products_that_run_through_zeros():
    x = np.array([2.0, 0.0, 3.0, 0.0])
    want = [[1, 0, 0, 0], [0, 2, 0, 0], [0, 6, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(mg.jacrev(np.cumprod)(x), want)
    np.testing.assert_array_equal(mg.jacfwd(np.cumprod)(x), want)


def test_the_slope_of_an_interpolation_at_a_knot_is_that_to_the_right():
    xp, fp = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, -2.0])

    def slope(x):
        return mg.grad(lambda x: np.interp(x, xp, fp))(x)

    assert [slope(x) for x in (-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0)] == [0, 2, 2, -2, -2, -2, 0]


def test_an_interpolation_is_staged(random):
    xp, fp, x = np.sort(random.normal(size=5)), random.normal(size=5), random.normal(size=7)
    program = mg.trace(lambda x, xp, fp: np.interp(x, xp, fp))(x, xp, fp)
    from mixgrad.core.interpret import interpret

    np.testing.assert_allclose(interpret(program, x, xp, fp)[0], np.interp(x, xp, fp), rtol=1e-13)


def test_arguments_that_do_not_fit_are_named():
    x = np.ones(3)
    for message, call in (
        ("as many points as values", lambda x: np.interp(x, np.arange(2.0), np.arange(3.0))),
        ("'full', 'same' or 'valid', got 'open'", lambda x: np.convolve(x, x, "open")),
        ("two vectors that are not empty", lambda x: np.convolve(x, np.zeros(0))),
        ("three components", lambda x: np.cross(x[:2], x[:2])),
        ("more than 2 values along axis 0", lambda x: np.gradient(x[:2], edge_order=2)),
        ("1 conditions and 2 choices", lambda x: np.select([x > 0], [x, x])),
        ("2 axes needs axis=", lambda x: np.cumulative_sum(np.stack([x, x]))),
    ):
        with pytest.raises(ValueError, match=message):
            mg.grad(lambda x, call=call: np.sum(call(x)))(x)
    with pytest.raises(TypeError, match="2 steps for 1 axes"):
        mg.grad(lambda x: np.sum(np.gradient(x, 1.0, 2.0)))(x)
