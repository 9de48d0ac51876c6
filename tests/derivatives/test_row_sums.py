"""`mg.sum_rows`: the function of all rows, or formulas, say what comes out; counts and tracemalloc what it costs."""

import tracemalloc

import numpy as np
import optree
import pytest

import mixgrad as mg
from mixgrad._blocks import HiddenArgument
from mixgrad.row_sums import BLOCK


def logistic(p, x, y):
    margin = x @ p["w"] + p["b"]
    return np.sum(np.logaddexp(0.0, margin) - y * margin)


def moments(w, x):
    """Return two sums of three numbers each."""
    z = x @ w
    return x.T @ np.sin(z), np.sum(np.cos(z)[:, None] * x, axis=0)


def same(got, want, tolerance=1e-9):
    got, want = (optree.tree_flatten(tree) for tree in (got, want))
    assert got[1] == want[1]
    for a, b in zip(got[0], want[0]):
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.fixture
def data(random):
    x = random.normal(size=(11, 3)).round(2)
    return {"w": random.normal(size=3).round(2), "b": 0.3}, x, (x[:, 0] > 0) * 1.0


SUMS = mg.sum_rows(logistic, rows=(1, 2), block=4)
MOMENTS = mg.sum_rows(moments, block=4)


# Values and derivatives -----------------------------------------------------------------------------------------------


def test_against_formulas(random):
    x, w = random.normal(size=(1000, 3)), random.normal(size=3)
    y = (random.uniform(size=1000) < 0.5) * 1.0
    total = mg.sum_rows(lambda w, x, y: np.sum(np.logaddexp(0.0, x @ w) - y * (x @ w)), rows=(-2, 2), block=70)
    share = 1 / (1 + np.exp(-x @ w))
    value, slope = mg.value_and_grad(total)(w, x, y)
    np.testing.assert_allclose(value, -np.sum(np.log(np.where(y > 0, share, 1 - share))), rtol=1e-12)
    np.testing.assert_allclose(slope, x.T @ (share - y), rtol=1e-9)
    hessian = (x * (share * (1 - share))[:, None]).T @ x
    np.testing.assert_allclose(mg.hessian(total)(w, x, y), hessian, rtol=1e-9)
    np.testing.assert_allclose(mg.hvp(lambda w: total(w, x, y), w, w), hessian @ w, rtol=1e-9)
    np.testing.assert_allclose(mg.grad(total, 1)(w, x, y), np.outer(share - y, w), rtol=1e-9, atol=1e-12)
    mg.check_grads(mg.sum_rows(logistic, rows=(1, 2), block=2), ({"w": w, "b": 0.1}, x[:5], y[:5]), order=2)


DERIVATIVES = {
    "grad": lambda f, *a: mg.grad(f)(*a),
    "grad by all": lambda f, *a: mg.grad(f, argnums=(0, 1, 2))(*a),
    "grad by rows": lambda f, *a: mg.grad(f, argnums=2)(*a),
    "forward": lambda f, *a: mg.jvp(f, a, a),
    "hessian": lambda f, *a: mg.hessian(f, argnums=(0, 1))(*a),
    "reverse over reverse": lambda f, *a: mg.jacrev(mg.grad(f, argnums=(0, 1)), argnums=(0, 1))(*a),
    "forward over forward": lambda f, *a: mg.jacfwd(mg.jacfwd(f))(*a),
    "reverse over forward": lambda f, *a: mg.jacrev(mg.jacfwd(f))(*a),
    "third": lambda f, p, x, y: mg.jacobian(mg.hessian(lambda w: f({"w": w, "b": 0.1}, x, y)))(p["w"]),
    "third, reverse": lambda f, p, x, y: mg.jacrev(mg.jacrev(mg.grad(lambda w: f({"w": w, "b": 0.1}, x, y))))(p["w"]),
    "taylor": lambda f, p, x, y: mg.taylor(lambda p: f(p, x, y), p, p, 4),
    "taylor by rows": lambda f, p, x, y: mg.taylor(lambda x: f(p, x, y), x, x, 3),
    "grad of taylor": lambda f, p, x, y: mg.grad(lambda p: mg.taylor(lambda p: f(p, x, y), p, p, 3)[3])(p),
    "checkpoint": lambda f, *a: mg.hessian(mg.checkpoint(f))(*a),
}


@pytest.mark.parametrize("derivative", DERIVATIVES.values(), ids=DERIVATIVES.keys())
def test_derivatives_of_a_number(derivative, data):
    same(derivative(SUMS, *data), derivative(logistic, *data))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
def test_jacobians(mode, argnums, data):
    w, x = data[0]["w"], data[1]
    same(mg.jacobian(MOMENTS, argnums, mode)(w, x), mg.jacobian(moments, argnums, mode)(w, x))
    same(mg.jacobian(mg.checkpoint(MOMENTS), argnums, mode)(w, x), mg.jacobian(moments, argnums, mode)(w, x))
    second = [mg.jacobian(mg.jacobian(f, 0, mode), argnums, mode)(w, x) for f in (MOMENTS, moments)]
    same(*second)


def test_linear_parts(data):
    w, x = data[0]["w"], data[1]
    (got, pull), (want, expected) = mg.vjp(MOMENTS, w, x), mg.vjp(moments, w, x)
    same(got, want)
    for _ in range(2):
        same(pull(want), expected(want))
    (_, push), (_, expected) = mg.linearize(MOMENTS, w, x), mg.linearize(moments, w, x)
    same(push(w, x), expected(w, x))
    same(
        mg.vmap(push)(np.stack([w, 2 * w]), np.stack([x, x])), mg.vmap(expected)(np.stack([w, 2 * w]), np.stack([x, x]))
    )
    same(mg.jit(pull)(want), mg.vjp(moments, w, x)[1](want))
    squares = [lambda w, f=f: np.sum(mg.vjp(f, w, x)[1](want)[0] ** 2) for f in (MOMENTS, moments)]
    same(*[mg.grad(square)(w) for square in squares])
    same(*[mg.hessian(square)(w) for square in squares])


def test_batches(data):
    p, x, y = data
    w = np.stack([p["w"], 2 * p["w"], -p["w"]])
    rows = np.stack([x, 2 * x])
    for f in (
        lambda f: lambda w: f({"w": w, "b": 0.1}, x, y),
        lambda f: mg.grad(lambda w: f({"w": w, "b": 0.1}, x, y)),
    ):
        same(mg.vmap(f(SUMS))(w), mg.vmap(f(logistic))(w))
    same(
        *[
            mg.grad(lambda w, f=f: np.sum(mg.vmap(lambda w: f({"w": w, "b": w[0]}, x, y))(w) ** 2))(w)
            for f in (SUMS, logistic)
        ]
    )
    same(*[mg.vmap(lambda x, f=f: mg.grad(f, (0, 1))(p, x, y))(rows) for f in (SUMS, logistic)])
    same(*[mg.vmap(lambda x, f=f: f(p["w"], x), in_axes=2)(np.moveaxis(rows, 0, 2)) for f in (MOMENTS, moments)])


def test_containers_and_keywords(data):
    def function(p, data, weights, *, power=1):
        """Return what is counted, too: an integer has no derivative."""
        z = data["x"] @ p[0] + data["y"][0]
        return {"sum": weights @ np.sin(z) ** power, "count": len(weights), "outer": [data["x"].T @ np.tanh(z)]}

    p, x, y = data
    weights = np.arange(11.0)
    rows = {"x": x, "y": (y,)}
    total = mg.sum_rows(function, rows=(1, 2), block=3)
    same(
        total((p["w"],), rows, weights, power=2), {**function((p["w"],), rows, weights, power=2), "count": np.int64(11)}
    )
    for by in (0, 1, 2):
        same(*[mg.grad(lambda *a, f=f: f(*a)["sum"], by)((p["w"],), rows, weights) for f in (total, function)])
    twice = np.concatenate([x, x]), np.concatenate([y, y])
    doubled = total((p["w"],), rows, np.full(11, 2.0))["sum"]
    np.testing.assert_allclose(doubled, total((p["w"],), {"x": twice[0], "y": (twice[1],)}, np.ones(22))["sum"])


def test_sums_of_sums(data):
    """Of all pairs of two tables."""
    p, x, _ = data
    w = p["w"]
    pairs = lambda w, x, y: np.sum(np.tanh((x * w) @ y.T))
    inner = mg.sum_rows(pairs, block=3)
    outer = mg.sum_rows(lambda w, x: inner(w, x, Y), block=4)
    for derivative in (mg.grad, mg.hessian, mg.jacfwd, lambda f: mg.grad(f, 1)):
        same(derivative(outer)(w, x), derivative(lambda w, x: pairs(w, x, Y))(w, x))


Y = np.cos(np.arange(24.0)).reshape(8, 3)


def test_within_rules_of_users(data):
    w, x = data[0]["w"], data[1]

    @mg.custom_vjp
    def rule(w):
        return MOMENTS(w, x)

    rule.defvjp(lambda w: (MOMENTS(w, x), w), lambda w, bar: mg.vjp(lambda w: MOMENTS(w, x), w)[1](bar))
    for mode in ("forward", "reverse"):
        same(mg.jacobian(rule, mode=mode)(w), mg.jacobian(moments, mode=mode)(w, x))
    squares = lambda f: lambda w: np.sum(f(w)[0] ** 2)
    same(mg.hessian(squares(rule))(w), mg.hessian(squares(lambda w: moments(w, x)))(w))


def test_complex_numbers(data):
    _, x, _ = data
    z = np.array([1 + 2j, 0.5 - 1j, -0.3j])
    function = lambda z, x: np.sum(np.abs(x @ z) ** 2)
    total = mg.sum_rows(function, block=4)
    np.testing.assert_allclose(mg.grad(total)(z, x), 2 * x.T @ x @ z)
    vector = lambda z, x: x.T @ (x @ z) ** 2
    same(mg.jacobian(mg.sum_rows(vector, block=4))(z, x), mg.jacobian(vector)(z, x))


def test_strong_zeros(data):
    _, x, _ = data
    rows = np.concatenate([x, np.zeros((3, 3))])
    function = lambda w, x: np.sum(np.where(x[:, 0] == 0, 0.0, np.sqrt(np.abs(x @ w))))
    got = mg.grad(mg.sum_rows(function, block=2), (0, 1))(np.ones(3), rows)
    same(got, mg.grad(function, (0, 1))(np.ones(3), rows))
    assert np.isfinite(got[0]).all()


# Rows -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8])
def test_numbers_of_rows(count, data):
    p, x, y = data
    for derivative in ("grad", "grad by all", "hessian"):
        got, want = (DERIVATIVES[derivative](f, p, x[:count], y[:count]) for f in (SUMS, logistic))
        same(got, want)
    same(MOMENTS(p["w"], x[:count]), moments(p["w"], x[:count]))
    same(mg.jacobian(MOMENTS, (0, 1))(p["w"], x[:count]), mg.jacobian(moments, (0, 1))(p["w"], x[:count]))


@pytest.mark.parametrize("block", [1, 2, 11, 12, 1000, None, np.int64(3)])
def test_sizes_of_blocks(block, data):
    total = mg.sum_rows(logistic, rows=(1, 2), block=block)
    same(mg.value_and_grad(total, (0, 1))(*data), mg.value_and_grad(logistic, (0, 1))(*data))


def test_kinds_of_rows(data, tmp_path):
    w, x = data[0]["w"], data[1]
    single = x.astype(np.float32)
    same(mg.value_and_grad(MOMENTS_SUM, (0, 1))(w, single), mg.value_and_grad(moments_sum, (0, 1))(w, single), 1e-5)
    got = mg.value_and_grad(MOMENTS_SUM, (0, 1))(w.astype(np.float32), single)
    assert [got[0].dtype, got[1][0].dtype, got[1][1].dtype] == [np.float32] * 3
    for kind in (np.int64, np.uint8, bool):
        rows = (np.arange(33).reshape(11, 3) % 5).astype(kind)
        same(mg.value_and_grad(MOMENTS_SUM)(w, rows), mg.value_and_grad(moments_sum)(w, rows))
    kept = np.memmap(tmp_path / "rows", float, "w+", shape=x.shape)
    kept[:] = x
    read = np.memmap(tmp_path / "rows", float, "r", shape=x.shape)
    same(mg.value_and_grad(MOMENTS_SUM, (0, 1))(w, read), mg.value_and_grad(moments_sum, (0, 1))(w, x))
    same(mg.grad(MOMENTS_SUM)(w, np.asfortranarray(x)[::-1]), mg.grad(moments_sum)(w, x[::-1]))
    same(mg.grad(MOMENTS_SUM)(w, np.broadcast_to(x[0], (11, 3))), mg.grad(moments_sum)(w, np.tile(x[0], (11, 1))))
    pandas = pytest.importorskip("pandas")
    same(mg.grad(MOMENTS_SUM)(w, pandas.DataFrame(x)), mg.grad(moments_sum)(w, x))


def moments_sum(w, x):
    return np.sum(moments(w, x)[0] * moments(w, x)[1] * 0 + moments(w, x)[0])


MOMENTS_SUM = mg.sum_rows(moments_sum, block=4)


def test_float32_is_added_in_float64():
    ones = np.ones(3_000, np.float32)
    total = mg.sum_rows(lambda w, x: np.sum(x * w), block=1)
    value, slope = mg.value_and_grad(total)(np.float32(1 / 3), ones)
    assert value == np.float32(1000 * 3 * np.float64(np.float32(1 / 3)))
    assert (value.dtype, slope.dtype, slope) == (np.float32, np.float32, 3000)


def test_arguments_stay_as_they_are(data):
    """The first block's part must not be added to in place if it is the user's own array."""
    _, x, _ = data
    total = mg.sum_rows(lambda w, x: x[0] * w, block=1)
    before = x.copy()
    same(total(1.0, x), np.sum(x, axis=0))
    same(mg.grad(lambda w, x: np.sum(total(w, x)), (0, 1))(1.0, x), (np.sum(x), np.ones_like(x)))
    same(mg.grad(mg.sum_rows(lambda w, x: np.sum(w * x), block=1))(np.ones((1, 3)), x), np.sum(x, axis=0)[None])
    np.testing.assert_array_equal(x, before)


def test_source_is_read(data):
    """Loops, branches and assignments within the function."""

    def function(w, x):
        z = np.zeros(len(x))
        for i in range(len(x)):
            z[i] = np.sin(x[i] @ w) if x[i, 0] > 0 else x[i, 1]
        return np.sum(z)

    w, x = data[0]["w"], data[1]
    total = mg.sum_rows(function, block=4)
    same(mg.grad(total, (0, 1))(w, x), mg.grad(function, (0, 1))(w, x))
    same(mg.jit(mg.grad(total))(w, x), mg.grad(function)(w, x))


def test_variables_of_enclosing_functions(data):
    """They are right, though not in memory of a block."""
    p, x, _ = data
    w = p["w"]
    energy = lambda w, x: np.sum(np.tanh(x @ w))
    inside = lambda w: mg.sum_rows(lambda x: energy(w, x), block=4)(x)
    both = lambda w: mg.sum_rows(lambda v, x: energy(v * w, x), block=4)(w, x)
    vector = lambda w: mg.sum_rows(lambda v, x: x.T @ np.tanh(x @ (v * w)), block=4)(w, x)
    mixed = lambda w: mg.grad(lambda v: mg.sum_rows(lambda w, x: energy(v * w, x), block=4)(w, x))(w)
    for derivative in (mg.grad, mg.hessian, mg.jacfwd, lambda f: mg.jit(mg.grad(f))):
        same(derivative(inside)(w), derivative(lambda w: energy(w, x))(w))
        same(derivative(both)(w), derivative(lambda w: energy(w * w, x))(w))
    for derivative in (mg.jacrev, mg.jacfwd, mg.vmap):
        point = np.stack([w, w]) if derivative is mg.vmap else w
        same(derivative(vector)(point), derivative(lambda w: x.T @ np.tanh(x @ (w * w)))(point))
    same(mg.jacobian(mixed)(w), mg.jacobian(lambda w: mg.grad(lambda v: energy(v * w, x))(w))(w))
    same(mg.taylor(both, w, w, 3), mg.taylor(lambda w: energy(w * w, x), w, w, 3))
    assert "among its arguments" in str(HiddenArgument())


# Costs ----------------------------------------------------------------------------------------------------------------


def test_one_pass_for_value_and_gradient():
    sizes = []

    def function(w, x):
        sizes.append(len(x))
        return np.sum(np.tanh(x @ w))

    total = mg.sum_rows(function, block=4)
    x, w = np.ones((10, 2)), np.ones(2)
    for derivative in (
        lambda: total(w, x),
        lambda: mg.value_and_grad(total)(w, x),
        lambda: mg.grad(total, (0, 1))(w, x),
        lambda: mg.jvp(total, (w, x), (w, x)),
        lambda: mg.hessian(total)(w, x),
        lambda: mg.vmap(mg.grad(total), in_axes=(0, None))(np.stack([w, w]), x),
    ):
        sizes.clear()
        derivative()
        assert sizes == [4, 4, 2]
    sizes.clear()
    mg.jit(mg.grad(total))(w, x)
    assert sizes == [10]


def peak(function):
    function()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def mixture(p, x):
    distances = np.sum((x[:, None, :] - p) ** 2, axis=2)
    return mg.logsumexp(-distances, axis=1).sum()


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f, p, x: f(p, x),
        lambda f, p, x: mg.value_and_grad(f)(p, x),
        lambda f, p, x: mg.jvp(lambda p: f(p, x), (p,), (p,)),
        lambda f, p, x: mg.hvp(lambda p: f(p, x), p, p),
        lambda f, p, x: mg.grad(lambda p: np.sum(mg.grad(f)(p, x) ** 2))(p),
        lambda f, p, x: mg.jacobian(lambda p: mg.sum_rows(lambda p, x: x.T @ np.sin(x @ p.T), block=500)(p, x))(p),
    ],
    ids=["value", "grad", "jvp", "hvp", "grad of grad", "jacobian"],
)
def test_memory_does_not_depend_on_the_number_of_rows(derivative, random):
    """One number kept for each row would show; Python keeps some small tuples for later use."""
    p, x = random.normal(size=(3, 4)), random.normal(size=(50_000, 4))
    total = mg.sum_rows(mixture, block=500)
    short, long = (peak(lambda n=n: derivative(total, p, x[:n])) for n in (2_000, 50_000))
    assert long < short + 4 * 50_000


def test_what_the_rows_cost_as_a_whole(random):
    """The measure of the test above sees what `sum_rows` saves."""
    p, x = random.normal(size=(3, 4)), random.normal(size=(6_000, 4))
    assert peak(lambda: mg.grad(mixture)(p, x)) > 20 * peak(lambda: mg.grad(mg.sum_rows(mixture, block=100))(p, x))


def test_the_size_of_a_block_follows_that_of_a_row():
    seen = []
    total = mg.sum_rows(lambda x, y: seen.append(len(x)) or np.sum(x) + np.sum(y), rows=(0, 1))
    total(np.zeros((100_000, 15), np.float32), np.zeros(100_000, np.int32))
    assert seen[0] == BLOCK // 64
    assert set(seen[:-1]) == {seen[0]}
    assert sum(seen) == 100_000
    seen.clear()
    total(np.zeros((2, BLOCK)), np.zeros(2))
    total(np.zeros((7, 0)), np.zeros((7, 0)))
    assert seen == [1, 1, 7]


def test_blocks_are_added_in_order(random):
    p, x = random.normal(size=(3, 4)), random.normal(size=(1_000, 4))
    total = mg.sum_rows(mixture, block=70)
    first = mg.value_and_grad(total, (0, 1))(p, x)
    parts = [mixture(p, x[i : i + 70]) for i in range(0, 1_000, 70)]
    assert first[0] == np.cumsum(parts)[-1] == total(p, x)
    for _ in range(3):
        again = mg.value_and_grad(total, (0, 1))(p, x)
        assert again[0] == first[0]
        np.testing.assert_array_equal(again[1][0], first[1][0])
        np.testing.assert_array_equal(again[1][1], first[1][1])


# Programs and machine code --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("derivative", [mg.value_and_grad, mg.hessian, lambda f: f], ids=["grad", "hessian", "value"])
def test_compiled_code_makes_its_own_tiles(derivative, random):
    p, x = random.normal(size=4), random.normal(size=(1_000, 4))
    function = lambda p, x: np.sum(np.logaddexp(0.0, x @ p))
    total = mg.sum_rows(function, block=7)
    compiled = mg.jit(derivative(total))
    assert compiled.explain(p, x) == mg.jit(derivative(function)).explain(p, x)
    assert "for each tile of the 1000 rows" in compiled.explain(p, x)
    same(compiled(p, x), derivative(function)(p, x))
    assert str(mg.trace(derivative(total))(p, x)) == str(mg.trace(derivative(function))(p, x))


def test_a_compiled_function_runs_on_blocks(random):
    p, x = random.normal(size=(3, 4)), random.normal(size=(100, 4))
    compiled = mg.jit(mixture)
    same(mg.sum_rows(compiled, block=30)(p, x), mixture(p, x))
    assert len(compiled.variants) == 2  # blocks of 30, and one of 10
    same(mg.grad(mg.sum_rows(compiled, block=30))(p, x), mg.grad(mixture)(p, x))


def test_inside_of_loops_and_branches(data):
    w, x = data[0]["w"], data[1]
    runs = []
    for f in (MOMENTS_SUM, moments_sum):
        branch = lambda w, f=f: mg.cond(w[0] > -10, lambda w: f(w, x), lambda w: 0.0 * w[0], w)
        loop = lambda w, f=f: np.sum(mg.fori_loop(0, 3, lambda i, w: w + 0.01 * f(w, x), w))
        runs.append((mg.grad(branch)(w), mg.grad(loop)(w), mg.jit(mg.grad(loop))(w)))
    same(*runs)


def test_explain_looks_inside(data):
    report = mg.explain(mg.sum_rows(lambda w, x: np.sum(np.sqrt(x @ w)), block=4), np.zeros(3), data[1])
    assert report.sweep_not_finite.op == "sqrt"


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "args", "message"),
    [
        (
            {},
            (1.0, [1.0, 2.0]),
            r"sum_rows\(f\): argument 1\[0\] has the shape \(\).*Pass lists .* np.array\(x\)",
        ),
        ({}, (1.0, 2.0), r"argument 1 has the shape \(\) and dtype float64, expected an array of numbers"),
        ({}, (1.0, np.array(["a"])), r"argument 1 has the shape \(1,\) and dtype <U1"),
        ({"rows": (0, 1)}, (np.ones(3), np.ones(4)), r"must be arrays of one length, got lengths \[3, 4\]"),
        ({"rows": 2}, (1.0, np.ones(4)), r"rows=2 does not name positional arguments of a call with 2 of them"),
        ({"rows": ()}, (1.0, np.ones(4)), r"rows=\(\) does not name"),
        ({"rows": "x"}, (1.0, np.ones(4)), r"rows='x' does not name"),
        ({"rows": 1.0}, (1.0, np.ones(4)), r"rows=1.0 does not name"),
    ],
)
def test_arguments_that_do_not_fit(options, args, message):
    def f(w, x):
        return np.sum(w) + np.sum(x)

    for function in (lambda total: total, mg.grad):
        with pytest.raises(mg.MixgradError, match=message):
            function(mg.sum_rows(f, **options))(*args)


@pytest.mark.parametrize("block", [0, -1, 2.5, True, "all"])
def test_blocks_that_are_none(block):
    with pytest.raises(ValueError, match="block must be a number of rows, at least 1"):
        mg.sum_rows(np.sum, block=block)


def test_results_that_do_not_add(data):
    w, x = data[0]["w"], data[1]
    with pytest.raises(mg.ShapeError, match=r"shape \(4,\) for one block of rows and of shape \(3,\) for another"):
        mg.sum_rows(lambda w, x: x @ w, block=4)(w, x)
    with pytest.raises(mg.ShapeError, match="returns truth values, which do not add"):
        mg.sum_rows(lambda w, x: np.any(x @ w > 0), block=4)(w, x)
    with pytest.raises(mg.ShapeError, match="result is a str, expected an array or a number"):
        mg.sum_rows(lambda w, x: "text", block=4)(w, x)
    with pytest.raises(mg.ShapeError, match="returns more arrays for some blocks"):
        mg.sum_rows(lambda w, x: [np.sum(x)] * len(x), block=4)(w, x)
    with pytest.raises(mg.DerivativeError, match="returned None"):
        mg.grad(mg.sum_rows(lambda w, x: None, block=4))(w, x)
    with pytest.raises(mg.DerivativeError, match="has no tangent space"):
        mg.grad(SUMS, 1)(data[0], np.ones((3, 3), int), np.ones(3))


def test_errors_of_the_function_come_through(data):
    def function(w, x):
        if len(x) < 4:
            raise KeyError("mine")
        return np.sum(x @ w)

    for derivative in (lambda f: f, mg.grad, mg.hessian):
        with pytest.raises(KeyError, match="mine"):
            derivative(mg.sum_rows(function, block=4))(data[0]["w"], data[1])
