"""The best mode of the likelihood: many short runs of EM, long runs for the best, moves away from what they found.

The likelihood of a mixture has many maxima, and which one EM climbs is decided by its start. `search` spends its sweeps
in rounds, each a race: all candidates run for a few sweeps, the best third a few more, the best of these until they
converge (em-EM of Biernacki, Celeux and Govaert, 2003, with a stage between). The first round begins at partitions of
the rows, into the cells around rows drawn at random or as k-means++ draws them. Every further one begins at the best
mode found so far, with two of its components merged and one split (Ueda, Nakano, Ghahramani and Hinton, 2000); two
rounds in a row that find nothing better are the last. Partitions find a mode whose components are large; moves repair
one that is right but for two components, which no number of partitions does when there are many.

**Spurious modes.** The likelihood has maxima, high ones, at which a component serves a handful of rows that happen to
lie nearly on a line (McLachlan and Peel, 2000, section 3.10); they grow into infinity as the line becomes exact. They
say nothing about the law of the rows, and never win here while there is a mode without them. A component is spurious if

* the run reports that it collapsed onto the least covariance allowed, or
* it rests on few rows, *and* is narrow. Few: the effective number of different rows (Kish), (sum w r)^2 / sum (w r)^2,
  is below four times the least number that determines a covariance, d + 1 for a matrix and 2 for variances. Narrow: in
  some direction its standard deviation is less than a tenth of that of the pooled covariance of all components.

Neither depends on the units of the columns or, for matrices, on their directions. Rows of a normal law are not
mistaken: a covariance from m rows in d dimensions has least eigenvalue (1 - sqrt(d / m))^2 of the truth (Marchenko and
Pastur), a hundredth at m = 1.25 d only. A component of few rows that is wide, outliers say, is kept, and so is a narrow
one of many rows.
"""

from builtins import map as in_order
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from mixgrad.mixture.em import Fit, Status, run, shared
from mixgrad.mixture.likelihood import Components
from mixgrad.mixture.start import comparable
from mixgrad.mixture.sweep import probabilities

__all__ = ["Mode", "Search", "modes_of", "search", "spurious_components"]

# Sweeps of a candidate, and of the third of them that looks best after these.
SHORT, LONGER = 10, 20
# Candidates of the first round and of the others (of these at least so many, and so many per component), how many of
# them run until they converge, and how many rounds in a row have to find nothing better.
STARTS, MOVES, MOVES_PER_COMPONENT = 48, 12, 2
FINALISTS, PATIENCE = 3, 2
# Rows that a race looks at, for each component and column; the finalists of the search see all of them.
ROWS, ROWS_PER_PARAMETER = 5_000, 50
# Rows whose shares are looked at at a time.
BLOCK = 50_000
# This share of every row's label is spread over all components: no cell is too small for a covariance.
SPREAD = 0.03
FEW_ROWS, NARROW = 4.0, 0.1
# Runs have reached one mode if their bounds differ by less than this, and their means by so many standard deviations.
SAME_BOUND, SAME_PLACE = 1e-6, 0.05


class Mode(NamedTuple):
    """A maximum of the likelihood.

    Attributes
    ----------
    lower_bound : float
        Mean log-likelihood per row.
    count : int
        How many of the runs that went on until convergence ended here.
    components : Components
    spurious : tuple of int
        Components that rest on a handful of rows by chance; see the module.
    """

    lower_bound: float
    count: int
    components: Components
    spurious: tuple[int, ...]


class Search(NamedTuple):
    """What a search gives.

    Attributes
    ----------
    fit : Fit
        The run that reached the best mode.
    modes : list of Mode
        All different modes, the best first; those with fewer spurious components stand before those with more.
    n_sweeps : int
        Iterations of all runs together, those on a sample of the rows included.
    """

    fit: Fit
    modes: list
    n_sweeps: int


class _Candidate(NamedTuple):
    """A run and its spurious components."""

    fit: Fit
    spurious: tuple[int, ...]


def search(problem, n_components, random_state, run=run, *, tol=1e-10, max_iter=10_000, map: Callable = in_order):
    """Find the best mode of the likelihood.

    Parameters
    ----------
    problem : Problem
        Rows that are repeated should stand there once, with weights.
    n_components : int
    random_state : numpy.random.RandomState
        Gives one seed per candidate, before any of them runs.
    run : callable
        As `mixgrad.mixture.em.run`: ``run(problem, components, tol, max_iter)`` gives a `Fit`.
    tol : float
        For the runs until convergence. Runs that stop early are not recognised as the same mode.
    max_iter : int
    map : callable
        As the builtin; that of a thread pool gives the same result.

    Returns
    -------
    Search
    """
    done = []

    def climb(problem, components, max_iter):
        done.append(run(problem, components, tol, max_iter))
        if done[-1].status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        return done[-1]

    problem = replace(problem, often=True)
    try:
        return _searched(problem, n_components, random_state, climb, max_iter, map)
    except KeyboardInterrupt:
        if not done:
            raise
        best = min(done, key=lambda fit: (np.sum(fit.collapsed), -fit.lower_bound))
        best = best._replace(status=Status.INTERRUPTED, sweeps=best.n_iter)
        return Search(best, [], sum(fit.n_iter for fit in done))


def modes_of(problem, fits):
    """List the different maxima that fits have reached, the best first, as `Mode`."""
    return _as_modes(_grouped(problem, [_judged(problem, fit) for fit in fits]))


def _searched(problem, n_components, random_state, climb, max_iter, map):
    sample = _sampled(problem, n_components, random_state)
    race = partial(_race, sample, run=climb, max_iter=max_iter, map=map)
    runs, n_sweeps = race(partial(_partition, sample, n_components), _seeds(random_state, STARTS))
    patience = PATIENCE if n_components > 1 else 0
    while patience > 0:
        best = min(runs, key=_order)
        seeds = _seeds(random_state, max(MOVES, MOVES_PER_COMPONENT * n_components))
        children, spent = race(partial(_moved, sample, best.fit.components), seeds)
        runs, n_sweeps = runs + children, n_sweeps + spent
        patience = PATIENCE if _is_better(min(runs, key=_order), best) else patience - 1
    if sample is not problem:
        begun = [mode[0].fit.components for mode in _grouped(sample, runs)[:FINALISTS]]
        runs = list(map(partial(_continued, problem, climb, max_iter), begun))
        n_sweeps += sum(candidate.fit.n_iter for candidate in runs)
    groups = _grouped(problem, runs)
    return Search(groups[0][0].fit, _as_modes(groups), n_sweeps)


def _as_modes(groups):
    return [Mode(group[0].fit.lower_bound, len(group), group[0].fit.components, group[0].spurious) for group in groups]


def spurious_components(problem, components):
    """Which components are spurious, as the module defines it.

    Parameters
    ----------
    problem : Problem
    components : Components

    Returns
    -------
    tuple of int
    """
    covariance, n_features = problem.covariance, problem.rows.X.shape[1]
    needed = FEW_ROWS * max(2.0, 2.0 * covariance.n_parameters(1, n_features) / n_features)
    heaviest = 1.0 if problem.rows.weights is None else np.max(problem.rows.weights)
    if np.all(components.weights * problem.total >= needed * heaviest):  # the effective number is no less than this
        return ()
    few = _effective_rows(problem, components) < needed
    if not np.any(few):
        return ()
    return tuple(int(k) for k in np.flatnonzero(few & (_narrowest(covariance, components) < NARROW)))


def _effective_rows(problem, components):
    """Kish's effective number of different rows of each component, shape (K,)."""
    total, squares = np.zeros(len(components.weights)), np.zeros(len(components.weights))
    for begin in range(0, len(problem.rows.X), BLOCK):
        part = problem.part(slice(begin, begin + BLOCK))
        shares = _shares(part, components) * _weights(part)[:, None]
        with np.errstate(under="ignore"):
            total, squares = total + shares.sum(axis=0), squares + (shares**2).sum(axis=0)
    return total**2 / np.maximum(squares, np.finfo(np.float64).tiny)


def _narrowest(covariance, components):
    """Least standard deviation of each component in units of the pooled covariance, shape (K,)."""
    n_components, n_features = components.means.shape
    columns = [
        covariance.unwhitened(np.tile(unit, (n_components, 1)), components.factor) for unit in np.eye(n_features)
    ]
    factors = np.stack(columns, axis=-1)
    pooled = np.tensordot(components.weights, factors @ factors.mT, 1)
    return np.linalg.svd(np.linalg.solve(np.linalg.cholesky(pooled), factors), compute_uv=False)[:, -1]


def _race(problem, begin, seeds, run, max_iter, map):
    """Return runs that converged, and the sweeps of all; ``begin`` draws the components of a candidate."""
    entrants, n_sweeps = list(map(partial(_started, problem, run, begin), seeds)), 0
    for sweeps, places in ((LONGER, -(-len(seeds) // 3)), (max_iter, FINALISTS)):
        n_sweeps += sum(candidate.fit.n_iter for candidate in entrants)
        begun = [candidate.fit.components for candidate in sorted(entrants, key=_order)[:places]]
        entrants = list(map(partial(_continued, problem, run, sweeps), begun))
    return entrants, n_sweeps + sum(candidate.fit.n_iter for candidate in entrants)


def _started(problem, run, begin, seed):
    """Return the short run of a candidate."""
    return _continued(problem, run, SHORT, begin(np.random.RandomState(seed)))


def _continued(problem, run, max_iter, components):
    """Run on from components, and look for spurious ones."""
    return _judged(problem, run(problem, components, max_iter))


def _judged(problem, fit):
    collapsed = {int(k) for k in np.flatnonzero(fit.collapsed)}
    return _Candidate(fit, tuple(sorted(collapsed.union(spurious_components(problem, fit.components)))))


def _order(candidate):
    """Sort key, the best first."""
    return len(candidate.spurious), -candidate.fit.lower_bound


def _is_better(candidate, best):
    fewer = len(candidate.spurious) < len(best.spurious)
    return fewer or candidate.fit.lower_bound > best.fit.lower_bound + SAME_BOUND


def _grouped(problem, runs):
    """Return lists of the runs that reached one mode, each list and all lists the best first."""
    groups = []
    for candidate in sorted(runs, key=_order):
        for group in groups:
            if _is_same(problem.covariance, candidate.fit, group[0].fit):
                group.append(candidate)
                break
        else:
            groups.append([candidate])
    return groups


def _is_same(covariance, one, other):
    """Whether two fits are one mode, whatever the order of their components."""
    if abs(one.lower_bound - other.lower_bound) > SAME_BOUND:
        return False
    distances = np.sqrt(covariance.apart.squares(covariance.apart.view(other.components.means, one.components)))
    return bool(np.all(distances[linear_sum_assignment(distances)] < SAME_PLACE))


def _partition(problem, n_components, random_state):
    """Components of the cells of rows drawn at random: every row belongs to the nearest of them, in columns' units."""
    distances = _distances(comparable(problem), _weights(problem), n_components, random_state)
    return _softened(problem, (np.argmin(distances, axis=0)[:, None] == np.arange(n_components)).astype(np.float64))


def _distances(X, weights, n_components, random_state):
    """Squared distances, shape (K, n), to rows drawn by weight: every other time far from each other (k-means++)."""
    apart = random_state.uniform() < 0.5
    distances = np.empty((n_components, len(X)))
    chances = weights
    for k in range(n_components):
        centre = X[random_state.choice(len(X), p=chances / chances.sum())]
        distances[k] = ((X - centre) ** 2).sum(axis=1)
        nearest = distances[: k + 1].min(axis=0)
        left = weights * (nearest if apart else nearest > 0.0)
        chances = left if left.sum() > 0.0 else weights
    return distances


def _moved(problem, components, random_state):
    """Merge two components, every other time such as share rows, and split one along a plane through its mean."""
    labels = _shares(problem, components)
    n_components = labels.shape[1]
    unit = labels / np.maximum(np.linalg.norm(labels, axis=0), np.finfo(np.float64).tiny)
    pairs = np.triu(np.ones((n_components, n_components)), 1)
    overlap = pairs * (unit.T @ unit + np.finfo(np.float64).tiny)
    chances = pairs / pairs.sum() + overlap / overlap.sum()
    kept, freed = divmod(random_state.choice(pairs.size, p=chances.ravel() / chances.sum()), n_components)
    split = random_state.choice([k for k in range(n_components) if k != freed])
    normal = random_state.normal(size=problem.rows.X.shape[1])
    labels[:, kept] += labels[:, freed]
    rows = problem.covariance.in_frames(problem.rows.X - problem.units.centre, components)
    beyond = rows[split] @ normal > 0.0
    labels[:, freed] = labels[:, split] * beyond
    labels[:, split] -= labels[:, freed]
    return _softened(problem, labels)


def _softened(problem, labels):
    """Components of labels of shape (n, K), each spread a little over all rows."""
    weights = _weights(problem)
    components, _ = shared(problem, (1.0 - SPREAD) * labels + SPREAD * (weights @ labels / weights.sum()))
    return components


def _sampled(problem, n_components, random_state):
    """Return the problem of rows drawn uniformly, or the problem itself if it has few."""
    n_rows, n_features = problem.rows.X.shape
    enough = max(ROWS, ROWS_PER_PARAMETER * n_components * n_features)
    if n_rows <= enough:
        return problem
    return problem.part(np.sort(random_state.choice(n_rows, enough, replace=False)))


def _shares(problem, components):
    """Shares of the components in the rows, shape (n, K), whatever the rows weigh."""
    return np.array(probabilities(problem.rows, problem.units.centre, components, problem.covariance))


def _weights(problem):
    return np.ones(len(problem.rows.X)) if problem.rows.weights is None else problem.rows.weights


def _seeds(random_state, count):
    return [int(seed) for seed in random_state.randint(2**31 - 1, size=count)]
