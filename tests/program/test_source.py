"""`mg.source`: the text of a function and of its derivatives, with the names of the source."""

import re

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.naming import name_value

from .written import PROGRAMS, body, load, same_bits


def textbook(x1, x2):
    w3 = x1 * x2
    w4 = np.sin(x1)
    w5 = w3 + w4
    return w5  # noqa: RET504


DUAL = '''"""`textbook_dual`, written by mixgrad: it needs NumPy alone."""

import numpy as np


def textbook_dual(x1, x2, x1_dot, x2_dot):
    """Return the value and the tangent of `textbook`.

    Products follow IEEE: where one factor is zero and the other inf or nan, they are nan, not zero.

    Parameters
    ----------
    x1 : float64
    x2 : float64
    x1_dot : float64
    x2_dot : float64

    Returns
    -------
    w5 : float64
    w5_dot : float64
    """
    w3 = x1 * x2
    w3_dot = x1_dot * x2 + x1 * x2_dot
    w4 = np.sin(x1)
    w4_dot = np.cos(x1) * x1_dot
    w5 = w3 + w4
    w5_dot = w3_dot + w4_dot
    return w5, w5_dot
'''


def test_the_dual_program_of_the_textbook():
    assert mg.source(textbook, 1.0, 2.0, mode="forward", argnums=(0, 1)) == DUAL


def test_the_gradient_of_the_textbook():
    assert body(mg.source(textbook, 1.0, 2.0, mode="reverse", argnums=(0, 1))) == [
        "w3 = x1 * x2",
        "w4 = np.sin(x1)",
        "w5 = w3 + w4",
        "x1_bar = np.cos(x1) + x2",
        "return w5, x1_bar, x1",
    ]


def test_lines_that_read_differently_stand_above():
    def f(x, y):
        r = np.sqrt(x**2 + y**2)
        s = x * y
        total = np.sum(s * np.exp(-r)) / 2
        s2 = 3.0
        s2 = s2 * total
        return s2  # noqa: RET504

    text = mg.source(f, 1.0, 2.0, mode="reverse")
    first = f.__code__.co_firstlineno
    lines = body(text)
    at = lines.index(f"# line {first + 1}: r = np.sqrt(x ** 2 + y ** 2)")
    assert lines[at + 1].startswith("r = np.sqrt(")
    assert f"# line {first + 3}: total = np.sum(s * np.exp(-r)) / 2" in lines
    assert text.count("# line") == 2  # s reads the same, s2 is assigned twice
    np.testing.assert_allclose(load(text)(1.0, 2.0)[1], mg.grad(f)(1.0, 2.0), rtol=1e-15)


def test_names_in_every_mode():
    def f(x):
        return np.sum(name_value(np.exp(name_value(x * x, "square")), "e") * x)

    text = mg.source(f, np.ones(3), mode="reverse")
    assert {"square", "e", "square_bar", "x_bar"} <= set(re.findall(r"\w+", text))
    assert "square" in mg.source(lambda x: mg.vmap(f)(x), np.ones((2, 3)))
    assert "square_dot" in mg.source(lambda x: mg.linearize(f, x)[1](x), np.ones(3))
    assert name_value(2.0, "plain") == 2.0


def test_source_of_containers_and_of_several_results():
    function, args = PROGRAMS["network"]
    text = mg.source(function, *args, mode="reverse")
    assert (
        "def network_gradient(p_first, p_bias, p_second, x):" in text
        or "def network_gradient(p_bias, p_first, p_second, x):" in text
    )
    out = load(text)(*mg._tree.flatten(args)[0])
    value, gradient = mg.value_and_grad(function)(*args)
    for got, want in zip(out, [value, *mg._tree.flatten(gradient)[0]], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    text = mg.source(lambda x, y: (np.sin(x) * y, x), np.ones(3), 2.0, mode="reverse", argnums=1)
    x, bars = np.array([0.1, 0.2, 0.3]), (np.array([1.0, -1.0, 2.0]), np.ones(3))
    *values, bar = load(text)(x, np.float64(2.0), *bars)
    np.testing.assert_allclose(bar, np.sum(np.sin(x) * bars[0]))
    same_bits(values[0], np.sin(x) * 2.0)
    y, y_dot = load(mg.source(np.sin, 1.0, mode="forward"))(np.float64(0.5), np.float64(2.0))
    np.testing.assert_allclose([y, y_dot], [np.sin(0.5), 2 * np.cos(0.5)])


def test_source_refuses():
    with pytest.raises(ValueError, match="mode must be None, 'forward' or 'reverse', got 'backward'"):
        mg.source(np.sin, 1.0, mode="backward")
    with pytest.raises(mg.DerivativeError, match="source: argument 0 must be made of floats"):
        mg.source(np.sin, 1, mode="reverse")
    with pytest.raises(mg.DerivativeError, match="returns nothing made of floats"):
        mg.source(lambda x: x > 0, 1.0, mode="reverse")
