"""Run many random programs: ``python -m tests.fuzz.run --programs 10000 --seed 0``.

Exits with 1 at the first disagreement, after printing a small program that shows it and the seed it comes from.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

from .agreement import SKIPPED, Disagreement, find_disagreement
from .backends import REFUSED
from .generate import random_program
from .programs import Program
from .shrink import shrink


def failures(start: int, count: int) -> Iterator[tuple[int, Program | None, Disagreement | None]]:
    """Yield for each seed the program that failed and its disagreement, or None twice."""
    for seed in range(start, start + count):
        program = random_program(seed)
        disagreement = find_disagreement(program)
        yield (seed, program, disagreement) if disagreement else (seed, None, None)


def explain(program: Program, disagreement: Disagreement) -> str:
    """Return a small program with the same kind of disagreement, as source, and what differs."""

    def fails(candidate: Program) -> bool:
        found = find_disagreement(candidate, [disagreement.check])
        return found is not None and found.kind == disagreement.kind

    small = shrink(program, fails)
    found = find_disagreement(small, [disagreement.check]) or disagreement
    what = "\n".join(f"# {line}" for line in str(found).split("\n"))
    return f"{small}\n{what}\n# the whole program: random_program({program.seed})"


def main(arguments: list[str] | None = None) -> int:
    """Run the programs that the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description="Run random programs in every mode.")
    parser.add_argument("--programs", type=int, default=10_000, help="how many programs (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first program (default: 0)")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first disagreement")
    options = parser.parse_args(arguments)
    begin, failed = time.perf_counter(), 0
    print(f"programs {options.seed} to {options.seed + options.programs - 1}", flush=True)
    for seed, program, disagreement in failures(options.seed, options.programs):
        if program is not None and disagreement is not None:
            failed += 1
            print(f"\n{explain(program, disagreement)}\n", flush=True)
            if not options.keep_going:
                return 1
        done = seed - options.seed + 1
        if done % 500 == 0 or done == options.programs:
            print(f"{done} programs, {failed} disagreements, {time.perf_counter() - begin:.0f} s", flush=True)
    for reason, times in (SKIPPED + REFUSED).items():
        print(f"{reason}: {times} times")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
