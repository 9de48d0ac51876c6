"""The gradient of ADBench's Gaussian mixture, derived and written by hand for Numba: the practical limit of plain code.

The lower triangles are used as such, loops run over contiguous memory, and all threads share the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from adbench_data import Problem

RANGES = 16  # of rows, each with its own sums


@numba.njit(fastmath=True)
def factors(icf, d):
    """Return the triangular matrices, column by column: the element of row r and column c at ``[k, c, r]``."""
    lower = np.zeros((len(icf), d, d))
    for k in range(len(icf)):
        place = d
        for c in range(d):
            lower[k, c, c] = math.exp(icf[k, c])
            for r in range(c + 1, d):
                lower[k, c, r] = icf[k, place]
                place += 1
    return lower


@numba.njit(fastmath=True)
def row_sweep(x, alphas, sums, means, lower, scores, white, shares, d_means, d_lower, slopes):
    """Add what one row gives: to the sums of responsibilities, and to the gradients unless `slopes` is false."""
    count, d = means.shape
    centred = np.empty(d)
    for k in range(count):
        for c in range(d):
            centred[c] = x[c] - means[k, c]
            white[k, c] = 0.0
        for c in range(d):
            for r in range(c, d):
                white[k, r] += lower[k, c, r] * centred[c]
        square = 0.0
        for c in range(d):
            square += white[k, c] * white[k, c]
        scores[k] = alphas[k] + sums[k] - 0.5 * square
    largest = scores.max()
    total = 0.0
    for k in range(count):
        scores[k] = math.exp(scores[k] - largest)
        total += scores[k]
    if slopes:
        for k in range(count):
            share = scores[k] / total
            shares[k] += share
            for c in range(d):
                centred[c] = x[c] - means[k, c]
                white[k, c] *= share
            for c in range(d):
                slope = 0.0
                for r in range(c, d):
                    slope += lower[k, c, r] * white[k, r]
                    d_lower[k, c, r] -= white[k, r] * centred[c]
                d_means[k, c] += slope
    return largest + math.log(total)


@numba.njit(parallel=True, fastmath=True)
def sweep(alphas, sums, means, lower, rows, slopes):
    """Return the log-likelihood, and the sums over all rows, range by range."""
    n, (count, d) = len(rows), means.shape
    value = np.zeros(RANGES)
    shares = np.zeros((RANGES, count))
    d_means = np.zeros((RANGES, count, d))
    d_lower = np.zeros((RANGES, count, d, d))
    for part in numba.prange(RANGES):
        scores, white = np.empty(count), np.empty((count, d))
        for i in range(part * n // RANGES, (part + 1) * n // RANGES):
            value[part] += row_sweep(
                rows[i], alphas, sums, means, lower, scores, white, shares[part], d_means[part], d_lower[part], slopes
            )
    return value.sum(), shares.sum(axis=0), d_means.sum(axis=0), d_lower.sum(axis=0)


def objective(alphas, means, icf, rows, gamma, m, constant):
    """Return the logarithm of the posterior density."""
    d = rows.shape[1]
    sums = icf[:, :d].sum(axis=1)
    value = sweep(alphas, sums, means, factors(icf, d), rows, False)[0]
    largest = alphas.max()
    log_total = largest + math.log(np.exp(alphas - largest).sum())
    prior = 0.5 * gamma**2 * (np.sum(np.exp(2 * icf[:, :d])) + np.sum(icf[:, d:] ** 2)) - m * sums.sum()
    return constant + value - len(rows) * log_total + prior


def gradient(alphas, means, icf, rows, gamma, m, constant):
    """Return the derivatives by weights, means and factors."""
    d = rows.shape[1]
    lower = factors(icf, d)
    _, shares, d_means, d_lower = sweep(alphas, icf[:, :d].sum(axis=1), means, lower, rows, True)
    exponentials = np.exp(alphas - alphas.max())
    d_icf = gamma**2 * icf
    columns, below = np.triu_indices(d, 1)
    d_icf[:, d:] += d_lower[:, columns, below]
    diagonal = lower[:, range(d), range(d)]
    d_icf[:, :d] = diagonal * d_lower[:, range(d), range(d)] + shares[:, None] + gamma**2 * diagonal**2 - m
    return shares - len(rows) * exponentials / exponentials.sum(), d_means, d_icf


def calls(problem: Problem) -> tuple[Callable[[], Any], Callable[[], Any]] | None:
    """Return the objective and the derivative of a problem, as functions without arguments; None if there are none."""
    if problem.kind != "gmm":
        return None
    return lambda: objective(*problem.args), lambda: gradient(*problem.args)
