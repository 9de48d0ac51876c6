"""Functions that a written module brings along where NumPy has no short form: each gives the bits of the row it is for.

They are copied into the module as text, so they use NumPy, SciPy and each other only. Where a row computes with such a
function itself, it is that one.
"""

import numpy as np
from scipy import special
from scipy.linalg import solve_triangular

from mixgrad.rules.determinant import cofactors as cofactors


def strong_product(a, b):
    """Return ``a * b`` where zero times anything, inf and nan included, is zero."""
    product = a * b
    if all_finite(product):
        return product
    return np.where((a == 0) | (b == 0), np.zeros((), np.result_type(product)), product)[()]


def all_finite(x):
    """Return whether no entry is inf or nan; False, too, where the sum of squares overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.vdot(x, x).real))


def weigh(c, t):
    """Return ``c * t``, in which zero times anything is zero."""
    if type(c) is int and c in (1, -1):
        return t if c == 1 else -t
    return strong_product(c, t)


def weighted_sum(*pairs, shape, dtype):
    """Return ``c1 * t1 + c2 * t2 + ...``, in which zero times anything is zero, of this shape and dtype."""
    weights, terms = pairs[::2], pairs[1::2]
    products = [weigh(c, t) if type(c) is int else c * t for c, t in zip(weights, terms)]
    total = products[0]
    for product in products[1:]:
        total = total + product
    if any(type(c) is not int for c in weights) and not all_finite(total):
        total = weigh(weights[0], terms[0])
        for c, t in zip(weights[1:], terms[1:]):
            total = total + weigh(c, t)
    total = np.complex128(total) if type(total) is complex else total
    if total.dtype != dtype:
        real = total.dtype.kind == "c" and np.dtype(dtype).kind != "c"
        total = (total.real if real else total).astype(dtype)
    return total if total.shape == shape or -1 in shape else np.broadcast_to(total, shape)


def logsumexp(x, axis, keepdims=False):
    """Return ``log(sum(exp(x)))`` without overflow; -inf where all entries are -inf."""
    largest = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, np.zeros((), x.dtype))
    with np.errstate(divide="ignore", over="ignore"):
        total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    if keepdims:
        return total
    return total.reshape([n for i, n in enumerate(x.shape) if i not in axis])[()]


def solve_stack(a, b, lower, unit_diagonal=False):
    """Solve triangular systems one by one, for stacks of matrices."""
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    matrices = np.broadcast_to(a, (*stack, *a.shape[-2:])).reshape(-1, *a.shape[-2:])
    sides = np.broadcast_to(b, (*stack, *b.shape[-2:])).reshape(-1, *b.shape[-2:])
    parts = [
        solve_triangular(m, v, lower=lower, unit_diagonal=unit_diagonal, check_finite=False)
        for m, v in zip(matrices, sides)
    ]
    return np.array(parts).reshape(*stack, *b.shape[-2:])


def well_defined(x, pairs, what):
    """Return x, which must vanish for pairs of vectors that belong to equal values."""
    if np.any(pairs):
        size = np.abs(x)
        rounding = 100 * x.shape[-1] * np.finfo(x.dtype).eps * np.max(size, axis=(-2, -1), keepdims=True)
        bad = np.argwhere(pairs & (size > rounding))
        if len(bad):
            i, j = sorted(map(int, bad[0][-2:]))
            raise ValueError(f"{what} {i} and {j} belong to equal values, so they have no derivative in this direction")
    return x


def einsum(subscripts, *operands):
    """Return ``np.einsum``, pair by pair where that saves work."""
    sizes = {}
    for labels, x in zip(subscripts.split("->")[0].split(","), operands):
        sizes.update(zip(labels, x.shape))
    large = len(operands) > 1 and np.prod(list(sizes.values()), dtype=float) > 4096
    return np.einsum(subscripts, *operands, optimize=large)


def quadrature():
    """Return nodes between 0 and 1, their distances to 1, and weights, of the double exponential rule."""
    k = 0.04 * np.arange(-84, 85)
    nodes, rest = special.expit(np.pi * np.sinh(k)), special.expit(-(np.pi * np.sinh(k)))
    return nodes, rest, 0.04 * np.pi * np.cosh(k) * nodes * rest


def erfcx_integral(x, order):
    """Return ``exp(x**2)`` times the repeated integral of erfc of this order."""
    nodes, _, weights = quadrature()
    negative = np.minimum(x, 0.0)
    before, recurrence = 2 / np.sqrt(np.pi), special.erfcx(negative)
    for n in range(1, order + 1):
        before, recurrence = recurrence, (before / 2 - negative * recurrence) / n
    if order == 0:
        return special.erfcx(x)
    positive = np.maximum(x, 0.0)[..., None]
    reach = 40.0 + 4.0 * order
    end = reach / (np.sqrt(positive * positive + reach) + positive)
    t = end * nodes
    integral = np.sum(t**order * np.exp(-t * (t + 2 * positive)) * (end * weights), axis=-1)
    return np.where(x < 0, recurrence, 2 / (np.sqrt(np.pi) * special.gamma(order + 1.0)) * integral)[()]


def exponential_moment(x, order):
    """Return the integral of ``s**order * exp(x * s)`` for s from 0 to 1."""
    nodes, rest, weights = quadrature()
    x = np.asarray(x)[..., None]
    size = np.abs(x)
    end = np.minimum(1.0, (40.0 + 4.0 * order) / np.where(size == 0, 1.0, size))
    s = end * nodes
    power = np.where(x < 0, s, np.where(end == 1.0, rest, 1.0 - s)) ** order
    return np.exp(np.maximum(x[..., 0], 0.0)) * np.sum(power * np.exp(-size * s) * (end * weights), axis=-1)


def reversal(step, back, test, consts, state, xs, carry, zs, length, reverse, memory, empty):
    """Go through the states of a loop backwards, of which at most `memory` are kept (Griewank and Walther, revolve).

    The states are those that `step` makes of the first one; `back` runs for each, the last one first. If there is a
    `test`, the steps are counted first. Return what `back` carries, then what it stacks: `empty` if there are no steps.
    """
    count = length
    if test is not None:
        last, count = state, 0
        while test(*consts, *last):
            last, count = step(*consts, *last), count + 1
    places = range(count - 1, -1, -1) if reverse else range(count)
    stacks = [[] for _ in empty]
    kept = [(0, state)]
    for number in reversed(range(count)):
        present, state = kept[-1]
        while present < number:
            free = memory - len(kept)
            target = present + snapshot_after(number + 1 - present, free + 1) if free else number
            for i in places[present:target]:
                state = step(*consts, *state, *[x[i] for x in xs])
            present = target
            if free:
                kept.append((present, state))
        i = places[number]
        outs = back(*consts, *state, *[x[i] for x in xs], *carry, *[z[i] for z in zs])
        carry = outs[: len(carry)]
        for stack, out in zip(stacks, outs[len(carry) :]):
            stack.append(out)
        if kept[-1][0] == number:
            kept.pop()
    ordered = [stack if reverse else stack[::-1] for stack in stacks]
    return (*carry, *[np.stack(stack) if stack else like for stack, like in zip(ordered, empty)])


def snapshot_after(steps, snapshots):
    """Return after how many steps to keep a state, if there is room for `snapshots`, the present one included."""
    r = 1
    while binomial(snapshots + r, snapshots) < steps:
        r += 1
    return min(binomial(snapshots + r - 1, snapshots), steps - binomial(snapshots + r - 2, snapshots - 1))


def binomial(n, k):
    """Return n over k."""
    result = 1
    for i in range(k):
        result = result * (n - i) // (i + 1)
    return result
