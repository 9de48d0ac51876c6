"""``out=``: compiled functions that write into arrays they are given. NumPy, or the function itself, says what."""

import tracemalloc
from collections import namedtuple

import numpy as np
import pytest
import scipy.special

import mixgrad as mg
from mixgrad.compile.executable import NumPyPart

Pair = namedtuple("Pair", "first second")
X = np.linspace(-1.0, 2.0, 40)
A = np.eye(4) * 3 + np.cos(np.arange(16.0)).reshape(4, 4)


def leaves(tree):
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in leaves(tree[key])]
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, (tuple, list)) else [tree]


def made_like(tree, fill=7):
    """Return a container of arrays for results."""
    if isinstance(tree, dict):
        return {key: made_like(value) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        parts = [made_like(part) for part in tree]
        return type(tree)(*parts) if isinstance(tree, Pair) else type(tree)(parts)
    return np.full(np.shape(tree), fill, np.asarray(tree).dtype)


FUNCTIONS = {
    "array": lambda x: np.sin(x) * x,
    "number": lambda x: np.sum(x * x),
    "tuple": lambda x: (2 * x, np.sum(x)),
    "the same twice": lambda x: (x + 1, x + 1),
    "the argument itself": lambda x: (x, x),
    "list": lambda x: [x + 1, x * 2],
    "tuple of one": lambda x: (x + 1,),
    "dict": lambda x: {"b": x, "a": [x * 2, (np.max(x), x > 0)]},
    "namedtuple": lambda x: Pair(x * 3, 2 * x),
    "truths and integers": lambda x: (x > 0, np.count_nonzero(x > 0), np.any(x > 0)),
    "a constant": lambda x: (np.arange(3), 2.5, x),
    "a gradient": mg.grad(lambda x: np.sum(np.log1p(x**2))),
    "value and gradient": mg.value_and_grad(lambda x: np.sum(np.log1p(x**2))),
    "a Hessian": mg.hessian(lambda x: np.sum(np.log1p(x**2)) * x[0]),
    "by NumPy": lambda x: np.sort(x * 2),
    "half by NumPy": lambda x: (np.sin(np.sort(-x)), x, x[::-1]),
    "complex": lambda x: x * 1j,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_results_are_in_the_arrays(function):
    compiled = mg.jit(function)
    out = made_like(function(X))
    for x in (X, X[::-1].copy(), 2 * X):
        assert compiled(x, out=out) is out
        for got, want, other in zip(leaves(out), leaves(function(x)), leaves(compiled(x))):
            np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)
            np.testing.assert_array_equal(got, other)  # to the bit: it is the same kernel
    assert len(compiled.variants) == 1


def test_several_arguments_and_keywords():
    compiled = mg.jit(lambda x, s, *, shift=0.0, how="sin": getattr(np, how)(x["a"]) * s + shift)
    out = np.empty(40)
    for s in (2.0, 3, np.float64(4)):
        np.testing.assert_allclose(compiled({"a": X}, s, out=out), np.sin(X) * s)
        np.testing.assert_allclose(compiled({"a": X}, s, shift=X, how="cos", out=out), np.cos(X) * s + X)
        assert compiled({"a": X}, s, out=None) is not out


def test_shapes_and_dtypes_take_turns():
    compiled = mg.jit(lambda x, y: x * y)
    kinds = [np.float64, np.float32, np.int8, np.bool_, ">f8"]
    for _ in range(2):
        for shape in [(3,), (), (2, 0)]:
            for kind in kinds:
                x = np.ones(shape, kind)
                out = np.zeros(shape, np.dtype(kind).newbyteorder("="))
                assert compiled(x, x, out=out) is out
                assert (out == 1).all()


def test_nothing_is_allocated():
    """A hundredth of one result would show."""
    step = mg.jit(mg.value_and_grad(lambda x, c: np.sum(np.exp(-x * c) + x * x)))
    x, c = np.linspace(0, 1, 10_000), np.linspace(1, 2, 10_000)
    value, slope = np.empty(()), np.empty_like(x)
    other = mg.jit(lambda x, slope: x - 0.01 * slope)
    step(x, c, out=(value, slope))
    following = other(x, slope)
    other(x, slope, out=following)
    tracemalloc.start()
    try:
        for _ in range(20):
            assert step(x, c, out=(value, slope))[1] is slope
            assert other(x, slope, out=following) is following
            x, following = following, x
        assert tracemalloc.get_traced_memory()[1] < 800
        step(x, c)
        assert tracemalloc.get_traced_memory()[1] > x.nbytes  # new arrays are seen
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("native", [True, False], ids=["native", "NumPy"])
def test_outputs_that_overlap_arguments(native):
    function = (lambda x, y: (x[::-1] + y, x - y)) if native else (lambda x, y: (scipy.special.j0(x) + y, x[::-1]))
    compiled = mg.jit(function)
    compiled(X, X)
    assert any(isinstance(p, NumPyPart) for v in compiled.variants.values() for p in v.executable.parts) != native
    for start in (0, 1, 20, 39, 40, 60, 80):
        memory = np.sin(np.arange(200.0))
        x, y = memory[40:80], memory[100:140]
        want = [part.copy() for part in function(x, y)]
        out = memory[start : start + 40], np.empty(40)
        for got, expected in zip(compiled(x, y, out=out), want):
            np.testing.assert_allclose(got, expected, rtol=1e-15)
    x, y = X.copy(), X[::-1].copy()
    want = [part.copy() for part in function(x, y)]
    compiled(x, y, out=(y, x))
    np.testing.assert_allclose((y, x), want)


def test_arguments_in_any_layout():
    compiled = mg.jit(lambda x, y: x @ y)
    out = np.empty((4, 4))
    for x in (A, A.T, np.asfortranarray(A), A[::-1], A.astype(">f8"), np.broadcast_to(A[0], (4, 4))):
        np.testing.assert_allclose(compiled(x, A, out=out), x @ A)


def test_a_memmap_is_written(tmp_path):
    out = np.memmap(tmp_path / "out", float, "w+", shape=(40,))
    compiled = mg.jit(np.sin)
    assert compiled(X, out=out) is out
    np.testing.assert_allclose(np.fromfile(tmp_path / "out"), np.sin(X))


def read_only():
    out = np.full(40, 7.0)
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (lambda: np.full(39, 7.0), r"mg.jit\(double\): out has the shape \(39,\), expected \(40,\)"),
        (lambda: np.full((40, 1), 7.0), r"the shape \(40, 1\), expected \(40,\)"),
        (lambda: np.full(40, 7, np.float32), r"an array of float32, expected float64"),
        (lambda: np.full(40, 7), r"an array of int64, expected float64"),
        (lambda: np.full(40, 7.0, ">f8"), r"an array of >f8, expected float64"),
        (lambda: np.full(80, 7.0)[::2], r"in one piece in the order of C \(strides \(16,\)\)\. Use an array made by"),
        (read_only, r"read-only: out.flags.writeable is False"),
        (lambda: [7.0] * 40, "out must have the structure of a single array"),
        (lambda: (np.full(40, 7.0),), "out must have the structure of a single array"),
        (lambda: {"a": np.full(40, 7.0)}, "out must have the structure of a single array"),
        (lambda: 7.0, "out is a float, expected an array to write into"),
        (lambda: "here", "out is a str, expected an array"),
    ],
)
def test_arrays_that_do_not_fit(out, message):
    def double(x):
        return 2 * x

    compiled = mg.jit(double)
    for _ in range(2):
        given = out()
        with pytest.raises(mg.MixgradError, match=message):
            compiled(X, out=given)
        assert repr(given) == repr(out())
        compiled(X, out=np.empty(40))


def test_containers_that_do_not_fit():
    compiled = mg.jit(lambda x: (x, np.sum(x)))
    fine = np.empty(40), np.empty(())
    compiled(X, out=fine)
    for bad in (fine[::-1], fine[:1], [*fine], (*fine, fine[0]), {"a": fine[0], "b": fine[1]}, fine[0], ()):
        with pytest.raises(mg.ShapeError, match="out"):
            compiled(X, out=bad)
    with pytest.raises(mg.MixgradError, match=r"out\[1\] is a float64, expected an array .* np.zeros\(\(\)\)"):
        compiled(X, out=(fine[0], np.float64(1)))
    np.testing.assert_array_equal(compiled(X, out=fine)[0], X)
    two = mg.jit(lambda x, y: x * y)
    out = np.empty(40)
    two(X, X, out=out)
    with pytest.raises(TypeError):
        two(X, out=(X, out))  # an argument is missing, even if there are three arrays


def test_outputs_that_share_memory():
    compiled = mg.jit(lambda x: (x + 1, x + 2))
    compiled(X, out=(np.empty(40), np.empty(40)))
    memory = np.full(80, 7.0)
    for pair in [(memory[:40], memory[:40]), (memory[:40], memory[39:79])]:
        with pytest.raises(mg.MixgradError, match=r"out\[0\] and out\[1\] share memory"):
            compiled(X, out=pair)
        assert (memory == 7).all()
    compiled(X, out=(memory[:40], memory[40:]))
    np.testing.assert_array_equal(memory, np.concatenate([X + 1, X + 2]))


def test_an_error_leaves_the_arrays_alone():
    compiled = mg.jit(lambda x, i: (x * 2, x[i]))
    out = np.full(40, 7.0), np.full(3, 7.0)
    for _ in range(2):
        with pytest.raises(IndexError, match="out of bounds"):
            compiled(X, np.array([0, 1, 40]), out=out)
        assert all((part == 7).all() for part in out)
    compiled(X, np.array([0, 1, -1]), out=out)
    np.testing.assert_array_equal(out[1], X[[0, 1, -1]])


def test_strong_zeros_reach_the_arrays():
    """The kernel without strong zeros gives nan and is repeated."""
    function = mg.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(x) * x[0], 0.0)))
    compiled = mg.jit(function)
    out = np.empty(4)
    for x in (np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.0, 4.0, 0.0]), np.array([4.0, np.nan, 1.0, 0.0])):
        for _ in range(2):
            np.testing.assert_allclose(compiled(x, out=out), function(x))


def test_a_parameter_called_out_is_the_function_s_own():
    def function(x, out=3.0):
        return x * (0 if out is None else out)

    compiled = mg.jit(function)
    for _ in range(2):
        np.testing.assert_array_equal(compiled(X), X * 3)
        np.testing.assert_array_equal(compiled(X, out=2.0), X * 2)
        np.testing.assert_array_equal(compiled(X, out=None), X * 0)
        np.testing.assert_array_equal(compiled(X, out=X), X * X)
    out = np.empty(40)
    np.testing.assert_array_equal(mg.jit(lambda x: function(x))(X, out=out), X * 3)


def test_functions_of_numpy_have_the_same_out():
    for function in (np.sin, np.sum, np.cumsum):
        out = np.empty(np.shape(function(X)))
        assert mg.jit(function)(X, out=out) is out
        np.testing.assert_allclose(out, function(X), rtol=1e-13)


def test_derivatives_cannot_be_written_into_arrays():
    compiled = mg.jit(lambda x: x * 2)
    out = np.full(40, 7.0)
    for run in (
        lambda: mg.grad(lambda x: np.sum(compiled(x, out=out)))(X),
        lambda: mg.vmap(lambda x: compiled(x, out=out))(np.stack([X, X])),
        lambda: mg.trace(lambda x: compiled(x, out=out))(X),
    ):
        with pytest.raises(mg.MixgradError, match="out= cannot hold values that are differentiated"):
            run()
    assert (out == 7).all()


def test_code_from_disk(tmp_path, monkeypatch):
    """Kernels of the same arguments and results share the code that calls them, and have each their own address."""
    monkeypatch.setenv("MIXGRAD_CACHE", str(tmp_path))
    out = np.empty(40)
    for _ in range(2):
        functions = [mg.jit(lambda x, f=f: f(x) * x) for f in (np.sin, np.cos, np.tanh)]
        for _ in range(2):
            for compiled, f in zip(functions, (np.sin, np.cos, np.tanh)):
                np.testing.assert_allclose(compiled(X, out=out), f(X) * X, rtol=1e-14)
        assert len(list(tmp_path.iterdir())) == 4


def test_methods_write_too():
    class Model:
        @mg.jit
        def apply(self, x):
            return x * 2

    out = np.empty(40)
    assert Model().apply(X, out=out) is out
    np.testing.assert_array_equal(out, 2 * X)
