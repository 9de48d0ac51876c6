"""Gaussian mixtures and k-means beside scikit-learn's: ``python benchmarks/mixture.py``.

Both begin at the same parameters, and must reach the same log-likelihood (the same inertia) before anything is timed.
Run it on an idle machine; it takes some fifteen minutes, and hours with ``--all``. With ``--only iteration``, or
another kind of measurements, the others stay as they were; with ``--quick`` it tries small tables only, and prints
its tables.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import mixture_cases as cases
import numpy as np
from mixture_child import run_child
from mixture_fits import (
    AGREE,
    ALMOST,
    NEAR,
    OURS,
    PEER,
    POMEGRANATE,
    REG_COVAR,
    failure,
    iteration,
    iteration_beside_pomegranate,
    kmeans,
    likelihood,
    whole,
)
from report import ROOT, machine_line, number, table, write_json, write_section
from sklearn.exceptions import ConvergenceWarning
from timing import Neighbours, machine

BUDGETS = {"quick": 0.3, "default": 1.0, "all": 10.0}  # seconds for a case, as far as two rounds allow
AIM, KMEANS_AIM, MEMORY_AIM, DGEMM_AIM = 20, 2, 100, 0.5
WIDE, LONG = 20, 10_000  # columns and rows from which the aims count

INTRODUCTION = """\
## Mixtures (`benchmarks/mixture.py`)

`mg.GaussianMixture` and `mg.KMeans` beside scikit-learn's, on overlapping clusters in double precision. Minima over
rounds in which both take turns; ratios are scikit-learn's time over mixgrad's."""

ITERATION = f"""\
### An iteration of EM

Fits with `tol=0` and `reg_covar={REG_COVAR:g}` from the same parameters, whose bounds agree to {AGREE:g} per row: the
time of several iterations less that of one, over their number less one. What a fit costs besides is not in it.
Milliseconds: mixgrad, scikit-learn (ratio)."""

RATES = """\
### Useful operations of an iteration

GFLOP/s of mixgrad, and their part of what dgemm reaches on all threads. Counted is what two products with the table of
1, x and x x^T (upper triangle; squares with 'diag', |x|^2 with 'spherical'; x x^T once for all components with 'tied')
take, one for the scores and one for the statistics, and an exponential as one."""

BESIDE_POMEGRANATE = f"""\
### Beside pomegranate

Iterations as above, whose log-likelihoods agree to {ALMOST:g} per row (pomegranate keeps some numbers in single
precision, and adds nothing to covariances). Milliseconds: mixgrad, pomegranate (ratio)."""

LIKELIHOOD = f"""\
### To the same log-likelihood

Seconds of a fit from the same parameters, without `reg_covar`, that ends when the log-likelihood per row is within
{NEAR:g} of the limit of EM; iterations in brackets (those of other solvers take several sweeps)."""

WHOLE = """\
### Whole fits with defaults

`fit` with `random_state=0` and all else at its default: k-means, then EM until `tol`. Defaults differ (`reg_covar`), so
starts and results may. Seconds, warm; log-likelihood per row and iterations; then the first fit of a fresh process, in
which mixgrad compiles, or finds its code on disk. Imports are not in it."""

KMEANS = """\
### k-means

Whole fits with `n_init=1` and `random_state=0`, Lloyd's algorithm, which end with equal inertia. Milliseconds."""

MEMORY = """\
### Memory

The highest resident memory during `fit`, compilation included, beyond that just before it; a process of its own for
each. Two iterations of EM, from given parameters or after the default start. Megabytes, and seconds."""


# Tables ---------------------------------------------------------------------------------------------------------------


def ratio(result: dict[str, Any], what: str) -> float | None:
    """Return the peer's time over ours; None where something failed, or nothing was to be seen."""
    if "error" in result:
        return None
    own, other = (result[name][what] for name in (OURS, peer_of(result)))
    return other / own if own and other else None


def peer_of(result: dict[str, Any]) -> str:
    return POMEGRANATE if POMEGRANATE in result else PEER


def sizes(result: dict[str, Any]) -> tuple[int, int, int]:
    case = result["case"]
    return case["rows"], case["features"], case["components"]


def name_of(result: dict[str, Any]) -> str:
    return cases.Case(**result["case"]).name


def both(result: dict[str, Any], what: str) -> str:
    if "error" in result:
        return "failed"
    times = ", ".join(number(result[name][what] * 1e3) for name in (OURS, peer_of(result)))
    return f"{times} ({number(ratio(result, what), 2)})"


def by_type(results: list[dict[str, Any]], cell: Callable[[dict[str, Any]], str]) -> str:
    """Return a table with a row for each size and a column for each type of covariance."""
    found = {(sizes(result), result["case"]["covariance_type"]): cell(result) for result in results}
    rows = [
        [f"{n:,}", str(d), str(k), *(found.get(((n, d, k), kind), number(None)) for kind in cases.TYPES)]
        for n, d, k in sorted({sizes(result) for result in results})
    ]
    return table(["rows", "features", "components", *cases.TYPES], rows)


def summary(results: list[dict[str, Any]], what: str, aim: float, least: int) -> str:
    """Return the geometric mean of the ratios, the worst, and in how many cases we lose."""
    ratios = {name_of(result): found for result in results if (found := ratio(result, what)) is not None}
    long = [found for result in results if sizes(result)[0] >= least and (found := ratio(result, what)) is not None]
    if not ratios:
        return "Nothing could be compared."
    mean = f"Geometric mean of the ratios for {least:,} rows and more: " if long else ""
    mean += f"{number(float(np.exp(np.mean(np.log(long)))), 3)}; aim: {aim}. " if long else ""
    worst = min(ratios, key=lambda name: ratios[name])
    slower = sum(found < 1 for found in ratios.values())
    return f"{mean}The worst is {number(ratios[worst], 2)} ({worst}); mixgrad is slower in {slower} of {len(ratios)}."


def iteration_text(results: list[dict[str, Any]], dgemm: float) -> str:
    parts = [ITERATION, by_type(results, lambda result: both(result, "iteration_s"))]
    parts.append(summary(results, "iteration_s", AIM, LONG))
    one = summary(results, "one_s", AIM, LONG)
    parts.append(f"The same for a fit of one iteration, with all that a fit does besides. {one}")
    wide = [result for result in results if sizes(result)[1] >= WIDE and ratio(result, "iteration_s")]
    if wide:
        rates = [result["operations"] / result[OURS]["iteration_s"] / 1e9 for result in wide]
        cell = dict(zip(map(id, wide), rates))
        parts += [RATES, by_type(wide, lambda r: f"{number(cell[id(r)], 2)} ({cell[id(r)] / dgemm:.0%})")]
        met = sum(rate >= DGEMM_AIM * dgemm for rate in rates)
        parts.append(f"Aim: {DGEMM_AIM:.0%} of dgemm; reached in {met} of {len(rates)}.")
    return "\n\n".join(parts)


def pomegranate_text(results: list[dict[str, Any]]) -> str:
    parts = [BESIDE_POMEGRANATE, by_type(results, lambda result: both(result, "iteration_s"))]
    return "\n\n".join([*parts, summary(results, "iteration_s", AIM, LONG)])


def likelihood_text(results: list[dict[str, Any]]) -> str:
    results = [result for result in results if "error" not in result]
    names = list(results[0]["contestants"]) if results else []
    rows = []
    for result in results:
        found = result["contestants"]
        cells = [
            "failed" if "error" in found[n] else f"{number(found[n]['seconds'])} ({found[n]['iterations']})"
            for n in names
        ]
        times = {n: found[n]["seconds"] for n in names if "error" not in found[n]}
        best = min((times[n] for n in times if n != PEER), default=None)
        own, peer = times.get(f"{OURS}, em"), times.get(PEER)
        ratios = [number(peer / time if peer and time else None, 2) for time in (own, best)]
        rows.append([name_of(result), *cells, *ratios])
    text = f"{LIKELIHOOD}\n\n{table(['', *names, f'{PEER} / em', f'{PEER} / best'], rows)}"
    return f"{text}\n\nAim: {AIM} times."


def whole_text(results: list[dict[str, Any]]) -> str:
    header = ["", OURS, PEER, "ratio", f"likelihood: {OURS}", PEER, f"iterations: {OURS}", PEER]
    header += [f"first: {OURS}", "with code on disk", PEER]
    rows = []
    for result in results:
        if "error" in result:
            continue
        cells = [number(result[name]["seconds"]) for name in (OURS, PEER)]
        cells += [number(ratio(result, "seconds"), 2)]
        cells += [f"{result[name]['score']:.6f}" for name in (OURS, PEER)]
        cells += [str(result[name]["iterations"]) for name in (OURS, PEER)]
        firsts = [result["first"][name] for name in ("cold", "kept", PEER)]
        rows.append([name_of(result), *cells, *("failed" if isinstance(t, str) else number(t) for t in firsts)])
    return f"{WHOLE}\n\n{table(header, rows)}"


def kmeans_text(results: list[dict[str, Any]]) -> str:
    rows = [[*map(str, sizes(r)), both(r, "seconds"), str(r.get(OURS, {}).get("iterations", "–"))] for r in results]
    made = table(["rows", "features", "clusters", f"{OURS}, {PEER} (ratio)", "iterations"], rows)
    return f"{KMEANS}\n\n{made}\n\n{summary(results, 'seconds', KMEANS_AIM, LONG)}"


def memory_text(results: list[dict[str, Any]]) -> str:
    rows = []
    for result in results:
        cells = [
            f"{name_of(result)}, {result['start']}",
            number(cases.Case(**result["case"]).rows * 8e-6 * sizes(result)[1]),
        ]
        for name in (OURS, PEER):
            found = result.get(name)
            if isinstance(found, list):
                cells += [number(found[1] / 1e6, 3), number(found[0])]
            else:
                cells += [number(None) if found is None else "failed", number(None)]
        rows.append(cells)
    header = ["mixture, start", "data, MB", f"{OURS}, MB", "s", f"{PEER}, MB", "s"]
    return (
        f"{MEMORY}\n\n{table(header, rows)}\n\nAim: {MEMORY_AIM} MB for mixgrad on the largest, from given parameters."
    )


def text_of(results: dict[str, Any]) -> str:
    """Return the section of docs/benchmarks.md."""
    facts, found = results["machine"], results["sections"]
    parts = [INTRODUCTION, machine_line(facts, results["neighbours"])]
    texts = {
        "iteration": lambda rows: iteration_text(rows, facts["dgemm_GFLOP_per_s"]),
        "pomegranate": pomegranate_text,
        "likelihood": likelihood_text,
        "whole": whole_text,
        "kmeans": kmeans_text,
        "memory": memory_text,
    }
    parts += [texts[name](rows) for name, rows in found.items() if rows]
    failures = list(errors_in(found))
    if failures:
        parts.append("What failed, and was not timed:\n\n" + "\n".join(f"- {line}" for line in failures))
    return "\n\n".join(parts)


def errors_in(sections: dict[str, list[dict[str, Any]]]) -> Iterable[str]:
    for section, results in sections.items():
        for result in results:
            name = f"{section}: {name_of(result)}"
            if "error" in result:
                yield f"{name}: {result['error']}"
            for contestant, found in result.get("contestants", {}).items():
                if "error" in found:
                    yield f"{name}, {contestant}: {found['error']}"
            for contestant in (OURS, PEER):
                if isinstance(result.get(contestant), str):
                    yield f"{name}, {contestant}: {result[contestant]}"


# Measurement ----------------------------------------------------------------------------------------------------------


def memory(item: tuple[cases.Case, str, tuple[str, ...]], budget: float) -> dict[str, Any]:
    """Measure the memory of fits, each in a process of its own."""
    case, start, names = item
    return {"start": start} | {name: run_child("memory", name, case, start) for name in names}


MEASUREMENTS = {
    "iteration": iteration,
    "pomegranate": iteration_beside_pomegranate,
    "likelihood": likelihood,
    "whole": whole,
    "kmeans": kmeans,
    "memory": memory,
}


def measured(section: str, selection: str) -> list[dict[str, Any]]:
    """Measure a section; every case tells on stderr that it is done, and how long that took."""
    results = []
    for item in getattr(cases, f"{section}_cases")(selection):
        start = time.perf_counter()
        result = {"case": vars(item[0] if isinstance(item, tuple) else item)}
        try:
            result |= MEASUREMENTS[section](item, BUDGETS[selection])
        except Exception as error:  # whatever a contestant raises belongs in the table
            result["error"] = failure(error)
        told = result.get("error", "")
        print(f"{section}: {name_of(result)}: {time.perf_counter() - start:.1f} s {told}", file=sys.stderr, flush=True)
        results.append(result)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small tables, few rounds; docs are left alone")
    parser.add_argument("--all", action="store_true", help="all sizes that fit into memory; takes hours")
    parser.add_argument("--only", choices=MEASUREMENTS, help="one kind of measurements; the others stay as they are")
    parser.add_argument("--json", type=Path, help="where to write the results (benchmarks/results/mixture.json)")
    options = parser.parse_args()
    selection = "quick" if options.quick else "all" if options.all else "default"
    warnings.simplefilter("ignore", ConvergenceWarning)
    known = importlib.util.find_spec("pomegranate") is not None
    facts = machine(["mixgrad", "numpy", "scikit-learn", *(["pomegranate", "torch"] if known else [])])
    results: dict[str, Any] = {"selection": selection, "machine": facts}
    with Neighbours() as neighbours, tempfile.TemporaryDirectory() as folder:
        os.environ["MIXGRAD_CACHE"] = folder  # what earlier runs have compiled is not there
        chosen = [options.only] if options.only else MEASUREMENTS
        results["sections"] = {section: measured(section, selection) for section in chosen}
    results["neighbours"] = neighbours.share
    path = options.json or ROOT / "benchmarks" / "results" / "mixture.json"
    if options.only and not options.quick and path.exists():
        earlier = json.loads(path.read_text())["sections"]
        sections = earlier | results["sections"]
        results["sections"] = {name: sections[name] for name in MEASUREMENTS if name in sections}
    text = text_of(results)
    print(text)
    if options.json or not options.quick:
        write_json(results, path)
    if not options.quick and not options.json:
        write_section("mixture", text)
    if any(errors_in(results["sections"])):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
