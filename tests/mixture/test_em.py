"""The loop: monotone, honest about decreases, and clear about covariances that collapse."""

import numpy as np
import pytest

from mixgrad._errors import CollapseWarning, DataError
from mixgrad.mixture import GaussianMixture, em
from mixgrad.mixture.em import Problem, State, Status, labelled, run, shared, terminate
from mixgrad.mixture.gaussian import COVARIANCES


def state(change, lower_bound=-4.0, iteration=3):
    return State(iteration, None, None, lower_bound, change, None, lower_bound, None)


@pytest.mark.parametrize(
    ("change", "tol", "status"),
    [
        (5e-4, 1e-3, Status.CONVERGED),
        (2e-3, 1e-3, Status.RUNNING),
        (-5e-4, 1e-3, Status.RUNNING),
        (-1e-12, 1e-3, Status.RUNNING),
        (-4e-15, 1e-3, Status.CONVERGED),
        (0.0, 0.0, Status.CONVERGED),
        (1e-15, 0.0, Status.RUNNING),
        (np.inf, 1e-3, Status.RUNNING),
    ],
)
def test_a_decrease_is_no_convergence_but_rounding_is(change, tol, status):
    assert terminate(state(change), tol, max_iter=100) is status


def test_the_limit_of_iterations_ends_the_loop():
    assert terminate(state(-1.0, iteration=100), 1e-3, max_iter=100) is Status.EXHAUSTED


@pytest.mark.parametrize("init_params", ["kmeans", "random", "k-means++", "random_from_data"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_likelihood_never_decreases(tables, covariance_type, init_params):
    for name in ("iris", "clusters", "no structure"):
        options = {"init_params": init_params, "tol": 1e-9, "max_iter": 40}
        # A little regularisation for starts from single rows, too little to be seen in the bound.
        model = GaussianMixture(3, covariance_type=covariance_type, random_state=1, reg_covar=1e-9, **options)
        bounds = model.fit(tables[name]).lower_bounds_
        assert np.min(np.diff(bounds)) > -1e-8, name


def test_decrease_keeps_the_best_parameters(faithful, covariance_type):
    # From the maximum, a large reg_covar can only go down; the peer takes the small last steps for convergence.
    optimum = GaussianMixture(
        2, covariance_type=covariance_type, reg_covar=0.0, random_state=0, tol=1e-13, max_iter=5000
    )
    optimum.fit(faithful)
    model = GaussianMixture(
        2,
        covariance_type=covariance_type,
        weights_init=optimum.weights_,
        means_init=optimum.means_,
        precisions_init=optimum.precisions_,
        reg_covar=0.3,
        max_iter=500,
    ).fit(faithful)
    assert model.n_iter_ == len(model.lower_bounds_) > 2
    assert min(model.lower_bounds_) < model.lower_bounds_[0] - 1e-5
    assert model.converged_
    assert model.lower_bound_ == max(model.lower_bounds_)
    assert model.score(faithful) == pytest.approx(optimum.score(faithful), abs=1e-12)
    np.testing.assert_allclose(model.covariances_, optimum.covariances_, rtol=1e-9)


def test_means_that_start_far_away_lose_no_digits(table, covariance_type):
    # The first step moves means by 1e6 standard deviations. The labels of that step are all one component's, so the
    # result is the mean and the covariance of the whole table.
    covariance = COVARIANCES[covariance_type]
    problem = Problem.of(table, covariance)
    whole, _ = labelled(problem, np.zeros(len(table), dtype=int), 1)
    far = whole._replace(means=whole.means + 1e6)
    moved = em.step(problem, em.init(far)).components
    np.testing.assert_allclose(moved.means, whole.means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(covariance.covariances(moved.factor), covariance.covariances(whole.factor), rtol=1e-9)


def test_a_component_without_rows_keeps_its_place(table, covariance_type):
    covariance = COVARIANCES[covariance_type]
    problem = Problem.of(table, covariance)
    start, _ = labelled(problem, np.zeros(len(table), dtype=int), 3)
    fit = run(problem, start, tol=1e-6, max_iter=50)
    assert fit.status is Status.CONVERGED
    assert all(np.all(np.isfinite(values)) for values in fit.components)
    assert np.all(fit.components.weights > 0.0)


def test_observed_states_hold_bound_and_parameters_that_belong_together(table, covariance_type):
    covariance = COVARIANCES[covariance_type]
    problem = Problem.of(table, covariance)
    states = []
    start, _ = shared(problem, np.random.default_rng(0).dirichlet([1.0, 1.0], size=len(table)))
    fit = run(problem, start, tol=1e-4, max_iter=50, observe=states.append)
    assert [seen.iteration for seen in states] == list(range(1, fit.n_iter + 1))
    for seen in states:
        again = em.step(problem, em.init(seen.evaluated))
        assert again.lower_bound == seen.lower_bound


@pytest.mark.parametrize("reg_covar", [None, 0.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_duplicated_rows(covariance_type, seed, reg_covar):
    X = np.repeat(np.random.default_rng(seed).normal(size=(4, 2)).round(2), 20, axis=0)
    with pytest.warns(CollapseWarning, match="component 0 .* shrank onto a point.*Decrease n_components"):
        model = GaussianMixture(4, covariance_type=covariance_type, reg_covar=reg_covar, random_state=0).fit(X)
    assert [(item.component, item.kind) for item in model.diagnostics_] == [(k, "collapsed") for k in range(4)]
    assert np.isfinite(model.lower_bound_)
    assert len(np.unique(model.predict(X))) == 4


def test_diagnostics_name_the_component_that_collapsed(rng):
    X = np.vstack([rng.normal(size=(60, 2)), np.full((20, 2), 50.0)])
    start = {"weights_init": [0.7, 0.3], "means_init": [[0.0, 0.0], [50.0, 50.0]], "precisions_init": [1.0, 1.0]}
    with pytest.warns(CollapseWarning, match=r"component 1 \(20 rows\)"):
        model = GaussianMixture(2, covariance_type="spherical", reg_covar=0.0, **start).fit(X)
    (found,) = model.diagnostics_
    assert (found.component, found.kind) == (1, "collapsed")
    np.testing.assert_allclose(model.means_[1], [50.0, 50.0])


@pytest.mark.parametrize("value", [0.0, 5.0, 1e5 / 3, -1e-12])
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag"])
def test_constant_column(table, covariance_type, value):
    X = np.c_[table, np.full(len(table), value)]
    options = {"covariance_type": covariance_type, "random_state": 0, "tol": 1e-6, "max_iter": 300}
    without = GaussianMixture(2, **options).fit(table)
    for reg_covar in (None, 0.0):
        with pytest.warns(CollapseWarning, match="component 0"):
            model = GaussianMixture(2, reg_covar=reg_covar, **options).fit(X)
        np.testing.assert_allclose(model.means_[:, -1], value, rtol=1e-12, atol=1e-12)
        if reg_covar is None:  # the column says nothing: the fit is that of the others
            np.testing.assert_allclose(model.means_[:, :-1], without.means_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_collinear_columns(table, covariance_type):
    X = np.c_[table, table @ [1.0, -2.0, 1 / 3]]
    with pytest.warns(CollapseWarning, match="point, line or plane"):
        model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(X)
    assert np.isfinite(model.lower_bound_)
    assert len(model.diagnostics_) == 2
    np.testing.assert_allclose(model.means_ @ [1.0, -2.0, 1 / 3, -1.0], 0.0, atol=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_nearly_collinear_columns_are_no_problem(table, rng, covariance_type):
    # The condition number of the covariance is 1e12: factorised in old units it costs no digits.
    noise = rng.normal(size=len(table))
    one, other = (
        GaussianMixture(1, covariance_type=covariance_type, reg_covar=0.0).fit(np.c_[table, extra])
        for extra in (noise, table[:, 0] + 1e-6 * noise)
    )
    assert other.lower_bound_ == pytest.approx(one.lower_bound_ - np.log(1e-6), abs=1e-9)


def test_rows_beyond_float_are_told(table, covariance_type):
    with pytest.raises(DataError, match=r"Column 1 reaches from .* its variance overflows. Scale"):
        GaussianMixture(2, covariance_type=covariance_type).fit(table * [1.0, 1e155, 1.0])
    start = {"means_init": np.full((1, 3), 1e200), "weights_init": [1.0], "random_state": 0}
    with pytest.raises(DataError, match=r"log-likelihood is -inf in iteration 1.*Give means_init"):
        GaussianMixture(1, covariance_type=covariance_type, **start).fit(table)
    with pytest.warns(CollapseWarning):
        GaussianMixture(1, covariance_type=covariance_type, reg_covar=0.0).fit(table * 1e-200)


def test_far_rows_have_density_zero(table, covariance_type):
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(table)
    far = np.array([[1e200, -1e200, 1e200], [1e6, 0.0, 0.0]])
    np.testing.assert_array_equal(model.score_samples(far)[:1], -np.inf)
    np.testing.assert_array_equal(model.predict_proba(far).sum(axis=1), [0.0, 1.0])


def test_underflow_is_silent_even_if_numpy_raises(table, covariance_type):
    X = np.vstack([table, table + 1e3])
    with np.errstate(all="raise"):
        model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
        assert np.all(np.isfinite(model.score_samples(X)))
        model.predict_proba(X)
