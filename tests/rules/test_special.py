"""Special functions beyond the conformance test: the law at delicate points, far tails, high orders, late loading."""

import subprocess
import sys

import mpmath
import numpy as np
import pytest
import scipy.special as sp
from mpmath import mp

import mixgrad as mg
from mixgrad._errors import UnsupportedError
from mixgrad.core.numpy_table import UFUNCS
from mixgrad.program.to_text import parse, to_text
from mixgrad.rules import orders, special

from ..backends import compiled_if_long
from .special_oracles import MPMATH

FLOAT64, FLOAT32 = np.float64, np.float32
INF = np.inf
DTYPES = pytest.mark.parametrize("dtype", [FLOAT64, FLOAT32])

# The law: function, point, gradient, Hessian or None.
LAWS = {
    "xlogy(0, y)": (lambda y: sp.xlogy(0.0, y), 2.0, 0.0, 0.0),
    "xlogy(0, y) at y = 0": (lambda y: sp.xlogy(0.0, y), 0.0, 0.0, 0.0),
    "xlogy(x, x) at 0": (lambda x: sp.xlogy(x, x), 0.0, -INF, None),
    "xlogy(x, y) at (0, 2)": (lambda x: sp.xlogy(x[0], x[1]), [0.0, 2.0], [np.log(2.0), 0.0], [[0, 0.5], [0.5, 0]]),
    "xlog1py(0, y) at -1": (lambda y: sp.xlog1py(0.0, y), -1.0, 0.0, 0.0),
    "xlog1py(x, y) at (0, 1)": (lambda x: sp.xlog1py(x[0], x[1]), [0.0, 1.0], [np.log(2.0), 0.0], [[0, 0.5], [0.5, 0]]),
    "entr at 0": (sp.entr, 0.0, INF, None),
    "rel_entr(0, y)": (lambda y: sp.rel_entr(0.0, y), 2.0, 0.0, 0.0),
    "kl_div(0, y)": (lambda y: sp.kl_div(0.0, y), 2.0, 1.0, 0.0),
    "kl_div(0, y) at y = 0": (lambda y: sp.kl_div(0.0, y), 0.0, 1.0, 0.0),
    "kl_div at equal arguments": (lambda x: sp.kl_div(x[0], x[1]), [2.0, 2.0], [0.0, 0.0], [[0.5, -0.5], [-0.5, 0.5]]),
    "a branch not taken": (lambda x: np.where(x > 0, sp.gammaln(x), 0.0), 0.0, 0.0, 0.0),
    "expit at 800": (sp.expit, 800.0, 0.0, 0.0),
    "expit at -800": (sp.expit, -800.0, 0.0, 0.0),
    "expit at inf": (sp.expit, INF, 0.0, 0.0),
    "log_expit at -800": (sp.log_expit, -800.0, 1.0, 0.0),
    "erf at inf": (sp.erf, INF, 0.0, 0.0),
    "erf at -inf": (sp.erf, -INF, 0.0, 0.0),
    "ndtr at -inf": (sp.ndtr, -INF, 0.0, 0.0),
    "log_ndtr at inf": (sp.log_ndtr, INF, 0.0, 0.0),
    "log_ndtr at -1e9": (sp.log_ndtr, -1e9, 1e9, -1.0),
    "erfinv at 0": (sp.erfinv, 0.0, np.sqrt(np.pi) / 2, 0.0),
    "erfinv at 1": (sp.erfinv, 1.0, INF, None),
    "erfinv at -1": (sp.erfinv, -1.0, INF, None),
    "ndtri at 1/2": (sp.ndtri, 0.5, np.sqrt(2 * np.pi), 0.0),
    "ndtri at 0": (sp.ndtri, 0.0, INF, None),
    "exprel at 0": (sp.exprel, 0.0, 0.5, 1 / 3),
    "i1 at 0": (sp.i1, 0.0, 0.5, 0.0),
    "j1 at 0": (sp.j1, 0.0, 0.5, 0.0),
    "i0e at 0": (sp.i0e, 0.0, 0.0, None),
    "boxcox(x, 0)": (lambda x: sp.boxcox(x[0], x[1]), [2.0, 0.0], [0.5, np.log(2.0) ** 2 / 2], None),
    "inv_boxcox(y, 0)": (lambda x: sp.inv_boxcox(x[0], x[1]), [1.0, 0.0], [np.e, -np.e / 2], None),
    "huber at its kink": (lambda r: sp.huber(1.0, r), 1.0, 1.0, None),
    "huber at 0": (lambda r: sp.huber(1.0, r), 0.0, 0.0, 1.0),
    "huber, by delta": (lambda d: sp.huber(d, 3.0), 1.0, 2.0, -1.0),
}


@pytest.fixture(autouse=True)
def quiet():
    """At these points SciPy's own values warn."""
    with np.errstate(all="ignore"):
        yield


def close(got, want, dtype, what, rounding=128):
    got = np.asarray(got)
    assert got.dtype == dtype, what
    want = np.broadcast_to(np.asarray(want, float), got.shape)
    size = np.max(np.abs(want), where=np.isfinite(want), initial=1.0)
    tolerance = rounding * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * size, err_msg=what)


@compiled_if_long
@DTYPES
@pytest.mark.parametrize("name", LAWS)
def test_first_order(name, dtype, mg):
    function, at, gradient, _ = LAWS[name]
    x = np.asarray(at, dtype)[()]
    close(mg.grad(function)(x), gradient, dtype, "reverse")
    close(mg.jacfwd(function)(x), gradient, dtype, "forward")
    stacked = np.stack([x, x])
    close(mg.vmap(mg.grad(function))(stacked), np.stack([np.broadcast_to(gradient, x.shape)] * 2), dtype, "batch")


@compiled_if_long
@DTYPES
@pytest.mark.parametrize("name", LAWS)
def test_second_order(name, dtype, mg):
    function, at, _, hessian = LAWS[name]
    x = np.asarray(at, dtype)[()]
    ways = {
        "forward over reverse": mg.jacfwd(mg.grad(function)),
        "reverse over forward": mg.jacrev(mg.jacfwd(function)),
        "reverse over reverse": mg.jacrev(mg.grad(function)),
        "forward over forward": mg.jacfwd(mg.jacfwd(function)),
    }
    found = {way: derivative(x) for way, derivative in ways.items()}
    for way, second in found.items():
        assert not np.isnan(second).any(), f"{way}: {second!r}"
        close(second, found["forward over reverse"], dtype, way)
        if hessian is not None:
            close(second, hessian, dtype, way)


# Far tails ------------------------------------------------------------------------------------------------------------

TAILS = {
    "expit": ((700.0, -700.0, 800.0, 40.0, 1e-10, 0.0), lambda x: mpmath.sech(x / 2) ** 2 / 4),
    "log_expit": ((700.0, -700.0, 1e-10), lambda x: 1 / (1 + mp.exp(x))),
    "erf": ((10.0, -20.0, 26.0, 1e-10), lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)),
    "ndtr": ((10.0, -37.0, 1e-10), lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)),
    "log_ndtr": (
        (-1e8, -100.0, -1.0, -1e-10, 0.0, 5.0, 30.0),
        lambda x: mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi) / (mp.erfc(-x / mp.sqrt(2)) / 2),
    ),
}


@pytest.mark.parametrize("name", TAILS)
@pytest.mark.parametrize("mode", [mg.grad, mg.jacfwd])
def test_full_relative_accuracy(name, mode, run):
    points, derivative = TAILS[name]
    slope = run(mode(getattr(sp, name)))
    for x in points:
        with mp.workdps(50):
            # Far to the left erfc is smaller than any number that mpmath's own exponent would mind.
            want = derivative(mp.mpf(x)) if abs(x) < 1e5 else mp.mpf(-x) - 1 / mp.mpf(x)
            want = float(want)
        got = slope(x)
        assert abs(got - want) <= 8 * np.spacing(want), f"{name} at {x}: {got!r}, expected {want!r}"


def test_second_derivative_of_log_ndtr_in_the_tail():
    for x in (-1e6, -1e3, -50.0, -5.0, 3.0):
        with mp.workdps(60):
            t = mp.mpf(x)
            ratio = mp.exp(-t * t / 2) / mp.sqrt(2 * mp.pi) / (mp.erfc(-t / mp.sqrt(2)) / 2) if x > -1e4 else None
            want = -1.0 if ratio is None else float(-ratio * (t + ratio))
        got = mg.grad(mg.grad(sp.log_ndtr))(x)
        assert abs(got - want) <= 1e-13 * abs(want) + 1.1 / x**2 * (ratio is None), f"{x}: {got!r}, expected {want!r}"


# High orders ----------------------------------------------------------------------------------------------------------

HIGH = {
    "erf": 0.7, "erfc": -0.4, "erfcx": 1.5, "ndtr": 0.3, "log_ndtr": -2.0, "expit": 0.6, "log_expit": -1.2, "i0e": 0.9,
    "i1e": 1.3, "j0": 1.2, "j1": 2.1, "i0": 0.8, "i1": 1.4, "exprel": 0.3, "entr": 0.8, "logit": 0.4,
}  # fmt: skip


@compiled_if_long
@pytest.mark.parametrize("name", HIGH)
def test_taylor_polynomials_of_order_twenty(name, mg):
    x = HIGH[name]
    with mp.workdps(40):
        want = mp.taylor(MPMATH[name], mp.mpf(x), 20)
    got = mg.taylor(getattr(sp, name), x, 1.0, 20)
    assert len(got) == 21
    size = max(abs(float(c)) for c in want)
    for k, (a, b) in enumerate(zip(got, want)):
        assert abs(a - float(b)) <= 1e-10 * max(abs(float(b)), 1e-3 * size * 10.0**-k), f"{name}, power {k}: {a!r}, {b}"


def test_taylor_polynomials_of_gamma_functions():
    x, orders = 2.5, range(1, 21)
    want = [float(mp.psi(k, x) / mp.factorial(k)) for k in orders]
    np.testing.assert_allclose(mg.taylor(sp.psi, x, 1.0, 20)[1:], want, rtol=1e-13)
    want = [float(mp.psi(k - 1, x) / mp.factorial(k)) for k in orders]
    np.testing.assert_allclose(mg.taylor(sp.gammaln, x, 1.0, 20)[1:], want, rtol=1e-13)


INVERSE = [(sp.erfinv, sp.erf, 0.3), (sp.erfcinv, sp.erfc, 1.2), (sp.ndtri, sp.ndtr, 0.2), (sp.logit, sp.expit, 0.4)]


@pytest.mark.parametrize(("inverse", "function", "x"), INVERSE)
def test_taylor_polynomials_of_inverse_functions(inverse, function, x):
    got = mg.taylor(lambda x: function(inverse(x)), x, 1.0, 12)
    np.testing.assert_allclose(got, [x, 1.0, *[0.0] * 11], rtol=1e-14, atol=1e-9)


@pytest.mark.parametrize("row", [orders.jv, orders.yv, orders.ive, orders.kve, orders.polygamma])
def test_high_orders_of_functions_with_an_order(row):
    # Nested forward mode applies the rule for the first derivative; Taylor mode works with all derivatives at once.
    x = np.float64(1.1)
    got = mg.taylor(lambda x: row(x * x, order=2), x, 1.0, 4)
    nested = [lambda x: row(x * x, order=2)]
    for _ in range(4):
        nested.append(mg.grad(nested[-1]))
    factorial = [1, 1, 2, 6, 24]
    for k, derivative in enumerate(nested):
        assert abs(got[k] * factorial[k] - derivative(x)) <= 1e-11 * abs(derivative(x)), k
    assert row(np.float32(1.5), order=2).dtype == np.float32


# Everything registered ------------------------------------------------------------------------------------------------


def test_scipys_versions_of_numpys_functions():
    for function, derivative in (
        (sp.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)), (sp.exp2, lambda x: np.log(2) * 2**x),
        (sp.expm1, np.exp), (sp.log1p, lambda x: 1 / (1 + x)), (sp.exp10, lambda x: np.log(10) * 10**x),
    ):  # fmt: skip
        assert mg.grad(function)(0.7) == pytest.approx(derivative(0.7), rel=1e-14)


def test_bessel_functions_of_an_order():
    for v in (0, 1, 2.5, np.float64(3)):
        got = mg.grad(lambda x, v=v: sp.jv(v, x))(1.3)
        with mp.workdps(30):
            assert got == pytest.approx(float(mpmath.besselj(float(v), 1.3, derivative=1)), rel=1e-13)


def test_there_is_no_derivative_by_the_order_of_a_bessel_function():
    with pytest.raises(UnsupportedError, match="one constant order v, got a differentiated value"):
        mg.grad(lambda v: sp.jv(v, 1.0))(2.0)
    with pytest.raises(UnsupportedError, match=r"one constant order v, got an array of shape \(2,\)"):
        mg.grad(lambda x: sp.jv(np.array([0.0, 1.0]), x).sum())(2.0)


def test_a_function_without_a_row_is_named():
    with pytest.raises(UnsupportedError, match="airy has no rule"):
        mg.grad(lambda x: sp.airy(x)[0])(1.0)


def test_complex_numbers():
    z = 0.4 + 0.3j
    for function in (sp.erf, sp.erfc, sp.ndtr, sp.gamma, sp.loggamma):
        step = 1e-5
        want = (function(z + step) - function(z - step)) / (2 * step)
        assert mg.jvp(function, (z,), (1.0 + 0j,))[1] == pytest.approx(want, rel=1e-8)


def test_every_row_is_reached_by_scipys_function():
    for name, op in vars(special).items():
        function = getattr(sp, name, None)
        if isinstance(function, np.ufunc) and hasattr(op, "partials"):
            assert function in UFUNCS, name


# Loading, programs ----------------------------------------------------------------------------------------------------


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_special_functions_are_loaded_when_one_is_met():
    code = """
import sys
import numpy as np
import mixgrad as mg
mg.grad(np.sin)(1.0)
before = "mixgrad.rules.special" in sys.modules or "scipy.special" in sys.modules
from scipy.special import erf
between = "mixgrad.rules.special" in sys.modules
print(before, between, mg.grad(erf)(0.0), "mixgrad.rules.special" in sys.modules)
"""
    before, between, slope, after = run(code).split()
    assert (before, between, after) == ("False", "False", "True")
    assert float(slope) == pytest.approx(2 / np.sqrt(np.pi))


def test_an_unknown_ufunc_of_numpy_loads_nothing():
    code = """
import sys
import numpy as np
import mixgrad as mg
try:
    mg.grad(lambda x: np.nextafter(x, 2.0))(1.0)
except mg.UnsupportedError:
    print("scipy.special" in sys.modules)
"""
    assert run(code).split() == ["False"]


def test_a_text_loads_the_rows_it_names():
    code = """
from mixgrad.program.to_text import parse
print(parse("def f(x: f64):\\n    a = erf(x)  # f64\\n    return (a,)\\n"))
"""
    assert "erf(x)" in run(code)


def test_programs_of_derivatives_read_back():
    for function in (sp.erf, sp.psi, sp.erfcx, sp.j1, sp.exprel, sp.log_ndtr):
        program = mg.trace(mg.grad(function))(0.7)
        text = to_text(program)
        assert to_text(parse(text)) == text


def test_outer():
    x = np.array([1.0, 2.0])
    got = mg.jacfwd(lambda x: sp.xlogy.outer(x, np.array([3.0, 4.0])))(x)
    np.testing.assert_allclose(got, np.einsum("ik,j->ijk", np.eye(2), np.log([3.0, 4.0])))
