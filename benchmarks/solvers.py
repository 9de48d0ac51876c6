"""Ways to the maximum of a mixture's likelihood: ``python benchmarks/solvers.py``.

All solvers fit the same tables from the same starts, until what is still to gain is 1e-12 per row: EM by a `tol` so
small that this holds. Before anything is timed it is checked that all end in the same maximum. Compiling is not part of
the times: they are those of a second fit. With ``--quick`` the simulated table is small, and docs/benchmarks.md is left
alone.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from report import ROOT, machine_line, number, table, write_json, write_section
from timing import Effort, Neighbours, machine, measure

from mixgrad.datasets import load_faithful
from mixgrad.mixture import GaussianMixture

SOLVERS = ("em", "squarem", "lbfgs", "newton", "auto")
CRITERION = 1e-10
EFFORT = Effort(0.0, 5)

INTRODUCTION = """\
## Solvers of mixtures (`benchmarks/solvers.py`)

From the same start to what is at most 1e-12 per row below the same maximum. Iterations, passes over the rows (one that
computes a Hessian, of at most 32 parameters, counts once), and milliseconds of a fit whose code is compiled already:
minima over rounds in which the solvers take turns. `em` runs with `tol=1e-14`. The valley is a start of Old Faithful
near a saddle of the likelihood."""


def overlapping(n: int, d: int, K: int) -> np.ndarray:
    """Rows of a mixture whose components overlap."""
    random = np.random.default_rng(0)
    means, roots = random.normal(size=(K, d)), np.eye(d) + 0.4 * random.normal(size=(K, d, d))
    of = random.integers(K, size=n)
    return means[of] + np.einsum("nij,nj->ni", roots[of], random.normal(size=(n, d)))


def problems(quick: bool) -> Iterator[tuple[str, np.ndarray, dict[str, Any]]]:
    faithful = load_faithful().data
    tied = {"n_components": 3, "covariance_type": "tied"}
    yield "Old Faithful, tied, K = 3", faithful, tied | {"random_state": 0}
    yield "Old Faithful, tied, K = 3, a valley", faithful, tied | {"random_state": 6}
    n = 1_000 if quick else 20_000
    yield f"{n:,} x 3, full, K = 4", overlapping(n, 3, 4), {"n_components": 4, "random_state": 0}


def solve(name: str, X: np.ndarray, options: dict[str, Any]) -> dict[str, Any]:
    """Fit by all solvers, compare where they end, and time them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a start has not converged
        start = GaussianMixture(max_iter=0, **options).fit(X)
    given = {"weights_init": start.weights_, "means_init": start.means_, "precisions_init": start.precisions_}
    limits = {"tol": 1e-14, "max_iter": 10_000}
    models = {solver: GaussianMixture(solver=solver, **options, **given, **limits) for solver in SOLVERS}
    best = max(model.fit(X).lower_bound_ for model in models.values())
    for solver, model in models.items():
        if not (model.converged_ and model.lower_bound_ > best - CRITERION):
            raise AssertionError(f"{name}, {solver}: ends at {model.lower_bound_}, others at {best}")
    times = measure({solver: (lambda model=model: model.fit(X)) for solver, model in models.items()}, EFFORT)
    return {
        "name": name,
        "parameters": start._n_parameters(),
        "solvers": {
            solver: {"iterations": model.n_iter_, "sweeps": model.n_sweeps_, "gap": model.gap_}
            | {"time": times[solver].as_dict()}
            for solver, model in models.items()
        },
    }


def text_of(results: dict[str, Any]) -> str:
    """Return the section of docs/benchmarks.md."""
    rows = []
    for problem in results["problems"]:
        for solver, found in problem["solvers"].items():
            milliseconds = number(1e3 * found["time"]["minimum"])
            counts = [str(problem["parameters"]), str(found["iterations"]), str(found["sweeps"])]
            rows.append([f"{problem['name']}: `{solver}`", *counts, milliseconds])
    header = ["problem", "parameters", "iterations", "passes", "ms"]
    return "\n\n".join([INTRODUCTION, machine_line(results["machine"], results["neighbours"]), table(header, rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small simulated table; docs are left alone")
    quick = parser.parse_args().quick
    results: dict[str, Any] = {"machine": machine(["mixgrad", "numpy", "scipy"])}
    with Neighbours() as neighbours:
        results["problems"] = [solve(*problem) for problem in problems(quick)]
    results["neighbours"] = neighbours.share
    text = text_of(results)
    print(text)
    if not quick:
        write_json(results, ROOT / "benchmarks" / "results" / "solvers.json")
        write_section("solvers", text)


if __name__ == "__main__":
    main()
