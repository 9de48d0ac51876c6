"""Coordinates of mixtures: the engine's derivatives in them against differences of SciPy's densities."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mixgrad.mixture import sweep
from mixgrad.mixture.chart import Blocks, Chart, product, second_order, value_and_gradient
from mixgrad.mixture.covariance import NOTHING_FIXED, Fixed
from mixgrad.mixture.em import Problem, labelled, maximised
from mixgrad.mixture.gaussian import COVARIANCES
from mixgrad.mixture.likelihood import Components

K = 3


def problem_of(covariance_type, rng, d=2, n=40, fixed=NOTHING_FIXED, known=True):
    """Two clusters, weights, a few known labels; and a mixture that is not at a maximum."""
    X = np.round(rng.normal(size=(n, d)) + 3.0 * (np.arange(n) % 2)[:, None], 2)
    weights = np.round(rng.uniform(0.5, 2.0, size=n), 2)
    labels = np.where(rng.uniform(size=n) < 0.2, rng.integers(K, size=n), -1) if known else None
    problem = Problem.of(X, COVARIANCES[covariance_type], weights, labels, fixed=fixed)
    whole = Problem.of(X, COVARIANCES[covariance_type], weights)
    components, _ = labelled(whole, np.arange(n) % K, K)
    means = components.means + np.round(rng.normal(size=components.means.shape), 2)
    return problem, components._replace(means=means, weights=np.array([0.5, 0.3, 0.2]))


def density(components, problem):
    """Mean log-likelihood by SciPy."""
    covariance, d = problem.covariance, components.means.shape[1]
    covariances = covariance.covariances(components.factor)
    table = np.empty((len(problem.rows.X), K))
    for k in range(K):
        matrix = covariance.of_component(covariances, k)
        matrix = matrix if np.ndim(matrix) == 2 else np.eye(d) * matrix
        table[:, k] = multivariate_normal(components.means[k] + problem.units.centre, matrix).pdf(problem.rows.X)
    table *= components.weights
    labels = problem.rows.labels
    if labels is not None:
        table[(labels >= 0)[:, None] & (labels[:, None] != np.arange(K))] = 0.0
    return np.average(np.log(table.sum(axis=1)), weights=problem.rows.weights)


def differences(function, direction, step=1e-2):
    """First and second derivative at 0 along a direction, to the sixth order."""
    values = np.array([function(m * step * direction) for m in range(-3, 4)])
    first = np.array([-1.0, 9.0, -45.0, 0.0, 45.0, -9.0, 1.0]) / (60.0 * step)
    second = np.array([2.0, -27.0, 270.0, -490.0, 270.0, -27.0, 2.0]) / (180.0 * step**2)
    return first @ values, second @ values


def test_gradient_and_hessian_are_those_of_the_density(covariance_type, rng):
    problem, components = problem_of(covariance_type, rng)
    chart = Chart.about(components, problem)
    assert chart.size == K - 1 + K * 2 + problem.covariance.n_parameters(K, 2)
    theta = 0.2 * rng.normal(size=chart.size)
    value, gradient, hessian = second_order(chart, theta, problem)
    assert value == pytest.approx(density(chart.at(theta), problem), rel=1e-13)
    for direction in rng.normal(size=(6, chart.size)) / np.sqrt(chart.size):
        slope, curvature = differences(lambda move: density(chart.at(theta + move), problem), direction)
        assert gradient @ direction == pytest.approx(slope, rel=1e-8, abs=1e-9)
        assert direction @ hessian @ direction == pytest.approx(curvature, rel=1e-6, abs=1e-7)
        np.testing.assert_allclose(product(chart, theta, direction, problem), hessian @ direction, atol=1e-13)
    again, same = value_and_gradient(chart, theta, problem)
    assert again == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(same, gradient, rtol=1e-12, atol=1e-14)


def test_gradient_at_the_origin_follows_from_the_statistics(covariance_type, rng):
    problem, components = problem_of(covariance_type, rng)
    covariance = problem.covariance.apart
    statistics = sweep.sufficient_statistics(problem.rows, problem.units.centre, components, covariance)
    chart = Chart.about(components, problem)
    # Of log det R - |R^T (z - delta)|^2 / 2 at R = I, delta = 0. A spherical R is one number for d features.
    mass = statistics.mass
    if covariance_type in ("full", "tied"):
        rows, columns = np.triu_indices(2)
        mass = (mass[:, None] if covariance_type == "full" else mass.sum()) * (rows == columns)
    elif covariance_type == "diag":
        mass = mass[:, None]
    else:
        mass = 2.0 * mass
    lost = statistics.mass - problem.total * components.weights
    expected = chart.pulled(Blocks(lost, statistics.first, mass - statistics.second))
    _, gradient = value_and_gradient(chart, np.zeros(chart.size), problem)
    np.testing.assert_allclose(gradient, expected / problem.total, rtol=1e-9, atol=1e-12)


def test_a_step_of_em_is_the_gradient_to_first_order(covariance_type, rng):
    problem, components = problem_of(covariance_type, rng, known=False)
    for _ in range(200):
        components, _ = maximised(problem, components, problem.sweep(components))
    # Near the maximum the rates of EM are the Hessian's eigenvalues plus 1.
    chart = Chart.about(components, problem)
    theta = 1e-4 * rng.normal(size=chart.size)
    near = chart.at(theta)
    after = chart.coordinates(maximised(problem, near, problem.sweep(near))[0])
    _, gradient, hessian = second_order(chart, np.zeros(chart.size), problem)
    np.testing.assert_allclose(after, theta + gradient + hessian @ theta, atol=2e-6)
    assert np.all(np.linalg.eigvalsh(hessian) > -1.0 - 1e-3)


def test_coordinates_are_found_again(covariance_type, rng):
    problem, components = problem_of(covariance_type, rng)
    chart = Chart.about(components, problem)
    theta = 0.5 * rng.normal(size=chart.size)
    moved = chart.at(theta)
    assert moved.weights.sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(chart.coordinates(moved), theta, atol=1e-13)
    for old, new in zip(components, chart.at(np.zeros(chart.size))):
        np.testing.assert_allclose(new, old, rtol=1e-15, atol=1e-15)


def test_lengths_do_not_depend_on_units(covariance_type, rng):
    problem, components = problem_of(covariance_type, rng)
    theta = rng.normal(size=Chart.about(components, problem).size)
    moved = Chart.about(components, problem).at(theta)

    def other(mixture):
        return Components(mixture.weights, 8.0 * mixture.means, 8.0 * mixture.factor, mixture.whitening / 8.0)

    np.testing.assert_allclose(Chart.about(other(components), problem).coordinates(other(moved)), theta, atol=1e-13)


@pytest.mark.parametrize("name", Fixed._fields)
def test_fixed_blocks_have_no_coordinates(covariance_type, name):
    problem, components = problem_of(covariance_type, np.random.default_rng(3), fixed=Fixed(**{name: True}))
    chart = Chart.about(components, problem)
    moved = chart.at(np.full(chart.size, 0.3))
    same = {"weights": ["weights"], "means": ["means"], "covariances": ["factor", "whitening"]}[name]
    for field in Components._fields:
        assert np.array_equal(getattr(moved, field), getattr(components, field)) == (field in same), field
    np.testing.assert_allclose(chart.coordinates(moved), 0.3, atol=1e-13)
    free = Chart.about(components, problem_of(covariance_type, np.random.default_rng(3))[0])
    _, gradient, hessian = second_order(chart, np.zeros(chart.size), problem)
    _, whole, square = second_order(free, np.zeros(free.size), problem)
    kept = np.repeat([field != name for field in Fixed._fields], free.sizes)
    np.testing.assert_allclose(gradient, whole[kept], atol=1e-14)
    np.testing.assert_allclose(hessian, square[kept][:, kept], atol=1e-14)


def test_compiled_it_is_the_same(monkeypatch):
    problem, components = problem_of("tied", np.random.default_rng(5), d=1, n=21, known=False)
    chart = Chart.about(components, problem)
    theta = np.linspace(-0.2, 0.3, chart.size)
    expected = second_order(chart, theta, problem)
    monkeypatch.setattr(sweep, "WORTH_COMPILING", 1)
    for ours, theirs in zip(second_order(chart, theta, problem), expected):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
