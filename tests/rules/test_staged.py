"""A traced program gives what the function gives: for rows, their derivatives, and the meanings of NumPy functions."""

import numpy as np
import pytest

import mixgrad as mg
from mixgrad import rules
from mixgrad._errors import StagingError
from mixgrad.core.interpret import interpret
from mixgrad.core.op import TABLE
from mixgrad.core.program import check
from mixgrad.derivatives import jvp, vjp

from .calls import Call, is_smooth, parts_of
from .cases import FLOAT32, FLOAT64, cases, direction, is_random
from .test_conformance import DIFFERENTIABLE, REAL
from .test_numpy_functions import BY_VALUE, calls, of_every_call

assert rules  # importing it fills the table


def agree(function, args, what, rounding):
    """Trace a function, check the program, and run it as it is and simplified."""
    program = mg.trace(function)(*args)
    for way, form in (("traced", program), ("simplified", mg.simplify(program))):
        check(form)
        wanted = [np.asarray(part) for part in function(*args)]
        for got, want, var in zip(interpret(form, *args), wanted, form.outputs, strict=True):
            got = np.asarray(got)
            assert (got.shape, got.dtype) == (want.shape, want.dtype), f"{what}, {way}"
            assert getattr(var, "shape", want.shape) == want.shape, f"{what}, {way}"
            size = np.max(np.abs(want), initial=0.0) if want.dtype.kind in "fc" else 0.0
            np.testing.assert_allclose(got, want, rtol=0, atol=rounding * size, err_msg=f"{what}, {way}\n{form}")


def rounding_of(dtype):
    return 100 * float(np.finfo(dtype).eps)


@pytest.mark.parametrize("name", REAL)
def test_rows(name):
    for dtype in (FLOAT64, FLOAT32):
        for case in cases(TABLE[name], dtype):
            if is_random(case) and case.floats:
                agree(case.outputs, case.floats, str(case), rounding_of(dtype))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_of_rows(name):
    for case in cases(TABLE[name], FLOAT64):
        if is_random(case):
            check_derivatives_of(case)


def check_derivatives_of(case):
    rng = case.rng("staged")
    v = tuple(direction(rng, x) for x in case.floats)
    u = [direction(rng, out) for out in case.value()]
    n = len(v)

    def push(*xv):
        return jvp(case.outputs, xv[:n], xv[n:])[1]

    def pull(*xu):
        return vjp(case.outputs, *xu[:n])[1](list(xu[n:]))

    agree(push, (*case.floats, *v), f"forward derivative of {case}", 1e-12)
    agree(pull, (*case.floats, *u), f"reverse derivative of {case}", 1e-12)


@of_every_call
def test_numpy_functions(function, example):
    call = Call(function, example, FLOAT64)
    if not call.places or not any(is_smooth(part) for part in parts_of(call.call(call.values))):
        return
    x = tuple(call.values[i] for i in call.places)
    agree(call.smooth, x, str(call), rounding_of(FLOAT64))


EVERY = 25
SOME_COMPILED = [
    pytest.param(function, example, id=f"{name}({example})", marks=[] if number % EVERY == 0 else [pytest.mark.long])
    for number, (function, name, example) in enumerate(calls())
]


@pytest.mark.parametrize(("function", "example"), SOME_COMPILED)
def test_compiled_numpy_functions(function, example):
    """Values and gradients as machine code: of one call in `EVERY`, since compiling takes long; `make long`: of all."""
    call = Call(function, example, FLOAT64)
    if not call.places or not any(is_smooth(part) for part in parts_of(call.call(call.values))):
        return
    x = tuple(call.values[i] for i in call.places)

    def value_and_gradient(*x):
        values, pull = vjp(call.smooth, *x)
        return values, list(pull([np.ones_like(value) for value in values]))

    for got, want in zip(mg.jit(value_and_gradient)(*x), value_and_gradient(*x), strict=True):
        for a, b in zip(got, want, strict=True):
            assert (np.shape(a), a.dtype) == (np.shape(b), b.dtype)
            size = np.max(np.abs(b), initial=0.0)
            np.testing.assert_allclose(a, b, rtol=0, atol=rounding_of(FLOAT64) * size, err_msg=str(call))


@pytest.mark.parametrize("function", BY_VALUE)
def test_questions_about_values_have_no_answer_while_tracing(function):
    args = (np.ones(2),) if function in (np.nonzero, np.flatnonzero, np.argwhere) else (np.ones(2), np.ones(2))
    with pytest.raises(StagingError):
        mg.trace(function)(*args)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("function", [np.sum, np.prod, np.cumsum])
def test_sums_of_small_integers_are_as_wide_as_those_of_numpy(function, dtype):
    x = np.array([1, 0, 1, 1]).astype(dtype)
    program = check(mg.trace(lambda x: function(x))(x))
    (got,) = interpret(program, x)
    assert program.outputs[0].dtype == got.dtype == function(x).dtype
    np.testing.assert_array_equal(got, function(x))
