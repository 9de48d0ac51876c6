"""The programs of `acceptance.py`: forward, reverse and second order, run at once and as programs."""

import functools

import numpy as np
import pytest
import scipy.linalg

import mixgrad as mg
from mixgrad.compile.executable import Executable
from mixgrad.core.interpret import interpret
from mixgrad.core.program import check

from .acceptance import PROGRAMS, settings_of
from .acceptance_programs import matrix_exponential, runge_kutta
from .acceptance_references import exact_runge_kutta
from .oracle import Exact
from .sizes import size

many_steps = pytest.mark.parametrize("steps", [1_000, pytest.param(10_000, marks=pytest.mark.long)])


def forward(function, v, w):
    return lambda x: mg.jvp(function, (x,), (v,))[1]


def reverse(function, v, w):
    return lambda x: mg.vjp(function, x)[1](w)[0]


def forward_over_reverse(function, v, w):
    return lambda x: mg.jvp(reverse(function, v, w), (x,), (v,))[1]


def reverse_over_forward(function, v, w):
    return lambda x: mg.vjp(forward(function, v, w), x)[1](w)[0]


MODES = {
    "value": lambda function, v, w: function,
    "forward": forward,
    "reverse": reverse,
    "forward over reverse": forward_over_reverse,
    "reverse over forward": reverse_over_forward,
}
ORACLES = {"forward over reverse": "second", "reverse over forward": "second"}
TOLERANCES = {"second": "second"}

every_program = pytest.mark.parametrize("name", PROGRAMS)
every_mode = pytest.mark.parametrize("mode", MODES)


def function_of(program, doubled=False):
    settings = settings_of(program, doubled)
    return functools.partial(program.function, **settings) if settings else program.function


@functools.cache
def problem(name, seed):
    """Return a point, another point, a direction and weights of the outputs."""
    program, random = PROGRAMS[name], np.random.default_rng(seed)
    x, other = program.sample(random, program.n), program.sample(random, program.n)
    shape = np.shape(function_of(program)(x.copy()))
    return x, other, random.normal(size=x.shape), random.normal(size=shape)[()]


@functools.cache
def expected(name, seed, what):
    program = PROGRAMS[name]
    x, _, v, w = problem(name, seed)
    return getattr(Exact(functools.partial(program.exact, **settings_of(program)), x, v, w), what)()


def assert_close(got, want, tolerance, floor=0.0):
    """Compare relative to the largest entry."""
    scale = max(np.max(np.abs(want), initial=0.0), floor)
    np.testing.assert_allclose(np.ravel(got), np.ravel(want), rtol=0, atol=tolerance * scale)


# Eager ----------------------------------------------------------------------------------------------------------------


@every_program
def test_plain_value(name, seed):
    """The programs and their references agree: no derivative yet."""
    program, (x, *_) = PROGRAMS[name], problem(name, seed)
    before = x.copy()
    assert_close(function_of(program)(x), expected(name, seed, "value"), program.tolerance)
    np.testing.assert_array_equal(x, before)


@every_mode
@every_program
def test_eager(name, mode, seed):
    program, (x, _, v, w) = PROGRAMS[name], problem(name, seed)
    what = ORACLES.get(mode, mode)
    floor = np.max(np.abs(expected(name, seed, "reverse"))) if what == "second" else 0.0
    got = MODES[mode](function_of(program), v, w)(x)
    assert_close(got, expected(name, seed, what), program.second if what == "second" else program.tolerance, floor)


@every_program
def test_gradient_and_hessian(name, seed):
    program, (x, _, v, w) = PROGRAMS[name], problem(name, seed)
    function = function_of(program)
    scalar = function if np.shape(w) == () else lambda x: np.sum(w * function(x))
    factor = w if np.shape(w) == () else 1.0
    first, second = expected(name, seed, "reverse"), expected(name, seed, "second")
    assert_close(factor * mg.grad(scalar)(x), first, program.tolerance)
    product = np.tensordot(mg.hessian(scalar)(x), v, v.ndim)
    assert_close(factor * product, second, program.second, np.max(np.abs(first)))


@many_steps
@pytest.mark.parametrize("mode", ["forward", "reverse", "forward over reverse"])
def test_many_steps(mode, steps, random):
    x, v, w = np.array([0.7, 1.3]), random.normal(size=2), random.normal()
    function = functools.partial(runge_kutta, steps=steps)
    exact = Exact(functools.partial(exact_runge_kutta, steps=steps), x, v, w)
    want = getattr(exact, ORACLES.get(mode, mode))()
    transformed = MODES[mode](function, v, w)
    assert_close(transformed(x), want, 1e-11)


def test_matrix_exponential_against_scipy(random):
    A, E = random.normal(size=(2, 4, 4))
    value, slope = scipy.linalg.expm_frechet(A, E)
    got = mg.jvp(matrix_exponential, (A,), (E,))
    np.testing.assert_allclose(got[0], value, rtol=0, atol=1e-12 * np.max(np.abs(value)))
    np.testing.assert_allclose(got[1], slope, rtol=0, atol=1e-12 * np.max(np.abs(slope)))
    # <W, D exp(A) E> = <D exp(A') W, E>: reverse mode is the derivative at the transposed matrix.
    W = random.normal(size=(4, 4))
    bar = scipy.linalg.expm_frechet(A.T, W, compute_expm=False)
    got = mg.vjp(matrix_exponential, A)[1](W)[0]
    np.testing.assert_allclose(got, bar, rtol=0, atol=1e-12 * np.max(np.abs(bar)))


@pytest.mark.parametrize("name", ["Cholesky in place", "LU by slices"])
def test_determinants_have_known_gradients(name, seed):
    """The gradient of log det is the inverse, folded onto the triangle that is read; that of det the cofactors."""
    program, (A, *_) = PROGRAMS[name], problem(name, seed)
    inverse = np.linalg.inv(A).T
    known = np.tril(2 * inverse) - np.diag(np.diag(inverse)) if "Cholesky" in name else np.linalg.det(A) * inverse
    assert_close(mg.grad(program.function)(A), known, 1e-10)


# Staged ---------------------------------------------------------------------------------------------------------------


@every_mode
@every_program
def test_staged_is_eager(name, mode, seed):
    """One program, made at one point, at two points: other branches, other numbers of iterations."""
    program, (x, other, v, w) = PROGRAMS[name], problem(name, seed)
    transformed = MODES[mode](function_of(program), v, w)
    staged = check(mg.trace(transformed)(x))
    for point in (x, other):
        want = transformed(point)
        (got,) = interpret(staged, point)
        assert np.shape(got) == np.shape(want)
        assert_close(got, want, program.tolerance, 1.0 if name == "bisection" else 0.0)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param(name, mode, marks=[] if mode == "reverse" else [pytest.mark.long])
        for name in PROGRAMS
        for mode in MODES
    ],
)
def test_compiled(name, mode, seed):
    """Machine code, made for one point, against the oracle, and at another point."""
    program, (x, other, v, w) = PROGRAMS[name], problem(name, seed)
    transformed = MODES[mode](function_of(program), v, w)
    compiled = mg.jit(transformed)
    what = ORACLES.get(mode, mode)
    floor = np.max(np.abs(expected(name, seed, "reverse"))) if what == "second" else 0.0
    assert_close(compiled(x), expected(name, seed, what), getattr(program, TOLERANCES.get(what, "tolerance")), floor)
    assert_close(compiled(other), transformed(other), program.tolerance, 1.0 if name == "bisection" else 0.0)


@every_mode
@pytest.mark.parametrize("name", [name for name, p in PROGRAMS.items() if p.keeps_loops and p.grows])
def test_the_size_of_a_program_does_not_depend_on_the_number_of_steps(name, mode, random):
    program = PROGRAMS[name]
    sizes = []
    for doubled in (False, True):
        function = function_of(program, doubled)
        x = program.sample(random, program.n * (1 + (doubled and program.grows == "array")))
        w = np.ones(np.shape(function(x.copy())))[()]
        sizes.append(size(check(mg.trace(MODES[mode](function, np.ones_like(x), w))(x))))
    assert sizes[0] == sizes[1]


@many_steps
@pytest.mark.parametrize("mode", ["forward", "reverse", "forward over reverse"])
def test_many_staged_steps(mode, steps, random):
    x, v, w = np.array([0.7, 1.3]), random.normal(size=2), random.normal()
    short, long = (check(mg.trace(MODES[mode](functools.partial(runge_kutta, steps=n), v, w))(x)) for n in (10, steps))
    assert size(short) == size(long)
    exact = Exact(functools.partial(exact_runge_kutta, steps=steps), x, v, w)
    want = getattr(exact, ORACLES.get(mode, mode))()
    assert_close(interpret(long, x)[0], want, 1e-11)
    assert_close(Executable(long)(x)[0], want, 1e-11)


@pytest.mark.parametrize("name", [name for name, p in PROGRAMS.items() if not p.grows])
def test_iterations_that_depend_on_values_are_not_fixed(name, random):
    """One program takes as many iterations as each point needs."""
    program = PROGRAMS[name]
    x = program.sample(random, program.n)
    staged = check(mg.trace(program.function)(x))
    for _ in range(5):
        x = (
            2.0 * program.sample(random, program.n)
            if name == "matrix exponential"
            else program.sample(random, program.n)
        )
        assert_close(interpret(staged, x)[0], program.function(x.copy()), program.tolerance)


def test_a_count_may_be_an_argument(random):
    """A number of steps among the traced arguments: one program for all counts."""
    program = PROGRAMS["Fibonacci"]
    x = program.sample(random, program.n)
    staged = check(mg.trace(program.function)(x, 10))
    for n in (0, 1, 10, 25):
        assert_close(interpret(staged, x, n)[0], program.function(x, n), 1e-12)
