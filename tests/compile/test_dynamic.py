"""Code for any length of an axis: what the function itself gives, for every length, and how often it is compiled."""

import gc
import re
import threading
import warnings
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import mixgrad as mg
from mixgrad import compiled as jitting
from mixgrad._tree import flatten
from mixgrad.compile import executable
from mixgrad.compile import threads as sharing
from mixgrad.compile.comparing import Comparison
from mixgrad.compile.fusion import Fusion
from mixgrad.compile.lengths import DependsOnLength, Length, Scaled, explained, same_formula
from mixgrad.compile.merging import Merging
from mixgrad.compile.tensor import Affine, Axis, Buffer, Number, Statement
from mixgrad.compiled import RecompilationWarning

LENGTHS = (2, 3, 7, 8, 9, 63, 64, 65, 255, 256, 257, 1000, 100_003)
FEWER = tuple(n for n in LENGTHS if n <= 1000)


@pytest.fixture
def compilations(monkeypatch):
    """What has been compiled: one entry each time."""
    made = []
    original = executable.compile_module
    monkeypatch.setattr(executable, "compile_module", lambda module: made.append(module) or original(module))
    return made


def same(got, want):
    """Compare results: types, and numbers up to some roundings of the largest."""
    got, want = flatten(got)[0], flatten(want)[0]
    assert len(got) == len(want)
    for a, b in zip(map(np.asarray, got), map(np.asarray, want)):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        tolerance = 1e5 * np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0
        scale = np.max(np.abs(b), initial=0.0, where=np.isfinite(b)) if b.dtype.kind == "f" else 0.0
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


# What is given to the functions: arrays with n rows, of n numbers, and parameters.

D, K = 3, 4


def rows(n, random):
    return random.normal(size=(n, D))


def number_each(n, random):
    return random.normal(size=n)


def labels(n, random):
    return random.integers(0, K, n)


def signs(n, random):
    return random.choice([-1.0, 1.0], n)


def fixed(*shape):
    return lambda n, random: np.cos(np.arange(float(np.prod(shape)))).reshape(shape)


def mixture(alphas, means, logs, x):
    """A Gaussian mixture's log-likelihood as ADBench has it, the factors of the precisions being diagonal."""
    whitened = np.exp(logs) * (x[:, None, :] - means)
    scores = alphas + np.sum(logs, axis=1) - 0.5 * np.sum(whitened**2, axis=2)
    return np.sum(mg.logsumexp(scores, axis=1)) - len(x) * mg.logsumexp(alphas)


def logistic(w, x, y):
    return np.sum(np.logaddexp(0.0, -y * (x @ w)))


def squares(w, x, y):
    return np.mean((x @ w - y) ** 2)


def classification(w, x, y):
    scores = x @ w
    return np.mean(mg.logsumexp(scores, axis=1) - scores[np.arange(len(x)), y])


def network(p, x):
    return np.sum(np.tanh(x @ p["w"] + p["b"]) ** 2)


def recurrence(x):
    t = 0.0
    for i in range(len(x)):
        t = np.sin(t + x[i])
    return t


PARAMETERS = (fixed(K), fixed(K, D), fixed(K, D))
FUNCTIONS = {
    "mixture": (mixture, *PARAMETERS, rows),
    "gradient of mixture": (mg.grad(mixture, (0, 1, 2)), *PARAMETERS, rows),
    "logistic regression": (mg.value_and_grad(logistic), fixed(D), rows, signs),
    "least squares": (mg.value_and_grad(squares), fixed(D), rows, number_each),
    "hessian": (mg.hessian(squares), fixed(D), rows, number_each),
    "classification": (mg.value_and_grad(classification), fixed(D, K), rows, labels),
    "network": (mg.grad(network), lambda n, r: {"w": np.ones((D, K)) / 7, "b": np.arange(4.0)}, rows),
    "map": (lambda x: (np.exp(x) + 1, x[:, 0] > 0), rows),
    "along": (lambda x: (np.sum(x, axis=1), np.max(x, axis=1), x.T * 2), rows),
    "columns": (lambda x: np.sum(x * x[:, :1], axis=1), lambda n, r: np.ascontiguousarray(rows(n, r).T)),
    "jvp": (lambda x, t: mg.jvp(lambda x: np.sin(x) * x[:, :1], (x,), (t,)), rows, rows),
    "vjp": (lambda x, u: mg.vjp(lambda x: np.sin(x) * x[:, :1], x)[1](u), rows, rows),
    "gradient for each row": (mg.vmap(mg.grad(lambda r: np.sum(np.sin(r) * r[0]))), rows),
    "statistics": (lambda x: (np.mean(x), np.var(x, axis=0, ddof=1), np.mean(x, axis=0) * len(x)), rows),
    "gradient of statistics": (mg.grad(lambda x: np.sum(np.std(x, axis=0)) * np.mean(x)), rows),
    "two passes": (lambda x: (x - np.mean(x, axis=0)) / np.std(x, axis=0), rows),
    "constants": (lambda x: np.sum(x - np.ones((len(x), 1))) - len(x) * np.log(2 * np.pi) / 2 + 1 / (len(x) - 1), rows),
    "neighbours": (mg.grad(lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)), number_each),
    "ends": (lambda x: (x[-1] * np.sum(x), x[::-1] * 2), number_each),
    "table": (mg.grad(lambda a, i: np.sum(np.sin(a[i]) ** 2)), fixed(K, D), labels),
    "truths and integers": (lambda i: (np.any(i > 2), np.count_nonzero(i), np.sum(i), np.min(i), i // 2), labels),
    "counting": (lambda x: (np.arange(len(x)) * x[:, 0], x[np.arange(len(x))[:, None], [0, 1]]), rows),
    "other lengths": (lambda x: (np.diff(x[:, 0]), np.ravel(x), np.concatenate([x, x, [[1.0, 2, 3]]]) * 2), rows),
    "places": (lambda x: (np.argmax(x), np.max(x), np.cumsum(x)), number_each),
    "float32": (
        mg.value_and_grad(squares),
        *(lambda n, r, make=make: make(n, r).astype(np.float32) for make in (fixed(D), rows, number_each)),
    ),
}  # fmt: skip
SHORTER = {
    "loop": (mg.grad(recurrence), number_each),
    "kernel": (mg.grad(lambda x: np.sum(np.exp(-((x[:, None] - x[None, :]) ** 2)))), number_each),
    "products of rows": (lambda x: (x @ x.T, np.mean(x @ x.T)), rows),
    "two of them": (lambda x: x[:, None] * np.max(np.exp(x[:, None] - x[None, :]), axis=0), number_each),
}


@pytest.mark.parametrize("name", [*FUNCTIONS, *SHORTER])
def test_results_for_all_lengths(name, random, compilations):
    function, *makers = FUNCTIONS.get(name) or SHORTER[name]
    compiled = mg.jit(function)
    for n in (10, 37, *(LENGTHS if name in FUNCTIONS else FEWER)):
        args = [make(n, random) for make in makers]
        with np.errstate(all="ignore"):
            want = function(*args)
        for _ in range(2):
            same(compiled(*args), want)
    assert len(compilations) == 2  # for the first length, and for any


@pytest.mark.parametrize("name", ["gradient of mixture", "least squares", "two passes", "statistics", "table"])
@pytest.mark.parametrize("worth", [0, sharing.WORTH_SHARING])
def test_the_number_of_threads_changes_no_bit(name, worth, random, monkeypatch):
    monkeypatch.setattr(sharing, "WORTH_SHARING", worth)
    function, *makers = FUNCTIONS[name]
    compiled = mg.jit(
        function, dynamic=tuple(i for i, make in enumerate(makers) if make in (rows, number_each, labels))
    )
    for n in (2, 64, 65, 1000, 1043, 100_003):
        args = [make(n, random) for make in makers]
        results = []
        for count in (1, 2, 3, 16):
            with mg.threads(count):
                results.append(flatten(compiled(*args))[0])
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)
        same(results[0], function(*args))


def test_lengths_of_one_and_none_have_code_of_their_own(random, compilations):
    compiled = mg.jit(mg.value_and_grad(logistic))
    for n in (5, 49, 1, 0, 1, 0, 17, 1):
        args = np.ones(D), rows(n, random), signs(n, random)
        same(compiled(*args), mg.value_and_grad(logistic)(*args))
    assert len(compilations) == 4


def test_short_arrays_of_which_another_part_is_taken(compilations):
    function = lambda x: np.sum(x[:60]) + np.sum(x) * 0.5
    compiled = mg.jit(function)
    for n, count in ((100, 1), (200, 2), (50, 3), (80, 3), (60, 3), (70, 3), (40, 4), (50, 4), (100, 4), (1000, 4)):
        x = np.arange(float(n))
        same(compiled(x), function(x))
        assert len(compilations) == count


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: x * (len(x) % 2 + 1), id="parity"),
        pytest.param(lambda x: x * 2 if len(x) > 300 else x * 3, id="branch"),
        pytest.param(lambda x: sum(x[k] * k for k in range(len(x) // 10)), id="loop of Python"),
        pytest.param(lambda x: x * np.linspace(0.0, 1.0, len(x)), id="constant array"),
        pytest.param(lambda x: x * np.array([2, 3] * (len(x) // 2) + [3] * (len(x) % 2)), id="integers"),
        pytest.param(lambda x: x[np.arange(len(x))[::-1] - 1], id="counting backwards"),
        pytest.param(lambda x: x / np.log(len(x)), id="logarithm"),
        pytest.param(lambda x: np.sort(x) * 2, id="NumPy"),
        pytest.param(lambda x: x.reshape(2, -1) if len(x) % 2 == 0 else x[None], id="shape"),
        pytest.param(lambda x: [x[0]] * (len(x) // 10), id="structure"),
    ],
)
def test_what_depends_on_the_length_is_compiled_for_each(function, random, compilations):
    compiled = mg.jit(function)
    lengths = (30, 36, 50, 33, 400)
    for n in (*lengths, *lengths):
        x = number_each(n, random)
        same(compiled(x), function(x))
    assert len(compiled.variants) == len(lengths) <= len(compilations)
    with pytest.raises(mg.UnsupportedError, match="What depends on it:"):
        mg.jit(function, dynamic=0)(number_each(30, random))


def test_captured_arrays_have_a_length_of_their_own(random):
    data = number_each(20, random)
    compiled = mg.jit(lambda x: x + data)
    same(compiled(data), 2 * data)
    for _ in range(2):
        with pytest.raises(ValueError, match="broadcast"):
            compiled(data[1:])
    same(compiled(data), 2 * data)


def test_the_first_short_lengths_have_code_of_their_own(compilations):
    compiled = mg.jit(lambda x: x + 1)
    for n in (*range(2, 20), 100, 2, 3):
        same(compiled(np.zeros(n)), np.ones(n))
    assert len(compilations) == len(compiled.variants) == jitting.FEW + 1


def test_two_lengths_vary(random, compilations):
    compiled = mg.jit(lambda x, y: np.sum(x) * y)
    for n, m in ((5, 6), (5, 7), (9, 7), (9, 6), (11, 6), (11, 11), (5, 5)):
        x, y = number_each(n, random), number_each(m, random)
        same(compiled(x, y), np.sum(x) * y)


def test_arrays_that_happen_to_be_as_long(random, compilations):
    compiled = mg.jit(lambda x, w: np.sum(x, axis=0) * w)
    for n in (D, 48, D, 9):
        x, w = rows(n, random), np.arange(float(D))
        same(compiled(x, w), np.sum(x, axis=0) * w)
    assert len(compilations) == 2


def test_a_length_that_another_axis_has(random, compilations):
    function = lambda x, w: np.sum(x, axis=0) * (2 if len(x) == len(w) else 1)
    compiled = mg.jit(function)
    for n in (10, 50, D, 30, D, 2):
        x = rows(n, random)
        for _ in range(2):
            same(compiled(x, np.ones(D)), function(x, np.ones(D)))
    assert len(compilations) == 3


def test_long_and_short_arrays_are_no_reason_for_a_warning(random):
    compiled = mg.jit(lambda x: np.sum(np.sin(x)))
    for n in range(2, 60):
        x = number_each(n, random)
        same(compiled(x), np.sum(np.sin(x)))
    assert len(compiled.variants) <= jitting.FEW + 1


def test_strong_zeros(compilations):
    def root_or_zero(x):
        return np.sum(np.where(x > 0, np.sqrt(np.abs(x) * np.where(x > 0, 1.0, 0.0)), 0.0))

    compiled = mg.jit(mg.grad(root_or_zero))
    for n in (10, 37, 3, 100, 1000):
        x = np.linspace(-1.0, 1.0, n)
        same(compiled(x), np.where(x > 0, 0.5 / np.sqrt(np.where(x > 0, x, 1.0)), 0.0))
    assert len(compilations) == 4  # for the first length and for any; and both with strong zeros


def test_errors_of_the_running_function(random):
    compiled = mg.jit(lambda a, i: np.sum(a[i], axis=0), dynamic=1)
    a = rows(K, random)
    for n in (10, 100, 1000):
        i = labels(n, random)
        same(compiled(a, i), np.sum(a[i], axis=0))
        i[n // 2] = K
        with pytest.raises(IndexError, match="out of bounds"):
            compiled(a, i)


def test_layouts(random):
    compiled = mg.jit(lambda x: (np.sum(x, axis=0), x * 2))
    for n in (10, 20, 50):
        x = rows(2 * n, random)
        for y in (
            x,
            np.asfortranarray(x),
            x[::2],
            x[::-1],
            x[:, ::-1],
            x.astype(">f8"),
            x.view(type("Mine", (np.ndarray,), {})),
        ):
            same(compiled(y), (np.sum(np.asarray(y, float), axis=0), np.asarray(y, float) * 2))


# dynamic= -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamic", [(1, 2), ("x", "y"), ["x", 2], (2, 1)])
def test_axes_that_vary_can_be_named(dynamic, random, compilations):
    compiled = mg.jit(squares, dynamic=dynamic)
    for n in LENGTHS:
        args = np.ones(D), rows(n, random), number_each(n, random)
        same(compiled(*args), squares(*args))
        same(compiled(args[0], y=args[2], x=args[1]), squares(*args))
    assert len(compilations) == 2  # by place, and by name
    assert len(compiled.variants) == 2


def test_large_products_over_named_rows_are_loops(random, compilations):
    """BLAS would be told the number of rows: where one kernel is asked for, it is made without."""
    w = random.normal(size=(80, 70))

    def squares(x, w):
        return np.sum((x @ w) ** 2, axis=0)

    compiled = mg.jit(squares, dynamic="x")
    for n in (3, 700, 3000):
        x = random.normal(size=(n, 80))
        np.testing.assert_allclose(compiled(x, w), squares(x, w), rtol=1e-11)
    assert len(compilations) == 1
    plain = mg.jit(squares)
    for n in (2000, 3000):
        plain(random.normal(size=(n, 80)), w)
    assert len(plain.variants) == 2


def test_columns_in_lanes(random):
    """Sums of many columns, a number for each of any number of rows: no range of columns can hold its own."""
    compiled = mg.jit(lambda x, w: np.sum((x - w) ** 2, axis=1), dynamic=("x",))
    w = random.normal(size=12_000)
    for n in (2, 7):
        x = random.normal(size=(n, len(w)))
        np.testing.assert_allclose(compiled(x, w), np.linalg.norm(x - w, axis=1) ** 2, rtol=1e-12)
    assert "tile of the 12000 rows" in compiled.explain(x, w)


def test_containers_vary_as_a_whole(random, compilations):
    compiled = mg.jit(lambda p, data: np.mean(data["x"] @ p * data["more"][0]), dynamic="data")
    for n in (10, 100, 7):
        data = {"x": rows(n, random), "more": [number_each(n, random), 2.0]}
        same(compiled(np.ones(D), data), np.mean(data["x"] @ np.ones(D) * data["more"][0]))
    assert len(compilations) == 1


def test_nothing_varies(compilations):
    compiled = mg.jit(lambda x: x + 1, dynamic=())
    for n in (10, 20, 30):
        same(compiled(np.zeros(n)), np.ones(n))
    assert len(compilations) == 3


def test_only_what_is_named_varies(random, compilations):
    compiled = mg.jit(lambda x, y: np.sum(x) * y, dynamic="x")
    for n, m, count in ((10, 3, 1), (20, 3, 1), (20, 4, 2), (30, 4, 2), (30, 3, 2), (30, 5, 3)):
        x, y = number_each(n, random), number_each(m, random)
        same(compiled(x, y), np.sum(x) * y)
        assert len(compilations) == count


@pytest.mark.parametrize("dynamic", [True, 1.0, "", ("x", None), {"x": 0}, np.array([0])])
def test_what_is_no_argument(dynamic):
    with pytest.raises(mg.MixgradError, match="place or the name of an argument"):
        mg.jit(lambda x: x, dynamic=dynamic)


@pytest.mark.parametrize("dynamic", [1, "y", "z", -1])
def test_arguments_that_are_no_arrays(dynamic):
    with pytest.raises(mg.MixgradError, match="there is no array in it"):
        mg.jit(lambda x, y: x * y, dynamic=dynamic)(np.ones(4), 2.0)


def test_lengths_that_differ(random):
    with pytest.raises(mg.ShapeError, match=re.escape("{\"'x'[0][1]\": 4, \"'y'[0][2]\": 5}")):
        mg.jit(squares, dynamic=("x", "y"))(np.ones(D), rows(4, random), np.ones(5))


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: x * (len(x) % 2), r"multiply: a number is 0 where it is 10, and 1 for 10007"),
        (lambda x: x[: len(x) // 2], r"index.* a number is 5 where it is 10"),
        (lambda x: np.sin(x) if len(x) % 2 else np.cos(x), "an operation: cos where it is 10, and sin for 11"),
        (lambda x: np.concatenate([x] * (1 + len(x) % 2)), "the number of|concatenate"),
        (lambda x: np.sort(x), "NumPy computes part of it: .* to sort"),
        (lambda x: x + np.ones(10), "recording raises ValueError"),
        (lambda x: [x] * len(x), "the structure of the result"),
        (lambda x: np.ravel(x[:, None] * x), r"an axis has the length n \*\* 2"),
        (lambda x: np.ones(len(x) ** 2), r"an axis has the length n \*\* 2"),
    ],
)
def test_errors_say_what_depends_on_the_length(function, says):
    compiled = mg.jit(function, dynamic=0)
    for _ in range(2):
        with pytest.raises(mg.UnsupportedError, match=says):
            compiled(np.ones(10))
    assert not compiled.variants


def test_the_plan_and_the_program_can_be_seen(random):
    compiled = mg.jit(lambda x: (x - np.mean(x)) * 2, dynamic=0)
    text = compiled.explain(np.ones(50))
    assert "for each tile of the n rows" in text
    assert "(t0 / n)" in text
    assert re.search(r"elements computed for 10000 rows; temporary arrays held as a whole: \d+ bytes", text)
    assert "f64[70]" in str(compiled.program(np.ones(70)))
    assert "8 * n bytes" in mg.jit(lambda x: np.exp(x) / np.sum(np.exp(x)), dynamic=0).explain(np.ones(50))


# Variants -------------------------------------------------------------------------------------------------------------


def test_variants_that_are_not_used_are_dropped(monkeypatch, compilations):
    monkeypatch.setattr(jitting, "MOST_VARIANTS", 3)
    compiled = mg.jit(lambda x: x + 1, dynamic=())
    sizes = lambda: sorted(key[1][0][0] for key in compiled.variants)
    for n in (1, 2, 3, 1, 4):
        same(compiled(np.zeros(n)), np.ones(n))
    assert sizes() == [1, 3, 4]
    variant = weakref.ref(next(iter(compiled.variants.values())))
    for n in (3, 4, 5):
        same(compiled(np.zeros(n)), np.ones(n))
    assert sizes() == [3, 4, 5]
    gc.collect()
    assert variant() is None
    before = len(compilations)
    same(compiled(np.zeros(1)), np.ones(1))
    assert len(compilations) == before + 1


def test_the_warning_says_what_to_do():
    compiled = mg.jit(lambda x: x + len(x) % 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(jitting.MANY):
            compiled(np.zeros(n))
    with pytest.warns(RecompilationWarning, match=r"dynamic=\.\.\.\) says why"):
        compiled(np.zeros(jitting.MANY))


def test_callers_may_be_threads(random):
    function, *makers = FUNCTIONS["least squares"]
    inputs = [[make(n, random) for make in makers] for n in (5, 64, 100, 3, 1000, 17, 2, 8)]
    want = [function(*args) for args in inputs]
    compiled, wrong, start = mg.jit(function), [], threading.Barrier(4)

    def work(first):
        try:
            start.wait()
            for k in range(24):
                number = (first + k) % len(inputs)
                same(compiled(*inputs[number]), want[number])
        except BaseException as error:
            wrong.append(error)

    workers = [threading.Thread(target=work, args=(2 * k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


# Formulas -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (lambda n: n, Length()),
        (lambda n: 3 * n - 2, Length(3, -2)),
        (lambda n: np.int64(n - 1), Length(1, -1)),
        (lambda n: n * n, Scaled(1.0, 0, 2)),
        (lambda n: 1 / n, Scaled(1.0, 0, -1)),
        (lambda n: -0.5 * n, Scaled(-0.5, 0, 1)),
        (lambda n: 2 / (n - 1) ** 2, Scaled(2.0, -1, -2)),
        (lambda n: np.float32(1) / np.float32(n), Scaled(1.0, 0, -1)),
        (lambda n: np.log(2 * np.pi) * n, Scaled(float(np.log(2 * np.pi)), 0, 1)),
        (lambda n: np.sqrt(n), None),
        (lambda n: n % 4, None),
        (lambda n: n > 12, None),
        (lambda n: float("nan") if n > 12 else 1.0, None),
        (lambda n: str(n), None),
    ],
)
@pytest.mark.parametrize(("n", "m"), [(10, 17), (10_007, 7_000), (3, 4)])
def test_numbers_that_follow_from_the_length(formula, expected, n, m):
    found = explained(formula(n), formula(m), n, m)
    if expected is not None:
        assert same_formula(found, expected)
        if isinstance(found, Scaled):
            np.testing.assert_allclose(found.factor, expected.factor, rtol=1e-15 if expected.precision == 0 else 1e-6)
    elif n > 4:  # two small numbers can follow from each other in many ways
        assert found is None


@dataclass(eq=False)
class Routine(Statement):
    """A statement of a kind of its own, with a number."""

    number: int = 0


@pytest.mark.parametrize(("first", "second"), [(3, 3), (5, 8)])
def test_statements_of_other_kinds_have_fixed_numbers(first, second):
    def tree(number, n):
        axis = Axis(n, None)
        out = Buffer((n,), np.dtype(float), "output", axes=[axis])
        routine = Routine(out, [axis], expression=Number(1.0, out.dtype), index=[Affine(axis)], number=number)
        return Fusion([routine], axis)

    if first == second:
        assert Merging(tree(first, 5), tree(second, 8), 5, 8).lengths == {Length()}
    else:
        with pytest.raises(DependsOnLength, match="numbers differ"):
            Merging(tree(first, 5), tree(second, 8), 5, 8)


def test_programs_are_compared_in_full():
    def recorded(function, n):
        return mg.trace(function)(np.ones((n, 2)))

    known = Comparison(recorded(lambda x: np.mean(x), 5), recorded(lambda x: np.mean(x), 8), 5, 8)
    assert not known.planes
    assert Comparison(recorded(lambda x: x @ x.T, 5), recorded(lambda x: x @ x.T, 8), 5, 8).planes
    for one, other in (
        (lambda x: np.sin(x) + np.sin(x[0]), lambda x: np.sin(x) + np.sin(x[1])),
        (lambda x: x * 2, lambda x: x * 2.0),
        (lambda x: (x, x + 1), lambda x: (x + 1, x)),
        (lambda x: (np.sin(x), np.sin(x)), lambda x: (np.sin(x),)),
        (lambda x: x + np.array([1.0, 2.0]), lambda x: x + np.array([1.0, 3.0])),
        (lambda x: np.sum(x, axis=0), lambda x: np.sum(x, axis=1)),
    ):
        with pytest.raises(DependsOnLength):
            Comparison(recorded(one, 5), recorded(other, 8), 5, 8)
