"""Time and error of the compiler's mathematical functions, beside NumPy and SciPy: ``python benchmarks/vecmath.py``.

Both are compared with mpmath before anything is timed. Run it on an idle machine. With ``--quick`` it takes a minute,
prints its table and leaves docs/benchmarks.md alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from report import ROOT, machine_line, number, table, write_json, write_section
from scipy import special
from timing import FULL, QUICK, Effort, Neighbours, machine, measure

import mixgrad as mg
from mixgrad.compile.vecmath import FUNCTIONS

SIZES = (10**4, 10**6)
DTYPES = ("float64", "float32")
BITS = 160  # of the exact values
SAMPLE, QUICK_SAMPLE = 4000, 300
WRONG = 1000.0  # ulps from which a function is wrong rather than imprecise

INTRODUCTION = """\
## Elementary functions (`benchmarks/vecmath.py`)

Nanoseconds for one element of arrays of doubles, then of floats, spread evenly over an interval, by
`mg.jit(lambda x: np.exp(x))` and by NumPy or SciPy, the result's allocation included; one thread. Errors are the
largest on a sample of such elements, in units in the last place, against mpmath. Minima over rounds in which the
contestants take turns; the medians are in `benchmarks/results/vecmath.json`."""


@dataclass(frozen=True)
class Function:
    """A function as NumPy or SciPy has it, the same exactly, and the intervals of its arguments."""

    plain: Callable
    exact: Callable
    intervals: tuple[tuple[float, float], ...]

    def for_dtype(self, dtype: str) -> tuple[tuple[float, float], ...]:
        """Return the intervals: an eighth of those of which the results for floats would overflow."""
        if dtype == "float64" or max(map(abs, self.intervals[0])) < 700 or self.intervals[0][0] >= 0:
            return self.intervals
        return tuple((low / 8, high / 8) for low, high in self.intervals)


def _one(plain: Callable, exact: Callable | str, low: float, high: float) -> Function:
    return Function(plain, getattr(mpmath, exact) if isinstance(exact, str) else exact, ((low, high),))


def _softplus(x):
    return np.logaddexp(0.0, x)


TABLE = {
    "exp": _one(np.exp, "exp", -700, 700),
    "exp2": _one(np.exp2, lambda x: mpmath.mpf(2) ** x, -1000, 1000),
    "expm1": _one(np.expm1, "expm1", -5, 5),
    "expit": _one(special.expit, lambda x: 1 / (1 + mpmath.exp(-x)), -30, 30),
    "log": _one(np.log, "log", 1e-3, 1e3),
    "log2": _one(np.log2, lambda x: mpmath.log(x) / mpmath.log(2), 1e-3, 1e3),
    "log10": _one(np.log10, "log10", 1e-3, 1e3),
    "log1p": _one(np.log1p, "log1p", -0.9, 10),
    "logaddexp": Function(np.logaddexp, lambda x, y: mpmath.log(mpmath.exp(x) + mpmath.exp(y)), ((1, 30), (1, 30))),
    "softplus": _one(_softplus, lambda x: mpmath.log1p(mpmath.exp(x)), -30, 30),
    "log_expit": _one(special.log_expit, lambda x: -mpmath.log1p(mpmath.exp(-x)), -30, 30),
    "sinh": _one(np.sinh, "sinh", -10, 10),
    "cosh": _one(np.cosh, "cosh", -10, 10),
    "tanh": _one(np.tanh, "tanh", -5, 5),
    "arcsinh": _one(np.arcsinh, "asinh", -100, 100),
    "arccosh": _one(np.arccosh, "acosh", 1, 100),
    "arctanh": _one(np.arctanh, "atanh", -0.99, 0.99),
    "logaddexp2": Function(
        np.logaddexp2, lambda x, y: mpmath.log(mpmath.mpf(2) ** x + mpmath.mpf(2) ** y, 2), ((1, 30), (1, 30))
    ),
    "exprel": _one(special.exprel, lambda x: mpmath.expm1(x) / x, -5, 5),
    "exp10": _one(special.exp10, lambda x: mpmath.mpf(10) ** x, -30, 30),
    "logit": _one(special.logit, lambda x: mpmath.log(x / (1 - x)), 0.01, 0.99),
    "entr": _one(special.entr, lambda x: -x * mpmath.log(x), 1e-3, 10),
    "rel_entr": Function(special.rel_entr, lambda x, y: x * mpmath.log(x / y), ((0.01, 1), (0.01, 1))),
    "kl_div": Function(special.kl_div, lambda x, y: x * mpmath.log(x / y) - x + y, ((0.5, 1), (0.01, 0.2))),
    "ndtr": _one(special.ndtr, "ncdf", -6, 6),
    "log_ndtr": _one(special.log_ndtr, lambda x: mpmath.log(mpmath.ncdf(x)), -30, 5),
    "erfcx": _one(special.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), -2, 20),
    "ndtri": _one(special.ndtri, lambda p: mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1), 1e-6, 0.4),
    "erfinv": _one(special.erfinv, "erfinv", -0.999, 0.999),
    "erfcinv": _one(special.erfcinv, lambda y: mpmath.erfinv(1 - y), 1e-6, 0.9),
    "gamma": _one(special.gamma, "gamma", 0.1, 30),
    "boxcox": Function(special.boxcox, lambda x, a: mpmath.expm1(a * mpmath.log(x)) / a, ((0.1, 10), (-2, 2))),
    "inv_boxcox": Function(special.inv_boxcox, lambda y, a: (1 + a * y) ** (1 / a), ((0.1, 10), (0.1, 2))),
    "power": Function(np.power, mpmath.power, ((0.1, 10), (-20, 20))),
    "sqrt": _one(np.sqrt, "sqrt", 0, 1000),
    "cbrt": _one(np.cbrt, "cbrt", 0, 1000),
    "hypot": Function(np.hypot, mpmath.hypot, ((-100, 100), (-100, 100))),
    "sin": _one(np.sin, "sin", -100, 100),
    "cos": _one(np.cos, "cos", -100, 100),
    "tan": _one(np.tan, "tan", -100, 100),
    "arcsin": _one(np.arcsin, "asin", -1, 1),
    "arccos": _one(np.arccos, "acos", -1, 1),
    "arctan": _one(np.arctan, "atan", -10, 10),
    "arctan2": Function(np.arctan2, mpmath.atan2, ((-10, 10), (-10, 10))),
    "erf": _one(special.erf, "erf", -4, 4),
    "erfc": _one(special.erfc, "erfc", -4, 10),
    "gammaln": _one(special.gammaln, "loggamma", 3, 100),
    "digamma": _one(special.digamma, "digamma", 2, 100),
}


# Errors ---------------------------------------------------------------------------------------------------------------


def arguments(function: Function, size: int, dtype: str, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(low, high, size).astype(dtype) for low, high in function.for_dtype(dtype)]


def exactly(function: Function, arrays: list[np.ndarray]) -> list[Any]:
    """Return the values of a function as numbers of mpmath."""
    with mpmath.workprec(BITS):
        return [function.exact(*map(mpmath.mpf, map(float, numbers))) for numbers in zip(*arrays)]


def largest_error(found: np.ndarray, exact: list[Any]) -> float:
    """Return the largest error in units in the last place of the exact values."""
    if not np.all(np.isfinite(found)):
        return np.inf
    with mpmath.workprec(BITS):
        apart = [float(abs(mpmath.mpf(float(a)) - b)) for a, b in zip(found, exact)]
    return float(np.max(np.array(apart) / np.spacing(np.abs(np.array(exact, found.dtype)))))


def native(compiled: Any) -> bool:
    """Whether a compiled function was compiled, and not left to NumPy."""
    return all(variant.executable.entry is not None for variant in compiled.variants.values())


# Measurement ----------------------------------------------------------------------------------------------------------


def solve(name: str, dtype: str, sample: int, effort: Effort) -> dict[str, Any]:
    """Return errors and times of a function."""
    function = TABLE[name]
    plain = function.plain
    compiled = mg.jit(lambda *arrays: plain(*arrays))
    result: dict[str, Any] = {"name": name, "dtype": dtype, "intervals": function.for_dtype(dtype)}
    result |= {"errors_ulp": {}, "times": {}}
    contestants = {"mixgrad": compiled, "NumPy": plain}
    arrays = arguments(function, sample, dtype, seed=1)
    exact = exactly(function, arrays)
    for who in list(contestants):
        try:
            result["errors_ulp"][who] = error = largest_error(np.asarray(contestants[who](*arrays)), exact)
            if not error < WRONG:
                raise ArithmeticError(f"an error of {error:.3g} ulp")
        except Exception as problem:  # whatever a contestant raises belongs in the table
            result["failure"] = f"{who}: {type(problem).__name__}: {problem}".split("\n")[0]
            print(f"{name}: {result['failure']}")
            del contestants[who]
    result["native"] = "mixgrad" in contestants and native(compiled)
    for size in SIZES:
        inputs = arguments(function, size, dtype)
        calls = {who: _bound(call, inputs) for who, call in contestants.items()}
        times = measure(calls, effort)
        result["times"][str(size)] = {who: timing.as_dict() for who, timing in times.items()}
    return result


def _bound(call: Callable, arrays: list[np.ndarray]) -> Callable[[], Any]:
    return lambda: call(*arrays)


# Table ----------------------------------------------------------------------------------------------------------------


def nanoseconds(result: dict[str, Any], who: str, size: int) -> float | None:
    timing = result["times"][str(size)].get(who)
    return None if timing is None else timing["minimum"] / size * 1e9


def row(result: dict[str, Any]) -> list[str]:
    name = f"`{result['name']}`" + ("" if result["native"] else " (not compiled)")
    spans = {f"{low:g} to {high:g}" for low, high in result["intervals"]}
    cells = [name, ", ".join(sorted(spans))]
    for size in SIZES:
        ours, theirs = (nanoseconds(result, who, size) for who in ("mixgrad", "NumPy"))
        cells += [number(ours, 2), number(theirs, 2), number(theirs / ours if ours and theirs else None, 2)]
    return cells + [number(result["errors_ulp"].get(who), 2) for who in ("mixgrad", "NumPy")]


def text_of(results: dict[str, Any]) -> str:
    """Return the section of docs/benchmarks.md."""
    header = ["function", "arguments"]
    for size in SIZES:
        header += [f"{size} elements: mixgrad", "NumPy", "NumPy / mixgrad"]
    header += ["error, ulp: mixgrad", "NumPy"]
    parts = [INTRODUCTION, machine_line(results["machine"], results["neighbours"])]
    for dtype in DTYPES:
        parts += [f"{dtype}:", table(header, [row(r) for r in results["functions"] if r["dtype"] == dtype])]
    failures = [f"- {r['name']} of {r['dtype']}, {r['failure']}" for r in results["functions"] if "failure" in r]
    if failures:
        parts.append("What failed, and was not timed:\n\n" + "\n".join(failures))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, for a first look; docs are left alone")
    parser.add_argument("--only", nargs="+", help="names of functions; docs are left alone")
    parser.add_argument("--json", type=Path, help="where to write the results (benchmarks/results/vecmath.json)")
    options = parser.parse_args()
    for name in sorted(FUNCTIONS.keys() - TABLE.keys()):
        print(f"{name} is left out: it is not in the table of this program")
    results: dict[str, Any] = {
        "quick": options.quick,
        "machine": machine(["mixgrad", "numpy", "scipy", "mpmath"]),
    }
    sample, effort = (QUICK_SAMPLE, QUICK) if options.quick else (SAMPLE, FULL)
    with Neighbours() as neighbours:
        names = [name for name in FUNCTIONS if name in TABLE and name in (options.only or TABLE)]
        results["functions"] = [solve(name, dtype, sample, effort) for dtype in DTYPES for name in names]
    results["neighbours"] = neighbours.share
    text = text_of(results)
    print(text)
    if options.json or not (options.quick or options.only):
        write_json(results, options.json or ROOT / "benchmarks" / "results" / "vecmath.json")
    if not options.quick and not options.only:
        write_section("vecmath", text)
    if any("failure" in result for result in results["functions"]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
