"""The objectives of ADBench as one writes them for JAX: compiled, in double precision."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
from adbench_data import Problem
from adbench_objectives import FINGERS

jax.config.update("jax_enable_x64", True)


def gmm(alphas, means, icf, rows, gamma, m, constant):
    n, d = rows.shape
    logs, lower = icf[:, :d], icf[:, d:]
    sums = jnp.sum(logs, axis=1)
    columns, below = np.triu_indices(d, 1)
    factors = jnp.zeros((len(alphas), d, d)).at[:, np.arange(d), np.arange(d)].set(jnp.exp(logs))
    factors = factors.at[:, below, columns].set(lower)
    whitened = jnp.einsum("kij,nkj->nki", factors, rows[:, None, :] - means)
    scores = alphas + sums - 0.5 * jnp.sum(whitened**2, axis=2)
    lse = jax.scipy.special.logsumexp
    likelihood = jnp.sum(lse(scores, axis=1)) - n * lse(alphas)
    prior = 0.5 * gamma**2 * (jnp.sum(jnp.exp(logs) ** 2) + jnp.sum(lower**2)) - m * jnp.sum(sums)
    return constant + likelihood + prior


def rotated(rotation, x):
    squared = jnp.sum(rotation**2)
    turns = squared > 0
    angle = jnp.sqrt(jnp.where(turns, squared, 1.0))
    axis = rotation / angle
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    turned = x * cosine + jnp.cross(axis, x) * sine + axis * (jnp.dot(axis, x) * (1 - cosine))
    return jnp.where(turns, turned, x + jnp.cross(rotation, x))


def residual(camera, point, weight, feature):
    x = rotated(camera[:3], point - camera[3:6])
    flat = x[:2] / x[2]
    squared = jnp.sum(flat**2)
    distortion = 1 + camera[9] * squared + camera[10] * squared**2
    return weight * (camera[6] * (flat * distortion) + camera[7:9] - feature)


def ba(cameras, points, weights, features, camera_of, point_of):
    return jax.vmap(residual)(cameras[camera_of], points[point_of], weights, features), 1 - weights**2


def ba_jacobian(cameras, points, weights, features, camera_of, point_of):
    blocks = jax.vmap(jax.jacrev(residual, (0, 1, 2)))(cameras[camera_of], points[point_of], weights, features)
    return (*blocks, -2 * weights)


def from_angles(angles):
    (cx, cz, cy), (sx, sz, sy) = jnp.cos(angles).T, jnp.sin(angles).T
    first = jnp.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], axis=1)
    second = jnp.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], axis=1)
    third = jnp.stack([-sy, cy * sx, cy * cx], axis=1)
    return jnp.stack([first, second, third], axis=1)


def from_axis(rotation):
    squared = jnp.sum(rotation**2)
    turns = squared >= 1e-8
    angle = jnp.sqrt(jnp.where(turns, squared, 1.0))
    x, y, z = rotation / angle
    cross = jnp.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned = jnp.eye(3) + jnp.sin(angle) * cross + (1 - jnp.cos(angle)) * (cross @ cross)
    return jnp.where(turns, turned, jnp.eye(3))


def hand(pose, rest, inverses, vertices, weights, seen, points, parents):
    bones, axes = np.array(FINGERS).T
    angles = jnp.zeros((len(parents), 3)).at[bones, axes].set(pose[6:])
    relative = jnp.concatenate([rest[:, :, :3] @ from_angles(angles), rest[:, :, 3:]], axis=2)
    absolute: list[Any] = []
    for bone, parent in enumerate(parents):
        absolute.append(relative[bone] if parent < 0 else absolute[parent] @ relative[bone])
    transforms = jnp.stack(absolute) @ inverses
    positions = jnp.einsum("bij,vj,vb->vi", transforms[:, :3], vertices, weights)
    placed = positions @ from_axis(pose[:3]).T + pose[3:6]
    return points - placed[seen]


def lstm(main, extra, state, text):
    layers, bits = len(main) // 2, text.shape[1]
    weights, biases = main[::2].reshape(layers, 4, bits), main[1::2].reshape(layers, 4, bits)

    def step(carry, characters):
        hidden, cell = carry
        now, following = characters
        x = now * extra[0]
        hiddens, cells = [], []
        for i in range(layers):
            forget = jax.nn.sigmoid(x * weights[i, 0] + biases[i, 0])
            ingate = jax.nn.sigmoid(hidden[i] * weights[i, 1] + biases[i, 1])
            outgate = jax.nn.sigmoid(x * weights[i, 2] + biases[i, 2])
            change = jnp.tanh(hidden[i] * weights[i, 3] + biases[i, 3])
            cells.append(cell[i] * forget + ingate * change)
            hiddens.append(outgate * jnp.tanh(cells[i]))
            x = hiddens[i]
        guess = x * extra[1] + extra[2]
        gain = jnp.sum(following * (guess - jnp.log(2 + jnp.sum(jnp.exp(guess)))))
        return (jnp.stack(hiddens), jnp.stack(cells)), gain

    _, gains = jax.lax.scan(step, (state[::2], state[1::2]), (text[:-1], text[1:]))
    return -jnp.sum(gains) / ((len(text) - 1) * bits)


def calls(problem: Problem) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the objective and the derivative of a problem, as functions without arguments."""
    objective = partial({"gmm": gmm, "ba": ba, "hand": hand, "lstm": lstm}[problem.kind], **problem.constants)
    if problem.kind == "ba":
        derivative: Callable = ba_jacobian
    elif problem.kind == "hand":
        derivative = jax.jacfwd(objective)
    else:
        derivative = jax.grad(objective, problem.argnums)
    args = [jnp.asarray(arg) for arg in problem.args]

    def waiting(function: Callable) -> Callable[[], Any]:
        compiled = jax.jit(function)
        return lambda: jax.block_until_ready(compiled(*args))

    return waiting(objective), waiting(derivative)
