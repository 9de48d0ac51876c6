"""The cost of eager derivatives, beside NumPy's own cost and beside autograd's: ``python benchmarks/eager.py``.

Every derivative is compared with autograd's before anything is timed. Run it on an idle machine. With ``--quick`` it
takes seconds, prints its tables and leaves docs/benchmarks.md alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autograd
import autograd.numpy as autograd_numpy
import numpy as np
from eager_cases import LENGTH, STEPS, Case, chain, functions, large
from report import ROOT, machine_line, number, table, write_json, write_section
from timing import FULL, QUICK, Effort, Neighbours, machine, measure, peak_memory

import mixgrad as mg

RTOL = 1e-10
FORWARD_AIM, REVERSE_AIM = 5.0, 8.0  # microseconds for an operation, above NumPy's own cost
SPEED_AIM = 2.0  # times as fast as autograd
BOUND_AIM = 1.3 * 4  # evaluations of the function, for a gradient of large arrays

INTRODUCTION = f"""\
## Eager derivatives

Derivatives of plain NumPy code run operation by operation, beside autograd's, which are compared first (to {RTOL:g}).
Times are minima over rounds in which the contestants take turns; the medians are in `benchmarks/results/eager.json`."""


# Contestants ----------------------------------------------------------------------------------------------------------


def gradients(case: Case) -> dict[str, Callable[[], Any]]:
    """Return the calls to compare: the plain function, and the gradient by both libraries."""
    plain = case.bound(np)
    ours = mg.grad(plain, case.argnums)
    theirs = autograd.grad(case.bound(autograd_numpy), case.argnums)
    return {
        "function": lambda: plain(*case.args),
        "mixgrad": lambda: ours(*case.args),
        "autograd": lambda: theirs(*case.args),
    }


def directional(case: Case) -> dict[str, Callable[[], Any]]:
    """Return the calls of forward mode for a function of one array."""
    (x,) = case.params
    direction = np.ones_like(x)[()]
    plain = case.bound(np)
    theirs = autograd.make_jvp(case.bound(autograd_numpy))(x)
    return {
        "mixgrad": lambda: mg.jvp(plain, (x,), (direction,)),
        "autograd": lambda: theirs(direction),
    }


def compare(case: Case, calls: dict[str, Callable[[], Any]]) -> None:
    """Raise unless both libraries give the same derivatives."""
    ours, theirs = calls["mixgrad"](), calls["autograd"]()
    if not isinstance(ours, tuple):
        ours, theirs = (ours,), (theirs,)
    for a, b in zip(ours, theirs, strict=True):
        scale = np.max(np.abs(b), initial=0.0)
        np.testing.assert_allclose(a, b, rtol=RTOL, atol=RTOL * scale, err_msg=f"{case.name}: mixgrad and autograd")


def time_gradient(case: Case, effort: Effort) -> dict[str, Any]:
    """Return the times of a function and of its gradients."""
    calls = gradients(case)
    compare(case, calls)
    times = measure(calls, effort)
    ours, theirs, plain = (times[name].minimum for name in ("mixgrad", "autograd", "function"))
    return {
        "name": case.name,
        "times": {name: timing.as_dict() for name, timing in times.items()},
        "speedup": theirs / ours,
        "evaluations": {"mixgrad": ours / plain, "autograd": theirs / plain},
    }


# The three parts ------------------------------------------------------------------------------------------------------


def overhead(case: Case, operands: str, effort: Effort) -> dict[str, Any]:
    """Return the cost of one operation of a chain above NumPy's own cost, in microseconds."""
    backward, forward = gradients(case), directional(case)
    compare(case, backward)
    compare(case, forward)
    calls = {"numpy": backward.pop("function")}
    calls |= {f"{name} reverse": call for name, call in backward.items()}
    calls |= {f"{name} forward": call for name, call in forward.items()}
    times = measure(calls, effort)
    base = times["numpy"].minimum
    above = {name: (timing.minimum - base) / LENGTH * 1e6 for name, timing in times.items() if name != "numpy"}
    return {
        "name": case.name,
        "operands": operands,
        "numpy_us": base / LENGTH * 1e6,
        "above_numpy_us": above,
        "times": {name: timing.as_dict() for name, timing in times.items()},
    }


def measure_overheads(effort: Effort) -> list[dict[str, Any]]:
    results = []
    for vector, operands in ((False, "numbers"), (True, "arrays of 3")):
        for step in STEPS:
            case = chain(step, vector)
            if case is not None:
                results.append(overhead(case, operands, effort))
    return results


def measure_calls(effort: Effort) -> dict[str, float]:
    """Return the microseconds of differentiating the identity: what a call costs apart from its operations."""
    x = np.float64(0.7)
    identity = Case("identity", lambda xp, x: x, (x,))
    calls = {f"{name} reverse": call for name, call in gradients(identity).items() if name != "function"}
    calls |= {f"{name} forward": call for name, call in directional(identity).items()}
    return {name: timing.minimum * 1e6 for name, timing in measure(calls, effort).items()}


def measure_large(size: int, effort: Effort) -> list[dict[str, Any]]:
    results = []
    for case in large(size):
        result = time_gradient(case, effort)
        held = sum(param.nbytes for param in case.params)
        calls = gradients(case)
        result["peak_memory"] = {name: peak_memory(call) / held for name, call in calls.items()}
        results.append(result)
    return results


# Tables ---------------------------------------------------------------------------------------------------------------


def overhead_table(results: list[dict[str, Any]], calls: dict[str, float]) -> str:
    columns = ("mixgrad forward", "autograd forward", "mixgrad reverse", "autograd reverse")
    rows = [
        [f"`{r['name']}`, {r['operands']}", number(r["numpy_us"], 2)]
        + [number(r["above_numpy_us"][column], 2) for column in columns]
        for r in results
    ]
    rows.append(["(a call, apart from its operations)", ""] + [number(calls[column], 2) for column in columns])
    worst = [max(r["above_numpy_us"][f"mixgrad {mode}"] for r in results) for mode in ("forward", "reverse")]
    text = (
        f"Microseconds for one operation, above NumPy's own cost, in chains of {LENGTH}. Aims: below {FORWARD_AIM:g} "
        f"forward, below {REVERSE_AIM:g} in reverse (both sweeps); the worst are {number(worst[0], 2)} and "
        f"{number(worst[1], 2)}."
    )
    return f"### One operation\n\n{text}\n\n{table(['operation', 'NumPy', *columns], rows)}"


def function_table(results: list[dict[str, Any]]) -> str:
    header = ["gradient of", "function", "mixgrad", "autograd", "autograd / mixgrad", "mixgrad / function"]
    rows = [
        [r["name"]]
        + [number(r["times"][name]["minimum"] * 1e6) for name in ("function", "mixgrad", "autograd")]
        + [number(r["speedup"], 2), number(r["evaluations"]["mixgrad"], 2)]
        for r in results
    ]
    reached = sum(r["speedup"] >= SPEED_AIM for r in results)
    text = f"Microseconds. Aim: {SPEED_AIM:g} times as fast as autograd; reached in {reached} of {len(results)}."
    return f"### Whole functions\n\n{text}\n\n{table(header, rows)}"


def large_table(results: list[dict[str, Any]], size: int) -> str:
    names = ("function", "mixgrad", "autograd")
    header = ["gradient of", *names, "mixgrad / function", "autograd / function"]
    header += [f"memory: {name}" for name in names]
    rows = [
        [f"`{r['name']}`"]
        + [number(r["times"][name]["minimum"] * 1e3) for name in names]
        + [number(r["evaluations"][name], 2) for name in names[1:]]
        + [number(r["peak_memory"][name], 2) for name in names]
        for r in results
    ]
    reached = sum(r["evaluations"]["mixgrad"] <= BOUND_AIM for r in results)
    text = (
        f"Arrays of {size} elements; milliseconds, and the peak of memory in units of the arguments. Aim: at most "
        f"{BOUND_AIM:g} evaluations of the function; reached in {reached} of {len(results)}."
    )
    return f"### Large arrays\n\n{text}\n\n{table(header, rows)}"


def text_of(results: dict[str, Any]) -> str:
    """Return the section of docs/benchmarks.md."""
    return "\n\n".join(
        [
            INTRODUCTION,
            machine_line(results["machine"], results["neighbours"]),
            overhead_table(results["overhead"], results["calls_us"]),
            function_table(results["functions"]),
            large_table(results["large"], results["large_size"]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, for a first look; docs are left alone")
    parser.add_argument("--json", type=Path, help="where to write the results (benchmarks/results/eager.json)")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    size = 10**6
    results: dict[str, Any] = {
        "quick": options.quick,
        "machine": machine(["mixgrad", "numpy", "autograd"]),
        "large_size": size,
    }
    with Neighbours() as neighbours:
        results["overhead"] = measure_overheads(effort)
        results["calls_us"] = measure_calls(effort)
        results["functions"] = [time_gradient(case, effort) for case in functions()]
        results["large"] = measure_large(size, effort)
    results["neighbours"] = neighbours.share
    text = text_of(results)
    print(text)
    if options.json or not options.quick:
        write_json(results, options.json or ROOT / "benchmarks" / "results" / "eager.json")
    if not options.quick:
        write_section("eager", text)


if __name__ == "__main__":
    main()
