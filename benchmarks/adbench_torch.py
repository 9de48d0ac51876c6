"""The objectives of ADBench as one writes them for PyTorch: eager, in double precision, with its threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from adbench_data import Problem
from adbench_objectives import FINGERS


def gmm(alphas, means, icf, rows, gamma, m, constant):
    n, d = rows.shape
    logs, lower = icf[:, :d], icf[:, d:]
    sums = logs.sum(1)
    columns, below = torch.triu_indices(d, d, 1)
    factors = torch.diag_embed(logs.exp())
    factors[:, below, columns] = lower
    whitened = torch.einsum("kij,nkj->nki", factors, rows[:, None, :] - means)
    scores = alphas + sums - 0.5 * (whitened**2).sum(2)
    likelihood = torch.logsumexp(scores, 1).sum() - n * torch.logsumexp(alphas, 0)
    prior = 0.5 * gamma**2 * ((logs.exp() ** 2).sum() + (lower**2).sum()) - m * sums.sum()
    return constant + likelihood + prior


def rotated(rotation, x):
    squared = (rotation**2).sum()
    turns = squared > 0
    angle = torch.sqrt(torch.where(turns, squared, 1.0))
    axis = rotation / angle
    cosine, sine = torch.cos(angle), torch.sin(angle)
    turned = x * cosine + torch.linalg.cross(axis, x) * sine + axis * ((axis * x).sum() * (1 - cosine))
    return torch.where(turns, turned, x + torch.linalg.cross(rotation, x))


def residual(camera, point, weight, feature):
    x = rotated(camera[:3], point - camera[3:6])
    flat = x[:2] / x[2]
    squared = (flat**2).sum()
    distortion = 1 + camera[9] * squared + camera[10] * squared**2
    return weight * (camera[6] * (flat * distortion) + camera[7:9] - feature)


def ba(cameras, points, weights, features, camera_of, point_of):
    return torch.func.vmap(residual)(cameras[camera_of], points[point_of], weights, features), 1 - weights**2


def ba_jacobian(cameras, points, weights, features, camera_of, point_of):
    jacobian = torch.func.vmap(torch.func.jacrev(residual, (0, 1, 2)))
    return (*jacobian(cameras[camera_of], points[point_of], weights, features), -2 * weights)


def from_angles(angles):
    (cx, cz, cy), (sx, sz, sy) = torch.cos(angles).T, torch.sin(angles).T
    first = torch.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], 1)
    second = torch.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], 1)
    third = torch.stack([-sy, cy * sx, cy * cx], 1)
    return torch.stack([first, second, third], 1)


def from_axis(rotation):
    squared = (rotation**2).sum()
    turns = squared >= 1e-8
    angle = torch.sqrt(torch.where(turns, squared, 1.0))
    x, y, z = rotation / angle
    zero, eye = torch.zeros_like(x), torch.eye(3, dtype=rotation.dtype)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    turned = eye + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)
    return torch.where(turns, turned, eye)


def hand(pose, rest, inverses, vertices, weights, seen, points, parents):
    bones, axes = torch.tensor(FINGERS).T
    angles = torch.zeros((len(parents), 3), dtype=pose.dtype).index_put((bones, axes), pose[6:])
    relative = torch.cat([rest[:, :, :3] @ from_angles(angles), rest[:, :, 3:]], 2)
    absolute: list[Any] = []
    for bone, parent in enumerate(parents):
        absolute.append(relative[bone] if parent < 0 else absolute[parent] @ relative[bone])
    transforms = torch.stack(absolute) @ inverses
    positions = torch.einsum("bij,vj,vb->vi", transforms[:, :3], vertices, weights)
    placed = positions @ from_axis(pose[:3]).T + pose[3:6]
    return points - placed[seen]


def lstm(main, extra, state, text):
    layers, bits = len(main) // 2, text.shape[1]
    weights, biases = main[::2].reshape(layers, 4, bits), main[1::2].reshape(layers, 4, bits)
    hidden, cell = list(state[::2]), list(state[1::2])
    guesses = []
    for now in text[:-1]:
        x = now * extra[0]
        for i in range(layers):
            forget = torch.sigmoid(x * weights[i, 0] + biases[i, 0])
            ingate = torch.sigmoid(hidden[i] * weights[i, 1] + biases[i, 1])
            outgate = torch.sigmoid(x * weights[i, 2] + biases[i, 2])
            change = torch.tanh(hidden[i] * weights[i, 3] + biases[i, 3])
            cell[i] = cell[i] * forget + ingate * change
            x = hidden[i] = outgate * torch.tanh(cell[i])
        guesses.append(x)
    guess = torch.stack(guesses) * extra[1] + extra[2]
    gains = text[1:] * (guess - torch.log(2 + guess.exp().sum(1, keepdim=True)))
    return -gains.sum() / ((len(text) - 1) * bits)


def calls(problem: Problem) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the objective and the derivative of a problem, as functions without arguments."""
    objective = partial({"gmm": gmm, "ba": ba, "hand": hand, "lstm": lstm}[problem.kind], **problem.constants)
    args = [torch.as_tensor(arg) if hasattr(arg, "shape") else arg for arg in problem.args]

    def value() -> Any:
        with torch.no_grad():
            return objective(*args)

    if problem.kind == "ba":
        return value, lambda: ba_jacobian(*args)
    if problem.kind == "hand":
        jacobian = torch.func.jacfwd(objective)
        return value, lambda: jacobian(*args)
    leaves = [args[i].clone().requires_grad_() for i in problem.argnums]
    varied = leaves + args[len(leaves) :]
    return value, lambda: torch.autograd.grad(objective(*varied), leaves)
