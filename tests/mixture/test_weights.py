"""Rows that weigh more, rows whose component is known, and parameters that stay as they are."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mixgrad._errors import DataError
from mixgrad.mixture import GaussianMixture

STARTS = ("kmeans", "k-means++", "random", "random_from_data")


def same(one, other):
    """Whether two models are the same bit by bit."""
    names = ("weights_", "means_", "covariances_", "lower_bounds_")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.fixture
def counts(table, rng):
    return rng.integers(0, 4, size=len(table))


# The two laws of weights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("init_params", STARTS)
def test_a_weight_is_a_number_of_repetitions(table, counts, rng, covariance_type, init_params):
    options = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 1, "max_iter": 300}
    repeated = np.repeat(table, counts, axis=0)
    weighted = GaussianMixture(3, **options).fit(table, sample_weight=counts)
    for rows in (repeated, rng.permutation(repeated)):
        assert same(GaussianMixture(3, **options).fit(rows), weighted)


@pytest.mark.parametrize("init_params", STARTS)
def test_a_weight_of_zero_is_a_row_removed(table, rng, covariance_type, init_params):
    options = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 1, "max_iter": 300}
    kept = rng.random(len(table)) < 0.7
    strange = np.where(kept[:, None], table, 1e6)
    weighted = GaussianMixture(3, **options).fit(strange, sample_weight=kept.astype(float))
    assert same(GaussianMixture(3, **options).fit(table[kept]), weighted)


@pytest.mark.parametrize("init_params", ["kmeans", "k-means++"])
def test_the_laws_hold_with_the_starts_of_the_peer(table, counts, covariance_type, init_params):
    options = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 1, "reg_covar": 1e-6}
    weighted = GaussianMixture(3, **options).fit(table, sample_weight=counts)
    repeated = GaussianMixture(3, **options).fit(np.repeat(table, counts, axis=0))
    np.testing.assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=1e-10)
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-7, atol=1e-8)


def test_the_unit_of_weights_does_not_matter(table, counts, covariance_type):
    options = {"covariance_type": covariance_type, "random_state": 1}
    one, other = (GaussianMixture(3, **options).fit(table, sample_weight=unit * counts) for unit in (1.0, 2.0**-30))
    np.testing.assert_allclose(one.lower_bounds_, other.lower_bounds_, rtol=1e-9)
    np.testing.assert_allclose(one.means_, other.means_, rtol=1e-6)


def test_weights_near_the_end_of_the_numbers(table, counts, covariance_type):
    options = {"covariance_type": covariance_type, "random_state": 1}
    model = GaussianMixture(3, **options).fit(table, sample_weight=counts)
    for power in (-1000, 1000):
        assert same(GaussianMixture(3, **options).fit(table, sample_weight=np.ldexp(counts, power)), model)


def test_scores_and_criteria_count_rows_by_weight(table, counts, covariance_type):
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(table)
    repeated = np.repeat(table, counts, axis=0)
    for method in ("score", "bic", "aic"):
        weighted = getattr(model, method)(table, sample_weight=counts)
        assert weighted == pytest.approx(getattr(model, method)(repeated), rel=1e-12), method


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"sample_weight.shape == \(2,\), expected"),
        (-1.0, "Negative values in data passed to sample_weight"),
        (0.0, "at least one non-zero number"),
        (np.nan, "NaN or infinity"),
        ("heavy", "sample_weight"),
        (1e307, "sum of the sample weights overflows"),
    ],
)
def test_weights_that_are_none(table, weights, message):
    weights = weights if isinstance(weights, list) else np.full(len(table), weights)
    with pytest.raises(DataError, match=message):
        GaussianMixture(2).fit(table, sample_weight=weights)
    with pytest.raises(DataError, match=message):
        GaussianMixture(2, random_state=0).fit(table).score(table, sample_weight=weights)


def test_weights_are_routed_through_pipelines_and_searches(table, counts):
    with config_context(enable_metadata_routing=True):
        weighted = GaussianMixture(2, covariance_type="spherical", random_state=0).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), weighted)
        pipeline.fit(table, sample_weight=counts)
        scaled = StandardScaler().fit_transform(table)
        expected = clone(weighted).fit(scaled, sample_weight=counts)
        assert same(pipeline[-1], expected)
        search = GridSearchCV(weighted.set_score_request(sample_weight=True), {"n_components": [1, 2]}, cv=2)
        search.fit(table, sample_weight=counts)
        assert search.best_score_ == max(search.cv_results_["mean_test_score"])


# Known components -----------------------------------------------------------------------------------------------------


def test_known_components_are_fitted_in_closed_form(table, rng):
    labels = rng.integers(3, size=len(table))
    model = GaussianMixture(3).fit(table, labels)
    groups = [table[labels == k] for k in range(3)]
    np.testing.assert_allclose(model.weights_, np.bincount(labels) / len(table), rtol=1e-12)
    np.testing.assert_allclose(model.means_, [group.mean(axis=0) for group in groups], rtol=1e-11)
    np.testing.assert_allclose(model.covariances_, [np.cov(group.T, ddof=0) for group in groups], rtol=1e-10)
    assert (model.n_iter_, model.converged_) == (1, True)
    laws = [multivariate_normal(mean, matrix) for mean, matrix in zip(model.means_, model.covariances_, strict=True)]
    joint = [np.log(model.weights_[k]) + laws[k].logpdf(row) for k, row in zip(labels, table, strict=True)]
    assert model.lower_bound_ == pytest.approx(np.mean(joint), rel=1e-12)


def test_known_components_and_weights(table, counts, rng, covariance_type):
    labels = rng.integers(3, size=len(table))
    options = {"covariance_type": covariance_type}
    weighted = GaussianMixture(3, **options).fit(table, labels, sample_weight=counts)
    repeated = GaussianMixture(3, **options).fit(np.repeat(table, counts, axis=0), np.repeat(labels, counts))
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-10)
    np.testing.assert_allclose(weighted.covariances_, repeated.covariances_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("start", ["given", "warm"])
def test_known_components_keep_what_is_fixed_and_nothing_else_of_a_start(table, start, covariance_type):
    labels = np.arange(len(table)) % 3
    first = GaussianMixture(3, covariance_type=covariance_type, random_state=0, warm_start=True).fit(table)
    means, weights = first.means_.copy(), first.weights_.copy()
    options = {"weights_init": first.weights_, "means_init": first.means_, "precisions_init": first.precisions_}
    model = first if start == "warm" else GaussianMixture(3, covariance_type=covariance_type, **options)
    assert same(clone(model).fit(table, labels), GaussianMixture(3, covariance_type=covariance_type).fit(table, labels))
    with pytest.raises(DataError, match="'means_init' should have the shape"):
        clone(model).set_params(means_init=[0.0]).fit(table, labels)
    model.set_params(fixed={"means", "weights"}).fit(table, labels)
    np.testing.assert_allclose(model.means_, means, rtol=1e-12)
    np.testing.assert_allclose(model.weights_, weights, rtol=1e-12)
    scatter = np.stack([(table[labels == k] - means[k]).T @ (table[labels == k] - means[k]) for k in range(3)])
    counts, n_features = np.bincount(labels), table.shape[1]
    expected = {
        "full": scatter / counts[:, None, None],
        "tied": scatter.sum(axis=0) / len(table),
        "diag": np.diagonal(scatter, axis1=1, axis2=2) / counts[:, None],
        "spherical": np.trace(scatter, axis1=1, axis2=2) / (n_features * counts),
    }
    np.testing.assert_allclose(model.covariances_, expected[covariance_type], rtol=1e-9)


def test_partly_known_components_keep_their_names(rng, covariance_type):
    truth = rng.integers(3, size=300)
    places = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])[truth]
    X = places + rng.normal(size=(300, 2))
    known = np.where(rng.random(300) < 0.1, truth, -1)
    model = GaussianMixture(3, covariance_type=covariance_type, tol=1e-8, max_iter=500).fit(X, known)
    assert np.mean(model.predict(X) == truth) > 0.98
    assert np.all(np.diff(model.lower_bounds_) >= -1e-12)
    # What is known is counted as known: the bound is that of the joint density there.
    laws = [multivariate_normal(mean) for mean in model.means_]
    if covariance_type == "full":
        laws = [multivariate_normal(*pair) for pair in zip(model.means_, model.covariances_, strict=True)]
        joint = np.stack([law.logpdf(X) for law in laws], axis=1) + np.log(model.weights_)
        rows = np.where(known < 0, np.log(np.exp(joint).sum(axis=1)), joint[np.arange(300), known])
        assert model.lower_bound_ == pytest.approx(rows.mean(), abs=1e-7)


def test_weights_count_known_rows_when_the_others_are_given_to_the_nearest(rng):
    X = np.r_[[0.0, 3.0, 10.0, 12.0], np.round(rng.uniform(0.0, 12.0, size=30), 3)][:, None]
    known, counts = np.r_[0, 0, 1, 1, np.full(30, -1)], np.r_[1, 40, 1, 1, np.ones(30, dtype=int)]
    weighted = GaussianMixture(2, max_iter=0).fit(X, known, sample_weight=counts)
    repeated = GaussianMixture(2, max_iter=0).fit(np.repeat(X, counts, axis=0), np.repeat(known, counts))
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-10)


def test_known_rows_without_weight_are_not_there(table):
    known, weights = np.r_[1, np.full(len(table) - 1, -1)], np.r_[0.0, np.ones(len(table) - 1)]
    model = GaussianMixture(2, random_state=0).fit(table, known, sample_weight=weights)
    assert same(GaussianMixture(2, random_state=0).fit(table[1:]), model)


def test_a_component_of_which_no_row_is_known_is_found(rng):
    truth = rng.integers(3, size=300)
    X = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])[truth] + rng.normal(size=(300, 2))
    known = np.where((truth < 2) & (rng.random(300) < 0.2), truth, -1)
    model = GaussianMixture(3).fit(X, known)
    assert np.mean(model.predict(X) == truth) > 0.98


def test_labels_that_are_none(table):
    plain = GaussianMixture(2, random_state=0).fit(table)
    for y in (np.linspace(0.0, 1.0, len(table)), np.full(len(table), "a"), np.full(len(table), -1), None):
        assert same(GaussianMixture(2, random_state=0).fit(table, y), plain)
    with pytest.warns(UserWarning, match=r"integers from 1 to 2.*0 to 1, or -1 for unknown.*ignored") as caught:
        assert same(GaussianMixture(2, random_state=0).fit(table, np.arange(len(table)) % 2 + 1), plain)
    assert caught[0].filename == __file__


# Fixed parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixed", [{"weights"}, {"means"}, {"covariances"}, {"weights", "covariances"}, "means"])
def test_fixed_parameters_stay(table, covariance_type, fixed):
    start = GaussianMixture(3, covariance_type=covariance_type, random_state=0, tol=1.0).fit(table)
    options = {
        "covariance_type": covariance_type,
        "weights_init": [0.2, 0.3, 0.5],
        "means_init": start.means_,
        "precisions_init": start.precisions_,
    }
    model = GaussianMixture(3, fixed=fixed, tol=1e-9, max_iter=2000, **options).fit(table)
    expected = {"weights": [0.2, 0.3, 0.5], "means": start.means_, "covariances": start.covariances_}
    for name, values in expected.items():
        if name in fixed:
            np.testing.assert_allclose(getattr(model, f"{name}_"), values, rtol=1e-9, atol=1e-10)
        else:
            assert np.max(np.abs(getattr(model, f"{name}_") - values)) > 1e-6
    assert np.all(np.diff(model.lower_bounds_) >= -1e-12)


def test_fixed_may_be_any_collection_of_names(table):
    options = {"means_init": table[:3], "weights_init": [0.2, 0.3, 0.5], "random_state": 0, "max_iter": 300}
    models = [
        GaussianMixture(3, fixed=fixed, **options).fit(table)
        for fixed in ({"means", "weights"}, ["weights", "means"], np.array(["means", "weights"]))
    ]
    assert same(models[0], models[1])
    assert same(models[0], models[2])


def test_criteria_count_what_is_estimated(table, covariance_type):
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0, warm_start=True).fit(table)
    free = model._n_parameters()
    n_features = table.shape[1]
    for fixed, count in (("weights", 2), ("means", 3 * n_features), ({"weights", "means"}, 2 + 3 * n_features)):
        model.set_params(fixed=fixed).fit(table)
        assert model.aic(table) == pytest.approx(-2.0 * len(table) * model.score(table) + 2.0 * (free - count))


def test_means_only_is_the_lecture(rng):
    # Known spherical variances and equal weights: EM for means alone, in a line of NumPy.
    X = np.r_[rng.normal(-2.0, 1.0, 80), rng.normal(3.0, 1.0, 120)][:, None]
    options = {"means_init": [[-1.0], [1.0]], "precisions_init": [1.0, 1.0], "covariance_type": "spherical"}
    model = GaussianMixture(2, fixed={"weights", "covariances"}, tol=0.0, max_iter=400, **options).fit(X)
    means = np.array([-1.0, 1.0])
    for _ in range(400):
        shares = np.exp(-0.5 * (X - means) ** 2)
        shares /= shares.sum(axis=1, keepdims=True)
        means = (shares * X).sum(axis=0) / shares.sum(axis=0)
    np.testing.assert_allclose(model.means_[:, 0], means, rtol=1e-9)
    np.testing.assert_array_equal(model.weights_, [0.5, 0.5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fixed": {"mean"}}, "fixed should name some of weights, means, covariances, but got mean"),
        ({"fixed": {"means"}}, "fixed='means' keeps the means at their start, so it needs means_init"),
        ({"fixed": ["covariances"]}, "needs precisions_init"),
    ],
)
def test_bad_fixed(options, message, table):
    with pytest.raises(DataError, match=message):
        GaussianMixture(2, **options).fit(table)
