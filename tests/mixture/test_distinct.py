"""Tables without repeated rows: against a dictionary of rows, which shares no code with hashes and sorts."""

import numpy as np
import pytest

from mixgrad import DataError
from mixgrad.mixture import distinct as module
from mixgrad.mixture.distinct import check_sample_weight, distinct


def by_dictionary(X, weights):
    """Rows in the order of their first appearance, their weights, and the place of each row."""
    places, totals, index = {}, [], []
    for row, weight in zip(X.tolist(), weights, strict=True):
        if weight == 0.0:
            index.append(-1)
            continue
        key = tuple(0.0 if number == 0.0 else number for number in row)
        if key not in places:
            places[key] = len(places)
            totals.append(0.0)
        totals[places[key]] += weight
        index.append(places[key])
    return np.array(list(places)), np.array(totals), np.array(index)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_features", [1, 3])
def test_against_a_dictionary(rng, dtype, n_features):
    # More rows than a block of hashes; integers and fractions, positive and negative zeros.
    X = rng.choice([-1.5, -0.0, 0.0, 1.0, 2.0, 3.0, 1e-300, 1e8, 2.0**-20], size=(9000, n_features)).astype(dtype)
    weights = rng.choice([0.0, 0.5, 1.0, 3.0], size=len(X))
    rows, totals, index = distinct(X, weights)
    want = by_dictionary(X, weights)
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows, want[0])
    np.testing.assert_array_equal(totals, want[1])
    np.testing.assert_array_equal(index, want[2])


def test_no_rows_are_repeated(rng):
    X = rng.normal(size=(100, 2))
    rows, weights, index = distinct(X)
    assert rows is X
    assert weights is None
    assert index is None
    rows, weights, index = distinct(X, np.ones(100))
    assert rows is X
    assert weights is None
    given = np.full(100, 2.0)
    assert distinct(X, given)[1] is given


def test_weights_are_rows_repeated_and_removed(rng):
    X = rng.integers(0, 4, size=(60, 2)).astype(float)
    weights = rng.integers(0, 4, size=60)
    one, other = distinct(X, weights.astype(float)), distinct(np.repeat(X, weights, axis=0))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_array_equal(one[2][weights > 0], other[2][np.cumsum(weights)[weights > 0] - 1])


def test_removed_rows_leave_weights_none(rng):
    X = rng.normal(size=(5, 2))
    rows, weights, index = distinct(X, np.array([1.0, 0.0, 1.0, 1.0, 0.0]))
    np.testing.assert_array_equal(rows, X[[0, 2, 3]])
    assert weights is None
    np.testing.assert_array_equal(index, [0, -1, 1, 2, -1])


def test_rows_of_the_same_hash_are_told_apart(rng, monkeypatch):
    monkeypatch.setattr(module, "_hashes", lambda X: (X[:, 0] > 1).astype(np.uint64))
    X = rng.integers(0, 3, size=(50, 2)).astype(float)
    np.testing.assert_array_equal(distinct(X)[0], by_dictionary(X, np.ones(50))[0])
    X = rng.normal(size=(50, 2))
    assert distinct(X)[0] is X


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"sample_weight.shape == \(2,\), expected \(3,\)!"),
        ([[1.0], [1.0], [1.0]], "must be 1D array or scalar"),
        ([1.0, np.nan, 1.0], "contains NaN or infinity"),
        ([1.0, np.inf, 1.0], "contains NaN or infinity"),
        ([1.0, -2.0, 1.0], "Negative values .* -2 for row 1"),
        ([0.0, 0.0, 0.0], "at least one non-zero"),
        (["a", "b", "c"], "one number for each row"),
    ],
)
def test_weights_that_cannot_be_used(weights, message):
    with pytest.raises(DataError, match=message):
        check_sample_weight(weights, 3)


def test_weights_that_can_be_used():
    assert check_sample_weight(None, 3) is None
    np.testing.assert_array_equal(check_sample_weight(2, 3), [2.0, 2.0, 2.0])
    assert check_sample_weight([1, 2, 3], 3).dtype == np.float64
