"""Measurements of `mixture.py` that need a process of their own.

``python benchmarks/mixture_child.py first NAME CASE`` prints the seconds of the first and of the second fit with
defaults; ``memory NAME CASE given|default`` prints the seconds of a fit of two iterations and the bytes that it takes.
The highest resident memory that ``resource.getrusage`` tells is no use for that: a process inherits it from its parent.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from typing import Any

from memory import forget_the_highest, status
from mixture_cases import Case, start_of, table_of
from sklearn.exceptions import ConvergenceWarning

LOADING = Case(20_000, 2, 3)
ITERATIONS = 2
LONGEST = 1800  # seconds


def estimator(name: str, what: str = "GaussianMixture") -> Any:
    """Return a contestant's class."""
    if name == "mixgrad":
        import mixgrad

        return getattr(mixgrad, what)
    if name == "pomegranate":
        from mixture_pomegranate import Pomegranate

        return Pomegranate
    import sklearn.cluster
    import sklearn.mixture

    return getattr(sklearn.mixture if what == "GaussianMixture" else sklearn.cluster, what)


def defaults(case: Case) -> dict[str, Any]:
    """Return settings that leave everything at its default that has one."""
    return {"n_components": case.components, "covariance_type": case.covariance_type, "random_state": 0}


def seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def first(name: str, case: Case) -> None:
    X, made = table_of(case), estimator(name)
    print(*(seconds(lambda: made(**defaults(case)).fit(X)) for _ in range(2)))


def memory(name: str, case: Case, start: str) -> None:
    made = estimator(name)
    made(**defaults(LOADING)).fit(table_of(LOADING))  # loads what is loaded once
    settings = start_of(case) | {"reg_covar": 1e-6} if start == "given" else defaults(case)
    model, X = made(max_iter=ITERATIONS, tol=0.0, **settings), table_of(case)
    forget_the_highest()
    before = status("VmRSS")
    taken = seconds(lambda: model.fit(X))
    print(taken, status("VmHWM") - before)


def run_child(what: str, name: str, case: Case, *more: str, cache: str = "") -> list[float] | str:
    """Return the numbers that a child prints, or what went wrong; it keeps machine code in the folder `cache`."""
    words = [case.rows, case.features, case.components, case.covariance_type]
    command = [sys.executable, __file__, what, name, *map(str, words), *more]
    try:
        environment = os.environ | {"MIXGRAD_CACHE": cache}
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, env=environment)
    except subprocess.TimeoutExpired:
        return f"took more than {LONGEST} s"
    if done.stderr.strip():
        print(f"{case.name}: {name}: {done.stderr.strip()[-1000:]}")
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:200]
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    what, name, rows, features, components, covariance_type, *more = sys.argv[1:]
    warnings.simplefilter("ignore", ConvergenceWarning)
    case = Case(int(rows), int(features), int(components), covariance_type)
    {"first": first, "memory": memory}[what](name, case, *more)


if __name__ == "__main__":
    main()
