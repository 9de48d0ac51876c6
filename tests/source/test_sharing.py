"""Arrays that several variables share: a write is seen by all of them, or refused."""

import numpy as np
import pytest

import mixgrad as mg

TABLE = np.ones(3)


def fill(z, a):
    z[1:] = a


def stacked_then_filled(a):
    w = np.stack([a, a * 2, a])
    fill(w, a * a)
    return w.sum()


def scaled_then_filled(a):
    w = a * TABLE
    fill(w, a * a)
    return w.sum()


def two_names(a):
    w = a * TABLE
    v = w
    v[0] = a * a
    v += a
    return w.sum()


@pytest.mark.parametrize("function", [stacked_then_filled, scaled_then_filled, two_names])
def test_a_write_is_seen_by_all(function):
    h = 1e-6
    difference = (function(3.0 + h) - function(3.0 - h)) / (2 * h)
    np.testing.assert_allclose(mg.grad(function)(3.0), difference, rtol=1e-8)


def in_a_list(a):
    parts = [a * TABLE, a * TABLE]
    parts[0][1] = a * a
    return parts[0].sum()


def into_a_global_table(a):
    table = TABLE
    table[0] = a
    return TABLE.sum() * a


@pytest.mark.parametrize("function", [in_a_list, into_a_global_table])
def test_a_write_that_others_would_miss_is_refused(function):
    with pytest.raises(mg.UnsupportedError, match=r"share it; they would not see it\. Copy it first"):
        mg.grad(function)(3.0)
    np.testing.assert_array_equal(TABLE, np.ones(3))
