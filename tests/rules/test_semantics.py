"""The law of delicate points (docs/semantics.md), row by row: forward and reverse mode, both dtypes, second order."""

import math
from dataclasses import dataclass, field

import mpmath
import numpy as np
import pytest
import scipy.special

import mixgrad as mg
import mixgrad.rules.special
from mixgrad.core.numpy_table import FUNCTIONS, UFUNCS

from ..backends import compiled_if_long

FLOAT64, FLOAT32 = np.float64, np.float32
INF = math.inf
LOG2 = math.log(2)

xlogy, expit = scipy.special.xlogy, scipy.special.expit


@dataclass(frozen=True)
class Law:
    """One expression at one point, its gradient, and what is known of its Hessian.

    `second` is the Hessian; None where only "never nan" and the agreement of the modes are asked for. `needs` are
    functions that must have a meaning on boxes.
    """

    text: str
    function: object
    at: object
    gradient: object
    second: object = None
    needs: tuple = field(default=())

    def __str__(self):
        return self.text


def zero_of(function):
    """Return laws for a function that is flat everywhere or has its kink at 0."""
    name = getattr(function, "__name__", "function")
    return [Law(f"{name} at {x}", function, x, 0.0, 0.0) for x in (0.0, 0.5, -1.3, 2.0)]


def weighted(function):
    """Return the scalar function that weights the results by 1, 2, 3 ..."""

    def scalar(x):
        y = function(x)
        return np.sum(y * np.arange(1.0, y.size + 1).astype(x.dtype).reshape(y.shape))

    return scalar


RANK_ONE = np.array([[0.5, 1.0, 1.5], [0.25, 0.5, 0.75], [-0.5, -1.0, -1.5]])
RANK_TWO = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])
RANK_TWO_COFACTORS = np.array([[4.0, 4.0, -4.0], [-2.0, -2.0, 2.0], [0.0, 0.0, 0.0]])
SECOND_OF_DET = np.array([[[[0, 0], [0, 1]], [[0, 0], [-1, 0]]], [[[0, -1], [0, 0]], [[1, 0], [0, 0]]]])
TIES = np.array([2.0, 1.0, 2.0, 1.0])

LAWS = [
    # abs(x) at 0; sign, floor, round anywhere: 0
    Law("abs(x) at 0", abs, 0.0, 0.0, 0.0),
    Law("np.abs(x) at 0", np.abs, 0.0, 0.0, 0.0),
    Law("np.fabs(x) at 0", np.fabs, 0.0, 0.0, 0.0),
    *(law for f in (np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.fix) for law in zero_of(f)),
    Law("np.round(x, 1)", lambda x: np.round(x, 1), 0.55, 0.0, 0.0),
    # maximum, minimum at a tie: 1/2 each; max of n equal entries: 1/n each
    Law("maximum(a, b) at a tie", lambda x: np.maximum(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    Law("minimum(a, b) at a tie", lambda x: np.minimum(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    Law("fmax(a, b) at a tie", lambda x: np.fmax(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    Law("fmin(a, b) at a tie", lambda x: np.fmin(x[0], x[1]), [2.0, 2.0], [0.5, 0.5]),
    Law("fmax(a, nan)", lambda x: np.fmax(x, np.nan), 2.0, 1.0, 0.0),
    Law("max of four equal entries", np.max, [3.0] * 4, [0.25] * 4),
    Law("min of three equal entries", np.min, [3.0] * 3, [1 / 3] * 3),
    Law("max with two of three attained", np.max, [3.0, 1.0, 3.0], [0.5, 0.0, 0.5]),
    Law("maximum.reduce with ties", np.maximum.reduce, [3.0, 1.0, 3.0], [0.5, 0.0, 0.5]),
    Law("max(axis=1) with ties", weighted(lambda x: np.max(x, axis=1)), [[1.0, 1.0], [0.0, 2.0]], [[0.5, 0.5], [0, 2]]),
    Law("ptp of equal entries", np.ptp, [1.0, 1.0], [0.0, 0.0]),
    # sort, argsort-gather, median, quantile at ties: the stable permutation
    Law("sort at ties", weighted(np.sort), TIES, [3.0, 1.0, 4.0, 2.0], 0.0),
    Law("argsort-gather at ties", weighted(lambda x: x[np.argsort(x)]), TIES, [3.0, 1.0, 4.0, 2.0], 0.0),
    Law("take_along_axis", weighted(lambda x: np.take_along_axis(x, np.argsort(x), -1)), TIES, [3.0, 1.0, 4.0, 2.0]),
    Law("median of three equal entries", np.median, [1.0] * 3, [0.0, 1.0, 0.0], 0.0),
    Law("median of four equal entries", np.median, [1.0] * 4, [0.0, 0.5, 0.5, 0.0], 0.0),
    Law("quantile at ties", lambda x: np.quantile(x, 0.5), [1.0] * 3, [0.0, 1.0, 0.0], 0.0, (np.quantile,)),
    # clip at a bound: 1
    Law("clip at the lower bound", lambda x: np.clip(x, 0.0, 1.0), 0.0, 1.0, 0.0),
    Law("clip at the upper bound", lambda x: np.clip(x, 0.0, 1.0), 1.0, 1.0, 0.0),
    Law("x.clip(0, None) at 0", lambda x: x.clip(0.0, None), 0.0, 1.0, 0.0),
    Law("clip outside", lambda x: np.clip(x, 0.0, 1.0), -0.5, 0.0, 0.0),
    Law("clip(max=...) at the bound", lambda x: np.clip(x, None, 1.0), 1.0, 1.0, 0.0),
    # maximum(x, 0) at 0: 1/2
    Law("maximum(x, 0) at 0", lambda x: np.maximum(x, 0), 0.0, 0.5),
    Law("maximum(0., x) at 0", lambda x: np.maximum(0.0, x), 0.0, 0.5),
    # sqrt
    Law("sqrt(x) at 0", np.sqrt, 0.0, INF),
    Law("x ** 0.5 at 0", lambda x: x**0.5, 0.0, INF),
    Law("sqrt(x**2) at 0", lambda x: np.sqrt(x**2), 0.0, 0.0),
    Law("sqrt(x*x) at 0", lambda x: np.sqrt(x * x), 0.0, 0.0),
    Law("sqrt(square(x)) at 0", lambda x: np.sqrt(np.square(x)), 0.0, 0.0),
    Law("norm(x) at 0", np.linalg.norm, [0.0] * 3, [0.0] * 3),
    Law("norm(x, 2) at 0", lambda x: np.linalg.norm(x, 2), [0.0] * 3, [0.0] * 3),
    Law("norm(x, 1) at 0", lambda x: np.linalg.norm(x, 1), [0.0] * 3, [0.0] * 3),
    Law("norm(x, 3) at 0", lambda x: np.linalg.norm(x, 3), [0.0] * 3, [0.0] * 3),
    Law("norm(x, inf) at 0", lambda x: np.linalg.norm(x, np.inf), [0.0] * 3, [0.0] * 3),
    Law("vector_norm(x) at 0", np.linalg.vector_norm, [0.0] * 3, [0.0] * 3),
    Law("matrix_norm(x) at 0", np.linalg.matrix_norm, [[0.0] * 2] * 2, [[0.0] * 2] * 2),
    Law("norm of rows", lambda x: np.linalg.norm(x, axis=1).sum(), [[0.0, 0.0], [3.0, 4.0]], [[0, 0], [0.6, 0.8]]),
    Law("norm(x)**2 at 0", lambda x: np.linalg.norm(x) ** 2, [0.0] * 3, [0.0] * 3),
    Law("hypot(0, 0)", lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], [0.0, 0.0]),
    # a branch not taken
    Law("where(x > 0, sqrt(x), 0) at 0", lambda x: np.where(x > 0, np.sqrt(x), 0), 0.0, 0.0, 0.0),
    Law("where(x > 0, log(x), 0) at -1", lambda x: np.where(x > 0, np.log(x), 0), -1.0, 0.0, 0.0),
    Law("where(x > 0, 1 / x, 0) at 0", lambda x: np.where(x > 0, 1 / x, 0.0), 0.0, 0.0, 0.0),
    Law("0 * log(x) at 0", lambda x: 0 * np.log(x), 0.0, 0.0, 0.0),
    # powers
    Law("x ** 0. at 0", lambda x: x**0.0, 0.0, 0.0, 0.0),
    Law("x ** 0 at 0", lambda x: x**0, 0.0, 0.0, 0.0),
    Law("x ** 1. at 0", lambda x: x**1.0, 0.0, 1.0, 0.0),
    Law("x ** 2. at 0", lambda x: x**2.0, 0.0, 0.0, 2.0),
    Law("x ** 2 at 0", lambda x: x**2, 0.0, 0.0, 2.0),
    Law("x ** 3. at 0", lambda x: x**3.0, 0.0, 0.0, 0.0),
    Law("x ** 3 at -2", lambda x: x**3, -2.0, 12.0, -12.0),
    Law("second derivative of x ** 2. at 0", lambda x: x**2.0 * x, 0.0, 0.0, 0.0),
    Law("0. ** y at 2", lambda y: 0.0**y, 2.0, 0.0, 0.0),
    Law("0. ** y at 0.5", lambda y: 0.0**y, 0.5, 0.0, 0.0),
    Law("x ** y at (0, 2)", lambda x: x[0] ** x[1], [0.0, 2.0], [0.0, 0.0]),
    Law("x ** y at (2, 0)", lambda x: x[0] ** x[1], [2.0, 0.0], [0.0, LOG2], [[0, 0.5], [0.5, LOG2**2]]),
    # x log x
    Law("x * log(x) at 0", lambda x: x * np.log(x), 0.0, -INF),
    Law("xlogy(0, y)", lambda y: xlogy(0.0, y), 2.0, 0.0, 0.0, (xlogy,)),
    Law("xlogy(0, y) at y = 0", lambda y: xlogy(0.0, y), 0.0, 0.0, 0.0, (xlogy,)),
    # prod
    Law("prod((0, 2, 3))", np.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
    Law("prod((0, 0, 3))", np.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
    Law("multiply.reduce", np.multiply.reduce, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
    # logsumexp
    Law("logsumexp((-inf, -inf))", mg.logsumexp, [-INF, -INF], [0.0, 0.0], 0.0),
    Law("logsumexp((-inf, 1))", mg.logsumexp, [-INF, 1.0], [0.0, 1.0], 0.0),
    Law("logaddexp.reduce((-inf, 1))", np.logaddexp.reduce, [-INF, 1.0], [0.0, 1.0], 0.0),
    Law("logaddexp(-inf, -inf)", lambda x: np.logaddexp(x[0], x[1]), [-INF, -INF], [0.0, 0.0], 0.0),
    Law("logaddexp(-inf, 1)", lambda x: np.logaddexp(x[0], x[1]), [-INF, 1.0], [0.0, 1.0], 0.0),
    Law("logaddexp2(-inf, 1)", lambda x: np.logaddexp2(x[0], x[1]), [-INF, 1.0], [0.0, 1.0], 0.0),
    # arctan2(0, 0); sinc(0); std of a constant vector
    Law("arctan2(0, 0)", lambda x: np.arctan2(x[0], x[1]), [0.0, 0.0], [0.0, 0.0]),
    Law("sinc(0)", np.sinc, 0.0, 0.0, -(math.pi**2) / 3),
    Law("std of a constant vector", np.std, [2.0] * 3, [0.0] * 3, 0.0),
    Law("var of a constant vector", np.var, [2.0] * 2, [0.0] * 2, [[0.5, -0.5], [-0.5, 0.5]]),
    # det at a singular matrix: the cofactors
    Law("det, rank deficit 1", np.linalg.det, [[1.0, 2.0], [2.0, 4.0]], [[4.0, -2.0], [-2.0, 1.0]]),
    Law("det of 3 x 3, rank deficit 1", np.linalg.det, RANK_TWO, RANK_TWO_COFACTORS),
    Law("det of 3 x 3, rank deficit 2", np.linalg.det, RANK_ONE, np.zeros((3, 3))),
    Law("det of the zero matrix", np.linalg.det, np.zeros((3, 3)), np.zeros((3, 3)), 0.0),
    Law("det of 2 x 2 zeros", np.linalg.det, np.zeros((2, 2)), np.zeros((2, 2)), SECOND_OF_DET),
    # sums of eigenvalues and singular values at repeated values
    Law("sum(eigvalsh(I))", lambda x: np.linalg.eigvalsh(x).sum(), np.eye(3), np.eye(3), 0.0, (np.linalg.eigvalsh,)),
    Law("sum(svdvals(I))", lambda x: np.linalg.svdvals(x).sum(), np.eye(3), np.eye(3), None, (np.linalg.svdvals,)),
    # saturation
    Law("tanh at 1000", np.tanh, 1000.0, 0.0, 0.0),
    Law("1 / (1 + exp(-x)) at 800", lambda x: 1 / (1 + np.exp(-x)), 800.0, 0.0, 0.0),
]  # fmt: skip


def absent(law):
    return any(function not in FUNCTIONS and function not in UFUNCS for function in law.needs)


def laws(*dtypes):
    params = [
        pytest.param(
            law, dtype, id=f"{law.text} {dtype.__name__}",
            marks=pytest.mark.skipif(absent(law), reason="the function has no row yet"),
        )
        for law in LAWS
        for dtype in dtypes
    ]  # fmt: skip
    return pytest.mark.parametrize(("law", "dtype"), params)


@pytest.fixture(autouse=True)
def quiet():
    """At these points NumPy's own values warn."""
    with np.errstate(all="ignore"):
        yield


def point(law, dtype):
    return np.asarray(law.at, dtype)[()]


def assert_equal(got, want, dtype, what, size=1.0):
    got, want = np.asarray(got), np.asarray(want, float)
    assert got.dtype == dtype, f"{what}: {got.dtype}"
    size = np.max(np.abs(want), where=np.isfinite(want), initial=size)
    rounding = 20 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(got, np.broadcast_to(want, got.shape), rounding, rounding * size, err_msg=what)


@compiled_if_long
@laws(FLOAT64, FLOAT32)
def test_first_order(law, dtype, mg):
    x = point(law, dtype)
    want = np.asarray(law.gradient, float)
    assert_equal(mg.grad(law.function)(x), want, dtype, "reverse")
    assert np.shape(mg.grad(law.function)(x)) == x.shape
    assert_equal(mg.jacfwd(law.function)(x), want, dtype, "forward, all directions")
    _, push = mg.linearize(law.function, x)
    size = np.max(np.abs(want), where=np.isfinite(want), initial=1.0)
    for i in np.ndindex(x.shape):
        unit = np.zeros(x.shape, dtype)
        unit[i] = 1
        assert_equal(mg.jvp(law.function, (x,), (unit[()],))[1], want[i], dtype, f"forward, direction {i}", size)
        assert_equal(push(unit[()]), want[i], dtype, f"linearised, direction {i}", size)


@compiled_if_long
@laws(FLOAT64)
def test_in_a_batch(law, dtype, mg):
    x = point(law, dtype)
    batch = np.stack([x, x])
    want = np.broadcast_to(np.asarray(law.gradient, float), x.shape)
    got = mg.vmap(mg.grad(law.function))(batch)
    assert_equal(got, np.stack([want, want]), dtype, "reverse in a batch")


@compiled_if_long
@laws(FLOAT64, FLOAT32)
def test_second_order(law, dtype, mg):
    x = point(law, dtype)
    check_second_order(law, dtype, {name: way(mg, law.function)(x) for name, way in SECOND.items()})


SECOND = {
    "forward over reverse": lambda mg, f: mg.jacfwd(mg.grad(f)),
    "reverse over forward": lambda mg, f: mg.jacrev(mg.jacfwd(f)),
    "reverse over reverse": lambda mg, f: mg.jacrev(mg.grad(f)),
    "forward over forward": lambda mg, f: mg.jacfwd(mg.jacfwd(f)),
}


def check_second_order(law, dtype, found):
    found = {name: np.asarray(hessian) for name, hessian in found.items()}
    for name, hessian in found.items():
        assert hessian.dtype == dtype, f"{name}: {hessian.dtype}"
        assert not np.isnan(hessian).any(), f"{name}: nan in {hessian!r}"
        if law.second is not None:
            assert_equal(hessian, law.second, dtype, name)
    first = found["forward over reverse"]
    for name, hessian in found.items():
        assert_equal(hessian, first, dtype, f"{name} and forward over reverse")


@laws(FLOAT64, FLOAT32)
def test_compiled(law, dtype):
    """All derivatives of a law as one program; `make long` compiles each on its own."""

    def everything(x):
        first = {"reverse": mg.grad(law.function)(x), "forward": mg.jacfwd(law.function)(x)}
        return first, {name: way(mg, law.function)(x) for name, way in SECOND.items()}

    x = point(law, dtype)
    first, second = mg.jit(everything)(x)
    for name, gradient in first.items():
        assert np.shape(gradient) == x.shape
        assert_equal(gradient, law.gradient, dtype, name)
    check_second_order(law, dtype, second)


@compiled_if_long
@laws(FLOAT64, FLOAT32)
def test_taylor_polynomials(law, dtype, mg):
    x = point(law, dtype)
    gradient = np.broadcast_to(np.asarray(law.gradient, float), x.shape)
    size = np.max(np.abs(gradient), where=np.isfinite(gradient), initial=1.0)
    for i in np.ndindex(x.shape):
        unit = np.zeros(x.shape, dtype)
        unit[i] = 1
        coefficients = mg.taylor(law.function, x, unit[()], 2)
        assert_equal(coefficients[1], gradient[i], dtype, f"power 1, direction {i}", size)
        assert not np.isnan(coefficients[2]), f"power 2, direction {i}"
        if law.second is not None:
            want = np.broadcast_to(np.asarray(law.second, float), x.shape + x.shape)[i + i]
            assert_equal(2 * coefficients[2], want, dtype, f"power 2, direction {i}", size)


def test_third_derivatives_of_powers_at_zero(mg):
    def third(f):
        return mg.grad(mg.grad(mg.grad(f)))(0.0)

    assert third(lambda x: x**2.0) == 0
    assert third(lambda x: x**2) == 0
    assert third(lambda x: x**1.0) == 0
    assert third(lambda x: x**3.0) == 6
    assert third(lambda x: x**3) == 6
    assert third(np.square) == 0
    forward = mg.jacfwd(mg.jacfwd(mg.jacfwd(lambda x: x**2.0)))
    assert forward(0.0) == 0


def test_third_derivative_of_prod_at_zeros(mg):
    third = mg.jacfwd(mg.jacrev(mg.grad(np.prod)))(np.zeros(3))
    want = np.zeros((3, 3, 3))
    for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        want[i, j, k] = 1
    np.testing.assert_array_equal(third, want)


# Full relative accuracy ---------------------------------------------------------------------------------------------

ACCURATE = {
    "tanh": (np.tanh, lambda x: mpmath.sech(x) ** 2, (0.0, 1e-10, 1.0, -5.0, 20.0, -20.0, 300.0, 1000.0, -1000.0)),
    "expm1": (np.expm1, mpmath.exp, (1e-300, 1e-10, -1e-10, -40.0, 700.0, -700.0)),
    "log1p": (np.log1p, lambda x: 1 / (1 + x), (1e-300, 1e-10, -1e-10, -0.999999, 1e300)),
    "expit": (expit, lambda x: mpmath.sech(x / 2) ** 2 / 4, (0.0, 1e-10, 5.0, -40.0, 40.0, 700.0, -700.0, 800.0)),
}


@pytest.mark.parametrize("name", ACCURATE)
@pytest.mark.parametrize("mode", [mg.grad, mg.jacfwd])
def test_full_relative_accuracy(name, mode, run):
    function, derivative, points = ACCURATE[name]
    if function not in UFUNCS:
        pytest.skip("the function has no row yet")
    slope = run(mode(function))
    for x in points:
        with mpmath.workdps(50):
            want = float(derivative(mpmath.mpf(x)))
        got = slope(x)
        assert abs(got - want) <= 8 * np.spacing(want), f"{name} at {x}: {got!r}, expected {want!r}"


@pytest.mark.parametrize("offset", [0.0, 1000.0, -1000.0, 1e6])
@pytest.mark.parametrize("mode", [mg.grad, mg.jacfwd])
def test_weights_of_logsumexp_do_not_depend_on_an_offset(offset, mode, run):
    x = np.array([0.0, 0.5, -1.25, -30.0])
    with mpmath.workdps(50):
        parts = [mpmath.exp(mpmath.mpf(float(value))) for value in x]
        want = np.array([float(part / sum(parts)) for part in parts])
    got = run(mode(mg.logsumexp))(x + offset)
    np.testing.assert_allclose(got, want, rtol=1e-15)


# The laws above the table -------------------------------------------------------------------------------------------


def test_zero_times_anything_is_zero(mg):
    assert mg.jvp(np.log, (0.0,), (0.0,))[1] == 0
    assert mg.jvp(np.sqrt, (0.0,), (0.0,))[1] == 0
    assert mg.vjp(np.log, 0.0)[1](0.0)[0] == 0
    assert mg.vjp(lambda x: 1 / x, 0.0)[1](0.0)[0] == 0
    safe = mg.grad(lambda x: np.sum(np.where(x > 0, np.log(x), 0.0)))
    assert safe(np.array([-1.0, 0.0, 2.0])).tolist() == [0, 0, 0.5]
    assert mg.grad(lambda x: x * np.inf)(0.0) == np.inf
    assert mg.vjp(lambda x: x * np.inf, 1.0)[1](0.0)[0] == 0
    assert mg.vjp(lambda x: x * np.nan, 1.0)[1](0.0)[0] == 0


def test_branches_look_at_primal_values(mg):
    def function(x):
        return x**2 if x > 1 else -x

    assert mg.grad(function)(2.0) == 4
    assert mg.grad(function)(1.0) == -1
    assert mg.grad(mg.grad(function))(3.0) == 2
    assert (mg.jvp(lambda x: np.greater(x, 1.0), (2.0,), (5.0,))[0]).dtype == bool


def test_gradient_of_a_complex_argument_is_steepest_ascent(mg):
    z = np.array([1.0 + 2.0j, -0.5 + 0.25j])
    for function in (
        lambda z: np.sum(np.abs(z) ** 2),
        lambda z: np.real(np.vdot(z, z)),
        lambda z: np.sum((z * z.conj()).real),
    ):
        gradient = mg.grad(function)(z)
        assert gradient.dtype == np.complex128
        np.testing.assert_allclose(gradient, 2 * z, rtol=1e-15)
        for direction in (np.array([1.0, 0.0]), np.array([1j, 1.0]), np.array([0.5 - 1j, 2.0])):
            dot = mg.jvp(function, (z,), (direction + 0j,))[1]
            np.testing.assert_allclose(dot, np.real(np.vdot(gradient, direction)), rtol=1e-15)


def test_a_real_argument_keeps_a_real_gradient(mg):
    gradient = mg.grad(lambda x: np.sum(np.abs(x * (1 + 2j)) ** 2))(np.array([1.0, -2.0]))
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, [10.0, -20.0], rtol=1e-15)


def test_nested_derivatives_do_not_confuse_perturbations(mg):
    def first(x):
        return x * mg.grad(lambda y: x + y)(2.0)

    def second(x):
        return x * mg.jvp(lambda y: x + y, (2.0,), (1.0,))[1]

    for function in (first, second):
        assert mg.grad(function)(1.0) == 1
        assert mg.jvp(function, (1.0,), (1.0,))[1] == 1
        assert mg.grad(mg.grad(function))(1.0) == 0

    def third(x):
        return mg.grad(lambda y: mg.grad(lambda z: x * y * z)(y) * y)(x)

    assert third(3.0) == 18  # d/dy x y^2 = 2 x y at y = x
    assert mg.grad(third)(3.0) == 12
