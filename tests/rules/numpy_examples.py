"""Calls of NumPy's functions on which their meaning for boxes is compared with NumPy itself.

`a(2, 3)` stands for a random array of that shape, by which is differentiated; `whole(2, 3)` and `flags(2, 3)` for
integers and truth values. Containers of them are arguments, too.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Placeholder:
    """The place of a random array in the arguments of a call.

    `make` is applied when the array is made; `inside` as a part of the function that is differentiated, for arguments
    that cannot be changed freely, such as symmetric matrices.
    """

    shape: tuple
    kind: str = "f"
    make: object = None
    inside: object = None
    domain: tuple = (-3.0, 3.0)


@dataclass(frozen=True)
class Example:
    """One call of a function."""

    args: tuple
    kwargs: dict = field(default_factory=dict)

    def __str__(self):
        shown = [_show(arg) for arg in self.args] + [f"{key}={_show(value)}" for key, value in self.kwargs.items()]
        return ", ".join(shown)


def _show(arg):
    if isinstance(arg, Placeholder):
        return f"{arg.kind}{arg.shape}"
    if isinstance(arg, (list, tuple)):
        return f"[{', '.join(_show(part) for part in arg)}]"
    return " ".join(repr(arg).split())


def a(*shape, make=None, inside=None, domain=(-3.0, 3.0)):
    return Placeholder(shape, "f", make, inside, domain)


def z(*shape):
    return Placeholder(shape, "c")


def whole(*shape):
    return Placeholder(shape, "i")


def flags(*shape):
    return Placeholder(shape, "b")


def ex(*args, **kwargs):
    return Example(args, kwargs)


def spd(x):
    """Make a matrix symmetric and positive definite."""
    return x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1])


def regular(x):
    """Make a matrix well conditioned."""
    return x + 7 * np.eye(x.shape[-1])


def symmetric(x):
    """Make a matrix symmetric."""
    return (x + np.swapaxes(x, -1, -2)) / 2


def plus(*shape):
    """Positive numbers."""
    return a(*shape, domain=(0.2, 3.0))


def holes(x):
    """Put nan into every fourth place, from the second on."""
    return np.where(np.arange(x.size).reshape(x.shape) % 4 == 1, np.nan, x)


MASK = np.array([True, False, True])
GRID = np.array([[True, False, True], [False, True, True]])
REDUCE = [
    ex(a(2, 3)), ex(a(2, 3), axis=0), ex(a(2, 3), axis=-1), ex(a(2, 3), 1), ex(a(2, 3, 2), axis=(0, 2)),
    ex(a(2, 3, 2), axis=(-1, 0), keepdims=True), ex(a(2, 3), keepdims=True), ex(a(3)), ex(a()), ex(a(2, 3), axis=()),
]  # fmt: skip
EMPTY = [ex(a(0, 3), axis=0), ex(a(0)), ex(a(2, 0), axis=0)]
EXTREMA = [*REDUCE, ex(a(0, 3), axis=1), ex(a(1, 1), axis=None)]
SPREAD = [
    *REDUCE[:9], ex(a(2, 3), axis=0, ddof=1), ex(a(4), ddof=2), ex(a(2, 3), correction=1), ex(a(2, 3), ddof=0.5),
    ex(z(2, 2), axis=0),
]  # fmt: skip
PLACES = [
    ex(a(2, 3)), ex(a(2, 3), axis=0), ex(a(2, 3), axis=-1), ex(a(2, 3), axis=1, keepdims=True),
    ex(a(3), keepdims=True),
]  # fmt: skip
TRUTHS = [
    ex(a(2, 3)), ex(a(2, 3), axis=0), ex(a(2, 3), axis=-1, keepdims=True), ex(flags(2, 3)), ex(flags(2, 3), axis=1),
]  # fmt: skip
SAME = [ex(a(2, 3)), ex(a(3)), ex(a()), ex(a(0, 2))]
PAIR = [ex(a(2, 3), a(2, 3)), ex(a(3), a(2, 1)), ex(a(2), 0.75), ex(0.75, a(2)), ex([1.5, 0.25], a(2)), ex(a(), a(2))]
TWO_MATRICES = [
    ex(a(2, 3), a(3, 4)), ex(a(2, 3), a(3)), ex(a(3), a(3, 2)), ex(a(3), a(3)), ex(a(2, 3), np.ones((3, 2))),
    ex([[1.0, 2.0]], a(2, 3)), ex(a(2, 2), [1.0, 2.0]), ex(z(2, 3), z(3)), ex(a(2, 3), z(3, 2)), ex(a(2, 0), a(0, 3)),
]  # fmt: skip

METHODS = (
    "linear", "lower", "higher", "nearest", "midpoint", "weibull", "hazen", "median_unbiased", "normal_unbiased",
    "interpolated_inverted_cdf", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
)  # fmt: skip
QUANTILES = [
    ex(a(5), 0.3), ex(a(4), 0.5), ex(a(2, 3), 0.75), ex(a(2, 3), 0.1, axis=0), ex(a(2, 4), 0.9, axis=-1, keepdims=True),
    ex(a(3, 2, 2), 0.3, axis=(0, -1)), ex(a(2, 3), 0.4, keepdims=True), ex(a(5), [0.0, 0.25, 1.0]), ex(a(1), 0.3),
    ex(a(2, 4), [[0.2], [0.6]], axis=1), ex(a(2, 4), [0.2, 0.6], axis=0, keepdims=True), ex(a(), 0.5),
    *(ex(a(6), 0.37, method=method) for method in METHODS), ex(a(5), np.float64(0.25)),
]  # fmt: skip
HOLES = [
    ex(a(2, 3, inside=holes)), ex(a(2, 3, inside=holes), axis=0), ex(a(3, 2, inside=holes), axis=-1, keepdims=True),
    ex(a(4)), ex(a(2, 3, 2, inside=holes), axis=(0, 2)),
]  # fmt: skip
STEPWISE = [ex(a(4)), ex(a(2, 3), axis=1), ex(a(5, 2), axis=0, include_initial=True), ex(a(3), include_initial=True)]
WINDOWS = [
    ex(a(5), a(3)), ex(a(5), a(3), mode="same"), ex(a(4), a(2), "valid"), ex(a(5), a(2), "same"),
    ex(a(2), a(4), "same"),
    ex(a(2), a(5), "valid"), ex(a(5), [1.0, 2.0, 1.0]), ex([1.0, 0.5], a(4)), ex(a(3), a(3), "full"),
    ex(a(4), a(4), "same"),
    ex(z(4), z(2), "full"), ex(a(3), a(5), "full"), ex(a(3), a(6), "same"),
]  # fmt: skip

EXAMPLES = {
    # Reductions
    np.sum: [*REDUCE, *EMPTY, ex(z(2, 3), axis=0), ex(a(2, 3), dtype=np.float64), ex(flags(2, 3), axis=0)],
    np.mean: [*REDUCE, ex(a(2, 0), axis=0), ex(a(2, 3), dtype=np.float64), ex(z(3))],
    np.average: [
        ex(a(2, 3)), ex(a(2, 3), axis=0), ex(a(2, 3), weights=plus(2, 3)), ex(a(2, 3), axis=1, weights=plus(3)),
        ex(a(2, 3), 0, [1.0, 3.0]), ex(a(2, 3), axis=0, weights=plus(2), keepdims=True),
        ex(np.ones((2, 3)), weights=plus(2, 3)),
    ],
    np.var: SPREAD,
    np.std: SPREAD,
    np.max: EXTREMA,
    np.amax: EXTREMA[:4],
    np.min: EXTREMA,
    np.amin: EXTREMA[:4],
    np.ptp: EXTREMA[:9],
    np.prod: [*REDUCE, *EMPTY, ex(a(5)), ex(a(7, 2), axis=0), ex(a(2, 3), dtype=np.float64)],
    np.median: [
        ex(a(5)), ex(a(4)), ex(a(2, 3)), ex(a(2, 3), axis=0), ex(a(3, 4), axis=-1, keepdims=True),
        ex(a(2, 3), keepdims=True), ex(a()), ex(a(2, 3, 2), axis=(0, 2)),
    ],
    np.quantile: QUANTILES,
    np.percentile: [ex(a(5), 30), ex(a(2, 3), [20.0, 70.0], axis=1), ex(a(4), 45, method="hazen", keepdims=True)],
    np.nansum: [*HOLES, ex(a(3, inside=holes), dtype=np.float64)],
    np.nanprod: HOLES,
    np.nanmean: HOLES,
    np.nanvar: [*HOLES, ex(a(4, inside=holes), ddof=1)],
    np.nanstd: HOLES,
    np.nanmax: HOLES,
    np.nanmin: HOLES,
    np.nancumsum: HOLES[:2],
    np.nancumprod: HOLES[:2],
    np.cumprod: [ex(a(4)), ex(a(2, 3)), ex(a(5, 2), axis=0), ex(a(2, 3), axis=-1), ex(a(1)), ex(z(3)), ex(a(0))],
    np.cumulative_sum: STEPWISE,
    np.cumulative_prod: STEPWISE,
    np.sort: [ex(a(5)), ex(a(2, 3)), ex(a(2, 3), axis=0), ex(a(2, 3), axis=None), ex(a(3), kind="stable"), ex(a(2, 0))],
    np.argsort: [ex(a(5)), ex(a(2, 3)), ex(a(2, 3), axis=0), ex(a(2, 3), axis=None), ex(a(2, 3), -1, stable=True)],
    np.argmax: PLACES,
    np.argmin: PLACES,
    np.count_nonzero: [*TRUTHS],
    np.any: TRUTHS,
    np.all: TRUTHS,
    np.cumsum: [ex(a(4)), ex(a(2, 3)), ex(a(2, 3), axis=0), ex(a(2, 3), axis=-1), ex(a()), ex(z(3)), ex(a(0))],
    # Shapes
    np.reshape: [
        ex(a(2, 3), (3, 2)), ex(a(2, 3), -1), ex(a(2, 3), (6,)), ex(a(2, 3), (3, -1)), ex(a(2, 3), (3, 2), order="F"),
        ex(a(2, 3, 2), (-1, 2), order="F"), ex(a(), (1, 1)), ex(a(1), ()), ex(a(0, 3), (3, 0)), ex(a(2, 3), [6, 1]),
        ex(a(2, 2), shape=(4,)), ex(a(2, 3), np.int64(6)),
    ],
    np.ravel: [ex(a(2, 3)), ex(a(2, 3), order="F"), ex(a()), ex(a(3)), ex(a(0, 2))],
    np.squeeze: [ex(a(1, 3, 1)), ex(a(1, 3, 1), axis=0), ex(a(1, 3, 1), axis=(0, -1)), ex(a(1, 1)), ex(a(2))],
    np.expand_dims: [ex(a(3), 0), ex(a(3), -1), ex(a(3), (0, 2)), ex(a(), 0), ex(a(2, 3), (-1, 1))],
    np.transpose: [ex(a(2, 3)), ex(a(2, 3, 4), (2, 0, 1)), ex(a(2, 3, 4), axes=[0, -1, 1]), ex(a(3)), ex(a())],
    np.permute_dims: [ex(a(2, 3, 4), (1, 0, 2))],
    np.swapaxes: [ex(a(2, 3, 4), 0, -1), ex(a(2, 3), 1, 0), ex(a(2, 3), 1, 1)],
    np.matrix_transpose: [ex(a(2, 3)), ex(a(4, 2, 3))],
    np.linalg.matrix_transpose: [ex(a(4, 2, 3))],
    np.moveaxis: [ex(a(2, 3, 4), 0, -1), ex(a(2, 3, 4), (0, 1), (-1, 0)), ex(a(2, 3, 4), [2, 0], [0, 1])],
    np.rollaxis: [ex(a(2, 3, 4), 2), ex(a(2, 3, 4), 0, 2), ex(a(2, 3, 4), 1, 3), ex(a(2, 3, 4), -1, -2)],
    np.broadcast_to: [
        ex(a(3), (2, 3)), ex(a(2, 1), (4, 2, 3)), ex(a(), 3), ex(a(2, 3), (2, 3)), ex(a(1), (0,)), ex(a(3), [2, 3]),
    ],
    np.broadcast_arrays: [ex(a(3), a(2, 1)), ex(a(), np.ones((2, 2))), ex(a(2)), ex(a(2), 1.0)],
    # Joining
    np.concatenate: [
        ex([a(2, 3), a(1, 3)]), ex([a(2, 3), a(2, 1)], axis=1), ex((a(2, 3), a(2, 2)), axis=-1),
        ex([a(2, 2), a(3)], axis=None), ex([a(2), [1.0, 2.0]]), ex([a(2), np.zeros(0)]), ex([a(2), np.arange(2)]),
        ex([a(2)]), ex([a(2), z(2)]), ex([a(2), a(2)], dtype=np.float64), ex([a(2), np.float32([1.5])]),
    ],
    np.stack: [
        ex([a(2), a(2)]), ex([a(2), a(2)], axis=1), ex([a(2, 3), a(2, 3)], axis=-1), ex([a(), 1.0, 2]),
        ex([a(), a(), a()]), ex((a(2), [1.0, 2.0])), ex([a(2, 3)], axis=-3), ex(a(3, 2), axis=1),
    ],
    np.vstack: [ex([a(3), a(2, 3)]), ex([a(), a()]), ex([a(3), [1.0, 2.0, 3.0]]), ex(a(2, 3))],
    np.hstack: [ex([a(3), a(2)]), ex([a(2, 1), a(2, 3)]), ex([a(), 1.5])],
    np.column_stack: [ex([a(3), a(3, 2)]), ex([a(2), [1.0, 2.0]])],
    np.append: [ex(a(2), a(3)), ex(a(2), 1.5), ex(a(2, 2), a(1, 2), axis=0), ex([1.0], a(2)), ex(a(2, 2), a(2))],
    np.atleast_1d: [ex(a()), ex(a(2)), ex(a(), a(2, 2)), ex(a(), 1.0)],
    np.atleast_2d: [ex(a()), ex(a(3)), ex(a(2, 2, 2)), ex(a(3), a())],
    np.atleast_3d: [ex(a()), ex(a(3)), ex(a(2, 3)), ex(a(2, 1, 2)), ex(a(3), a())],
    np.dstack: [ex([a(2, 3), a(2, 3)]), ex([a(3), [1.0, 2.0, 3.0]])],
    np.block: [
        ex([[a(2, 2), np.zeros((2, 1))], [a(1, 2), a(1, 1)]]), ex([a(2), 1.5]), ex(a(2)), ex([[a(3)], [a(3)]]),
    ],
    np.unstack: [ex(a(2, 3)), ex(a(2, 3), axis=1)],
    np.hsplit: [ex(a(4), 2), ex(a(2, 4), [1])],
    np.vsplit: [ex(a(4, 2), 2)],
    np.dsplit: [ex(a(1, 2, 4), 2)],
    np.meshgrid: [
        ex(a(2), a(3)), ex(a(2), [1.0, 2.0], indexing="ij"), ex(a(2), a(3), a(2), sparse=True), ex(a(2)), ex(a(), a(2)),
    ],
    np.split: [ex(a(4), 2), ex(a(4, 2), [1, 3]), ex(a(2, 4), 2, axis=1), ex(a(3), [0, 5]), ex(a(2, 4), [2], -1)],
    np.array_split: [ex(a(5), 2), ex(a(2, 5), 3, axis=1), ex(a(4), [1]), ex(a(2), 3)],
    np.tile: [
        ex(a(3), 2), ex(a(2, 3), (2, 1)), ex(a(3), (2, 2)), ex(a(), 3), ex(a(2, 3), 2), ex(a(2), ()), ex(a(2), 0),
    ],
    np.repeat: [
        ex(a(3), 2), ex(a(2, 3), 2, axis=1), ex(a(3), [1, 0, 2]), ex(a(2, 3), [2, 1], axis=0), ex(a(2, 2), 3),
        ex(a(), 2), ex(a(2, 3), 2, axis=-1), ex(a(2), np.array([0, 0])),
    ],
    np.flip: [ex(a(3)), ex(a(2, 3)), ex(a(2, 3), axis=1), ex(a(2, 3), (0, -1)), ex(a())],
    np.flipud: [ex(a(2, 3)), ex(a(3))],
    np.fliplr: [ex(a(2, 3))],
    np.roll: [
        ex(a(4), 1), ex(a(2, 3), 2), ex(a(2, 3), -1, axis=1), ex(a(2, 3), (1, 2), axis=(0, 1)),
        ex(a(2, 3), 1, axis=-1), ex(a(4), 9), ex(a(2, 3), (1, 1), axis=0), ex(a(2, 3), 1, axis=(0, 1)), ex(a(0), 1),
    ],
    np.rot90: [ex(a(2, 3)), ex(a(2, 3), 2), ex(a(2, 3, 2), -1, axes=(1, 2)), ex(a(2, 3), k=4)],
    np.pad: [
        ex(a(3), 2), ex(a(2, 3), 1), ex(a(2, 3), ((1, 0), (0, 2))), ex(a(2, 3), (1, 2)), ex(a(3), 2, "edge"),
        ex(a(3), 1, mode="wrap"), ex(a(2, 3), 2, mode="reflect"), ex(a(3), 2, mode="symmetric"), ex(a(3), 0),
        ex(a(3), (2,)), ex(a(3), 1, constant_values=0),
    ],
    # Choosing
    operator.getitem: [ex(a(3), 1), ex(a(2, 3), (slice(None), 0))],
    np.take: [
        ex(a(4), 1), ex(a(4), [0, 2, 2]), ex(a(2, 3), [[0, 1]], axis=1), ex(a(2, 3), np.array([1, 0]), axis=0),
        ex(a(2, 3), 4), ex(a(3), [4, -5], mode="wrap"), ex(a(3), [4, -5], mode="clip"), ex(a(2, 3), -1, axis=-1),
        ex(a(3), []), ex(a(3), whole(2), mode="wrap"),
    ],
    np.take_along_axis: [
        ex(a(2, 3), np.array([[0], [2]]), 1), ex(a(2, 3), np.array([[0, 1, 0]]), axis=0),
        ex(a(2, 3), np.array([4, 0]), axis=None), ex(a(2, 3), np.array([[-1], [0]]), axis=-1),
    ],
    np.where: [
        ex(GRID, a(2, 3), a(2, 3)), ex(MASK, a(2, 3), 0), ex(MASK, 1.5, a(3)), ex(GRID, a(), a(2, 1)),
        ex(flags(2, 3), a(3), a(2, 3)), ex([True, False], a(2), [1.0, 2.0]), ex(True, a(2), a(2)),
        ex(np.array([1, 0]), a(2), z(2)), ex(a(2), a(2), 0.0), ex(a(3)),
    ],
    np.select: [
        ex([MASK, ~MASK], [a(3), a(3)]), ex([MASK], [a(3)], default=1.5), ex([MASK, MASK], [a(3), a()], a(3)),
        ex([flags(3), np.array([True, True, False])], [a(3), 0.5]),
    ],
    np.extract: [ex(MASK, a(3)), ex(GRID, a(2, 3)), ex([True, False], a(2))],
    np.compress: [
        ex(MASK, a(3)), ex([False, True], a(2, 3), axis=0), ex([True, False, True], a(2, 3), axis=1),
        ex(GRID.ravel(), a(2, 3)),
    ],
    np.delete: [ex(a(4), 1), ex(a(2, 3), [0, 2], axis=1), ex(a(2, 3), 2), ex(a(4), slice(1, 3)), ex(a(4), -1)],
    np.diagonal: [
        ex(a(3, 3)), ex(a(2, 3), 1), ex(a(2, 3, 3), 0, 1, 2), ex(a(3, 2), offset=-1),
        ex(a(2, 3, 4), axis1=-1, axis2=0),
    ],
    np.linalg.diagonal: [ex(a(3, 3)), ex(a(2, 3, 4)), ex(a(2, 3, 3), offset=1)],
    np.diag: [ex(a(3)), ex(a(3), 1), ex(a(2), -2), ex(a(3, 3)), ex(a(2, 3), 1), ex(a(0))],
    np.diagflat: [ex(a(3)), ex(a(2, 2), 1)],
    np.trace: [ex(a(3, 3)), ex(a(2, 3), 1), ex(a(2, 2, 3)), ex(a(2, 3, 2), axis1=0, axis2=2)],
    np.linalg.trace: [ex(a(3, 3)), ex(a(3, 2, 2)), ex(a(4, 2, 3), offset=1)],
    np.tril: [ex(a(3, 3)), ex(a(2, 3), 1), ex(a(2, 3, 3), -1)],
    np.triu: [ex(a(3, 3)), ex(a(3, 2), -1), ex(a(2, 3, 3), k=1)],
    np.clip: [
        ex(a(2, 3), -1.25, 1.25), ex(a(3), 0.25, None), ex(a(3), None, 0.25),
        ex(a(3), a_min=[-1.0, 0.0, 1.0], a_max=2.0), ex(a(3), min=-0.5, max=1.5), ex(a(3), a(3), 2.75),
        ex(np.array([0.5, 2.0]), 0.0, a()), ex(a(2, 1), a(3), 2.9),
    ],
    np.diff: [ex(a(4)), ex(a(4), 2), ex(a(2, 3), axis=0), ex(a(2, 3), n=0), ex(a(1)), ex(a(2, 3), 1, -1)],
    np.ediff1d: [ex(a(4)), ex(a(2, 2)), ex(a(3), to_end=a(2), to_begin=1.5)],
    # Grids
    np.trapezoid: [
        ex(a(4)), ex(a(2, 3)), ex(a(2, 3), axis=0), ex(a(4), dx=0.5), ex(a(3), a(3)),
        ex(a(3, 2), [0.0, 1.0, 3.0], axis=0),
        ex(a(2, 3), x=a(2, 3)), ex([1.0, 2.0], a(2)),
    ],
    np.gradient: [
        ex(a(5)), ex(a(4), 0.5), ex(a(3, 4)), ex(a(3, 4), 2.0, axis=0), ex(a(3, 4), 1.0, 0.5, edge_order=2), ex(a(2)),
        ex(a(3), edge_order=2),
    ],
    np.interp: [
        ex(a(4), [-2.0, 0.5, 1.0], a(3)), ex(a(), np.arange(3.0), a(3)),
        ex(a(2, 2), [-3.5, 0.1, 3.5], [1.0, 2.0, -1.0]),
        ex(a(4), [-1.0, 1.0], a(2), left=0.0, right=a()), ex([-1.0, 0.4], a(3, make=np.sort), a(3)),
        ex(a(3), [0.1], [2.0]),
        ex(0.5, np.arange(3.0), z(3)),
    ],
    np.convolve: WINDOWS,
    np.correlate: WINDOWS,
    np.polyval: [ex(a(3), a(4)), ex([1.0, 2.0, 3.0], a(2, 2)), ex(a(3), 0.5), ex(a(1), a(2))],
    np.vander: [ex(a(3)), ex(a(2), 4), ex(a(3), N=2, increasing=True)],
    # Elementwise
    np.real: [ex(a(2)), ex(z(2)), ex(z())],
    np.imag: [ex(a(2)), ex(z(2)), ex(z())],
    np.angle: [ex(z(3)), ex(z(3), deg=True), ex(a(2)), ex(z())],
    np.sinc: [*SAME, ex(a(3, domain=(-0.15, 0.15))), ex(a(4, domain=(-40.0, 40.0)))],
    np.nan_to_num: [ex(a(3)), ex(a(2), nan=1.0, posinf=2.0, neginf=3.0)],
    np.fix: SAME,
    np.round: [ex(a(3)), ex(a(3), 1), ex(a(2, 3), decimals=2), ex(a(3), -1), ex(a())],
    np.around: [ex(a(3)), ex(a(3), 1)],
    np.isposinf: SAME[:2],
    np.isneginf: SAME[:2],
    # Products
    np.dot: [
        *TWO_MATRICES, ex(a(2, 3), 2.0), ex(a(), a(2)), ex(a(2, 2, 3), a(3, 2)), ex(a(2, 3), a(4, 3, 2)),
        ex(a(2, 2, 3), a(3)),
    ],
    np.vdot: [ex(a(3), a(3)), ex(a(2, 2), a(2, 2)), ex(z(3), z(3)), ex(z(3), a(3))],
    np.inner: [ex(a(3), a(3)), ex(a(2, 3), a(4, 3)), ex(a(2, 3), a(3)), ex(a(), a(2)), ex(a(2), 2.0), ex(z(2), z(2))],
    np.outer: [ex(a(3), a(2)), ex(a(2, 2), a(2)), ex(a(2), [1.0, 2.0]), ex(a(), a(2)), ex(z(2), a(2))],
    np.linalg.outer: [ex(a(3), a(2))],
    np.kron: [ex(a(2), a(3)), ex(a(2, 2), a(2, 3)), ex(a(2), a(2, 2)), ex(a(2, 2), np.eye(2)), ex(a(), a(2))],
    np.cross: [
        ex(a(3), a(3)), ex(a(2, 3), a(3)), ex(a(3, 2), a(3, 2), axis=0), ex(a(3), [1.0, 2.0, 0.5]),
        ex(a(3, 2), a(2, 3), axisa=0, axisc=0), ex(z(3), a(3)),
    ],
    np.linalg.cross: [ex(a(3), a(3)), ex(a(3, 2), a(3, 2), axis=0)],
    np.linalg.matmul: [ex(a(2, 3), a(3, 2))],
    np.linalg.tensordot: [ex(a(2, 3), a(3, 2), axes=1)],
    np.tensordot: [
        ex(a(2, 3), a(3, 2), 1), ex(a(2, 3, 4), a(3, 4, 2), 2), ex(a(2, 3), a(2, 3), axes=([0, 1], [0, 1])),
        ex(a(2), a(3), 0), ex(a(2, 3, 4), a(4, 3), axes=((1, 2), (1, 0))), ex(a(2, 3), a(4, 3), axes=(-1, -1)),
        ex(a(2, 3), a(2, 3)),
    ],
    np.linalg.vecdot: [ex(a(3), a(3)), ex(a(2, 3), a(3)), ex(a(3, 2), a(3, 2), axis=0), ex(z(2, 3), z(2, 3))],
    np.einsum: [
        ex("ij,jk->ik", a(2, 3), a(3, 2)), ex("ij,jk", a(2, 3), a(3, 2)), ex("ii", a(3, 3)), ex("ii->i", a(3, 3)),
        ex("ij->ji", a(2, 3)), ex("...ij,...j->...i", a(2, 2, 3), a(3)), ex("i,i,i->", a(3), a(3), a(3)),
        ex("i,j->ij", a(2), a(3)), ex("ij->", a(2, 3)), ex(a(2, 3), [0, 1], a(3), [1], [0]),
        ex(a(2, 3), [0, 1], a(3), [1]), ex("...->...", a(2, 3)), ex("ij,ij->i", a(2, 3), np.ones((2, 3))),
        ex("b i j , b j -> b i", a(2, 2, 3), a(2, 3)), ex("ijj->ij", a(2, 3, 3)), ex("i...,i...", a(2, 3), a(2, 3)),
        ex("ik,jk->ij", z(2, 3), z(2, 3)), ex("ij,jk,kl->il", a(2, 2), a(2, 3), a(3, 2), optimize=True),
        ex("i,i", a(3), [1.0, 2.0, 3.0]), ex("ji", a(2, 3)), ex(",i->i", a(), a(2)), ex("ij,j->i", a(2, 1), a(3)),
        ex("iij->j", a(2, 2, 3)), ex("i...j->j...i", a(2, 3, 2)),
    ],
    # Linear algebra
    np.linalg.solve: [
        ex(a(3, 3, make=regular), a(3)), ex(a(3, 3, make=regular), a(3, 2)), ex(a(2, 3, 3, make=regular), a(2, 3, 1)),
        ex(np.diag([1.0, 2.0]), a(2)), ex(a(2, 2, make=regular), [1.0, 2.0]), ex(a(2, 2, 2, make=regular), a(2)),
        ex([[2.0, 1.0], [0.0, 1.0]], a(2)),
    ],
    np.linalg.inv: [ex(a(3, 3, make=regular)), ex(a(2, 2, 2, make=regular)), ex(a(1, 1))],
    np.linalg.det: [ex(a(3, 3)), ex(a(2, 2, 2)), ex(a(1, 1)), ex(z(2, 2)), ex(a(4, 4))],
    np.linalg.slogdet: [ex(a(3, 3, make=regular)), ex(a(2, 2, 2, make=regular))],
    np.linalg.cholesky: [ex(a(3, 3, inside=spd)), ex(a(2, 2, 2, inside=spd)), ex(a(3, 3, inside=spd), upper=True)],
    np.linalg.eigvalsh: [
        ex(a(3, 3, inside=symmetric)), ex(a(2, 2, 2, inside=symmetric), UPLO="U"), ex(a(1, 1)),
    ],
    np.linalg.eigh: [ex(a(3, 3, inside=symmetric)), ex(a(2, 3, 3, inside=symmetric), "U")],
    np.linalg.svdvals: [ex(a(3, 3)), ex(a(2, 3, 2)), ex(z(2, 3)), ex(a(1, 3))],
    np.linalg.svd: [
        ex(a(3, 3)), ex(a(4, 2), full_matrices=False), ex(a(2, 2, 3), full_matrices=False),
        ex(a(2, 3), compute_uv=False),
        ex(a(3, 2), False),
    ],
    np.linalg.pinv: [
        ex(a(3, 3, make=regular)), ex(a(4, 2)), ex(a(2, 2, 3)), ex(a(2, 3), rcond=1e-4), ex(a(3, 2), rtol=1e-4),
        ex(z(3, 2)),
    ],
    np.linalg.matrix_rank: [ex(a(3, 2)), ex(a(2, 3, 3)), ex(a(2, 2), tol=0.5), ex(a(2, 2), rtol=0.1), ex(a(3))],
    np.linalg.norm: [
        ex(a(3)), ex(a(2, 3)), ex(a(2, 3), axis=1), ex(a(2, 3), axis=-1, keepdims=True), ex(a(3), 1), ex(a(3), 3),
        ex(a(3), np.inf), ex(a(3), -np.inf), ex(a(3), 2), ex(a(3), 0), ex(a(3), 2.5), ex(a(2, 3), "fro"),
        ex(a(2, 3), 1), ex(a(2, 3), -1), ex(a(2, 3), np.inf), ex(a(2, 3), -np.inf), ex(a(2, 3, 2), axis=(0, 2)),
        ex(a(2, 3, 2), "fro", axis=(1, 2)), ex(a(2, 3, 2), 1, (0, 2), True), ex(a(2, 3), keepdims=True), ex(z(3)),
        ex(z(2, 2), axis=0), ex(z(3), 1), ex(a(2, 3, 2)), ex(a(0)), ex(a(2, 3, 2), np.inf, axis=(-1, 0)), ex(a()),
        ex(a(2, 3), 2), ex(a(2, 3), -2), ex(a(2, 3), "nuc"), ex(a(2, 3, 2), 2, (0, 1), True),
        ex(a(2, 3, 2), "nuc", (2, 0)),
    ],
    np.linalg.vector_norm: [
        ex(a(2, 3)), ex(a(2, 3), axis=1), ex(a(3), ord=1), ex(a(3), ord=np.inf),
        ex(a(2, 3), axis=(0, 1), keepdims=True, ord=3),
    ],
    np.linalg.matrix_norm: [
        ex(a(2, 3)), ex(a(2, 3), ord=1), ex(a(2, 2, 3), ord=-np.inf), ex(a(2, 2, 3), keepdims=True),
        ex(a(2, 2, 3), ord=2), ex(a(2, 2, 3), keepdims=True, ord="nuc"),
    ],
    np.linalg.multi_dot: [ex([a(2, 3), a(3, 2), a(2, 2)]), ex([a(3), a(3, 2), a(2)]), ex([a(2, 3), np.ones((3, 2))])],
    np.linalg.matrix_power: [
        ex(a(2, 2), 0), ex(a(2, 2), 1), ex(a(2, 2), 3), ex(a(2, 2, make=regular), -2), ex(a(2, 2, 2), 5),
    ],
    # Facts
    np.shape: [ex(a(2, 3)), ex(a())],
    np.ndim: [ex(a(2, 3)), ex(a())],
    np.size: [ex(a(2, 3)), ex(a(2, 3), 1)],
    np.iscomplexobj: [ex(a(2)), ex(z(2))],
    np.isrealobj: [ex(a(2)), ex(z(2))],
    np.result_type: [ex(a(2), np.float32), ex(a(2), 1.0), ex(z(2), a(2))],
    np.allclose: [ex(a(2), a(2)), ex(a(2), 1.0, atol=10.0)],
    np.array_equal: [ex(a(2), a(2)), ex(a(2), a(3))],
    np.isclose: [ex(a(2), a(2)), ex(a(2), 1.0, rtol=3.0)],
    np.nonzero: [ex(a(2, 3)), ex(flags(2, 3))],
    np.flatnonzero: [ex(a(2, 3))],
    np.argwhere: [ex(a(2, 3))],
    np.searchsorted: [ex(np.array([-1.0, 0.25, 1.5]), a(4)), ex(np.array([0.0, 1.0]), a())],
    # Making arrays
    np.astype: [
        ex(a(2), np.float64), ex(a(2), np.float32), ex(a(2), int), ex(a(2), bool), ex(a(2), complex),
        ex(a(2), "float64", copy=False),
    ],
    np.copy: SAME,
    np.zeros_like: [ex(a(2, 3)), ex(a(2), dtype=int), ex(a(2), shape=(3,)), ex(a())],
    np.ones_like: [ex(a(2, 3)), ex(a(2), dtype=np.float32), ex(a(2), shape=3)],
    np.full_like: [ex(a(2, 3), 1.5), ex(a(2), a()), ex(a(2), a(2), shape=(3, 2)), ex(a(2), 1, dtype=np.float32)],
}  # fmt: skip

UFUNC_EXAMPLES = {
    np.matmul: [
        *TWO_MATRICES, ex(a(2, 2, 3), a(3, 2)), ex(a(2, 2, 3), a(2, 3, 1)), ex(a(3), a(2, 3, 2)), ex(a(2, 2, 3), a(3)),
    ],
    np.matvec: [
        ex(a(2, 3), a(3)), ex(a(4, 2, 3), a(3)), ex(a(2, 3), a(4, 3)), ex(z(2, 2), z(2)), ex([[1.0, 2.0]], a(2)),
    ],
    np.vecmat: [ex(a(2), a(2, 3)), ex(a(4, 2), a(2, 3)), ex(z(2), z(2, 2)), ex([1.0, 2.0], a(2, 2))],
    np.vecdot: [ex(a(3), a(3)), ex(a(2, 3), a(3)), ex(z(3), z(3)), ex(z(2, 3), a(3)), ex([1.0, 2.0], a(2))],
    np.power: [
        ex(plus(2, 3), a(3)), ex(a(3), 2), ex(a(3), 3), ex(a(3), 2.0), ex(a(3), -1), ex(plus(3), 0.5), ex(2.0, a(3)),
        ex(a(3), [1, 2, 3]), ex(a(2), np.int64(2)), ex(a(2), np.float32(2)), ex(z(2), 2), ex(plus(2), z(2)),
        ex(a(3), 0), ex(a(2), np.array(3)), ex(a(2), True),
    ],
    np.float_power: [ex(plus(3), a(3)), ex(a(3), 2), ex(2, a(3)), ex(a(2), 3.0)],
    np.absolute: [*SAME, ex(z(2, 3)), ex(z())],
    np.positive: SAME,
    np.conjugate: [*SAME, ex(z(2))],
    np.divmod: [ex(a(3), 0.75), ex(plus(3), plus(3)), ex(5.0, plus(2))],
    np.modf: SAME,
    np.ldexp: [ex(a(3), 2), ex(a(3), np.array([1, -2, 0])), ex(a(), 3), ex(a(3), whole(3))],
    np.floor_divide: [ex(plus(2, 3), plus(3)), ex(plus(2), 0.7), ex(1.4, plus(2)), ex([1.5, 2.5], plus(2))],
    np.square: [*SAME, ex(z(2))],
    np.exp: [*SAME, ex(z(2)), ex([0.5, 1.0])],
    np.add: [*PAIR, ex(a(2), 1), ex(z(2), a(2)), ex(a(2), 1j), ex(True, a(2))],
    np.multiply: [*PAIR, ex(a(2), 2), ex(z(2), a(2)), ex(1j, a(2)), ex(a(2), z(2))],
    np.divide: [*PAIR[2:4], ex(a(2), plus(2)), ex(a(2), 2), ex(1, plus(3)), ex(z(2), z(2)), ex(a(3), [1, 2, 4])],
    np.bitwise_and: [ex(flags(3), flags(2, 3)), ex(whole(3), 3)],
    np.bitwise_or: [ex(flags(3), flags(2, 3)), ex(1, whole(3))],
    np.bitwise_xor: [ex(flags(3), flags(2, 3)), ex(whole(3), whole(3))],
    np.invert: [ex(flags(3)), ex(whole(2))],
    np.left_shift: [ex(whole(3), 1)],
    np.right_shift: [ex(whole(3), 1)],
    np.logical_not: [ex(a(3)), ex(flags(2))],
}  # fmt: skip

REDUCE_EXAMPLES = {
    np.add: [
        ex(a(2, 3)), ex(a(2, 3), axis=None), ex(a(2, 3), axis=-1), ex(a(2, 3), axis=(0, 1), keepdims=True),
        ex(a(3), 0),
    ],
    np.multiply: [ex(a(2, 3)), ex(a(2, 3), axis=None), ex(a(3), keepdims=True)],
    np.maximum: [ex(a(2, 3)), ex(a(2, 3), axis=1, keepdims=True), ex(a(2, 3), axis=None)],
    np.minimum: [ex(a(2, 3)), ex(a(2, 3), axis=None)],
    np.logaddexp: [ex(a(2, 3)), ex(a(3)), ex(a(2, 3), axis=1), ex(a(2, 3), axis=1, keepdims=True)],
    np.logical_or: [ex(a(2, 3)), ex(flags(2, 3), axis=1)],
    np.logical_and: [ex(a(2, 3)), ex(flags(2, 3), axis=None)],
}  # fmt: skip

OUTER_EXAMPLES = {
    np.multiply: [ex(a(2), a(3)), ex(a(2), [1.0, 2.0]), ex(1.5, a(2)), ex(a(), a(2, 2))],
    np.add: [ex(a(2), a(3)), ex([1.0, 2.0], a(2))],
    np.subtract: [ex(a(2, 2), a(3))],
    np.maximum: [ex(a(2), np.array([0.25, 1.25]))],
}
