"""What `GaussianMixture.fit` does: a problem from a table, starts, the best of their fits, what to tell the user."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Event
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from mixgrad._errors import CollapseWarning, DataError
from mixgrad.mixture.checks import check_fixed, check_labels, check_means, check_precisions, check_weights
from mixgrad.mixture.distinct import check_sample_weight, distinct
from mixgrad.mixture.em import Fit, Problem, Status, labelled, maximised, run
from mixgrad.mixture.gaussian import COVARIANCES
from mixgrad.mixture.multistart import modes_of, search
from mixgrad.mixture.progress import Printer
from mixgrad.mixture.solvers import solve
from mixgrad.mixture.start import LARGE, Given, drawn, from_known

__all__ = [
    "Diagnostic",
    "ModeFound",
    "Parameters",
    "best_fit",
    "diagnostics",
    "in_data_units",
    "make_problem",
    "modes_in_data_units",
    "warn_of",
]

# For the mode that a search has found.
MOST_ITERATIONS = 1000
# A component of less than this share of the lightest row has none.
NO_ROWS = 1e-3
# Powers of two that the largest weight of a row may be without squares of weights coming near the end of the numbers.
LARGEST_EXPONENT = 300


class Parameters(NamedTuple):
    """A mixture's parameters in the units of the data; `covariances` has the shape of its type."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


class ModeFound(NamedTuple):
    """A maximum of the likelihood that starts have reached.

    Attributes
    ----------
    lower_bound : float
        Mean log-likelihood per row.
    count : int
        How many starts ended here.
    parameters : Parameters
    spurious : tuple of int
        Components that rest on a handful of rows by chance: collapsed, or narrow with few rows.
    """

    lower_bound: float
    count: int
    parameters: Parameters
    spurious: tuple[int, ...]


class Diagnostic(NamedTuple):
    """Something wrong with a component.

    Attributes
    ----------
    component : int
    kind : {'collapsed', 'empty'}
        Its covariance had to be kept from vanishing; or it has no rows.
    message : str
        The same in words.
    """

    component: int
    kind: str
    message: str


def make_problem(model, X, y, sample_weight):
    """Check a table and what is known of its rows, and return them as a `Problem`: repeated rows merged.

    Parameters
    ----------
    model : GaussianMixture
    X : ndarray of shape (n, d)
    y, sample_weight : array-like of shape (n,), optional

    Returns
    -------
    Problem
    """
    weights = check_sample_weight(sample_weight, len(X))
    labels = check_labels(y, len(X), model.n_components)
    if weights is None and len(X) < model.n_components:
        raise DataError(
            f"Expected n_samples >= n_components but got n_components = {model.n_components}, n_samples = {len(X)}"
        )
    if weights is not None and not np.all(weights):
        kept = weights > 0.0
        X, weights, labels = X[kept], weights[kept], None if labels is None else labels[kept]
        labels = None if labels is None or np.all(labels < 0) else labels
    weights = weights if weights is None else _of_ordinary_size(weights)
    if model.reg_covar is None and labels is None and len(X) <= LARGE:  # sorting more takes more memory than their fit
        X, weights = _in_order(*distinct(X, weights)[:2])
    return Problem.of(X, COVARIANCES[model.covariance_type], weights, labels, model.reg_covar, _fixed(model))


def best_fit(model, problem, observe=None, observe_search=None):
    """Return the `Fit` with the highest bound of all starts, and all fits as a list of `Mode`.

    Parameters
    ----------
    model : GaussianMixture
    problem : Problem
    observe, observe_search : callable, optional
        As for `GaussianMixture._fit`.

    Returns
    -------
    fit : Fit
    modes : list of Mode
    """
    labels = problem.rows.labels
    if labels is not None and np.all(labels >= 0):
        fit = _supervised(model, problem)
        return fit, modes_of(problem, [fit])
    if model.n_init == "auto" and labels is None and not _is_warm(model):
        return _searched(model, problem, observe, observe_search)
    earlier_bound = -np.inf
    if _is_warm(model):
        starts, earlier_bound = [_continued(model, problem)], getattr(model, "lower_bound_", -np.inf)
    else:
        starts = _starts(model, problem)
    at_once = model.n_init != 1 and observe is None and not model.verbose
    fits = (_fits_at_once if at_once else _fits)(model, problem, starts, earlier_bound, observe)
    # Without iterations there are no bounds to compare, and the last start is kept.
    best = max(fits, key=lambda fit: fit.lower_bound) if model.max_iter > 0 else fits[-1]
    if any(fit.status is Status.INTERRUPTED for fit in fits):
        best = best._replace(status=Status.INTERRUPTED)
    return best, modes_of(problem, fits)


def _fits(model, problem, starts, earlier_bound, observe, limits=None):
    """Run from each start in turn."""
    printer, centre, fits = Printer(model.verbose, model.verbose_interval), problem.units.centre, []
    limits = _limits(model) if limits is None else limits
    for index, components in enumerate(starts):

        def watch(state, index=index):
            printer.iteration(state)
            if observe is not None:
                parameters = in_data_units(state.evaluated, centre, problem.covariance)
                observe(index, state.iteration, state.lower_bound, parameters)

        printer.begin(index)
        fits.append(solve(problem, components, *limits, lower_bound=earlier_bound, observe=watch))
        printer.end(fits[-1], fits[-1].status is Status.CONVERGED)
        if fits[-1].status is Status.INTERRUPTED:
            break
    return fits


def _limits(model) -> tuple[str, float, float, int]:
    """Return the arguments of `solve` that a model has."""
    return model.solver, model.tol, model.gap_tol, model.max_iter


def _fits_at_once(model, problem, starts, earlier_bound, observe=None):
    """As `_fits`, but in parallel, and without telling anybody."""

    def fitted(components):
        return solve(problem, components, *_limits(model), lower_bound=earlier_bound, observe=_until(stop))

    with _workers() as (pool, stop):
        futures = []
        try:
            for components in starts:
                futures.append(pool.submit(fitted, components))
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            stop.set()
            fits = [future.result() for future in futures if not future.cancel()]
            if not fits:
                raise
            return [*fits[:-1], fits[-1]._replace(status=Status.INTERRUPTED)]


@contextmanager
def _workers():
    """Yield threads, and an event that is to stop the fits in them; it is set at the end."""
    from mixgrad.compile.threads import get_threads  # which loads the compiler

    pool, stop = ThreadPoolExecutor(get_threads()), Event()
    try:
        yield pool, stop
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _until(stop):
    """Return an observer that interrupts a fit once an event is set."""

    def check(state):
        if stop.is_set():
            raise KeyboardInterrupt

    return check


def _searched(model, problem, observe, observe_search):
    """Search for the best mode, and finish there."""
    given = _given(model, problem)
    if any(part is not None for part in given):
        raise DataError(
            "n_init='auto' searches among starts of its own: it takes neither weights_init, means_init nor "
            "precisions_init, and nothing fixed. Give a number of starts instead."
        )
    with _workers() as (pool, stop):
        run_until, watched = partial(run, observe=_until(stop)), _counted(pool.map, observe_search)
        found = search(problem, model.n_components, check_random_state(model.random_state), run_until, map=watched)
    if found.fit.status is Status.INTERRUPTED:
        return found.fit, found.modes
    solver = "auto" if model.solver == "em" else model.solver
    limits = solver, model.tol, model.gap_tol, max(MOST_ITERATIONS, model.max_iter)
    (fit,) = _fits(model, problem, [found.fit.components], -np.inf, observe, limits)
    return fit, found.modes


def _counted(map, observe):
    """As a map, of which all results are taken, that tells an observer how many there have been so far."""
    if observe is None:
        return map
    numbers = count(1)

    def counted(function, items):
        for result in map(function, items):
            observe(next(numbers))
            yield result

    return counted


def in_data_units(components, centre, covariance):
    """Return components as `Parameters`."""
    return Parameters(components.weights, components.means + centre, covariance.covariances(components.factor))


def modes_in_data_units(modes, centre, covariance):
    """Return modes as `ModeFound`."""
    return [
        ModeFound(mode.lower_bound, mode.count, in_data_units(mode.components, centre, covariance), mode.spurious)
        for mode in modes
    ]


def diagnostics(fit, problem):
    """List what is wrong with the components of a fit, as `Diagnostic`."""
    found, least = [], NO_ROWS if problem.rows.weights is None else NO_ROWS * np.min(problem.rows.weights)
    for k, (collapsed, n_rows) in enumerate(zip(fit.collapsed, fit.components.weights * problem.total, strict=True)):
        if n_rows < least:
            found.append(Diagnostic(k, "empty", f"component {k} has no rows"))
        elif collapsed:
            message = (
                f"component {k} ({n_rows:.4g} rows) shrank onto a point, line or plane; its covariance is kept from "
                "vanishing"
            )
            found.append(Diagnostic(k, "collapsed", message))
    return found


def warn_of(fit, found, max_iter, stacklevel):
    """Warn of a fit that did not converge, and of what was found wrong with it."""
    if fit.status is Status.EXHAUSTED and max_iter > 0:
        warnings.warn(
            "Best performing initialization did not converge. Try different init parameters, or increase max_iter, "
            "tol, or check for degenerate data.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
    if found:
        warnings.warn(
            "; ".join(item.message for item in found)
            + ". Decrease n_components, increase reg_covar, or try other starts (n_init).",
            CollapseWarning,
            stacklevel=stacklevel,
        )


def _fixed(model):
    """Blocks that stay fixed; refuses what has no value to be fixed at."""
    fixed = check_fixed(model.fixed)
    for name, given in (("means", "means_init"), ("covariances", "precisions_init")):
        if getattr(fixed, name) and getattr(model, given) is None and not _is_warm(model):
            raise DataError(f"fixed={name!r} keeps the {name} at their start, so it needs {given} (or a warm start).")
    return fixed


def _of_ordinary_size(weights):
    """Weights in another unit where theirs is extreme: only their ratios count, and powers of two change no bit."""
    exponent = int(np.frexp(np.max(weights))[1])
    return weights if abs(exponent) <= LARGEST_EXPONENT else np.ldexp(weights, -exponent)


def _is_warm(model):
    """Whether the fit begins where the model is."""
    return model.warm_start and hasattr(model, "means_")


def _in_order(X, weights):
    """Rows in an order that depends neither on their own nor on units: then starts do not."""
    order = np.argsort(X[:, 0], kind="stable")
    if np.any(np.diff(X[order, 0]) == 0.0):
        order = np.lexsort(X.T[::-1])
    return X[order], None if weights is None else weights[order]


def _supervised(model, problem):
    """Fit rows whose components are all known: the M-step that keeps what is fixed, and nothing else of a start."""
    given, fixed = _given(model, problem), problem.fixed
    components, collapsed = labelled(problem, problem.rows.labels, model.n_components)
    if any(fixed):
        given = Given.of(_continued(model, problem)) if _is_warm(model) else given
        components = given.only(fixed).put_into(components)
        components, collapsed = maximised(problem, components, problem.sweep(components))
    bound = float(problem.sweep(components).log_likelihood) / problem.total
    return Fit(components, bound, [bound], 1, Status.CONVERGED, collapsed, gap=0.0, sweeps=3 + any(fixed))


def _starts(model, problem):
    given, random_state = _given(model, problem), check_random_state(model.random_state)
    if problem.rows.labels is not None:
        return [from_known(problem, model.n_components, given)]
    draw = (problem, model.n_components, model.init_params, random_state, given)
    return (drawn(*draw) for _ in range(model.n_init))


def _given(model, problem):
    """Check what the user fixed of a start, and return it as `Given`."""
    covariance, shape = problem.covariance, (model.n_components, problem.rows.X.shape[1])
    weights = means = factors = None
    if model.weights_init is not None:
        weights = check_weights(model.weights_init, shape[0], "weights_init").astype(np.float64)
    elif problem.fixed.weights:
        weights = np.full(shape[0], 1.0 / shape[0])
    if model.means_init is not None:
        means = check_means(model.means_init, *shape, "means_init") - problem.units.centre
    if model.precisions_init is not None:
        precisions = check_precisions(model.precisions_init, covariance, *shape, "precisions_init")
        factors = covariance.factors_of_precisions(precisions.astype(np.float64))
    return Given(weights, means, factors)


def _continued(model, problem):
    """Return the components that the model already has, relative to the table's centre."""
    shape = (model.n_components, problem.rows.X.shape[1])
    if model.means_.shape != shape or model.covariances_.shape != problem.covariance.shape(*shape):
        raise DataError(
            f"warm_start continues from means of shape {model.means_.shape} and covariances of shape "
            f"{model.covariances_.shape}, but n_components, covariance_type and the table ask for {shape} and "
            f"{problem.covariance.shape(*shape)}. Set warm_start=False to begin anew."
        )
    components = model._components()
    return components._replace(means=components.means - problem.units.centre)
