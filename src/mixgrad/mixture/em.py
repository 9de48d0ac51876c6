"""Expectation maximisation as init / step / terminate over immutable states, with one loop.

The expectation of a step is the gradient of the log-likelihood (`mixgrad.mixture.likelihood`), its maximisation is the
M-step of a covariance type (`mixgrad.mixture.covariance`); this module turns the crank and decides when to stop.

**When to stop.** The lower bound per row of an iteration is the mean log-likelihood under the parameters with which
the iteration began, as in scikit-learn. A fit has converged when the bound *grew* by less than ``tol``, or stood still
up to rounding. A decrease is not convergence: exact EM cannot decrease, but ``reg_covar``, which every M-step adds to
the covariances, moves them off the maximum. Then the loop goes on, and the best parameters seen are returned unless the
last ones reach their bound again.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mixgrad._errors import DataError
from mixgrad.mixture.covariance import Covariance
from mixgrad.mixture.likelihood import (
    Components,
    complete_statistics,
    component_scores,
    responsibilities,
    sufficient_statistics,
)
from mixgrad.mixture.units import scale_of

__all__ = ["Fit", "Problem", "State", "Status", "run", "supervised"]

# A decrease of the bound up to this share of it is rounding. Log-densities have no unit, so 1 is their natural scale.
ROUNDING = 64 * np.finfo(np.float64).eps


class Status(enum.Enum):
    """Why the loop goes on, or stopped."""

    RUNNING = "running"
    CONVERGED = "converged"
    EXHAUSTED = "max_iter reached: increase max_iter or tol"


@dataclass(frozen=True)
class Problem:
    """A table and a type of covariance.

    Attributes
    ----------
    X : ndarray of shape (n, d), float64
    covariance : Covariance
    reg_covar : float
        Added to the diagonal of every covariance.
    resolution : float or ndarray of shape (d,)
        Standard deviations that count as none; see ``m_step``.
    """

    X: np.ndarray
    covariance: Covariance
    reg_covar: float = 0.0
    resolution: np.ndarray | float = 0.0


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
    """

    iteration: int
    components: Components
    evaluated: Components
    lower_bound: float
    change: float
    best: Components
    best_bound: float


class Fit(NamedTuple):
    """What a run of EM gives.

    Attributes
    ----------
    components : Components
    lower_bound : float
        Mean log-likelihood per row that the components are known to reach.
    lower_bounds : list of float
        The bound of every iteration.
    n_iter : int
    status : Status
    """

    components: Components
    lower_bound: float
    lower_bounds: list
    n_iter: int
    status: Status


def init(components, lower_bound=-np.inf):
    """State before the first iteration; `lower_bound` is that of an earlier fit which this one continues."""
    return State(0, components, components, lower_bound, np.inf, components, -np.inf)


def step(problem, state):
    """One iteration: the gradient of the log-likelihood, then the M-step."""
    statistics = sufficient_statistics(problem.X, state.components, problem.covariance)
    bound = float(statistics.log_likelihood) / len(problem.X)
    if not np.isfinite(bound):
        raise DataError(
            f"The log-likelihood is {bound} in iteration {state.iteration + 1}: the starting parameters are so far "
            "from the data that densities vanish. Give means_init and precisions_init in the units of the data, or let "
            "them be estimated."
        )
    better = bound > state.best_bound
    return State(
        iteration=state.iteration + 1,
        components=_maximise(problem, state.components, statistics),
        evaluated=state.components,
        lower_bound=bound,
        change=bound - state.lower_bound,
        best=state.components if better else state.best,
        best_bound=bound if better else state.best_bound,
    )


def terminate(state, tol, max_iter):
    """Status of a fit after a step."""
    grew_too_little = 0.0 <= state.change < tol
    stands_still = -_rounding(state.lower_bound) <= state.change <= 0.0
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
    while status is Status.RUNNING:
        state = step(problem, state)
        status = terminate(state, tol, max_iter)
        bounds.append(state.lower_bound)
        if observe is not None:
            observe(state)
    if not bounds:
        return Fit(components, -np.inf, bounds, 0, status)
    if state.lower_bound < state.best_bound - _rounding(state.best_bound):
        return Fit(state.best, state.best_bound, bounds, state.iteration, status)
    return Fit(state.components, state.lower_bound, bounds, state.iteration, status)


def supervised(problem, labels, factors=None):
    """Maximum likelihood with given, possibly soft, labels: the M-step that begins a fit.

    Parameters
    ----------
    problem : Problem
    labels : ndarray of shape (K, n)
        Share of each row that belongs to each component.
    factors : tuple (factor, whitening), optional
        Covariances to keep instead of estimating them.

    Returns
    -------
    Components
    """
    X, covariance = problem.X, problem.covariance
    n_components = len(labels)
    frame = Components(
        np.full(n_components, 1.0 / n_components),
        np.zeros((n_components, X.shape[1])),
        *covariance.unit(n_components, scale_of(X)),
    )
    statistics = complete_statistics(X, labels, frame, covariance)
    moments = covariance.moments(statistics)
    frame = frame._replace(means=covariance.moved_means(moments, frame))
    if factors is not None:
        return Components(covariance.weights(statistics.mass), frame.means, *factors)
    # Once more about the means just found: a tight component far from the origin keeps all digits of its covariance.
    statistics = complete_statistics(X, labels, frame, covariance)
    return covariance.m_step(
        statistics.mass, covariance.moments(statistics), frame, problem.reg_covar, problem.resolution
    )


def _maximise(problem, components, statistics):
    covariance = problem.covariance
    moments = covariance.moments(statistics)
    if covariance.cancels(moments):
        # A mean jumped by a hundred of its new standard deviations (a start far from the rows). The same labels seen
        # from where the means are going give the same moments without the cancellation.
        labels = responsibilities(component_scores(problem.X, components, covariance))
        components = components._replace(means=covariance.moved_means(moments, components))
        statistics = complete_statistics(problem.X, labels, components, covariance)
        moments = covariance.moments(statistics)
    return covariance.m_step(statistics.mass, moments, components, problem.reg_covar, problem.resolution)


def _rounding(bound):
    return ROUNDING * max(1.0, abs(bound))
