"""The objectives of ADBench in plain NumPy, as mixgrad differentiates them.

Definitions: F. Srajer, Z. Kukelova, A. Fitzgibbon, "A benchmark of selected algorithmic differentiation tools on some
problems in computer vision and machine learning", 2018. The peers' versions are in `adbench_jax.py`, `adbench_torch.py`
and `adbench_autograd.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from adbench_data import Problem

import mixgrad as mg


def gmm(alphas, means, icf, rows, gamma, m, constant):
    """Return the logarithm of the posterior density of a Gaussian mixture."""
    n, d = rows.shape
    logs, lower = icf[:, :d], icf[:, d:]
    sums = np.sum(logs, axis=1)
    columns, below = np.triu_indices(d, 1)  # column by column
    factors = np.zeros((len(alphas), d, d))
    factors[:, range(d), range(d)] = np.exp(logs)
    factors[:, below, columns] = lower
    whitened = np.einsum("kij,nkj->nki", factors, rows[:, None, :] - means)
    scores = alphas + sums - 0.5 * np.sum(whitened**2, axis=2)
    likelihood = np.sum(mg.logsumexp(scores, axis=1)) - n * mg.logsumexp(alphas)
    prior = 0.5 * gamma**2 * (np.sum(np.exp(logs) ** 2) + np.sum(lower**2)) - m * np.sum(sums)
    return constant + likelihood + prior


# Bundle adjustment ----------------------------------------------------------------------------------------------------


def rotated(rotation, x):
    """Return a vector turned around an axis, by as many radians as the axis is long."""
    squared = np.sum(rotation**2)
    turns = squared > 0
    angle = np.sqrt(np.where(turns, squared, 1.0))
    axis = rotation / angle
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = x * cosine + np.cross(axis, x) * sine + axis * (np.sum(axis * x) * (1 - cosine))
    return np.where(turns, turned, x + np.cross(rotation, x))


def projected(camera, point):
    """Return where a camera sees a point: rotation, centre, focal length, principal point, radial distortion."""
    x = rotated(camera[:3], point - camera[3:6])
    flat = x[:2] / x[2]
    squared = np.sum(flat**2)
    distortion = 1 + camera[9] * squared + camera[10] * squared**2
    return camera[6] * (flat * distortion) + camera[7:9]


def residual(camera, point, weight, feature):
    """Return the error of one observation."""
    return weight * (projected(camera, point) - feature)


def ba(cameras, points, weights, features, camera_of, point_of):
    """Return the errors of all observations, and those of the weights."""
    errors = mg.vmap(residual)(cameras[camera_of], points[point_of], weights, features)
    return errors, 1 - weights**2


def ba_jacobian(cameras, points, weights, features, camera_of, point_of):
    """Return the blocks of the Jacobian: of each error by its camera, point and weight, and of the weights' errors."""
    blocks = mg.vmap(mg.jacobian(residual, (0, 1, 2)))(cameras[camera_of], points[point_of], weights, features)
    return (*blocks, -2 * weights)


# Hand tracking --------------------------------------------------------------------------------------------------------

FINGERS = [(2 + 4 * finger + joint, axis) for finger in range(5) for joint, axis in ((0, 0), (0, 1), (1, 0), (2, 0))]
"""Which bone, and which of its angles, the numbers of a pose from the seventh are."""


def from_angles(angles):
    """Return the rotations about x, then y, then z, for rows of angles in the order x, z, y."""
    cx, cz, cy = np.cos(angles[:, 0]), np.cos(angles[:, 1]), np.cos(angles[:, 2])
    sx, sz, sy = np.sin(angles[:, 0]), np.sin(angles[:, 1]), np.sin(angles[:, 2])
    first = np.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], axis=1)
    second = np.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], axis=1)
    third = np.stack([-sy, cy * sx, cy * cx], axis=1)
    return np.stack([first, second, third], axis=1)


def from_axis(rotation):
    """Return the rotation around an axis, by as many radians as the axis is long."""
    squared = np.sum(rotation**2)
    turns = squared >= 1e-8
    angle = np.sqrt(np.where(turns, squared, 1.0))
    x, y, z = rotation / angle
    zero = 0.0 * x
    cross = np.stack([np.stack([zero, -z, y]), np.stack([z, zero, -x]), np.stack([-y, x, zero])])
    turned = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return np.where(turns, turned, np.eye(3))


def hand(pose, rest, inverses, vertices, weights, seen, points, parents):
    """Return the distances of points from the vertices of a posed hand that they are seen at."""
    bones, axes = np.array(FINGERS).T
    angles = np.zeros((len(parents), 3))
    angles[bones, axes] = pose[6:]
    relative = np.concatenate([rest[:, :, :3] @ from_angles(angles), rest[:, :, 3:]], axis=2)
    absolute = []
    for bone, parent in enumerate(parents):
        absolute.append(relative[bone] if parent < 0 else absolute[parent] @ relative[bone])
    transforms = np.stack(absolute) @ inverses
    moved = np.einsum("bij,vj->vbi", transforms[:, :3], vertices)
    positions = np.sum(moved * weights[:, :, None], axis=1)
    placed = positions @ from_axis(pose[:3]).T + pose[3:6]
    return points - placed[seen]


# Language model -------------------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(main, extra, state, text):
    """Return the loss of predicting each character of a text from those before it."""
    layers, bits = len(main) // 2, text.shape[1]
    weights, biases = main[::2].reshape(layers, 4, bits), main[1::2].reshape(layers, 4, bits)
    hidden, cell = state[::2].copy(), state[1::2].copy()
    total = 0.0
    for t in range(len(text) - 1):
        x = text[t] * extra[0]
        for i in range(layers):
            forget = sigmoid(x * weights[i, 0] + biases[i, 0])
            ingate = sigmoid(hidden[i] * weights[i, 1] + biases[i, 1])
            outgate = sigmoid(x * weights[i, 2] + biases[i, 2])
            change = np.tanh(hidden[i] * weights[i, 3] + biases[i, 3])
            cell[i] = cell[i] * forget + ingate * change
            hidden[i] = outgate * np.tanh(cell[i])
            x = hidden[i]
        guess = x * extra[1] + extra[2]
        total += np.sum(text[t + 1] * (guess - np.log(2 + np.sum(np.exp(guess)))))
    return -total / ((len(text) - 1) * bits)


OBJECTIVES: dict[str, Callable] = {"gmm": gmm, "ba": ba, "hand": hand, "lstm": lstm}


def functions(problem: Problem) -> tuple[Callable, Callable]:
    """Return the objective and its derivative, as functions of the problem's arguments; `mg.jit` compiles them."""
    plain = OBJECTIVES[problem.kind]

    def objective(*args: Any) -> Any:
        return plain(*args, **problem.constants)

    if problem.kind == "ba":
        return objective, ba_jacobian
    if problem.kind == "hand":
        return objective, mg.jacobian(objective, 0, "forward")
    return objective, mg.grad(objective, problem.argnums)
