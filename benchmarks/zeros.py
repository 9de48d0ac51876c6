"""What strong zeros cost in compiled code: ``python benchmarks/zeros.py``.

Zero times infinity is zero in a derivative (docs/semantics.md). Compiled code multiplies plainly where that shows, as a
nan, and then computes again. Each derivative is timed as it is, with a test at every product, and without the law
altogether: plain products, and no look at the results. All three must agree before. With ``--quick`` the smallest
problems are tried, and docs/benchmarks.md is left alone.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import small_cases
from adbench import FULL, KINDS, QUICK, difference
from adbench_data import problems
from adbench_objectives import functions
from report import ROOT, machine_line, number, table, write_json, write_section
from timing import Effort, Neighbours, machine, measure

import mixgrad as mg
from mixgrad.compile import executable
from mixgrad.compile.executable import Executable
from mixgrad.core.program import Program, programs_in

CRITERION = 1e-10
AIM = 0.1
WAYS = ("without the law", "as it is", "a test at every product")

INTRODUCTION = f"""\
## Strong zeros (`benchmarks/zeros.py`)

What the law costs that zero times infinity is zero in a derivative: compiled derivatives without it, with it as it is
done (plain products, and once more with tests if a nan comes out), and with a test at every product. Microseconds,
minima over rounds in which the three take turns. Aim: {AIM:.0%} at most."""


def weighted_sums(program: Program) -> Iterator[int]:
    """Yield the identities of the results of all weighted sums, at any depth."""
    for equation in program.equations:
        if equation.op.name == "weighted_sum":
            yield id(equation.outs[0])
        for inner in programs_in(equation.static):
            yield from weighted_sums(inner)


@contextlib.contextmanager
def lawless() -> Iterator[None]:
    """Compile plain products everywhere, and nothing that looks at results, in a block."""
    kernel = executable.Kernel

    def careless(module: Any, fusion: Any, name: str, width: int, refuse_nan: bool, least: int | None) -> Any:
        return kernel(module, fusion, name, width, False, least)

    with (
        mock.patch.object(executable, "plain_products", lambda program: set(weighted_sums(program))),
        mock.patch.object(executable, "Kernel", careless),
    ):
        yield


def cases(quick: bool) -> Iterator[tuple[str, Callable, tuple]]:
    """Yield derivatives with their arguments."""
    for kind in KINDS:
        for problem in problems(kind, quick):
            yield problem.name, functions(problem)[1], problem.args
    for case in small_cases.cases():
        yield case.name, case.derivative(mg, np), (case.x,)


def calls(function: Callable, args: tuple) -> tuple[dict[str, Callable[[], Any]], int]:
    """Return the derivative in all ways, and in how many products it matters."""
    program = mg.jit(function).program(*args)
    leaves = [
        np.ascontiguousarray(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in mg._tree.flatten(args)[0]
    ]
    with lawless():
        ways = {WAYS[0]: Executable(program)}
    ways |= {WAYS[1]: Executable(program), WAYS[2]: Executable(program, strict=True)}
    found = {name: (lambda way=way: (way.entry or way)(*leaves)) for name, way in ways.items()}
    return found, sum(1 for _ in weighted_sums(program))


def solve(name: str, function: Callable, args: tuple, effort: Effort) -> dict[str, Any]:
    found, products = calls(function, args)
    results = {way: arrays(call()) for way, call in found.items()}
    for way, result in results.items():
        if not difference(result, results[WAYS[0]]) < CRITERION:
            raise AssertionError(f"{name}, {way}: another result")
    times = {way: timing.as_dict() for way, timing in measure(found, effort).items()}
    return {"name": name, "products": products, "times": times}


def arrays(result: Any) -> list[np.ndarray]:
    return [np.asarray(part, float) for part in (result if isinstance(result, tuple) else (result,))]


def text_of(results: dict[str, Any]) -> str:
    """Return the section of docs/benchmarks.md."""
    rows, costs = [], []
    for result in results["cases"]:
        times = [result["times"][way]["minimum"] for way in WAYS]
        costs.append(times[1] / times[0] - 1)
        cells = [number(1e6 * time) for time in times]
        rows.append(
            [result["name"], str(result["products"]), *cells, *(f"{time / times[0] - 1:.0%}" for time in times[1:])]
        )
    header = ["derivative of", "weighted sums", *WAYS, "cost as it is", "cost of tests"]
    met = sum(cost <= AIM for cost in costs)
    last = f"Median of the costs {np.median(costs):.0%}; at most {AIM:.0%} in {met} of {len(costs)}."
    return "\n\n".join(
        [INTRODUCTION, machine_line(results["machine"], results["neighbours"]), table(header, rows), last]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the smallest problems, few rounds; docs are left alone")
    quick = parser.parse_args().quick
    results: dict[str, Any] = {"machine": machine(["mixgrad", "numpy"])}
    with Neighbours() as neighbours:
        results["cases"] = [solve(*case, QUICK if quick else FULL) for case in cases(quick)]
    results["neighbours"] = neighbours.share
    text = text_of(results)
    print(text)
    if not quick:
        write_json(results, ROOT / "benchmarks" / "results" / "zeros.json")
        write_section("zeros", text)


if __name__ == "__main__":
    main()
