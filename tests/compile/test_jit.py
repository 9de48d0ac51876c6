"""`mg.jit`: functions with the same results, whatever they are given, whoever calls them."""

import concurrent.futures
import gc
import pickle
import threading
import time
import warnings
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.compile import executable
from mixgrad.compiled import MANY, RecompilationWarning, Variant

Pair = namedtuple("Pair", "first second")


@dataclass
class Parameters:
    weights: np.ndarray
    bias: float


def same(got, want, tolerance=1e-13):
    """Compare containers, types of containers and of numbers included."""
    assert type(got) is type(want)
    if isinstance(want, dict):
        assert list(got) == list(want)
        for key in want:
            same(got[key], want[key], tolerance)
    elif isinstance(want, (tuple, list)):
        assert len(got) == len(want)
        for a, b in zip(got, want):
            same(a, b, tolerance)
    elif isinstance(want, (np.ndarray, np.generic)):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    else:
        assert got == want


def check(function, *args, **kwargs):
    """Compare a compiled function with the function: the call that compiles, and a later one."""
    compiled = mg.jit(function)
    want = function(*args, **kwargs)
    for _ in range(3):
        same(compiled(*args, **kwargs), want)
    assert len(compiled.variants) == 1
    return compiled


X = np.linspace(-1.0, 2.0, 40)
A = np.cos(np.arange(12.0)).reshape(4, 3)


def energy(x):
    return np.sum(np.sin(x) * x) + x[0] * x[-1]


# Arguments and results ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: np.sin(x), id="array"),
        pytest.param(lambda x: np.sum(x), id="number"),
        pytest.param(lambda x: (x, np.sum(x)), id="tuple"),
        pytest.param(lambda x: (2 * x,), id="tuple of one"),
        pytest.param(lambda x: [x + 1, x * 2], id="list"),
        pytest.param(lambda x: [x + 1], id="list of one"),
        pytest.param(lambda x: {"b": x, "a": [x * 2, (np.max(x), x > 0)]}, id="dict"),
        pytest.param(lambda x: Pair(x, 2 * x), id="namedtuple"),
        pytest.param(lambda x: Pair(x, Pair(x, x + 1)), id="nested namedtuple"),
        pytest.param(lambda x: ((x, x), x), id="nested tuple"),
        pytest.param(lambda x: (), id="nothing"),
        pytest.param(lambda x: {}, id="empty dict"),
        pytest.param(lambda x: (x > 0, np.count_nonzero(x > 0), np.any(x > 0)), id="truths and integers"),
        pytest.param(lambda x: (np.ones(3), x), id="constant"),
    ],
)
def test_containers_of_results(function):
    check(function, X)


def test_none_is_a_result():
    assert mg.jit(lambda x: None)(X) is None
    got = mg.jit(lambda x: (x * 2, None))(X)
    assert got[1] is None


def test_containers_of_arguments():
    check(lambda p: p["w"] @ p["b"][0] + p["b"][1], {"w": A, "b": [A[0], 2.0]})
    check(lambda pair, s: pair.first * s + pair.second[0], Pair(X, (X, X)), 3.0)
    check(lambda x, y: x + y[0], X, (X,))
    compiled = mg.jit(lambda p: np.sum(A @ p.weights) + p.bias)
    p = Parameters(A[0], 2.0)
    same(compiled(p), np.sum(A @ p.weights) + p.bias)


def test_containers_are_told_apart():
    compiled = mg.jit(lambda p: p[0] * 2 + p[1])
    same(compiled([X, X]), 3 * X)
    same(compiled((X, X)), 3 * X)
    same(compiled(np.stack([X, X])), 3 * X)
    same(compiled({0: X, 1: 2 * X}), 4 * X)


def test_keywords():
    def function(x, scale=2.0, *, shift=0.0):
        return x * scale + shift

    compiled = mg.jit(function)
    for _ in range(2):
        same(compiled(X), X * 2)
        same(compiled(X, 3.0), X * 3)
        same(compiled(X, scale=3.0), X * 3)
        same(compiled(X, shift=X, scale=1.0), X + X)
        same(compiled(X, scale=1.0, shift=X), X + X)
        same(compiled(x=X), X * 2)


def test_other_things_are_constants():
    def function(x, how, power=None, flags=("a",)):
        y = {"sin": np.sin, "cos": np.cos}[how](x)
        return y if power is None else y * len(flags)

    compiled = mg.jit(function)
    for _ in range(2):
        same(compiled(X, "sin"), np.sin(X))
        same(compiled(X, "cos"), np.cos(X))
        same(compiled(X, "sin", "given", flags=("a", "b")), 2 * np.sin(X))
        same(compiled(X, how="cos"), np.cos(X))
    check(lambda x, f: f(x), X, np.tanh)


def test_what_cannot_be_compared_is_refused():
    class Odd:
        __hash__ = None

    compiled = mg.jit(lambda x, y: x)
    with pytest.raises(mg.MixgradError, match=r"an argument is a Odd, expected arrays, numbers"):
        compiled(X, Odd())
    with pytest.raises(mg.MixgradError, match="an argument is a set"):
        compiled(X, {1, 2})
    assert not compiled.variants


def test_wrong_calls_are_those_of_the_function():
    compiled = mg.jit(lambda x, y: x)
    for _ in range(2):
        with pytest.raises(TypeError, match="argument"):
            compiled(X)
        same(compiled(X, X), X)
        with pytest.raises(TypeError, match="argument"):
            compiled(X, X, X)
        with pytest.raises(TypeError, match="argument"):
            compiled(X, X, z=X)


# Numbers and dtypes -------------------------------------------------------------------------------------------------

NUMBERS = [
    2.0,
    2,
    True,
    np.float64(2),
    np.float32(2),
    np.int64(2),
    np.int8(2),
    np.uint8(2),
    np.bool_(True),
    np.array(2.0),
]


@pytest.mark.parametrize(
    "other",
    [X, X.astype(np.float32), np.arange(5, dtype=np.int8), 3.0, 3],
    ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')}",
)
def test_kinds_of_numbers(other):
    """In any order, since what has been compiled for one kind must not be used for another."""
    for order in (NUMBERS, NUMBERS[::-1]) if np.shape(other) == (40,) else (NUMBERS,):
        compiled = mg.jit(lambda x, s: x * s)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(2):
                for s in order:
                    got, want = compiled(other, s), other * s
                    assert np.shape(got) == np.shape(want)
                    assert np.asarray(got).dtype == np.asarray(want).dtype, f"{other!r} * {s!r}"
                    np.testing.assert_allclose(got, want)


def test_numbers_of_python_may_be_large():
    compiled = mg.jit(lambda x, s: x * s)
    same(compiled(X, 1e300), X * 1e300)
    assert compiled(3, 2**61) == 3 * 2**61
    with pytest.raises((OverflowError, TypeError, mg.MixgradError)):
        compiled(np.arange(3), 2**70)
    same(compiled(X, -0.0), X * -0.0)
    assert np.isnan(compiled(1.0, float("nan")))
    assert compiled(1.0, float("inf")) == np.inf


def test_results_are_arrays_of_their_own():
    compiled = mg.jit(lambda x: (x, x))
    x = X.copy()
    for _ in range(2):
        a, b = compiled(x)
        a[0] = 7
        assert x[0] != 7
        assert b[0] != 7
        a, b = compiled(x)
        assert a[0] == b[0] == x[0]


def test_constant_results_are_not_shared():
    compiled = mg.jit(lambda x: (np.zeros(3), x))
    for _ in range(3):
        zeros, _ = compiled(X)
        assert not zeros.any()
        zeros[:] = 1


@pytest.mark.parametrize("dtype", ["f2", "g", "i2", "u4", "u8", "c16", ">f8", ">i4", "c8"])
def test_unusual_dtypes(dtype):
    x = (np.arange(10) % 4).astype(dtype)
    check(lambda x: (x + x, x[1:] * x[:-1]), x)


# Shapes and layouts -------------------------------------------------------------------------------------------------


def test_new_shapes_are_compiled_anew():
    compiled = mg.jit(mg.grad(lambda x: np.sum(x**3)))
    for shape in [(3,), (40,), (3, 4), (), (0,), (40,), (3,), (1,), (4, 3)]:
        x = np.full(shape, 2.0)
        np.testing.assert_allclose(compiled(x), np.full(shape, 12.0))
    assert len(compiled.variants) == 7


def layouts(x):
    """Yield the same array in memory in many ways."""
    yield "C", np.ascontiguousarray(x)
    yield "Fortran", np.asfortranarray(x)
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan)
    wide[..., ::2] = x
    yield "every second", wide[..., ::2]
    yield "reversed", np.ascontiguousarray(x[::-1])[::-1]
    yield "transposed", np.ascontiguousarray(x.T).T
    yield "swapped bytes", x.astype(">f8")
    raw = np.zeros(x.nbytes + 8, np.uint8)
    misaligned = raw[1 : 1 + x.nbytes].view(float).reshape(x.shape)
    misaligned[...] = x
    yield "misaligned", misaligned
    fixed = x.copy()
    fixed.flags.writeable = False
    yield "read-only", fixed
    yield "broadcast", np.broadcast_to(x, x.shape)
    yield "of a record", np.array(list(map(tuple, x.reshape(-1, 1))), [("a", "f8")])["a"].reshape(x.shape)


def test_layouts():
    function = lambda x: (np.sin(x) + x[0], np.sum(x, axis=0), x.T)
    compiled = mg.jit(function)
    for _ in range(2):
        for name, x in layouts(A):
            before = x.copy()
            for a, b in zip(compiled(x), function(x)):
                np.testing.assert_allclose(a, b, rtol=1e-14, err_msg=name)
                assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(x, before)


def test_strides_of_zero():
    compiled = mg.jit(lambda x: x + np.arange(3.0))
    same(compiled(np.broadcast_to(2.0, (4, 3))), 2.0 + np.zeros((4, 1)) + np.arange(3.0))


def test_subclasses_of_arrays():
    class Own(np.ndarray):
        pass

    compiled = mg.jit(lambda x: x * 2)
    compiled(A)
    np.testing.assert_array_equal(compiled(A.view(Own)), A * 2)


def test_arguments_are_not_modified():
    def function(x, y):
        x[1:] += y[:-1]
        y = y * 1
        y[0] = x[1]
        return x, y

    x, y = X.copy(), X[::-1].copy()
    compiled = mg.jit(function)
    for _ in range(3):
        a, b = compiled(x, y)
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(y, X[::-1])
        np.testing.assert_allclose(a[1:], X[1:] + X[::-1][:-1])
        assert b[0] == a[1]


def test_the_same_array_twice():
    compiled = mg.jit(lambda x, y: (x - y, x[::-1] + y))
    compiled(X, 2 * X)
    same(compiled(X, X), (X - X, X[::-1] + X))
    same(compiled(X, X[:]), (X - X, X[::-1] + X))


# With derivatives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transform",
    [mg.grad, mg.value_and_grad, mg.hessian, mg.jacobian, mg.jacfwd],
    ids=["grad", "value_and_grad", "hessian", "jacobian", "jacfwd"],
)
def test_compiled_derivatives(transform):
    function = transform(energy)
    same(mg.jit(function)(X), function(X), 1e-12)


def test_compiled_batches():
    rows = np.outer(np.arange(1.0, 6.0), X)
    function = mg.vmap(mg.grad(energy))
    same(mg.jit(function)(rows), function(rows))


def test_compiled_tangents_and_cotangents():
    function = lambda x, v: mg.jvp(mg.grad(energy), (x,), (v,))
    same(mg.jit(function)(X, X[::-1].copy()), function(X, X[::-1].copy()))
    pulled = lambda x, u: mg.vjp(np.sin, x)[1](u)
    same(mg.jit(pulled)(X, X), pulled(X, X))


@pytest.mark.parametrize("first", [False, True], ids=["fresh", "compiled before"])
def test_inside_of_derivatives(first):
    compiled = mg.jit(energy)
    if first:
        compiled(X)
    same(mg.grad(compiled)(X), mg.grad(energy)(X))
    same(mg.hessian(compiled)(X), mg.hessian(energy)(X), 1e-12)
    same(mg.jvp(compiled, (X,), (X,)), mg.jvp(energy, (X,), (X,)))
    same(mg.vmap(compiled)(np.stack([X, 2 * X])), np.stack([energy(X), energy(2 * X)]))
    same(mg.jacobian(lambda x: compiled(x) * x)(X), mg.jacobian(lambda x: energy(x) * x)(X), 1e-12)
    same(np.stack(mg.taylor(compiled, X, X, 2)), np.stack(mg.taylor(energy, X, X, 2)))
    assert str(mg.trace(compiled)(X)).count("sin") == 1
    assert len(compiled.variants) == first


def test_inside_of_compiled_functions():
    inner = mg.jit(lambda x: np.sin(x) * x)
    inner(X)
    check(lambda x: inner(x)[::-1] + inner(x * 2), X)
    same(mg.jit(mg.grad(mg.jit(energy)))(X), mg.grad(energy)(X))
    same(mg.jit(mg.jit(energy))(X), energy(X))


def test_derivatives_by_some_arguments():
    function = lambda x, s, y: np.sum(x * s) * y["a"]
    compiled = mg.jit(mg.grad(function, argnums=(0, 2)))
    same(compiled(X, 2.0, {"a": 3.0}), mg.grad(function, argnums=(0, 2))(X, 2.0, {"a": 3.0}))


# Methods, closures, decorators --------------------------------------------------------------------------------------


class Model:
    scale = 2.0

    def __init__(self, shift):
        self.shift = shift

    @mg.jit
    def apply(self, x):
        """Shift and scale."""
        return x * self.scale + self.shift

    @staticmethod
    @mg.jit
    def double(x):
        return 2 * x


def test_methods():
    one, two = Model(1.0), Model(X)
    for _ in range(2):
        same(one.apply(X), X * 2 + 1)
        same(two.apply(X), X * 2 + X)
        same(one.apply(x=X), X * 2 + 1)
        same(Model.double(X), 2 * X)
    same(mg.jit(one.apply)(X), X * 2 + 1)
    assert Model.apply.__doc__ == "Shift and scale."
    assert Model.apply.__name__ == "apply"


def test_it_is_run_once_for_each_variant():
    calls = []

    @mg.jit
    def function(x):
        calls.append(x)
        return x * 2

    function(X)
    function(2 * X)
    assert len(calls) == 1
    function(X[1:])  # is recorded for other lengths, too: there will be code for all of them
    recorded = len(calls)
    for x in (X, 2 * X, X[1:], X[2:], X[:3]):
        function(x)
    assert len(calls) == recorded
    assert "function, 2 variants" in repr(function).replace("<locals>.", "")


def test_the_program_can_be_seen():
    compiled = mg.jit(lambda x: np.sin(x) * 1)
    assert "sin(" in str(compiled.program(X))
    assert len(compiled.variants) == 1


def test_explain_shows_the_loops():
    compiled = mg.jit(lambda x, *, scale=1.0: np.sin(x) * scale)
    shown = compiled.explain(X, scale=2.0)
    assert "sin" in shown
    assert mg.explain(compiled, X, scale=2.0) == mg.explain(compiled)(X, scale=2.0) == shown
    assert "for" in mg.explain(mg.jit(mg.grad(energy)), X)


def test_compiled_functions_of_closures_are_apart():
    functions = [mg.jit(lambda x, k=k: x * k) for k in range(4)]
    for _ in range(2):
        for k, function in enumerate(functions):
            same(function(X), X * k)


# Errors -------------------------------------------------------------------------------------------------------------


def test_errors_leave_nothing_behind():
    fails = True

    def function(x, i):
        if fails:
            raise KeyError("mine")
        return x[i] * 2

    compiled = mg.jit(function)
    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            compiled(X, 3)
    assert not compiled.variants
    fails = False
    for _ in range(2):
        same(compiled(X, 3), X[3] * 2)
        with pytest.raises(IndexError, match="out of bounds"):
            compiled(X, 40)
    same(mg.grad(lambda x: compiled(x, 3))(X), 2.0 * (np.arange(40) == 3))


def test_what_depends_on_values_is_refused():
    with pytest.raises(mg.MixgradError):
        mg.jit(lambda x: x[: int(x[0])])(X)
    with pytest.raises(mg.MixgradError):
        mg.jit(lambda x: np.nonzero(x > 0)[0])(X)


def test_bad_arguments():
    compiled = mg.jit(lambda x: x + np.ones(3))
    compiled(np.ones(3))
    with pytest.raises(ValueError, match="broadcast"):
        compiled(np.ones(4))
    with pytest.raises((TypeError, mg.MixgradError, ValueError)):
        compiled(np.array(["a", "b", "c"]))
    with pytest.raises((TypeError, mg.MixgradError, ValueError)):
        compiled(np.array([None, 1, 2]))
    same(compiled(np.ones(3)), np.full(3, 2.0))


def test_many_variants_are_reported():
    compiled = mg.jit(lambda x: x + len(x) % 3)  # no code for any length
    for n in range(MANY):
        compiled(np.zeros(n))
    for n in range(MANY):
        compiled(np.zeros(n))
    with pytest.warns(
        RecompilationWarning, match=rf"{MANY + 1}th time.*\({MANY},\).*instead of.*\({MANY - 1},\)"
    ) as seen:
        compiled(np.zeros(MANY))
    assert seen[0].filename == __file__
    compiled(np.zeros(MANY))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RecompilationWarning):
            compiled(np.zeros(MANY + 1))
    same(compiled(np.ones(4)), np.full(4, 2.0))


def test_no_warnings_of_floating_point():
    x = np.array([0.0, -1.0, np.inf, 1e308])
    compiled = mg.jit(lambda x: (np.log(x), 1 / x, x * 10, x - x))
    for _ in range(2):
        assert len(compiled(x)) == 4


# Threads and memory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [True, False], ids=["compiled before", "compiled by all at once"])
def test_threads(shared):
    compiled = mg.jit(mg.value_and_grad(energy))
    sizes = (5, 40, 30_000)
    inputs = [np.cos(np.arange(float(n))) + k for k in range(3) for n in sizes]
    want = [mg.value_and_grad(energy)(x) for x in inputs]
    if shared:
        for x in inputs[: len(sizes)]:
            compiled(x)
    wrong, start = [], threading.Barrier(4)

    def work(first):
        try:
            start.wait()
            for k in range(60 if shared else 9):
                number = (first + k) % len(inputs)
                got = compiled(inputs[number])
                same(got, want[number], 1e-9)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_results_survive_the_function():
    compiled = mg.jit(lambda x: (np.sin(x), np.sum(x)))
    kept = [compiled(X + k) for k in range(50)]
    entry = compiled
    del compiled, entry
    gc.collect()
    for k, (a, b) in enumerate(kept):
        same(a, np.sin(X + k))
        np.testing.assert_allclose(b, np.sum(X + k))


def test_fast_code_may_sum_in_another_order(random):
    """Results agree up to roundings; they are the same in every call, and functions stay as accurate."""
    x = random.normal(size=1001)
    total = lambda x: np.sum(np.exp(x) * (x + 1.0) - x)
    for function in (total, mg.grad(total)):
        fast = mg.jit(function, fast=True)
        np.testing.assert_allclose(fast(x), function(x), rtol=1e-12)
        np.testing.assert_array_equal(fast(x), fast(x))
        np.testing.assert_allclose(fast(x[:500]), function(x[:500]), rtol=1e-12)  # for any length
    np.testing.assert_array_max_ulp(mg.jit(lambda x: np.exp(x), fast=True)(x), np.exp(x), 2)
    assert pickle.loads(pickle.dumps(mg.jit(np.sin, fast=True)))._fast


def test_fast_code_is_marked_for_llvm(monkeypatch):
    texts = []
    inner = executable.compile_module
    monkeypatch.setattr(executable, "compile_module", lambda module: (texts.append(str(module)), inner(module))[1])
    for fast in (False, True):
        mg.jit(lambda x: np.exp(x) + x * x, fast=fast)(np.ones(100))
    plain, marked = ({part.split("(")[0].split("@")[-1]: part for part in text.split("define ")} for text in texts)
    assert not any("reassoc" in part for part in plain.values())
    with_flag = {name for name, part in marked.items() if "reassoc" in part}
    assert with_flag == {'"kernel"'}  # not the exponential, whose order of operations is its accuracy
    assert any(name.startswith('"mg.exp') for name in marked)


def test_of_threads_that_call_first_one_compiles(monkeypatch):
    made = []
    inner = Variant.__init__
    monkeypatch.setattr(
        Variant, "__init__", lambda self, *args: (made.append(1), time.sleep(0.05), inner(self, *args))[2]
    )
    function = mg.jit(lambda x: np.sin(x) * 2.0)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(function, [np.ones(3)] * 8))
    assert len(made) == 1
    for result in results:
        np.testing.assert_allclose(result, 2.0 * np.sin(1.0))
