"""What must not change a fit: order, location, units, repetition, precision of storage."""

import numpy as np
import pytest

from mixgrad.mixture import GaussianMixture


def dyadic(X):
    """Multiples of 2^-16: sums with numbers up to 2^36 are exact."""
    return np.round(X * 2**16) / 2**16


def fit(X, covariance_type, **options):
    options = {"n_components": 3, "random_state": 0, "tol": 1e-4, "max_iter": 500} | options
    return GaussianMixture(covariance_type=covariance_type, **options).fit(X)


@pytest.fixture
def started(table, covariance_type):
    """Options that fix the whole start."""
    model = fit(table, covariance_type, tol=0.5)
    return {
        "weights_init": model.weights_,
        "means_init": model.means_,
        "precisions_init": model.precisions_,
        "covariance_type": covariance_type,
    }


@pytest.mark.parametrize("init_params", ["kmeans", "random", "k-means++", "random_from_data"])
def test_translation_by_1e8(table, covariance_type, init_params):
    X = dyadic(table)
    near, far = (fit(data, covariance_type, init_params=init_params) for data in (X, X + 1e8))
    assert near.n_iter_ == far.n_iter_
    np.testing.assert_allclose(far.lower_bounds_, near.lower_bounds_, rtol=1e-11)
    np.testing.assert_allclose(far.weights_, near.weights_, rtol=1e-9)
    np.testing.assert_allclose(far.covariances_, near.covariances_, rtol=1e-8, atol=1e-10)
    # float64 numbers near 1e8 are 1.5e-8 apart.
    np.testing.assert_allclose(far.means_ - 1e8, near.means_, rtol=0.0, atol=3e-8)
    assert far.score(X + 1e8) == pytest.approx(near.score(X), abs=1e-9)
    np.testing.assert_array_equal(far.predict(X + 1e8), near.predict(X))


def test_translation_of_a_rounded_table(table, covariance_type):
    # Adding 1e8 rounds these data; to the shifted data's own precision the fit is the same.
    near, far = (fit(data, covariance_type, init_params="random") for data in (table, table + 1e8))
    np.testing.assert_allclose(far.lower_bounds_, near.lower_bounds_, atol=1e-6)
    np.testing.assert_allclose(far.weights_, near.weights_, atol=1e-6)
    np.testing.assert_allclose(far.covariances_, near.covariances_, atol=1e-5)


def test_each_column_may_have_its_own_offset(table):
    shift = np.array([1e8, -3e6, 0.0])
    near, far = (fit(dyadic(table) + offset, "full") for offset in (0.0, shift))
    np.testing.assert_allclose(far.lower_bounds_, near.lower_bounds_, rtol=1e-11)
    np.testing.assert_allclose(far.covariances_, near.covariances_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40, 2.0**300])
def test_units(table, covariance_type, factor):
    one, other = (fit(data, covariance_type, reg_covar=0.0, init_params="random") for data in (table, table * factor))
    assert one.n_iter_ == other.n_iter_
    shift = table.shape[1] * np.log(factor)
    np.testing.assert_allclose(
        np.array(other.lower_bounds_) + shift, one.lower_bounds_, atol=1e-11 * max(1, abs(shift))
    )
    np.testing.assert_allclose(other.weights_, one.weights_, rtol=1e-9)
    np.testing.assert_allclose(other.means_ / factor, one.means_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(other.covariances_ / factor**2, one.covariances_, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "diag", "tied"])
def test_each_column_may_have_its_own_unit(table, covariance_type):
    units = np.array([1e-6, 1.0, 1e7])
    one, other = (fit(data, covariance_type, reg_covar=0.0, init_params="random") for data in (table, table * units))
    assert one.n_iter_ == other.n_iter_
    np.testing.assert_allclose(np.array(other.lower_bounds_) + np.log(units).sum(), one.lower_bounds_, atol=1e-9)
    np.testing.assert_allclose(other.means_ / units, one.means_, rtol=1e-7)


def test_order_of_rows(table, rng, started):
    order = rng.permutation(len(table))
    one, other = (GaussianMixture(3, tol=1e-5, max_iter=300, **started).fit(data) for data in (table, table[order]))
    np.testing.assert_allclose(other.lower_bounds_, one.lower_bounds_, rtol=1e-12)
    np.testing.assert_allclose(other.means_, one.means_, rtol=1e-9)
    np.testing.assert_allclose(other.covariances_, one.covariances_, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(other.predict(table[order]), one.predict(table)[order])


def test_order_of_components(table, started, covariance_type):
    order = [2, 0, 1]
    permuted = dict(started, weights_init=started["weights_init"][order], means_init=started["means_init"][order])
    if covariance_type != "tied":
        permuted["precisions_init"] = started["precisions_init"][order]
    one, other = (GaussianMixture(3, tol=1e-5, max_iter=300, **options).fit(table) for options in (started, permuted))
    np.testing.assert_allclose(other.lower_bounds_, one.lower_bounds_, rtol=1e-12)
    np.testing.assert_allclose(other.weights_, one.weights_[order], rtol=1e-9)
    np.testing.assert_allclose(other.means_, one.means_[order], rtol=1e-9, atol=1e-11)


def test_every_row_twice(table, started):
    one, other = (GaussianMixture(3, tol=1e-5, max_iter=300, **started).fit(np.tile(table, (k, 1))) for k in (1, 2))
    np.testing.assert_allclose(other.lower_bounds_, one.lower_bounds_, rtol=1e-12)
    np.testing.assert_allclose(other.covariances_, one.covariances_, rtol=1e-8, atol=1e-10)


def test_single_precision_with_an_offset(table, covariance_type):
    # float32 numbers near 1e3 are 6e-5 apart: the table is rounded, what is computed from it is not.
    X = (table + 1e3).astype(np.float32)
    single, double = (fit(data, covariance_type) for data in (X, X.astype(np.float64)))
    assert single.lower_bounds_ == double.lower_bounds_
    np.testing.assert_allclose(single.covariances_, double.covariances_, rtol=1e-6, atol=1e-6)
    assert single.score(X) == pytest.approx(double.score(X), abs=1e-4)


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda X: X[:, ::-1][:, ::-1], lambda X: X.tolist()])
def test_layout_of_the_table(table, covariance_type, layout):
    one, other = (fit(data, covariance_type) for data in (table, layout(table)))
    np.testing.assert_allclose(other.lower_bounds_, one.lower_bounds_, rtol=1e-13)


def test_same_seed_same_bits(table, covariance_type):
    one, other = (fit(table, covariance_type, init_params="random") for _ in range(2))
    assert one.lower_bounds_ == other.lower_bounds_
    np.testing.assert_array_equal(one.covariances_, other.covariances_)
