"""Compiled functions that SciPy calls from C."""

import gc
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.special

import mixgrad as mg


def test_of_one_number():
    f = mg.cfunc(lambda x: np.exp(-x * x))
    gc.collect()
    value, _ = scipy.integrate.quad(f, -np.inf, np.inf)
    assert value == pytest.approx(math.sqrt(math.pi), rel=1e-12)


def test_of_a_derivative():
    f = mg.cfunc(mg.grad(lambda x: np.sin(x) ** 3))
    value, _ = scipy.integrate.quad(f, 0.0, 1.3)
    assert value == pytest.approx(math.sin(1.3) ** 3, rel=1e-12)


def test_of_several_numbers():
    f = mg.cfunc(lambda x, a, b: a * np.sin(b * x), 3)
    value, _ = scipy.integrate.quad(f, 0.0, 1.0, args=(2.0, 3.0))
    assert value == pytest.approx(2 / 3 * (1 - math.cos(3)), rel=1e-12)
    value, _ = scipy.integrate.nquad(mg.cfunc(lambda x, y: x * y**2, 2), [[0, 1], [0, 2]])
    assert value == pytest.approx(0.5 * 8 / 3, rel=1e-12)


def kepler(anomaly, eccentricity):
    x = anomaly
    step = 1.0
    while abs(step) > 1e-13:
        step = (x - eccentricity * np.sin(x) - anomaly) / (1 - eccentricity * np.cos(x))
        x = x - step
    return x


def test_with_loops_in_it():
    """The mean over a period of the derivative of a function that grows by 2 pi."""
    slope = mg.cfunc(mg.grad(kepler), 2)
    value, _ = scipy.integrate.quad(slope, 0.0, 2 * math.pi, args=(0.4,))
    assert value == pytest.approx(2 * math.pi, rel=1e-10)


def test_constants():
    value, _ = scipy.integrate.quad(mg.cfunc(lambda x: 2.0), 0.0, 3.0)
    assert value == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (lambda x: np.stack([x, x]), 1),
        (lambda x, y: (x, y), 2),
        (lambda x: scipy.special.j0(x), 1),
        (lambda x: x > 0, 1),
        (lambda: 1.0, 0),
    ],
)
def test_what_has_no_form_in_c_is_refused(function, count):
    with pytest.raises(mg.UnsupportedError):
        mg.cfunc(function, count)
