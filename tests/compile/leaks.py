"""Compile and drop many small functions, and report what remains: ``python -m tests.compile.leaks --count 100000``.

100,000 take some hours. Exits with 1 if modules or engines of LLVM, or blocks of Python's memory, pile up.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np

import mixgrad as mg

BLOCKS, KILOBYTES = 8, 40
"""Small blocks of Python's memory, and kilobytes of resident memory, by which a compilation may make a process grow on
average: caches of bounded size fill, and memory is in pieces. LLVM's passes alone would be three times as much."""


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Count the modules and engines of LLVM that have been made in a block and are alive."""
    made: list[weakref.ref] = []
    originals = {name: getattr(llvm, name) for name in ("create_mcjit_compiler", "parse_assembly")}

    def watched(name: str) -> Callable:
        def make(*args):
            new = originals[name](*args)
            made.append(weakref.ref(new))
            return new

        return make

    for name in originals:
        setattr(llvm, name, watched(name))
    try:
        yield lambda: sum(reference() is not None for reference in made)
    finally:
        for name, original in originals.items():
            setattr(llvm, name, original)


def compile_one(number: int) -> None:
    """Compile a function that nobody has compiled before, run it, and drop it."""
    constant = 1.0 + number * 1e-3
    x = np.linspace(0.1, 1.0, 3 + number % 5)

    def function(x):
        return np.sum(np.sin(x * constant) / x)

    def looping(x):
        return mg.fori_loop(0, 3, lambda i, s: s * x[0] + constant, x[1])

    def with_numpy(x):
        return np.sum(np.linalg.solve(np.outer(x, x) + constant * np.eye(len(x)), x))

    def guarded(x):  # compiled a second time, with strong zeros
        return np.sum(np.where(x > 0.5, np.sqrt(np.where(x > 0.5, x, 0.0)), 0.0) * constant)

    chosen = (function, mg.grad(function), looping, with_numpy, mg.grad(guarded))[number % 5]
    mg.jit(chosen)(x)


def resident() -> float:
    """Return the resident memory of this process in megabytes; nan where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if statm.exists() else float("nan")


def growth(first: int, count: int) -> tuple[float, float]:
    """Compile a number of functions; return by how many blocks and kilobytes the process has grown for each."""
    gc.collect()
    blocks, memory = sys.getallocatedblocks(), resident()
    for number in range(first, first + count):
        compile_one(number)
    gc.collect()
    return (sys.getallocatedblocks() - blocks) / count, (resident() - memory) * 1e3 / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="how many functions (default: %(default)s)")
    count = parser.parse_args().count
    os.environ["MIXGRAD_CACHE"] = ""
    step = max(count // 10, 100)
    failed = False
    with counting() as alive:
        growth(0, step)  # what is imported and cached once
        for first in range(step, count, step):
            blocks, kilobytes = growth(first, step)
            failed |= bool(alive()) or blocks > BLOCKS or kilobytes > KILOBYTES
            print(
                f"{first + step} functions: {alive()} modules and engines alive; {blocks:.1f} blocks and "
                f"{kilobytes:.1f} kB more for each; resident {resident():.0f} MB",
                flush=True,
            )
    if failed:
        sys.exit("compilations leave something behind")


if __name__ == "__main__":
    main()
