from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from mixgrad.datasets import load_faithful


def test_shape_names_and_type():
    faithful = load_faithful()
    assert faithful.data.shape == (272, 2)
    assert faithful.data.dtype == np.float64
    assert faithful.feature_names == ("eruptions", "waiting")


def test_means_are_those_that_r_prints():
    # R: colMeans(faithful)
    np.testing.assert_allclose(load_faithful().data.mean(axis=0), [3.487783, 70.897059], rtol=0, atol=5e-7)


def test_first_and_last_rows_are_those_that_r_prints():
    # R: head(faithful, 2); tail(faithful, 1)
    data = load_faithful().data
    np.testing.assert_array_equal(data[[0, 1, -1]], [[3.6, 79.0], [1.8, 54.0], [4.467, 74.0]])


def test_durations_are_whole_seconds_up_to_the_rounding_to_a_thousandth_of_a_minute():
    seconds = 60 * load_faithful().data[:, 0]
    assert np.abs(seconds - np.rint(seconds)).max() <= 0.04 + 1e-9  # R's help page: 0, 0.02 or 0.04


def test_writing_to_one_load_changes_no_other():
    first = load_faithful()
    first.data[:] = 0.0
    assert load_faithful().data.min() > 1.0


def test_the_record_is_frozen():
    with pytest.raises(FrozenInstanceError):
        load_faithful().data = np.zeros((1, 1))


def test_the_description_names_the_sources():
    text = load_faithful().description
    for word in ("Old Faithful", "minutes", "Azzalini", "Bowman", "Haerdle", "1990", "1991"):
        assert word in text
