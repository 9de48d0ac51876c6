"""The same iterations as scikit-learn's from the same start."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as Peer

from mixgrad.mixture import GaussianMixture

ATTRIBUTES = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")
TABLES = ("faithful", "iris", "one column", "clusters", "no structure")


def both(X, **options):
    options = {"reg_covar": 1e-6} | options  # the peer's default
    return GaussianMixture(**options).fit(X), Peer(**options).fit(X)


def assert_same_course(ours, theirs, first=0):
    assert (ours.n_iter_, ours.converged_) == (theirs.n_iter_, theirs.converged_)
    np.testing.assert_allclose(ours.lower_bounds_[first:], theirs.lower_bounds_[first:], rtol=0.0, atol=1e-9)
    assert ours.lower_bound_ == pytest.approx(theirs.lower_bound_, abs=1e-9)


def assert_same_parameters(ours, theirs):
    for name in ATTRIBUTES:
        values, expected = getattr(ours, name), getattr(theirs, name)
        assert values.dtype == expected.dtype
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("n_components", [1, 2, 3])
@pytest.mark.parametrize("init_params", ["kmeans", "random"])
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_same_course_from_labels(tables, name, covariance_type, init_params, n_components):
    options = {"covariance_type": covariance_type, "init_params": init_params, "n_components": n_components}
    ours, theirs = both(tables[name], **options, random_state=3, max_iter=60)
    assert_same_course(ours, theirs)
    assert_same_parameters(ours, theirs)
    np.testing.assert_array_equal(ours.predict(tables[name]), theirs.predict(tables[name]))


@pytest.mark.parametrize("init_params", ["k-means++", "random_from_data"])
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_same_course_from_single_rows(tables, covariance_type, init_params):
    # The peer's weights sum to K / n in such a start: its first bound is low by log(n / K), the others are the same.
    X, options = tables["clusters"], {"covariance_type": covariance_type, "init_params": init_params}
    ours, theirs = both(X, **options, n_components=4, random_state=2)
    # (Of its 1e6 nats that first bound of the peer has seven digits: variances of 1e-6 from raw second moments.)
    assert ours.lower_bounds_[0] == pytest.approx(theirs.lower_bounds_[0] + np.log(len(X) / 4), rel=1e-5)
    assert_same_course(ours, theirs, first=1)
    assert_same_parameters(ours, theirs)


@pytest.mark.parametrize("init_params", ["k-means++", "random_from_data"])
def test_single_rows_with_tied_covariance_start_from_the_rows_alone(tables, init_params):
    # Documented difference: the peer's covariance counts also the rows without label, about the origin.
    options = {"n_components": 3, "init_params": init_params, "random_state": 2, "max_iter": 0, "reg_covar": 1e-6}
    model = GaussianMixture(covariance_type="tied", **options).fit(tables["clusters"])
    peer = Peer(covariance_type="tied", **options).fit(tables["clusters"])
    np.testing.assert_allclose(model.means_, peer.means_, rtol=1e-12)
    np.testing.assert_allclose(model.covariances_, 1e-6 * np.eye(5), rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("given", [("weights",), ("means",), ("precisions",), ("weights", "means", "precisions")])
def test_same_course_from_given_parameters(tables, covariance_type, given):
    X = tables["clusters"]
    start = Peer(3, covariance_type=covariance_type, random_state=1, tol=1.0).fit(X)
    options = {f"{name}_init": getattr(start, f"{name}_") for name in given}
    ours, theirs = both(X, n_components=3, covariance_type=covariance_type, random_state=5, tol=1e-6, **options)
    assert_same_course(ours, theirs)
    assert_same_parameters(ours, theirs)


def test_best_of_several_starts(tables, covariance_type):
    options = {"n_components": 4, "covariance_type": covariance_type, "n_init": 4, "init_params": "random"}
    ours, theirs = both(tables["iris"], **options, random_state=0, max_iter=200)
    assert_same_course(ours, theirs)
    assert_same_parameters(ours, theirs)


def test_warm_start_continues(tables, covariance_type):
    options = {"n_components": 3, "covariance_type": covariance_type, "random_state": 0, "tol": 0.0, "reg_covar": 1e-6}
    ours, theirs = (model(**options, max_iter=4, warm_start=True) for model in (GaussianMixture, Peer))
    for _ in range(3):
        with pytest.warns(UserWarning, match="did not converge"):
            ours.fit(tables["iris"])
        with pytest.warns(UserWarning, match="did not converge"):
            theirs.fit(tables["iris"])
        assert_same_course(ours, theirs)
        assert_same_parameters(ours, theirs)


def test_no_iterations_return_the_start(tables, covariance_type):
    ours, theirs = both(tables["iris"], n_components=3, covariance_type=covariance_type, random_state=0, max_iter=0)
    assert_same_parameters(ours, theirs)
    assert (ours.n_iter_, ours.converged_, ours.lower_bounds_) == (0, False, [])
    assert ours.lower_bound_ == -np.inf


def test_same_results_of_methods(tables, covariance_type):
    X = tables["faithful"]
    ours, theirs = both(X, n_components=2, covariance_type=covariance_type, random_state=0)
    for method in ("score_samples", "predict_proba", "predict", "score", "bic", "aic"):
        np.testing.assert_allclose(getattr(ours, method)(X), getattr(theirs, method)(X), rtol=1e-8, atol=1e-10)
    for mine, other in zip(ours.sample(50), theirs.sample(50), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6)
        assert mine.dtype == other.dtype


def test_single_precision_keeps_its_dtype(tables, covariance_type):
    X = tables["iris"].astype(np.float32)
    options = {"n_components": 3, "covariance_type": covariance_type, "random_state": 0, "reg_covar": 1e-6}
    ours, theirs = both(X, **options)
    for name in ATTRIBUTES:
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype == np.float32
    assert ours.score_samples(X).dtype == ours.predict_proba(X).dtype == np.float32
    # Computed in double precision: only the stored numbers are rounded.
    exact = GaussianMixture(**options).fit(X.astype(np.float64))
    assert ours.lower_bounds_ == exact.lower_bounds_
    np.testing.assert_array_equal(ours.means_, exact.means_.astype(np.float32))
