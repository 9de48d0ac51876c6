"""The box behaves as an array: its operators with everything on either side, its methods, its conversions."""

import copy
import math
import operator

import numpy as np
import pytest

import mixgrad as mg
from mixgrad._errors import BoxConversionError

from .calls import Call, check_batch, check_derivatives, check_taylor, check_value, is_smooth, parts_of
from .cases import FLOAT32, FLOAT64
from .numpy_examples import a, ex, plus, z


def named(name, function):
    """Return a call of a function under a readable name."""

    def call(*args):
        return function(*args)

    call.__name__ = name
    return call


def check_all(function, example, batch=True):
    """Compare a function with NumPy in both dtypes, its derivatives with differences, its batch with a loop."""
    for dtype in (FLOAT64, FLOAT32):
        call = Call(function, example, dtype)
        check_value(call)
        if call.places and any(is_smooth(part) for part in parts_of(call.call(call.values))):
            check_derivatives(call)
            check_taylor(call)
    if batch:
        check_batch(Call(function, example, FLOAT64))


# Operators ------------------------------------------------------------------------------------------------------------

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "divmod": divmod,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
AWAY = (0.85, 0.98)  # no quotient with one of the numbers below is whole, where // and % jump
OTHERS = {
    "int": 2,
    "float": 1.25,
    "bool": True,
    "float64": np.float64(1.25),
    "float32": np.float32(1.25),
    "int64": np.int64(2),
    "int8": np.int8(3),
    "list": [1.25, 0.75, 2.5],
    "tuple": (1.25, 0.75, 2.5),
    "list of int": [1, 2, 3],
    "float array": np.array([1.25, 0.75, 2.5]),
    "float32 array": np.array([1.25, 0.75, 2.5], np.float32),
    "int array": np.array([1, 2, 3]),
    "0-d array": np.array(1.25),
    "column": np.array([[1.25], [0.75]]),
}


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("kind", OTHERS)
def test_operators_with_everything_on_either_side(symbol, kind):
    function, other = OPERATORS[symbol], OTHERS[kind]
    for x in (a(3, domain=AWAY), a(domain=AWAY)):
        if symbol == "*" and isinstance(other, (list, tuple)) and not x.shape:
            continue  # NumPy's numbers cannot be multiplied with a list
        check_all(named(f"x {symbol} {kind}", lambda x: function(x, other)), ex(x), batch=False)
        check_all(named(f"{kind} {symbol} x", lambda x: function(other, x)), ex(x), batch=False)
    check_batch(Call(named(f"{kind} {symbol} x", lambda x: function(other, x)), ex(a(3, domain=AWAY)), FLOAT64))


@pytest.mark.parametrize("symbol", OPERATORS)
def test_operators_between_boxes(symbol):
    function = OPERATORS[symbol]
    for shapes in (((3,), (3,)), ((2, 3), ()), ((), ()), ((3,), (2, 1))):
        x, y = a(*shapes[0], domain=AWAY), a(*shapes[1], domain=(0.35, 0.42))
        check_all(named(f"x {symbol} y", function), ex(x, y))
    if symbol not in ("//", "%", "divmod"):  # x // x jumps at every x
        check_all(named(f"x {symbol} x", lambda x: function(x, x)), ex(plus(3)))


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "==", "!="])
def test_operators_with_complex_numbers(symbol):
    function = OPERATORS[symbol]
    for other in (1 + 2j, np.complex128(1 + 2j), np.array([1j, 2.0, 3.0]), [1j, 2.0, 3.0]):
        for x in (a(3), z(3)) if isinstance(other, list) else (a(3), a(), z(3), z()):
            check_all(named(f"x {symbol} {other}", lambda x, other=other: function(x, other)), ex(x), batch=False)
            check_all(named(f"{other} {symbol} x", lambda x, other=other: function(other, x)), ex(x), batch=False)


MATRICES = {
    "array": np.array([[1.0, 2.0], [0.5, 3.0]]),
    "list": [[1.0, 2.0], [0.5, 3.0]],
    "vector": np.array([1.0, -2.0]),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_matrix_products(kind):
    other = MATRICES[kind]
    for x in (a(2, 2), a(2), a(3, 2, 2)):
        check_all(named(f"x @ {kind}", lambda x: x @ other), ex(x))
        check_all(named(f"{kind} @ x", lambda x: other @ x), ex(x))
    check_all(named("x @ y", operator.matmul), ex(a(2, 3), a(3)))


def test_matrix_products_with_numbers_are_refused():
    for function in (lambda x: x @ 2.0, lambda x: 2.0 @ x, lambda x: x @ x):
        with pytest.raises((ValueError, TypeError)):
            mg.grad(function)(1.0)


def test_unary_operators():
    for symbol, function in {"-x": operator.neg, "+x": operator.pos, "abs(x)": abs}.items():
        for x in (a(3), a(), z(2)):
            check_all(named(symbol, function), ex(x))
    assert mg.jvp(lambda x: ~(x > 0), (np.ones(2),), (np.ones(2),))[0].tolist() == [False, False]


EXPONENTS = [-3, -2, -1, 0, 1, 2, 3, 5, 2.0, 3.0, -1.0, 0.0, np.int64(3), np.float32(2), np.array(2)]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_powers_of_negative_numbers(exponent):
    check_all(named(f"x ** {exponent!r}", lambda x: x**exponent), ex(a(4)))
    check_all(named(f"x ** {exponent!r}", lambda x: x**exponent), ex(a()), batch=False)


def test_powers_with_boxes_in_the_exponent():
    check_all(named("2 ** x", lambda x: 2**x), ex(a(3)))
    check_all(named("2. ** x", lambda x: 2.0**x), ex(a()))
    check_all(named("x ** y", operator.pow), ex(plus(3), a(2, 1)))
    check_all(named("x ** x", lambda x: x**x), ex(plus(3)))
    check_all(named("x ** [..]", lambda x: x ** [1, 2, 3]), ex(a(3)))


def test_operators_in_place_bind_a_new_value():
    def function(x):
        y = 1 * x  # on a plain array, y = x would be the same array
        y += 1
        y *= x
        y -= 2 * x
        y /= 4
        y **= 2
        return y

    check_all(named("in place", function), ex(a(3)))


def test_bitwise_operators_on_truth_values_of_a_batch():
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    got = mg.vmap(lambda x: np.where((x > 0) & (x < 2) | ~(x > -1) ^ (x == 3), x, 0.0))(x)
    np.testing.assert_array_equal(got, np.where((x > 0) & (x < 2) | ~(x > -1) ^ (x == 3), x, 0.0))
    mask = np.array([True, False])
    got = mg.vmap(lambda x: np.where(mask & (x > 0), x, 0.0) + np.where((x > 0) | mask, x, 0.0))(x)
    np.testing.assert_array_equal(got, np.where(mask & (x > 0), x, 0.0) + np.where((x > 0) | mask, x, 0.0))


# Methods --------------------------------------------------------------------------------------------------------------

METHODS = {
    "x.sum()": (lambda x: x.sum(), a(2, 3)),
    "x.sum(0)": (lambda x: x.sum(0), a(2, 3)),
    "x.sum(axis=-1, keepdims=True)": (lambda x: x.sum(axis=-1, keepdims=True), a(2, 3)),
    "x.mean(1)": (lambda x: x.mean(1), a(2, 3)),
    "x.prod()": (lambda x: x.prod(), a(2, 3)),
    "x.max(axis=0)": (lambda x: x.max(axis=0), a(2, 3)),
    "x.min()": (lambda x: x.min(), a(2, 3)),
    "x.var(ddof=1)": (lambda x: x.var(ddof=1), a(2, 3)),
    "x.std(axis=1)": (lambda x: x.std(axis=1), a(2, 3)),
    "x.cumsum()": (lambda x: x.cumsum(), a(2, 3)),
    "x.cumsum(1)": (lambda x: x.cumsum(1), a(2, 3)),
    "x.argmax()": (lambda x: x.argmax(), a(2, 3)),
    "x.argmin(axis=0)": (lambda x: x.argmin(axis=0), a(2, 3)),
    "x.argsort()": (lambda x: x.argsort(), a(2, 3)),
    "x.any()": (lambda x: x.any(), a(2, 3)),
    "x.all(axis=1)": (lambda x: x.all(axis=1), a(2, 3)),
    "x.ravel()": (lambda x: x.ravel(), a(2, 3)),
    "x.flatten()": (lambda x: x.flatten(), a(2, 3)),
    "x.flatten('F')": (lambda x: x.flatten("F"), a(2, 3)),
    "x.squeeze()": (lambda x: x.squeeze(), a(1, 3)),
    "x.swapaxes(0, 1)": (lambda x: x.swapaxes(0, 1), a(2, 3)),
    "x.repeat(2, axis=1)": (lambda x: x.repeat(2, axis=1), a(2, 3)),
    "x.take([1, 0])": (lambda x: x.take([1, 0]), a(2, 3)),
    "x.diagonal()": (lambda x: x.diagonal(), a(2, 3)),
    "x.trace()": (lambda x: x.trace(), a(2, 3)),
    "x.dot(x.T)": (lambda x: x.dot(x.T), a(2, 3)),
    "x.dot([...])": (lambda x: x.dot([1.0, 2.0, 3.0]), a(2, 3)),
    "x.clip(-1, 1.5)": (lambda x: x.clip(-1, 1.5), a(2, 3)),
    "x.round(1)": (lambda x: x.round(1), a(2, 3)),
    "x.conj()": (lambda x: x.conj(), z(2, 3)),
    "x.conjugate()": (lambda x: x.conjugate(), a(2, 3)),
    "x.copy()": (lambda x: x.copy(), a(2, 3)),
    "x.reshape(3, 2)": (lambda x: x.reshape(3, 2), a(2, 3)),
    "x.reshape((3, 2))": (lambda x: x.reshape((3, 2)), a(2, 3)),
    "x.reshape(2, -1)": (lambda x: x.reshape(2, -1), a(2, 3)),
    "x.reshape(-1)": (lambda x: x.reshape(-1), a(2, 3)),
    "x.reshape([6])": (lambda x: x.reshape([6]), a(2, 3)),
    "x.reshape(3, 2, order='F')": (lambda x: x.reshape(3, 2, order="F"), a(2, 3)),
    "x.reshape(())": (lambda x: x.reshape(()), a(1)),
    "x.transpose()": (lambda x: x.transpose(), a(2, 3)),
    "x.transpose(1, 0)": (lambda x: x.transpose(1, 0), a(2, 3)),
    "x.transpose((0, 1))": (lambda x: x.transpose((0, 1)), a(2, 3)),
    "x.transpose(None)": (lambda x: x.transpose(None), a(2, 3)),
    "x.T": (lambda x: x.T, a(2, 3)),
    "x.mT": (lambda x: x.mT, a(4, 2, 3)),
    "x.real": (lambda x: x.real, z(3)),
    "x.imag": (lambda x: x.imag, z(3)),
    "x.real of real": (lambda x: x.real, a(3)),
    "x.imag of real": (lambda x: x.imag, a(3)),
    "x.astype(float64)": (lambda x: x.astype(np.float64), a(3)),
    "x.astype(int)": (lambda x: x.astype(int), a(3)),
    "x.astype(complex)": (lambda x: x.astype(complex), a(3)),
    "x.flat": (lambda x: [y * k for k, y in enumerate(x.flat)], a(2, 2)),
    "x.item()": (lambda x: x.item() * np.ones(2, x.dtype), a(1)),
    "x.item(2)": (lambda x: x.item(2) * np.ones(2, x.dtype), a(2, 2)),
    "x.item(1, 0)": (lambda x: x.item(1, 0) * np.ones(2, x.dtype), a(2, 2)),
    "unpacking": (lambda x: (lambda p, q: p * q)(*x), a(2, 3)),
    "starred": (lambda x: (lambda p, *rest: p * rest[-1])(*x), a(3)),
    "iteration": (lambda x: sum(row * k for k, row in enumerate(x)), a(3, 2)),
    "zip": (lambda x: [p * q for p, q in zip(x, x[::-1])], a(3)),
    "reversed": (lambda x: list(reversed(x)), a(3)),
    "sum(x)": (lambda x: sum(x), a(3)),
    "max(x)": (lambda x: max(x), a(3)),
    "sorted(x)": (lambda x: sorted(x)[0], a(3)),
    "len": (lambda x: x * len(x), a(3)),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_and_attributes(name):
    function, argument = METHODS[name]
    check_all(named(name, function), ex(argument), batch=name not in ("max(x)", "sorted(x)", "x.item()", "x.item(2)"))


def test_ptp_and_tolist():
    assert mg.grad(lambda x: x.ptp())(np.array([1.0, 4.0, 2.0])).tolist() == [-1, 1, 0]
    assert mg.grad(lambda x: x.tolist()[1][0] * 3)(np.ones((2, 2))).tolist() == [[0, 0], [3, 0]]
    assert mg.grad(lambda x: x.tolist())(2.0) == 1


def inspect(x, look):
    """Return what `look` sees of a box that holds `x`."""
    seen = []
    mg.jvp(lambda box: seen.append(look(box)) or box, (x,), (np.ones_like(x),))
    return seen[0]


def test_attributes_of_an_array():
    for x in (np.ones((2, 3)), np.ones((2, 3), np.float32), np.float64(1.0), np.ones((2, 1), complex)):
        for name in ("shape", "ndim", "size", "dtype", "itemsize", "nbytes"):
            assert inspect(x, lambda box, name=name: getattr(box, name)) == getattr(x, name), name


def test_containers():
    x = np.array([1.0, 2.5, -3.0])
    assert inspect(x, len) == 3
    assert inspect(x, lambda box: 2.5 in box) is True
    assert inspect(x, lambda box: 2.0 in box) is False
    for function in (len, iter, list):
        with pytest.raises(TypeError, match=r"0-d|unsized"):
            inspect(np.float64(1.0), function)
    with pytest.raises(ValueError, match="one element"):
        inspect(x, lambda box: box.item())
    with pytest.raises(TypeError, match="unhashable"):
        inspect(x, hash)


def test_copies_are_values():
    x = np.array([1.0, 2.0])
    for function in (copy.copy, copy.deepcopy, np.copy):
        assert mg.grad(lambda x, function=function: np.sum(function(x) * x))(x).tolist() == [2, 4]


# Conversions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [int, round, math.floor, math.ceil, math.trunc])
@pytest.mark.parametrize("value", [2.0, 2.5, 3.5, -0.5, -2.7, 7.499])
def test_conversions_to_an_integer(function, value):
    got = inspect(np.float64(value), function)
    assert got == function(np.float64(value))
    assert type(got) is int
    assert mg.grad(lambda x: x * function(x))(value) == function(value)


def test_round_to_digits_is_piecewise_constant():
    assert inspect(np.float64(2.34567), lambda box: float(mg.stop_gradient(round(box, 2)))) == round(2.34567, 2)
    assert mg.grad(lambda x: round(x, 1) * x)(2.34) == pytest.approx(2.3)
    x = np.array([1.26, -3.14])
    np.testing.assert_array_equal(mg.grad(lambda x: np.sum(round(x, 1)))(x), [0, 0])


@pytest.mark.parametrize("name", ["float", "complex", "math.sin", "math.sqrt"])
def test_conversions_that_lose_a_derivative_are_refused(name):
    without_source = eval(f"lambda x: {name}(x) * x", {"math": math})
    with pytest.raises(BoxConversionError, match="would lose its derivative"):
        mg.grad(without_source)(1.0)


def test_conversions_in_functions_with_source_keep_the_derivative():
    assert mg.grad(lambda x: float(x) * x)(1.5) == 3.0
    assert mg.grad(lambda x: math.sqrt(x) * x)(4.0) == 3.0
    assert mg.grad(lambda x: math.sin(x))(0.5) == math.cos(0.5)


def test_truth_and_format():
    assert inspect(np.float64(1.0), bool) is True
    assert inspect(np.float64(0.0), bool) is False
    with pytest.raises(ValueError, match="ambiguous"):
        inspect(np.ones(2), bool)
    assert inspect(np.float64(1.5), lambda box: f"{box:.3f}") == "1.500"
    assert "1.5" in inspect(np.float64(1.5), repr)
    assert inspect(np.ones(2), lambda box: bool(box.any() and (box > 0).all())) is True


def test_boxes_are_written_into_arrays():
    def assign(x):
        y = np.zeros(3)
        y[0] = x[0]
        return y.sum()

    def add(x):
        y = np.zeros(3)
        y += x
        return y.sum()

    np.testing.assert_array_equal(mg.grad(assign)(np.ones(3)), [1, 0, 0])
    np.testing.assert_array_equal(mg.grad(add)(np.ones(3)), [1, 1, 1])


def test_what_is_no_operand_is_refused():
    for other in ("a", None, object(), {}):
        with pytest.raises(TypeError):
            mg.grad(lambda x, other=other: x + other)(1.0)
        with pytest.raises(TypeError):
            mg.grad(lambda x, other=other: other * x)(1.0)
    assert inspect(np.float64(1.0), lambda box: box == "a") is False
    assert inspect(np.float64(1.0), lambda box: box != None) is True  # noqa: E711


# Results --------------------------------------------------------------------------------------------------------------


def test_results_are_arrays_of_their_own():
    c = np.array([1.0, 2.0, 3.0])
    x, y = np.ones(3), np.ones(3)
    gradients = mg.grad(lambda x, y: np.sum((x + y) * c), (0, 1))(x, y)
    assert not np.shares_memory(*gradients)
    assert not any(np.shares_memory(g, c) for g in gradients)
    bar = np.ones(3)
    for function in (lambda x: x, lambda x: x[::-1], lambda x: x.reshape(3, 1).T[0], lambda x: 1 * x):
        got = mg.vjp(function, x)[1](bar)[0]
        assert not np.shares_memory(got, bar)
        assert got.flags.writeable


def test_views_and_fortran_order_are_read_as_any_array():
    x = np.arange(12.0).reshape(3, 4) / 10

    def function(x):
        return np.sum(np.sin(x.ravel()) * np.arange(6.0)) + np.prod(x[0])

    for view in (np.asfortranarray(x[:2, :3]), x[:2, ::-1][:, :3], x.T[:2, :3], np.broadcast_to(0.5, (2, 3))):
        np.testing.assert_array_equal(mg.grad(function)(view), mg.grad(function)(np.ascontiguousarray(view)))
    read_only = np.broadcast_to(2.0, (3,))
    np.testing.assert_array_equal(
        mg.vjp(lambda x: (x * x[[0, 0, 1]], x + 0), read_only)[1]((read_only, read_only))[0], [14, 10, 6]
    )


def test_boxes_have_the_attributes_of_arrays_and_hide_none():
    """An attribute that a mode keeps for itself must not have the name of a method of arrays."""
    from mixgrad.modes import batch, dual, tape, taylor, trace

    arrays = set(dir(np.ndarray)) - {"shape", "dtype", "ndim", "size", "itemsize", "nbytes"}
    for kind in (batch.Batch, dual.Dual, tape.Variable, taylor.Taylor, trace.Staged):
        own = {name for name in vars(kind) if not name.startswith("_")}
        assert not own & arrays, kind
