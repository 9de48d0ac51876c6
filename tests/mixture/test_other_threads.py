"""BLAS uses one thread during fits of wide tables, and as many as before after them."""

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import mixgrad as mg
from mixgrad.mixture import estimators, start
from mixgrad.mixture.other_threads import NARROW, one_blas_thread


def threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.mark.parametrize("first", ["this", "other"])
def test_fits_at_once_end_with_the_threads_that_the_first_found(first):
    inside, leave, left = threading.Barrier(2), threading.Event(), threading.Event()

    def other():
        with one_blas_thread(NARROW + 1):
            inside.wait(10)
            leave.wait(10)
        left.set()

    thread = threading.Thread(target=other)
    with one_blas_thread(NARROW + 1):
        thread.start()
        inside.wait(10)
        assert threads() == {1}
        if first == "other":
            leave.set()
            left.wait(10)
    leave.set()
    thread.join(10)
    assert threads() == {2}


def test_narrow_tables_leave_blas_alone():
    with one_blas_thread(NARROW):
        assert threads() == {2}


def test_fits_end_with_the_threads_that_they_found(random, monkeypatch):
    seen = []
    fit = estimators.best_fit
    monkeypatch.setattr(estimators, "best_fit", lambda *args: seen.append(threads()) or fit(*args))
    model = mg.GaussianMixture(2, covariance_type="diag", tol=1e9, init_params="random_from_data", random_state=0)
    model.fit(random.normal(size=(100, NARROW + 1)))
    assert (seen, threads()) == ([{1}], {2})


def test_k_means_of_a_start_adds_in_one_order(random, monkeypatch):
    seen, fit = [], start.KMeans.fit

    def spied(model, *args, **kwargs):
        seen.append({library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"})
        return fit(model, *args, **kwargs)

    monkeypatch.setattr(start.KMeans, "fit", spied)
    with threadpool_limits(2, user_api="openmp"):
        mg.GaussianMixture(2, random_state=0).fit(random.normal(size=(100, 2)))
    assert seen == [{1}]
