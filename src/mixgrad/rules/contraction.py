"""Rows of products summed over axes: `matmul`, `matvec`, `vecdot` and, for everything else, `einsum`."""

from __future__ import annotations

import functools
import math
import string

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from mixgrad.core.numpy_table import numpy_function
from mixgrad.rules.row import Sample, align, conjugate, multilinear
from mixgrad.rules.shape import as_array

# Rows -----------------------------------------------------------------------------------------------------------------


def adjoint(x):
    """Return the conjugate transpose of (a stack of) matrices."""
    return conjugate(x.mT)


def _matmul_transpose(out_bar, args, i):
    x, y = args
    return out_bar @ adjoint(y) if i == 0 else adjoint(x) @ out_bar


def stacked_batch(op, core):
    """Batch an op (given by a function, for it is not yet made) on stacks: the batch is one more axis of the stack."""

    def batch(args, batched, **static):
        stack = max(np.ndim(arg) - flag - n for arg, flag, n in zip(args, batched, core))
        aligned = [align(arg, stack + n) if flag else arg for arg, flag, n in zip(args, batched, core)]
        return op()(*aligned, **static)

    return batch


def _stack(x, y, core):
    return np.broadcast_shapes(x.shape[: len(x.shape) - core[0]], y.shape[: len(y.shape) - core[1]])


matmul = multilinear(
    "matmul",
    np.matmul,
    _matmul_transpose,
    stacked_batch(lambda: matmul, (2, 2)),
    lambda x, y: (*_stack(x, y, (2, 2)), x.shape[-2], y.shape[-1]),
    samples=(
        Sample(((2, 3), (3, 4))),
        Sample(((5, 2, 3), (3, 1))),
        Sample(((2, 1, 2, 2), (3, 2, 3))),
        Sample(((2, 0), (0, 2))),
    ),
)

matvec = multilinear(
    "matvec",
    lambda x, y: np.matmul(x, y) if np.ndim(y) == 1 else np.matmul(x, y[..., None])[..., 0],
    lambda out_bar, args, i: (
        out_bar[..., None] * conjugate(args[1])[..., None, :] if i == 0 else matvec(adjoint(args[0]), out_bar)
    ),
    stacked_batch(lambda: matvec, (2, 1)),
    lambda x, y: (*_stack(x, y, (2, 1)), x.shape[-2]),
    samples=(Sample(((2, 3), (3,))), Sample(((4, 2, 3), (3,))), Sample(((2, 3), (4, 3)))),
)

# The product of two vectors, without the conjugation of NumPy's function of that name.
vecdot = multilinear(
    "vecdot",
    lambda x, y: np.dot(x, y) if np.ndim(x) == 1 == np.ndim(y) else np.vecdot(np.conjugate(x), y),
    lambda out_bar, args, i: out_bar[..., None] * conjugate(args[1 - i]),
    stacked_batch(lambda: vecdot, (1, 1)),
    lambda x, y: _stack(x, y, (1, 1)),
    samples=(Sample(((3,), (3,))), Sample(((4, 3), (3,)))),
)


def _einsum_value(*operands, subscripts):
    inputs, output = subscripts
    text = ",".join(inputs) + "->" + output
    sizes = {label: n for term, x in zip(inputs, operands) for label, n in zip(term, np.shape(x))}
    if len(operands) > 1 and math.prod(sizes.values()) > 4096:
        return np.einsum(text, *operands, optimize=_path(text, tuple(np.shape(x) for x in operands)))
    return np.einsum(text, *operands)


@functools.lru_cache(maxsize=1024)
def _path(text, shapes):
    """Return the order of pairwise contractions, which then run in BLAS."""
    return np.einsum_path(text, *[np.broadcast_to(0.0, shape) for shape in shapes], optimize=True)[0]


def _einsum_transpose(out_bar, args, i, *, subscripts):
    inputs, output = subscripts
    target = inputs[i]
    others = [(term, conjugate(arg)) for j, (term, arg) in enumerate(zip(inputs, args)) if j != i]
    known = set(output).union(*(term for term, _ in others))
    found = "".join(label for label in target if label in known)
    bar = einsum(out_bar, *[arg for _, arg in others], subscripts=((output, *(term for term, _ in others)), found))
    # A label of this operand alone has been summed over: every entry along it gets the same cotangent.
    shape = args[i].shape
    lone = tuple(n if label in found else 1 for label, n in zip(target, shape))
    return np.broadcast_to(bar.reshape(lone), shape)


def _einsum_batch(args, batched, *, subscripts):
    inputs, output = subscripts
    label = next(c for c in string.ascii_letters if c not in set(output).union(*inputs))
    terms = tuple(label + term if flag else term for term, flag in zip(inputs, batched))
    return einsum(*args, subscripts=(terms, label + output))


def _einsum_shape(*args, subscripts):
    inputs, output = subscripts
    sizes = {label: n for term, x in zip(inputs, args) for label, n in zip(term, x.shape)}
    return tuple(sizes[label] for label in output)


def _einsum_expand(*operands, subscripts):
    """Contract more than two operands pair by pair."""
    (first, second, *rest), output = subscripts
    if not rest:
        return None
    needed = set(output).union(*rest)
    kept = "".join(label for label in dict.fromkeys(first + second) if label in needed)
    pair = einsum(operands[0], operands[1], subscripts=((first, second), kept))
    return einsum(pair, *operands[2:], subscripts=((kept, *rest), output))


einsum = multilinear(
    "einsum",
    _einsum_value,
    _einsum_transpose,
    _einsum_batch,
    _einsum_shape,
    linear_in=None,
    expand=_einsum_expand,
    samples=(
        Sample(((2, 3), (3, 4)), {"subscripts": (("ij", "jk"), "ki")}),
        Sample(((2, 3),), {"subscripts": (("ij",), "j")}),
        Sample(((2, 3), (4,)), {"subscripts": (("ij", "k"), "i")}),
        Sample(((2, 3), (3,), (2, 4)), {"subscripts": (("ij", "j", "ik"), "k")}),
    ),
)


# What NumPy's functions mean ------------------------------------------------------------------------------------------


@numpy_function(np.matmul)
def _matmul(x1, x2):
    x1, x2 = as_array(x1), as_array(x2)
    m, n = x1.ndim, x2.ndim
    if m == 0 or n == 0:
        raise ValueError("matmul: an operand has no axes; use * for the product with a number")
    k = x2.shape[-2] if n > 1 else x2.shape[-1]
    if x1.shape[-1] != k:
        raise ValueError(
            f"matmul: shapes {np.shape(x1)} and {np.shape(x2)} do not fit: the last axis of the first has length "
            f"{x1.shape[-1]}, the axis of the second that it meets {k}"
        )
    if m > 1:
        return matmul(x1, x2) if n > 1 else matvec(x1, x2)
    return matvec(np.swapaxes(x2, -1, -2), x1) if n > 1 else vecdot(x1, x2)


@numpy_function(np.linalg.matmul)
def _linalg_matmul(x1, x2, /):
    return _matmul(x1, x2)


@numpy_function(np.dot)
def _dot(a, b, out=None):
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if np.ndim(a) <= 2 and np.ndim(b) <= 2:
        return _matmul(a, b)
    return _tensordot(a, b, (-1, -2 if np.ndim(b) > 1 else -1))


@numpy_function(np.matvec)
def _matvec(x1, x2):
    return matvec(x1, x2)


@numpy_function(np.vecmat)
def _vecmat(x1, x2):
    return matvec(np.swapaxes(x2, -1, -2), np.conjugate(x1))


@numpy_function(np.vecdot, np.linalg.vecdot)
def _vecdot(x1, x2, *, axis=-1):
    return vecdot(np.conjugate(np.moveaxis(x1, axis, -1)), np.moveaxis(x2, axis, -1))


@numpy_function(np.vdot)
def _vdot(a, b):
    return vecdot(np.conjugate(np.ravel(a)), np.ravel(b))


@numpy_function(np.inner)
def _inner(a, b):
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return _tensordot(a, b, (-1, -1))


@numpy_function(np.outer, np.linalg.outer)
def _outer(a, b, out=None):
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@numpy_function(np.kron)
def _kron(a, b):
    ndim = max(np.ndim(a), np.ndim(b))
    a, b = (np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x)) for x in (a, b))
    spread_a = np.reshape(a, tuple(n for k in a.shape for n in (k, 1)))
    spread_b = np.reshape(b, tuple(n for k in b.shape for n in (1, k)))
    return np.reshape(spread_a * spread_b, tuple(m * n for m, n in zip(a.shape, b.shape)))


@numpy_function(np.cross, np.linalg.cross)
def _cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    a, b = np.moveaxis(as_array(a), axisa, -1), np.moveaxis(as_array(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"np.cross needs vectors of three components, got shapes {a.shape} and {b.shape}")
    one, two = [1, 2, 0], [2, 0, 1]
    return np.moveaxis(a[..., one] * b[..., two] - a[..., two] * b[..., one], -1, axisc)


@numpy_function(np.tensordot, np.linalg.tensordot)
def _tensordot(a, b, axes=2):
    if np.ndim(axes) == 0:
        axes = (tuple(range(np.ndim(a) - axes, np.ndim(a))), tuple(range(axes)))
    first, second = ((axis,) if np.ndim(axis) == 0 else tuple(axis) for axis in axes)
    first = [normalize_axis_index(axis, np.ndim(a)) for axis in first]
    second = [normalize_axis_index(axis, np.ndim(b)) for axis in second]
    if [a.shape[i] for i in first] != [b.shape[j] for j in second]:
        raise ValueError(f"tensordot: axes {axes} of shapes {np.shape(a)} and {np.shape(b)} differ in length")
    rest_a = [i for i in range(np.ndim(a)) if i not in first]
    rest_b = [j for j in range(np.ndim(b)) if j not in second]
    length = math.prod(a.shape[i] for i in first)
    shape_a, shape_b = tuple(a.shape[i] for i in rest_a), tuple(b.shape[j] for j in rest_b)
    left = np.transpose(a, (*rest_a, *first)).reshape((math.prod(shape_a), length))
    right = np.transpose(b, (*second, *rest_b)).reshape((length, math.prod(shape_b)))
    return matmul(left, right).reshape(shape_a + shape_b)


@numpy_function(np.einsum)
def _einsum(*operands, optimize=None):
    if not isinstance(operands[0], str):
        operands = _from_sublists(operands)
    text, *arrays = operands
    arrays = [as_array(x) for x in arrays]
    inputs, output = _parse(text, [x.ndim for x in arrays])
    for i, term in enumerate(inputs):
        arrays[i], inputs[i] = _without_repeats(arrays[i], term)
    sizes: dict[str, int] = {}
    for i, term in enumerate(inputs):
        for label, n in zip(term, arrays[i].shape):
            if sizes.setdefault(label, n) != n and 1 not in (n, sizes[label]):
                raise ValueError(
                    f"einsum {text!r}: label {label!r} has length {sizes[label]} and, in operand {i} of shape "
                    f"{arrays[i].shape}, length {n}"
                )
            sizes[label] = max(sizes[label], n) if n and sizes[label] else 0
    for i, term in enumerate(inputs):
        arrays[i] = np.broadcast_to(arrays[i], tuple(sizes[label] for label in term))
    return einsum(*arrays, subscripts=(tuple(inputs), output))


def _from_sublists(operands):
    """Turn ``einsum(x, [0, 1], y, [1], [0])`` into ``einsum("ab,b->a", x, y)``."""
    letters = string.ascii_letters
    arrays = list(operands[0 : len(operands) // 2 * 2 : 2])
    terms = operands[1 : len(operands) // 2 * 2 : 2]
    words = ["".join("..." if k is Ellipsis else letters[k] for k in term) for term in terms]
    text = ",".join(words)
    if len(operands) % 2:
        text += "->" + "".join("..." if k is Ellipsis else letters[k] for k in operands[-1])
    return (text, *arrays)


def _parse(text, ndims):
    """Return input terms and output term with every ellipsis replaced by labels."""
    text = text.replace(" ", "")
    left, arrow, output = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(ndims):
        raise ValueError(f"einsum {text!r} names {len(inputs)} operands, got {len(ndims)}")
    free = [c for c in string.ascii_letters if c not in text]
    hidden = max((ndim - len(term) + 3 for term, ndim in zip(inputs, ndims) if "..." in term), default=0)
    spread = "".join(free[:hidden])
    if not arrow:
        labels = left.replace(",", "").replace(".", "")
        output = ("..." if "..." in left else "") + "".join(sorted(c for c in set(labels) if labels.count(c) == 1))
    for i, (term, ndim) in enumerate(zip(inputs, ndims)):
        if "..." in term:
            own = ndim - len(term) + 3
            inputs[i] = term.replace("...", spread[hidden - own :])
        if len(inputs[i]) != ndim:
            raise ValueError(f"einsum {text!r}: operand {i} has {ndim} axes, its term {term!r} names {len(inputs[i])}")
    return inputs, output.replace("...", spread)


def _without_repeats(x, term):
    """Take the diagonal where a label is repeated in one term, as in ``ii->i``."""
    for label in set(term):
        while term.count(label) > 1:
            i = term.index(label)
            j = term.index(label, i + 1)
            x = np.diagonal(x, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + label
    return x, term
