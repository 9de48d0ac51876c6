"""Sweeps over the rows of a table: the programs of `mixgrad.mixture.likelihood`, compiled where that pays.

A sweep reads every row once. Compiled, it holds a few rows at a time, in lanes of vectors, on all processors, and gives
the same bits for any number of threads; there is no table of scores. On small tables the same functions run as they
are: compiling takes some tenths of a second for each number of components and features, an iteration of NumPy on 1000
rows less than one.
"""

import functools
from typing import NamedTuple

import numpy as np

from mixgrad._tree import flatten
from mixgrad.mixture.likelihood import (
    Statistics,
    log_densities,
    log_likelihood,
    pulled_back,
    responsibilities,
    restricted,
    scores,
)
from mixgrad.mixture.recordings import run_recorded

__all__ = [
    "Rows",
    "centred",
    "complete_statistics",
    "densities",
    "most_probable",
    "over_rows",
    "probabilities",
    "sufficient_statistics",
    "total_density",
]

WORTH_COMPILING = 20_000
"""Rows times components times features from which an iteration of NumPy takes about a millisecond."""


class Rows(NamedTuple):
    """A table, and what is known of each of its rows.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        In single or double precision; computed in double.
    weights : ndarray of shape (n,) or None
        How often each row counts; None is once.
    labels : ndarray of int of shape (n,) or None
        Components of rows, -1 where unknown.
    """

    X: np.ndarray
    weights: np.ndarray | None = None
    labels: np.ndarray | None = None


def sufficient_statistics(rows, centre, components, covariance, frame=None, often=False):
    """Log-likelihood of a table and its gradient.

    Parameters
    ----------
    rows : Rows
    centre : ndarray of shape (d,)
        Subtracted from every row as it is read; means are relative to it.
    components : Components
    covariance : mixgrad.mixture.covariance.Covariance
    frame : Components, optional
        The frames of the statistics, seen `apart`; those of the components unless given.
    often : bool
        Whether so many sweeps are to come that compiling pays for small tables, too.

    Returns
    -------
    Statistics
    """
    return Statistics(*over_rows(_sweep, rows, centre, components, covariance, frame, often=often))


def complete_statistics(rows, shares, centre, frame, covariance):
    """Sufficient statistics, seen `apart` in a frame, for shares of the components of shape (n, K) that are given.

    Their log-likelihood is left at nan, for there are no densities.
    """
    return Statistics(np.nan, *over_rows(_complete_sweep, (rows, shares), centre, frame, covariance))


def total_density(rows, centre, components, covariance):
    """Log-likelihood of a table."""
    return float(over_rows(_total_density, rows, centre, components, covariance))


def densities(rows, centre, components, covariance):
    """Log-density of every row, of shape (n,)."""
    return over_rows(_densities, rows, centre, components, covariance)


def most_probable(rows, centre, components, covariance):
    """Component of the largest share in every row, the first of equal ones: integers of shape (n,)."""
    return over_rows(_most_probable, rows, centre, components, covariance)


def probabilities(rows, centre, components, covariance):
    """Share of each component in every row, of shape (n, K): rows sum to 1, or are 0 where all densities vanish."""
    return over_rows(_probabilities, rows, centre, components, covariance)


def _sweep(rows, centre, components, frame=None, *, covariance):
    X = centred(rows, centre)
    view = covariance.view(X, components)
    table = restricted(scores(view, components, covariance), rows.labels)
    value, shares = responsibilities(table, rows.weights)
    if frame is not None:
        covariance, components = covariance.apart, frame
        view = covariance.view(X, frame)
    return value, *pulled_back(shares, view, components, covariance)


def _complete_sweep(labelled, centre, frame, *, covariance):
    rows, shares = labelled
    shares = shares.T if rows.weights is None else shares.T * rows.weights
    covariance = covariance.apart
    return pulled_back(shares, covariance.view(centred(rows, centre), frame), frame, covariance)


def _table(rows, centre, components, covariance):
    return scores(covariance.view(centred(rows, centre), components), components, covariance)


def _total_density(rows, centre, components, *, covariance):
    return log_likelihood(restricted(_table(rows, centre, components, covariance), rows.labels), rows.weights)


def _densities(rows, centre, components, *, covariance):
    return log_densities(_table(rows, centre, components, covariance))


def _most_probable(rows, centre, components, *, covariance):
    return np.argmax(_table(rows, centre, components, covariance), axis=0)


def _probabilities(rows, centre, components, *, covariance):
    _, shares = responsibilities(_table(rows, centre, components, covariance))
    return shares.T


def centred(rows, centre):
    """Rows relative to the centre, in double precision; for programs."""
    return rows.X.astype(np.float64) - centre


def over_rows(program, rows, centre, components, covariance, *others, often=False):
    """Run ``program(rows, centre, components, *others, covariance=covariance)``, compiled where that pays."""
    table = rows if isinstance(rows, Rows) else rows[0]
    leaves, structure = flatten((rows, centre, components, *others))
    # Densities underflow and squared distances of far rows overflow: no error. (Zero times infinity is zero there.)
    with np.errstate(all="ignore"):
        if often or len(table.X) * components.means.size >= WORTH_COMPILING:
            n_of_rows = sum(array is not None for array in table) + (rows is not table)  # these arrays come first
            return _compiled(program, covariance, structure, n_of_rows)(*leaves)
        name = program, covariance, structure
        return run_recorded(_of_leaves(*name), name, leaves)


def _of_leaves(program, covariance, structure):
    """Return a program as a function of the arrays in its arguments."""

    def call(*leaves):
        return program(*structure.unflatten(list(leaves)), covariance=covariance)

    return call


@functools.cache
def _compiled(program, covariance, structure, n_of_rows):
    from mixgrad.compiled import jit  # which loads the compiler: small tables need none

    return jit(_of_leaves(program, covariance, structure), dynamic=tuple(range(n_of_rows)))
