"""The law: the E-step is the gradient of the log-likelihood."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal

from mixgrad.mixture import GaussianMixture, sweep
from mixgrad.mixture.em import Problem, labelled, shared
from mixgrad.mixture.gaussian import COVARIANCES
from mixgrad.mixture.sweep import Rows, complete_statistics, sufficient_statistics

EAGER, COMPILED = 10**9, 0


@pytest.fixture(params=[EAGER, COMPILED], ids=["eager", "compiled"])
def engine(request, monkeypatch):
    """Both ways of running a sweep."""
    monkeypatch.setattr(sweep, "WORTH_COMPILING", request.param)


def apart(covariance_type):
    return COVARIANCES[covariance_type].apart


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
def origin(table):
    return np.zeros(table.shape[1])


@pytest.fixture
def components(table, rng, covariance_type):
    """Components near the table, not fitted to it."""
    problem = Problem.of(table, COVARIANCES[covariance_type])
    found, _ = shared(problem, rng.dirichlet([0.3, 0.5, 0.4], size=len(table)))
    return found._replace(means=found.means + problem.units.centre)


@pytest.fixture
def oracle(table, components, covariance_type):
    """Joint log-densities of shape (n, K), by SciPy."""
    covariances = COVARIANCES[covariance_type].covariances(components.factor)
    matrices = dense(covariances, covariance_type, *components.means.shape)
    laws = [multivariate_normal(mean, matrix) for mean, matrix in zip(components.means, matrices, strict=True)]
    return np.stack([law.logpdf(table) for law in laws], axis=1) + np.log(components.weights)


def moments(second, covariance_type):
    """Second moments (K, d, d) as the statistic of a type."""
    upper = np.triu_indices(second.shape[-1])
    return {
        "full": lambda: second[:, *upper],
        "tied": lambda: second.sum(axis=0)[upper],
        "diag": lambda: np.diagonal(second, axis1=1, axis2=2),
        "spherical": lambda: np.trace(second, axis1=1, axis2=2),
    }[covariance_type]()


def in_frames(table, components, covariance_type):
    """Rows in the frames of the components, shape (K, n, d), by solving with the factors."""
    factors = COVARIANCES[covariance_type].covariances(components.factor)
    matrices = np.linalg.cholesky(dense(factors, covariance_type, *components.means.shape))
    offsets = table - components.means[:, None]
    return np.stack([np.linalg.solve(L, part.T).T for L, part in zip(matrices, offsets, strict=True)])


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("weighted", [False, True])
def test_sweep_is_value_and_statistics(table, origin, components, oracle, covariance_type, weighted, rng):
    weights = rng.uniform(0.0, 3.0, size=len(table)) if weighted else None
    covariance = apart(covariance_type)
    statistics = sufficient_statistics(Rows(table, weights), origin, components, covariance)
    counts = np.ones(len(table)) if weights is None else weights
    labels = softmax(oracle, axis=1) * counts[:, None]
    z = in_frames(table, components, covariance_type)
    assert statistics.log_likelihood == pytest.approx(counts @ np.log(np.exp(oracle).sum(axis=1)), rel=1e-12)
    np.testing.assert_allclose(statistics.mass, labels.sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(statistics.first, np.einsum("nk,knd->kd", labels, z), rtol=1e-8, atol=1e-9)
    expected = moments(np.einsum("nk,knd,kne->kde", labels, z, z), covariance_type)
    np.testing.assert_allclose(statistics.second, expected, rtol=1e-9, atol=1e-9)


def test_compiled_sweeps_agree_with_eager_ones(table, origin, components, covariance_type, monkeypatch):
    covariance, rows = COVARIANCES[covariance_type], Rows(table.astype(np.float32))
    results = []
    for threshold in (EAGER, COMPILED):
        monkeypatch.setattr(sweep, "WORTH_COMPILING", threshold)
        arguments = rows, origin, components, covariance
        results.append(
            [
                *sufficient_statistics(*arguments),
                sweep.total_density(*arguments),
                sweep.densities(*arguments),
                sweep.probabilities(*arguments),
                sweep.most_probable(*arguments),
            ]
        )
    for value, expected in zip(*results, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("covariance_type", ["tied"])
def test_second_moments_that_components_share_give_the_same_step(table, origin, components, covariance_type):
    # The tied statistics of all components together are about another point than those of each; the step is the same.
    tied, results = COVARIANCES[covariance_type], []
    for covariance in (tied, tied.apart):
        for fixed_means in (False, True):
            statistics = sufficient_statistics(Rows(table), origin, components, covariance)
            found = covariance.moments(statistics, components, fixed_means)
            results.append((found.delta, found.raw - found.shift))
    for together, own in zip(results[:2], results[2:], strict=True):
        np.testing.assert_allclose(together[0], own[0], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(together[1], own[1], rtol=1e-11, atol=1e-11)


def test_masses_sum_to_the_number_of_rows(table, origin, components, covariance_type):
    statistics = sufficient_statistics(Rows(table), origin, components, COVARIANCES[covariance_type])
    assert statistics.mass.sum() == pytest.approx(len(table), rel=1e-14)


def test_statistics_add_over_rows(table, origin, components, covariance_type):
    covariance = COVARIANCES[covariance_type]
    whole, *parts = (
        sufficient_statistics(Rows(part), origin, components, covariance) for part in (table, table[:17], table[17:])
    )
    for value, other, expected in zip(*parts, whole, strict=True):
        np.testing.assert_allclose(value + other, expected, rtol=1e-12, atol=1e-11)


def test_complete_gradient_with_inferred_labels_is_the_gradient(table, origin, components, covariance_type):
    # Fisher's identity: the score of the incomplete data is the expected score of the complete data.
    covariance = apart(covariance_type)
    shares = sweep.probabilities(Rows(table), origin, components, covariance)
    complete = complete_statistics(Rows(table), shares, origin, components, covariance)
    inferred = sufficient_statistics(Rows(table), origin, components, covariance)
    for value, expected in zip(complete[1:], inferred[1:], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("engine")
def test_known_components_have_all_of_their_rows(table, origin, components, oracle, covariance_type, rng):
    known = rng.integers(-1, 3, size=len(table))
    statistics = sufficient_statistics(Rows(table, None, known), origin, components, apart(covariance_type))
    labels = np.where(known[:, None] < 0, softmax(oracle, axis=1), known[:, None] == np.arange(3))
    densities = np.where(known < 0, np.log(np.exp(oracle).sum(axis=1)), oracle[np.arange(len(table)), known])
    assert statistics.log_likelihood == pytest.approx(densities.sum(), rel=1e-12)
    np.testing.assert_allclose(statistics.mass, labels.sum(axis=0), rtol=1e-10)


def assert_weighted_moments(problem, found, shares, covariance_type):
    components, collapsed = found
    table, covariance = problem.rows.X, COVARIANCES[covariance_type]
    matrices = np.array([np.cov(table.T, aweights=row, ddof=0) for row in shares.T])
    expected = {
        "full": matrices,
        "tied": np.tensordot(shares.sum(axis=0) / len(table), matrices, axes=1),
        "diag": np.diagonal(matrices, axis1=1, axis2=2),
        "spherical": np.trace(matrices, axis1=1, axis2=2) / table.shape[1],
    }[covariance_type]
    means = [np.average(table, axis=0, weights=row) for row in shares.T]
    assert not np.any(collapsed)
    np.testing.assert_allclose(components.weights, shares.sum(axis=0) / len(table), rtol=1e-13)
    np.testing.assert_allclose(components.means + problem.units.centre, means, rtol=1e-11)
    np.testing.assert_allclose(covariance.covariances(components.factor), expected, rtol=1e-11, atol=1e-12)


def test_given_shares_make_weighted_means_and_covariances(table, rng, covariance_type):
    shares = rng.dirichlet([0.3, 0.5, 0.4], size=len(table))
    problem = Problem.of(table, COVARIANCES[covariance_type])
    assert_weighted_moments(problem, shared(problem, shares), shares, covariance_type)


def test_given_labels_make_means_and_covariances_of_groups(table, rng, covariance_type):
    labels = rng.integers(3, size=len(table))
    problem = Problem.of(table, COVARIANCES[covariance_type])
    shares = (labels[:, None] == np.arange(3)).astype(float)
    assert_weighted_moments(problem, labelled(problem, labels, 3), shares, covariance_type)


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
