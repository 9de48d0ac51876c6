"""`KMeans` against scikit-learn's class, and what must not change its clusters."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans as Reference
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

import mixgrad as mg
from mixgrad import DataError
from mixgrad.mixture import KMeans, hard

from .conftest import clusters

SHUFFLED = "rows are shuffled there, and starts are drawn by the places of rows"
EXPECTED = dict.fromkeys(
    ["check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"], SHUFFLED
)


def named(options):
    """The options of a test in words that are the same in every process."""
    return ",".join(f"{name}={getattr(value, '__name__', value)}" for name, value in options.items()) or "defaults"


def evenly(X, n_clusters, random_state):
    """A start that does not depend on the order of the rows."""
    rows = X[np.lexsort(X.T)]
    return rows[np.linspace(0, len(rows) - 1, n_clusters).astype(int)]


def agree(X, n_clusters, sample_weight=None, **options):
    options = {"random_state": 0} | options
    ours, theirs = (kind(n_clusters, **options).fit(X, sample_weight=sample_weight) for kind in (KMeans, Reference))
    scale = np.abs(X).max()
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-10, atol=1e-10 * scale)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.labels_.dtype == np.int32
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-10, abs=1e-10 * scale**2)


def the_same(one, other):
    assert one.n_iter_ == other.n_iter_
    assert one.inertia_ == other.inertia_
    np.testing.assert_array_equal(one.cluster_centers_, other.cluster_centers_)


@pytest.fixture(autouse=True, scope="module")
def one_thread_of_openmp():
    """scikit-learn's threads wait for each other without rest: on processors in use a fit takes seconds."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def compiled(monkeypatch):
    """Compile for tables of any size; of 3 columns and 5 clusters, so that it is done once."""
    monkeypatch.setattr(hard, "WORTH_COMPILING", 0)


@pytest.fixture
def X(rng):
    return np.round(rng.normal(size=(600, 3)) * [3.0, 1.0, 0.5] + [1.0, -5.0, 0.0], 3)


# Against scikit-learn


@parametrize_with_checks([KMeans(3, n_init=1)], expected_failed_checks=lambda estimator: EXPECTED)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("container", ["dense", "sparse"])
def test_scikit_learn_checks_of_weights(container):
    check = getattr(estimator_checks, f"check_sample_weight_equivalence_on_{container}_data")
    check("KMeans", KMeans(3, init=evenly, n_init=1))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"init": "random", "n_init": 4},
        {"init": "random"},
        {"init": evenly, "n_init": 1},
        {"tol": 0.0},
        {"max_iter": 3},
        {"algorithm": "elkan"},
    ],
    ids=named,
)
def test_same_seed_same_clusters(tables, options):
    # Not those whose rows are equally far from several centres (iris): rounding decides in scikit-learn.
    for name in ("one column", "clusters", "no structure"):
        X = np.unique(tables[name], axis=0)  # what is drawn of repeated rows follows other rules here
        for n_clusters in (1, 2, 7):
            if n_clusters > 1 or "algorithm" not in options:
                agree(X, n_clusters, **options)


def test_same_clusters_compiled(X, compiled):
    agree(X, 5)
    agree(X, 5, init="random", n_init=3, tol=0.0)
    agree(X, 5, init=X[:5], max_iter=2)


def test_compiled_and_not(X, rng, monkeypatch):
    weights = rng.uniform(size=len(X))
    found = []
    for least in (0, 10**9):
        monkeypatch.setattr(hard, "WORTH_COMPILING", least)
        found.append(KMeans(5, random_state=3, tol=0.0).fit(X, sample_weight=weights))
    np.testing.assert_allclose(found[0].cluster_centers_, found[1].cluster_centers_, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found[0].labels_, found[1].labels_)
    assert found[0].score(X, sample_weight=weights) == pytest.approx(found[1].score(X, sample_weight=weights))


def test_wide_tables_compiled(rng, monkeypatch):
    # Columns that vectors could run along, in several parts.
    monkeypatch.setattr(hard, "WORTH_COMPILING", 0)
    agree(rng.normal(size=(200, 60)), 2)


def test_fractional_weights(X, rng):
    agree(X, 5, sample_weight=rng.uniform(size=len(X)), tol=0.0)
    agree(X, 5, sample_weight=rng.uniform(size=len(X)), tol=0.0, init="random", n_init=2)


def test_weights_of_zero_and_empty_clusters(X):
    # Starts far from all rows: their clusters are empty and get the rows farthest from their centres.
    init = np.vstack([X[:2], [[50.0, 0.0, 0.0], [0.0, 60.0, 0.0], [0.0, 0.0, 70.0]]])
    agree(X, 5, init=init)
    agree(X, 5, init=init, max_iter=1)
    agree(X, 5, init=np.repeat(X[:1], 5, axis=0))


def test_ties_go_to_the_lowest():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    agree(X, 2, init=np.array([[0.0], [4.0]]))
    agree(X, 3, init=np.array([[2.0], [2.0], [4.0]]), max_iter=1)
    model = KMeans(2, init=np.array([[0.0], [4.0]]), max_iter=1).fit(X)
    model.cluster_centers_ = np.array([[3.0], [1.0]])
    np.testing.assert_array_equal(model.predict(X), [1, 1, 0, 0, 0])


def test_predict_transform_and_score(X, rng):
    ours, theirs = (kind(5, random_state=0).fit(X) for kind in (KMeans, Reference))
    new, weights = rng.normal(size=(50, 3)), rng.uniform(size=50)
    np.testing.assert_array_equal(ours.predict(new), theirs.predict(new))
    np.testing.assert_array_equal(ours.predict(X), ours.labels_)
    np.testing.assert_allclose(ours.transform(new), theirs.transform(new), rtol=1e-10)
    np.testing.assert_allclose(clone(ours).fit_transform(X), ours.transform(X))
    np.testing.assert_array_equal(clone(ours).fit_predict(X), ours.labels_)
    assert ours.score(new, sample_weight=weights) == pytest.approx(theirs.score(new, sample_weight=weights))
    assert ours.score(X) == pytest.approx(-ours.inertia_)


def test_sparse_matrices(X):
    table = sparse.csr_matrix(np.where(np.abs(X) > 0.5, X, 0.0))
    model = KMeans(5, init=X[:5]).fit(table)
    dense = KMeans(5, init=X[:5]).fit(table.toarray())
    the_same(model, dense)
    np.testing.assert_array_equal(model.predict(table), dense.labels_)


def test_no_code_of_any_length(rng, monkeypatch):
    # Products of matrices so large are made by BLAS, in code for one number of rows.
    monkeypatch.setattr(hard, "WORTH_COMPILING", 0)
    agree(rng.normal(size=(300, 100)), 100, max_iter=3)


@pytest.mark.parametrize("max_iter", [2, 300])
def test_printed_progress(X, capsys, max_iter):
    printed = []
    for kind in (KMeans, Reference):
        kind(5, random_state=0, verbose=1, max_iter=max_iter).fit(X)
        printed.append([line.split("inertia")[0].split("shift")[0] for line in capsys.readouterr().out.splitlines()])
    assert printed[0] == printed[1]


def test_parameters_are_those_of_scikit_learn():
    assert KMeans().get_params() == Reference().get_params()


# Weights


@pytest.mark.parametrize("options", [{}, {"init": "random"}, {"init": evenly}], ids=named)
def test_the_laws_of_weights(X, rng, options):
    weights = rng.integers(0, 3, size=len(X))
    repeated = np.repeat(X, weights, axis=0)
    again = np.flatnonzero(weights == 2)
    models = [
        KMeans(5, random_state=1, **options).fit(X, sample_weight=weights),
        KMeans(5, random_state=1, **options).fit(repeated),
        KMeans(5, random_state=1, **options).fit(np.vstack([X[weights > 0], X[again]])),
    ]
    for other in models[1:]:
        the_same(models[0], other)
    np.testing.assert_array_equal(np.repeat(models[0].labels_, weights), models[1].labels_)


def test_the_laws_of_weights_compiled(X, rng, compiled):
    weights = rng.integers(0, 3, size=len(X))
    one = KMeans(5, random_state=1).fit(X, sample_weight=weights)
    the_same(one, KMeans(5, random_state=1).fit(np.repeat(X, weights, axis=0)))


def test_weights_are_checked(X):
    for call in (KMeans(2, random_state=0).fit, KMeans(2, random_state=0).fit(X).score):
        with pytest.raises(DataError, match="Negative values in data passed to sample_weight"):
            call(X, sample_weight=-np.ones(len(X)))


# What must not change the clusters


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_offsets(X, dtype):
    near = np.round(X * 1024) / 1024
    offset = 1e8 if dtype == np.float64 else 1e3
    one, other = (KMeans(5, random_state=0).fit(data.astype(dtype)) for data in (near, near + offset))
    assert one.n_iter_ == other.n_iter_
    np.testing.assert_array_equal(one.labels_, other.labels_)
    assert other.inertia_ == pytest.approx(one.inertia_, rel=1e-10)
    np.testing.assert_array_equal(other.predict((near + offset).astype(dtype)), other.labels_)
    np.testing.assert_allclose(
        other.cluster_centers_ - offset, one.cluster_centers_, atol=4.0 * np.spacing(dtype(offset))
    )
    distances = (model.transform(data.astype(dtype)) for model, data in ((one, near), (other, near + offset)))
    np.testing.assert_allclose(*distances, rtol=1e-4, atol=1e-7 if dtype == np.float64 else 1e-3)


@pytest.mark.parametrize("factor", [2.0**-300, 2.0**-13, 2.0**300])
def test_units(X, factor):
    one, other = (KMeans(5, random_state=0).fit(X * scale) for scale in (1.0, factor))
    assert one.n_iter_ == other.n_iter_
    np.testing.assert_array_equal(one.labels_, other.labels_)
    np.testing.assert_allclose(other.cluster_centers_ / factor, one.cluster_centers_, rtol=1e-14)


def test_order_of_rows(X, rng):
    order = rng.permutation(len(X))
    one, other = (KMeans(5, init=X[:5], tol=0.0).fit(data) for data in (X, X[order]))
    assert one.n_iter_ == other.n_iter_
    np.testing.assert_array_equal(one.labels_[order], other.labels_)
    np.testing.assert_allclose(one.cluster_centers_, other.cluster_centers_, rtol=1e-12)


def test_an_outlier_keeps_the_digits_of_others(rng):
    X = np.vstack([clusters(rng), [[1e12, 0.0, 0.0]]])
    model = KMeans(2, random_state=0).fit(X)
    np.testing.assert_array_equal(model.labels_[:-1], 1 - model.labels_[-1])
    np.testing.assert_allclose(model.cluster_centers_[model.labels_[0]], X[:-1].mean(axis=0), atol=1e-3)


def test_rows_that_cannot_have_changed_are_not_looked_at(rng, monkeypatch):
    looked_at, changed = [], []
    nearest, difference = hard.Table.nearest, hard.Table.difference

    def counted(table, centres, some=None):
        looked_at.append(len(table.rows) if some is None else len(some))
        return nearest(table, centres, some)

    def counted_changes(table, centres, labels, before, some):
        assert np.all(labels != before)
        changed.append(len(some))
        return difference(table, centres, labels, before, some)

    monkeypatch.setattr(hard.Table, "nearest", counted)
    monkeypatch.setattr(hard.Table, "difference", counted_changes)
    X = np.vstack([rng.normal(size=(300, 2)) + centre for centre in ([0, 0], [6, 0], [0, 6], [6, 6])])
    model = KMeans(4, init=X[:4], tol=0.0).fit(X)
    assert model.n_iter_ >= 5
    assert looked_at[0] == looked_at[-1] == len(X)  # at first, and for the labels in the end
    assert looked_at[-2] < len(X) / 5
    assert sum(changed) < 2 * len(X)


def test_number_of_threads(rng, compiled):
    X = rng.normal(size=(30_000, 3))
    models = []
    for count in (1, 2, 3):
        with mg.threads(count):
            models.append(KMeans(5, random_state=0, max_iter=20).fit(X))
    for other in models[1:]:
        the_same(models[0], other)
        np.testing.assert_array_equal(models[0].labels_, other.labels_)


def test_single_precision(X, monkeypatch):
    single = X.astype(np.float32)
    for least in (0, 10**9):
        monkeypatch.setattr(hard, "WORTH_COMPILING", least)
        one, other = (KMeans(5, random_state=0).fit(data) for data in (single, single.astype(np.float64)))
        assert one.cluster_centers_.dtype == one.transform(single).dtype == np.float32
        np.testing.assert_array_equal(one.labels_, other.labels_)
        np.testing.assert_allclose(one.cluster_centers_, other.cluster_centers_, rtol=1e-6)
        assert one.n_iter_ == other.n_iter_


# Tables at the edge


def test_as_many_clusters_as_rows(X):
    model = KMeans(20, random_state=0).fit(X[:20])
    assert model.inertia_ == 0.0
    np.testing.assert_array_equal(np.sort(model.labels_), np.arange(20))


@pytest.mark.parametrize("init", ["k-means++", "random", evenly])
@pytest.mark.parametrize("rows", [[[1.0, 2.0]] * 6, [[1.0, 2.0]] * 4 + [[3.0, 4.0]] * 2])
def test_fewer_distinct_rows_than_clusters(rows, init):
    found = len(np.unique(rows, axis=0))
    model = KMeans(4, random_state=0, init=init, n_init=1)
    with pytest.warns(ConvergenceWarning, match=rf"distinct clusters \({found}\) found smaller than n_clusters \(4\)"):
        model.fit(rows)
    assert model.inertia_ == 0.0
    np.testing.assert_array_equal(model.cluster_centers_[model.labels_], rows)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1.0], [np.nan]], "NaN"),
        ([[1.0], [np.inf]], "infinity"),
        ([["a"], ["b"]], "could not convert string to float"),
        (np.empty((0, 2)), "0 sample"),
        ([1.0, 2.0], "Expected 2D array, got 1D array"),
        ([[1.0]], "n_samples=1 should be >= n_clusters=2"),
        ([[1e300], [-1e300]], "variance overflows"),
    ],
)
def test_tables_that_cannot_be_used(X, message):
    with pytest.raises(ValueError, match=message):
        KMeans(2).fit(X)


@pytest.mark.parametrize("init", [np.zeros((3, 3)), lambda X, k, random_state: np.zeros((k, 2)), np.zeros((2, 2))])
def test_centres_of_the_wrong_shape(X, init):
    with pytest.raises(DataError, match="The shape of the initial centers"):
        KMeans(2, init=init, n_init=1).fit(X)


def test_warnings_about_arguments(X):
    with pytest.warns(RuntimeWarning, match="performing only one init in KMeans instead of n_init=3"):
        KMeans(2, init=X[:2], n_init=3).fit(X)
    with pytest.warns(RuntimeWarning, match="algorithm='elkan' doesn't make sense for a single cluster"):
        KMeans(1, algorithm="elkan").fit(X)
    for method in ("fit", "fit_predict"):
        with pytest.warns(RuntimeWarning) as caught:
            getattr(KMeans(1, init=X[:1], n_init=3, algorithm="elkan"), method)(X)
        assert [warning.filename for warning in caught] == [__file__] * 2


def test_wrong_use(X):
    with pytest.raises(NotFittedError):
        KMeans(2).predict(X)
    with pytest.raises(ValueError, match="X has 2 features, but KMeans is expecting 3 features"):
        KMeans(2).fit(X).predict(X[:, :2])


# scikit-learn's ways of using an estimator


def test_frames_searches_and_routing(X):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = KMeans(2, random_state=0).set_output(transform="pandas")
    distances = model.fit_transform(frame)
    assert list(distances.columns) == ["kmeans0", "kmeans1"]
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    search = GridSearchCV(KMeans(random_state=0), {"n_clusters": [2, 3]}, cv=2).fit(X)
    assert search.best_params_ == {"n_clusters": 3}
    with sklearn.config_context(enable_metadata_routing=True):
        routed = KMeans(2).set_fit_request(sample_weight=True)
        assert routed.get_metadata_routing().fit.requests == {"sample_weight": True}
