"""Eigenvalues and singular values: at repeated ones, against 50 digits, Hermitian matrices, what is refused."""

import mpmath
import numpy as np
import pytest

import mixgrad as mg
from mixgrad._errors import DerivativeError, UnsupportedError
from mixgrad.core.interpret import interpret
from mixgrad.program.to_python import to_python
from mixgrad.program.to_text import parse, to_text


def symmetric(x):
    return (x + x.T) / 2


def rotation(random, n):
    return np.linalg.qr(random.normal(size=(n, n)))[0]


def with_eigenvalues(random, values):
    """Return a symmetric matrix with these eigenvalues, to rounding."""
    q = rotation(random, len(values))
    return symmetric(q @ np.diag(values) @ q.T)


REPEATED = ([1.0, 1.0, 2.0], [0.5, 3.0, 3.0, 3.0], [2.0, 2.0, 2.0], [1.0, 1.0, 4.0, 4.0])
eigvalsh, svdvals = np.linalg.eigvalsh, np.linalg.svdvals


# Repeated eigenvalues -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", REPEATED)
@pytest.mark.parametrize("mode", [mg.grad, mg.jacfwd])
def test_sums_over_repeated_eigenvalues(values, mode, random):
    a = with_eigenvalues(random, values)
    inverse = np.linalg.inv(a)
    for function, want in (
        (lambda a: eigvalsh(a).sum(), np.eye(len(a))),
        (lambda a: np.log(eigvalsh(a)).sum(), inverse),
        (lambda a: (eigvalsh(a) ** 3).sum(), 3 * a @ a),
        (lambda a: np.prod(eigvalsh(a)), np.linalg.det(a) * inverse),
    ):
        np.testing.assert_allclose(mode(function)(a), want, rtol=1e-12, atol=1e-12)
    # Forward mode does not know that nobody will use the vectors.
    got = mg.grad(lambda a: np.log(np.linalg.eigh(a)[0]).sum())(a)
    np.testing.assert_allclose(got, inverse, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("values", REPEATED)
def test_the_trace_is_linear_at_repeated_eigenvalues(values, random):
    a = with_eigenvalues(random, values)
    for hessian in (mg.jacfwd(mg.grad(lambda a: eigvalsh(a).sum())), mg.hessian(lambda a: eigvalsh(a).sum())):
        np.testing.assert_allclose(hessian(a), 0, atol=1e-12)


def test_many_matrices_at_once_with_and_without_repeated_eigenvalues(random):
    stack = np.stack([with_eigenvalues(random, values) for values in ([1.0, 1.0, 2.0], [1.0, 2.0, 3.0], [5.0] * 3)])
    want = np.linalg.inv(stack)

    def function(a):
        return np.log(eigvalsh(a)).sum()

    np.testing.assert_allclose(mg.grad(function)(stack), want, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mg.vmap(mg.grad(function))(stack), want, rtol=1e-12, atol=1e-12)


def test_eigenvectors_of_other_eigenvalues_have_a_derivative(random):
    a = np.diag([1.0, 1.0, 3.0])
    v = symmetric(random.normal(size=(3, 3)))

    def projection(a):
        last = np.linalg.eigh(a)[1][:, 2]
        return np.outer(last, last)

    got = mg.vjp(projection, a)[1](v)[0]
    # To first order the last eigenvector leans by v_i3 / (3 - 1) towards vector i.
    want = np.zeros((3, 3))
    want[:2, 2] = want[2, :2] = v[:2, 2] / 2
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)


REFUSED = {
    "reverse": lambda f, a: mg.grad(f)(a),
    "forward": lambda f, a: mg.jvp(f, (a,), (np.ones_like(a),)),
    "batch": lambda f, a: mg.vmap(mg.grad(f))(np.stack([a, a])),
    "Taylor": lambda f, a: mg.taylor(f, a, np.ones_like(a), 2),
    "compiled": lambda f, a: mg.jit(mg.grad(f))(a),
    "staged": lambda f, a: interpret(mg.trace(mg.grad(f))(np.diag(np.arange(1.0, 1 + len(a)))), a),
}


@pytest.mark.parametrize("mode", REFUSED)
def test_eigenvectors_of_repeated_eigenvalues_have_none(mode):
    with pytest.raises(DerivativeError, match=r"eigenvectors 1 and 2 belong to equal values.*np\.linalg\.eigvalsh"):
        REFUSED[mode](lambda a: np.linalg.eigh(a)[1][1:, 1:] @ [1.0, 2.0] @ [3.0, 1.0], np.diag([1.0, 2.0, 2.0]))
    with pytest.raises(DerivativeError, match="singular vectors 0 and 1 belong to equal values"):
        REFUSED[mode](lambda a: np.linalg.svd(a)[0][:2, :2] @ [1.0, 2.0] @ [3.0, 1.0], np.diag([2.0, 2.0, 1.0]))


# Repeated singular values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [mg.grad, mg.jacfwd])
def test_the_nuclear_norm_at_repeated_singular_values(mode, random):
    for shape, values in (((3, 3), [2.0, 2.0, 1.0]), ((4, 2), [1.0, 1.0]), ((2, 3), [3.0, 3.0])):
        u, v = rotation(random, shape[0])[:, : len(values)], rotation(random, shape[1])[:, : len(values)]
        a = u @ np.diag(values) @ v.T
        got = mode(lambda a: np.linalg.norm(a, "nuc"))(a)
        np.testing.assert_allclose(got, u @ v.T, rtol=1e-12, atol=1e-12)
        got = mode(lambda a: (svdvals(a) ** 2).sum() / 2)(a)
        np.testing.assert_allclose(got, a, rtol=1e-12, atol=1e-12)


def test_the_second_derivative_of_the_nuclear_norm_at_the_identity():
    # |I + t K| = sum of sqrt(1 + t**2 k**2) for an antisymmetric K: only that part of a direction counts.
    hessian = mg.hessian(lambda a: np.linalg.norm(a, "nuc"))(np.eye(3))
    want = np.zeros((3, 3, 3, 3))
    for i, j in ((0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)):
        want[i, j, i, j], want[i, j, j, i] = 0.5, -0.5
    np.testing.assert_allclose(hessian, want, atol=1e-15)


@pytest.mark.parametrize("mode", [mg.grad, mg.jacfwd])
def test_a_singular_value_of_zero_is_flat_as_abs_at_zero(mode):
    np.testing.assert_array_equal(mode(lambda a: np.linalg.norm(a, "nuc"))(np.zeros((2, 3))), np.zeros((2, 3)))
    np.testing.assert_array_equal(mode(lambda a: np.linalg.norm(a, 2))(np.zeros((2, 2))), np.zeros((2, 2)))
    np.testing.assert_array_equal(mode(lambda a: svdvals(a).sum())(np.diag([2.0, 0.0])), np.diag([1.0, 0.0]))


def test_singular_vectors_of_zero_have_no_derivative_where_they_can_turn():
    a = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    with pytest.raises(DerivativeError, match="singular vectors"):
        mg.jvp(lambda a: np.linalg.svd(a, full_matrices=False)[0], (a,), (np.ones((3, 2)),))


# More digits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_eigenvalues_against_many_digits(spread, random):
    a = with_eigenvalues(random, [1.0, 1.0 + spread, 3.0, -2.0])
    v = symmetric(random.normal(size=a.shape))
    got = mg.jvp(np.linalg.eigvalsh, (a,), (v,))[1]
    with mpmath.workdps(60):
        step = mpmath.mpf(10) ** -25
        ends = [mpmath.eigsy(mpmath.matrix(a.tolist()) + s * step * mpmath.matrix(v.tolist()))[0] for s in (1, -1)]
        want = [float((x - y) / (2 * step)) for x, y in zip(*map(sorted, ends))]
    np.testing.assert_allclose(got, want, rtol=1e-12 / spread, atol=1e-12 / spread)


def test_singular_values_against_many_digits(random):
    a, v = random.normal(size=(4, 3)), random.normal(size=(4, 3))
    got = mg.jvp(svdvals, (a,), (v,))[1]
    with mpmath.workdps(60):
        step = mpmath.mpf(10) ** -25
        ends = [
            mpmath.svd_r(mpmath.matrix(a.tolist()) + s * step * mpmath.matrix(v.tolist()), compute_uv=False)
            for s in (1, -1)
        ]
        want = [float((x - y) / (2 * step)) for x, y in zip(*(sorted(end, reverse=True) for end in ends))]
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)


# One triangle ---------------------------------------------------------------------------------------------------------


def test_the_gradient_is_that_of_the_symmetric_matrix(random):
    a = with_eigenvalues(random, [1.0, 2.0, 4.0])
    for uplo in "LU":
        gradient = mg.grad(lambda a, uplo=uplo: np.linalg.eigvalsh(a, UPLO=uplo)[0])(a)
        np.testing.assert_array_equal(gradient, gradient.T)
        vector = np.linalg.eigh(a)[1][:, 0]
        np.testing.assert_allclose(gradient, np.outer(vector, vector), atol=1e-13)
        gradient = mg.grad(lambda a, uplo=uplo: np.linalg.eigh(a, uplo).eigenvectors[0, 1])(a)
        np.testing.assert_array_equal(gradient, gradient.T)


def test_the_other_triangle_is_not_read():
    a = np.array([[1.0, np.nan], [0.5, 3.0]])
    want = mg.grad(lambda a: eigvalsh(a)[1])(np.array([[1.0, 0.5], [0.5, 3.0]]))
    np.testing.assert_allclose(mg.grad(lambda a: eigvalsh(a)[1])(a), want, rtol=1e-15)


# Complex matrices -----------------------------------------------------------------------------------------------------


def hermitian(x):
    return (x + np.conj(x.T)) / 2


def differences(function, x, v, step=1e-5):
    return (function(x + step * v) - function(x - step * v)) / (2 * step)


def test_hermitian_matrices(random):
    x, v, b = (hermitian(random.normal(size=(3, 3)) + 1j * random.normal(size=(3, 3))) for _ in range(3))

    def values(a):
        return np.linalg.eigvalsh(a)

    def projector(a):
        vector = np.linalg.eigh(a)[1][:, 1]
        return np.real(np.vdot(vector, b @ vector))

    for function in (values, projector):
        dot = mg.jvp(function, (x,), (v,))[1]
        np.testing.assert_allclose(dot, differences(function, x, v), rtol=1e-6, atol=1e-8)
        weights = np.arange(1.0, 1 + dot.size).reshape(dot.shape)
        bar = mg.vjp(function, x)[1](weights)[0]
        assert bar.dtype == np.complex128
        np.testing.assert_allclose(bar, np.conj(bar.T), atol=1e-14)
        np.testing.assert_allclose(np.real(np.vdot(bar, v)), np.sum(weights * dot), rtol=1e-11)
    slope = mg.jvp(lambda a: mg.jvp(projector, (a,), (v,))[1], (x,), (v,))[1]
    want = differences(lambda a: mg.jvp(projector, (a,), (v,))[1], x, v)
    np.testing.assert_allclose(slope, want, rtol=1e-5, atol=1e-7)
    coefficients = mg.taylor(projector, x, v, 2)
    np.testing.assert_allclose(2 * coefficients[2], slope, rtol=1e-9)


def test_the_product_of_complex_singular_vectors_does_not_depend_on_their_phase(random):
    x, v = (random.normal(size=(3, 2)) + 1j * random.normal(size=(3, 2)) for _ in range(2))

    def leading(a):
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return np.outer(u[:, 0], vh[0]) * s[0]

    dot = mg.jvp(leading, (x,), (v,))[1]
    np.testing.assert_allclose(dot, differences(leading, x, v), rtol=1e-6, atol=1e-8)


# Other functions ------------------------------------------------------------------------------------------------------


def test_pinv_of_a_matrix_of_lower_rank(random):
    left, right = random.normal(size=(4, 2)), random.normal(size=(2, 3))
    v, w = random.normal(size=(4, 2)), random.normal(size=(2, 3))

    def function(left, right):
        return np.linalg.pinv(left @ right)

    dot = mg.jvp(function, (left, right), (v, w))[1]
    step = 1e-5
    want = (function(left + step * v, right + step * w) - function(left - step * v, right - step * w)) / (2 * step)
    np.testing.assert_allclose(dot, want, rtol=1e-5, atol=1e-7 * np.max(np.abs(want)))


def test_rank_is_counted_and_has_no_derivative():
    a = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert mg.grad(lambda a: np.linalg.matrix_rank(a) * a[0, 0])(a)[0, 0] == 1
    np.testing.assert_array_equal(mg.vmap(np.linalg.matrix_rank)(np.stack([a, np.eye(2)])), [1, 2])


def test_what_is_refused():
    a = np.ones((2, 3))
    with pytest.raises(UnsupportedError, match="full_matrices=False"):
        mg.grad(lambda a: np.linalg.svd(a)[0].sum())(a)
    for function in (np.linalg.eigh, np.linalg.eigvalsh):
        with pytest.raises(ValueError, match="needs a square matrix"):
            mg.jvp(function, (a,), (a,))
        with pytest.raises(ValueError, match="UPLO='L' or 'U', got 'X'"):
            mg.jvp(lambda a, f=function: f(a, "X"), (np.eye(2),), (np.eye(2),))
    with pytest.raises(ValueError, match="needs a matrix or a stack of them"):
        mg.jvp(np.linalg.svdvals, (np.ones(2),), (np.ones(2),))
    with pytest.raises(ValueError, match="ord=3 is no norm of matrices"):
        mg.grad(lambda a: np.linalg.norm(a, 3))(a)


def test_programs_are_written_and_read(random):
    a = with_eigenvalues(random, [1.0, 2.0, 4.0])

    def function(a):
        w, v = np.linalg.eigh(a, UPLO="U")
        u, s, vh = np.linalg.svd(a)
        return v[0, 0] + w[1] + u[0, 1] * vh[1, 1] + np.linalg.pinv(a, rtol=1e-9)[0, 0] + s[0]

    program = mg.trace(mg.grad(function))(a)
    again = parse(to_text(program))
    np.testing.assert_array_equal(interpret(again, a)[0], interpret(program, a)[0])
    np.testing.assert_allclose(interpret(program, a)[0], mg.grad(function)(a), rtol=1e-12, atol=1e-13)
    names = {"__name__": "written"}
    exec(to_python(program), names)
    written = next(value for value in names.values() if getattr(value, "__module__", "") == "written")
    with pytest.raises(ValueError, match="belong to equal values"):
        written(np.diag([1.0, 1.0, 2.0]))


def test_a_matrix_of_no_rows():
    empty = np.zeros((0, 0))
    assert mg.grad(lambda a: np.linalg.eigvalsh(a).sum())(empty).shape == (0, 0)
    assert mg.grad(lambda a: np.linalg.svdvals(a).sum())(np.zeros((2, 0))).shape == (2, 0)
