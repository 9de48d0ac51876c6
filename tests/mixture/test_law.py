"""The law: the E-step is the gradient of the log-likelihood."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal

from mixgrad.mixture import GaussianMixture, likelihood
from mixgrad.mixture.em import Problem, supervised
from mixgrad.mixture.gaussian import COVARIANCES
from mixgrad.mixture.likelihood import complete_statistics, sufficient_statistics


def dense(covariances, covariance_type, n_components, n_features):
    """Covariances of any type as (K, d, d)."""
    identity = np.eye(n_features)
    return {
        "full": lambda: covariances,
        "tied": lambda: np.array([covariances] * n_components),
        "diag": lambda: covariances[:, :, None] * identity,
        "spherical": lambda: covariances[:, None, None] * identity,
    }[covariance_type]()


@pytest.fixture
def components(table, rng, covariance_type):
    """Components near the table, not fitted to it."""
    problem = Problem(table, COVARIANCES[covariance_type])
    return supervised(problem, rng.dirichlet([0.3, 0.5, 0.4], size=len(table)).T)


@pytest.fixture
def oracle(table, components, covariance_type):
    """Joint log-densities of shape (n, K), by SciPy."""
    covariances = COVARIANCES[covariance_type].covariances(components.factor)
    matrices = dense(covariances, covariance_type, *components.means.shape)
    laws = [multivariate_normal(mean, matrix) for mean, matrix in zip(components.means, matrices, strict=True)]
    return np.stack([law.logpdf(table) for law in laws], axis=1) + np.log(components.weights)


def test_value_is_the_log_likelihood(table, components, oracle, covariance_type):
    statistics = sufficient_statistics(table, components, COVARIANCES[covariance_type])
    expected = np.log(np.exp(oracle).sum(axis=1)).sum()
    assert statistics.log_likelihood == pytest.approx(expected, rel=1e-12)


def test_gradient_is_the_sufficient_statistics(table, components, oracle, covariance_type):
    covariance = COVARIANCES[covariance_type]
    statistics = sufficient_statistics(table, components, covariance)
    labels = softmax(oracle, axis=1)
    z = covariance.whitened(table, components.means, components.whitening)
    np.testing.assert_allclose(statistics.mass, labels.sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(statistics.first, np.einsum("nk,knd->kd", labels, z), rtol=1e-8, atol=1e-9)
    second = np.einsum("nk,knd,kne->kde", labels, z, z)
    expected = {
        "full": second,
        "tied": second.sum(axis=0),
        "diag": np.diagonal(second, axis1=1, axis2=2),
        "spherical": np.trace(second, axis1=1, axis2=2),
    }[covariance_type]
    np.testing.assert_allclose(statistics.second, expected, rtol=1e-9, atol=1e-9)


def test_masses_sum_to_the_number_of_rows(table, components, covariance_type):
    statistics = sufficient_statistics(table, components, COVARIANCES[covariance_type])
    assert statistics.mass.sum() == pytest.approx(len(table), rel=1e-14)


def test_statistics_add_over_rows(table, components, covariance_type):
    covariance = COVARIANCES[covariance_type]
    whole = sufficient_statistics(table, components, covariance)
    parts = [sufficient_statistics(part, components, covariance) for part in (table[:17], table[17:])]
    for value, expected in zip(parts[0].merged(parts[1]), whole, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("numbers", [1, 50, 2_000])
def test_tiles_of_any_size_give_the_same(table, components, covariance_type, monkeypatch, numbers):
    covariance = COVARIANCES[covariance_type]
    whole = sufficient_statistics(table, components, covariance)
    table_of_scores = likelihood.component_scores(table, components, covariance)
    monkeypatch.setattr(likelihood, "TILE_NUMBERS", numbers)
    tiled = sufficient_statistics(table, components, covariance)
    for value, expected in zip(tiled, whole, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(
        likelihood.component_scores(table, components, covariance), table_of_scores, rtol=1e-13, atol=1e-13
    )


def test_tiles_cover_every_row_once():
    covered = np.concatenate([np.arange(1003)[rows] for rows in likelihood.tiles(1003, 4, 3, numbers=120)])
    np.testing.assert_array_equal(covered, np.arange(1003))


def test_complete_gradient_with_inferred_labels_is_the_gradient(table, components, covariance_type):
    # Fisher's identity: the score of the incomplete data is the expected score of the complete data.
    covariance = COVARIANCES[covariance_type]
    labels = likelihood.responsibilities(likelihood.component_scores(table, components, covariance))
    complete = complete_statistics(table, labels, components, covariance)
    for value, expected in zip(complete[1:], sufficient_statistics(table, components, covariance)[1:], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)


def test_supervised_fit_is_the_weighted_mean_and_covariance(table, rng, covariance_type):
    labels = rng.dirichlet([0.3, 0.5, 0.4], size=len(table)).T
    components = supervised(Problem(table, COVARIANCES[covariance_type]), labels)
    matrices = np.array([np.cov(table.T, aweights=row, ddof=0) for row in labels])
    expected = {
        "full": matrices,
        "tied": np.tensordot(labels.sum(axis=1) / len(table), matrices, axes=1),
        "diag": np.diagonal(matrices, axis1=1, axis2=2),
        "spherical": np.trace(matrices, axis1=1, axis2=2) / table.shape[1],
    }[covariance_type]
    np.testing.assert_allclose(components.weights, labels.sum(axis=1) / len(table), rtol=1e-13)
    np.testing.assert_allclose(components.means, [np.average(table, axis=0, weights=row) for row in labels], rtol=1e-11)
    np.testing.assert_allclose(
        COVARIANCES[covariance_type].covariances(components.factor), expected, rtol=1e-11, atol=1e-12
    )


def test_responsibilities_agree_with_scipy(table, covariance_type):
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(table)
    matrices = dense(model.covariances_, covariance_type, 3, table.shape[1])
    laws = [multivariate_normal(mean, matrix) for mean, matrix in zip(model.means_, matrices, strict=True)]
    densities = np.stack([law.pdf(table) for law in laws], axis=1) * model.weights_
    expected = densities / densities.sum(axis=1, keepdims=True)
    probabilities = model.predict_proba(table)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-13)
    np.testing.assert_array_equal(model.predict(table), probabilities.argmax(axis=1))
    np.testing.assert_allclose(model.score_samples(table), np.log(densities.sum(axis=1)), rtol=1e-10, atol=1e-10)
