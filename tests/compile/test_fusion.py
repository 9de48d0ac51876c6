"""What compiled code computes and stores: counted in its plan, not timed."""

import re

import numpy as np
import pytest
import scipy.special

import mixgrad as mg


def mixture(weights, means, factors, x):
    """The log-likelihood of a Gaussian mixture, written plainly."""
    centred = x[:, None, :] - means
    scores = np.log(weights) - 0.5 * np.sum(np.einsum("kij,nkj->nki", factors, centred) ** 2, axis=2)
    return np.sum(mg.logsumexp(scores, axis=1))


def arguments(rows):
    return np.full(5, 0.2), np.ones((5, 3)), np.ones((5, 3, 3)), np.ones((rows, 3))


def plan(function, *args):
    text = mg.jit(function).explain(*args)
    computed, held = map(int, re.search(r"(\d+) elements computed; .*: (\d+) bytes", text).groups())
    return text, computed, held


@pytest.mark.parametrize("function", [mixture, mg.grad(mixture, (0, 1, 2))])
def test_memory_does_not_grow_with_rows(function):
    _, less, held = plan(function, *arguments(1_000))
    text, more, still = plan(function, *arguments(100_000))
    assert held == still < 2_000
    assert more < 100 * less
    assert text.count("for each tile of the 100000 rows") == 1  # value and gradient in one pass


@pytest.mark.parametrize("dynamic", [None, ("x",)])
def test_value_and_gradient_compute_exponentials_once(dynamic):
    both = mg.jit(mg.value_and_grad(mixture, (0, 1, 2)), dynamic=dynamic)
    text = both.explain(*arguments(1_000))
    assert [text.count(what) for what in ("exp(", "max of", "log(")] == [1, 1, 2]  # log of the weights, and of the sum


INF, NAN = np.inf, np.nan
DELICATE = {  # what the weights of a softmax are
    (1.0, INF, -INF): (0.0, 1.0, 0.0),
    (INF, INF, 1000.0): (0.5, 0.5, 0.0),
    (-INF, -INF, -INF): (0.0, 0.0, 0.0),
    (-INF, 2.0, 2.0): (0.0, 0.5, 0.5),
    (1.0, NAN, -INF): (NAN, NAN, NAN),
    (1e3, 1e3, -1e3): (0.5, 0.5, 0.0),
}


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, (0, 2), None])
def test_shared_exponentials_keep_values_and_weights(axis, keepdims, random):
    x = random.normal(size=(3, 40, 2)) * 100
    rows = [(x, scipy.special.softmax(x, axis=axis))]
    if axis == 0:
        x[:, : len(DELICATE), 0] = np.transpose(list(DELICATE))
        rows[0][1][:, : len(DELICATE), 0] = np.transpose(list(DELICATE.values()))
    elif axis is None:
        rows += [(np.array(entries), np.array(weights)) for entries, weights in DELICATE.items()]
    value = lambda x: mg.logsumexp(x, axis=axis, keepdims=keepdims)
    both = mg.jit(lambda x: (value(x), mg.vjp(value, x)[1](np.ones_like(value(x)))[0]))
    assert both.explain(x).count("exp(") == 1
    for entries, weights in rows:
        got, slope = both(entries)
        np.testing.assert_allclose(got, scipy.special.logsumexp(entries, axis=axis, keepdims=keepdims), rtol=1e-14)
        np.testing.assert_allclose(slope, weights, rtol=1e-12, atol=1e-300)


def scaled(weights, means, factors, x):
    """The same, with something computed of the parameters first: still one pass over the rows."""
    return mixture(weights / np.sum(weights), means, np.tril(np.exp(factors)), x)


@pytest.mark.parametrize("function", [scaled, mg.grad(scaled, (0, 1, 2))])
def test_what_parameters_need_comes_before_the_rows(function):
    text, _, held = plan(function, *arguments(100_000))
    assert text.count("for each tile of the 100000 rows") == 1
    assert held < 10_000


def test_broadcast_arrays_are_never_made():
    text, computed, held = plan(lambda x, y: np.sum((x[:, None] - y) ** 2, axis=0), np.ones(1000), np.ones(50))
    assert computed <= 1.1 * 1000 * 50
    assert held == 0
    assert "broadcast" not in text


@pytest.mark.parametrize("columns", [32, 50, 100])
def test_rows_are_the_lanes_where_columns_are_summed_for_each_of_them(columns):
    distances = lambda x, c: np.sqrt(np.sum((x - c) ** 2, axis=1))
    text, _, held = plan(distances, np.ones((10_000, columns)), np.ones(columns))
    assert "for each tile of the 10000 rows" in text
    assert held == 0  # no sum of any row waits for its other columns


def test_single_uses_are_written_where_they_are_used():
    text, computed, _ = plan(lambda x: np.exp(np.sin(x) * x + 1.0) / (1.0 + x * x), np.ones(1000))
    assert computed == 1000
    assert text.count(" = ") == 1


def test_what_small_arrays_spread_out_to_is_computed_where_it_is_read(random):
    x, m = random.normal(size=(1000, 30)), random.normal(size=(5, 30))

    def twice(x, m):
        z = (x[:, None, :] - m) * m
        return np.sum(z**2, axis=2), np.sum(z, axis=0)

    text = mg.jit(twice).explain(x, m)
    assert text.count("((t0 - in1) * in1)") == 2
    for found, expected in zip(mg.jit(twice)(x, m), twice(x, m), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_what_is_compared_is_computed_once(random):
    # Two ways of computing it may round differently, and then the largest would be none of them.
    x, w = random.normal(size=(1000, 1)), random.normal(size=30)

    def largest(x, w):
        z = (x - w) * w
        return np.sum(z - np.max(z, axis=1, keepdims=True) >= 0, axis=1)

    np.testing.assert_array_equal(mg.jit(largest)(x, w), np.ones(1000))


def test_two_passes_where_rows_are_needed_twice():
    text, *_ = plan(lambda x: (x - np.mean(x, axis=0)) / np.std(x, axis=0), np.ones((1000, 3)))
    assert 2 <= text.count("for each tile") <= 3


def test_numpy_is_named_where_it_computes():
    text = mg.jit(lambda a: scipy.special.j0(a) + np.sum(a)).explain(np.eye(3))
    assert "NumPy: j0 (no native form: j0)" in text
    assert text.count("machine code:") == 1
