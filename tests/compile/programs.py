"""Functions in the style of NumPy for the compiler, each with arguments and the ways in which it is compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import mixgrad as mg

R = np.random.default_rng(20261121)
VALUE, FIRST, SECOND = ("value",), ("value", "reverse"), ("value", "reverse", "second")
ALL = ("value", "reverse", "forward", "second")


@dataclass(frozen=True)
class Case:
    """A function, its arguments, and which of its value and derivatives are compiled."""

    name: str
    function: Callable
    args: tuple
    ways: tuple[str, ...]

    def __repr__(self) -> str:
        return self.name


CASES: list[Case] = []


def case(*args: Any, ways: tuple[str, ...] = VALUE, name: str = "") -> Callable:
    """Return a decorator that makes a function a case."""

    def add(function: Callable) -> Callable:
        label = function.__name__ + (f" {name}" if name else "")
        CASES.append(Case(label, function, args, ways))
        return function

    return add


def normal(*shape: int) -> np.ndarray:
    """Return random numbers."""
    return R.normal(size=shape)


def single(*shape: int) -> np.ndarray:
    """Return random numbers in single precision."""
    return R.normal(size=shape).astype(np.float32)


# Lengths ------------------------------------------------------------------------------------------------------------


def statistics(x):
    """Reductions of a vector, and what is made of them, element by element."""
    y = np.sin(x) * x
    total = np.sum(y)
    extremes = (np.max(x), np.min(np.abs(y))) if x.size else ()
    return total, *extremes, y - total, np.count_nonzero(x > 0), x @ y, np.all(x < 9)


def by_axes(x):
    """Reductions over each axis of a matrix and over both, fused with the matrix."""
    y = np.exp(-x * x)
    rows, columns = np.sum(y, axis=0), np.sum(x * y, axis=1, keepdims=True)
    centred = y - rows + columns
    return rows, columns, np.sum(centred), np.sum(centred * centred, axis=0), np.any(centred > 1.4, axis=1)


def normalised(x):
    """Softmax along both axes of a matrix, and a variance."""
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / (np.sum(e, axis=1, keepdims=True) + 0.5)
    q = p / (1 + np.sum(p, axis=0))
    return np.sum(q * x * x, axis=0), q[:, ::-1], p.T


LENGTHS = (0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 100, 255, 256, 257, 1000)


# Axes, broadcasting and views ---------------------------------------------------------------------------------------


@case(normal(3, 40, 5), ways=FIRST)
def middle_axis(x):
    return np.sum(x, axis=1), np.max(x, axis=(0, 2)), np.sum(np.sin(x), axis=(0, 1)), np.sum(x * x)


@case(normal(40, 3, 1, 70), ways=FIRST)
def four_axes(x):
    return np.sum(x, axis=(0, 3)), np.sum(x, axis=-1, keepdims=True) * x, np.sum(x, axis=2)[..., 0]


@case(normal(100), normal(70), ways=SECOND)
def two_kinds_of_rows(x, y):
    k = np.exp(-((x[:, None] - y) ** 2))
    return np.sum(k, axis=0), np.sum(k, axis=1) * x, np.sum(x) * y


@case(normal(64), normal(64), ways=FIRST)
def two_axes_of_one_length(x, y):
    k = np.tanh(np.outer(x, y))
    return np.sum(k, axis=0) + x, np.sum(k, axis=1) + y, np.sum(k + k.T, axis=0), np.einsum("ii->i", k)


@case(normal(100, 1), normal(1, 3), normal(1), normal(), normal(1, 1), ways=FIRST)
def lengths_of_one(a, b, c, d, e):
    return a + b, a * c + d, (b - e).sum(axis=0), np.sum(a * b + c * e, axis=0, keepdims=True), np.sum(a, axis=1) * d


@case(normal(100, 4), ways=FIRST)
def transposes(x):
    y = x.T * np.arange(100.0)
    return y, y.T + x, np.transpose(x[None], (2, 0, 1)) * 2, np.swapaxes(x, 0, 1) @ x, np.sum(y.T, axis=0)


@case(normal(50, 50), ways=FIRST)
def symmetric(x):
    return x + x.T, np.sum(x * x.T, axis=0), np.sin(x) @ x.T, np.sum(x.T @ x + x)


@case(normal(100), ways=FIRST)
def steps(x):
    y = x[::-2][1:-1:3][::-1]
    return y, x[::-1] * x, x[2:] - 2 * x[1:-1] * x[1:-1] + x[:-2], np.sum(x[-2::-1] * x[1:] * x[1:])


@case(normal(100), ways=FIRST)
def slices_of_slices(x):
    return x[5:95][3:-7][::4], x[10:][:20][-5:] + x[5:][5:10], x[99:0:-1][90:], x[40:40], x[::50], x[-1:], x[200:]


@case(normal(6, 40, 3), ways=FIRST)
def newaxis_and_ellipsis(x):
    return x[..., 0], x[None, 2, ..., None], x[:, None, 1:3], x[..., -1, :][:, None], x[1], x[-1, -2, ...], x[0, 0, 0]


@case(normal(40, 6), ways=FIRST)
def reshapes(x):
    y = np.sin(x)
    return y.reshape(8, 30).sum(axis=0), x.reshape(-1) * 2, x.T.reshape(6, 4, 10)[:, 1], y.ravel()[::7], x[:, :, None]


@case(normal(3, 64), ways=FIRST)
def reshapes_of_reshapes(x):
    y = (x * x).reshape(64, 3) + x.T
    return (
        y.reshape(2, 96).sum(axis=1),
        y.reshape(192)[1:] - y.reshape(192)[:-1],
        np.squeeze(y[:1]),
        y.reshape(4, 48, 1),
    )


@case(normal(65), ways=FIRST)
def diamond(x):
    """One array, read in two orders."""
    y = np.sin(x) * x
    return y + y[::-1], y[1:] * y[:-1], np.sum(y) * y, np.outer(y, y)[3], y[:, None] * y[:20]


@case(normal(40, 40), ways=FIRST)
def diamond_of_matrices(x):
    y = np.exp(x) + 1
    return y / y.T, y[::-1] - y[:, ::-1], y @ y, np.sum(y, axis=0) * y, np.sum(y, axis=1)[:, None] + y[0]


@case(normal(100), normal(100), ways=FIRST)
def joined(x, y):
    z = np.concatenate([x, y[::-1], x[:3], np.zeros(0), np.arange(4.0)])
    return z * z, np.stack([x, 2 * y], axis=1), np.stack([x, y]), np.sum(np.concatenate([x, y]) ** 3), np.hstack([x, y])


@case(normal(40, 3), normal(40, 2), normal(1, 3), ways=FIRST)
def joined_matrices(x, y, z):
    wide = np.concatenate([x, y, x[:, ::-1]], axis=1)
    tall = np.concatenate([x, z, 2 * x, np.zeros((0, 3))])
    return np.sum(wide, axis=0), np.sum(wide * wide, axis=1), tall.sum(axis=1), tall.T, np.vstack([x, z])[::-1]


@case(normal(7), ways=FIRST)
def repeated_blocks(x):
    return (
        np.tile(x, 9),
        np.repeat(x, 9),
        np.broadcast_to(x, (40, 7)).sum(axis=0),
        np.roll(x, 3),
        np.flip(x),
        np.diff(x),
    )


# Index arrays -------------------------------------------------------------------------------------------------------

WHERE = R.integers(-40, 40, 200)
FEW = np.array([0, 3, -1, 3, 3, 0, 2, -4])


@case(normal(40), ways=SECOND)
def gathered(x):
    return np.sin(x[WHERE]) * np.arange(200.0), x[FEW], np.sum(x[WHERE[::-1]] * x[WHERE])


@case(normal(40, 3), ways=FIRST)
def gathered_rows(x):
    return x[WHERE] * np.arange(200.0)[:, None], np.sum(x[FEW] ** 2, axis=1), x[:, FEW % 3].sum(axis=0)


@case(normal(40, 5, 4), ways=FIRST)
def mixed_indices(x):
    i, j = FEW % 5, np.abs(FEW) % 4
    return x[:, i, j], x[FEW, :, j], x[3, :, j], x[FEW[:, None], i], x[..., None, j], x[1:30:2, i, 1], x[FEW, 2]


@case(normal(40), R.integers(-40, 40, 100), ways=FIRST)
def computed_indices(x, i):
    return x[i], x[np.abs(i) // 2], np.sum(x[i] * x[i - i + 5]), x[i[3]], x[(i * 7) % 40]


@case(normal(40), R.integers(0, 40, 70).astype(np.int32), R.integers(0, 40, 70).astype(np.uint8))
def small_indices(x, i, j):
    return x[i] * x[j], x[i[j % 3]]


@case(normal(100, 7), R.integers(0, 7, 100), ways=FIRST)
def picked_by_row(x, labels):
    p = x - np.log(np.sum(np.exp(x), axis=1, keepdims=True))
    return -np.mean(p[np.arange(100), labels]), np.take_along_axis(x, labels[:, None], axis=1)


@case(normal(5, 6), R.integers(0, 5, (3, 40)), R.integers(0, 6, (3, 40)), ways=FIRST)
def many_repeated(x, i, j):
    return np.sum(np.cos(x[i, j]), axis=1), x[i][..., 2], x[:, j]


# Assignments --------------------------------------------------------------------------------------------------------


@case(normal(100), ways=SECOND)
def stencil(x):
    y = np.zeros(100)
    y[1:-1] = x[2:] * x[:-2]
    y[0] = x[0]
    y[-1] += 3
    y[1:-1] += x[1:-1] * y[1:-1]
    y[::2] *= 2
    y[::-3] -= x[::3]
    return y


@case(normal(40, 4), ways=FIRST)
def assigned_blocks(x):
    y = x.copy()
    y[:, 1] = 2.0
    y[3] = x[4] * y[:4, 1]
    y[5:9, 1:3] *= y[9:13, :2]
    y[..., -1] += y[:, 0]
    y[::-1, 2] = x[:, 3]
    y[30:, :] = x[0]
    return y, y.sum(axis=0)


@case(normal(12), normal(100), ways=FIRST)
def assigned_at_indices(x, v):
    y = x.copy()
    y[FEW] = v[:8]
    y[np.array([1, 5, -2])] += 2 * v[:3]
    y[np.array([3])] *= y[2]
    z = np.zeros(12)
    np.add.at(z, FEW, v[:8])
    return y, z


PAIRS = R.integers(0, 5, (2, 100))


@case(np.zeros(5), normal(2, 100))
def last_one_wins(x, v):
    y = x.copy()
    y[PAIRS] = v
    return y


@case(normal(2, 3, 64), R.integers(0, 4, (3, 64)))
def last_one_wins_by_planes(v, i):
    y = np.zeros((4, 2))
    y[i] = np.transpose(v, (1, 2, 0))
    return y


@case(normal(100), normal(100), ways=FIRST)
def assigned_where(x, y):
    z = np.where(x > 0, x, y * x)
    z[3:50] = np.where(z[3:50] > 0.5, 0.0, z[4:51])
    return z, np.clip(x, -0.5, y + 1), np.maximum(z, x)


# Delicate numbers ---------------------------------------------------------------------------------------------------

SPECIAL = np.resize([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e308, 5e-324, 2.0, -3.5], 77)
ONE_NAN = np.where(np.arange(100) == 50, np.nan, np.arange(100.0))


@case(SPECIAL, SPECIAL[::-1].copy())
def special_numbers(x, y):
    return x + y, x * y, x / y, np.maximum(x, y), np.minimum(x, y), np.fmax(x, y), np.fmin(x, y), x < y, x == y, x != y


@case(SPECIAL)
def special_functions(x):
    return np.exp(x), np.log(x), np.sqrt(x), np.tanh(x), np.sin(x), np.sign(x), np.floor(x), np.isnan(x), np.signbit(x)


@case(SPECIAL)
def truth_of_special_numbers(x):
    truths = np.isfinite(x), np.isinf(x), np.logical_and(x, x[::-1]), x.astype(bool), np.logical_not(x)
    return (*truths, np.any(x), np.all(x), np.count_nonzero(x))


@case(ONE_NAN, SPECIAL, name="one nan")
@case(np.arange(100.0), SPECIAL[:6].copy(), name="infinities")
@case(np.full(33, -np.inf), np.full(9, np.nan), name="nothing else")
def extremes(x, y):
    total = np.sum(np.where(np.isnan(y), 0.0, y))
    return x.max(), x.min(), y.max(), y.min(), x[:9].max(), np.max(x.reshape(-1, x.size)[0]), total, np.any(x > 98.0)


@case(np.resize([np.nan, 1.0, np.inf, -2.0], (40, 3)))
def extremes_by_axes(x):
    return x.max(axis=0), x.min(axis=1), np.fmax(x[0], x[1]), x.max(axis=1, keepdims=True) == x


@case(normal(100), ways=SECOND)
def branch_not_taken(x):
    """The logarithm and the root are nan for half of the elements, and their derivatives infinite at zero."""
    y = x * (np.abs(x) > 0.1)
    return np.where(y > 0, np.log(y), 0.0), np.where(y > 0, np.sqrt(y), y), np.where(y != 0, np.sin(y) / y, 1.0)


@case(normal(64), ways=FIRST)
def strong_zeros(x):
    """In weighted sums zero times infinity is zero."""
    y = np.concatenate([x, np.zeros(3)])
    return np.sum(np.sqrt(y * y) * 0.0), np.where(y == 0, 0.0, y * np.log(np.abs(y))), np.minimum(np.sqrt(np.abs(y)), 1)


@case(normal(100) * 300, ways=FIRST)
def large_exponents(x):
    shifted = np.exp(x - np.max(x))
    return np.log(np.sum(shifted)) + np.max(x), shifted / np.sum(shifted), np.logaddexp(x, x[::-1]), np.exp(x)


@case(np.array([3.0, -np.inf, -np.inf, np.inf]), np.full((40, 2), -np.inf))
def infinite_logsumexp(x, y):
    biggest = np.max(y, axis=1, keepdims=True)
    safe = np.where(np.isfinite(biggest), biggest, 0.0)
    return np.log(np.sum(np.exp(y - safe), axis=1)), np.log(np.sum(np.exp(x[:3]))), np.exp(x), x[3] - x[3], x[3] * 0


# Dtypes -------------------------------------------------------------------------------------------------------------

INTS = R.integers(-9, 10, 70)
NONZERO = R.integers(1, 5, 70) * R.choice([-1, 1], 70)
EDGES = np.array([2**62, -(2**63), 2**63 - 1, 3, -1, 0] * 7)
BYTES = (np.arange(256) - 128).astype(np.int8)


@case(INTS, NONZERO)
def integers(x, y):
    return x + y, x * y - 3, x // y, x % y, np.abs(x), np.sign(x), -x, x / y, x > y, np.maximum(x, y), np.sum(x), x**2


@case(INTS, np.abs(NONZERO))
def integer_powers(x, y):
    return x**3, x**4, x**0, x**y, np.square(x), np.reciprocal(y)


@case(INTS, np.zeros(70, int))
def integers_by_zero(x, y):
    return x // y, x % y, x / y, x // 3, x % -3, -x % 4, x // -2


@case(EDGES)
def overflow(x):
    return x * x, x + x, np.sum(x), -x, np.abs(x), x - 1, np.max(x), np.min(x), x * 2.0, np.floor(x), np.sum(x * x)


@case(BYTES)
def small_integers(x):
    return x * x, x + x, -x, np.abs(x), x > 3, np.max(x), np.min(x), x.astype(np.uint8), x.astype(float), x // 3 * 2


@case(BYTES.view(np.uint8), (np.arange(256) * 7).astype(np.int32))
def other_integers(x, y):
    return x + x, x * 2, x > 100, x * y, y.astype(np.int8), y * 0.5, x.astype(np.int32) - y, np.maximum(x, x[::-1])


@case(BYTES, (np.arange(256) * 7).astype(np.int32), BYTES > 3)
def sums_of_integers(x, y, z):
    return np.sum(x), np.sum(y), np.sum(z), np.mean(z), np.sum(x.reshape(64, 4), axis=0), z.sum(axis=0), np.mean(x)


@case(BYTES.view(np.uint8))
def compared_with_far_numbers(x):
    return x > 300, x < -1, x == 256, x != 7


@case(BYTES[:40], BYTES.view(np.uint8)[:40])
def bytes_of_both_kinds(x, y):
    return x < y, x == y


@case(np.linspace(-100, 100, 70), np.linspace(0, 255, 70), normal(70) > 0)
def conversions(x, y, z):
    bytes_ = y.astype(np.uint8), x.astype(np.int8), z.astype(np.int8)
    return *bytes_, x.astype(np.int32), x.astype(np.float32), z.astype(float), x.astype(int).astype(bool), z + 1, z * x


@case(normal(70) > 0, normal(70) > 1)
def truths(x, y):
    pair = x & y, x | ~y
    return (
        *pair,
        x ^ y,
        x == y,
        x < y,
        np.any(x),
        np.all(x),
        np.count_nonzero(x),
        np.max(x),
        np.min(y),
        np.where(x, 1, 2),
    )


@case(np.ones((40, 2), bool), np.zeros((2, 40), bool))
def truths_by_axes(x, y):
    return np.all(x, axis=0), np.any(y, axis=1), np.any(x, axis=1), np.count_nonzero(y, axis=0), np.min(x, axis=0)


@case(single(100), ways=FIRST)
def single_precision(x):
    y = np.exp(-x * x) * 2 + 0.1
    return y, np.sum(y), y / np.sum(np.abs(y)), x @ y, np.sqrt(y) - 1


@case(single(100), normal(100), np.float32(0.3), 0.7, ways=FIRST)
def mixed_precision(x, y, s, t):
    return (
        x + y,
        x * s,
        x * 2,
        y * s,
        np.sum(x),
        np.where(x > 0, x, y),
        np.sum(x * y),
        x.astype(float) * y,
        np.sin(x) * t,
    )


@case(single(70), INTS, INTS.astype(np.int32), INTS.astype(np.int8))
def mixed_with_integers(x, i, j, k):
    return x * i, x + k, i * 0.5, i + j, j * k, j * 2, i > x, x * True, np.where(i > 0, j, k), np.where(i > 0, x, 1)


@case(np.array(2.0), np.float32(3.0), np.array(4), np.True_)
def without_axes(x, y, i, b):
    return (
        x * 2,
        y * 2,
        i // 3,
        x * y,
        i * y,
        np.where(b, x, 1.0),
        np.sum(x),
        b & b,
        ~b,
        x[None],
        np.max(x),
        x.reshape(1, 1),
    )


@case(np.zeros(0), np.zeros((0, 3)), np.zeros((40, 0)), ways=FIRST)
def empty(x, y, z):
    sums = np.sum(x), y.sum(axis=0), y.sum(axis=1), z.sum(axis=1), z.sum(axis=0)
    return *sums, y.T @ y, z @ z.T, np.any(x > 0), np.all(x > 0), np.exp(y), np.concatenate([x, x]), z.T, y[:, 1]


# Inputs and outputs -------------------------------------------------------------------------------------------------


@case(normal(40), normal(40), 1.5)
def passed_through(x, y, s):
    return x, x, s, y[::-1], y


@case(normal(40), normal(3))
def returned_twice(x, unused):
    y = np.sin(x)
    return y, y, y * 2, y[:3], np.sum(y), y.T


@case(normal(40), ways=FIRST)
def constants(x):
    big = np.arange(3000.0).reshape(40, 75)
    return np.zeros(3), 7, np.arange(4), 2.5, True, np.sin(big).sum(axis=1) * x, x @ big, big[:, 3] + x, np.ones(40) * x


@case(normal(3))
def only_constants(x):
    return np.ones((2, 2)), np.float32(1.5), np.array(False)


# Models -------------------------------------------------------------------------------------------------------------


@case(normal(100, 5), normal(5, 8), normal(8), normal(8, 3), ways=("value", "forward", "second"))
def network(x, w, b, v):
    h = np.tanh(x @ w + b)
    z = h @ v
    z = z - np.max(z, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[:, 0])


@case(normal(70, 6), normal(6), normal(6), ways=FIRST)
def layer_norm(x, scale, shift):
    mean = np.mean(x, axis=-1, keepdims=True)
    variance = np.mean((x - mean) ** 2, axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift


@case(normal(257, 2), normal(3), normal(3, 2), normal(3, 2), ways=("value", "second"))
def mixture(x, weights, means, scales):
    z = (x[:, None, :] - means) * np.exp(-scales)
    logs = weights - np.sum(scales, axis=1) - 0.5 * np.sum(z * z, axis=2)
    largest = np.max(logs, axis=1)
    return np.mean(np.log(np.sum(np.exp(logs - largest[:, None]), axis=1)) + largest) - np.log(np.sum(np.exp(weights)))


@case(normal(100, 2), normal(3, 2), normal(3, 2, 2), ways=FIRST)
def mixture_of_full_covariances(x, means, factors):
    z = np.einsum("kij,nkj->nki", factors, x[:, None] - means)
    logs = -0.5 * np.sum(z * z, axis=2) + np.log(np.abs(factors[:, 0, 0] * factors[:, 1, 1]))
    return np.sum(np.logaddexp(np.logaddexp(logs[:, 0], logs[:, 1]), logs[:, 2]))


@case(normal(40, 4), normal(6), normal(6), normal(10, 24) * 0.3, ways=FIRST)
def lstm(xs, h, c, w):
    for t in range(40):
        gates = np.concatenate([xs[t], h]) @ w
        i, f, o = (1 / (1 + np.exp(-gates[6 * k : 6 * k + 6])) for k in range(3))
        c = f * c + i * np.tanh(gates[18:])
        h = o * np.tanh(c)
    return h, c


@case(normal(2, 33, 4), normal(4, 4), normal(4, 4), normal(4, 4), ways=FIRST)
def attention(x, q, k, v):
    scores = np.einsum("bik,bjk->bij", x @ q, x @ k) / 2.0
    scores = np.where(np.tri(33, dtype=bool), scores, -np.inf)
    p = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return p / np.sum(p, axis=-1, keepdims=True) @ (x @ v)


@case(normal(70, 3), normal(3, 3, 3), ways=FIRST)
def contractions(x, a):
    quadratic = np.einsum("ni,ijk,nj->nk", x, a, x)
    return quadratic, np.einsum("nk->k", quadratic), np.einsum("ij,ij->", x, x), np.einsum("iij->j", a), a @ x[0], x @ a


@case(normal(64, 3), normal(2, 1, 5, 7), normal(3, 7, 33), normal(7), ways=FIRST)
def products(x, a, b, c):
    return x @ x.T, x.T @ x, a @ b, a @ c, c @ b, np.vecdot(a, c), np.trace(x.T @ x), np.outer(c, c), np.inner(x, x)


@case(normal(100), normal(100), ways=FIRST)
def rosenbrock(x, y):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2) * np.mean(y)


@case(normal(40, 40), ways=FIRST)
def heat(u):
    for _ in range(3):
        new = u.copy()
        new[1:-1, 1:-1] = u[1:-1, 1:-1] + 0.1 * (
            u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
        )
        u = new
    return u


@case(normal(64), ways=FIRST)
def distances(x):
    p = x.reshape(32, 2)
    d = np.sqrt(np.sum((p[:, None] - p) ** 2, axis=2) + np.eye(32))
    return np.sum(1 / d - np.eye(32)), np.min(d, axis=1), np.linalg.norm(p, axis=1)


@case(normal(64) + 3, ways=VALUE)
def with_parts_for_numpy(x):
    y = np.sort(np.sin(x)) * 2
    return np.cumsum(y) + x, np.sum(y), np.fft.fft(x).real if False else y[::-1], np.median(x) * y, np.argmax(x)


# Loops and branches -------------------------------------------------------------------------------------------------


@case(1.0, 0.3, ways=("value", "reverse", "forward"))
def kepler(anomaly, eccentricity):
    x = anomaly
    step = 1.0
    while abs(step) > 1e-12:
        step = (x - eccentricity * np.sin(x) - anomaly) / (1 - eccentricity * np.cos(x))
        x = x - step
    return x


@case(normal(70), 2.0, ways=("value", "second"))
def runge_kutta(y, k):
    slope = lambda y: -k * y + np.sin(y)
    for _ in range(20):
        a = slope(y)
        b = slope(y + 0.005 * a)
        c = slope(y + 0.005 * b)
        d = slope(y + 0.01 * c)
        y = y + 0.01 / 6 * (a + 2 * b + 2 * c + d)
    return y


SPD = normal(6, 6)
SPD = SPD @ SPD.T + 6 * np.eye(6)


@case(SPD, ways=FIRST)
def cholesky(a):
    n = a.shape[0]
    lower = np.zeros_like(a)
    for j in range(n):
        lower[j, j] = np.sqrt(a[j, j] - lower[j] @ lower[j])
        for i in range(j + 1, n):
            lower[i, j] = (a[i, j] - lower[i] @ lower[j]) / lower[j, j]
    return lower


@case(10, name="ten steps")
@case(0, name="no step")
@case(100, name="with overflow")
def fibonacci(n):
    a, b, i = 0, 1, 0
    while i < n:
        a, b, i = b, a + b, i + 1
    return a, b


@case(normal(40), normal(40), normal(40), ways=FIRST)
def carries_exchanged(x, y, z):
    a, b = mg.fori_loop(0, 7, lambda i, c: (c[1], c[0] * 1.1), (x, y))
    return a, b, *mg.fori_loop(0, 8, lambda i, c: (c[2], c[0], c[1][::-1]), (x, y, z))


@case(normal(5, 5), 2, 3)
def carries_exchanged_with_numbers(x, i, j):
    return mg.fori_loop(0, 5, lambda k, c: (c[0].T + 1, c[2], c[1] + k), (x, i, j))


@case(np.zeros(3), normal(50, 3), ways=FIRST, name="of vectors")
@case(0.0, normal(50), ways=SECOND, name="of numbers")
@case(np.zeros(65), normal(9, 65), ways=FIRST, name="of rows")
@case(np.ones(3), normal(0, 3), ways=FIRST, name="of nothing")
def scan(c, xs):
    def body(c, x):
        c = np.tanh(0.9 * c + x)
        return c, (c * 2, np.sum(c))

    return mg.scan(body, c, xs)


@case(normal(1), normal(1, 1), normal(3, 1))
def carries_of_length_one(x, y, z):
    """Arrays of one element, which lie in registers."""
    a, b, c = mg.fori_loop(0, 5, lambda i, c: (c[1][0], c[0][None] * 0.5, c[2][::-1] + c[0]), (x, y, z))
    y, n = x.copy(), 0
    while y[0] < 9 and n < 20:
        y[0] = y[0] * y[0] + 1
        n += 1
    return a, b, c, y, n, mg.scan(lambda c, x: (c * 0.5 + x, c), np.zeros((1, 1)), z)


@case(np.zeros(3), normal(50, 3), ways=FIRST)
def reversed_scan(c, xs):
    return mg.scan(lambda c, x: (0.5 * c + x * x, c), c, xs, reverse=True)


@case(normal(40), -1.0, name="negative", ways=FIRST)
@case(normal(40), 1.0, name="positive", ways=FIRST)
def branches_in_loops(x, t):
    if t > 0:
        y = np.sin(x)
    else:
        y = x[::-1] * 2
    for i in range(6):
        if np.sum(y) > i:
            y = y - 1 / (i + 1)
        else:
            y = y * t
    return y


@case(normal(40), -1.0, name="counted", ways=FIRST)
@case(normal(40), 1.0, name="while", ways=("value",))
def loops_in_branches(x, t):
    if t > 0:
        s = x
        while np.max(np.abs(s)) > 0.5:
            s = s * 0.7
    else:
        s = 0 * x
        for i in range(4):
            for j in range(i):
                s = s + x[j] * x
    return s


@case(normal(9), ways=FIRST)
def bubble_sort(x):
    x = x.copy()
    for _ in range(9):
        for j in range(8):
            if x[j] > x[j + 1]:
                t = x[j]
                x[j] = x[j + 1]
                x[j + 1] = t
    return x


@case(27)
def collatz(n):
    steps, highest = 0, n
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        highest = max(highest, n)
        steps += 1
    return steps, highest


@case(2.0)
def sieve(scale):
    prime = np.ones(50, bool)
    for i in range(2, 8):
        j = i * i
        while j < 50:
            prime[j] = False
            j += i
    return prime, np.sum(np.where(prime, scale, 0.0))


@case(normal(100, 3), normal(3, 3) * 0.3, ways=FIRST)
def rows_in_loops(x, w):
    total = np.zeros(3)
    for _ in range(5):
        x = np.tanh(x @ w) + x
        total = total + np.sum(x * x, axis=0)
    return x, total


@case(normal(257), ways=FIRST)
def sums_in_loops(x):
    s = np.sum(x)
    for i in range(6):
        y = x / (1 + s * s)
        s = 0.3 * s + np.sum(y * y) + np.max(y[::-1]) * i
    return s, y


@case(normal(64), normal(64), ways=FIRST)
def conjugate_gradients(b, d):
    d = 1 + d * d
    apply = lambda x: d * x - 0.3 * np.concatenate([x[1:], x[:1]]) - 0.3 * np.concatenate([x[-1:], x[:-1]])
    x, r = np.zeros(64), b
    p = r
    for _ in range(5):
        ap = apply(p)
        a = (r @ r) / (p @ ap)
        x = x + a * p
        new = r - a * ap
        p = new + (new @ new) / (r @ r) * p
        r = new
    return x


@case(normal(40), ways=FIRST)
def nested_loops(x):
    total = 0.0
    for i in range(5):
        inner = x[i]
        for j in range(i, 8):
            inner = inner * 0.5 + x[j] * x[i + j]
        total = total + inner * inner
    return total


@case(normal(40), normal(8), ways=FIRST)
def assigned_in_loops(x, v):
    y = x * 1.0
    for i in range(1, 39):
        y[i] = 0.5 * y[i - 1] + y[i + 1] * v[i % 8]
    z = np.zeros((8, 8))
    for i in range(8):
        z[i] = v * v[i]
        z[:, i] += y[i]
    return y, z


@case(single(30))
def single_precision_in_loops(x):
    s = np.float32(0)
    for i in range(10):
        s = s + x[i] * np.float32(0.5)
    return s


@case(normal(40) > 0, normal(40))
def truths_in_loops(m, x):
    k = 0
    for _ in range(5):
        m = np.logical_xor(m, x > 0.5 * m)
        k = k + np.count_nonzero(m)
    return m, k


@case(normal(64), 0.0, name="no step")
@case(normal(64), 9.0, name="some steps")
def while_of_rows(x, limit):
    n = 0
    while np.sum(x * x) < limit * 100:
        x, n = x * 1.5, n + 1
    return x, n


@case(normal(64), 3, name="index", ways=FIRST)
@case(normal(64), -1, name="from the end")
def dynamic_slices(x, i):
    y = x.copy()
    y[i] = x[i] * x[i - 1]
    return y, x[i] * x


@case(np.array([5, 3, 1, 2, 4]))
def integer_arrays_in_loops(p):
    q = np.arange(5)
    n = 0
    while not np.all(q == p - 1) and n < 4:
        q = q[p - 1]
        n += 1
    return q, n


@case(normal(40), True, name="yes", ways=FIRST)
@case(normal(40), False, name="no", ways=FIRST)
def branch(x, b):
    if b:
        return x[::-1], np.sum(x * x), 3
    return x, x[0], 4
