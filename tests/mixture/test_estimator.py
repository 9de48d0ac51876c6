"""The estimator as a citizen of scikit-learn: names, errors, composition, observers."""

import inspect
import pickle
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import polars
import pytest
from sklearn.base import clone, is_clusterer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture as Peer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import mixgrad.mixture
from mixgrad._errors import CollapseWarning, DataError, MixgradError
from mixgrad.mixture import GaussianMixture
from mixgrad.mixture.covariance import Covariance
from mixgrad.mixture.gaussian import COVARIANCES


@pytest.fixture
def X(tables):
    return tables["iris"]


@pytest.fixture
def model(X, covariance_type):
    return GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(X)


# Names ----------------------------------------------------------------------------------------------------------------


def test_constructor_has_the_same_parameters_and_defaults_and_some_more():
    ours, theirs = (list(inspect.signature(kind.__init__).parameters.values()) for kind in (GaussianMixture, Peer))
    expected = [p.replace(default=None) if p.name == "reg_covar" else p for p in theirs]
    assert [(p.name, p.default, p.kind) for p in ours[: len(theirs)]] == [(p.name, p.default, p.kind) for p in expected]


def test_methods_have_the_same_names_and_parameters_and_some_more():
    names = [name for name in dir(Peer) if not name.startswith("_")]
    assert set(names) <= set(dir(GaussianMixture))
    for name in names:
        if callable(getattr(Peer, name)):
            ours, theirs = (
                list(inspect.signature(getattr(kind, name)).parameters.values()) for kind in (GaussianMixture, Peer)
            )
            assert ours[: len(theirs)] == theirs, name


def test_fitted_attributes_have_the_same_names_and_shapes(model, X, covariance_type):
    peer = Peer(2, covariance_type=covariance_type, random_state=0).fit(X)
    assert {name for name in vars(model) if name.endswith("_")} >= {name for name in vars(peer) if name.endswith("_")}
    for name in vars(peer):
        if name.endswith("_") and name != "lower_bounds_":
            assert np.shape(getattr(model, name)) == np.shape(getattr(peer, name)), name


def test_documented_attributes_exist_and_existing_ones_are_documented(model, X):
    documented = re.findall(r"^    (\w+_) : ", inspect.getdoc(GaussianMixture).replace("\n", "\n    "), re.MULTILINE)
    assert {name for name in vars(model) if name.endswith("_")} | {"feature_names_in_"} == set(documented)


def test_number_of_parameters(model, X, covariance_type):
    assert model._n_parameters() == Peer(2, covariance_type=covariance_type).fit(X)._n_parameters()


def test_precisions_are_inverses_and_their_factor_is_upper_triangular(model, covariance_type):
    covariance = COVARIANCES[covariance_type]
    assert isinstance(covariance, Covariance)
    if covariance_type in ("full", "tied"):
        np.testing.assert_allclose(model.precisions_, np.linalg.inv(model.covariances_), rtol=1e-10, atol=1e-10)
        np.testing.assert_array_equal(model.precisions_cholesky_, np.triu(model.precisions_cholesky_))
    else:
        np.testing.assert_allclose(model.precisions_ * model.covariances_, 1.0, rtol=1e-13)
    np.testing.assert_allclose(covariance.precisions(model.precisions_cholesky_), model.precisions_, rtol=1e-13)


def test_only_the_estimator_needs_scikit_learn():
    modules = "checks covariance diagonal em gaussian likelihood matrix units"
    program = f"import sys; from mixgrad.mixture import {', '.join(modules.split())}; print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_the_package_names_what_it_lacks():
    with pytest.raises(AttributeError, match=r"module 'mixgrad\.mixture' has no attribute 'Mixture'"):
        mixgrad.mixture.Mixture  # noqa: B018


# Composition ----------------------------------------------------------------------------------------------------------


def test_clone_pickle_and_set_params(model, X):
    assert clone(model).get_params() == model.get_params()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.score_samples(X), model.score_samples(X))
    assert model.set_params(n_components=3).fit(X).means_.shape == (3, 4)
    assert not is_clusterer(model)


def test_arguments_are_stored_as_they_came(X):
    means = [[5.0, 3.0, 1.0, 0.2], [6.0, 3.0, 5.0, 2.0]]
    model = GaussianMixture(2, means_init=means, weights_init=(0.5, 0.5), random_state=0).fit(X)
    assert model.means_init is means
    assert model.weights_init == (0.5, 0.5)


def test_pipeline_and_grid_search(X):
    pipeline = make_pipeline(StandardScaler(), GaussianMixture(3, random_state=0))
    assert set(pipeline.fit_predict(X)) == {0, 1, 2}
    assert pipeline.predict_proba(X).shape == (150, 3)
    grid = {"n_components": [1, 2, 3], "covariance_type": ["full", "spherical"]}
    shuffled = np.random.default_rng(0).permutation(X)
    search, peer = (
        GridSearchCV(kind(random_state=0, reg_covar=1e-6), grid, cv=3).fit(shuffled) for kind in (GaussianMixture, Peer)
    )
    assert search.best_params_ == peer.best_params_
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], peer.cv_results_["mean_test_score"], atol=1e-6)


@pytest.mark.parametrize("frames", [pd, polars])
def test_names_of_columns(X, frames):
    frame = frames.DataFrame(dict(zip("abcd", X.T, strict=True)))
    model = GaussianMixture(2, random_state=0).fit(frame)
    assert list(model.feature_names_in_) == list("abcd")
    np.testing.assert_array_equal(model.predict(frame), model.fit_predict(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("dcba")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


def test_fit_predict_is_fit_and_predict(model, X):
    labels = clone(model).fit_predict(X)
    np.testing.assert_array_equal(labels, model.predict(X))
    np.testing.assert_array_equal(clone(model).set_params(max_iter=0).fit_predict(X), fitted_start(model, X).predict(X))


def fitted_start(model, X):
    return clone(model).set_params(max_iter=0).fit(X)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score", "score_samples", "bic", "aic"])
def test_unfitted(method, X):
    with pytest.raises(NotFittedError):
        getattr(GaussianMixture(), method)(X)
    with pytest.raises(NotFittedError):
        GaussianMixture().sample()


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"n_components": 0},
        {"n_components": 1.5},
        {"tol": -1.0},
        {"reg_covar": -1e-9},
        {"max_iter": -1},
        {"n_init": 0},
        {"init_params": "k_means"},
        {"covariance_type": "diagonal"},
        {"random_state": "zero"},
        {"warm_start": 3},
        {"verbose_interval": 0},
        {"means_init": 3.0},
    ],
    ids=lambda options: next(iter(options)),
)
def test_bad_arguments_are_refused_in_the_same_words(options, X):
    with pytest.raises(ValueError) as theirs:
        Peer(**options).fit(X)
    with pytest.raises(type(theirs.value)) as ours:
        GaussianMixture(**options).fit(X)
    # Sets of choices print in no fixed order; here reg_covar may be None, and n_init 'auto'.
    said = [str(error.value).replace(" or None", "") for error in (ours, theirs)]
    words = [sorted(re.findall(r"\w+", text.replace(" or a str among {'auto'}", ""))) for text in said]
    assert words[0] == words[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights_init": [0.5, 0.3, 0.2]}, r"'weights_init' should have the shape of \(2,\), but got \(3,\)"),
        (
            {"weights_init": [1.5, -0.5]},
            r"'weights_init' should be in the range \[0, 1\].*max value 1.5.*min value -0.5",
        ),
        ({"weights_init": [0.5, 0.4]}, r"'weights_init' should be normalized.*= 0.9. Divide"),
        ({"weights_init": ["a", "b"]}, "'weights_init' should hold real numbers, but got the dtype <U1"),
        ({"means_init": [[0.0] * 3] * 2}, r"'means_init' should have the shape of \(2, 4\), but got \(2, 3\)"),
        ({"means_init": [[0.0] * 4, [0.0] * 3]}, r"'means_init' should be an array of shape \(2, 4\)"),
        ({"means_init": [[0.0] * 4, [np.nan] * 4]}, "'means_init' holds NaN or infinity"),
        ({"precisions_init": np.eye(4)}, r"\(2, 4, 4\) for covariance_type='full', but got \(4, 4\)"),
        ({"precisions_init": [-np.eye(4)] * 2}, "'full precision' should be symmetric, positive-definite"),
        ({"precisions_init": [np.tri(4)] * 2}, "'full precision' should be symmetric, positive-definite"),
        ({"precisions_init": [[0.0] * 4] * 2, "covariance_type": "diag"}, "'diag precision' should be positive"),
        ({"precisions_init": [-1.0, 1.0], "covariance_type": "spherical"}, "'spherical precision' should be positive"),
        ({"precisions_init": np.zeros((4, 4)), "covariance_type": "tied"}, "'tied precision' should be symmetric, pos"),
    ],
)
def test_bad_starts(options, message, X):
    with pytest.raises(DataError, match=message):
        GaussianMixture(2, **options).fit(X)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([[1.0, np.nan], [1.0, 2.0]], "NaN"),
        ([[1.0, np.inf], [1.0, 2.0]], "infinity"),
        (np.empty((0, 2)), r"0 sample\(s\)"),
        (np.empty((5, 0)), r"0 feature\(s\)"),
        ([[1.0, 2.0]], r"1 sample\(s\)"),
        ([1.0, 2.0], "Expected 2D array"),
        ([["a", "b"], ["c", "d"]], "could not convert string"),
        ([[1.0, 2.0], [1.0, 2.5]], "Expected n_samples >= n_components but got n_components = 3, n_samples = 2"),
    ],
)
def test_bad_tables(table, message, covariance_type):
    with pytest.raises(ValueError, match=message):
        GaussianMixture(3, covariance_type=covariance_type).fit(table)


def test_wrong_number_of_columns(model, X):
    with pytest.raises(ValueError, match="X has 3 features, but GaussianMixture is expecting 4 features"):
        model.predict(X[:, :3])


@pytest.mark.filterwarnings("ignore::mixgrad._errors.CollapseWarning")
def test_two_rows_two_components(covariance_type):
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit([[0.0, 1.0], [3.0, 4.0]])
    np.testing.assert_allclose(np.sort(model.means_[:, 0]), [0.0, 3.0], atol=1e-12)


def test_sample_size(model):
    with pytest.raises(DataError, match=r"Invalid value for 'n_samples': 0 \. The sampling requires at least"):
        model.sample(0)
    rows, labels = model.sample()
    assert rows.shape == (1, 4)
    assert labels.shape == (1,)


def test_sample_has_the_moments_of_the_model(covariance_type):
    X = np.random.default_rng(5).normal(size=(50, 2)) * [1.0, 3.0]
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=1).fit(X)
    rows, labels = model.sample(40_000)
    assert np.all(np.diff(labels) >= 0)
    np.testing.assert_allclose(np.bincount(labels) / len(labels), model.weights_, atol=0.02)
    for k in range(2):
        np.testing.assert_allclose(rows[labels == k].mean(axis=0), model.means_[k], atol=0.15)


def test_warning_of_no_convergence(X):
    with pytest.warns(
        ConvergenceWarning, match=r"Best performing initialization did not converge\. Try different init"
    ) as caught:
        GaussianMixture(3, max_iter=2, tol=1e-12, random_state=0).fit(X)
    # The warning points at the line that called fit.
    assert caught[0].filename == __file__


def test_warm_start_refuses_another_shape(model, X):
    model.set_params(warm_start=True, n_components=3)
    with pytest.raises(DataError, match=r"warm_start continues from means of shape \(2, 4\).*Set warm_start=False"):
        model.fit(X)


# Observers and printing -----------------------------------------------------------------------------------------------


def test_observer_sees_every_iteration(X, covariance_type):
    seen = []
    model = GaussianMixture(2, covariance_type=covariance_type, n_init=2, random_state=0, init_params="random")
    model._fit(X, observe=lambda *report: seen.append(report))
    assert {start for start, *_ in seen} == {0, 1}
    courses = [[report for report in seen if report[0] == start] for start in (0, 1)]
    assert model.lower_bounds_ in [[bound for _, _, bound, _ in course] for course in courses]
    for course in courses:
        assert [iteration for _, iteration, _, _ in course] == list(range(1, len(course) + 1))
    for _, _, bound, parameters in seen[:: len(seen) // 4]:
        frozen = GaussianMixture.from_parameters(*parameters, covariance_type=covariance_type)
        assert frozen.score(X) == pytest.approx(bound, abs=1e-10)


def test_fit_prints_nothing_unless_asked(X, capsys):
    GaussianMixture(2, random_state=0).fit(X)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [1, 2])
def test_verbose_prints_as_the_peer(X, verbose, capsys):
    printed = []
    for kind in (GaussianMixture, Peer):
        options = {"n_init": 2, "init_params": "random", "verbose": verbose, "verbose_interval": 5}
        kind(3, random_state=0, reg_covar=1e-6, **options).fit(X)
        printed.append(re.sub(r"lapse [\d.]+s", "lapse", capsys.readouterr().out))
    assert printed[0] == printed[1]


# Models that are made, not fitted -------------------------------------------------------------------------------------


def test_from_parameters_gives_the_same_model_bit_by_bit(model, X, covariance_type):
    parameters = (model.weights_, model.means_, model.covariances_)
    made = GaussianMixture.from_parameters(*parameters, covariance_type=covariance_type)
    check_is_fitted(made)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_", "n_features_in_"):
        np.testing.assert_array_equal(getattr(made, name), getattr(model, name))
    np.testing.assert_array_equal(made.score_samples(X), model.score_samples(X))
    assert made.bic(X) == model.bic(X)
    assert made.set_params(random_state=0).sample(5)[0].tolist() == model.sample(5)[0].tolist()


def test_from_parameters_can_be_continued(model, X, covariance_type):
    parameters = (model.weights_, model.means_, model.covariances_)
    made = GaussianMixture.from_parameters(*parameters, covariance_type=covariance_type)
    made.set_params(warm_start=True, tol=1e-6).fit(X)
    assert made.lower_bounds_[0] == pytest.approx(model.score(X), abs=1e-12)


def test_from_parameters_keeps_single_precision():
    parameters = (np.float32([0.25, 0.75]), np.float32([[0.0], [1.0]]), np.float32([1.0, 2.0]))
    model = GaussianMixture.from_parameters(*parameters, covariance_type="spherical")
    assert model.means_.dtype == model.precisions_cholesky_.dtype == np.float32
    assert GaussianMixture.from_parameters([1], [[0]], [[[1]]]).means_.dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.6], [[0.0], [1.0]], [[[1.0]], [[1.0]]]), "'weights' should be normalized"),
        (([1.0], [[0.0], [1.0]], [[[1.0]], [[1.0]]]), r"'weights' should have the shape of \(2,\)"),
        (([1.0], [0.0, 1.0], [[[1.0]]]), r"'means' should have the shape \(n_components, n_features\), but got \(2,\)"),
        (
            ([1.0], [[0.0, 1.0]], [[[1.0]]]),
            r"'covariances' should have the shape of \(1, 2, 2\) for covariance_type='full'",
        ),
        (([1.0], [[0.0, 1.0]], [[[1.0, 2.0], [2.0, 1.0]]]), "'full covariance' should be symmetric, positive-definite"),
        (([1.0], [[0.0, 1.0]], [[[1.0, 0.5], [0.2, 1.0]]]), "'full covariance' should be symmetric, positive-definite"),
        (
            ([1.0], [[0.0]], [[1.0]], "round"),
            "covariance_type should be one of full, tied, diag, spherical, but got 'rou",
        ),
        (([1.0], [[0.0]], [[1.0]], ["diag"]), r"covariance_type should be one of .*, but got \['diag'\]"),
        (([0.5, 0.5], [[0.0], [1.0, 2.0]], [1.0, 1.0], "spherical"), "'means' should be an array of shape .*inhomogen"),
        (([1.0], [[0.0]], [[0.0]], "diag"), "'diag covariance' should be positive"),
        (([1.0], [[np.inf]], [[1.0]], "diag"), "'means' holds NaN or infinity"),
    ],
)
def test_from_parameters_refuses_what_is_no_mixture(arguments, message):
    with pytest.raises(DataError, match=message) as caught:
        GaussianMixture.from_parameters(*arguments)
    assert isinstance(caught.value, ValueError | MixgradError)


@pytest.mark.parametrize("covariance_type", ["diag", "spherical"])
def test_variances_may_vanish_in_single_precision(X, covariance_type):
    tiny = (X * 1e-25).astype(np.float32)
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(tiny)
    assert COVARIANCES[covariance_type].is_positive(model.covariances_.astype(np.float64))
    np.testing.assert_allclose(model.weights_.sum(), 1.0, rtol=1e-6)


def test_a_component_of_weight_zero(X, covariance_type):
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(X)
    parameters = ([1.0, 0.0], model.means_, model.covariances_)
    made = GaussianMixture.from_parameters(*parameters, covariance_type=covariance_type)
    np.testing.assert_array_equal(made.predict_proba(X), [[1.0, 0.0]] * len(X))
    assert np.all(np.isfinite(made.score_samples(X)))
    with pytest.warns(CollapseWarning, match="component 1 has no rows"):
        made.set_params(warm_start=True).fit(X)
    assert 0.0 < made.weights_[1] < 1e-6


def test_rounding_to_single_precision_may_lose_a_covariance(covariance_type):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 1)) + 1e-5 * rng.normal(size=(100, 8))
    exact = GaussianMixture(covariance_type=covariance_type, reg_covar=0.0).fit(X)
    model = GaussianMixture(covariance_type=covariance_type, reg_covar=0.0).fit(X.astype(np.float32))
    assert model.covariances_.dtype == np.float32
    np.testing.assert_allclose(model.covariances_, exact.covariances_, rtol=1e-5)
    assert np.all(np.isfinite(model.score_samples(X)))
