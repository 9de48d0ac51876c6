"""What `mixture.py` measures in its own process: iterations, times to a likelihood, whole fits, k-means.

Each function takes a case and returns what is to be told of it. Contestants that disagree, or fail, are not timed.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from mixture_cases import Case, start_of, table_of
from mixture_child import defaults, estimator, run_child, seconds
from timing import Effort, measure

OURS, PEER = "mixgrad", "scikit-learn"
REG_COVAR = 1e-6
AGREE = 1e-9  # of the log-likelihood per row
CHECKED = 4  # iterations after which bounds are compared
FEWEST, MOST = 3, 21  # iterations of the longer fits
FIT_SHARE = 0.1  # of the seconds for a case, for the iterations of a longer fit
NEAR = 1e-6  # of the converged log-likelihood per row
MOST_SWEEPS = 20_000
INERTIA = 1e-9  # relative
SOLVERS = ("squarem", "auto", "newton", "lbfgs")


def rounds_of(each: float, budget: float, most: int = 9) -> int:
    """Return how many rounds of contestants fit a budget of seconds, one round going to warming up."""
    return max(2, min(most, int(budget / each) - 1))


def failure(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


# Iterations -----------------------------------------------------------------------------------------------------------


def fitted(name: str, case: Case, X: np.ndarray, iterations: int) -> Any:
    """Return a model after a number of iterations from the start of a case; they must have been made."""
    settings = start_of(case) | {"reg_covar": REG_COVAR, "tol": 0.0}
    model = estimator(name)(max_iter=iterations, **settings).fit(X)
    if model.n_iter_ != iterations:
        raise AssertionError(f"it made {model.n_iter_} iterations instead of {iterations}")
    return model


def iteration(case: Case, budget: float) -> dict[str, Any]:
    """Time an iteration of EM: the difference of fits of one and of several iterations, over their number less one."""
    X, result = table_of(case), {"case": vars(case), "operations": case.operations}
    try:
        bounds = {name: fitted(name, case, X, CHECKED).lower_bound_ for name in (OURS, PEER)}
        result["difference"] = apart = abs(bounds[OURS] - bounds[PEER])
        if not apart <= AGREE:
            raise AssertionError(f"the bounds differ by {apart:.2g}: {bounds[OURS]!r}, {bounds[PEER]!r}")
        calls: dict[str, Callable[[], Any]] = {}
        several, each = {}, 0.0
        for name in (OURS, PEER):
            one, more = (seconds(lambda name=name, m=m: fitted(name, case, X, m)) for m in (1, CHECKED))
            taken = max(more - one, 1e-3) / (CHECKED - 1)
            several[name] = int(np.clip(FIT_SHARE * budget / taken, FEWEST, MOST))
            each += 2 * one + (several[name] - 1) * taken
            for iterations in (several[name], 1):
                calls[f"{name} {iterations}"] = lambda name=name, m=iterations: fitted(name, case, X, m)
        times = measure(calls, Effort(0.0, rounds_of(each, budget)))
    except Exception as error:  # whatever a contestant raises belongs in the table
        result["error"] = failure(error)
        return result
    for name, count in several.items():
        one, more = times[f"{name} 1"].minimum, times[f"{name} {count}"].minimum
        result[name] = {"iteration_s": max(0.0, more - one) / (count - 1), "one_s": one, "iterations": count}
    result["rounds"] = times[f"{OURS} 1"].rounds
    return result


# To the same likelihood -----------------------------------------------------------------------------------------------


def solvers() -> tuple[str, ...]:
    """Return the solvers besides EM, as far as there are any."""
    return SOLVERS if "solver" in inspect.signature(estimator(OURS)).parameters else ()


def likelihood(case: Case, budget: float) -> dict[str, Any]:
    """Time fits from one start until the log-likelihood per row is nearly that of the limit of EM."""
    X, settings = table_of(case), start_of(case) | {"reg_covar": 0.0}
    result: dict[str, Any] = {"case": vars(case), "contestants": {}}
    limit = estimator(OURS)(tol=1e-13, max_iter=MOST_SWEEPS, **settings).fit(X)
    result["limit"], result["limit_iterations"] = limit.lower_bound_, limit.n_iter_
    target = limit.lower_bound_ - NEAR
    calls = {}
    for name in (f"{OURS}, em", PEER, *(f"{OURS}, {solver}" for solver in solvers())):
        solver = name.partition(", ")[2]
        more = {} if solver in ("", "em") else {"solver": solver}
        made = estimator(name.partition(", ")[0])
        try:
            # scikit-learn makes the iterations of EM: those of ours tell how many it needs.
            course = limit if solver in ("", "em") else made(max_iter=2000, tol=0.0, **settings, **more).fit(X)
            needed = _iterations_to(
                target,
                course,
                lambda m, made=made, more=more: made(max_iter=m, tol=0.0, **settings, **more).fit(X).score(X),
            )
        except Exception as error:  # whatever a contestant raises belongs in the table
            result["contestants"][name] = {"error": failure(error)}
            continue
        result["contestants"][name] = {"iterations": needed, "ends_at": course.lower_bound_}
        model = made(max_iter=needed, tol=0.0, **settings, **more)
        calls[name] = lambda model=model: model.fit(X)
    each = sum(seconds(call) for call in calls.values())
    times = measure(calls, Effort(0.0, rounds_of(each, budget, 5)))
    for name, timing in times.items():
        result["contestants"][name]["seconds"] = timing.minimum
    return result


def _iterations_to(target: float, course: Any, score: Callable[[int], float]) -> int:
    """Return the number of iterations whose outcome has the likelihood; a course tells about how many."""
    reached = np.flatnonzero(np.asarray(course.lower_bounds_) >= target)
    if not len(reached):
        raise AssertionError(f"ends at {course.lower_bound_:.9f}, below the limit of EM")
    for needed in range(max(1, int(reached[0]) - 1), int(reached[0]) + 4):
        if score(needed) >= target - AGREE:
            return needed
    raise AssertionError(f"is not at the limit of EM after {needed} iterations")


# Whole fits -----------------------------------------------------------------------------------------------------------


def whole(case: Case, budget: float) -> dict[str, Any]:
    """Time fits with defaults: warm, and the first ones of fresh processes without and with code on disk."""
    X, result = table_of(case), {"case": vars(case)}
    calls, each = {}, 0.0
    for name in (OURS, PEER):
        made = estimator(name)
        call = lambda made=made: made(**defaults(case)).fit(X)
        model = call()
        result[name] = {"score": float(model.score(X)), "iterations": model.n_iter_}
        calls[name] = call
        each += seconds(call)
    for name, timing in measure(calls, Effort(0.0, rounds_of(each, budget))).items():
        result[name]["seconds"] = timing.minimum
    return result


def first_calls(case: Case) -> dict[str, Any]:
    """Return seconds of the first fit in a fresh process, without code on disk and with it."""
    with tempfile.TemporaryDirectory() as folder:
        found = {what: run_child("first", OURS, case, cache=folder) for what in ("cold", "kept")}
    found[PEER] = run_child("first", PEER, case)
    return {name: value if isinstance(value, str) else value[0] for name, value in found.items()}


# k-means --------------------------------------------------------------------------------------------------------------


def kmeans(case: Case, budget: float) -> dict[str, Any]:
    """Time whole fits of k-means that end with the same inertia."""
    X, result = table_of(case), {"case": vars(case)}
    settings = {"n_clusters": case.components, "n_init": 1, "random_state": 0, "algorithm": "lloyd"}
    calls, each = {}, 0.0
    try:
        for name in (OURS, PEER):
            made = estimator(name, "KMeans")
            call = lambda made=made: made(**settings).fit(X)
            model = call()
            result[name] = {"inertia": model.inertia_, "iterations": model.n_iter_}
            calls[name] = call
            each += seconds(call)
        a, b = (result[name]["inertia"] for name in (OURS, PEER))
        if not abs(a - b) <= INERTIA * b:
            raise AssertionError(f"inertia {a!r} instead of {b!r}, after {[result[n]['iterations'] for n in calls]}")
        times = measure(calls, Effort(0.0, rounds_of(each, budget)))
    except Exception as error:  # whatever a contestant raises belongs in the table
        result["error"] = failure(error)
        return result
    for name, timing in times.items():
        result[name]["seconds"] = timing.minimum
    return result
