"""What the progress bar says of a fit: where it stands, what is still to gain, and how long that takes."""

import math
import time
from collections.abc import Callable
from typing import Literal

from mixgrad.mixture.gap import aitken_gap


class Course:
    """Follows the iterations of a fit.

    Parameters
    ----------
    rows : int
    starts : int or 'auto'
        'auto' for what follows a search.
    max_iter : int
    tol : float or None
        The fit has converged when the log-likelihood per row grows by less. None for solvers other than EM: their steps
        do not shrink at a steady rate, so nothing is said of the gap and the time left.
    clock : callable, optional
        Returns seconds.
    """

    def __init__(
        self,
        rows: int,
        starts: int | Literal["auto"],
        max_iter: int,
        tol: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows, self._max_iter, self._tol = rows, max_iter, tol
        self._searched = starts == "auto"
        self._starts = 1 if starts == "auto" else starts
        self._clock = clock
        self._began = self._began_start = self._now = clock()
        self._start = 0
        self._bounds: list[float] = []
        self._fraction = 0.0

    def follow(self, start: int, iteration: int, lower_bound: float) -> tuple[str, float]:
        """Take note of an iteration; return a line of text, and the fraction of the work that is done."""
        if start != self._start:  # it began when the one before ended
            self._start, self._began_start, self._bounds = start, self._now, []
        self._now = self._clock()
        self._bounds = [*self._bounds[-2:], lower_bound]
        parts = [
            "best mode of the search" if self._searched else f"start {start + 1} of {self._starts}",
            f"iteration {iteration}",
            f"log-likelihood {lower_bound * self._rows:.4f}",
        ]
        gap, left = math.nan, math.inf
        if self._tol is not None:
            gap, left = aitken_gap(self._bounds) * self._rows, iterations_left(self._bounds, self._tol)
        if math.isfinite(gap):
            parts.append(f"gap {gap:.1e}")
        expected = min(iteration + left, self._max_iter)
        if math.isfinite(left):
            parts.append(f"{write_duration(self._seconds_left(iteration, expected))} left")
        # The estimate changes; a bar that goes back would irritate.
        self._fraction = max(self._fraction, (start + iteration / max(expected, iteration)) / self._starts)
        return ", ".join(parts), self._fraction

    def _seconds_left(self, iteration: int, expected: float) -> float:
        elapsed = self._now - self._began_start
        whole = elapsed / iteration * expected
        others = (self._began_start - self._began) / self._start if self._start else whole
        return whole - elapsed + others * (self._starts - 1 - self._start)


def iterations_left(bounds: list[float], tol: float) -> float:
    """Estimate how many iterations follow, from the last three bounds, whose steps shrink at a steady rate.

    Returns inf if nothing can be said.
    """
    gap = aitken_gap(bounds)
    if not math.isfinite(gap):
        return math.inf
    earlier, later = bounds[-2] - bounds[-3], bounds[-1] - bounds[-2]
    # No step is smaller than a rounding error.
    smallest = max(tol, 1e-14 * max(1.0, abs(bounds[-1])))
    if gap == 0.0 or later <= smallest:
        return 0.0
    return math.ceil(math.log(smallest / later) / math.log(later / earlier))


def write_duration(seconds: float) -> str:
    """Write a time in one unit, or in hours and minutes."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
