"""What `mixture.py` measures in its own process: iterations, times to a likelihood, whole fits, k-means.

Each function takes a case and returns what is to be told of it, or raises if contestants disagree or fail.
"""

from __future__ import annotations

import functools
import inspect
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from mixture_cases import Case, start_of, table_of
from mixture_child import defaults, estimator, run_child, seconds
from timing import Effort, measure

OURS, PEER, POMEGRANATE = "mixgrad", "scikit-learn", "pomegranate"
MOST_ROUNDS = 9
REG_COVAR = 1e-6
AGREE = 1e-9  # of the log-likelihood per row
ALMOST = 1e-6  # of that of contestants that keep some numbers in single precision
CHECKED = 4  # iterations after which bounds are compared
FEWEST, MOST = 3, 21  # iterations of the longer fits
FIT_SHARE = 0.1  # of the seconds for a case, for the iterations of a longer fit
NEAR = 1e-6  # of the converged log-likelihood per row
MOST_SWEEPS = 20_000  # of EM to its limit
MOST_STEPS = 1000  # of the other solvers
INERTIA = 1e-9  # relative
SOLVERS = ("squarem", "auto", "newton", "lbfgs")


def rounds_of(each: float, budget: float, fewest: int = 2) -> int:
    """Return how many rounds of contestants fit a budget of seconds, one round going to warming up."""
    return max(fewest, min(MOST_ROUNDS, int(budget / each) - 1))


def failure(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


# Iterations -----------------------------------------------------------------------------------------------------------


def made(name: str, case: Case, X: np.ndarray, iterations: int) -> Any:
    """Return a model after at most so many iterations from the start of a case."""
    settings = start_of(case) | {"reg_covar": REG_COVAR, "tol": 0.0}
    return estimator(name)(max_iter=iterations, **settings).fit(X)


def fitted(name: str, case: Case, X: np.ndarray, iterations: int) -> Any:
    """Return a model after a number of iterations from the start of a case; they must have been made."""
    model = made(name, case, X, iterations)
    if model.n_iter_ != iterations:
        raise AssertionError(f"it made {model.n_iter_} iterations instead of {iterations}")
    return model


def iteration(case: Case, budget: float, peer: str = PEER, agree: float = AGREE) -> dict[str, Any]:
    """Time an iteration of EM: the difference of fits of one and of several iterations, over their number less one."""
    X = table_of(case)
    bounds = [fitted(name, case, X, CHECKED).score(X) for name in (OURS, peer)]
    apart = abs(bounds[0] - bounds[1])
    if not apart <= agree:
        raise AssertionError(f"the bounds differ by {apart:.2g}: {bounds[0]:.12f} instead of {bounds[1]:.12f}")
    calls, several, each = {}, {}, 0.0
    for name in (OURS, peer):
        one, more = (seconds(functools.partial(fitted, name, case, X, m)) for m in (1, CHECKED))
        taken = max(more - one, 1e-3) / (CHECKED - 1)
        most = made(name, case, X, MOST).n_iter_ if name == OURS else MOST  # it may stand still before
        several[name] = int(np.clip(FIT_SHARE * budget / taken, FEWEST, most))
        each += 2 * one + (several[name] - 1) * taken
        for iterations in (several[name], 1):
            calls[f"{name} {iterations}"] = functools.partial(fitted, name, case, X, iterations)
    times = measure(calls, Effort(0.0, rounds_of(each, budget)))
    result = {"operations": case.operations, "difference": apart, "rounds": times[f"{OURS} 1"].rounds}
    for name, count in several.items():
        one, more = times[f"{name} 1"].minimum, times[f"{name} {count}"].minimum
        result[name] = {"iteration_s": max(0.0, more - one) / (count - 1), "one_s": one, "iterations": count}
    return result


def iteration_beside_pomegranate(case: Case, budget: float) -> dict[str, Any]:
    """As `iteration`, with another peer."""
    return iteration(case, budget, POMEGRANATE, ALMOST)


# To the same likelihood -----------------------------------------------------------------------------------------------


def solvers() -> tuple[str, ...]:
    """Return the solvers besides EM, as far as there are any."""
    return SOLVERS if "solver" in inspect.signature(estimator(OURS)).parameters else ()


def likelihood(case: Case, budget: float) -> dict[str, Any]:
    """Time fits from one start until the log-likelihood per row is nearly that of the limit of EM."""
    X, settings = table_of(case), start_of(case) | {"reg_covar": 0.0, "tol": 0.0}
    limit = estimator(OURS)(max_iter=MOST_SWEEPS, **settings | {"tol": 1e-13}).fit(X)
    target, found, calls, each = limit.lower_bound_ - NEAR, {}, {}, 0.0
    contestants = {f"{OURS}, em": {}, PEER: {}} | {f"{OURS}, {solver}": {"solver": solver} for solver in solvers()}
    for name, more in contestants.items():
        made = functools.partial(estimator(name.partition(",")[0]), **settings, **more)
        try:
            # scikit-learn makes the iterations of EM: those of ours tell how many it needs.
            course = made(max_iter=MOST_STEPS).fit(X) if more else limit
            needed = iterations_to(target, course, made, X)
        except Exception as error:  # whatever a contestant raises belongs in the table
            found[name] = {"error": failure(error)}
            continue
        calls[name] = functools.partial(made(max_iter=needed).fit, X)
        each += seconds(calls[name])
        found[name] = {"iterations": needed, "ends_at": course.lower_bound_}
    for name, timing in measure(calls, Effort(0.0, rounds_of(each, budget, fewest=1))).items():
        found[name]["seconds"] = timing.minimum
    return {"limit": limit.lower_bound_, "limit_iterations": limit.n_iter_, "contestants": found}


def iterations_to(target: float, course: Any, made: Callable[..., Any], X: np.ndarray) -> int:
    """Return the number of iterations whose outcome has the likelihood; a course tells about how many."""
    reached = np.flatnonzero(np.asarray(course.lower_bounds_) >= target)
    if not len(reached):
        raise AssertionError(f"it ends at {course.lower_bound_:.9f}, below the limit of EM")
    first = max(1, int(reached[0]))  # a bound is that of the parameters with which an iteration began
    for needed in range(first, first + 3):
        if made(max_iter=needed).fit(X).score(X) >= target - AGREE:
            return needed
    raise AssertionError(f"it is not near the limit of EM after {first + 2} iterations")


# Whole fits -----------------------------------------------------------------------------------------------------------


def whole(case: Case, budget: float) -> dict[str, Any]:
    """Time fits with defaults: warm, and the first ones of fresh processes without and with code on disk."""
    X, result, calls, each = table_of(case), {}, {}, 0.0
    for name in (OURS, PEER):
        calls[name] = functools.partial(estimator(name)(**defaults(case)).fit, X)
        model = calls[name]()
        result[name] = {"score": float(model.score(X)), "iterations": model.n_iter_}
        each += seconds(calls[name])
    for name, timing in measure(calls, Effort(0.0, rounds_of(each, budget))).items():
        result[name]["seconds"] = timing.minimum
    return result | {"first": first_calls(case)}


def first_calls(case: Case) -> dict[str, Any]:
    """Return seconds of the first fit in a fresh process, without code on disk and with it."""
    with tempfile.TemporaryDirectory() as folder:
        found = {what: run_child("first", OURS, case, cache=folder) for what in ("cold", "kept")}
    found[PEER] = run_child("first", PEER, case)
    return {name: value if isinstance(value, str) else value[0] for name, value in found.items()}


# k-means --------------------------------------------------------------------------------------------------------------


def kmeans(case: Case, budget: float) -> dict[str, Any]:
    """Time whole fits of k-means that end with the same inertia."""
    X, result, calls, each = table_of(case), {}, {}, 0.0
    settings = {"n_clusters": case.components, "n_init": 1, "random_state": 0, "algorithm": "lloyd"}
    for name in (OURS, PEER):
        calls[name] = functools.partial(estimator(name, "KMeans")(**settings).fit, X)
        model = calls[name]()
        result[name] = {"inertia": float(model.inertia_), "iterations": model.n_iter_}
        each += seconds(calls[name])
    a, b = (result[name]["inertia"] for name in (OURS, PEER))
    if not abs(a - b) <= INERTIA * b:
        raise AssertionError(f"inertia {a!r} instead of {b!r}, after {[result[n]['iterations'] for n in calls]}")
    for name, timing in measure(calls, Effort(0.0, rounds_of(each, budget))).items():
        result[name]["seconds"] = timing.minimum
    return result
