"""ADBench's problems by mixgrad's compiler, beside its peers and code by hand: ``python benchmarks/adbench.py``.

Every derivative is compared with mixgrad's eager one before anything is timed. Run it on an idle machine; it takes a
quarter of an hour or more. With ``--quick`` it solves the smallest problems only, prints its table and leaves
docs/benchmarks.md alone, as with ``--only gmm``. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from adbench_data import Problem, problems
from adbench_objectives import functions
from report import ROOT, machine_line, number, table, write_json, write_section
from roofline import operations
from timing import Effort, Neighbours, machine, measure

import mixgrad as mg

KINDS = ("gmm", "ba", "hand", "lstm")
PEERS = {"JAX": "jax", "PyTorch": "torch", "autograd": "autograd"}
BY_HAND = {"Numba, by hand": "numba"}  # no library for derivatives: how fast plain code can be
CRITERION = 1e-6  # ADBench's, for |a - b| / max(1, |a| + |b|)
QUICK, FULL = Effort(0.002, 3), Effort(0.02, 15)
AIMS = {  # milliseconds, on two cores with 70 GFLOP/s each
    "GMM 1k d2 K5": 0.06,
    "GMM 1k d10 K25": 0.4,
    "GMM 1k d32 K100": 12.0,
    "GMM 10k d10 K25": 4.0,
    "GMM 10k d10 K100": 15.0,
    "GMM 10k d32 K25": 25.0,
    "BA1, 49 cameras, 31843 features": 3.0,
    "LSTM l2 c1024": 6.0,
}

INTRODUCTION = f"""\
## ADBench (`benchmarks/adbench.py`)

The problems of ADBench, Srajer, Kukelova and Fitzgibbon (2018): gradients of Gaussian
mixtures (GMM) and of a language model (LSTM), Jacobians of bundle adjustment (BA, by blocks) and of hand tracking
(Hand). mixgrad compiles plain NumPy code; JAX compiles; PyTorch, with its threads, and autograd do not.
Beside them, and not among the peers, stands the mixture's gradient as derived by hand for Numba. All compute in
double precision and agree with mixgrad's eager derivatives to {CRITERION:g}. Milliseconds: minima over rounds in which
the contestants take turns; the medians are in `benchmarks/results/adbench.json`. First calls record, differentiate and
compile; mixgrad keeps machine code on disk, so that another process only records and differentiates. GFLOP/s are the
operations of the derivative, counted in mixgrad's plan (`benchmarks/roofline.py` says how: a sum of products as dgemm's
are, an elementary function as one), for each second of its minimum, beside what dgemm reaches on all threads."""


# Contestants ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contestant:
    """The objective and the derivative of a problem, as functions without arguments."""

    objective: Callable[[], Any]
    derivative: Callable[[], Any]


def installed_peers() -> dict[str, ModuleType]:
    """Import the peers' versions of the objectives; say which are left out."""
    found = {}
    for name, package in (PEERS | BY_HAND).items():
        try:
            found[name] = importlib.import_module(f"adbench_{package}")
        except ImportError as error:
            print(f"{name} is left out: {error}")
    return found


def ours(problem: Problem) -> Contestant:
    objective, derivative = (mg.jit(function) for function in functions(problem))
    return Contestant(lambda: objective(*problem.args), lambda: derivative(*problem.args))


def contestants(problem: Problem, peers: dict[str, ModuleType]) -> dict[str, Contestant]:
    found = {"mixgrad": ours(problem)}
    for name, module in peers.items():
        calls = module.calls(problem)
        if calls is not None:
            found[name] = Contestant(*calls)
    return found


# Correctness ----------------------------------------------------------------------------------------------------------


def arrays(result: Any) -> list[np.ndarray]:
    """Return what a contestant computes as arrays of NumPy."""
    parts = result if isinstance(result, (tuple, list)) else (result,)
    return [np.asarray(part, float) for part in parts]


def difference(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Return the largest difference: by ADBench's criterion, or relative to the largest element of an array.

    The second is stricter where derivatives are far below one.
    """
    if [a.shape for a in found] != [b.shape for b in expected]:
        raise ValueError(f"shapes {[a.shape for a in found]} instead of {[b.shape for b in expected]}")
    worst = 0.0
    for a, b in zip(found, expected):
        apart = np.abs(a - b)
        worst = max(worst, float(np.max(apart / np.maximum(1, np.abs(a) + np.abs(b)), initial=0.0)))
        largest = float(np.max(np.abs(b), initial=0.0))
        worst = max(worst, float(np.max(apart, initial=0.0)) / largest if largest else 0.0)
    return worst


def checked(contestant: Contestant, expected: tuple[list, list]) -> dict[str, Any]:
    """Return how far a contestant is from what is expected, and the seconds of its first call; or what went wrong."""
    result: dict[str, Any] = {}
    try:
        for what, wanted in zip(("objective", "derivative"), expected):
            start = time.perf_counter()
            found = getattr(contestant, what)()
            result[f"first_{what}_s"] = time.perf_counter() - start
            result[f"{what}_difference"] = apart = difference(arrays(found), wanted)
            if not apart < CRITERION:
                result["error"] = f"its {what} differs by {apart:.2g}"
    except Exception as error:  # whatever a contestant raises belongs in the table
        result["error"] = f"{type(error).__name__}: {error}".split("\n")[0]
    return result


# Measurement ----------------------------------------------------------------------------------------------------------


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def solve(problem: Problem, peers: dict[str, ModuleType], effort: Effort) -> dict[str, Any]:
    """Compare all contestants for a problem, then time those that are right."""
    objective, derivative = functions(problem)
    eager = arrays(objective(*problem.args)), arrays(derivative(*problem.args))
    found = contestants(problem, peers)
    checks = {name: checked(contestant, eager) for name, contestant in found.items()}
    if "error" not in checks["mixgrad"]:
        checks["mixgrad"]["kept_derivative_s"] = seconds(ours(problem).derivative)
    right = [name for name in found if "error" not in checks[name]]
    calls = {  # a derivative comes after its own objective, so that no contestant's idle threads disturb another's
        f"{name} {what}": getattr(found[name], what) for name in right for what in ("objective", "derivative")
    }
    times = measure(calls, effort) if calls else {}
    for name in found:
        if "error" in checks[name]:
            print(f"{problem.name}: {name}: {checks[name]['error']}")
    return {
        "name": problem.name,
        "kind": problem.kind,
        "operations": None if "error" in checks["mixgrad"] else operations(mg.jit(derivative), *problem.args),
        "checks": checks,
        "times": {name: timing.as_dict() for name, timing in times.items()},
    }


# Tables ---------------------------------------------------------------------------------------------------------------


def milliseconds(result: dict[str, Any], name: str, what: str) -> float | None:
    timing = result["times"].get(f"{name} {what}")
    return None if timing is None else timing["minimum"] * 1e3


def ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above / below


def reached(result: dict[str, Any], rate: float) -> str:
    """Return the rate of the derivative in GFLOP/s, and its part of that of dgemm."""
    time = milliseconds(result, "mixgrad", "derivative")
    if time is None or result.get("operations") is None:
        return number(None)
    own = result["operations"] / time / 1e6
    return f"{number(own, 2)} ({own / rate:.0%})"


def row(result: dict[str, Any], peers: list[str], rate: float) -> list[str]:
    derivative = milliseconds(result, "mixgrad", "derivative")
    objective = milliseconds(result, "mixgrad", "objective")
    others = {name: milliseconds(result, name, "derivative") for name in peers}
    best = min((time for name, time in others.items() if time is not None and name not in BY_HAND), default=None)
    own = result["checks"]["mixgrad"]
    first = [own.get("first_derivative_s"), own.get("kept_derivative_s")]
    if "JAX" in peers:
        first.append(result["checks"].get("JAX", {}).get("first_derivative_s"))
    return [
        result["name"],
        number(objective),
        "failed" if "error" in own else number(derivative),
        *(number(time) for time in others.values()),
        number(ratio(best, derivative), 2),
        number(ratio(derivative, objective), 2),
        number(AIMS.get(result["name"])),
        reached(result, rate),
        *(number(time, 2) for time in first),
    ]


def text_of(results: dict[str, Any]) -> str:
    """Return the section of docs/benchmarks.md."""
    peers = results["peers"]
    header = ["derivative of", "objective, mixgrad", "mixgrad", *peers]
    header += ["best peer / mixgrad", "derivative / objective", "aim", "GFLOP/s (of dgemm)"]
    header += ["first call, s: mixgrad", "with code on disk", *(["JAX"] if "JAX" in peers else [])]
    parts = [INTRODUCTION, machine_line(results["machine"], results["neighbours"])]
    rate = results["machine"]["dgemm_GFLOP_per_s"]
    parts.append(table(header, [row(result, peers, rate) for result in results["problems"]]))
    aimed = [r for r in results["problems"] if r["name"] in AIMS]
    met = sum((milliseconds(r, "mixgrad", "derivative") or np.inf) < AIMS[r["name"]] for r in aimed)
    parts.append(f"Aims reached: {met} of {len(aimed)}.")
    failures = [
        f"- {result['name']}, {name}: {check['error']}"
        for result in results["problems"]
        for name, check in result["checks"].items()
        if "error" in check
    ]
    if failures:
        parts.append("What failed, and was not timed:\n\n" + "\n".join(failures))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the smallest problems, few rounds; docs are left alone")
    parser.add_argument("--only", choices=KINDS, help="one kind of problems; docs are left alone")
    parser.add_argument("--json", type=Path, help="where to write the results (benchmarks/results/adbench.json)")
    options = parser.parse_args()
    facts = machine(["mixgrad", "numpy"])  # before the peers load their own threads
    peers = installed_peers()
    facts["packages"] |= {
        package: metadata.version(package) for name, package in (PEERS | BY_HAND).items() if name in peers
    }
    results: dict[str, Any] = {"quick": options.quick, "machine": facts, "peers": list(peers)}
    with Neighbours() as neighbours, tempfile.TemporaryDirectory() as folder:
        os.environ["MIXGRAD_CACHE"] = folder  # what earlier runs have compiled is not there
        results["problems"] = [
            solve(problem, peers, QUICK if options.quick else FULL)
            for kind in ([options.only] if options.only else KINDS)
            for problem in problems(kind, options.quick)
        ]
    results["neighbours"] = neighbours.share
    text = text_of(results)
    print(text)
    partial = options.quick or options.only
    if options.json or not partial:
        write_json(results, options.json or ROOT / "benchmarks" / "results" / "adbench.json")
    if not partial:
        write_section("adbench", text)
    if any("error" in check for result in results["problems"] for check in result["checks"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
