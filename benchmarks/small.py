"""Derivatives of few variables, called one at a time from Python: ``python benchmarks/small.py``.

Every derivative is compared with mixgrad's eager one before anything is timed. Run it on an idle machine. With
``--quick`` it takes a minute, prints its table and leaves docs/benchmarks.md alone. Peers that are not installed are
left out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from report import ROOT, machine_line, number, table, write_json, write_section
from small_cases import Case, cases
from small_peers import PEERS, installed
from timing import FULL, QUICK, Effort, Neighbours, machine, measure

import mixgrad as mg

RTOL = 1e-9
INTO = "mixgrad, out="
OURS = ("mixgrad", INTO, "mixgrad, eager")
KEPT = "mixgrad, code on disk"
AIMS = {"gradient of Rosenbrock(100)": 2.0}  # microseconds

INTRODUCTION = f"""\
## Small derivatives (`benchmarks/small.py`)

Microseconds for one call from Python. mixgrad, autograd and Numba take and return arrays of NumPy; JAX is given an
array of its own, and waited for; CasADi runs through its buffers, into an array made beforehand, which is what mixgrad
does with `out=`; Numba compiles derivatives written by hand. All agree with mixgrad's eager derivatives to {RTOL:g}.
Minima over rounds in which the contestants take turns; the medians are in `benchmarks/results/small.json`."""


def prepare(case: Case, name: str) -> Callable[[], Any]:
    """Return what computes the derivative of a case by a contestant, as a function without arguments."""
    if name in PEERS:
        return PEERS[name].prepare(case)
    derivative = case.derivative(mg, np)
    x = case.x
    if name == "mixgrad, eager":
        return lambda: derivative(x)
    call = mg.jit(derivative)
    if name == "mixgrad":
        return lambda: call(x)
    out = np.empty_like(call(x))
    return lambda: call(x, out=out)


def solve(case: Case, peers: list[str], effort: Effort) -> dict[str, Any]:
    """Compare all contestants for a case, then time those that are right."""
    expected = np.asarray(case.derivative(mg, np)(case.x))
    errors: dict[str, str] = {}
    first: dict[str, float] = {}
    right: dict[str, Callable[[], Any]] = {}
    for name in (*OURS, *peers):
        try:
            start = time.perf_counter()
            call = prepare(case, name)
            found = np.array(call(), float)
            first[name] = time.perf_counter() - start
            np.testing.assert_allclose(found, expected, rtol=RTOL, atol=RTOL * np.max(np.abs(expected)))
            right[name] = call
        except Exception as error:  # whatever a contestant raises belongs in the table
            errors[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            print(f"{case.name}: {name}: {errors[name]}")
    if "mixgrad" in right:
        start = time.perf_counter()
        prepare(case, "mixgrad")()
        first[KEPT] = time.perf_counter() - start
    times = measure(right, effort)
    return {
        "name": case.name,
        "first_s": first,
        "errors": errors,
        "times": {name: timing.as_dict() for name, timing in times.items()},
    }


# Tables ---------------------------------------------------------------------------------------------------------------


def call_table(results: list[dict[str, Any]], peers: list[str]) -> str:
    names = [*OURS, *peers]
    rows = []
    for result in results:
        times = {name: timing["minimum"] * 1e6 for name, timing in result["times"].items()}
        best = min((times[name] for name in peers if name in times and name != "Numba, by hand"), default=None)
        ratio = best / times["mixgrad"] if best and "mixgrad" in times else None
        cells = ["failed" if name in result["errors"] else number(times.get(name)) for name in names]
        rows.append([result["name"], *cells, number(ratio, 2), number(AIMS.get(result["name"]))])
    return table(["", *names, "best peer but Numba / mixgrad", "aim"], rows)


def first_table(results: list[dict[str, Any]], peers: list[str]) -> str:
    names = ["mixgrad", KEPT, "mixgrad, eager", *peers]
    rows = [[r["name"], *(number(_milliseconds(r["first_s"].get(name))) for name in names)] for r in results]
    text = (
        "Milliseconds for the first call: recording, differentiating and compiling. mixgrad keeps machine code on "
        "disk, so that another process only records and differentiates."
    )
    return f"### First calls\n\n{text}\n\n{table(['', *names], rows)}"


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def text_of(results: dict[str, Any]) -> str:
    """Return the section of docs/benchmarks.md."""
    parts = [INTRODUCTION, machine_line(results["machine"], results["neighbours"])]
    parts += [call_table(results["cases"], results["peers"]), first_table(results["cases"], results["peers"])]
    failures = [f"- {r['name']}, {name}: {error}" for r in results["cases"] for name, error in r["errors"].items()]
    if failures:
        parts.append("What failed, and was not timed:\n\n" + "\n".join(failures))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, for a first look; docs are left alone")
    parser.add_argument("--json", type=Path, help="where to write the results (benchmarks/results/small.json)")
    options = parser.parse_args()
    facts = machine(["mixgrad", "numpy"])
    peers, versions = installed()
    facts["packages"] |= versions
    results: dict[str, Any] = {"quick": options.quick, "machine": facts, "peers": peers}
    effort = QUICK if options.quick else FULL
    os.environ["MIXGRAD_CACHE"] = ""
    solve(cases()[0], peers, QUICK)  # loads what is loaded once
    with Neighbours() as neighbours, tempfile.TemporaryDirectory() as folder:
        os.environ["MIXGRAD_CACHE"] = folder  # what earlier runs have compiled is not there
        results["cases"] = [solve(case, peers, effort) for case in cases()]
    results["neighbours"] = neighbours.share
    text = text_of(results)
    print(text)
    if options.json or not options.quick:
        write_json(results, options.json or ROOT / "benchmarks" / "results" / "small.json")
    if not options.quick:
        write_section("small", text)
    if any(result["errors"] for result in results["cases"]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
