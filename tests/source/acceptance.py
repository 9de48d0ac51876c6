"""The list of acceptance programs: with inputs, references, and what is expected of their programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import acceptance_programs as programs
from . import acceptance_references as references

# Inputs ---------------------------------------------------------------------------------------------------------------


def numbers(low, high, count):
    return lambda random, n: random.uniform(low, high, count)


def vector(random, n):
    return random.uniform(-1.5, 1.5, n)


def general_matrix(random, n):
    return random.uniform(-1, 1, (n, n)) + 0.5 * np.eye(n)


def positive_matrix(random, n):
    factor = random.uniform(-1, 1, (n, n))
    return factor @ factor.T + np.eye(n)


def numbers_of(*ranges):
    return lambda random, n: np.array([random.uniform(low, high) for low, high in ranges])


def diffusion(random, n):
    return np.concatenate([[0.25], random.uniform(-1, 1, n)])


def two_words(random, n):
    return random.uniform(0.3, 1.6, n)


# The list -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Acceptance:
    """A program with what a test needs.

    Attributes
    ----------
    function : callable
        Of one array of floats and settings; returns a number or an array.
    sample : callable
        ``sample(random, n)`` gives an input. `n` is the length of the arrays where that is free.
    exact : callable
        The same function of lists of mpf, with the same settings where they matter.
    grows : str
        What lets its loops run more often: "array" for longer arrays, or the setting that counts steps. Empty: the
        values of the input.
    keeps_loops : bool
        Whether a program must keep the loops. False: slices whose length depends on the counter are arrays of
        different shapes, so the loop is unrolled.
    tolerance, second : float
        Relative to the largest entry, of the value and first derivatives, and of second ones.
    why : str
        Where a tolerance is not a few hundred roundings.
    """

    function: Callable
    sample: Callable
    exact: Callable
    grows: str = "array"
    settings: dict[str, Any] = field(default_factory=dict)
    keeps_loops: bool = True
    n: int = 5
    tolerance: float = 1e-12
    second: float = 1e-11
    why: str = ""


NOISE = np.random.default_rng(4).normal(size=20)

PROGRAMS: dict[str, Acceptance] = {
    "nested loop filling a matrix": Acceptance(programs.covariance, vector, references.exact_covariance),
    "nested loop adding to a diagonal": Acceptance(
        programs.trace_of_products, vector, references.exact_trace_of_products
    ),
    "enumerate and zip": Acceptance(programs.weighted_path, vector, references.exact_weighted_path),
    "function in a function": Acceptance(
        programs.simpson, numbers_of((0.2, 1.0), (1.0, 3.0), (1.0, 2.0)), references.exact_simpson, "n", {"n": 20}
    ),
    "Newton": Acceptance(
        programs.kepler,
        numbers_of((0.5, 2.5), (0.1, 0.8)),
        references.exact_kepler,
        "",
        tolerance=1e-9,
        second=1e-8,
        why="the iteration stops at 1e-12; derivatives converge one step behind the value",
    ),
    "bisection": Acceptance(
        programs.bisection,
        numbers_of((0.0, 0.5), (2.0, 3.0), (2.0, 6.0)),
        references.exact_bisection,
        "",
        second=1e-9,
        why="second derivatives are zero; the scale of the comparison is that of the first",
    ),
    "bisection, then Newton": Acceptance(
        programs.bisection_then_newton,
        numbers_of((0.5, 2.0), (1.0, 6.0)),
        references.exact_cubic_root,
        "",
        tolerance=1e-10,
        second=1e-9,
        why="three Newton steps from 1e-3: derivatives of the last iterate are those of the root to rounding",
    ),
    "Runge-Kutta": Acceptance(
        programs.runge_kutta, numbers_of((0.5, 1.5), (0.5, 2.0)), references.exact_runge_kutta, "steps", {"steps": 100}
    ),
    "Runge-Kutta of arrays": Acceptance(
        programs.oscillator,
        numbers_of((1.0, 3.0), (0.1, 0.5), (-1, 1), (-1, 1)),
        references.exact_oscillator,
        "steps",
        {"steps": 40},
    ),
    "Cholesky in place": Acceptance(programs.cholesky, positive_matrix, references.exact_log_determinant, second=1e-10),
    "Cholesky by rows": Acceptance(
        programs.cholesky_by_rows, positive_matrix, references.exact_cholesky, keeps_loops=False, second=1e-10
    ),
    "LU with pivoting": Acceptance(
        programs.lu_with_pivoting,
        general_matrix,
        references.exact_solution,
        n=4,
        tolerance=1e-9,
        second=1e-8,
        why="random matrices of moderate condition; its powers enter derivatives",
    ),
    "LU by slices": Acceptance(
        programs.lu_by_slices,
        general_matrix,
        references.exact_determinant,
        keeps_loops=False,
        n=4,
        tolerance=1e-9,
        second=1e-8,
        why="second derivatives are smaller than the products of pivots they are made of",
    ),
    "heat equation": Acceptance(programs.heat, diffusion, references.exact_heat, "steps", {"steps": 20}, n=8),
    "heat equation, point by point": Acceptance(
        programs.heat_point_by_point, diffusion, references.exact_heat, "steps", {"steps": 6}, n=6
    ),
    "random walk": Acceptance(
        programs.random_walk,
        numbers_of((-0.5, 0.5), (0.4, 0.9), (0.3, 0.9)),
        references.exact_random_walk,
        "noise",
        {"noise": NOISE},
    ),
    "edit distance": Acceptance(programs.edit_distance, two_words, references.exact_edit_distance, n=8),
    "Horner": Acceptance(programs.horner, vector, references.exact_horner, n=7),
    "Fibonacci": Acceptance(programs.fibonacci, numbers(0.5, 1.5, 4), references.exact_fibonacci, "n", {"n": 10}),
    "Fibonacci in a table": Acceptance(
        programs.fibonacci_table, numbers(0.5, 1.5, 4), references.exact_fibonacci_table, "n", {"n": 10}
    ),
    "matrix exponential": Acceptance(
        programs.matrix_exponential, general_matrix, references.exact_exponential, "", n=3
    ),
}


def settings_of(program: Acceptance, doubled: bool = False) -> dict[str, Any]:
    """Return the settings, or those for loops twice as long."""
    settings = dict(program.settings)
    if doubled and program.grows in settings:
        old = settings[program.grows]
        settings[program.grows] = np.concatenate([old, old]) if isinstance(old, np.ndarray) else 2 * old
    return settings
