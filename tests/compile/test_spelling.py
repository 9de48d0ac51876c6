"""Functions that are written as instructions, at their edges."""

import numpy as np
import pytest
import scipy.special

import mixgrad as mg

from . import vecmath_harness as harness


def native(function, *args):
    compiled = mg.jit(lambda *args: function(*args))
    with np.errstate(all="ignore"):
        got = compiled(*args)
    assert "NumPy" not in compiled.explain(*args)
    return got


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, np.uint8])
@pytest.mark.parametrize("shift", [np.left_shift, np.right_shift])
def test_shifts_by_any_number_of_places(shift, dtype):
    info = np.iinfo(dtype)
    x = np.array([0, 1, 5, 77, info.max, info.min, info.max // 3, info.min // 3], dtype)
    places = np.array([0, 1, 7, 8, 31, 32, 63, 64, 100, *([-1, -8] if info.min < 0 else [200])], dtype)
    x, places = (a.ravel() for a in np.meshgrid(x, places))
    np.testing.assert_array_equal(native(shift, x, places), shift(x, places))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_spacing(dtype):
    x = harness.edges(dtype)
    with np.errstate(all="ignore"):
        want = np.spacing(x)
    np.testing.assert_array_equal(native(np.spacing, x), want)


@pytest.mark.parametrize("name", ["huber", "pseudo_huber"])
def test_losses(name):
    function, x = getattr(scipy.special, name), harness.edges()
    x = x[(np.abs(x) < 1e30) & ((np.abs(x) > 1e-30) | (x == 0))]  # without under- and overflow in SciPy's
    delta, r = (a.ravel() for a in np.meshgrid(x[::2], x[::3]))
    np.testing.assert_allclose(native(function, delta, r), function(delta, r), rtol=1e-14)


def test_pseudo_huber_does_not_overflow_on_the_way():
    delta, r = np.array([1e-300, 1.0, 1e200, 1e300, 2.0]), np.array([1e300, 1e300, 1e150, 1e-300, np.inf])
    got = native(scipy.special.pseudo_huber, delta, r)
    np.testing.assert_allclose(got, [1.0, 1e300, 5e299, 0.0, np.inf], rtol=1e-15)


def test_cosm1_and_loggamma():
    x = np.concatenate([harness.SPECIAL, [1e-200, 1e-9, 0.5, -3.0, 100.0, 2.0**41]])
    np.testing.assert_allclose(native(scipy.special.cosm1, x), scipy.special.cosm1(x), rtol=1e-13)
    x = np.concatenate([harness.SPECIAL, [1e-200, 1e-9, 0.5, 1.0, 2.0, -3.0, -2.5, 100.0, 1e300]])
    np.testing.assert_allclose(native(scipy.special.loggamma, x), scipy.special.loggamma(x), rtol=1e-14)
