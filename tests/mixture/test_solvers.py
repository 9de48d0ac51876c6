"""Solvers: all reach the maxima that are known, none lowers the likelihood, and the gap that they report is one."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from mixgrad._errors import CollapseWarning, DataError
from mixgrad.mixture import GaussianMixture, solvers
from mixgrad.mixture.solvers import SOLVERS

from .test_faithful import REFERENCE

ALL = tuple(SOLVERS)


@pytest.fixture(params=ALL)
def solver(request):
    return request.param


def total(model, X):
    return len(X) * model.score(X)


@pytest.mark.parametrize(("covariance_type", "n_components", "log_likelihood"), [row[1:4] for row in REFERENCE])
def test_every_solver_reaches_the_maximum(faithful, solver, covariance_type, n_components, log_likelihood):
    model = GaussianMixture(n_components, covariance_type=covariance_type, solver=solver, random_state=0).fit(faithful)
    assert model.converged_
    assert model.gap_ <= 1e-12
    assert total(model, faithful) == pytest.approx(log_likelihood, abs=1e-8)
    assert len(faithful) * model.lower_bound_ == pytest.approx(log_likelihood, abs=1e-8)
    assert model.n_iter_ == len(model.lower_bounds_) <= model.n_sweeps_


@pytest.mark.parametrize("seed", range(10))
def test_auto_takes_less_than_forty_sweeps(faithful, seed):
    # Two of these starts lie in a valley that takes EM 1800 iterations to leave.
    model = GaussianMixture(3, covariance_type="tied", solver="auto", random_state=seed).fit(faithful)
    assert total(model, faithful) == pytest.approx(-1126.315927823, abs=1e-8)
    assert model.n_sweeps_ < 40


@pytest.mark.parametrize("name", ["newton", "auto"])
def test_many_coordinates_are_left_to_products_of_the_hessian(faithful, covariance_type, name, monkeypatch):
    options = {"covariance_type": covariance_type, "random_state": 0}
    expected = GaussianMixture(2, tol=1e-14, max_iter=2000, **options).fit(faithful)
    monkeypatch.setattr(solvers, "DENSE", 1)
    model = GaussianMixture(2, solver=name, **options).fit(faithful)
    assert model.converged_
    assert total(model, faithful) == pytest.approx(total(expected, faithful), abs=1e-8)


def test_squarem_takes_fewer_sweeps_than_em(faithful):
    options = {"n_components": 3, "covariance_type": "tied", "random_state": 0}
    slow = GaussianMixture(tol=1e-13, max_iter=1000, **options).fit(faithful)
    fast = GaussianMixture(solver="squarem", **options).fit(faithful)
    assert slow.n_sweeps_ == slow.n_iter_ > 3 * fast.n_sweeps_
    assert fast.lower_bound_ == pytest.approx(slow.lower_bound_, abs=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_likelihood_never_decreases(tables, covariance_type, solver):
    for name, init_params in (("no structure", "random_from_data"), ("one column", "random")):
        options = {"covariance_type": covariance_type, "init_params": init_params, "max_iter": 12, "random_state": 1}
        model = GaussianMixture(3, solver=solver, **options).fit(tables[name])
        assert np.min(np.diff(model.lower_bounds_)) > -1e-13 * abs(model.lower_bound_), name
        # The parameters reach the bound that is reported, or one step of EM more.
        assert model.score(tables[name]) >= model.lower_bound_ - 1e-13 * abs(model.lower_bound_), name


@pytest.mark.parametrize("solver", ["squarem", "auto"])
@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_nothing_is_gained_where_the_bound_is_nothing_but_rounding(solver, covariance_type):
    rows = np.round(np.random.default_rng(5).normal(size=(24, 2)), 1)
    far = np.vstack([rows, [1e12, -1e12]])  # correlated to twelve digits
    model = GaussianMixture(1, covariance_type=covariance_type, solver=solver).fit(far)
    assert model.converged_
    assert np.min(np.diff(model.lower_bounds_), initial=0.0) >= -1e-13 * abs(model.lower_bound_)


@pytest.mark.parametrize("gap_tol", [1e-4, 1e-8])
def test_the_gap_is_what_is_left(faithful, solver, gap_tol):
    model = GaussianMixture(3, covariance_type="tied", solver=solver, gap_tol=gap_tol, random_state=0).fit(faithful)
    left = -1126.315927823 / len(faithful) - model.lower_bound_
    assert model.converged_
    assert -1e-11 < left < 2.0 * gap_tol


def test_em_reports_the_gap_of_its_tol(faithful):
    model = GaussianMixture(3, covariance_type="tied", tol=1e-4, random_state=0).fit(faithful)
    left = -1126.315927823 / len(faithful) - model.lower_bound_
    # An order of magnitude of the true one, while the gain of the last iteration is a fifth of it.
    assert 0.5 * left < model.gap_ < 2.0 * left
    assert model.n_sweeps_ == model.n_iter_


def test_weights_of_rows_are_repetitions(tables, covariance_type):
    table = tables["no structure"]
    counts = np.random.default_rng(2).integers(0, 4, size=len(table))
    options = {"covariance_type": covariance_type, "solver": "auto", "random_state": 0, "max_iter": 3}
    with pytest.warns(ConvergenceWarning):
        weighted = GaussianMixture(3, **options).fit(table, sample_weight=counts)
    with pytest.warns(ConvergenceWarning):
        repeated = GaussianMixture(3, **options).fit(np.repeat(table, counts, axis=0))
    assert weighted.lower_bounds_ == repeated.lower_bounds_
    np.testing.assert_array_equal(weighted.means_, repeated.means_)


@pytest.mark.parametrize("name", ["weights", "means", "covariances"])
def test_fixed_blocks_stay(faithful, solver, name):
    start = GaussianMixture(2, random_state=0, max_iter=3, tol=10.0).fit(faithful)
    given = {"weights_init": [0.5, 0.5], "means_init": start.means_, "precisions_init": start.precisions_}
    model = GaussianMixture(2, solver=solver, fixed=name, **given).fit(faithful)
    kept = {"weights": [0.5, 0.5], "means": start.means_, "covariances": start.covariances_}
    np.testing.assert_allclose(getattr(model, name + "_"), kept[name], rtol=1e-12)
    reference = GaussianMixture(2, tol=1e-14, max_iter=2000, fixed=name, **given).fit(faithful)
    assert total(model, faithful) == pytest.approx(total(reference, faithful), abs=1e-8)


def test_nothing_to_move(faithful, solver):
    given = {"weights_init": [1.0], "means_init": [[3.0, 70.0]], "precisions_init": [np.eye(2)]}
    model = GaussianMixture(1, solver=solver, fixed={"means", "covariances"}, **given).fit(faithful)
    assert model.converged_
    assert model.gap_ == 0.0


@pytest.mark.filterwarnings("ignore::mixgrad._errors.CollapseWarning")
def test_a_weight_of_zero_is_no_obstacle(faithful, solver):
    model = GaussianMixture(2, solver=solver, weights_init=[1.0, 0.0], random_state=0).fit(faithful)
    assert model.converged_
    assert total(model, faithful) > -1289.796745053 - 1e-8  # the maximum of one component


def test_known_labels(faithful, solver):
    labels = np.where(np.arange(len(faithful)) % 5 == 0, (faithful[:, 1] > 68.0).astype(int), -1)
    expected = GaussianMixture(2, tol=1e-14, max_iter=2000).fit(faithful, labels)
    model = GaussianMixture(2, solver=solver).fit(faithful, labels)
    assert model.lower_bound_ == pytest.approx(expected.lower_bound_, abs=1e-11)
    np.testing.assert_allclose(model.means_, expected.means_, rtol=1e-5)


def test_single_precision_is_computed_in_double(faithful, solver):
    options = {"n_components": 3, "covariance_type": "tied", "solver": solver, "random_state": 0}
    model = GaussianMixture(**options).fit(faithful.astype(np.float32))
    assert model.means_.dtype == np.float32
    assert len(faithful) * model.lower_bound_ == pytest.approx(-1126.315927823, abs=1e-3)


def test_units_and_offsets_change_nothing(covariance_type, solver):
    rng = np.random.default_rng(8)
    # Multiples of 1/16, so that the table is the same at an offset of 2^27 and in other units.
    X = np.round(16.0 * np.r_[rng.normal(size=(60, 2)), 3.0 + rng.normal(size=(40, 2))]) / 16.0
    options = {"n_components": 2, "covariance_type": covariance_type, "solver": solver, "random_state": 0}
    here = GaussianMixture(**options).fit(X)
    there = GaussianMixture(**options).fit(2.0**-10 * (X + 2.0**27))
    np.testing.assert_allclose(there.lower_bounds_, np.add(here.lower_bounds_, 20.0 * np.log(2.0)), rtol=1e-12)
    np.testing.assert_allclose(2.0**10 * there.means_ - 2.0**27, here.means_, rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(there.predict(2.0**-10 * (X + 2.0**27)), here.predict(X))


def test_a_component_that_collapses_is_named(covariance_type, solver):
    rng = np.random.default_rng(4)
    X = np.round(np.r_[rng.normal(size=(40, 2)), np.full((20, 2), 5.0)], 2)
    model = GaussianMixture(2, covariance_type=covariance_type, solver=solver, random_state=0)
    if covariance_type == "tied":  # one matrix for all does not collapse with one of them
        assert np.isfinite(model.fit(X).lower_bound_)
        return
    with pytest.warns(CollapseWarning, match="shrank onto a point"):
        model.fit(X)
    assert model.converged_
    expected = GaussianMixture(2, covariance_type=covariance_type, random_state=0, tol=1e-13, max_iter=500)
    with pytest.warns(CollapseWarning):
        expected.fit(X)
    assert model.lower_bound_ == pytest.approx(expected.lower_bound_, abs=1e-9)


def test_with_reg_covar_the_limit_is_that_of_em(faithful):
    options = {"n_components": 3, "covariance_type": "diag", "reg_covar": 0.1, "random_state": 0}
    expected = GaussianMixture(tol=0.0, max_iter=3000, **options).fit(faithful)
    for solver in ("squarem", "auto"):
        model = GaussianMixture(solver=solver, max_iter=1000, **options).fit(faithful)
        # Both keep the best parameters that they saw: on the way, where the bound decreases in the end.
        assert model.lower_bounds_[-1] == pytest.approx(expected.lower_bounds_[-1], abs=1e-6)
    for solver in ("newton", "lbfgs"):
        with pytest.raises(DataError, match=r"reg_covar=0\.1 that is not where EM ends"):
            GaussianMixture(solver=solver, **options).fit(faithful)


def test_the_limit_of_iterations_holds(faithful, solver):
    for max_iter in (0, 1, 4):
        model = GaussianMixture(3, covariance_type="tied", solver=solver, max_iter=max_iter, random_state=0)
        if max_iter > 0:
            with pytest.warns(ConvergenceWarning):
                model.fit(faithful)
        else:
            model.fit(faithful)
        assert model.n_iter_ == len(model.lower_bounds_) == max_iter
        assert not model.converged_


def test_an_interrupt_leaves_what_was_found(faithful, solver):
    seen = []

    def observe(start, iteration, bound, parameters):
        seen.append(bound)
        if iteration == 3:
            raise KeyboardInterrupt

    model = GaussianMixture(3, covariance_type="tied", solver=solver, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model._fit(faithful, observe=observe)
    assert model.lower_bounds_ == seen
    assert len(seen) == 3
    assert not model.converged_
    assert model.score(faithful) >= seen[-1] - 1e-12


def test_unknown_solvers_are_refused(faithful):
    with pytest.raises(ValueError, match="The 'solver' parameter of GaussianMixture must be a str among"):
        GaussianMixture(2, solver="bfgs").fit(faithful)
