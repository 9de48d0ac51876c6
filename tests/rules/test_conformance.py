"""One test for the whole table: every row, by its kind and its samples, against oracles that know no rule."""

import numpy as np
import pytest

import mixgrad.rules.special
from mixgrad.core.op import TABLE, Kind
from mixgrad.rules.row import Sample

from . import conformance, higher, oracles
from .batches import check_batch, check_directions
from .cases import COMPLEX128, FLOAT32, FLOAT64, Case, cases, decimals, is_random

assert mixgrad.rules.special  # importing it fills the table

DTYPES = (FLOAT64, FLOAT32)
SMOOTH = (Kind.ELEMENTWISE, Kind.LINEAR, Kind.MULTILINEAR, Kind.GENERAL)
EVERY = sorted(name for name, op in TABLE.items() if op.kind is not Kind.NESTED)  # those: test_control.py
REAL = [name for name in EVERY if name not in oracles.COMPLEX_PARTS]
DIFFERENTIABLE = [name for name in REAL if TABLE[name].kind in SMOOTH]
CONSTANT = [name for name in REAL if TABLE[name].kind not in SMOOTH]


def both(names):
    """Parametrise over rows and dtypes."""
    pairs = [pytest.param(name, dtype, id=f"{name}-{dtype}") for name in names for dtype in DTYPES]
    return pytest.mark.parametrize(("name", "dtype"), pairs)


def tried(name, dtype):
    """Return the cases of a row, of which there must be some."""
    found = cases(TABLE[name], dtype)
    assert found, f"{name} has no samples for {dtype}"
    return found


def random_cases(name, dtype):
    """Return the cases with random arguments; in float32, where only rounding differs, every other one."""
    found = [case for case in tried(name, dtype) if is_random(case)]
    return found if dtype == FLOAT64 or len(found) < 4 else found[1::2]


@both(REAL)
def test_value_shape_and_dtype(name, dtype):
    for case in tried(name, dtype):
        conformance.check_value(case)
        conformance.check_shape(case)


@both(DIFFERENTIABLE)
def test_forward_derivative(name, dtype):
    for case in tried(name, dtype):
        if name in oracles.MPMATH and not is_random(case):
            conformance.check_forward_elements(case)
        else:
            conformance.check_forward(case)


@both(DIFFERENTIABLE)
def test_reverse_is_the_transpose_of_forward(name, dtype):
    for case in tried(name, dtype):
        conformance.check_transpose(case)
        conformance.check_types(case)


@both(DIFFERENTIABLE)
def test_second_order(name, dtype):
    for case in tried(name, dtype):
        if name in oracles.MPMATH and not is_random(case):
            higher.check_second_elements(case)
        else:
            higher.check_second(case)


@pytest.mark.parametrize("name", sorted(set(oracles.MPMATH) & set(DIFFERENTIABLE)))
def test_third_order(name):
    for case in tried(name, FLOAT64):
        higher.check_third(case)


@both(DIFFERENTIABLE)
def test_taylor_polynomials(name, dtype):
    for case in random_cases(name, dtype):
        higher.check_taylor(case)


@both(DIFFERENTIABLE)
def test_linearity(name, dtype):
    for case in tried(name, dtype):
        conformance.check_linear(case)
        conformance.check_accumulate(case)


@both(DIFFERENTIABLE)
def test_batch_is_a_loop(name, dtype):
    for case in random_cases(name, dtype):
        check_batch(case, whole_only=dtype == FLOAT32)
    for case in tried(name, dtype):
        check_directions(case)


@both(CONSTANT)
def test_without_a_derivative(name, dtype):
    for case in tried(name, dtype):
        conformance.check_constant(case)
        check_batch(case)


# Complex numbers ----------------------------------------------------------------------------------------------------


def test_the_list_of_analytic_rows_is_complete():
    """A row is analytic if NumPy computes it for complex numbers; the kinks among them are not."""
    takes_complex = set()
    for name in sorted(oracles.MPMATH):
        ufunc = getattr(np, name, None)
        if name in TABLE and isinstance(ufunc, np.ufunc) and {"D->D", "DD->D"} & set(ufunc.types):
            takes_complex.add(name)
    # NumPy orders complex numbers lexicographically: no analytic function.
    assert takes_complex - {"maximum", "minimum", "fmax", "fmin"} == set(oracles.ANALYTIC)


@pytest.mark.parametrize("name", oracles.ANALYTIC)
def test_analytic_rows_of_complex_numbers(name):
    for case in cases(TABLE[name], COMPLEX128):
        if is_random(case):
            conformance.check_complex(case)
            higher.check_complex_second(case)


@pytest.mark.parametrize("name", [*sorted(set(oracles.NUMPY) - oracles.REAL_ONLY), *oracles.COMPLEX_PARTS])
def test_other_rows_of_complex_numbers(name):
    for case in cases(TABLE[name], COMPLEX128):
        if is_random(case):
            conformance.check_complex(case)
            higher.check_complex_second(case)


def test_cholesky_of_hermitian_matrices():
    rng = np.random.default_rng(20)
    x, v = ((decimals(rng, (2, 3, 3), -3, 3) + 1j * decimals(rng, (2, 3, 3), -3, 3)) for _ in range(2))
    sample = Sample((x @ hermitian(x) + np.eye(3),))
    case = Case(TABLE["cholesky"], sample.args, {}, 20, sample)
    conformance.check_complex(case, (v + hermitian(v),))


def hermitian(x):
    return np.conj(np.swapaxes(x, -1, -2))
