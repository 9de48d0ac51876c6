"""The tester is tested on rows that are wrong on purpose: each mistake must be found by the check that looks for it."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from mixgrad import rules
from mixgrad.core.op import TABLE, Kind
from mixgrad.derivatives import stop_gradient
from mixgrad.rules.row import Sample, constant, elementwise, general, linear, multilinear

from . import conformance, higher, oracles
from .batches import check_batch, check_directions
from .cases import FLOAT32, FLOAT64, cases

BEFORE = dict(TABLE)
SUM = rules.reduction.SAMPLES


@contextlib.contextmanager
def place_of(name):
    """Empty the place of a row of the table, so that a wrong one can be made; put the right one back."""
    right = TABLE.pop(name)
    try:
        yield right
    finally:
        TABLE[name] = right


def caught(op, check, dtype=FLOAT64):
    """Return whether a check fails on some case of a row, with the arguments and the seed in its message."""
    for case in cases(op, dtype):
        message = failure(check, case)
        if message:
            assert message.startswith(f"{op.name}(")
            assert f"seed {case.seed}" in message
            return True
    return False


def failure(check, case):
    """Return the message with which a check fails on a case, None if it does not."""
    try:
        check(case)
    except AssertionError as error:
        return str(error)
    return None


def ufunc(name, function):
    """Return a function that the constructors take for NumPy's of that name."""

    def value(*args):
        return function(*args)

    value.__name__ = name
    return value


def make_elementwise(name, *partials, value=None, **options):
    function = value or getattr(np, name)
    with place_of(name) as right:
        options.setdefault("domain", right.samples[0])
        return elementwise(ufunc(name, function), *partials, register=False, **options)


def make_sum(transpose=None, batch=None, shape=None, value=None, accumulate=None, dtype=None):
    with place_of("sum") as right:
        return linear(
            "sum",
            value or right.value,
            transpose or right.transpose,
            batch or right.batch,
            shape or right.shape,
            accumulate=accumulate,
            dtype=dtype,
            samples=SUM,
        )


def make_matmul(transpose=None, samples=None):
    with place_of("matmul") as right:
        transpose, samples = transpose or right.transpose, samples or right.samples
        return multilinear("matmul", right.value, transpose, right.batch, right.shape, samples=samples)


# First order ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "partials"),
    [
        ("sin", [lambda z, x: -np.cos(x)]),
        ("sin", [lambda z, x: np.cos(x) * (1 + 1e-14)]),
        ("sin", [1]),
        ("exp", [lambda z, x: z + 1e-12]),
        ("divide", [lambda z, x, y: 1 / y, lambda z, x, y: z / y]),
        ("divide", [lambda z, x, y: 1 / y, 0]),
        ("arctan2", [lambda z, y, x: -y / (x * x + y * y), lambda z, y, x: x / (x * x + y * y)]),
        ("hypot", [lambda z, x, y: x / z, lambda z, x, y: x / z]),
        ("maximum", [lambda z, x, y: np.where(x < y, 1.0, 0.0), lambda z, x, y: np.where(x < y, 0.0, 1.0)]),
        ("remainder", [1, lambda z, x, y: -np.trunc(x / y)]),
        ("absolute", [lambda z, x: 1.0]),
        ("power", [lambda z, x, y: y * x ** (y - 1), lambda z, x, y: z * np.log2(x)]),
    ],
)
def test_a_wrong_partial(name, partials):
    assert caught(make_elementwise(name, *partials), conformance.check_forward)


@pytest.mark.parametrize(
    ("name", "partial", "point"),
    [
        ("tanh", lambda z, x: 1 - z * z, 20.0),
        ("tan", lambda z, x: 1 / np.cos(x), 1.5707),
        ("expm1", lambda z, x: z + 1, -40.0),
        ("arcsinh", lambda z, x: 1 / np.sqrt(1 + x * x), 1e200),
        ("log1p", lambda z, x: np.exp(-z), 1e300),
    ],
)
def test_a_partial_that_loses_digits_at_a_special_point(name, partial, point):
    row = make_elementwise(name, partial, at=(point,))
    row.samples = (row.samples[0], (point,))
    with np.errstate(all="ignore"):
        assert caught(row, conformance.check_forward_elements)


def test_a_right_row_is_not_caught():
    row = make_elementwise("sin", lambda z, x: np.cos(x))
    first = [getattr(conformance, f"check_{what}") for what in ("value", "shape", "types", "forward", "transpose")]
    more = [higher.check_second, higher.check_third, higher.check_taylor, check_batch, check_directions]
    for check in (*first, *more):
        assert not caught(row, check), check.__name__
    assert not caught(make_sum(), conformance.check_transpose)
    assert not caught(make_matmul(), higher.check_second)


def test_a_wrong_forward_rule():
    with place_of("logsumexp") as right:

        def jvp(out, args, tangents, *, axis, keepdims):
            return np.sum(np.exp(args[0]) * tangents[0], axis=axis, keepdims=keepdims)

        row = general("logsumexp", right.value, jvp, right.batch, right.shape, samples=right.samples)
    assert caught(row, conformance.check_forward)
    assert not caught(row, conformance.check_transpose)  # the reverse rule is derived: wrong in the same way


def test_a_wrong_value():
    row = make_elementwise("sin", lambda z, x: np.cos(x), value=lambda x: np.sin(x) + 1e-9)
    assert caught(row, conformance.check_value)
    row = make_sum(value=lambda x, *, axis, keepdims: np.mean(x, axis=axis, keepdims=keepdims))
    assert caught(row, conformance.check_value)


# Reverse mode ---------------------------------------------------------------------------------------------------------


def test_a_wrong_transpose():
    def transpose(out_bar, args, i, *, axis, keepdims):
        shape = tuple(1 if k in axis else n for k, n in enumerate(args[0].shape))
        return 2 * np.broadcast_to(np.reshape(out_bar, shape), args[0].shape)

    assert caught(make_sum(transpose=transpose), conformance.check_transpose)


def test_a_transpose_that_only_fits():
    def transpose(out_bar, args, i):
        x, y = args
        return np.matmul(out_bar, y) if i == 0 else np.matmul(np.swapaxes(x, -1, -2), out_bar)

    row = make_matmul(transpose, (Sample(((2, 3), (3, 3))),))
    assert caught(row, conformance.check_transpose)


def test_a_missing_conjugate():
    def transpose(out_bar, args, i):
        x, y = (np.swapaxes(arg, -1, -2) if k != i else None for k, arg in enumerate(args))
        return np.matmul(out_bar, y) if i == 0 else np.matmul(x, out_bar)

    row = make_matmul(transpose)
    assert not caught(row, conformance.check_transpose)
    assert caught(row, conformance.check_complex, np.dtype(complex))


def test_an_accumulation_that_overwrites():
    def accumulate(total, out_bar, args, i, *, form):
        total[form.index(args[1:])] = out_bar

    row = replace(TABLE["index"], accumulate=accumulate)
    assert caught(row, conformance.check_accumulate)
    assert not caught(TABLE["index"], conformance.check_accumulate)


# Second order ---------------------------------------------------------------------------------------------------------


def test_a_term_that_is_missing_in_second_order():
    row = make_elementwise("sin", lambda z, x: np.cos(stop_gradient(x)))
    assert not caught(row, conformance.check_forward)
    assert caught(row, higher.check_second)
    row = make_elementwise("multiply", lambda z, x, y: y, lambda z, x, y: stop_gradient(x))
    assert not caught(row, conformance.check_forward)
    assert caught(row, higher.check_second)


def test_a_kink_that_hides_until_third_order():
    def sech(x):
        e = np.exp(-np.abs(x))
        return 2 * e / (1 + e * e)

    row = make_elementwise("tanh", lambda z, x: sech(x) ** 2)
    row.samples = (row.samples[0], (0.0,))
    assert not caught(row, conformance.check_forward)
    assert caught(row, higher.check_third)


# Taylor polynomials, batches ------------------------------------------------------------------------------------------


def test_a_wrong_series():
    row = replace(TABLE["exp"], series=lambda out, u: u)
    assert caught(row, higher.check_taylor)
    assert not caught(TABLE["exp"], higher.check_taylor)


def test_a_wrong_batch():
    def batch(args, batched, *, axis, keepdims):
        return row(args[0], axis=axis, keepdims=keepdims)

    row = make_sum(batch=batch)
    assert caught(row, check_batch)


def test_a_batch_that_forgets_unbatched_arguments():
    def batch(args, batched, **static):
        if all(batched):
            return right.batch(args, batched, **static)
        return right.batch([arg if flag else 0 * arg for arg, flag in zip(args, batched)], batched, **static)

    right = TABLE["matmul"]
    row = replace(right, batch=batch)
    assert caught(row, check_batch)
    assert not caught(row, lambda case: check_batch(case, whole_only=True))  # why each subset is tried


# Shapes, dtypes, declarations -----------------------------------------------------------------------------------------


def test_a_wrong_shape_rule():
    row = make_sum(shape=lambda x, *, axis, keepdims: x.shape)
    assert caught(row, conformance.check_shape)


def test_a_wrong_dtype_rule():
    row = make_sum(dtype=lambda x, *, axis, keepdims: np.float32)
    assert caught(row, conformance.check_shape)


def test_a_result_that_is_widened():
    row = make_elementwise("square", lambda z, x: 2 * x, value=lambda x: np.square(x, dtype=float))
    assert caught(row, conformance.check_types, FLOAT32)


def test_an_affine_function_that_is_declared_linear():
    row = make_sum(value=lambda x, *, axis, keepdims: np.sum(x, axis=axis, keepdims=keepdims) + 1)
    assert caught(row, conformance.check_linear)
    row = make_elementwise("hypot", 1, 1, linear_in=(0, 1))
    assert caught(row, conformance.check_linear)


def test_a_smooth_function_that_is_declared_constant():
    with place_of("floor"):
        row = constant(ufunc("floor", lambda x: 1.5 * x), Kind.ZERO)
    assert caught(row, conformance.check_constant)


def test_a_float_that_is_declared_discrete():
    with place_of("isnan"):
        row = constant(ufunc("isnan", np.floor), Kind.DISCRETE)
    assert caught(row, conformance.check_constant)


# The oracles ----------------------------------------------------------------------------------------------------------


def test_the_oracles_know_textbook_derivatives():
    assert float(oracles.partial("exp", (1.0,), 0)) == np.e
    assert float(oracles.partial("power", (2.0, 3.0), 0)) == 12.0
    assert float(oracles.partial("power", (2.0, 3.0), 0, 0)) == 12.0
    assert float(oracles.partial("multiply", (2.0, 3.0), 0, 1)) == 1.0
    assert float(oracles.partial("sin", (0.0,), 0, 0, 0)) == -1.0
    np.testing.assert_allclose(oracles.complex_step(lambda x: x**3, [2.0], [1.0]), [12.0], rtol=1e-15)
    slopes = oracles.five_points(lambda x: [x**3, np.sin(x)], [2.0], [1.0])
    np.testing.assert_allclose(slopes, [12.0, np.cos(2.0)], rtol=1e-11)


def test_ulps_count_units_in_the_last_place():
    one = oracles.partial("exp", (0.0,), 0)
    assert conformance.ulps(np.float64(1.0), one, FLOAT64) < 1e-10
    assert conformance.ulps(np.nextafter(1.0, 2.0), one, FLOAT64) == pytest.approx(1.0)
    assert conformance.ulps(np.float32(1) + np.float32(2**-23), one, FLOAT32) == pytest.approx(1.0)
    assert conformance.ulps(np.float64(np.nan), one, FLOAT64) == np.inf
    assert conformance.ulps(np.float64(np.inf), one, FLOAT64) == np.inf


def test_the_table_is_whole_after_these_tests():
    assert TABLE == BEFORE
