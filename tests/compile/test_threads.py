"""Loops over tiles on several threads: the same bits whatever their number."""

import concurrent.futures

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.compile import threads
from mixgrad.core.interpret import interpret


@pytest.fixture(autouse=True)
def shared(monkeypatch):
    monkeypatch.setattr(threads, "WORTH_SHARING", 0)
    before = threads.get_threads()
    yield
    threads.set_threads(before)


def mixture(weights, means, x):
    scores = np.log(weights) - 0.5 * np.sum((x[:, None, :] - means) ** 2, axis=-1)
    return np.sum(mg.logsumexp(scores, axis=1))


def everything(x, w):
    """Sums of several kinds, over rows and along them, a result for each row, and a second pass over the rows."""
    y = np.tanh(x @ w)
    centred = y - np.mean(y, axis=0)
    return (
        np.sum(centred**2, axis=0),
        np.max(y),
        np.min(x, axis=0),
        centred,
        np.any(y > 0.99),
        np.sum(x > 0),
        y[:, 0] + 1,
    )


def picked(x, w):
    """A sum of what rows pick; rows of the gradient by `w` are sums of those that pick it."""
    differences = x - w.T[np.arange(len(x)) * 7 % 4]
    return np.sum(np.sum(differences**2, axis=1) * w[0][np.arange(len(x)) % 3])


FUNCTIONS = {
    "values": everything,
    "gradient": lambda x, w: mg.grad(lambda x, w: np.sum(np.tanh(x @ w) ** 2), (0, 1))(x, w),
    "mixture": lambda x, w: mg.grad(mixture, (0, 1, 2))(np.ones(5), w.T, x),
    "picked": mg.value_and_grad(picked, (0, 1)),
    "total": lambda x, w: np.sum(np.exp(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("rows", [32, 64, 65, 1000, 1043])
def test_the_number_of_threads_changes_no_bit(name, rows, random):
    x, w = random.normal(size=(rows, 3)), random.normal(size=(3, 5))
    function = mg.jit(FUNCTIONS[name])
    results = []
    for count in (1, 2, 3, 16):
        mg.set_threads(count)
        results.append(mg._tree.flatten(function(x, w))[0])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    program = function.program(x, w)
    for a, b in zip(results[0], interpret(program, x, w), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_the_loops_are_shared(random, monkeypatch):
    calls = []
    original = threads.Threads.share
    monkeypatch.setattr(threads.Threads, "share", lambda self, loop: calls.append(loop) or original(self, loop))
    mg.jit(everything)(random.normal(size=(100, 3)), random.normal(size=(3, 5)))
    assert len(calls) >= 2


@pytest.mark.parametrize("size", [9, 200_000])
def test_rows_that_add_to_the_same_elements(size, random, monkeypatch):
    """Each range of rows has an array of its own, unless that would be large."""
    shared = []
    original = threads.Threads.share
    monkeypatch.setattr(threads.Threads, "share", lambda self, loop: shared.append(loop) or original(self, loop))
    x, places = random.normal(size=5000), random.integers(-9, 9, 5000)
    summed = mg.jit(mg.grad(lambda table, x, places: np.sum(np.tanh(x) * table[places])))
    want = np.zeros(size)
    np.add.at(want, places, np.tanh(x))
    np.testing.assert_allclose(summed(np.zeros(size), x, places), want, rtol=1e-12, atol=1e-12)
    assert (5000 in [loop.key[0].length for loop in shared]) == (size == 9)
    places[4321] = size
    with pytest.raises(IndexError):
        summed(np.zeros(size), x, places)


def test_callers_may_be_threads_themselves(random):
    x, w = random.normal(size=(1000, 3)), random.normal(size=(3, 5))
    function = mg.jit(FUNCTIONS["mixture"])
    want = function(x, w)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: function(x, w), range(50)):
            for a, b in zip(got, want):
                np.testing.assert_array_equal(a, b)


def test_errors_inside_reach_the_caller(random):
    x = random.normal(size=(1000, 3))
    index = np.arange(1000)
    f = mg.jit(lambda x, i: np.sum(x[:, 0][i]))
    np.testing.assert_allclose(f(x, index), np.sum(x[:, 0]))
    index[777] = 1000
    with pytest.raises(IndexError):
        f(x, index)


def test_a_number_of_threads_for_a_while():
    mg.set_threads(3)
    with mg.threads(2):
        assert threads.get_threads() == 2
    assert threads.get_threads() == 3


@pytest.mark.parametrize("count", [0, -1, 2.0, "2", True, 65])
def test_it_is_a_small_positive_integer(count):
    with pytest.raises(mg.MixgradError, match="1 to 64"):
        mg.set_threads(count)


@pytest.mark.parametrize(
    ("told", "count"), [("1", 1), ("3", 3), ("2,1", 2), ("1000", 64), ("", None), ("0", None), ("many", None)]
)
def test_workers_that_share_processors_say_so(told, count, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    mine = threads.first_number()
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert threads.first_number() == (mine if count is None else count)
