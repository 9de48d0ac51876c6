"""The checks of the conformance test beyond the first order: all ways of differentiating twice, Taylor polynomials."""

from __future__ import annotations

import itertools
import math

import numpy as np
from mpmath import mp

from mixgrad.derivatives import jvp, taylor, vjp

from . import oracles
from .cases import Case
from .conformance import (
    check_elements,
    close,
    cotangents,
    directions,
    dtype_of,
    elements,
    epsilon,
    fail,
    first_derivative,
    inner,
    largest,
    wide,
)


def second_derivative(case: Case, v: tuple, w: tuple) -> list:
    """Return the oracle's second derivative in two directions, in double precision."""
    floats = wide(case)
    if case.op.name in oracles.NUMPY:
        return oracles.five_points(lambda *x: first_derivative(case, x, v), floats, w, step=1e-4)
    total = 0.0
    for (i, a), (j, b) in itertools.product(zip(case.places, v), zip(case.places, w)):
        total = total + elements(case, floats, (i, j)) * np.asarray(a, float) * np.asarray(b, float)
    return [total]


def check_second(case: Case) -> None:
    """All four ways of differentiating twice agree, and with the oracle."""
    v, w, u, x = directions(case, "v"), directions(case, "w"), cotangents(case), case.floats

    def pulled(*x):
        return vjp(case.outputs, *x)[1](u)

    def pushed(*x):
        return jvp(case.outputs, x, v)[1]

    products = {
        "forward over reverse": jvp(pulled, x, v)[1],
        "reverse over forward": vjp(pushed, *x)[1](u),
        "reverse over reverse": vjp(pulled, *x)[1](v),
    }
    want = second_derivative(case, v, w)
    eps = epsilon(dtype_of(case))
    scale = max(largest(want), largest(first_derivative(case, wide(case), v)))
    for got, part in zip(jvp(pushed, x, w)[1], want):
        close(case, f"forward over forward in directions {v}, {w}", got, part, max(1e-9, 1e3 * eps), scale)
    first = products["forward over reverse"]
    for name, product in products.items():
        for a, b in zip(first, product):
            close(case, f"forward over reverse and {name} differ", b, a, 1e3 * eps, max(largest(first), scale))
        left, size = inner(product, w)
        right, other = inner(u, want)
        if not abs(left - right) <= max(1e-9, 1e3 * eps) * (size + other + scale):
            fail(case, f"{name}: <Hv, w> = {left!r}, expected {right!r}")


def check_second_elements(case: Case) -> None:
    """At a special point each second partial derivative is that of mpmath, relative to its own size."""
    pairs = list(itertools.combinations_with_replacement(enumerate(case.places), 2))
    if not all(_in_range(case, (i, j)) for (_, i), (_, j) in pairs):
        return  # arctan2 at 1e-200: one second derivative is larger than any number
    for (k, i), (m, j) in pairs:
        first, second = ([np.ones_like(x) * (n == c) for n, x in enumerate(case.floats)] for c in (k, m))
        got = jvp(lambda *x, first=first: jvp(case.call, x, first)[1], case.floats, second)[1]
        # Where two terms cancel, their rounding remains.
        point = tuple(x.item() for x in case.args)
        terms = [abs(oracles.partial(case.op.name, point, c)) / (abs(point[d]) or 1) for c, d in ((i, j), (j, i))]
        rounding = float(max(terms)) * 16 * epsilon(dtype_of(case))
        check_elements(case, got, (i, j), 64, f"second derivative by arguments {i}, {j}", rounding)


def check_third(case: Case) -> None:
    """Three orders by each argument, by nested forward mode and by Taylor polynomials.

    A rule that hides a kink is right to second order only.
    """
    for k, i in enumerate(case.places):
        unit = [np.ones_like(x) * (n == k) for n, x in enumerate(case.floats)]
        nested = [lambda x: case.call(*x)]
        for _ in range(3):
            nested.append(_derivative(nested[-1], unit))
        x = list(case.floats)
        _compare_orders(case, i, "nested", [np.asarray(f(x)) for f in nested])
        coefficients = taylor(nested[0], x, unit, 3)
        _compare_orders(case, i, "Taylor", [c * math.factorial(n) for n, c in enumerate(coefficients)])


def _compare_orders(case: Case, i: int, what: str, found: list) -> None:
    """Compare derivatives of orders 0 to 3 with mpmath, relative to the largest of them that is of no higher order."""
    args = np.broadcast_arrays(*case.args)
    for index in np.ndindex(found[0].shape):
        point = tuple(arg[index].item() for arg in args)
        exact = [oracles.partial(case.op.name, point, *(i,) * n) for n in range(4)]
        for order in (1, 2, 3):
            size = max(abs(number) for number in exact[1 : order + 1])
            got = found[order][index]
            if 1e-30 < size < 1e30 and not abs(got - exact[order]) <= 1e-9 * size:
                wanted = mp.nstr(exact[order], 17)
                fail(case, f"{what}: derivative {order} by argument {i} at {index}: {got!r}, expected {wanted}")


def _in_range(case: Case, places: tuple) -> bool:
    """Return whether a partial derivative of a scalar case is zero or a normal number."""
    exact = abs(oracles.partial(case.op.name, tuple(x.item() for x in case.args), *places))
    limits = np.finfo(dtype_of(case))
    return exact < mp.mpf(float(limits.max)) and (exact == 0 or exact > mp.mpf(float(limits.tiny)))


def check_taylor(case: Case) -> None:
    """The coefficients of a Taylor polynomial are those of nested forward mode; so are those of a gradient's."""
    u = cotangents(case)
    _compare_with_nested(case, "Taylor polynomial", lambda x: case.outputs(*x), 3)
    _compare_with_nested(case, "Taylor polynomial of the gradient", lambda x: list(vjp(case.outputs, *x)[1](u)), 1)


def _compare_with_nested(case: Case, what: str, function, order: int) -> None:
    v = list(directions(case, "v"))
    coefficients = taylor(function, list(case.floats), v, order)
    size = 0.0
    for k in range(order + 1):
        want = function(list(case.floats))
        size = max(size, largest(want))
        for got, part in zip(coefficients, want):
            part = np.asarray(part)
            if got.dtype != part.dtype or len(got) != order + 1:
                fail(case, f"{what}: {got!r}, of dtype {got.dtype}; expected {order + 1} coefficients of {part.dtype}")
            close(case, f"{what}, power {k}", got[k] * math.factorial(k), part, 1e3 * epsilon(dtype_of(case)), size)
        function = _derivative(function, v)


def _derivative(function, v: list):
    return lambda x: jvp(function, (x,), (v,))[1]


def check_complex_second(case: Case) -> None:
    """The gradient of a real function of complex numbers is differentiated right, in both orders of the modes."""
    v, u = directions(case, "v"), cotangents(case)

    def pulled(*x):
        return list(vjp(case.outputs, *x)[1](u))

    one = jvp(pulled, case.floats, v)[1]
    two = vjp(lambda *x: jvp(case.outputs, x, v)[1], *case.floats)[1](u)
    want = oracles.five_points(pulled, case.floats, v, step=1e-4)
    size = max(largest(want), largest(pulled(*case.floats)))
    for forward, reverse, part in zip(one, two, want):
        close(case, "forward over reverse", forward, part, 1e-7, size)
        close(case, "reverse over forward", reverse, forward, 1e-12, size)
    _compare_with_nested(case, "Taylor polynomial", lambda x: case.outputs(*x), 2)
