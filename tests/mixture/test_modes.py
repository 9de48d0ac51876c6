"""``n_init="auto"`` and the modes that starts reach, as the estimator tells of them."""

import signal
import threading
import time

import numpy as np
import pytest

from mixgrad._errors import DataError
from mixgrad.mixture import GaussianMixture, fitting, multistart

BEST = -1114.439872903  # total log-likelihood of Old Faithful, three full components
USUAL = -1119.2139708


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[pytest.mark.long] * (seed > 1)) for seed in range(20)])
def test_auto_finds_the_best_mode_of_old_faithful(faithful, seed):
    model = GaussianMixture(3, n_init="auto", random_state=seed).fit(faithful)
    assert 272 * model.score(faithful) == pytest.approx(BEST, abs=2e-9)
    assert 272 * model.modes_[0].lower_bound == pytest.approx(BEST, abs=1e-6)
    assert model.modes_[0].spurious == ()
    np.testing.assert_allclose(np.sort(model.weights_), np.sort(model.modes_[0].parameters.weights), atol=1e-5)


def test_auto_depends_neither_on_order_nor_on_units_nor_on_repetition(faithful):
    counts = np.random.default_rng(0).integers(1, 3, size=272)
    order = np.random.default_rng(1).permutation(counts.sum())
    weighted, repeated = (
        GaussianMixture(2, n_init="auto", random_state=4),
        GaussianMixture(2, n_init="auto", random_state=4),
    )
    weighted.fit(faithful, sample_weight=counts)
    repeated.fit(np.repeat(faithful, counts, axis=0)[order])
    np.testing.assert_array_equal(weighted.means_, repeated.means_)
    assert weighted.modes_[0].lower_bound == repeated.modes_[0].lower_bound
    scaled = GaussianMixture(2, n_init="auto", random_state=4).fit(faithful * [1e-4, 1e3], sample_weight=counts)
    np.testing.assert_allclose(scaled.means_ / [1e-4, 1e3], weighted.means_, rtol=1e-6)


def test_modes_of_a_number_of_starts(faithful):
    model = GaussianMixture(3, n_init=12, init_params="random", tol=1e-10, max_iter=5000, random_state=0)
    model.fit(faithful)
    assert sum(mode.count for mode in model.modes_) == 12
    bounds = [mode.lower_bound for mode in model.modes_ if not mode.spurious]
    assert bounds == sorted(bounds, reverse=True)
    totals = 272 * np.array(bounds)
    assert np.min(np.abs(totals - USUAL)) < 1e-4
    for mode in model.modes_:
        made = GaussianMixture.from_parameters(*mode.parameters)
        assert made.score(faithful) == pytest.approx(mode.lower_bound, abs=1e-8)


def test_one_start_has_one_mode(faithful, covariance_type):
    model = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(faithful)
    (mode,) = model.modes_
    assert (mode.lower_bound, mode.count, mode.spurious) == (model.lower_bound_, 1, ())
    np.testing.assert_array_equal(mode.parameters.means, model.means_)


@pytest.mark.parametrize("options", [{"means_init": [[2.0, 55.0], [4.0, 80.0]]}, {"fixed": {"weights"}}])
def test_auto_draws_its_own_starts(faithful, options):
    with pytest.raises(DataError, match=r"n_init='auto' searches among starts of its own.*Give a number of starts"):
        GaussianMixture(2, n_init="auto", **options).fit(faithful)


def test_an_interrupted_search_leaves_a_usable_model(faithful, monkeypatch):
    calls = iter(range(10_000))

    def interrupted(*args, **kwargs):
        if next(calls) == 30:
            signal.raise_signal(signal.SIGINT)
        return multistart.run(*args, **kwargs)

    monkeypatch.setattr(fitting, "search", lambda *args, map: multistart.search(*args[:3], run=interrupted))
    model = GaussianMixture(3, n_init="auto", random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(faithful)
    assert model.interrupted_
    assert not model.converged_
    assert -4.3 < model.score(faithful) < BEST / 272
    assert model.n_sweeps_ == model.n_iter_


def test_an_interrupted_search_stops_its_threads(faithful, monkeypatch):
    begun, stopped = threading.Event(), threading.Event()

    def endless(problem, observe):
        begun.set()
        try:
            for _ in range(10_000):
                observe(None)
                time.sleep(0.001)
        except KeyboardInterrupt:
            stopped.set()
            raise

    def interrupted(problem, n_components, random_state, run, map):
        map(run, [problem])
        assert begun.wait(timeout=60.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "run", endless)
    monkeypatch.setattr(fitting, "search", interrupted)
    with pytest.raises(KeyboardInterrupt):
        GaussianMixture(3, n_init="auto", random_state=0).fit(faithful)
    assert stopped.is_set()
