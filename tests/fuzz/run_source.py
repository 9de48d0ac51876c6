"""Run many random functions of Python: ``python -m tests.fuzz.run_source --programs 1000 --seed 0``.

Exits with 1 at the first disagreement, after printing a small function that shows it and the seed it comes from.
"""

from __future__ import annotations

import sys
import warnings

from .agreement import Disagreement
from .run import options_of, shown
from .source_agreement import COUNTS, find_disagreement
from .source_programs import source_of
from .source_shrink import shrink


def explain(text: str, seed: int, disagreement: Disagreement, tries: int = 1500) -> str:
    """Return a small function with the same kind of disagreement, and what differs."""

    def fails(candidate: str) -> bool:
        try:
            found = find_disagreement(candidate, seed, [disagreement.part])
        except Exception:  # no function f any more, or a syntax error
            return False
        return found is not None and found.kind == disagreement.kind

    small = shrink(text, fails, tries)
    found = find_disagreement(small, seed, [disagreement.part]) or disagreement
    return shown(small, found, f"function: source_of({seed}), at points({seed})")


def main(arguments: list[str] | None = None) -> int:
    """Run the functions that the command line asks for; return the exit status."""
    options = options_of(arguments, "run_source", "function", 1000)
    warnings.simplefilter("ignore")
    failed = 0
    for seed in range(options.seed, options.seed + options.programs):
        text = source_of(seed)
        disagreement = find_disagreement(text, seed)
        if disagreement is not None:
            failed += 1
            counts = dict(COUNTS)
            print(f"\n{explain(text, seed, disagreement)}\n", flush=True)
            COUNTS.clear()
            COUNTS.update(counts)
            if not options.keep_going:
                break
    print(f"functions {options.seed} to {seed}: {failed} disagreements")
    for reason, times in COUNTS.most_common():
        print(f"{reason}: {times} times")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
