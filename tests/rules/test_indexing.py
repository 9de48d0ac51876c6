"""Reading by an index, of every kind that NumPy allows: a tangent is read, a cotangent is added at the place."""

import itertools

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixgrad as mg
from mixgrad._errors import BoxConversionError

SHAPE = (4, 3, 2)
RNG = np.random.default_rng(11)
X, V = (RNG.integers(-99, 100, SHAPE) / 10 for _ in range(2))

PARTS = {
    "0": 0,
    "-1": -1,
    "int64(1)": np.int64(1),
    "uint8(0)": np.uint8(0),
    ":": slice(None),
    "1:": slice(1, None),
    "::-1": slice(None, None, -1),
    "-1:0:-2": slice(-1, 0, -2),
    "5:9": slice(5, 9),
    "int64 slice": slice(np.int64(0), np.int64(2)),
    "None": None,
    "...": Ellipsis,
    "[0, 1]": [0, 1],
    "(-1, 0, 0)": (-1, 0, 0),
    "[[0], [1]]": np.array([[0], [1]]),
    "[]": [],
    "array(1)": np.array(1),
    "[True, False]": np.array([True, False]),
    "[True, False, True]": [True, False, True],
    "mask of 4": np.array([True, False, False, True]),
    "mask of 4, 3": RNG.integers(0, 2, (4, 3)) == 1,
    "mask of 3, 2": RNG.integers(0, 2, (3, 2)) == 1,
    "mask of 4, 3, 2": RNG.integers(0, 2, (4, 3, 2)) == 1,
    "True": True,
    "False": np.False_,
}


def check(x, v, index):
    """Compare reading, its derivative, its transpose and its batch with NumPy."""
    try:
        want = x[index]
    except IndexError:
        with pytest.raises(IndexError):
            mg.jvp(lambda x: x[index], (x,), (v,))
        return False
    value, dot = mg.jvp(lambda x: x[index], (x,), (v,))
    same(value, want, index)
    same(dot, v[index], index)
    bar = np.cos(np.arange(want.size)).reshape(want.shape).astype(x.dtype)
    total = np.zeros_like(x)
    np.add.at(total, index, bar)
    _, pull = mg.vjp(lambda x: x[index], x)
    close(pull(bar[()])[0], total, index)
    # A tape is read and added to in place; the transpose of a transpose is recorded.
    close(mg.vjp(lambda bar: pull(bar)[0], bar[()])[1](v)[0], v[index], index)
    stack = np.stack([x, v])
    same(mg.vmap(lambda x: x[index])(stack), np.stack([want, v[index]]), index)
    close(mg.vmap(lambda bar: pull(bar)[0])(np.stack([bar, 2 * bar])), np.stack([total, 2 * total]), index)
    return True


def same(got, want, index):
    assert got.dtype == want.dtype, index
    np.testing.assert_array_equal(got, want, err_msg=repr(index), strict=False)
    assert np.shape(got) == np.shape(want), index


def close(got, want, index):
    assert got.dtype == want.dtype, index
    assert np.shape(got) == np.shape(want), index
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13, err_msg=repr(index))


@pytest.mark.parametrize("name", PARTS)
def test_one_part(name):
    check(X, V, PARTS[name])
    check(X, V, (PARTS[name],))


@pytest.mark.parametrize("name", PARTS)
def test_two_parts(name):
    for other in PARTS.values():
        check(X, V, (PARTS[name], other))


@pytest.mark.parametrize("name", PARTS)
def test_three_parts(name):
    pairs = list(itertools.product(PARTS.values(), repeat=2))
    chosen = np.random.default_rng(len(name)).choice(len(pairs), 24, replace=False)
    for k in chosen:
        check(X, V, (PARTS[name], *pairs[k]))


@pytest.mark.parametrize(
    "index",
    [
        (0, 1, 1),
        (-1, -1, -1),
        (0, ..., 0),
        ([0, 1], slice(None), [0, 1]),  # advanced indices apart: their axis comes first
        (0, slice(None), [0, 1]),
        (slice(None), 0, [0, 1]),
        (slice(None), [0, 1], [0, 1]),
        ([0, 1], None, [0, 1]),
        (np.array([[0, 1]]), slice(None), np.array([[0], [1]])),
        (np.ix_([0, 2], [1, 0], [1])),
        (np.array([0, 2]), ..., 0),
        (None, ..., None),
        (),
        ...,
        (X > 0,),
        (X[..., 0] > 0, 1),
        (slice(1, 3), X[0] > 0),
        np.nonzero(X > 0),
        np.unravel_index([3, 5], SHAPE),
    ],
)
def test_mixed_indices(index):
    assert check(X, V, index)
    assert check(X.astype(np.float32), V.astype(np.float32), index)


REFUSED = [4, (0, 0, 0, 0), [4], (0, -4), np.zeros((3, 3), bool), ([0, 1], [0, 1, 2]), 1.0, "a", (0, 1.5), np.zeros(1)]


@pytest.mark.parametrize("index", REFUSED)
def test_what_numpy_refuses_is_refused(index):
    with pytest.raises(IndexError):
        X[index]
    with pytest.raises(IndexError):
        mg.jvp(lambda x: x[index], (X,), (V,))


def test_arrays_without_axes_and_without_elements():
    for x in (np.array(1.5), np.zeros((0, 3)), np.zeros((2, 0, 1))):
        for index in ((), ..., None, (None, ...), True, False, (..., None)):
            check(x, x + 1, index)
    check(np.zeros((0, 3)), np.zeros((0, 3)), (slice(None), 1))
    check(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3), bool))
    check(np.zeros((2, 3)), np.ones((2, 3)), np.zeros((2, 3), bool))


# Random indices -------------------------------------------------------------------------------------------------------

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@st.composite
def array_and_index(draw):
    shape = draw(SHAPES)
    kind = draw(st.sampled_from(["basic", "integers", "mask", "mixed"]))
    if kind == "basic":
        index = draw(numpy_strategies.basic_indices(shape, allow_newaxis=True, max_dims=5))
    elif kind == "integers":
        result = numpy_strategies.array_shapes(max_dims=2, max_side=3)
        index = draw(numpy_strategies.integer_array_indices(shape, result_shape=result))
    elif kind == "mask":
        rank = draw(st.integers(1, len(shape)))
        index = draw(numpy_strategies.arrays(bool, shape[:rank]))
    else:
        index = tuple(draw(part_of(n)) for n in shape[: draw(st.integers(1, len(shape)))])
    return shape, index


def part_of(n):
    one = st.integers(-n, n - 1)
    return st.one_of(
        one,
        one.map(np.int64),
        st.slices(n),
        st.lists(one, min_size=2, max_size=2),
        st.lists(one, min_size=2, max_size=2).map(np.array),
        one.map(np.array),
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(array_and_index())
def test_random_indices(pair):
    shape, index = pair
    x = np.arange(float(np.prod(shape))).reshape(shape)
    check(x, np.sqrt(x + 1), index)


# Indices that are computed --------------------------------------------------------------------------------------------


def test_indices_computed_from_the_array():
    x = np.array([1.0, 4.0, -2.0, 3.0])
    cases = {
        "argmax": (lambda x: x[np.argmax(x)], [0, 1, 0, 0]),
        "x > 0": (lambda x: x[x > 0].sum(), [1, 1, 0, 1]),
        "argsort": (lambda x: x[np.argsort(x)][0], [0, 0, 1, 0]),
        "nonzero": (lambda x: x[np.nonzero(x < 2)].sum(), [1, 0, 1, 0]),
        "int": (lambda x: x[int(x[0])], [0, 1, 0, 0]),
        "the same place twice": (lambda x: x[[1, 1]].sum() + x[1], [0, 3, 0, 0]),
    }
    for name, (function, want) in cases.items():
        np.testing.assert_array_equal(mg.grad(function)(x), want, err_msg=name)
        np.testing.assert_array_equal(mg.jacfwd(function)(x), want, err_msg=name)


def test_a_float_box_as_an_index_is_refused_with_advice():
    with pytest.raises(IndexError, match=r"Use int\(x\) or mg.stop_gradient"):
        mg.grad(lambda x: x[x[0]])(X[:, 0, 0])
    with pytest.raises(TypeError, match=r"Use int\(x\)"):
        mg.grad(lambda x: [1.0, 2.0][x])(1.0)


WHERE = np.array([[0, 2], [3, -1], [1, 1]])


@pytest.mark.parametrize(
    "read",
    [
        lambda x, i: x[i],
        lambda x, i: x[i[0]],
        lambda x, i: x[i[:, None], np.array([0, 1])],
        lambda x, i: x[:, 0][i],
        lambda x, i: x[i, :, 0],
        lambda x, i: x[i, ..., np.array([0, 1])],
        lambda x, i: x[..., 0, 1][i],
        lambda x, i: np.take(x, i, axis=0),
    ],
)
def test_each_member_of_a_batch_reads_elsewhere(read):
    stack = np.stack([X, V, X * V])

    def gradient(x, i):
        return mg.grad(lambda x: np.sum(np.sin(read(x, i))))(x)

    for axes, xs in (((0, 0), stack), ((None, 0), X)):
        members = [(stack[k] if axes[0] == 0 else X, WHERE[k]) for k in range(3)]
        if axes[0] == 0:  # a plain array that is read by a box does not ask the box
            got = mg.vmap(read, axes)(xs, WHERE)
            np.testing.assert_array_equal(got, np.stack([read(*member) for member in members]))
        got = mg.vmap(gradient, axes)(xs, WHERE)
        np.testing.assert_allclose(got, np.stack([gradient(*member) for member in members]), rtol=1e-14)


def test_a_plain_array_is_not_read_by_a_box_of_a_batch():
    with pytest.raises(BoxConversionError):
        mg.vmap(lambda i: X[i])(WHERE)


def test_sorting_the_members_of_a_batch():
    stack = np.stack([X[:, 0, 0], V[:, 0, 0]])
    weights = np.array([1.0, 2.0, 3.0, 4.0])

    def function(x):
        return np.sum(np.sort(x) ** 2 * weights) + np.median(x) ** 2

    for transform in (mg.grad, mg.jacfwd, mg.hessian):
        got = mg.vmap(transform(function))(stack)
        np.testing.assert_allclose(got, np.stack([transform(function)(x) for x in stack]), rtol=1e-14)
