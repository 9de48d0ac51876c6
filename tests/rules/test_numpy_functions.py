"""What NumPy's functions mean on boxes: values, shapes and dtypes are NumPy's, derivatives those of differences."""

import operator

import numpy as np
import pytest

import mixgrad as mg
from mixgrad import rules
from mixgrad._errors import BoxConversionError, UnsupportedError
from mixgrad.core.numpy_table import FUNCTIONS, REDUCTIONS, UFUNCS, name_of
from mixgrad.core.op import TABLE, Kind

from .calls import Call, check_batch, check_derivatives, check_taylor, check_value, is_smooth, parts_of
from .cases import FLOAT32, FLOAT64
from .numpy_examples import EXAMPLES, OUTER_EXAMPLES, REDUCE_EXAMPLES, UFUNC_EXAMPLES, a, ex

assert rules  # importing it fills the table

NOT_DISPATCHED = (np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
"""NumPy does not offer these to boxes: they end in ``__array__``, which refuses."""

UNFILLED = (np.empty_like,)

BY_VALUE = (
    np.nonzero, np.flatnonzero, np.argwhere, np.searchsorted, np.isclose, np.allclose, np.array_equal,
)  # fmt: skip
"""Functions whose plain result a batch cannot give: it has as many as members."""


def elementwise_examples(ufunc):
    """Return calls of an elementwise function: with boxes, and with numbers, lists and arrays on either side."""
    op = TABLE.get(ufunc.__name__)
    domain = op.samples[0] if op is not None and op.kind is Kind.ELEMENTWISE else ((-3.0, 3.0),)
    first = a(2, 3, domain=domain[0])
    if ufunc.nin == 1:
        return [ex(first), ex(a(domain=domain[0]))]
    second = a(3, domain=domain[-1])
    inside = float(np.round(domain[0][0] * 0.3 + domain[0][1] * 0.7, 2))
    other = float(np.round(domain[-1][0] * 0.25 + domain[-1][1] * 0.75, 2))
    numbers = [ex(first, other), ex(inside, second), ex(first, np.float64(other)), ex(np.float32(inside), second)]
    lists = [ex([inside, inside, inside + 0.01], second), ex(first, [other] * 3)]
    arrays = [ex(np.array([inside]), second), ex(np.array(inside), second)]
    return [ex(first, second), *numbers, *lists, *arrays]


def calls():
    for function, examples in EXAMPLES.items():
        for example in examples:
            yield function, name_of(function), example
    for ufunc in (u for u in UFUNCS if getattr(np, u.__name__, None) is u):  # SciPy has tests of its own
        for example in UFUNC_EXAMPLES.get(ufunc, ()) or elementwise_examples(ufunc):
            yield ufunc, f"np.{ufunc.__name__}", example
    for ufunc, examples in REDUCE_EXAMPLES.items():
        for example in examples:
            yield ufunc.reduce, f"np.{ufunc.__name__}.reduce", example
    for ufunc, examples in OUTER_EXAMPLES.items():
        for example in examples:
            yield ufunc.outer, f"np.{ufunc.__name__}.outer", example


EVERY = {}
for called, name, example in calls():
    EVERY.setdefault(name, []).append((called, example))


def of_every_call(check):
    """Make a check a test for each function, of all its examples; an error tells which one it was."""

    @pytest.mark.parametrize("name", EVERY)
    def test(name):
        for function, example in EVERY[name]:
            try:
                check(function, example)
            except BaseException as error:
                error.add_note(f"{name}({example})")
                raise

    return test


@of_every_call
def test_value_shape_and_dtype(function, example):
    for dtype in (FLOAT64, FLOAT32):
        check_value(Call(function, example, dtype))


@of_every_call
def test_derivatives(function, example):
    for dtype in (FLOAT64, FLOAT32):
        call = Call(function, example, dtype)
        if any(is_smooth(part) for part in parts_of(call.call(call.values))):
            check_derivatives(call)


@of_every_call
def test_taylor_polynomials(function, example):
    for dtype in (FLOAT64, FLOAT32):
        call = Call(function, example, dtype)
        if any(is_smooth(part) for part in parts_of(call.call(call.values))):
            check_taylor(call)


@of_every_call
def test_batch_is_a_loop(function, example):
    call = Call(function, example, FLOAT64)
    if not call.values or not all(hasattr(part, "dtype") for part in parts_of(call.call(call.values))):
        return
    if function in BY_VALUE or (function is np.where and len(example.args) == 1):
        with pytest.raises(BoxConversionError, match="as many values as the batch has members"):
            check_batch(call)
        return
    check_batch(call)


# Functions that need a test of their own ------------------------------------------------------------------------------


@pytest.mark.parametrize("function", NOT_DISPATCHED)
def test_conversion_to_a_plain_array_is_refused(function):
    with pytest.raises(BoxConversionError, match=r"mg.stop_gradient\(x\)"):
        mg.grad(eval("lambda x: f([x, 1.0]).sum()", {"f": function}))(2.0)  # no source, so it is called as it is
    assert mg.grad(lambda x: function([x, 1.0]).sum())(2.0) == 1.0
    gradient = mg.grad(lambda x: FUNCTIONS[function](x).sum())(np.ones(3))
    np.testing.assert_array_equal(gradient, np.ones(3))
    gradient = mg.grad(lambda x: (FUNCTIONS[function]([x, 1.0, [2.0]][:2]) * np.array([3.0, 4.0])).sum())(2.0)
    assert gradient == 3.0
    gradient = mg.grad(lambda x: FUNCTIONS[function](x, np.float64).sum())(np.ones(3, np.float32))
    assert gradient.dtype == np.float32


def test_empty_like_has_shape_and_dtype():
    seen = []
    mg.jvp(lambda x: seen.append(np.empty_like(x)) or x, (np.ones((2, 3), np.float32),), (np.ones((2, 3), np.float32),))
    assert type(seen[0]) is np.ndarray
    assert (seen[0].shape, seen[0].dtype) == ((2, 3), np.float32)


def test_nan_to_num_replaces_and_is_flat_there():
    x = np.array([np.nan, np.inf, -np.inf, 1.5])
    value, dot = mg.jvp(np.nan_to_num, (x,), (np.ones(4),))
    np.testing.assert_array_equal(value, np.nan_to_num(x))
    np.testing.assert_array_equal(dot, [0.0, 0.0, 0.0, 1.0])


def test_predicates_see_special_values():
    x = np.array([np.nan, np.inf, -np.inf, 1.5, -0.0])
    for function in (np.isnan, np.isinf, np.isfinite, np.isposinf, np.isneginf, np.signbit):
        np.testing.assert_array_equal(mg.jvp(function, (x,), (np.ones(5),))[0], function(x))


REFUSED = {
    "np.sum of a list": lambda x: np.sum([x, x]),
    "np.reshape of a list": lambda x: np.reshape([x, x], (2, 3)),
    "np.cumsum with a dtype": lambda x: np.cumsum(x, dtype=np.float64),
    "np.add with out": lambda x: np.add(x, 1.0, out=np.zeros(3)),
    "np.add with where": lambda x: np.add(x, 1.0, where=np.array([True, False, True])),
    "np.sum with out": lambda x: np.sum(x, axis=0, out=np.zeros(())),
    "np.sum with where": lambda x: np.sum(x, where=np.array([True, False, True])),
    "np.pad with linear_ramp": lambda x: np.pad(x, 1, mode="linear_ramp"),
    "np.linalg.svd with full matrices": lambda x: np.linalg.svd(np.stack([x, x])),
    "np.quantile with weights": lambda x: np.quantile(x, 0.5, weights=np.ones(3), method="inverted_cdf"),
    "np.quantile of a traced q": lambda x: np.quantile(np.ones(3), x[2]),
    "np.gradient on coordinates": lambda x: np.gradient(x, np.arange(3.0)),
    "np.add.accumulate": np.add.accumulate,
    "np.interp with a period": lambda x: np.interp(0.5, np.arange(3.0), x, period=3.0),
    "np.roots": np.roots,
    "x[0] = 1": lambda x: x.__setitem__(0, 1.0),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_supported_is_refused_with_advice(what):
    with pytest.raises((UnsupportedError, BoxConversionError)) as caught:
        mg.jvp(REFUSED[what], (np.array([1.0, 2.0, 0.5]),), (np.ones(3),))
    message = str(caught.value)
    advice = ("rite it", "nstead", "Use ", "eshape", "only None", "uild the")
    assert any(word in message for word in advice), message


# Nothing is left out --------------------------------------------------------------------------------------------------


def test_every_registered_function_is_exercised():
    missing = set(FUNCTIONS) - set(EXAMPLES) - set(NOT_DISPATCHED) - set(UNFILLED)
    assert not missing, f"add calls of {sorted(map(name_of, missing))} to tests/rules/numpy_examples.py"
    assert not set(REDUCTIONS) - set(REDUCE_EXAMPLES)


def test_every_example_belongs_to_a_registered_function():
    assert set(EXAMPLES) <= set(FUNCTIONS)
    assert set(UFUNC_EXAMPLES) <= set(UFUNCS)
    assert set(REDUCE_EXAMPLES) <= set(REDUCTIONS)
    assert operator.getitem in FUNCTIONS
