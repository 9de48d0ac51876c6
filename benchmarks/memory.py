"""The memory that the gradient of a Gaussian mixture takes besides its inputs: ``python benchmarks/memory.py``.

Each measurement has a fresh process: it makes the inputs, differentiates a small mixture to load what is needed, and
then the one in question. Its memory is the highest resident memory during that call, compilation included, beyond that
just before. A process that takes more than the limit is stopped, and larger mixtures are not tried. All gradients are
compared with mixgrad's eager one on a small mixture first, and with mixgrad's compiled one for each size. With
``--quick`` there are fewer rows, and docs/benchmarks.md is left alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from adbench import CRITERION, PEERS, arrays, contestants, difference
from adbench_data import Problem, gmm
from adbench_objectives import functions
from report import ROOT, number, table, write_json, write_section

DIMENSIONS, COMPONENTS = 10, 25
ROWS = (10_000, 100_000, 1_000_000, 2_500_000)
SMALL = 1000
LIMIT = 12e9  # bytes that a process may hold
AIM = 100  # megabytes
UNFIT, FAILED = "does not fit", "failed"

INTRODUCTION = f"""\
## Memory (`benchmarks/memory.py`)

The gradient of ADBench's Gaussian mixture in {DIMENSIONS} dimensions with {COMPONENTS} components: the highest resident
memory during the first call, compilation included, beyond that just before it. Megabytes, each in a fresh process; no
process may hold more than {LIMIT / 1e9:g} GB. All gradients agree to {CRITERION:g}."""


# One measurement, in a process of its own -----------------------------------------------------------------------------


def problem_of(rows: int) -> Problem:
    """Return a mixture; its size is not told, since there is no limit but the memory."""
    return dataclasses.replace(gmm((rows, DIMENSIONS, COMPONENTS)), size=0)


def status(field: str) -> int:
    """Return what Linux says of this process's memory, in bytes: VmRSS, or VmHWM for the highest so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"the system does not tell {field}")


def forget_the_highest() -> None:
    """Let the highest resident memory begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def measure_here(name: str, rows: int, gradient: Path) -> None:
    """Print the bytes that the gradient takes, and leave it in a file."""
    peers = {} if name == "mixgrad" else {name: importlib.import_module(f"adbench_{PEERS[name]}")}
    contestants(problem_of(SMALL), peers)[name].derivative()
    contestant = contestants(problem_of(rows), peers)[name]
    forget_the_highest()
    before = status("VmRSS")
    result = contestant.derivative()
    highest = status("VmHWM")
    np.save(gradient, np.concatenate([part.ravel() for part in arrays(result)]))
    print(max(0, highest - before))


# All of them ----------------------------------------------------------------------------------------------------------


def held(pid: int) -> int:
    """Return the resident memory of a process, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def measure(name: str, rows: int, gradient: Path) -> int | str:
    """Return the bytes that a contestant takes; or why there is no number."""
    command = [sys.executable, __file__, "--worker", name, str(rows), str(gradient)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        if held(process.pid) > LIMIT:
            process.kill()
            process.wait()
            return UNFIT
        time.sleep(0.02)
    printed, errors = process.communicate()
    if process.returncode:
        print(f"{name}, {rows} rows: {(errors.strip().splitlines() or ['stopped'])[-1]}")
        return FAILED
    return int(printed.split()[-1])


def agrees(found: Path, expected: np.ndarray) -> bool:
    return difference([np.load(found)], [expected]) < CRITERION


def compare(names: list[str], rows: tuple[int, ...], folder: Path) -> dict[str, dict[str, Any]]:
    """Measure each contestant for each number of rows, as far as it gets; the gradients of all must agree."""
    small = problem_of(SMALL)
    eager = np.concatenate([part.ravel() for part in arrays(functions(small)[1](*small.args))])
    file = folder / "gradient.npy"
    results: dict[str, dict[str, Any]] = {name: {} for name in names}
    right = []
    for name in names:
        if measure(name, SMALL, file) == FAILED or not agrees(file, eager):
            print(f"{name} is left out: its gradient is not that of mixgrad's eager derivative")
        else:
            right.append(name)
    for count in rows:
        expected = None
        for name in list(right):
            result = measure(name, count, file)
            results[name][str(count)] = result
            if isinstance(result, str):
                right.remove(name)
                continue
            expected = np.load(file) if expected is None else expected
            if not agrees(file, expected):
                raise AssertionError(f"{name}: its gradient for {count} rows is not that of {right[0]}")
    return results


def text_of(results: dict[str, Any]) -> str:
    """Return the section of docs/benchmarks.md."""
    found, rows = results["bytes"], results["rows"]
    lines = []
    for count in rows:
        cells = [found[name].get(str(count), UNFIT) for name in found]
        inputs = count * DIMENSIONS * 8 / 1e6
        lines.append([f"{count:,}", number(inputs), *(c if isinstance(c, str) else number(c / 1e6, 2) for c in cells)])
    versions = ", ".join(f"{name} {version}" for name, version in results["packages"].items())
    last = found["mixgrad"].get(str(rows[-1]))
    aim = (
        ""
        if not isinstance(last, int)
        else f"Aim for {rows[-1]:,} rows: below {AIM} MB; mixgrad takes {last / 1e6:.0f}."
    )
    header = ["rows", "inputs", *found]
    return "\n\n".join([INTRODUCTION, f"{versions}; {results['cores']} cores.", table(header, lines), aim]).rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows; docs are left alone")
    parser.add_argument("--worker", nargs=3, metavar=("NAME", "ROWS", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, rows, file = options.worker
        measure_here(name, int(rows), Path(file))
        return
    rows = ROWS[:2] if options.quick else ROWS
    names, packages = ["mixgrad"], ["mixgrad", "numpy"]
    for name, package in PEERS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{name} is left out: it is not installed")
        else:
            names.append(name)
            packages.append(package)
    cores = len(os.sched_getaffinity(0))
    results: dict[str, Any] = {"rows": rows, "cores": cores, "packages": {p: metadata.version(p) for p in packages}}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MIXGRAD_CACHE"] = ""  # compiling belongs to the call
        results["bytes"] = compare(names, rows, Path(folder))
    text = text_of(results)
    print(text)
    if not options.quick:
        write_json(results, ROOT / "benchmarks" / "results" / "memory.json")
        write_section("memory", text)


if __name__ == "__main__":
    main()
