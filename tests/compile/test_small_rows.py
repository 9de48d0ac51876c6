"""A little work for each of many rows: picked out, fetched once, and done in registers."""

import re

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.compile import memory

ROWS = (2, 7, 8, 9, 31, 32, 33, 63, 64, 65, 257, 1003)


def computed(function, *args):
    """Return how many elements the plan of a compiled function computes."""
    return int(re.search(r"(\d+) elements computed", mg.jit(function).explain(*args)).group(1))


def agree(function, *args):
    expected, found = function(*args), mg.jit(function)(*args)
    several = isinstance(expected, tuple)
    for one, other in zip(found if several else [found], expected if several else [expected], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)


# Rows that are picked -------------------------------------------------------------------------------------------------


def picked(x, i):
    return np.tanh(np.sin(x) @ np.ones((3, 3)))[i]


@pytest.mark.parametrize("count", [2, 3, 40, 100])
def test_only_what_is_picked_is_computed(count, random):
    x, i = random.normal(size=(100, 3)), random.integers(-100, 100, count)
    agree(picked, x, i)
    assert computed(picked, x, i) < 25 * count


def test_nothing_more_is_computed_than_there_is(random):
    x, i = random.normal(size=(100, 3)), random.integers(0, 100, 5000)
    agree(picked, x, i)
    assert computed(picked, x, i) < 25 * 100 + 3 * 5000


def test_what_two_readers_want_is_computed_once(random):
    both = lambda x, i, j: (np.exp(x)[i], np.exp(x)[j], np.sum(np.exp(x)))
    x, i = random.normal(size=(50, 3)), random.integers(0, 50, 20)
    agree(both, x, i, i[::-1].copy())
    same = lambda x, i: (np.exp(x)[i], np.exp(x)[i] ** 2)
    agree(same, x, i)
    assert computed(same, x, i) <= 4 * 3 * 20


def test_picks_along_any_axis_and_of_picks(random):
    x, i, j = random.normal(size=(30, 40)), random.integers(0, 30, 7), random.integers(0, 40, 9)
    agree(lambda x, i, j: np.cos(np.sin(x)[:, j] * 2.0)[i], x, i, j)
    agree(lambda x, i, j: np.sum(np.sin(x), axis=1)[i] @ np.cos(x)[i][:, j], x, i, j)
    agree(lambda x, i, j: np.cos(x)[i, j[:7]], x, i, j)


def test_arrays_that_are_written_to_are_left_alone(random):
    def written(x, i):
        y = np.sin(x)
        y[2] = 5.0
        return np.cos(y)[i]

    agree(written, random.normal(size=(30, 2)), np.array([2, 3, 2, -28]))


def test_derivatives_pick_too(random):
    x, i = random.normal(size=(60, 3)), random.integers(0, 60, 10)
    loss = lambda x, i: np.sum(np.sin(x)[i] ** 2)
    agree(mg.grad(loss), x, i)
    agree(mg.jacobian(picked, 0, "forward"), x[:12], i % 12)
    agree(mg.hessian(loss), x[:5], i % 5)


@pytest.mark.parametrize("wrong", [60, -61])
def test_indices_out_of_bounds_are_errors(wrong, random):
    x = random.normal(size=(60, 3))
    with pytest.raises(IndexError):
        mg.jit(picked)(x, np.array([0, wrong]))


def test_a_table_is_read_in_place_by_a_batch(random):
    table, i = random.normal(size=(20, 3)), random.integers(0, 20, (500, 2))
    plain = lambda table: np.sum(table[i[:, 0], 1][:, None] * table[i[:, 1]] ** 2)
    each = lambda table: np.sum(mg.vmap(lambda i: table[i[0], 1] * table[i[1]] ** 2)(i))
    np.testing.assert_allclose(mg.grad(each)(table), mg.grad(plain)(table), rtol=1e-13)
    assert len(mg.trace(mg.grad(each))(table).equations) < 30  # none for each member


# Small work for each row ----------------------------------------------------------------------------------------------


def turned(angles, x):
    """A rotated vector, its length, and whether it points up; with a branch and a cross product."""
    length = np.sqrt(np.sum(angles**2) + 1e-3)
    axis = angles / length
    y = x * np.cos(length) + np.cross(axis, x) * np.sin(length) + axis * (axis @ x) * (1 - np.cos(length))
    return np.where(y[2] > 0, y, 2.0 * y)


@pytest.mark.parametrize("rows", ROWS)
def test_many_small_problems(rows, random):
    angles, x = random.normal(size=(rows, 3)), random.normal(size=(rows, 3))
    agree(mg.vmap(turned), angles, x)
    agree(mg.vmap(mg.jacobian(turned, (0, 1))), angles, x)


def test_they_are_done_in_registers(random):
    angles, x = random.normal(size=(1000, 3)), random.normal(size=(1000, 3))
    text = mg.jit(mg.vmap(mg.jacobian(turned))).explain(angles, x)
    assert text.count("for its rows") == 1
    assert "held as a whole: 0 bytes" in text


@pytest.mark.parametrize("rows", ROWS)
def test_sums_beside_what_has_a_place_for_each_row(rows, random):
    x, i = random.normal(size=(rows, 3)), random.integers(0, 5, rows)

    def function(x, i, table):
        y = np.sin(x) * table[i]
        return y, np.sum(y**2), np.sum(y, axis=0), np.max(y, axis=1)

    agree(function, x, i, random.normal(size=(5, 3)))
    agree(mg.grad(lambda table, x, i: function(x, i, table)[1]), random.normal(size=(5, 3)), x, i)


@pytest.mark.parametrize("rows", ROWS)
def test_rows_that_are_written_to(rows, random):
    def function(x):
        y = np.zeros((rows, 4))
        y[:, 0] = x[:, 0]
        for k in range(3):
            y[:, k + 1] += y[:, k] * x[:, k]
        y[:, 1] += 1.0
        return y

    agree(function, random.normal(size=(rows, 3)))


@pytest.mark.parametrize("rows", [8, 9, 1003])
def test_strong_zeros_for_each_row(rows, random):
    function = mg.vmap(mg.jacobian(lambda x: np.where(x > 0, np.sqrt(np.abs(x)), 0.0 * x) * np.array([1.0, 2.0])))
    x = random.normal(size=(rows, 2))
    x[rows // 2] = 0.0
    with np.errstate(all="ignore"):
        agree(function, x)


def test_no_bit_depends_on_threads(random):
    angles, x = random.normal(size=(50_003, 3)), random.normal(size=(50_003, 3))
    function = mg.jit(mg.vmap(mg.jacobian(turned)))
    results = []
    for count in (1, 2, 3):
        with mg.threads(count):
            results.append(function(angles, x).tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["double", "single"])
@pytest.mark.parametrize("features", [2, 7, 20])
def test_columns_of_rows_are_read_in_pairs(features, dtype, random, monkeypatch):
    x, m = random.normal(size=(100, features)).astype(dtype), random.normal(size=(40, features))
    pairs = []
    read = memory.two_columns
    monkeypatch.setattr(memory, "two_columns", lambda *args: pairs.append(1) or read(*args))

    def distances(x, m):
        centred = x - m[0]
        return np.sum(np.exp(-0.1 * np.sum((centred[:, None, :] - m) ** 2, axis=2)), axis=0)

    np.testing.assert_allclose(mg.jit(distances)(x, m), distances(x, m), rtol=1e-12)
    assert pairs
