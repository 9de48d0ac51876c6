"""How close compiled code comes to what the machine can do: its operations, counted, beside measured rates.

``python benchmarks/roofline.py`` prints the rates of the machine: dgemm on one thread and on all, and copying.
"""

from __future__ import annotations

from typing import Any

from timing import copy_rate, dgemm_rate

from mixgrad.compile.describing import operations_of
from mixgrad.compile.executable import NativePart


def operations(compiled: Any, *args: Any) -> int | None:
    """Return how many operations on numbers a compiled function takes for such arguments.

    Counted in the plan that `explain` prints: each function of an expression is one operation, an exponential as well
    as a sum, for each element that is computed, and one more where the elements are added up. So a sum of products
    counts as that of dgemm does, and what the processor spends on addresses, masks and the inside of elementary
    functions does not count. What NumPy computes between compiled parts does not either. A loop counts as often as it
    runs, of a branch the longer way; None if how often is not known beforehand.
    """
    compiled(*args)
    (variant,) = compiled.variants.values()
    counts = [operations_of(part.fusion) for part in variant.executable.parts if isinstance(part, NativePart)]
    return None if None in counts else sum(count for count in counts if count is not None)


def main() -> None:
    print(f"dgemm {dgemm_rate(threads=1) / 1e9:.0f} GFLOP/s on one thread, {dgemm_rate() / 1e9:.0f} on all")
    print(f"copying, read and written: {copy_rate() / 1e9:.1f} GB/s")


if __name__ == "__main__":
    main()
