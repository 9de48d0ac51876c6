"""The inputs of ADBench: read from its files, or made at random in the same sizes where there are none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from report import ROOT
from scipy.special import multigammaln

FILES = ROOT.parent / "shared" / "adbench"

MIXTURES = (  # rows, dimensions, components; ADBench has these and larger ones
    (1000, 2, 5),
    (1000, 10, 25),
    (1000, 10, 200),
    (1000, 32, 100),
    (1000, 64, 25),
    (10000, 2, 25),
    (10000, 10, 25),
    (10000, 10, 100),
    (10000, 32, 25),
)
BUNDLES = ((1, 49, 7776, 31843), (4, 372, 47423, 204472), (8, 88, 64298, 383937))  # number, cameras, points, features
CORRESPONDENCES = (100, 192, 200, 400, 800, 1600)
TEXTS = ((2, 1024), (4, 1024))  # layers, characters


@dataclass(frozen=True)
class Problem:
    """A task of ADBench with its input.

    The objective is a function of `args`, differentiated by `argnums` of them, and of constants that are no arrays.
    """

    kind: str
    name: str
    args: tuple
    argnums: tuple[int, ...]
    size: int
    constants: dict[str, Any] = field(default_factory=dict)


def problems(kind: str, quick: bool) -> Iterator[Problem]:
    """Yield the problems of a kind; the smallest only, for a first look."""
    read, sizes = {
        "gmm": (gmm, MIXTURES),
        "ba": (ba, BUNDLES),
        "hand": (hand, CORRESPONDENCES),
        "lstm": (lstm, TEXTS),
    }[kind]
    for size in sizes[: 2 if kind == "gmm" else 1] if quick else sizes:
        problem = read(size)
        if problem is None:
            print(f"{kind} {size} is left out: its file is not in {FILES}")
        else:
            yield problem


def _numbers(path: Path) -> np.ndarray:
    return np.array(path.read_text().split(), float)


def _split(numbers: np.ndarray, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Cut a row of numbers into arrays of the given shapes."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [part.reshape(shape).copy() for part, shape in zip(np.split(numbers[: ends[-1]], ends[:-1]), shapes)]


# Gaussian mixtures ----------------------------------------------------------------------------------------------------


def gmm(size: tuple[int, int, int]) -> Problem:
    """Arguments: weights, means, factors, rows, gamma, m, and the sum of all terms that do not vary."""
    n, d, k = size
    shapes = (k,), (k, d), (k, d * (d + 1) // 2), (n, d)
    path = FILES / "gmm" / f"{n // 1000}k" / f"gmm_d{d}_K{k}.txt"
    if path.exists():
        *arrays, wishart = _split(_numbers(path)[3:], *shapes, (2,))
        gamma, m = float(wishart[0]), float(wishart[1])
    else:
        rng = np.random.default_rng(n + d + k)
        arrays = [rng.normal(size=shape) for shape in shapes]
        arrays[1] = rng.uniform(size=shapes[1])
        gamma, m = 1.0, 0.0
    freedom = d + m + 1
    per_component = freedom * d * (math.log(gamma) - 0.5 * math.log(2)) - multigammaln(freedom / 2, d)
    constant = -0.5 * n * d * math.log(2 * math.pi) - k * float(per_component)
    name = f"GMM {n // 1000}k d{d} K{k}" + ("" if path.exists() else " (made)")
    return Problem("gmm", name, (*arrays, gamma, m, constant), (0, 1, 2), n * k * d * d)


# Bundle adjustment ----------------------------------------------------------------------------------------------------


def ba(size: tuple[int, int, int, int]) -> Problem:
    """Arguments: cameras, points, weights, features, and which camera and point each feature belongs to."""
    number, n, m, p = size
    path = FILES / "ba" / f"ba{number}_n{n}_m{m}_p{p}.txt"
    if path.exists():
        camera, point, weight, feature = _split(_numbers(path)[3:], (11,), (3,), (), (2,))
    else:
        rng = np.random.default_rng(p)
        camera, point, weight, feature = rng.normal(size=11), rng.normal(size=3), rng.uniform(), rng.normal(size=2)
    args = (
        np.tile(camera, (n, 1)),
        np.tile(point, (m, 1)),
        np.full(p, weight),
        np.tile(feature, (p, 1)),
        np.arange(p) % n,
        np.arange(p) % m,
    )
    name = f"BA{number}, {n} cameras, {p} features" + ("" if path.exists() else " (made)")
    return Problem("ba", name, args, (0, 1, 2), 15 * p)


# Hand tracking --------------------------------------------------------------------------------------------------------


def hand(correspondences: int) -> Problem | None:
    """Arguments: pose, rest of the bones, its inverses, vertices, weights, which vertex is which point, points.

    The hand is in the files; without them there is no problem.
    """
    folder = FILES / "hand" / "simple_small"
    found = list(folder.glob(f"hand*_c{correspondences}.txt"))
    if not found:
        return None
    bones = [line.split(":") for line in (folder / "model" / "bones.txt").read_text().split()]
    parents = tuple(int(bone[1]) for bone in bones)
    matrices = np.array([bone[2:] for bone in bones], float).reshape(len(bones), 2, 4, 4)
    lines = [line.split(":") for line in (folder / "model" / "vertices.txt").read_text().split()]
    vertices = np.array([[*line[:3], 1] for line in lines], float)
    weights = np.zeros((len(lines), len(bones)))
    for vertex, line in enumerate(lines):
        for bone, weight in zip(line[9::2], line[10::2]):
            weights[vertex, int(bone)] = float(weight)
    numbers = _numbers(found[0])
    count = int(numbers[0])
    pairs, pose = _split(numbers[2:], (count, 4), (26,))
    args = (pose, matrices[:, 0], matrices[:, 1], vertices, weights, pairs[:, 0].astype(int), pairs[:, 1:].copy())
    return Problem("hand", f"Hand, {count} points", args, (0,), 26 * 3 * count, {"parents": parents})


# Language model -------------------------------------------------------------------------------------------------------


def lstm(size: tuple[int, int]) -> Problem:
    """Arguments: weights and biases of the layers, weights around them, state to begin with, characters."""
    layers, characters = size
    path = FILES / "lstm" / f"lstm_l{layers}_c{characters}.txt"
    bits = 14
    shapes = (2 * layers, 4 * bits), (3, bits), (2 * layers, bits), (characters, bits)
    if path.exists():
        main, extra, state, text = _split(_numbers(path)[3:], *shapes)
    else:
        rng = np.random.default_rng(layers)
        main, extra, state = (rng.uniform(size=shape) for shape in shapes[:3])
        text = (rng.uniform(size=shapes[3]) < 0.5).astype(float)
    name = f"LSTM l{layers} c{characters}" + ("" if path.exists() else " (made)")
    return Problem("lstm", name, (main, extra, state, text), (0, 1), characters * layers * bits)
