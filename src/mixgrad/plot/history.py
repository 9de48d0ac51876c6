"""The course of a fit: what an observer keeps of it, and the parameters iteration by iteration. Free of matplotlib."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixgrad._errors import DataError

GRID_ITERATIONS = (0, 1, 2, 3, 4, 5, 6, 20)
FILM_ITERATIONS = range(41)
# Of fits with huge parameters only the most promising starts are kept, once they take more than this.
_MAX_NUMBERS = 8_000_000


@dataclass(frozen=True)
class _Run:
    """What is kept of one start: all bounds, and the parameters of the wanted iterations, 0 the start itself."""

    bounds: list[float] = field(default_factory=list)
    parameters: dict[int, Any] = field(default_factory=dict)


class Recorder:
    """An observer of a fit (see `GaussianMixture._fit`) that keeps the parameters of some iterations of each start.

    Parameters
    ----------
    iterations : iterable of int
        Those to keep; 0 is the start.
    """

    def __init__(self, iterations: Iterable[int]) -> None:
        self.wanted = check_iterations(iterations)
        self._runs: dict[int, _Run] = {}
        self._numbers = 0

    def __call__(self, start: int, iteration: int, lower_bound: float, parameters: Any) -> None:
        """Take note of an iteration: its bound is that of the parameters with which it began."""
        run = self._runs.setdefault(start, _Run())
        run.bounds.append(lower_bound)
        if iteration - 1 in self.wanted:
            run.parameters[iteration - 1] = parameters
            self._numbers += sum(np.size(values) for values in parameters)
            if self._numbers > _MAX_NUMBERS:
                self._forget_all_but(start)

    def best(self, lower_bound: float) -> _Run:
        """Return the start that reached this bound; the first of several."""
        reached = (run for run in self._runs.values() if lower_bound in (run.bounds[-1], max(run.bounds)))
        found = next(reached, None)
        return found or max(self._runs.values(), key=lambda run: run.bounds[-1], default=_Run())

    @property
    def n_starts(self) -> int:
        """The number of starts that were seen."""
        return len(self._runs)

    def _forget_all_but(self, start: int) -> None:
        best = max(self._runs, key=lambda index: self._runs[index].bounds[-1])
        for index, run in self._runs.items():
            if index not in (start, best):
                run.parameters.clear()
        kept = (values for run in self._runs.values() for part in run.parameters.values() for values in part)
        self._numbers = sum(map(np.size, kept))


@dataclass(frozen=True, eq=False)
class History:
    """A fit, iteration by iteration; iteration 0 is the start.

    Attributes
    ----------
    parameters : dict of int to Parameters
        Of the iterations that were asked for and reached, in order.
    log_likelihoods : ndarray of shape (n_iterations + 1,) or (n_iterations,)
        The total, by iteration. The last is missing where the fit returned to earlier parameters, which were better.
    missing : tuple of int
        Iterations that were asked for and not reached.
    n_iterations : int
    n_starts : int
    converged : bool
    covariance_type : str
    """

    parameters: dict[int, Any]
    log_likelihoods: np.ndarray
    missing: tuple[int, ...]
    n_iterations: int
    n_starts: int
    converged: bool
    covariance_type: str


def check_iterations(iterations: Iterable[int]) -> tuple[int, ...]:
    """Return iterations in order and once each; raise DataError unless they are counts."""
    wanted = list(iterations)
    if not wanted or not all(isinstance(i, int | np.integer) and i >= 0 for i in wanted):
        shown = f"{wanted[:10]} ..." if len(wanted) > 10 else f"{wanted}"
        raise DataError(f"iterations: expected integers from 0, the start, and at least one of them; got {shown}")
    return tuple(sorted({int(i) for i in wanted}))


def record_fit(model: Any, X: Any, iterations: Iterable[int]) -> tuple[Any, History]:
    """Fit a copy of the model by EM, whatever its solver; return the copy, and the history of its best start."""
    import warnings

    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    from mixgrad.mixture.estimators import GaussianMixture
    from mixgrad.mixture.solvers import SOLVERS

    if not isinstance(model, GaussianMixture):
        raise DataError(f"expected a mixgrad.GaussianMixture, whose arguments say what to fit; got {model!r:.200}")
    if model.n_init == "auto":
        raise DataError(
            "n_init='auto' searches by some hundred short runs, which are not one course of EM to draw. Give a number "
            "of starts, model.set_params(n_init=10), or draw what the search finds, plot.mixture(model.fit(X), X)."
        )
    recorder = Recorder(iterations)
    fitted: Any = clone(model)
    if fitted.solver in SOLVERS:  # their iterations are none of EM's
        fitted.solver = "em"
    with warnings.catch_warnings():
        # The picture says whether the fit converged; a lecture often stops it early.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted._fit(X, observe=recorder)
    return fitted, make_history(recorder, fitted, X)


def make_history(recorder: Recorder, model: Any, X: Any) -> History:
    """Return the history of the start that a fitted model is from; the recorder has observed the fit."""
    run = recorder.best(model.lower_bound_)
    parameters, log_likelihoods = dict(run.parameters), [bound * len(X) for bound in run.bounds]
    last = len(run.bounds)
    if not run.bounds or run.bounds[-1] == model.lower_bound_:  # otherwise the model is that of an earlier iteration
        log_likelihoods.append(model.score(X) * len(X))
        if last in recorder.wanted:
            parameters[last] = model.weights_, model.means_, model.covariances_
    return History(
        parameters=dict(sorted(parameters.items())),
        log_likelihoods=np.array(log_likelihoods),
        missing=tuple(i for i in recorder.wanted if i not in parameters),
        n_iterations=last,
        n_starts=max(recorder.n_starts, 1),
        converged=bool(model.converged_),
        covariance_type=model.covariance_type,
    )
