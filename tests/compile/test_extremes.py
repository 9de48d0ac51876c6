"""The places of extremes in compiled code: those of NumPy, found in the lanes of vectors."""

import numpy as np
import pytest

import mixgrad as mg

TABLES = {  # of few numbers: most extremes are there several times
    "f8": lambda random, shape: random.integers(-3, 3, shape) / 2.0,
    "f4": lambda random, shape: random.integers(-3, 3, shape).astype(np.float32),
    "i8": lambda random, shape: random.integers(-3, 3, shape),
    "u1": lambda random, shape: random.integers(250, 255, shape).astype(np.uint8),
    "b1": lambda random, shape: random.integers(0, 2, shape).astype(bool),
    "nans": lambda random, shape: random.choice(
        [-np.inf, -0.0, 0.0, np.inf, np.nan], shape, p=[0.2, 0.3, 0.3, 0.1, 0.1]
    ),
    "all the same": lambda random, shape: np.full(shape, -np.inf),
    "the largest integer": lambda random, shape: np.full(shape, np.iinfo(np.int64).max),
}
SHAPES = {(133, 6): (0, 1, None), (6, 133): (0, 1), (2, 70, 3): (0, 1, 2), (1, 40): (0, 1), (5,): (0,)}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", TABLES)
def test_the_first_of_equal_ones_and_the_first_nan(name, shape, random):
    x = TABLES[name](random, shape)
    places = lambda x: [function(x, axis=axis) for function in (np.argmax, np.argmin) for axis in SHAPES[shape]]
    for got, want in zip(mg.jit(places)(x), places(x), strict=True):
        np.testing.assert_array_equal(got, want)
        assert np.asarray(got).dtype == np.intp


@pytest.mark.parametrize("axis", [0, 1])
def test_the_scores_of_rows_are_never_a_table(axis, random):
    def nearest(points, x):
        scores = x @ points.T - 0.5 * np.sum(points**2, axis=1)
        return np.argmax(scores.T if axis == 0 else scores, axis=axis)

    points, x = random.normal(size=(7, 3)), random.normal(size=(1000, 3))
    compiled = mg.jit(nearest, dynamic=("x",))
    text = compiled.explain(points, x)
    assert text.count("for each tile of the n rows") == 1
    assert "held as a whole: 56 bytes" in text  # halves of the points' squares
    for part in (x, x[:70], x[:3]):
        np.testing.assert_array_equal(compiled(points, part), nearest(points, part))


@pytest.mark.parametrize("shape", [(100_000, 50), (50, 100_000)])
def test_rows_are_the_lanes(shape):
    axis = shape.index(50)
    text = mg.jit(lambda x: np.argmin(x, axis=axis)).explain(np.ones(shape))
    assert "for each tile of the 100000 rows" in text
    assert text.count("in vectors") == 1
    assert "held as a whole: 0 bytes" in text


def test_the_axis_may_be_of_any_length(random):
    compiled = mg.jit(lambda x: np.argmax(x, axis=0), dynamic=0)
    for n in (2, 100, 1001):
        x = random.integers(0, 50, (n, 3))
        np.testing.assert_array_equal(compiled(x), np.argmax(x, axis=0))
    assert len(compiled.variants) == 1
