"""Old Faithful: converged log-likelihoods that agree with R's mclust (whose published ones stop early)."""

import numpy as np
import pytest

from mixgrad.mixture import GaussianMixture

REFERENCE = [
    # mclust's name, type, K, log-likelihood, number of parameters
    ("XXX,1", "full", 1, -1289.796745053, 5),
    ("EEE,2", "tied", 2, -1140.186759437, 8),
    ("VVI,2", "diag", 2, -1147.806352538, 9),
    ("VII,2", "spherical", 2, -1709.529282177, 7),
    ("VVV,2", "full", 2, -1130.263960185, 11),
    ("EEE,3", "tied", 3, -1126.315927823, 11),
]


def converged(X, n_components, covariance_type, **options):
    options = {"random_state": 0, "tol": 1e-14, "reg_covar": 0.0, "max_iter": 20_000} | options
    model = GaussianMixture(n_components, covariance_type=covariance_type, **options).fit(X)
    assert model.converged_
    return model


@pytest.mark.parametrize(("name", "covariance_type", "n_components", "log_likelihood", "n_parameters"), REFERENCE)
def test_log_likelihood_and_criteria(faithful, name, covariance_type, n_components, log_likelihood, n_parameters):
    model = converged(faithful, n_components, covariance_type)
    n = len(faithful)
    assert n * model.score(faithful) == pytest.approx(log_likelihood, abs=2e-9)
    assert n * model.lower_bound_ == pytest.approx(log_likelihood, abs=2e-9)
    assert model.bic(faithful) == pytest.approx(n_parameters * np.log(n) - 2 * log_likelihood, abs=1e-8)
    assert model.aic(faithful) == pytest.approx(2 * n_parameters - 2 * log_likelihood, abs=1e-8)


def test_best_mode_of_three_full_components(faithful):
    # k-means leads to the usual mode at -1119.214; this start leads to the best known one.
    model = converged(faithful, 3, "full", init_params="random", random_state=19)
    assert len(faithful) * model.score(faithful) == pytest.approx(-1114.439872903, abs=2e-9)
    assert model.bic(faithful) == pytest.approx(17 * np.log(272) + 2 * 1114.439872903, abs=1e-8)


def test_usual_mode_of_three_full_components(faithful):
    assert len(faithful) * converged(faithful, 3, "full").score(faithful) == pytest.approx(-1119.214, abs=1e-3)


def test_parameters_of_two_full_components(faithful):
    model = converged(faithful, 2, "full")
    order = np.argsort(-model.weights_)
    np.testing.assert_allclose(model.weights_[order], [0.644127, 0.355873], atol=1e-6)
    np.testing.assert_allclose(model.means_[order], [[4.289662, 79.968115], [2.036388, 54.478516]], atol=1e-6)
    expected = [[[0.169968, 0.940609], [0.940609, 36.046212]], [[0.069168, 0.435168], [0.435168, 33.697282]]]
    np.testing.assert_allclose(model.covariances_[order], expected, atol=1e-6)
