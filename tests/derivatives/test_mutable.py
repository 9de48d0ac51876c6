"""Arrays with item assignment: NumPy is the oracle, for values to the last bit, for derivatives by differences."""

import copy
import functools
import threading

import numpy as np
import pytest

import mixgrad as mg
from mixgrad.core.interpret import interpret
from mixgrad.modes.creation import CREATORS, creation
from mixgrad.modes.mutable import Mutable, MutableTrace, call, mutable_run

from .assignments import generate, run

PROGRAMS = 60  # of each kind, in one run


class Create:
    """The functions that create arrays, inside the active run: ``Create.zeros(3)``."""

    def __getattr__(self, name):
        def create(*args, **kwargs):
            with mutable_run() as (trace, begins):
                assert not begins
                return creation(getattr(np, name))(trace, *args, **kwargs)

        return create


create = Create()


def mutable(function):
    """Run a function with its arrays mutable."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        return call(function, args, kwargs)

    return wrapped


def floats(lines, create, x, m):
    """Return the variables of a program that can vary, each of its own."""
    return [value + 0.0 for value in run(lines, x, m, create).values() if value.dtype.kind == "f"]


def same(got, want):
    assert type(got) is type(want)
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_array_equal(got, want)
    if want.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_random_programs_on_plain_contents_give_the_bits_of_numpy(number, seed):
    lines, x, m = generate(seed + number, length=16)
    want = run(lines, x.copy(), m.copy())
    arguments = x.copy(), m.copy()
    got = mutable(functools.partial(run, create=create))(lines, *arguments)
    assert list(got) == list(want)
    for name in want:
        same(got[name], want[name])
    same(arguments[0], x)  # nobody writes into the arrays of the caller
    same(arguments[1], m)


def smooth_program(seed):
    """Return a program in double precision, its arguments, a direction and its derivative by differences.

    Programs with a kink nearby, where differences of two steps disagree, are left out.
    """
    for attempt in range(20):
        lines, x, m = generate(seed + 100_000 * attempt)
        rng = np.random.default_rng(seed)
        v = rng.choice([-1.0, 1.0], x.shape), rng.choice([-1.0, 1.0], m.shape)
        if any("float32" in line for line in lines):
            continue
        quotients = [difference_quotients(lines, x, m, v, h) for h in (1e-4, 4e-4)]
        if all(np.allclose(a, b, rtol=1e-6, atol=1e-6) for a, b in zip(*quotients)):
            return lines, x, m, v, quotients[0]
    raise AssertionError("no smooth program in 20")


def difference_quotients(lines, x, m, v, h):
    points = [floats(lines, np, x + k * h * v[0], m + k * h * v[1]) for k in (-2, -1, 1, 2)]
    return [(a - 8 * b + 8 * c - d) / (12 * h) for a, b, c, d in zip(*points, strict=True)]


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_random_programs_in_every_mode(number, seed):
    lines, x, m, v, quotients = smooth_program(seed + 1000 + number)
    want = floats(lines, np, x.copy(), m.copy())
    boxed = mutable(lambda x, m: floats(lines, create, x, m))
    values, dots = mg.jvp(boxed, (x, m), v)
    for value, dot, expected, quotient in zip(values, dots, want, quotients, strict=True):
        assert value.shape == dot.shape
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(dot, quotient, rtol=1e-6, atol=1e-6)
    rng = np.random.default_rng(seed + number)
    u = [rng.uniform(-1, 1, dot.shape) for dot in dots]
    bars = mg.vjp(boxed, x, m)[1](u)
    left = sum(np.sum(a * b) for a, b in zip(u, dots))
    assert left == pytest.approx(sum(np.sum(a * b) for a, b in zip(bars, v)), rel=1e-9, abs=1e-9)
    if not any(word in line for line in lines for word in (" > ", "mask", "place")):
        stacked = mg.vmap(boxed)(np.stack([x, 2 * x]), np.stack([m, m[::-1]]))
        other = floats(lines, np, 2 * x, m[::-1].copy())
        for got, *parts in zip(stacked, want, other, strict=True):
            np.testing.assert_allclose(got, np.stack(parts), rtol=1e-12, atol=1e-12)
        for got, expected in zip(interpret(mg.trace(boxed)(x, m), x, m), want, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
        if number % 10 == 0:  # a few of these, since compiling takes long; random programs of all kinds: tests/compile
            for got, expected in zip(mg.jit(lambda x, m: mg.jvp(boxed, (x, m), v)[1])(x, m), dots, strict=True):
                np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


# One by one -----------------------------------------------------------------------------------------------------------

X = np.array([0.5, -1.5, 2.0])


def inside(function):
    """Run a test inside a run of mutable arrays."""

    @functools.wraps(function)
    def test(*args, **kwargs):
        with mutable_run():
            return function(*args, **kwargs)

    return test


def gradient_agrees(function, x=X, rtol=1e-7, staged=True):
    """Compare forward and reverse mode of ``function(create, x)`` with differences of it on plain NumPy."""
    f = mutable(lambda x: function(create, x))
    eye = np.eye(x.size).reshape(x.size, *x.shape)
    h = 1e-5
    want = np.array([(function(np, x + h * e) - function(np, x - h * e)) / (2 * h) for e in eye]).reshape(x.shape)
    np.testing.assert_allclose(f(x), function(np, x), rtol=1e-14)
    np.testing.assert_allclose(mg.grad(f)(x), want, rtol=rtol, atol=1e-7)
    np.testing.assert_allclose(mg.jacfwd(f)(x), want, rtol=rtol, atol=1e-7)
    if staged:
        np.testing.assert_allclose(mg.jit(mg.grad(f))(x), want, rtol=rtol, atol=1e-7)
    else:  # what is written depends on values
        with pytest.raises(mg.StagingError):
            mg.jit(mg.grad(f))(x)
    np.testing.assert_allclose(mg.hessian(f)(x), mg.hessian(f)(x).T, atol=1e-12)


def test_views_write_through_and_copies_do_not():
    def function(c, x):
        y = c.zeros((2, 3))
        row, column, flat, back = y[0], y[:, 1], y.ravel(), y[::-1, ::-1]
        fancy = y[[0, 1]]
        row[:] = x
        column *= 2.0
        back[0, 0] = x[0] * x[1]
        flat[3] += np.sin(row[1])
        fancy[0] = 100 * x
        y.T.reshape(-1)[0] = 50.0  # not contiguous: a copy
        y.flatten()[0] = 50.0
        for r in y:
            r += x[::-1]
        return np.sum(flat**2) + y[1, 2] * fancy[1, 1]

    gradient_agrees(function)


def test_of_repeated_indices_the_last_one_has_the_derivative():
    def function(x):
        y = create.zeros(2)
        y[[0, 0, 1, 0]] = create.array([x[0], x[1], x[2], 3 * x[1]])
        return y

    assert np.array_equal(mutable(mg.jacrev(mutable(function)))(X), [[0, 3, 0], [0, 0, 1]])
    assert np.array_equal(mg.jacfwd(mutable(function))(X), [[0, 3, 0], [0, 0, 1]])


def test_augmented_fancy_assignment_is_buffered_and_add_at_is_not():
    def once(c, x):
        y = c.ones(2)
        y[[0, 0, 1]] += x
        return np.sum(y**3)

    def each(c, x):
        y = c.ones(2)
        np.add.at(y, [0, 0, 1], x)
        np.subtract.at(y, 1, x[0])
        return np.sum(y**3)

    gradient_agrees(once)
    gradient_agrees(each)
    assert mutable(lambda x: once(create, x))(X) != mutable(lambda x: each(create, x))(X)


def test_in_place_operators_and_out():
    def function(c, x):
        y = c.array([x[0], 1.5, x[2]])
        z = y
        y += x
        y *= 2
        y -= x[0]
        y /= c.array([2.0, 3.0, x[2]])
        y **= 2
        z[1:] %= 7.0
        np.multiply(z, x, out=z)
        out = np.add(z, x, out=z)
        assert out is z
        _, second = np.divmod(x[:2], 0.7, out=(None, c.zeros(2)))
        z[:2] += second
        np.exp(x, out=y, where=np.array([True, False, True]))
        m = c.full((3, 3), x[1])
        np.fill_diagonal(m, x)
        m @= m.T
        np.sum(m, 0, out=y)
        y += c.zeros(3)
        return np.sum(y * z) + np.sum(m)

    gradient_agrees(function)


def test_functions_that_write():
    def function(c, x):
        y = c.zeros((2, 3))
        np.copyto(y, x)
        np.copyto(y, x[::-1], where=np.array([True, False, True]))
        np.put(y, [0, 7], x[:2], mode="wrap")
        np.put(y, [5], x[:1] ** 2)
        np.place(y, y > 1.9, x[:1])
        np.putmask(y, y < -1.4, [x[2], 3 * x[1]])
        np.put_along_axis(y, np.array([[0], [2]]), x[0] * 7, 1)
        y.flat[1::2] = [x[0], 2 * x[1]]
        y.put([0], x[1])
        y.sort(0)
        y[0].fill(x[2])
        w = c.empty((2, 2))
        w[...] = x[:2]
        w.T[0] = [x[0], 4.0]
        w[w > 0.4] *= x[1]
        return np.sum(y**2 * x) + np.prod(np.diagonal(w)) + len(y.flat) + sum(y.flat) + y.flat[2]

    gradient_agrees(function, staged=False)


def test_views_of_every_function_of_numpy():
    def function(c, x):
        y = c.zeros((4, 2))
        np.vsplit(y, 2)[1][...] = x[0]
        assert np.reshape(y, (8,), copy=True).shape == (8,)
        np.rot90(y, 4)[0, 0] = x[1]
        np.copyto(y[3], [x[0], 4.0])
        np.put_along_axis(y, np.array([5]), x[1] * x[2], None)
        np.hsplit(y, 2)[0][1] = x[1]
        np.unstack(y, axis=1)[1][0] = x[2]
        np.rot90(y, 2)[0, 0] += x[0]
        np.rollaxis(y, 1)[0, 3] *= x[1]
        z = c.zeros(2)
        np.atleast_2d(z)[0, 0] = x[1]
        np.dsplit(z.reshape(1, 1, 2), 2)[1][0, 0] = x[2]
        z[..., 1] += x[0]
        one = z[..., 0]
        one += x[0]
        np.linalg.matrix_transpose(y)[0, :2] -= z
        a, b = np.broadcast_arrays(z, y)
        return np.sum(a * b) + np.sum(np.diag(y[:2]) * np.diag(z)) + y.mT[0, 1] * y.real[1, 1]

    gradient_agrees(function)


def test_creation():
    def function(c, x):
        parts = [
            c.array([x[0], 1, [2.0][0]]), c.array([[x[0], 1], [x[1], x[2]]]), c.full((2, 2), x[1]),
            c.full_like(x, x[2]),
            c.zeros_like(x), c.ones_like(x, dtype=float), c.asarray([x, x]), c.copy(x), c.array(x, ndmin=2),
            c.linspace(x[0], x[1], 3), c.linspace(0.0, 1.0, 3), c.ascontiguousarray(x[::-1]), c.arange(1.0, 3.0),
            c.eye(2), c.identity(2), c.array(x[0]), c.asarray(2.0), c.full((2,), x[:2]), c.full_like(x, 2.0),
        ]  # fmt: skip
        total = 0.0
        for part in parts:
            part += 0.25
            part[...] = part * part
            total = total + np.sum(part)
        return total

    gradient_agrees(function)


@inside
def test_creation_keeps_identity_as_numpy_does():
    y = create.zeros((2, 3))
    assert create.asarray(y) is y
    assert create.asarray(y, dtype=float) is y
    assert create.ascontiguousarray(y) is y
    assert create.ascontiguousarray(y.T) is not y
    assert create.asarray(y, dtype=np.float32).dtype == np.float32
    z = create.array(y)
    z[0] = 1.0
    assert not np.any(y)
    assert create.array(y, copy=None) is y
    assert not np.any(create.empty(3))
    assert not np.any(create.empty_like(y))
    assert create.array("text").dtype.kind == "U"


@pytest.mark.parametrize("function", CREATORS, ids=lambda f: f.__name__)
def test_creation_refuses_a_traced_size_or_has_another_meaning(function):
    def f(n):
        with mutable_run() as (trace, _):
            return creation(function)(trace, n)

    shapes = (np.zeros, np.ones, np.empty, np.eye, np.identity, np.tri, np.arange)
    with mutable_run():
        if function in shapes:
            with pytest.raises(mg.UnsupportedError, match=rf"np.{function.__name__} was given .* len\(x\)"):
                mg.grad(f)(3.0)
        elif function not in (np.full, np.full_like, np.linspace):
            mg.vmap(f)(np.ones((2, 3)))


def test_traced_indices():
    def function(x, i, j):
        y = create.zeros((3, 3))
        y[i] = x
        row = y[j]
        row[i] = x[0] * row[j]
        y[i, j] += x[1]
        y[:, i] *= 2.0
        weights = create.arange(3.0)
        weights[j] = 10.0
        return np.sum(y * weights)

    def plain(x, i, j):
        with mutable_run():
            return function(x, i, j)

    x = np.array([0.5, 2.0, 3.0])
    want = [mutable(plain)(x, i, j) for i, j in ((0, 1), (2, 2))]
    program = mg.trace(mutable(function))(x, 0, 1)
    for value, (i, j) in zip(want, ((0, 1), (2, 2))):
        assert interpret(program, x, i, j)[0] == value
    i, j = np.array([0, 2]), np.array([1, 2])
    np.testing.assert_array_equal(mg.vmap(mutable(function), in_axes=(None, 0, 0))(x, i, j), want)
    slope = mg.trace(mutable(lambda x, i, j: mg.grad(function)(x, i, j)))(x, 0, 1)
    for k, m in ((0, 1), (2, 2)):
        got = interpret(slope, x, k, m)[0]
        np.testing.assert_allclose(got, mg.grad(mutable(function))(x, k, m), rtol=1e-14)


def test_traced_masks():
    def function(x):
        y = x * 2
        y[y > 1] = 0.5
        y[y < -1] = x[0]
        return y

    batch = np.stack([X, -X])
    np.testing.assert_array_equal(mg.vmap(mutable(function))(batch), [mutable(function)(row) for row in batch])

    def refused(x):
        y = x * 2
        y[y > 1] = x[:1]
        return y

    with pytest.raises(mg.UnsupportedError, match=r"number of true entries is not known.*np\.where"):
        mg.vmap(mutable(refused))(batch)


def test_transformations_inside():
    def function(x):
        y = create.zeros(3)
        y[:] = x

        def inner(t):
            z = create.zeros(3)
            z[0] = t
            z[1:] = y[1:] * t  # an array of outside and a number of inside
            return np.sum(z * y * t)

        y[1] = mg.grad(inner)(y[0])
        return np.sum(y**2)

    def inner_slope(x):  # d/dt (t^2 x_0 + t^2 (x_1^2 + x_2^2)), at x_0
        return 2 * x[0] * (x[0] + x[1] ** 2 + x[2] ** 2)

    f = mutable(function)
    want = X[0] ** 2 + inner_slope(X) ** 2 + X[2] ** 2
    assert f(X) == pytest.approx(want, rel=1e-14)
    d = 2 * inner_slope(X)
    slopes = [4 * X[0] + 2 * X[1] ** 2 + 2 * X[2] ** 2, 4 * X[0] * X[1], 4 * X[0] * X[2]]
    expected = d * np.array(slopes) + [2 * X[0], 0, 2 * X[2]]
    np.testing.assert_allclose(mg.grad(f)(X), expected, rtol=1e-13)


def test_what_enters_a_transformation_is_the_present_value():
    def function(x):
        y = create.zeros(3)
        y[:] = x
        value, pull = mg.vjp(lambda z: z * z, y)
        y[:] = 7.0
        return pull(create.ones(3))[0] + 0 * value

    np.testing.assert_array_equal(mutable(function)(X), 2 * X)
    np.testing.assert_array_equal(mg.jacfwd(mutable(function))(X), 2 * np.eye(3))
    np.testing.assert_array_equal(mg.jacrev(mutable(lambda x: mg.stop_gradient(function(x)) + x))(X), np.eye(3))


def test_an_inner_value_must_not_be_used_outside():
    def function(x):
        y = create.zeros(2)

        def leak(t):
            y[0] = t
            return t * t

        mg.grad(leak)(x[0])
        return y[0] + 1.0

    with pytest.raises(mg.DerivativeError, match="is used after the function it belongs to has returned"):
        mutable(function)(X)


def test_coefficients_that_a_tape_holds_are_not_overwritten():
    def function(c, x):
        y, k = c.ones(3), c.array([0, 1, 2])
        z = x * y
        w = x[k]
        y[:] = 100.0
        k[:] = 0
        return np.sum(z * z) + np.sum(w * [1.0, 2.0, 3.0])

    gradient_agrees(function)


def test_results_and_arguments_are_nobodys_but_the_callers():
    kept = []

    def function(x, same):
        assert x is same
        y = create.zeros(2)
        kept.append(y)
        return {"y": y, "view": y[:1], "x": x, "plain": [1, "text", None]}

    result = mutable(function)(X, X)
    assert type(result["y"]) is type(result["view"]) is np.ndarray
    assert result["x"] is X
    assert result["plain"] == [1, "text", None]
    kept[0][0] = 1  # what somebody has stored stays an array
    np.testing.assert_array_equal(np.asarray(kept[0]), [1, 0])
    np.testing.assert_array_equal(result["y"], [0, 0])


def test_nested_calls_share_arrays():
    def fill(y, v):
        y[:] = v
        return y

    def function(x):
        y = create.zeros(3)
        assert mutable(fill)(y, x) is y
        return np.sum(y**2)

    np.testing.assert_array_equal(mg.grad(mutable(function))(X), 2 * X)


def test_threads_have_runs_of_their_own():
    results = {}

    def work(number):
        def function(x):
            y = create.zeros(50)
            for i in range(50):
                y[i] = x[i % 3] * number
            return np.sum(y)

        results[number] = mg.grad(mutable(function))(X)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        np.testing.assert_array_equal(results[number], np.array([17, 17, 16]) * number)


@inside
def test_it_behaves_as_an_array():
    y = create.array([[1.0, 2.0], [3.0, 4.0]])
    assert (len(y), y.shape, y.ndim, y.size, y.dtype, y.nbytes) == (2, (2, 2), 2, 4, np.dtype(float), 32)
    assert 3.0 in y
    assert 5.0 not in y
    assert (y == y).all()
    assert [float(row[0]) for row in y] == [1.0, 3.0]
    assert str(y) == str(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert "Mutable(array(" in repr(y)
    assert f"{y[0, 0]:.1f}" == "1.0"
    assert float(y[:1, :1].reshape(())) == 1.0
    assert int(create.array(3)) == [10, 20, 30, 40][create.array(3)] - 37 == 3
    assert bool(create.array([1.0]))
    assert complex(create.array(2.0)) == 2
    assert format(create.array(2.0), ".2f") == "2.00"
    assert y.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert y.item(3) == 4.0
    assert y.round(0)[0, 0] == 1.0
    assert y.cumprod()[-1] == 24.0
    assert y.nonzero()[0].shape == (4,)
    assert divmod(y, 2.0)[0].shape == (2, 2)
    assert (np.arange(4)[create.array([1, 2])] == [1, 2]).all()
    assert np.asarray(y).sum() == 10.0
    assert np.array(y, dtype=int).dtype == int
    z = copy.copy(y)
    z[0] = 9.0
    w = copy.deepcopy(y)
    w[0] = 9.0
    assert y[0, 0] == 1.0
    with pytest.raises(TypeError, match="unhashable"):
        hash(y)
    with pytest.raises(ValueError, match="truth value of an array"):
        bool(y)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(y)[0, 0] = 1.0
    with pytest.raises(ValueError, match="cannot delete"):
        del y[0]
    with pytest.raises(TypeError, match="iteration over a 0-d array"):
        iter(create.array(1.0))
    with pytest.raises(AttributeError, match="no attribute 'strides'"):
        y.strides  # noqa: B018
    with pytest.raises(mg.UnsupportedError, match=r"y\.resize"):
        y.resize(2)


def refusals():
    def both(function, error, match):
        return pytest.param(function, error, match, id=match[:30])

    def assign(y, key, value):
        y[key] = value

    return [
        both(lambda y, x: assign(y, slice(None), x[:2]), ValueError,
             r"could not broadcast input array from shape \(2,\)"),
        both(lambda y, x: assign(y, [0, 1], x), ValueError, r"value array of shape \(3,\) could not be broadcast"),
        both(lambda y, x: assign(y, 0, x[:1]), ValueError, "setting an array element with a sequence"),
        both(lambda y, x: assign(y, 7, x[0]), IndexError, "index 7 is out of bounds"),
        both(lambda y, x: assign(y, 0.5, x[0]), IndexError, "integer"),
        both(lambda y, x: assign(np.broadcast_to(y, (2, 3)), 0, x), ValueError, "assignment destination is read-only"),
        both(lambda y, x: assign(np.diagonal(y.reshape(1, 3)), 0, x[0]), ValueError, "destination is read-only"),
        both(lambda y, x: np.broadcast_to(y, (2, 3)).__iadd__(x), ValueError, "output array is read-only"),
        both(lambda y, x: np.broadcast_to(y, (2, 3)).sort(), ValueError, "read-only"),
        both(lambda y, x: y.__iadd__(np.stack([x, x])), ValueError,
             r"output operand with shape \(3,\) doesn't match the broadcast shape \(2,3\)"),
        both(lambda y, x: create.zeros(3, dtype=int).__iadd__(x), TypeError,
             r"Cannot cast ufunc 'add' output from dtype\('float64'\) to dtype\('int64'\) with casting rule 'same"),
        both(lambda y, x: np.copyto(create.zeros(3, dtype=int), x), TypeError, "Cannot cast array data from"),
    ]  # fmt: skip


@pytest.mark.parametrize(("function", "error", "match"), refusals())
def test_errors_are_those_of_numpy(function, error, match):
    def f(x):
        y = create.zeros(3)
        y[:] = x
        function(y, x)
        return 0.0

    with pytest.raises(error, match=match):
        mutable(f)(X)
    with pytest.raises(error, match=match):
        mg.grad(mutable(f))(X)


@pytest.mark.parametrize(
    ("function", "error", "match"),
    [
        (lambda x: create.zeros(3, dtype=int).__setitem__(0, x[0]), mg.BoxConversionError, "cannot hold derivatives"),
        (lambda x: create.zeros(3, dtype=bool).__setitem__(0, x[0]), mg.BoxConversionError, "bool.*hold derivatives"),
        (lambda x: create.zeros(3).__setitem__(0, 1j * x[0]), TypeError, "complex value .* dtype=complex"),
        (lambda x: np.multiply.at(x, [0], x[0]), mg.UnsupportedError, r"np\.multiply\.at .* np\.add\.at"),
        (lambda x: (x * 1j).real.__setitem__(0, 1.0), mg.UnsupportedError, "real part of a complex array"),
        (lambda x: x[::-1].ravel("K"), mg.UnsupportedError, "order='K'"),
        (lambda x: np.asarray(x), mg.BoxConversionError, "lose its derivative"),
        (lambda x: float(x), mg.BoxConversionError, "lose its derivative"),
        (lambda x: create.linspace(x[0], 1.0, 3, dtype=float), mg.UnsupportedError, "np.linspace of traced"),
        (lambda x: create.array([x, x[0]]), ValueError, "inhomogeneous shape"),
        (lambda x: x.partition(1), (AttributeError, mg.UnsupportedError), "partition"),
    ],
)
def test_refusals(function, error, match):
    with pytest.raises(error, match=match):
        mg.grad(mutable(lambda x: (function(x), np.sum(x))[1]))(X)


def test_plain_floats_truncate_in_an_integer_array():
    def function(x):
        n = create.zeros(3, dtype=int)
        n[0] = 2.7
        n[1:] = [1.2, -1.9]
        return np.sum(n * x)

    np.testing.assert_array_equal(mg.grad(mutable(function))(X), [2.0, 1.0, -1.0])


def test_complex_arrays():
    def function(c, x):
        z = c.zeros(3, dtype=complex)
        z[:] = x
        z *= 1j
        z[0] = x[1] + 2j * x[2]
        return np.sum(np.abs(z * z) ** 2) + np.sum(z.imag) * z.real[0]

    gradient_agrees(function)

    @inside
    def plain():
        z = create.zeros(2, dtype=complex)
        z.real[:] = 1.0
        z.imag = 2.0
        return np.asarray(z).copy()

    np.testing.assert_array_equal(plain(), [1 + 2j, 1 + 2j])


def test_numbers_of_single_precision_stay_so():
    def function(x):
        y = create.zeros(3, dtype=np.float32)
        y[:] = x
        y += 1.0
        y *= x
        return y

    value, dot = mg.jvp(mutable(function), (X,), (np.ones(3),))
    assert value.dtype == dot.dtype == np.float32
    np.testing.assert_allclose(dot, 2 * X + 1, rtol=1e-6)


def test_a_view_is_read_once_and_again_after_a_write():
    reads = []

    def function(x):
        y = create.zeros(3)
        y[:] = x
        view = y.view(lambda content: (reads.append(1), content[1:])[1], None)
        total = np.sum(view) + np.sum(view * view)
        y[0] = x[1]
        return total + np.sum(view)

    mg.grad(mutable(function))(X)
    assert len(reads) == 2


def test_a_view_with_a_traced_index_knows_its_layout():
    def function(x, i):
        y = create.zeros((3, 2))
        y[:] = x[0]
        row = y[i]
        row.reshape(2, 1)[0, 0] = x[1]
        row.T.ravel()[1] = x[2]
        return y

    want = mutable(function)(X, 1)
    np.testing.assert_array_equal(want, [[0.5, 0.5], [-1.5, 2.0], [0.5, 0.5]])
    np.testing.assert_array_equal(interpret(mg.trace(mutable(function))(X, 0), X, 1)[0], want)


@inside
def test_the_content_can_be_replaced():
    y = create.zeros(3)
    view = y[1:]
    y.content = np.arange(3.0)
    assert view.tolist() == [1.0, 2.0]
    view.content = np.array([7.0, 8.0])
    assert y.content.tolist() == [0.0, 7.0, 8.0]
    assert view.base is y


def test_a_trace_of_its_own():
    with MutableTrace() as trace:
        y = creation(np.zeros)(trace, 2)
        assert isinstance(y, Mutable)
        y[0] = 3.0
        assert trace.lend([y, 1])[0].tolist() == [3.0, 0.0]
    with MutableTrace() as outer, MutableTrace() as inner:
        a, b = creation(np.ones)(outer, 2), creation(np.ones)(inner, 2)
        b[:] = a + b
        assert b.concrete().tolist() == [2.0, 2.0]
