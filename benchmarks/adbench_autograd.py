"""The objectives of ADBench as one writes them for autograd: eager, one operation at a time.

It has no assignment to elements, so that factors and angles are gathered from rows with a zero at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import autograd
import autograd.numpy as np
from adbench_data import Problem
from autograd.scipy.special import logsumexp

LARGEST = {"gmm": 3 * 10**7, "ba": 10**6, "lstm": 30_000}
"""Sizes up to which it is tried: it would take seconds, and gigabytes, for the larger ones."""


def gmm(alphas, means, icf, rows, gamma, m, constant):
    n, d = rows.shape
    logs, lower = icf[:, :d], icf[:, d:]
    sums = np.sum(logs, axis=1)
    columns, below = np.triu_indices(d, 1)
    places = np.full((d, d), d * (d + 1) // 2)
    places[range(d), range(d)] = range(d)
    places[below, columns] = range(d, d * (d + 1) // 2)
    entries = np.concatenate([np.exp(logs), lower, np.zeros((len(alphas), 1))], axis=1)
    whitened = np.einsum("kij,nkj->nki", entries[:, places], rows[:, None, :] - means)
    scores = alphas + sums - 0.5 * np.sum(whitened**2, axis=2)
    likelihood = np.sum(logsumexp(scores, axis=1)) - n * logsumexp(alphas)
    prior = 0.5 * gamma**2 * (np.sum(np.exp(logs) ** 2) + np.sum(lower**2)) - m * np.sum(sums)
    return constant + likelihood + prior


def cross(a, b):
    x, y, z = a[:, [0]], a[:, [1]], a[:, [2]]
    u, v, w = b[:, [0]], b[:, [1]], b[:, [2]]
    return np.concatenate([y * w - z * v, z * u - x * w, x * v - y * u], axis=1)


def residuals(cameras, points, weights, features):
    """Return the errors of all observations; it has no vmap, so that they are the rows of arrays."""
    rotation, x = cameras[:, :3], points - cameras[:, 3:6]
    squared = np.sum(rotation**2, axis=1, keepdims=True)
    turns = squared > 0
    angle = np.sqrt(np.where(turns, squared, 1.0))
    axis = rotation / angle
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = x * cosine + cross(axis, x) * sine + axis * (np.sum(axis * x, axis=1, keepdims=True) * (1 - cosine))
    x = np.where(turns, turned, x + cross(rotation, x))
    flat = x[:, :2] / x[:, 2:]
    squared = np.sum(flat**2, axis=1, keepdims=True)
    distortion = 1 + cameras[:, 9:10] * squared + cameras[:, 10:] * squared**2
    return weights[:, None] * (cameras[:, 6:7] * (flat * distortion) + cameras[:, 7:9] - features)


def ba(cameras, points, weights, features, camera_of, point_of):
    return residuals(cameras[camera_of], points[point_of], weights, features), 1 - weights**2


def ba_jacobian(cameras, points, weights, features, camera_of, point_of):
    """Return the blocks: an error depends on its own row alone, so that one pull gives a row of every block."""
    args = cameras[camera_of], points[point_of], weights, features
    pull, errors = autograd.make_vjp(lambda varied: residuals(*varied, features))(args[:3])
    rows = [pull(np.eye(2)[[component] * len(errors)]) for component in (0, 1)]
    return (*(np.stack(parts, axis=1) for parts in zip(*rows)), -2 * weights)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(main, extra, state, text):
    layers, bits = len(main) // 2, text.shape[1]
    weights, biases = np.reshape(main[::2], (layers, 4, bits)), np.reshape(main[1::2], (layers, 4, bits))
    hidden, cell = list(state[::2]), list(state[1::2])
    guesses = []
    for now in text[:-1]:
        x = now * extra[0]
        for i in range(layers):
            forget = sigmoid(x * weights[i, 0] + biases[i, 0])
            ingate = sigmoid(hidden[i] * weights[i, 1] + biases[i, 1])
            outgate = sigmoid(x * weights[i, 2] + biases[i, 2])
            change = np.tanh(hidden[i] * weights[i, 3] + biases[i, 3])
            cell[i] = cell[i] * forget + ingate * change
            x = hidden[i] = outgate * np.tanh(cell[i])
        guesses.append(x)
    guess = np.stack(guesses) * extra[1] + extra[2]
    gains = text[1:] * (guess - np.log(2 + np.sum(np.exp(guess), axis=1, keepdims=True)))
    return -np.sum(gains) / ((len(text) - 1) * bits)


def calls(problem: Problem) -> tuple[Callable[[], Any], Callable[[], Any]] | None:
    """Return the objective and the derivative of a problem, as functions without arguments; None if it is too large."""
    if problem.size > LARGEST.get(problem.kind, 0):
        return None
    objective = {"gmm": gmm, "ba": ba, "lstm": lstm}[problem.kind]
    derivative = ba_jacobian if problem.kind == "ba" else autograd.grad(objective, problem.argnums)
    return partial(objective, *problem.args), partial(derivative, *problem.args)
