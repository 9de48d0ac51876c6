"""Matrices with a half of zeros: that half is left out, and the results are the same."""

import itertools
import re

import numpy as np
import pytest

import mixgrad as mg

LENGTHS = (4, 7, 12, 32)


def filled(values, rows, columns, count, length):
    factors = np.zeros((count, length, length))
    factors[:, rows, columns] = values
    return factors


def whitened(values, x, half):
    """Sums over either axis of triangular matrices, for many rows."""
    length = x.shape[1]
    rows, columns = np.tril_indices(length) if half == "lower" else np.triu_indices(length)
    factors = filled(values, rows, columns, len(values), length)
    y = np.einsum("kij,nj->nki", factors, x)
    z = np.einsum("kij,nki->nkj", factors, y)
    return np.sum(np.tanh(y), axis=2), np.sum(z**2)


def arguments(rows, length, random):
    return random.normal(size=(3, length * (length + 1) // 2)), random.normal(size=(rows, length))


def multiplied(function, *args):
    return int(re.search(r"(\d+) elements computed", mg.jit(function).explain(*args)).group(1))


@pytest.mark.parametrize("half", ["lower", "upper"])
@pytest.mark.parametrize("length", LENGTHS)
def test_values_and_gradients(half, length, random):
    for rows in (5, 300):
        values, x = arguments(rows, length, random)
        for function in (
            lambda values, x: whitened(values, x, half),
            mg.grad(lambda values, x: np.sum(whitened(values, x, half)[0]) + whitened(values, x, half)[1], (0, 1)),
        ):
            for found, expected in zip(mg.jit(function)(values, x), function(values, x), strict=True):
                scale = np.max(np.abs(expected))
                np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * scale)


def test_half_of_the_work_is_left_out(random):
    values, x = arguments(1000, 32, random)
    one = lambda values, x: np.sum(np.einsum("kij,nj->nki", filled(values, *np.tril_indices(32), 3, 32), x) ** 2)
    full = 1000 * 3 * 32 * 32
    assert multiplied(one, values, x) < 0.65 * full
    assert multiplied(mg.grad(one), values, x) < 1.3 * full
    every = lambda values, x: np.sum(np.einsum("kij,nj->nki", filled(values, *np.indices((32, 32)), 3, 32), x) ** 2)
    assert multiplied(every, random.normal(size=(3, 32, 32)), x) > full


@pytest.mark.parametrize("half", ["lower", "upper"])
def test_zero_times_what_is_not_finite_is_nan_as_in_numpy(half, random):
    values, x = arguments(100, 10, random)
    function = lambda values, x: whitened(values, x, half)
    compiled = mg.jit(function)
    for number, place in itertools.product((np.inf, -np.inf, np.nan, 1e300), (0, 3, 9)):
        y = x.copy()
        y[17, place] = number
        with np.errstate(all="ignore"):
            for found, expected in zip(compiled(values, y), function(values, y), strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_what_is_written_to_the_other_half_counts(random):
    def function(values, x):
        factors = filled(values, *np.tril_indices(10), 3, 10)
        factors[:, 2, 7] = 5.0
        return np.einsum("kij,nj->nki", factors, x)

    values, x = arguments(100, 10, random)
    np.testing.assert_allclose(mg.jit(function)(values, x), function(values, x), rtol=1e-12, atol=1e-13)


def test_negative_and_repeated_indices(random):
    def function(values, x):
        factors = np.zeros((6, 6))
        factors[[-1, 5, 3, 3], [0, 0, -5, 3]] = values
        return x @ factors.T, np.sum(factors)

    values, x = random.normal(size=4), random.normal(size=(100, 6))
    for found, expected in zip(mg.jit(function)(values, x), function(values, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_no_bit_depends_on_threads(random):
    values, x = arguments(20_001, 12, random)
    function = mg.jit(mg.grad(lambda values, x: whitened(values, x, "lower")[1]))
    results = []
    for count in (1, 2, 3):
        with mg.threads(count):
            results.append(function(values, x).tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("half", ["lower", "upper"])
def test_any_number_of_rows(half, random):
    function = lambda values, x: whitened(values, x, half)
    compiled = mg.jit(function, dynamic="x")
    for rows in (300, 2, 77, 1000):
        values, x = arguments(rows, 12, random)
        for found, expected in zip(compiled(values, x), function(values, x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    x[5, 3] = np.inf
    with np.errstate(all="ignore"):
        for found, expected in zip(compiled(values, x), function(values, x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(compiled.variants) == 1
    fixed = {
        text.split(" elements")[0].split()[-1]
        for text in (mg.jit(function).explain(values, random.normal(size=(10_000, 12))),)
    }
    assert fixed == {compiled.explain(values, x).split(" elements")[0].split()[-1]}  # of 10,000 rows, as is said there
