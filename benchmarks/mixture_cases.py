"""The tables, starts and sizes on which `mixture.py` compares mixtures, and the operations that an iteration needs."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

TYPES = ("full", "tied", "diag", "spherical")
ROWS = (1000, 10_000, 100_000, 1_000_000)
FEATURES = (1, 2, 5, 10, 20, 50, 100)
COMPONENTS = (2, 10, 50)
MOST = 10_000_000  # rows times features times components, in a run without --all
PAIRS = ((1, 2), (2, 10), (5, 50), (10, 10), (20, 2), (20, 10), (50, 10), (100, 2))  # features, components there
KMEANS_MOST = 10_000_000
BYTES = 8e9  # the shares of the components that the peer holds, several times over, and its copies of the table
ENOUGH = 5  # rows for each mean and column of a covariance: with fewer, covariances are singular
BLOCK = 100_000
SEPARATION = 3.0  # the order of the distances between means, in standard deviations: the components overlap


@dataclass(frozen=True)
class Case:
    """A table of overlapping clusters, and the mixture that is fitted to it."""

    rows: int
    features: int
    components: int
    covariance_type: str = "full"

    @property
    def size(self) -> int:
        return self.rows * self.features * self.components

    @property
    def name(self) -> str:
        return f"{self.rows:,} x {self.features}, K = {self.components}, {self.covariance_type}"

    @property
    def is_possible(self) -> bool:
        """Whether memory suffices, and covariances are determined by the rows."""
        held = 8.0 * self.rows * (3 * self.features + 4 * self.components)
        needed = ENOUGH * self.components * (self.features + 1) if self.covariance_type == "full" else 0
        return held <= BYTES and needed <= self.rows

    @property
    def operations(self) -> int:
        """Useful floating-point operations of an iteration.

        Scores are linear in 1, x, and x x^T or what a type of covariance sees of it: one product of the table of these
        features gives the scores, another the statistics. A feature takes two operations in each, an exponential one.
        With 'tied', x x^T is the same for all components and counted once.
        """
        d = self.features
        triangle = d * (d + 1) // 2
        own = {"full": 1 + d + triangle, "tied": 1 + d, "diag": 1 + 2 * d, "spherical": 2 + d}[self.covariance_type]
        shared = triangle if self.covariance_type == "tied" else 0
        return self.rows * (4 * (self.components * own + shared) + self.components)


def centres_of(case: Case) -> np.ndarray:
    random = np.random.default_rng([1, case.features, case.components])
    return SEPARATION / np.sqrt(case.features) * random.standard_normal((case.components, case.features))


def table_of(case: Case) -> np.ndarray:
    """Return the rows, made block by block, so that making them takes no memory besides."""
    random = np.random.default_rng([2, case.rows, case.features, case.components])
    centres = centres_of(case)
    X = np.empty((case.rows, case.features))
    for start in range(0, case.rows, BLOCK):
        block = X[start : start + BLOCK]
        random.standard_normal(out=block)
        block += centres[random.integers(case.components, size=len(block))]
    return X


def start_of(case: Case) -> dict[str, Any]:
    """Return parameters to start from: means that are off, and covariances that are too."""
    d, components = case.features, case.components
    random = np.random.default_rng([3, d, components])
    precisions = {
        "full": np.tile(np.eye(d), (components, 1, 1)),
        "tied": np.eye(d),
        "diag": np.ones((components, d)),
        "spherical": np.ones(components),
    }
    return {
        "n_components": components,
        "covariance_type": case.covariance_type,
        "weights_init": np.full(components, 1.0 / components),
        "means_init": centres_of(case) + 0.3 * random.standard_normal((components, d)),
        "precisions_init": precisions[case.covariance_type],
    }


# Sizes ----------------------------------------------------------------------------------------------------------------


def iteration_cases(selection: str) -> list[Case]:
    """Return the mixtures whose iterations are timed: 'quick', 'default' or 'all'."""
    if selection == "quick":
        return [Case(n, d, 3, kind) for n, d in ((1000, 2), (5000, 20)) for kind in TYPES]
    cases = [Case(n, d, k, kind) for n, d, k in itertools.product(ROWS, FEATURES, COMPONENTS) for kind in TYPES]
    if selection != "all":
        cases = [case for case in cases if case.size <= MOST and (case.features, case.components) in PAIRS]
    return [case for case in cases if case.is_possible]


def pomegranate_cases(selection: str) -> list[Case]:
    """Return the mixtures that are timed beside pomegranate, which has these two types; none if it is not installed."""
    if importlib.util.find_spec("pomegranate") is None:
        return []
    if selection == "quick":
        return [Case(5000, 5, 3, "diag")]
    sizes = [(n, d, k) for n in ROWS[1:] for d, k in ((2, 10), (10, 10), (50, 10)) if n * d * k <= MOST]
    return [Case(*size, kind) for size in sizes for kind in ("full", "diag")]


def likelihood_cases(selection: str) -> list[Case]:
    """Return the mixtures that are fitted up to a given log-likelihood."""
    if selection == "quick":
        return [Case(1000, 2, 3, kind) for kind in ("full", "tied")]
    cases = [Case(1000, 2, 5, kind) for kind in TYPES] + [Case(10_000, 5, 5, kind) for kind in TYPES]
    cases += [Case(10_000, 10, 10, "full"), Case(100_000, 5, 5, "tied")]
    return cases + ([Case(100_000, 10, 10, kind) for kind in TYPES] if selection == "all" else [])


def whole_cases(selection: str) -> list[Case]:
    """Return the mixtures that are fitted with all settings at their defaults."""
    if selection == "quick":
        return [Case(1000, 2, 3)]
    cases = [Case(300, 2, 2), Case(1000, 2, 3), Case(10_000, 2, 5), Case(10_000, 10, 10), Case(100_000, 10, 10)]
    cases += [Case(100_000, 10, 10, "diag")]
    return cases + ([Case(1_000_000, 10, 10), Case(100_000, 50, 10)] if selection == "all" else [])


def kmeans_cases(selection: str) -> list[Case]:
    """Return the tables that are clustered by k-means."""
    if selection == "quick":
        return [Case(5000, 2, 3), Case(5000, 10, 3)]
    cases = [Case(n, d, k) for n, d, k in itertools.product(ROWS[1:], (2, 10, 50), COMPONENTS)]
    return [case for case in cases if selection == "all" or case.size <= KMEANS_MOST]


def memory_cases(selection: str) -> list[tuple[Case, str, tuple[str, ...]]]:
    """Return mixtures, how they start, and who fits them, for measurements of memory."""
    both = ("mixgrad", "scikit-learn")
    if selection == "quick":
        return [(Case(20_000, 5, 5), "given", both)]
    large, largest = (Case(1_000_000, 10, k) for k in (10, 50)), Case(10_000_000, 10, 50)
    cases = [(case, start, both) for case in large for start in ("given", "default")]
    if selection == "default":
        cases[-1] = (*cases[-1][:2], both[:1])  # the peer takes minutes
    return [*cases, *((largest, start, both[:1]) for start in ("given", "default"))]
