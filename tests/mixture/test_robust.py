"""Tables that break other mixtures: every one gives a model, or is refused before any work."""

import signal
import threading
import warnings

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as Peer

import mixgrad as mg
from mixgrad._errors import CollapseWarning
from mixgrad.mixture import GaussianMixture, em, fitting, sweep
from mixgrad.mixture.em import Problem, Status
from mixgrad.mixture.gaussian import COVARIANCES


def base():
    rng = np.random.default_rng(0)
    return np.vstack(
        [
            rng.normal(size=(60, 3)),
            rng.normal(size=(50, 3)) * [0.5, 2.0, 1.0] + [6.0, 0.0, 3.0],
            rng.normal(size=(40, 3)) + np.array([0.0, 7.0, -5.0]),
        ]
    )


X = base()
OUTLIER = np.array([[1e12, 1e12, -1e12]])
# Table and number of components, by name.
CASES = {
    "offset": (X + 1e8, 3),
    "small": (X * 1e-4, 3),
    "mixed units": (X * [1e-6, 1.0, 1e5], 3),
    "repeated rows": (np.repeat(X, 3, axis=0), 3),
    "a constant column": (np.c_[X, np.full(150, 7.0)], 3),
    "constant": (np.full((20, 3), 2.5), 3),
    "zeros": (np.zeros((10, 2)), 2),
    "mostly zeros": (np.where(np.random.default_rng(1).random((150, 3)) < 0.7, 0.0, X), 3),
    "fewer distinct rows than components": (np.repeat(X[:2], 10, axis=0), 5),
    "as many distinct rows as components": (np.repeat(X[:3], 10, axis=0), 3),
    "as many rows as components": (X[:5], 5),
    "two rows": (X[:2], 1),
    "more columns than rows": (np.random.default_rng(2).normal(size=(6, 10)), 2),
    "more columns than rows, as many components": (np.random.default_rng(2).normal(size=(4, 10)), 4),
    "collinear columns": (np.c_[X, X @ [1.0, 2.0, 3.0]], 3),
    "one outlier": (np.vstack([X, OUTLIER]), 4),
    "two outliers": (np.vstack([X, OUTLIER * [1, 0, 0], OUTLIER * [0, -1, 0]]), 3),
    "integers": (np.round(X), 4),
    "subnormal": (X * 1e-310, 3),
    "tiny": (X * 1e-200, 3),
    "huge": (X * 1e140, 3),
}
SINGLE = {
    "offset": (X + 1e3, 3),
    "subnormal": (X * 1e-41, 3),
    "tiny": (X * 1e-30, 3),
    "huge": (X * 1e16, 3),
}


@pytest.mark.parametrize("init_params", ["kmeans", pytest.param("random", marks=pytest.mark.long)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_every_table_gives_a_model(name, dtype, covariance_type, init_params):
    table, n_components = SINGLE.get(name, CASES[name]) if dtype == np.float32 else CASES[name]
    options = {"covariance_type": covariance_type, "init_params": init_params, "max_iter": 100}
    with np.errstate(under="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of collapse, of convergence, of k-means with few distinct rows
        table = table.astype(dtype)
        model = GaussianMixture(n_components, random_state=0, tol=1e-5, **options).fit(table)
    for values in (model.weights_, model.means_, model.covariances_, model.predict_proba(table)):
        assert np.all(np.isfinite(values))
        assert values.dtype == dtype
    assert np.isfinite(model.score(table))
    assert COVARIANCES[covariance_type].is_positive(model.covariances_.astype(np.float64))
    assert np.min(np.diff(model.lower_bounds_), initial=0.0) >= -1e-12 * max(1.0, abs(model.lower_bound_))


@pytest.mark.parametrize("name", ["constant", "as many rows as components", "more columns than rows", "one outlier"])
def test_components_that_collapse_are_named(name):
    table, n_components = CASES[name]
    with pytest.warns(CollapseWarning, match="component"):
        model = GaussianMixture(n_components, random_state=0).fit(table)
    assert model.diagnostics_
    for found in model.diagnostics_:
        assert found.kind in ("collapsed", "empty")
        assert f"component {found.component}" in found.message


def test_a_single_row_beside_many_equal_ones_is_a_component():
    with pytest.warns(CollapseWarning, match=r"component 0 \(1e\+05 rows\).*component 1 \(1 rows\) shrank"):
        GaussianMixture(2, random_state=0).fit([[0.0], [1.0]], sample_weight=[100_000.0, 1.0])


def test_an_outlier_has_a_component_and_the_others_fit_as_without_it():
    with pytest.warns(CollapseWarning):
        model = GaussianMixture(4, random_state=0, tol=1e-8, max_iter=500).fit(np.vstack([X, OUTLIER]))
    without = GaussianMixture(3, random_state=0, tol=1e-8, max_iter=500).fit(X)
    labels = model.predict(np.vstack([X, OUTLIER]))
    assert np.sum(labels == labels[-1]) == 1
    others = np.delete(np.arange(4), labels[-1])
    order = np.argsort(model.means_[others, 0] + model.means_[others, 1])
    expected = np.argsort(without.means_[:, 0] + without.means_[:, 1])
    np.testing.assert_allclose(model.means_[others][order], without.means_[expected], rtol=1e-5, atol=1e-5)


def test_single_precision_refuses_what_its_variances_cannot_hold():
    with pytest.raises(ValueError, match=r"variance overflows\. Scale the input data"):
        GaussianMixture(2).fit((X * 1e37).astype(np.float32))


# Units ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "random", "random_from_data"])
@pytest.mark.parametrize("units", [1e-4, [1e-6, 1.0, 1e5]], ids=["one", "mixed"])
def test_units_change_nothing_but_the_likelihood(covariance_type, init_params, units):
    if covariance_type == "spherical" and np.ndim(units):
        units = 1e7  # one variance for all columns: they have one unit
    units = np.ones(3) * units
    options = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 3, "tol": 1e-7}
    one, other = (GaussianMixture(3, max_iter=1000, **options).fit(table) for table in (X, X * units))
    assert one.n_iter_ == other.n_iter_
    np.testing.assert_array_equal(other.predict(X * units), one.predict(X))
    np.testing.assert_allclose(other.means_ / units, one.means_, rtol=1e-7, atol=1e-9)
    assert other.score(X * units) + np.sum(np.log(units)) == pytest.approx(one.score(X), abs=1e-9)


@pytest.mark.parametrize("init_params", ["kmeans", "k-means++", "random", "random_from_data"])
def test_order_of_rows_changes_nothing(covariance_type, init_params):
    order = np.random.default_rng(5).permutation(len(X))
    options = {"covariance_type": covariance_type, "init_params": init_params, "random_state": 3, "max_iter": 300}
    one, other = (GaussianMixture(3, **options).fit(table) for table in (X, X[order]))
    np.testing.assert_array_equal(one.means_, other.means_)
    np.testing.assert_array_equal(one.predict(X)[order], other.predict(X[order]))


def test_rotations_change_nothing_but_the_frame():
    rotation = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    labels = np.random.default_rng(6).integers(3, size=len(X))
    start = {"weights_init": np.full(3, 1 / 3), "means_init": np.array([X[labels == k].mean(axis=0) for k in range(3)])}
    turned = {**start, "means_init": start["means_init"] @ rotation, "precisions_init": [np.eye(3)] * 3}
    start["precisions_init"] = [np.eye(3)] * 3
    options = {"tol": 1e-8, "max_iter": 1000}
    one, other = (
        GaussianMixture(3, **options, **start).fit(X),
        GaussianMixture(3, **options, **turned).fit(X @ rotation),
    )
    np.testing.assert_allclose(other.lower_bounds_, one.lower_bounds_, rtol=1e-10)
    np.testing.assert_allclose(other.means_, one.means_ @ rotation, rtol=1e-6, atol=1e-8)


# Bits -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_the_same_bits_for_any_number_of_threads(covariance_type, compiled, monkeypatch):
    monkeypatch.setattr(sweep, "WORTH_COMPILING", 0 if compiled else 10**9)
    rng = np.random.default_rng(0)
    table = np.tile(X, (400 if compiled else 4, 1))
    table += 0.1 * rng.normal(size=table.shape)
    results = []
    for count in (1, 2, 5):
        with mg.threads(count):
            model = GaussianMixture(3, covariance_type=covariance_type, init_params="random_from_data", random_state=0)
            model.fit(table)
            results.append((model.lower_bounds_, model.means_.tobytes(), model.covariances_.tobytes()))
    assert results[0] == results[1] == results[2]


# Interruption ---------------------------------------------------------------------------------------------------------


def test_an_interrupted_fit_leaves_a_usable_model():
    model = GaussianMixture(3, random_state=0, init_params="random", tol=0.0, max_iter=10_000)

    def interrupt(start, iteration, lower_bound, parameters):
        if iteration == 7:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        model._fit(X, observe=interrupt)
    assert (model.n_iter_, model.converged_, model.interrupted_) == (7, False, True)
    assert model.predict_proba(X).shape == (150, 3)
    again = GaussianMixture(3, random_state=0, init_params="random", tol=0.0, max_iter=7)
    with pytest.warns(UserWarning, match="did not converge"):
        again.fit(X)
    np.testing.assert_array_equal(model.means_, again.means_)
    assert not again.interrupted_


def test_a_run_that_is_interrupted_says_so():
    problem = Problem.of(X, COVARIANCES["full"])
    start, _ = em.labelled(problem, np.arange(len(X)) % 2, 2)

    def interrupt(state):
        raise KeyboardInterrupt

    fit = em.run(problem, start, 0.0, 50, observe=interrupt)
    assert (fit.status, fit.n_iter) == (Status.INTERRUPTED, 1)


# Refused --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        [[np.nan, 1.0], [1.0, 2.0]],
        [[np.inf, 1.0], [1.0, 2.0]],
        [["a", "b"], ["c", "d"]],
        np.empty((0, 2)),
        np.empty((5, 0)),
        [1.0, 2.0, 3.0],
        np.zeros((2, 2, 2)),
        [[1.0, 2.0]],
        [[1.0 + 1j, 2.0], [0.0, 1.0]],
        None,
        3.0,
    ],
    ids=lambda table: repr(table)[:30],
)
def test_what_is_no_table_is_refused_in_the_words_of_the_peer(table):
    with pytest.raises((ValueError, TypeError)) as theirs:
        Peer(1).fit(table)
    with pytest.raises(type(theirs.value)) as ours:
        GaussianMixture(1).fit(table)
    assert str(ours.value).split("\n")[0] == str(theirs.value).split("\n")[0]


def test_interrupted_starts_leave_a_usable_model(monkeypatch):
    calls, solve, main = iter(range(10**6)), fitting.solve, threading.main_thread().ident

    def interrupted(*args, observe, **options):
        def watch(state):
            if next(calls) == 40:
                signal.pthread_kill(main, signal.SIGINT)
            observe(state)

        return solve(*args, observe=watch, **options)

    monkeypatch.setattr(fitting, "solve", interrupted)
    model = GaussianMixture(3, n_init=8, random_state=0, init_params="random", tol=0.0, max_iter=200_000)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.interrupted_
    assert not model.converged_
    assert np.isfinite(model.score(X))
