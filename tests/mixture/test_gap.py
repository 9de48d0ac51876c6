"""What a sequence still gains, against sequences whose limits are known."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mixgrad.mixture.gap import aitken_gap

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("ratio", [Fraction(1, 64), Fraction(1, 2), Fraction(15, 16), Fraction(127, 128)])
@pytest.mark.parametrize("limit", [Fraction(-4521, 4), Fraction(0), Fraction(7, 2)])
def test_geometric_sequences_exactly(ratio, limit):
    bounds = [limit - 8 * ratio**power for power in range(5)]
    assert all(Fraction(float(bound)) == bound for bound in bounds)  # nothing is rounded before it starts
    np.testing.assert_allclose(aitken_gap([float(bound) for bound in bounds]), float(8 * ratio**4), rtol=1e-15)


def test_powers_of_two_to_the_last_bit():
    assert [aitken_gap([1 - 2.0**-power for power in range(n)]) for n in (3, 4, 10)] == [0.25, 0.125, 2.0**-9]


def test_two_rates_are_estimated_in_the_end():
    powers = np.arange(40)
    bounds = 5 - 0.9**powers - 3 * 0.4**powers
    np.testing.assert_allclose(aitken_gap(bounds), 5 - bounds[-1], rtol=1e-6)
    assert aitken_gap(bounds[:4]) < 5 - bounds[3]  # the slow part does not show yet


def test_the_unit_is_that_of_the_bounds():
    bounds = np.array([-3.0, -2.5, -2.3])
    np.testing.assert_allclose(aitken_gap(272 * bounds), 272 * aitken_gap(bounds), rtol=1e-12)
    np.testing.assert_allclose(aitken_gap(bounds - 1e6), aitken_gap(bounds), rtol=1e-6)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ([], NAN),
        ([1.0], NAN),
        ([1.0, 2.0], NAN),
        ([1.0, 1.0, 1.0], 0.0),
        ([-1e6, -1e6 + 1e-9, -1e6], 0.0),  # up to rounding
        ([0.0, 1.0, 1.0], 0.0),
        ([0.0, 1.0, 2.0], INF),
        ([0.0, 1.0, 3.0], INF),
        ([0.0, 0.0, 1.0], INF),
        ([0.0, 2.0, 1.0], NAN),
        ([0.0, -1.0, 1.0], NAN),
        ([0.0, -1.0, -1.0], NAN),
        ([-INF, 0.0, 1.0], NAN),
        ([-INF, -INF, 1.0], NAN),
        ([0.0, 1.0, INF], NAN),
        ([NAN, 0.0, 1.0], NAN),
        ([0.0, NAN, 1.0], NAN),
        ([0.0, 1.0, NAN], NAN),
        ([5.0, -7.0, 0.0, 0.5, 0.75], 0.25),  # the last three alone
    ],
)
def test_where_little_can_be_said(bounds, expected):
    gap = aitken_gap(bounds)
    assert type(gap) is float
    assert gap == expected or (math.isnan(gap) and math.isnan(expected))


def test_of_em_it_is_close_to_the_truth():
    from mixgrad.datasets import load_faithful
    from mixgrad.mixture import GaussianMixture

    data = load_faithful().data
    model = GaussianMixture(2, means_init=[[2, 60], [3, 70]], tol=1e-14, max_iter=500, reg_covar=0.0)
    bounds = model.fit(data).lower_bounds_
    near = next(i for i in range(3, len(bounds)) if bounds[-1] - bounds[i] < 1e-6)
    np.testing.assert_allclose(aitken_gap(bounds[: near + 1]), bounds[-1] - bounds[near], rtol=0.2)
