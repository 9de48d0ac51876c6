"""Every construct, run at once and as one program at several points, against the function run on plain floats."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.core.program import check

from . import oracle
from .constructs import ANY_LENGTH, CONSTRUCTS
from .sizes import ops, size

V = np.array([0.3, -0.5, 0.7, 0.2])

every_construct = pytest.mark.parametrize("name", CONSTRUCTS)


def plain(function):
    return lambda x: function(x.copy())


def second(function):
    """Return v' H v, by forward over reverse mode."""
    return lambda x: V @ mg.jvp(mg.grad(function), (x,), (V,))[1]


def close(got, want, tolerance):
    assert np.shape(got) == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * max(1.0, np.max(np.abs(want))))


def assert_right(name, function, points, run):
    """Compare value, gradient and second derivative at each point; `run` gives the transformed function."""
    for number, x in enumerate(points):
        reference, before = plain(function), x.copy()
        where = f"{name}, point {number}"
        for what, transformed, want, tolerance in (
            ("value", function, reference(x), 1e-13),
            ("forward", lambda x: mg.jvp(function, (x,), (V,))[1], V @ oracle.gradient(reference, x), 1e-8),
            ("reverse", mg.grad(function), oracle.gradient(reference, x), 1e-8),
            ("second", second(function), oracle.second_slope(reference, x, V), 1e-5),
        ):
            got = run(what, transformed, x)
            try:
                close(got, want, tolerance)
            except AssertionError as error:
                raise AssertionError(f"{where}: {what}: {error}") from None
            np.testing.assert_array_equal(x, before, err_msg=f"{where}: the caller's array has changed")


def run_eager(what, transformed, x):
    return transformed(x.copy()) if what == "value" else transformed(x)


class OneProgram:
    """Runs each transformed function by the program made at the first point."""

    def __init__(self):
        self.programs = {}

    def __call__(self, what, transformed, x):
        if what not in self.programs:
            self.programs[what] = check(mg.trace(transformed)(x))
        (result,) = interpret(self.programs[what], x)
        return result


@every_construct
def test_eager(name):
    case = CONSTRUCTS[name]
    assert_right(name, case.function, case.points, run_eager)


class MachineCode:
    """Runs each transformed function by code that is compiled at the first point."""

    def __init__(self):
        self.functions = {}

    def __call__(self, what, transformed, x):
        if what not in self.functions:
            self.functions[what] = mg.jit(transformed)
        return self.functions[what](x)


SOME = 8
COMPILED = [
    pytest.param(name, marks=[] if number % SOME == 0 else [pytest.mark.long]) for number, name in enumerate(CONSTRUCTS)
]


@pytest.mark.parametrize("name", COMPILED)
def test_compiled(name):
    """One in `SOME`, since compiling takes its time; `make long` compiles all."""
    case = CONSTRUCTS[name]
    assert_right(name, case.function, case.points, MachineCode())


@every_construct
def test_staged(name):
    case = CONSTRUCTS[name]
    assert_right(name, case.function, case.points, OneProgram())


@every_construct
def test_value_under_forward_mode_is_that_of_python(name):
    """The value beside a derivative is that of the plain run to the last bits, whichever functions were replaced."""
    case = CONSTRUCTS[name]
    for x in case.points:
        np.testing.assert_allclose(mg.jvp(case.function, (x,), (V,))[0], case.function(x.copy()), rtol=1e-14, atol=0)


@pytest.mark.parametrize("transform", [lambda f: f, mg.grad], ids=["value", "gradient"])
@pytest.mark.parametrize("name", ANY_LENGTH)
def test_a_program_keeps_the_loop(name, transform, random):
    function = CONSTRUCTS[name].function
    sizes = [size(check(mg.trace(transform(function))(random.normal(size=n)))) for n in (6, 12)]
    assert sizes[0] == sizes[1]


def value_beside_a_derivative(function):
    """Return the value that the engine computes; a plain run may use the `math` module, which rounds in its own way."""
    return lambda x: mg.jvp(function, (x,), (V,))[0]


@pytest.mark.parametrize("what", ["value", "gradient"])
@every_construct
def test_a_program_repeats_the_eager_run(name, what):
    """To the last bit where there is no loop; a loop may add up its cotangents in another order."""
    case = CONSTRUCTS[name]
    transformed = mg.grad(case.function) if what == "gradient" else value_beside_a_derivative(case.function)
    program = check(mg.trace(transformed)(case.points[0]))
    tolerance = 1e-13 if "loop" in ops(program) else 0.0
    for x in case.points:
        want = transformed(x.copy())
        (got,) = interpret(program, x)
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.max(np.abs(want)))
