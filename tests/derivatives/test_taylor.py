"""Taylor polynomials: against nested forward mode, closed forms and 50 digits; cost quadratic in the order."""

import math

import mpmath
import numpy as np
import pytest

import mixgrad as mg

from ..backends import compiled_if_long, some_compiled


def nested_forward(function, n):
    for _ in range(n):
        function = (lambda g: lambda x: mg.jvp(g, (x,), (1.0,))[1])(function)
    return function


def matrix(x):
    return np.stack([np.stack([2 + x, x * x]), np.stack([np.sin(x), 3 - x])])


def symmetric(x):
    return np.stack([np.stack([2 + x, x]), np.stack([x, 3 + x * x])])


def newton_root(a):
    x = a
    while abs(x * x - a) > 1e-15 * a:
        x = (x + a / x) / 2
    return (x + a / x) / 2 + 0 * a


FUNCTIONS = {
    "arithmetic": lambda x: (x**3 - 2 / (1 + x)) * (x - 1) / (2 - x),
    "power": lambda x: (1 + x) ** 2.5 + (2 + x) ** -x,
    "logarithms": lambda x: np.log1p(x) * np.log2(2 + x) - np.log10(3 - x) + np.log(1 + x * x),
    "exponentials": lambda x: np.exp(np.sin(x)) + np.expm1(x) * np.exp2(-x),
    "trigonometric": lambda x: np.tan(x) * np.cos(2 * x) + np.arctan2(x, 1 + x) - np.arcsin(x) * np.arccos(x / 2),
    "hyperbolic": lambda x: np.tanh(3 * x) * np.sinh(x) + np.arcsinh(x) - np.arctanh(x) * np.arccosh(2 + x),
    "roots": lambda x: np.sqrt(1 + x) + np.cbrt(2 - x) + np.hypot(x, 1 - x),
    "kinks": lambda x: np.maximum(x, x * x) + np.abs(x - 2) * np.clip(x, 0, 1) + np.floor(10 * x),
    "logaddexp": lambda x: np.logaddexp(x, 1 - 3 * x) + np.logaddexp2(-x, x),
    "logsumexp": lambda x: mg.logsumexp(np.stack([x, x * x, 1 - x])),
    "extrema": lambda x: np.max(np.stack([x, x * x, np.sin(2 * x)])) + np.min(np.stack([x, x * x])),
    "statistics": lambda x: np.std(np.stack([x, 1.0, x * x])) + np.prod(np.stack([x, 2 - x, 3.0])),
    "contractions": lambda x: (
        np.einsum("i,ij,j->", matrix(x)[0], matrix(x), matrix(x)[1]) + np.trace(matrix(x) @ matrix(x))
    ),
    "solve": lambda x: np.sum(np.linalg.solve(matrix(x), np.stack([x, 1 + x])) ** 2),
    "inverse": lambda x: np.sum(np.linalg.inv(matrix(x))),
    "cholesky": lambda x: np.sum(np.sin(np.linalg.cholesky(symmetric(x)))),
    "triangular": lambda x: np.sum(mg.solve_triangular(matrix(x), np.stack([x, 1 - x]), lower=True)),
    "determinant": lambda x: np.linalg.det(matrix(x)) ** 2,
    "slogdet": lambda x: np.linalg.slogdet(matrix(x))[1],
    "indexing": lambda x: np.sum(matrix(x)[[0, 1, 1], [1, 0, 0]] * np.cumsum(matrix(x)[0])[0]),
    "branch": lambda x: x**3 if x < 1 else np.sin(x),
    "gradient": lambda x: mg.grad(lambda y: np.sin(x * y) * y)(x),
    "checkpoint": lambda x: mg.checkpoint(lambda y: np.sin(y) * np.exp(y))(x * x),
    "loop": newton_root,
}


@some_compiled(8, FUNCTIONS)
def test_agrees_with_nested_forward_mode_to_order_six(name, run):
    function, x = FUNCTIONS[name], 0.3
    coefficients = run(lambda x: mg.taylor(function, x, 1.0, 6))(x)
    expected = [nested_forward(function, n)(x) / math.factorial(n) for n in range(7)]
    np.testing.assert_allclose(coefficients, expected, rtol=1e-11, atol=1e-11 * np.max(np.abs(expected)))


CLOSED = {
    "exp": (np.exp, mpmath.exp, 0.5),
    "tan": (np.tan, mpmath.tan, 0.3),
    "tanh": (np.tanh, mpmath.tanh, 0.4),
    "arctan": (np.arctan, mpmath.atan, 0.7),
    "sqrt": (np.sqrt, mpmath.sqrt, 2.0),
    "log": (np.log, mpmath.log, 1.5),
    "power": (lambda x: x**-1.5, lambda x: x ** mpmath.mpf("-1.5"), 1.2),
    "composite": (lambda x: np.exp(np.sin(x)) / (1 + x * x), lambda x: mpmath.exp(mpmath.sin(x)) / (1 + x * x), 0.2),
    "sinc": (lambda x: np.sinc(x / np.pi), mpmath.sinc, 1e-3),
}


@compiled_if_long
@pytest.mark.parametrize("name", CLOSED)
def test_order_fifty_against_fifty_digits(name, run):
    function, reference, x = CLOSED[name]
    coefficients = run(lambda x: mg.taylor(function, x, 1.0, 50))(x)
    with mpmath.workdps(80):
        expected = np.array([float(c) for c in mpmath.taylor(reference, mpmath.mpf(x), 50)])
    # Relative to the geometric growth of the coefficients: single ones can vanish.
    scale = np.maximum.accumulate(np.abs(expected)[::-1])[::-1]
    assert np.max(np.abs(coefficients - expected) / scale) < 1e-11


def test_polynomials_are_exact_and_end(mg):
    coefficients = mg.taylor(lambda x: x**5, 0.0, 1.0, 8)
    np.testing.assert_array_equal(coefficients, [0, 0, 0, 0, 0, 1, 0, 0, 0])
    assert mg.nth_derivative(lambda x: x**2.0, 3)(0.0) == 0.0
    assert mg.nth_derivative(lambda x: x**0.0, 1)(0.0) == 0.0


def test_arrays_containers_and_constants(mg):
    f = lambda p: {"a": p[0] * p[1], "b": (np.sum(p[0] ** 2), 3.0)}
    point, direction = (np.array([1.0, 2.0]), 3.0), (np.array([0.5, -1.0]), 1.0)
    result = mg.taylor(f, point, direction, 3)
    np.testing.assert_allclose(result["a"], [[3, 6], [2.5, -1], [0.5, -1], [0, 0]])
    np.testing.assert_allclose(result["b"][0], [5, -3, 1.25, 0])
    np.testing.assert_array_equal(result["b"][1], [3, 0, 0, 0])
    np.testing.assert_array_equal(mg.taylor(np.sin, 0.5, 1.0, 0), [np.sin(0.5)])


@pytest.mark.parametrize("n", range(8))
def test_nth_derivative(n, mg):
    x = 0.4
    expected = [np.sin(x), np.cos(x), -np.sin(x), -np.cos(x)][n % 4]
    assert mg.nth_derivative(np.sin, n)(x) == pytest.approx(expected, rel=1e-14)


def test_nests_with_the_other_modes(mg):
    third = mg.nth_derivative(np.sin, 3)
    assert mg.grad(third)(0.5) == pytest.approx(np.sin(0.5), rel=1e-14)
    assert mg.nth_derivative(third, 2)(0.5) == pytest.approx(np.cos(0.5), rel=1e-14)
    x = np.array([0.1, 0.2])
    np.testing.assert_allclose(mg.vmap(third)(x), -np.cos(x), rtol=1e-14)
    assert mg.taylor(lambda x: np.sum(mg.vmap(np.sin)(x)), x, x, 2).shape == (3,)


def test_taylor_at_delicate_points(mg):
    assert mg.taylor(lambda x: np.sqrt(x**2), 0.0, 1.0, 1)[1] == 0.0
    assert mg.taylor(lambda x: np.where(x > 0, np.sqrt(x), 0.0), 0.0, 1.0, 2)[1] == 0.0
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_array_equal(
        mg.taylor(lambda t: np.linalg.det(singular + t * np.eye(2)), 0.0, 1.0, 3),
        [0, 5, 1, 0],
    )


@pytest.mark.parametrize("function", [np.exp, np.tan, lambda x: x * x / (1 + x), lambda x: np.sqrt(1 + x * x)])
def test_cost_is_quadratic_in_the_order(monkeypatch, function):
    from mixgrad.rules import series

    products = [0]
    plain = series.product

    def counted(a, b):
        products[0] += max(np.size(a), np.size(b))
        return plain(a, b)

    monkeypatch.setattr(series, "product", counted)

    def cost(order):
        products[0] = 0
        mg.taylor(function, 0.5, 1.0, order)
        return products[0]

    n = 24
    first, second, third = cost(n), cost(2 * n), cost(4 * n)
    assert first > n
    # A polynomial of degree two in the order: its third differences along doublings vanish up to the linear terms.
    assert second < 4.2 * first
    assert third < 4.1 * second


def test_errors():
    with pytest.raises(ValueError, match="order must be an integer that is not negative, got -1"):
        mg.taylor(np.sin, 1.0, 1.0, -1)
    with pytest.raises(mg.ShapeError, match=r"one number, got an argument of shape \(2,\)"):
        mg.nth_derivative(np.sin, 2)(np.ones(2))
    with pytest.raises(mg.ShapeError, match="tangent of shape"):
        mg.taylor(np.sin, np.ones(2), np.ones(3), 2)
