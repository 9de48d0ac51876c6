"""Expectation maximisation as init / step / terminate over immutable states, with one loop.

The expectation of a step is the gradient of the log-likelihood (`mixgrad.mixture.likelihood`), its maximisation is the
M-step of a covariance type (`mixgrad.mixture.covariance`); this module turns the crank and decides when to stop.

**When to stop.** The lower bound per row of an iteration is the mean log-likelihood under the parameters with which
the iteration began, as in scikit-learn. A fit has converged when the bound *grew* by less than ``tol``, or stood still
up to rounding. A decrease is not convergence: exact EM cannot decrease, but ``reg_covar``, which every M-step adds to
the covariances, moves them off the maximum. Then the loop goes on, and the best parameters seen are returned unless the
last ones reach their bound again. Without ``reg_covar`` a decrease is rounding, of parameters that say no more (spreads
that differ by fifteen powers of ten): the step is taken back, and nothing more is to be gained.
"""

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mixgrad._errors import DataError
from mixgrad.mixture.covariance import NOTHING_FIXED, Covariance, Fixed
from mixgrad.mixture.likelihood import Components
from mixgrad.mixture.sweep import Rows, complete_statistics, sufficient_statistics
from mixgrad.mixture.units import Units

__all__ = ["Fit", "Problem", "State", "Status", "labelled", "run", "shared"]

# A decrease of the bound up to this share of it is rounding. Log-densities have no unit, so 1 is their natural scale.
ROUNDING = 64 * np.finfo(np.float64).eps


class Status(enum.Enum):
    """Why the loop goes on, or stopped."""

    RUNNING = "running"
    CONVERGED = "converged"
    EXHAUSTED = "max_iter reached: increase max_iter or tol"
    INTERRUPTED = "interrupted from the keyboard: these are the parameters so far"


@dataclass(frozen=True, eq=False)
class Problem:
    """A table and what is to be fitted to it.

    Attributes
    ----------
    rows : Rows
    covariance : Covariance
    units : Units
        Where the table lies, and how finely it is resolved. Means are relative to its centre.
    reg_covar : float
        Added to the diagonal of every covariance.
    floor : ndarray of shape (d,)
        Smallest standard deviations.
    relative : bool
        Whether what is done to the table is relative to its units: the floor, and distances between rows.
    fixed : Fixed
        Blocks of the parameters that stay as they are at the start.
    often : bool
        Whether many sweeps over these rows are to come; see `sufficient_statistics`.
    """

    rows: Rows
    covariance: Covariance
    units: Units
    reg_covar: float
    floor: np.ndarray
    relative: bool = True
    fixed: Fixed = NOTHING_FIXED
    often: bool = False

    @classmethod
    def of(cls, X, covariance, weights=None, labels=None, reg_covar=None, fixed=NOTHING_FIXED):
        """Find the units of a table; they are what is relied on unless there is a `reg_covar`."""
        units, relative = Units.of(X, weights), reg_covar is None
        rows = Rows(X, weights, labels)
        return cls(rows, covariance, units, float(reg_covar or 0.0), units.floor(), relative, fixed)

    @property
    def total(self):
        """Number of rows; of weighted ones the sum of the weights."""
        return len(self.rows.X) if self.rows.weights is None else float(np.sum(self.rows.weights))

    def part(self, places):
        """Return the problem of some of the rows, in the same units."""
        X, *others = self.rows
        return replace(self, rows=Rows(X[places], *(None if array is None else array[places] for array in others)))

    def sweep(self, components, frame=None):
        """Log-likelihood and statistics, in the frames of the components or in others."""
        return sufficient_statistics(self.rows, self.units.centre, components, self.covariance, frame, self.often)


class State(NamedTuple):
    """Where a fit stands after some iterations.

    Attributes
    ----------
    iteration : int
    components : Components
        Parameters after the iteration's M-step. Their bound is not known yet.
    evaluated : Components
        Parameters before it, whose bound is `lower_bound`.
    lower_bound, change : float
        Mean log-likelihood per row, and its difference to the iteration before.
    best : Components
        Of all evaluated parameters those of the highest bound, `best_bound`.
    best_bound : float
    collapsed : ndarray of bool of shape (K,)
        Which of `components` are on the floor.
    """

    iteration: int
    components: Components
    evaluated: Components
    lower_bound: float
    change: float
    best: Components
    best_bound: float
    collapsed: np.ndarray


class Fit(NamedTuple):
    """What a run of EM, or of another solver, gives.

    Attributes
    ----------
    components : Components
    lower_bound : float
        Mean log-likelihood per row that the components are known to reach.
    lower_bounds : list of float
        The bound of every iteration.
    n_iter : int
    status : Status
    collapsed : ndarray of bool of shape (K,)
        Which of the components are on the floor.
    gap : float
        Estimate of what the bound could still gain; nan where there is none.
    sweeps : int
        Passes over the rows.
    """

    components: Components
    lower_bound: float
    lower_bounds: list
    n_iter: int
    status: Status
    collapsed: np.ndarray
    gap: float = math.nan
    sweeps: int = 0


def init(components, lower_bound=-np.inf):
    """State before the first iteration; `lower_bound` is that of an earlier fit which this one continues."""
    nothing = np.zeros(len(components.means), dtype=bool)
    return State(0, components, components, lower_bound, np.inf, components, -np.inf, nothing)


def step(problem, state):
    """One iteration: the gradient of the log-likelihood, then the M-step."""
    statistics = problem.sweep(state.components)
    bound = float(statistics.log_likelihood) / problem.total
    if not np.isfinite(bound):
        raise DataError(
            f"The log-likelihood is {bound} in iteration {state.iteration + 1}: the starting parameters are so far "
            "from the data that densities vanish. Give means_init and precisions_init in the units of the data, or let "
            "them be estimated."
        )
    better = bound > state.best_bound
    components, collapsed = maximised(problem, state.components, statistics)
    return State(
        iteration=state.iteration + 1,
        components=components,
        evaluated=state.components,
        lower_bound=bound,
        change=bound - state.lower_bound,
        best=state.components if better else state.best,
        best_bound=bound if better else state.best_bound,
        collapsed=collapsed,
    )


def terminate(state, tol, max_iter):
    """Status of a fit after a step."""
    grew_too_little = 0.0 <= state.change < tol
    stands_still = -rounding(state.lower_bound) <= state.change <= 0.0
    if grew_too_little or stands_still:
        return Status.CONVERGED
    return Status.EXHAUSTED if state.iteration >= max_iter else Status.RUNNING


def run(problem, components, tol, max_iter, lower_bound=-np.inf, observe: Callable[[State], object] | None = None):
    """Iterate from the given components until convergence or `max_iter`.

    Parameters
    ----------
    problem : Problem
    components : Components
    tol : float
        Gain of the bound per row below which the fit has converged.
    max_iter : int
    lower_bound : float
        Bound that an earlier fit had reached.
    observe : callable, optional
        Called with the `State` after each iteration.

    Returns
    -------
    Fit
    """
    state, bounds = init(components, lower_bound), []
    status = Status.RUNNING if max_iter > 0 else Status.EXHAUSTED
    try:
        while status is Status.RUNNING:
            state = step(problem, state)
            if problem.reg_covar == 0.0 and bounds and state.change < -rounding(state.lower_bound):
                status = Status.CONVERGED
                break
            bounds.append(state.lower_bound)
            status = terminate(state, tol, max_iter)
            if observe is not None:
                observe(state)
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    return finished(state, bounds, status)


def finished(state, bounds, status):
    """Return the `Fit` of a loop that ended in a state."""
    if not bounds:
        return Fit(state.components, -np.inf, bounds, 0, status, state.collapsed)
    if state.lower_bound < state.best_bound - rounding(state.best_bound):
        return Fit(state.best, state.best_bound, bounds, len(bounds), status, state.collapsed)
    return Fit(state.components, state.lower_bound, bounds, len(bounds), status, state.collapsed)


def maximised(problem, components, statistics):
    """Parameters after an M-step, and which of them are on the floor.

    Parameters
    ----------
    problem : Problem
    components : Components
        In whose frames the statistics are.
    statistics : Statistics

    Returns
    -------
    components : Components
    collapsed : ndarray of bool of shape (K,)
    """
    covariance, fixed = problem.covariance, problem.fixed
    moments = covariance.moments(statistics, components, fixed.means)
    if not fixed.covariances and covariance.cancels(moments):
        # A mean jumped by a hundred of its new standard deviations (a start far from the rows), or means lie far apart.
        # The same shares seen from where the means are going give the same moments without the cancellation.
        frame = components._replace(means=covariance.moved_means(moments, components))
        statistics = problem.sweep(components, frame)
        components, covariance = frame, covariance.apart
        moments = covariance.moments(statistics, components, fixed.means)
    return covariance.m_step(statistics.mass, moments, components, problem.reg_covar, problem.floor, fixed)


def labelled(problem, labels, n_components, factors=None):
    """Maximum likelihood with a given component for every row: the M-step that begins a fit, or supervised learning.

    Parameters
    ----------
    problem : Problem
    labels : ndarray of int of shape (n,)
    n_components : int
    factors : tuple (factor, whitening), optional
        Covariances to keep instead of estimating them.

    Returns
    -------
    components : Components
    collapsed : ndarray of bool of shape (K,)
    """
    rows = problem.rows._replace(labels=labels)

    def statistics(frame):
        return sufficient_statistics(rows, problem.units.centre, frame, problem.covariance.apart)

    return _from_shares(problem, statistics, n_components, factors)


def shared(problem, shares, factors=None):
    """As `labelled`, for rows that components share: an array of shape (n, K)."""

    def statistics(frame):
        return complete_statistics(problem.rows, shares, problem.units.centre, frame, problem.covariance)

    return _from_shares(problem, statistics, shares.shape[1], factors)


def _from_shares(problem, statistics, n_components, factors):
    covariance, scale = problem.covariance.apart, problem.units.scale
    frame = Components(
        np.full(n_components, 1.0 / n_components),
        np.zeros((n_components, len(scale))),
        *covariance.unit(n_components, scale),
    )
    found = statistics(frame)
    moments = covariance.moments(found, frame)
    frame = frame._replace(means=covariance.moved_means(moments, frame))
    if factors is not None:
        components = Components(covariance.weights(found.mass), frame.means, *factors)
        return components, np.zeros(n_components, dtype=bool)
    # Once more about the means just found: a tight component far from the origin keeps all digits of its covariance.
    found = statistics(frame)
    return covariance.m_step(found.mass, covariance.moments(found, frame), frame, problem.reg_covar, problem.floor)


def rounding(bound):
    """Return the change of a bound that may be rounding."""
    return ROUNDING * max(1.0, abs(bound))
