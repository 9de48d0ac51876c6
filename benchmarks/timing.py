"""Timing shared by the benchmarks: contestants in turn, minimum and median, and the facts of the machine.

Contestants are timed in turn, in an order that rotates from round to round, so that a slow second of the machine meets
all of them. The garbage collector stays on, as it is for users.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl


@dataclass(frozen=True)
class Timing:
    """Seconds for one call: the minimum and the median over rounds."""

    minimum: float
    median: float
    rounds: int
    calls_per_round: int

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds of one round of one contestant, and rounds."""

    seconds_per_round: float
    rounds: int


QUICK = Effort(0.002, 5)
FULL = Effort(0.02, 25)


def measure(contestants: dict[str, Callable[[], Any]], effort: Effort) -> dict[str, Timing]:
    """Time functions without arguments, in turn."""
    calls = {name: _calls(function, effort.seconds_per_round) for name, function in contestants.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    gc.collect()
    for turn in range(effort.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            seconds[name].append(_round(contestants[name], calls[name]) / calls[name])
    return {
        name: Timing(min(times), statistics.median(times), effort.rounds, calls[name])
        for name, times in seconds.items()
    }


def _round(function: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return time.perf_counter() - start


def _calls(function: Callable[[], Any], seconds: float) -> int:
    """Return how many calls fill a round; the calls made here warm up caches."""
    calls = 1
    while True:
        taken = _round(function, calls)
        if taken >= seconds / 2:
            return max(1, round(calls * seconds / taken))
        calls *= 4


def peak_memory(function: Callable[[], Any]) -> int:
    """Return the bytes that a call holds at most, beyond what was held before it, its result included."""
    function()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        function()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


# The machine ----------------------------------------------------------------------------------------------------------


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """Return what a reader needs to know about the machine, with its measured roofline."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
        "blas": [
            {key: pool.get(key) for key in ("internal_api", "version", "num_threads", "architecture")}
            for pool in threadpoolctl.threadpool_info()
        ],
        "copy_GB_per_s": copy_rate() / 1e9,
        "dgemm_GFLOP_per_s": dgemm_rate() / 1e9,
        "dgemm_one_thread_GFLOP_per_s": dgemm_rate(threads=1) / 1e9,
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def copy_rate(size: int = 2**24) -> float:
    """Return the bytes per second, read and written together, of copying an array too large for the caches."""
    source, target = np.ones(size), np.empty(size)
    best = min(_round(lambda: np.copyto(target, source), 1) for _ in range(8))
    return 2 * source.nbytes / best


def dgemm_rate(size: int = 1024, threads: int | None = None) -> float:
    """Return the floating-point operations per second of a product of matrices."""
    a, b = np.ones((size, size)), np.ones((size, size))
    with threadpoolctl.threadpool_limits(threads, "blas"):
        best = min(_round(lambda: a @ b, 1) for _ in range(8))
    return 2 * size**3 / best


class Neighbours:
    """The share of the machine that others used while a block ran: timings are provisional if it is not near zero."""

    def __enter__(self) -> Neighbours:
        self._start = _processor_seconds()
        return self

    def __exit__(self, *exception: object) -> None:
        end = _processor_seconds()
        self.share = None
        if self._start is not None and end is not None:
            total, busy, own = (after - before for before, after in zip(self._start, end))
            self.share = max(0.0, (busy - own) / total) if total else None


def _processor_seconds() -> tuple[float, float, float] | None:
    """Return seconds of all processors since they started: in total, busy, and busy with this process and its own."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    ticks = [int(word) for word in stat.read_text().splitlines()[0].split()[1:9]]
    hertz = os.sysconf("SC_CLK_TCK")
    idle = ticks[3] + ticks[4]
    own = os.times()
    return sum(ticks) / hertz, (sum(ticks) - idle) / hertz, sum(own[:4])  # elapsed time is the fifth
