"""The search for the best mode, run with a plain EM of its own: it finds it for every seed, and no spurious one."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mixgrad.mixture import em, multistart
from mixgrad.mixture.em import Fit, Problem, Status
from mixgrad.mixture.gaussian import COVARIANCES
from mixgrad.mixture.likelihood import Components
from mixgrad.mixture.multistart import search, spurious_components

FULL = COVARIANCES["full"]
BEST_OF_FAITHFUL = -1114.439872903


def made(X, covariance=FULL, weights=None):
    return Problem.of(X, covariance, weights)


def split(problem, labels):
    """Components of labels of shape (n, K)."""
    return em.shared(problem, labels)[0]


def plain(problem, components, tol, max_iter):
    """EM for full covariances as the textbook has it."""
    X, (w, means, factor, _) = problem.rows.X - problem.units.centre, components
    covariances, last = factor @ factor.mT, -np.inf
    counted = np.ones(len(X)) if problem.rows.weights is None else problem.rows.weights
    for n_iter in range(1, max_iter + 1):  # noqa: B007
        away = X - means[:, None]
        squares = np.sum(away * (np.linalg.inv(covariances) @ away.mT).mT, axis=-1)
        halves = np.linalg.slogdet(2 * np.pi * covariances)[1] + np.log(w) * -2
        joint = -0.5 * (squares + halves[:, None])
        top = joint.max(axis=0)
        density = top + np.log(np.exp(joint - top).sum(axis=0))
        bound = float(counted @ density) / counted.sum()
        shares = np.exp(joint - density) * counted
        mass = shares.sum(axis=1)
        w, means = mass / mass.sum(), shares @ X / mass[:, None]
        away = X - means[:, None]
        covariances = (away * shares[:, :, None]).mT @ away / mass[:, None, None]
        collapsed = np.linalg.eigvalsh(covariances)[:, 0] < 1e-9
        if np.any(collapsed):
            covariances[collapsed] += 1e-9 * np.eye(X.shape[1])
        if bound - last < tol:
            break
        last = bound
    factor = np.linalg.cholesky(covariances)
    return Fit(Components(w, means, factor, FULL.whitening_of(factor)), bound, [], n_iter, Status.CONVERGED, collapsed)


def found(problem, n_components=3, seed=0, run=plain, **options):
    return search(problem, n_components, np.random.RandomState(seed), run, **({"tol": 1e-7} | options))


def same(one, other):
    assert one.n_sweeps == other.n_sweeps
    assert [mode[:2] for mode in one.modes] == [mode[:2] for mode in other.modes]
    for mine, theirs in zip(one.modes, other.modes, strict=True):
        for left, right in zip(mine.components, theirs.components, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.fixture(scope="module")
def geyser(faithful):
    return made(faithful)


@pytest.fixture(scope="module")
def apart():
    rng = np.random.default_rng(5)
    return made(np.vstack([rng.normal(size=(50, 2)) + centre for centre in ([-4, 0], [0, 4], [4, 0])]))


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[pytest.mark.long] * (seed > 3)) for seed in range(20)])
def test_best_mode_of_old_faithful_for_every_seed(geyser, seed):
    result = found(geyser, seed=seed)
    n = len(geyser.rows.X)
    assert n * result.fit.lower_bound == pytest.approx(BEST_OF_FAITHFUL, abs=1e-3)
    best = result.modes[0]
    assert (best.spurious, best.lower_bound) == ((), result.fit.lower_bound)
    np.testing.assert_allclose(np.sort(best.components.weights), [0.127, 0.229, 0.644], atol=1e-3)
    keys = [(len(mode.spurious), -mode.lower_bound) for mode in result.modes]
    assert keys == sorted(keys)
    assert result.n_sweeps < 5000


def test_digits_of_the_best_mode(geyser):
    fit = em.run(geyser, found(geyser).fit.components, 0.0, 300)
    assert len(geyser.rows.X) * fit.lower_bound == pytest.approx(BEST_OF_FAITHFUL, abs=2e-9)


def test_counts_are_those_of_the_runs_until_convergence(geyser):
    finished = []

    def watched(problem, components, tol, max_iter):
        finished.append(max_iter)
        return plain(problem, components, tol, max_iter)

    result = found(geyser, run=watched, max_iter=999)
    assert sum(mode.count for mode in result.modes) == finished.count(999)
    bounds = [mode.lower_bound for mode in result.modes]
    assert len(set(np.round(bounds, 5))) == len(bounds)


def test_order_of_components_makes_no_mode(apart):
    calls = iter(range(10_000))

    def shuffled(*arguments):
        fit = plain(*arguments)
        order = np.random.default_rng(next(calls)).permutation(3)
        return fit._replace(components=Components(*(part[order] for part in fit.components)))

    result = found(apart, run=shuffled)
    assert result.modes[0].count > 1
    assert len(result.modes) == len({round(mode.lower_bound, 4) for mode in result.modes})


def on_a_line(rng, n=6):
    """Rows of a normal law and, in the midst of them, a few that nearly lie on a line; the labels of both."""
    line = np.linspace(-0.5, 0.5, n)[:, None] * [1.0, 0.7] + 1e-4 * rng.normal(size=(n, 2))
    X = np.vstack([rng.normal(size=(200, 2)), line])
    return X, (np.arange(len(X)) >= 200).astype(float)


def test_spurious_modes_do_not_win(rng):
    X, few = on_a_line(rng)
    problem = made(X)
    trap = plain(problem, split(problem, np.stack([1 - few, few], axis=1)), 1e-9, 1000)
    assert spurious_components(problem, trap.components) == (1,)
    calls = iter(range(10_000))

    def tempted(problem, components, tol, max_iter):
        return plain(problem, trap.components if next(calls) % 5 == 0 else components, tol, max_iter)

    result = found(problem, 2, run=tempted)
    assert result.modes[0].spurious == ()
    assert any(mode.spurious and mode.lower_bound > result.modes[0].lower_bound for mode in result.modes)


def test_narrow_components_of_many_rows_and_wide_ones_of_few_are_not_spurious(rng):
    narrow = rng.normal(size=(100, 2)) * [1.0, 1e-5]
    wide = 50.0 + 10.0 * rng.normal(size=(5, 2))
    X = np.vstack([rng.normal(size=(200, 2)), narrow, wide])
    labels = np.repeat(np.eye(3), [200, 100, 5], axis=0)
    problem = made(X)
    assert spurious_components(problem, split(problem, labels)) == ()


@pytest.mark.parametrize(("name", "expected"), [("full", (1,)), ("tied", ()), ("diag", (1,)), ("spherical", (1,))])
def test_few_close_rows_are_spurious_unless_components_share_a_covariance(rng, name, expected):
    X = np.vstack([rng.normal(size=(100, 2)), 1e-3 * rng.normal(size=(5, 2))])
    problem = made(X, COVARIANCES[name])
    components = split(problem, np.repeat(np.eye(2), [100, 5], axis=0))
    assert spurious_components(problem, components) == expected


def test_weights_count_rows_but_not_different_rows(rng):
    X, few = on_a_line(rng)
    problem = made(X)
    components = split(problem, np.stack([1 - few, few], axis=1))
    heavy = made(X, FULL, weights=np.full(len(X), 50.0))
    assert spurious_components(heavy, components) == (1,)
    absent = made(X, FULL, weights=few)
    assert spurious_components(absent, components) == spurious_components(made(X[few > 0]), components)


def test_equal_weights_change_nothing(apart):
    same(found(apart), found(made(apart.rows.X, FULL, weights=np.full(150, 2.0))))


def test_rows_without_weight_are_no_start(rng):
    X = np.vstack([rng.normal(size=(5, 2)), 1e6 + rng.normal(size=(95, 2))])
    problem = made(X, FULL, weights=np.repeat([1.0, 0.0], [5, 95]))
    for seed in range(20):
        distances = multistart._distances(X, problem.rows.weights, 4, np.random.RandomState(seed))
        assert np.all(np.count_nonzero(distances == 0.0, axis=1) == 1)
        assert np.all(distances[:, problem.rows.weights == 0.0] > 0.0)


def test_seeds_are_drawn_before_the_runs(apart):
    alone = found(apart, seed=3)
    same(alone, found(apart, seed=3))
    with ThreadPoolExecutor(2) as pool:
        same(alone, found(apart, seed=3, map=pool.map))


def test_units_of_the_columns_do_not_matter(apart):
    units = np.array([2.0**-10, 2.0**13])
    one, other = found(apart), found(made(apart.rows.X * units))
    bounds = [mode.lower_bound - np.log(units).sum() for mode in one.modes]
    np.testing.assert_allclose([mode.lower_bound for mode in other.modes], bounds, atol=1e-9)


def test_races_on_a_sample_end_on_all_rows(apart, monkeypatch):
    monkeypatch.setattr(multistart, "ROWS", 100)
    monkeypatch.setattr(multistart, "ROWS_PER_PARAMETER", 1)
    result = found(apart)
    assert sum(mode.count for mode in result.modes) <= multistart.FINALISTS
    again = em.run(apart, result.fit.components, 0.0, 1)
    assert result.fit.lower_bound == pytest.approx(again.lower_bound, abs=1e-6)


def test_collapsed_components_that_a_run_reports_are_spurious(apart):
    def run(problem, components, tol, max_iter):
        fit = plain(problem, components, tol, max_iter)
        if components.weights[0] < 0.3:
            return fit._replace(lower_bound=fit.lower_bound + 9.0, collapsed=np.array([False, True, False]))
        return fit

    result = found(apart, run=run)
    assert result.modes[0].spurious == ()


def test_one_component_has_one_mode(apart):
    result = found(apart, 1)
    assert [mode.count for mode in result.modes] == [multistart.FINALISTS]
    np.testing.assert_allclose(result.fit.components.means[0] + apart.units.centre, apart.rows.X.mean(axis=0))
