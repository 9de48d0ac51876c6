"""Linear algebra in machine code: small matrices written out, others given to LAPACK, large products to BLAS.

NumPy's own functions are the oracle of values, and derivatives of the function as Python runs it that of derivatives.
Where a kernel gives up, NumPy computes: so the kernels themselves are asked.
"""

import subprocess
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.special
import scipy.stats
from llvmlite import ir

import mixgrad as mg
from mixgrad.compile import blas
from mixgrad.compile.fusion import everything
from mixgrad.compile.tensor import Call

SIZES = (1, 3, pytest.param(8, marks=pytest.mark.long), 12)  # LAPACK begins at 9


def matrix(random, *shape):
    """Return well conditioned matrices."""
    return random.normal(size=shape) + 2 * shape[-1] ** 0.5 * np.eye(shape[-1])


def positive(random, *shape):
    a = random.normal(size=shape)
    return a @ np.swapaxes(a, -1, -2) + shape[-1] * np.eye(shape[-1])


def last(n):
    """Return a matrix with a one in its last place."""
    return np.diag(np.eye(n)[-1])


def flat(value):
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, tuple) else [value]


def run(function, *args):
    """Return the compiled function and what its only kernel computes, which has not given up."""
    compiled = mg.jit(function)
    compiled.program(*args)
    (variant,) = compiled.variants.values()
    assert variant.executable.entry is not None, compiled.explain(*args)
    results = variant.executable.entry(*[np.ascontiguousarray(x) if np.ndim(x) else x for x in args])
    assert results is not NotImplemented
    return compiled, flat(results)


def check(function, *args, tolerance=1e-11, oracle=None):
    """Compare a kernel with the function itself, and what is returned in the end, too."""
    compiled, results = run(function, *args)
    want = flat((oracle or function)(*args))
    for got in (results, flat(compiled(*args))):
        for a, b in zip(got, want, strict=True):
            assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
            scale = np.max(np.abs(b), initial=0)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)
    return compiled


def calls(compiled):
    """Return the names of the routines that are called, in their order."""
    (variant,) = compiled.variants.values()
    trees = [part.fusion for part in variant.executable.parts]
    return [s.routine for tree in trees for s, _ in everything(tree) if isinstance(s, Call)]


def solve_both(a, b):
    return np.linalg.solve(a, b), np.linalg.solve(np.swapaxes(a, -1, -2), b)


def triangular(lower, trans=0, unit=False):
    return lambda a, b: mg.solve_triangular(a, b, trans, lower, unit)


# Values -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
def test_values(n, random):
    a, s = matrix(random, n, n), positive(random, n, n)
    check(lambda a: (np.linalg.inv(a), np.linalg.det(a), tuple(np.linalg.slogdet(-a))), a)
    check(lambda s: (np.linalg.cholesky(s), np.linalg.cholesky(s, upper=True)), s)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("columns", [None, 3, 300])
def test_systems(n, columns, random):
    a, b = matrix(random, n, n), random.normal(size=(n,) if columns is None else (n, columns))
    check(np.linalg.solve, a, b)
    both = lambda a, b: (triangular(True)(a, b), triangular(False, 1, True)(a, b))
    check(both, a, b, oracle=lambda a, b: (
        scipy.linalg.solve_triangular(a, b, lower=True),
        scipy.linalg.solve_triangular(a, b, trans=1, unit_diagonal=True),
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("stack", "other", "columns"),
    [((2, 3), (2, 3), 1), ((), (5,), 2), ((3,), (4, 1), 1), ((3,), (70, 3), 1), ((2, 1), (), 2), ((1, 3), (90, 1), 1)],
)
@pytest.mark.parametrize("n", [3, 34])
def test_stacks_are_broadcast(n, stack, other, columns, random):
    a, b = matrix(random, *stack, n, n), random.normal(size=(*other, n, columns))
    compiled = check(np.linalg.solve, a, b)
    assert calls(compiled)[0] == "getrf"
    both = lambda a, b: (triangular(True)(a, b), triangular(True, 1)(a, b))
    check(both, np.tril(a), b, oracle=solve_both)


@pytest.mark.parametrize("n", [2, 8, 12])
def test_stacks_of_matrices(n, random):
    a, s = matrix(random, 2, 3, n, n), positive(random, 9, n, n)
    check(lambda a: (np.linalg.inv(a), np.linalg.det(a), tuple(np.linalg.slogdet(a))), a)
    check(lambda s: (np.linalg.cholesky(s), np.linalg.solve(np.linalg.cholesky(s), s[:, :, :1])), s)


@pytest.mark.parametrize("n", [4, 12])
def test_float32(n, random):
    a, b = positive(random, n, n).astype(np.float32), random.normal(size=(n, 2)).astype(np.float32)
    many = lambda a, b: (np.linalg.solve(a, b), np.linalg.inv(a), np.linalg.cholesky(a), tuple(np.linalg.slogdet(a)))
    check(many, a, b, tolerance=1e-4)
    squared = lambda a: (np.linalg.eigh(a)[0], np.linalg.eigh(a)[1] ** 2, np.linalg.svdvals(a))  # signs are free
    check(squared, a, tolerance=1e-3)
    check(triangular(True), a, b, tolerance=1e-4)


@pytest.mark.parametrize("n", [5, 11])
@pytest.mark.parametrize(
    "view",
    [
        lambda a, n: a[:n, :n].T,
        lambda a, n: a[n - 1 :: -1, n - 1 :: -1],
        lambda a, n: a[::2, ::2][:n, :n],
        lambda a, n: a[1 : n + 1, 1 : n + 1],
        lambda a, n: a[:n, :n] + 0.0,
        lambda a, n: np.stack([a[:n, :n], a[1 : n + 1, 1 : n + 1]])[1],
    ],
)
def test_views(n, view, random):
    a, b = matrix(random, 2 * n, 2 * n), random.normal(size=(2 * n, 3))
    a += 9 * (np.add.outer(np.arange(2 * n), np.arange(2 * n)) == n - 1)  # so that no view of it is nearly singular
    check(lambda a, b: np.linalg.solve(view(a, n), b[::2]), a, b)
    check(lambda a, b: triangular(True)(view(a, n) + 9 * np.eye(n), b[n:]), a, b)
    check(lambda a: np.linalg.slogdet(view(a, n)), a)


def test_many_right_hand_sides_of_several_matrices(random):
    a, b = matrix(random, 3, 10, 10), random.normal(size=(260, 3, 10, 1))
    assert calls(check(np.linalg.solve, a, b)) == ["getrf", "laswp"]
    assert not calls(check(triangular(False), a, b))


def test_functions_of_c():
    area = mg.cfunc(lambda x: np.linalg.det(x * np.eye(10) + 1) / np.linalg.det(x * np.eye(2)))
    value, _ = scipy.integrate.quad(area, 1.0, 2.0)
    exact, _ = scipy.integrate.quad(lambda x: x**7 * (x + 10), 1.0, 2.0)
    assert value == pytest.approx(exact, rel=1e-10)


def test_arguments_of_any_strides(random):
    a, b = matrix(random, 12, 12), random.normal(size=(12, 2))
    for x, y in ((np.asfortranarray(a), np.asfortranarray(b)), (a[::2, ::2], b[::-2]), (a.T, b)):
        compiled = mg.jit(np.linalg.solve)
        np.testing.assert_allclose(compiled(x, y), np.linalg.solve(x, y), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("n", [1, 3, 12])
def test_eigenvalues_and_singular_values(n, random):
    s, a = positive(random, 2, n, n), random.normal(size=(2, n, n + 2))
    check(lambda s: (tuple(np.linalg.eigh(s)), tuple(np.linalg.eigh(s, "U")), np.linalg.eigvalsh(s)), s)
    check(lambda a: (tuple(np.linalg.svd(a, full_matrices=False)), np.linalg.svdvals(a)), a)
    check(lambda a: (np.linalg.pinv(a), np.linalg.pinv(np.swapaxes(a, -1, -2), rtol=0.1)), a)


def test_nothing_is_left_to_numpy():
    for f in (np.linalg.inv, np.linalg.cholesky, np.linalg.eigvalsh):
        got = mg.jit(f)(np.zeros((0, 3, 3)))
        assert got.shape == f(np.zeros((0, 3, 3))).shape
    assert mg.jit(np.linalg.solve)(np.eye(3), np.zeros((3, 0))).shape == (3, 0)
    assert mg.jit(np.linalg.det)(np.zeros((0, 0))) == 1


# Derivatives --------------------------------------------------------------------------------------------------------

SHORT = ("solve", "cholesky", "normal")
"""Whose derivatives for larger matrices are not left to the long tests."""
SCALARS = {
    "solve": lambda a, b: np.sum(np.sin(np.linalg.solve(a, b))),
    "triangular": lambda a, b: np.sum(np.sin(triangular(True)(a, b))),
    "inv": lambda a, b: np.sum(np.sin(np.linalg.inv(a) @ b)),
    "slogdet": lambda a, b: np.linalg.slogdet(a)[1] + np.sum(b),
    "det": lambda a, b: np.log(np.linalg.det(a)) + np.sum(b),
    "cholesky": lambda a, b: np.sum(np.sin(np.linalg.cholesky(a) @ b)),
    "normal": lambda a, b: np.sum(b * np.linalg.solve(a, b)) + np.linalg.slogdet(a)[1],
    "eigenvalues": lambda a, b: np.sum(np.sin(np.linalg.eigvalsh(a))) + np.sum(b),
    "eigenvectors": lambda a, b: np.sum(np.sin(np.linalg.eigh(a)[1] ** 2 @ b)),
    "singular values": lambda a, b: np.linalg.norm(a, "nuc") + np.sum(b),
    "pseudo-inverse": lambda a, b: np.sum(np.linalg.pinv(a) @ b),
}


@pytest.mark.parametrize(
    ("name", "n"),
    [
        pytest.param(name, n, marks=[pytest.mark.long] * (n == 10 and name not in SHORT))
        for name in SCALARS
        for n in (3, 10)
    ],
)
def test_derivatives(name, n, random):
    f, a, b = SCALARS[name], positive(random, n, n) + np.diag(np.arange(n)), random.normal(size=(n, 2))
    a_dot, b_dot = random.normal(size=(n, n)), random.normal(size=(n, 2))
    check(mg.grad(f, argnums=(0, 1)), a, b)
    if n == 3:
        check(lambda a, b, v, w: mg.jvp(f, (a, b), (v, w)), a, b, a_dot, b_dot)
    if n == 3 or name in SHORT:
        second = lambda a, b, v, w: mg.jvp(mg.grad(f, argnums=(0, 1)), (a, b), (v, w))
        check(second, a, b, a_dot, b_dot, tolerance=1e-9)


def test_derivatives_of_stacks(random):
    a, b = positive(random, 4, 6, 6), random.normal(size=(50, 4, 6))

    def whitened(a, b):
        return np.sum(np.sin(np.linalg.solve(np.linalg.cholesky(a), b[..., None])))

    check(mg.grad(whitened, argnums=(0, 1)), a, b)


def test_vectors_of_repeated_values_are_refused_as_in_python():
    f = mg.grad(lambda a: np.sum(np.linalg.eigh(a)[1] @ np.arange(3.0)))
    for function in (f, mg.jit(f)):
        with pytest.raises(mg.DerivativeError, match="belong to equal values"):
            function(np.eye(3))


# Failures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 10])
@pytest.mark.parametrize(
    ("function", "make"),
    [
        pytest.param(lambda a: np.linalg.solve(a, np.ones(len(a))), np.zeros, id="solve"),
        pytest.param(lambda a: np.linalg.solve(a, np.ones((len(a), 300))), np.zeros, id="many columns"),
        pytest.param(np.linalg.inv, np.zeros, id="inv"),
        pytest.param(np.linalg.cholesky, np.zeros, id="cholesky"),
        pytest.param(lambda a: np.linalg.cholesky(a - np.eye(len(a))), np.ones, id="indefinite"),
        pytest.param(lambda a: triangular(True)(a, np.ones(len(a))), np.zeros, id="triangular"),
        pytest.param(lambda a: triangular(False)(a, np.ones((len(a), 300))), np.zeros, id="triangular, many columns"),
        pytest.param(
            lambda a: np.linalg.cholesky(np.eye(len(a)) + a)[0, 0],
            lambda s: -2.0 * last(s[0]),
            id="an element of a factor",
        ),
        pytest.param(
            lambda a: triangular(True)(a, np.ones(len(a)))[0],
            lambda s: np.eye(s[0]) - last(s[0]),
            id="an element of a solution",
        ),
        pytest.param(lambda a: np.linalg.inv(np.stack([np.eye(len(a)), a])), np.zeros, id="one of a stack"),
    ],
)
def test_errors_are_those_of_numpy(function, make, n):
    a = make((n, n))
    with pytest.raises(np.linalg.LinAlgError) as want:
        function(a)
    compiled = mg.jit(function)
    for _ in range(2):
        with pytest.raises(np.linalg.LinAlgError) as got:
            compiled(a)
        assert str(got.value) == str(want.value)
    fine = 3 * np.eye(n)
    np.testing.assert_allclose(compiled(fine), function(fine), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 3, 10])
def test_determinants_of_singular_matrices(n):
    for a in (np.zeros((n, n)), np.full((n, n), np.nan), np.stack([np.eye(n), np.ones((n, n)) * (n > 1)])):
        with np.errstate(all="ignore"):
            check(lambda a: (np.linalg.det(a), tuple(np.linalg.slogdet(a))), a)


def test_a_factor_serves_all_who_need_it(random):
    a, b = positive(random, 12, 12), random.normal(size=12)
    compiled = check(mg.value_and_grad(SCALARS["normal"], argnums=(0, 1)), a, b)
    assert calls(compiled).count("getrf") == 1
    compiled = check(lambda a, b: (*solve_both(a, b), np.linalg.inv(a), np.linalg.det(a.T)), a, b)
    assert calls(compiled) == ["getrf", "getrs", "getrs", "getrs"]


# Loops and branches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 10])
def test_in_loops_and_branches(n, random):
    a, b = matrix(random, 4, n, n), random.normal(size=n)

    def steps(a, b):
        for i in range(4):
            b = np.linalg.solve(a[i], b)
            if b[0] > 0:
                b = b + np.linalg.solve(a[i].T, b)
            else:
                b = b - np.linalg.inv(a[i]) @ b
        return np.linalg.solve(a[3], b)

    check(steps, a, b)
    check(mg.grad(lambda a, b: np.sum(steps(a, b)), argnums=(0, 1)), a, b)


@pytest.mark.parametrize("n", [3, 10])
def test_a_branch_that_is_not_taken_does_not_fail(n):
    def f(a, x):
        if x > 0:
            y = np.linalg.cholesky(a)
        else:
            y = a * 2
        return y

    compiled = check(f, np.zeros((n, n)), -1.0)
    with pytest.raises(np.linalg.LinAlgError):
        compiled(np.zeros((n, n)), 1.0)


@pytest.mark.parametrize("n", [3, 10])
def test_what_is_changed_after_it_was_factored(n, random):
    def f(a, b):
        a = a * 1.0
        x = np.linalg.solve(a, b)
        a[0, 0] = a[0, 0] + 1.0
        y = np.linalg.solve(a, x)
        a[1] = a[1] * 2
        return x, y, np.linalg.solve(a, y), np.linalg.det(a)

    check(f, matrix(random, n, n), random.normal(size=n))


# Orders -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, np.uint8, np.bool_])
@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_orders(dtype, axis, random):
    x = np.round(random.normal(size=(3, 37, 2)) * 3).astype(dtype)
    if np.dtype(dtype).kind == "f":
        x[0, 1, 0], x[1, 2, 1], x[1, 1, 1], x[2, 0, 0], x[2, 1, 0] = np.nan, -0.0, 0.0, np.inf, np.nan
    both = lambda x: (np.argsort(x, axis=axis, kind="stable"), np.sort(x, axis=axis))
    compiled, got = run(both, x)
    for a, b in zip(got, both(x), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert calls(compiled) == ["argsort"]


@pytest.mark.parametrize("length", [1, 2, 3, 64, 512])
def test_orders_of_all_lengths(length, random):
    x, weights = random.normal(size=length), random.normal(size=length)
    check(lambda x: (np.argsort(x), np.median(x), np.quantile(x, 0.3)), x)
    check(mg.grad(lambda x: np.sum(np.sort(np.sin(x)) * weights)), x)


def test_long_sorts_are_left_to_numpy(random):
    x = random.normal(size=600)
    compiled = mg.jit(lambda x: np.sort(2 * x))
    np.testing.assert_array_equal(compiled(x), np.sort(2 * x))
    assert "NumPy: argsort (no native form: 600 numbers to sort)" in compiled.explain(x)


# Mixtures -----------------------------------------------------------------------------------------------------------


def log_likelihood(logits, means, covariances, x):
    factors = np.linalg.cholesky(covariances)
    z = np.linalg.solve(factors, (x[:, None, :] - means)[..., None])[..., 0]
    half = np.sum(np.log(np.diagonal(factors, axis1=-2, axis2=-1)), axis=-1)
    scores = logits - half - 0.5 * np.sum(z * z, axis=-1) - 0.5 * x.shape[1] * np.log(2 * np.pi)
    return np.sum(mg.logsumexp(scores, axis=1))


@pytest.mark.parametrize("d", [2, 5, 12])
def test_a_mixture_is_one_kernel_without_arrays_over_rows(d, random):
    rows, count = 2000, 3
    logits, means, covariances = (
        random.normal(size=count),
        random.normal(size=(count, d)),
        positive(random, count, d, d),
    )
    args = logits, means, covariances, random.normal(size=(rows, d))

    def oracle(logits, means, covariances, x):
        parts = [scipy.stats.multivariate_normal(m, c).logpdf(x) for m, c in zip(means, covariances)]
        return np.sum(scipy.special.logsumexp(logits + np.stack(parts, axis=1), axis=1))

    compiled = check(log_likelihood, *args, oracle=oracle)
    gradient = check(mg.grad(log_likelihood, argnums=(0, 1, 2)), *args)
    for f in (compiled, gradient):
        assert set(calls(f)) <= {"potrf", "trsm"}
        bytes_held = int(f.explain(*args).rsplit("whole: ", 1)[1].split(" ")[0])
        assert bytes_held < 8 * rows * count


def test_results_do_not_depend_on_threads(random):
    d, count = 6, 5
    args = np.zeros(count), random.normal(size=(count, d)), positive(random, count, d, d), random.normal(size=(9000, d))
    product = lambda *args: args[3].T @ (args[3] @ args[2][0])
    for f in (mg.grad(log_likelihood, argnums=(0, 1, 2)), product):
        compiled = mg.jit(f)
        results = []
        for n in (1, 2, 5):
            with mg.threads(n):
                results.append(flat(compiled(*args)))
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)


# Products -----------------------------------------------------------------------------------------------------------

M, N, K = 200, 170, 180
PRODUCTS = {
    "plain": (lambda a, b: a @ b, (M, K), (K, N)),
    "transposed": (lambda a, b: a.T @ b.T, (K, M), (N, K)),
    "result transposed": (lambda a, b: (a @ b).T, (M, K), (K, N)),
    "computed": (lambda a, b: np.sin(a) @ (b + 1) + 1, (M, K), (K, N)),
    "parts": (lambda a, b: a[3:, ::-1] @ b[:, 1:], (M, K), (K, N)),
    "every other": (lambda a, b: a[:, ::2] @ b[:, ::2], (M, 2 * K), (K, 2 * N)),
    "stack": (lambda a, b: a @ b, (3, M, K), (K, N)),
    "broadcast stacks": (lambda a, b: a @ b, (2, 1, M, K), (3, K, N)),
    "middle": (lambda a, b: np.einsum("ink,nkj->inj", a, b), (M, 3, K), (3, K, N)),
    "other order": (lambda a, b: np.einsum("nik,kj->nji", a, b), (2, M, K), (K, N)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PRODUCTS)
def test_large_products(name, dtype, random):
    f, *shapes = PRODUCTS[name]
    a, b = (random.normal(size=shape).astype(dtype) for shape in shapes)
    tolerance = 500 * np.finfo(dtype).eps
    assert calls(check(f, a, b, tolerance=tolerance)) == ["gemm"]
    if dtype == np.float64 and name in ("plain", "stack", "parts"):
        check(mg.grad(lambda a, b: np.sum(np.sin(f(a, b))), argnums=(0, 1)), a, b)


@pytest.mark.parametrize(
    ("first", "second"),
    [((50, 180), (180, 170)), ((2000, 10), (10, 300)), ((10, 2000), (2000, 300)), ((300, 300), (300,))],
)
def test_other_products_are_loops(first, second, random):
    compiled = check(lambda a, b: a @ b, random.normal(size=first), random.normal(size=second))
    assert not calls(compiled)


def test_integers_are_loops(random):
    a = random.integers(0, 9, size=(200, 200))
    assert not calls(check(lambda a: a @ a, a))


def test_tall_results_are_not_held():
    x, w = np.broadcast_to(np.float64(0.5), (10**6, 64)), np.eye(64)
    text = mg.jit(lambda x, w: np.sum(np.tanh(x @ w))).explain(x, w)
    assert "BLAS" not in text
    assert int(text.rsplit("whole: ", 1)[1].split(" ")[0]) < 10**6


# The plan, and code from disk ---------------------------------------------------------------------------------------


def test_explain_names_the_routines(random):
    a, b = positive(random, 3, 10, 10), random.normal(size=(10, 2))
    text = mg.jit(np.linalg.solve).explain(a, b)
    assert "LAPACK: dgetrf(t0, t1, t2), 3 times" in text
    assert "LAPACK: dgetrs(" in text
    assert "NumPy" not in text
    assert "LAPACK: spotrf(" in mg.jit(np.linalg.cholesky).explain(a[0].astype(np.float32))
    assert "BLAS: dgemm(in0, in0, out0)" in mg.jit(lambda x: x @ x).explain(np.ones((200, 200)))


def test_code_from_disk_finds_the_routines(tmp_path, monkeypatch):
    monkeypatch.setenv("MIXGRAD_CACHE", str(tmp_path / "code"))
    program = (
        "import numpy as np, mixgrad as mg\n"
        "from mixgrad.compile import machine\n"
        "if {again}: machine.optimised = None\n"
        "a = np.eye(12) + 0.1 * np.cos(np.arange(144)).reshape(12, 12)\n"
        "f = mg.jit(mg.grad(lambda a: np.sum(np.linalg.solve(a, np.ones(12))) + np.linalg.slogdet(a @ a.T)[1]))\n"
        "f.program(a); (v,) = f.variants.values(); print(v.executable.entry(a).tolist())\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program.format(again=k)], capture_output=True, text=True, check=True
        ).stdout
        for k in range(2)
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith("[[")


def test_a_routine_has_as_many_arguments_as_its_signature_says():
    module = ir.Module("routines")
    blas.routine(module, "potrf", np.dtype(np.float32), 5)
    assert llvm.address_of_symbol("mg.spotrf")
    with pytest.raises(TypeError, match="dgemm has 13 arguments, got 12"):
        blas.routine(module, "gemm", np.dtype(np.float64), 12)
