"""`for` over ranges, arrays, `zip`, `enumerate`; what loops leave behind."""

from __future__ import annotations

import math

import numpy as np

from .construct import construct


@construct()
def for_range(x):
    y = x[0]
    for i in range(5):
        y = np.sin(y) + i * x[1]
    return y


@construct()
def for_range_with_step(x):
    y = x[0]
    for i in range(3, -1, -2):
        y = y * x[1] + x[i]
    return y


@construct()
def for_over_an_array(x):
    y = 1.0
    for a in x:
        y = y * a + a**2
    return y


@construct()
def for_over_rows(x):
    A = x.reshape(2, 2)
    y = 0.0
    for row in A:
        y += row[0] * row[1] ** 2
    return y


@construct()
def enumerate_rows(x):
    A = np.outer(x, x)
    y = 0.0
    for i, row in enumerate(A):
        y += (i + 1) * np.sum(row) * row[i]
    return y


@construct()
def enumerate_from_a_start(x):
    return sum_of_powers(x)


def sum_of_powers(x):
    y = 0.0
    for k, a in enumerate(x, start=1):
        y += a**2 / k
    return y


@construct()
def zip_of_two_arrays(x):
    y = 0.0
    for a, b in zip(x, x[::-1]):
        y += a * np.sin(b)
    return y


@construct()
def zip_of_an_array_and_a_list(x):
    y = 0.0
    for a, weight in zip(x, [1.0, 2.0, 3.0, 4.0]):
        y += weight * a**2
    return y


@construct()
def zip_stops_at_the_shortest(x):
    y = 0.0
    for a, b, i in zip(x, x[1:], range(10)):
        y += a * b * i
    return y


@construct()
def enumerate_of_zip(x):
    y = 0.0
    for i, (a, b) in enumerate(zip(x, x[::-1])):
        y += i * a * b
    return y


@construct()
def for_over_arange(x):
    y = 0.0
    for t in np.arange(0.0, 2.0, 0.5):
        y += math.exp(-t) * np.sin(x[0] * t)
    return y


@construct()
def for_over_a_linspace(x):
    return sum(np.cos(x[0] * t) for t in np.linspace(0, 1, 5))


@construct()
def for_over_a_list_of_different_things(x):
    y = 0.0
    for part in [x[0], x[1:3], x[:3]]:
        y = y + np.sum(part**2)
    return y


@construct()
def for_over_a_dict(x):
    parameters = {"a": x[0], "b": x[1] ** 2, "c": 2.0}
    y = 0.0
    for name, value in parameters.items():
        y = y + len(name) * value
    return y


@construct()
def for_over_a_reversed_range(x):
    y = 0.0
    for i in reversed(range(4)):
        y = y * x[0] + x[i]
    return y


@construct()
def for_over_a_reversed_array(x):
    y = 0.0
    for a in reversed(x):
        y = y * 0.5 + a**2
    return y
