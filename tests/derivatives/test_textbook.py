"""The examples of a course on automatic differentiation, and derivatives of small programs with loops and branches."""

import numpy as np
import pytest

import mixgrad as mg


def test_gradient_of_the_textbook(mg):
    gradient = mg.grad(lambda x: x[0] * x[1] + np.sin(x[0]))(np.array([2.0, 3.0]))
    assert gradient[0] == 3.0 + np.cos(2.0)
    assert gradient[1] == 2.0


def dual_program(x1, x2, x1_dot, x2_dot):
    """The dual program of the textbook, by hand."""
    w3, w3_dot = x1 * x2, x1_dot * x2 + x1 * x2_dot
    w4, w4_dot = np.sin(x1), np.cos(x1) * x1_dot
    return w3 + w4, w3_dot + w4_dot


def test_forward_mode_is_the_dual_program(mg):
    value, tangent = mg.jvp(lambda x, y: x * y + np.sin(x), (2.0, 3.0), (0.5, -1.0))
    assert (value, tangent) == dual_program(2.0, 3.0, 0.5, -1.0)


def test_second_derivative_of_sine(mg):
    assert mg.grad(mg.grad(np.sin))(1.0) == -np.sin(1.0)


@pytest.mark.parametrize("order", range(1, 7))
def test_any_order_by_nesting(order, mg):
    function = np.exp
    for _ in range(order):
        function = mg.grad(function)
    assert function(0.3) == pytest.approx(np.exp(0.3), rel=1e-15)


def test_perturbations_are_not_confused(mg):
    assert mg.grad(lambda x: x * mg.grad(lambda y: x + y)(1.0))(2.0) == 1.0
    assert mg.grad(lambda x: x * mg.jvp(lambda y: x * y, (3.0,), (1.0,))[1])(2.0) == 4.0
    inner = lambda x: mg.jvp(lambda y: mg.grad(lambda z: x * y * z)(1.0), (x,), (1.0,))[1]  # = x
    assert mg.grad(inner)(5.0) == 1.0


def square_root(a):
    """Newton's iteration: a loop whose length depends on the value."""
    x = a
    while abs(x * x - a) > 1e-14 * a:
        x = (x + a / x) / 2
    return x


def horner(x):
    result = 0.0
    for coefficient in (1.0, -2.0, 0.5, 3.0):
        result = result * x + coefficient
    return result


def branches(x):
    if x > 1 and not x > 3:
        return x**2
    return np.sin(x)


@pytest.mark.parametrize(
    ("function", "x", "derivative"),
    [
        (square_root, 2.0, 0.5 / np.sqrt(2.0)),
        (horner, 1.5, 3 * 1.5**2 - 4 * 1.5 + 0.5),
        (branches, 2.0, 4.0),
        (branches, 0.5, np.cos(0.5)),
    ],
)
def test_loops_and_branches(function, x, derivative, mg):
    assert mg.grad(function)(x) == pytest.approx(derivative, rel=1e-12)
    assert mg.jvp(function, (x,), (1.0,))[1] == pytest.approx(derivative, rel=1e-12)


def test_long_programs_do_not_recurse(mg):
    def f(x):
        y = x
        for _ in range(20_000):
            y = y + np.sin(x) * 1e-4
        return y

    assert mg.grad(f)(0.5) == pytest.approx(1 + 2 * np.cos(0.5), rel=1e-10)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_against_scipy(mg):
    from scipy.optimize import rosen_der, rosen_hess, rosen_hess_prod

    x = np.array([1.2, -0.7, 0.3, 2.0, 1.0])
    v = np.array([0.5, 1.0, -2.0, 0.1, 0.0])
    np.testing.assert_allclose(mg.grad(rosenbrock)(x), rosen_der(x), rtol=1e-13)
    np.testing.assert_allclose(mg.hessian(rosenbrock)(x), rosen_hess(x), rtol=1e-13, atol=1e-10)
    np.testing.assert_allclose(mg.hvp(rosenbrock, x, v), rosen_hess_prod(x, v), rtol=1e-13)


def softmax_chain(x):
    y = np.exp(x - np.max(x))
    y = y / np.sum(y)
    return np.concatenate([y * np.sin(x), np.atleast_1d(np.sum(x**3)), x[::-1] @ np.outer(x, y)])


def test_jacobian_by_rows_equals_by_columns(mg):
    x = np.array([0.3, -1.2, 2.5, 0.7])
    rows, columns = mg.jacrev(softmax_chain)(x), mg.jacfwd(softmax_chain)(x)
    assert rows.shape == (9, 4)
    np.testing.assert_allclose(rows, columns, rtol=1e-14, atol=1e-15)
    one_by_one = np.stack([mg.jvp(softmax_chain, (x,), (e,))[1] for e in np.eye(4)], axis=1)
    np.testing.assert_allclose(columns, one_by_one, rtol=1e-14, atol=1e-15)
    h = 1e-20
    complex_step = np.stack(
        [np.imag(_complex_chain(x + 1j * h * e)) / h for e in np.eye(4)],
        axis=1,
    )
    np.testing.assert_allclose(columns, complex_step, rtol=1e-13, atol=1e-14)


def _complex_chain(x):
    y = np.exp(x - x[2])  # the largest entry, since max is not analytic
    y = y / np.sum(y)
    return np.concatenate([y * np.sin(x), np.atleast_1d(np.sum(x**3)), x[::-1] @ np.outer(x, y)])


def count_calls(monkeypatch, name):
    """Count evaluations of one row's value."""
    from mixgrad.core.op import TABLE

    counts = [0]
    value = TABLE[name].value

    def counted(*args, **static):
        counts[0] += 1
        return value(*args, **static)

    monkeypatch.setattr(TABLE[name], "value", counted)
    return counts


@pytest.mark.parametrize(("mode", "function"), [("auto", np.cumsum), ("reverse", np.cumsum), ("forward", np.cumsum)])
def test_jacobian_runs_the_function_once(monkeypatch, mode, function):
    counts = count_calls(monkeypatch, "exp")
    mg.jacobian(lambda x: function(np.exp(x)), mode=mode)(np.linspace(0, 1, 7))
    assert counts[0] == 1


def test_many_directions_compute_the_value_once(monkeypatch):
    counts = count_calls(monkeypatch, "sin")
    mg.hessian(lambda x: np.sum(np.sin(x)))(np.linspace(0, 1, 11))
    assert counts[0] == 1  # whatever the number of inputs


@pytest.mark.parametrize(
    ("function", "size", "directions"),
    [(lambda x: np.outer(x, x), 3, 3), (lambda x: np.stack([np.sum(x**2), np.prod(x)]), 5, 2)],
)
def test_auto_takes_the_mode_with_fewer_directions(monkeypatch, function, size, directions):
    from mixgrad import derivatives

    made = []

    class Watched(derivatives.BatchTrace):
        def __init__(self, size):
            made.append(size)
            super().__init__(size)

    monkeypatch.setattr(derivatives, "BatchTrace", Watched)
    x = np.arange(1.0, size + 1)
    result = mg.jacobian(function)(x)
    assert made == [directions]
    np.testing.assert_allclose(result, mg.jacfwd(function)(x), rtol=1e-14)
