"""Run many random programs: ``python -m tests.fuzz.run --programs 10000 --seed 0``.

Exits with 1 at the first disagreement, after printing a small program that shows it and the seed it comes from.
"""

from __future__ import annotations

import argparse
import sys
import time

from .agreement import SKIPPED, Disagreement, find_disagreement
from .backends import REFUSED
from .generate import random_program
from .programs import Program
from .shrink import shrink


def options_of(arguments: list[str] | None, command: str, what: str, programs: int) -> argparse.Namespace:
    """Return what a command line asks for: how many programs or functions, from which seed on."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.fuzz.{command}", description=f"Run random {what}s.")
    parser.add_argument("--programs", type=int, default=programs, help=f"how many {what}s (default: {programs})")
    parser.add_argument("--seed", type=int, default=0, help=f"seed of the first {what} (default: 0)")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first disagreement")
    return parser.parse_args(arguments)


def shown(small: object, found: Disagreement, whole: str) -> str:
    """Return a small program as source, with comments: what differs, and what the whole program is."""
    return "\n".join([str(small), *(f"# {line}" for line in str(found).split("\n")), f"# the whole {whole}"])


def explain(program: Program, disagreement: Disagreement) -> str:
    """Return a small program with the same kind of disagreement, as source, and what differs."""

    def fails(candidate: Program) -> bool:
        found = find_disagreement(candidate, [disagreement.check])
        return found is not None and found.kind == disagreement.kind

    small = shrink(program, fails)
    found = find_disagreement(small, [disagreement.check]) or disagreement
    return shown(small, found, f"program: random_program({program.seed})")


def main(arguments: list[str] | None = None) -> int:
    """Run the programs that the command line asks for; return the exit status."""
    options = options_of(arguments, "run", "program", 10_000)
    begin, failed = time.perf_counter(), 0
    print(f"programs {options.seed} to {options.seed + options.programs - 1}", flush=True)
    for seed in range(options.seed, options.seed + options.programs):
        program = random_program(seed)
        disagreement = find_disagreement(program)
        if disagreement is not None:
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
