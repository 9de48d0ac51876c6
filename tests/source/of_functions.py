"""Functions in functions, closures, recursion, methods, decorators, global names."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from .construct import construct


@construct()
def nested_function(x):
    def square(t):
        return t * t + x[1]

    return square(x[0]) * square(x[2])


@construct()
def closure_reads_later_value(x):
    scale = 1.0

    def scaled(t):
        return scale * t

    scale = x[0]
    return scaled(x[1])


@construct()
def closure_writes_nonlocal(x):
    total = 0.0

    def add(t):
        nonlocal total
        total = total + t**2

    for i in range(4):
        add(x[i])
    return total


@construct()
def closure_changes_an_array(x):
    y = np.zeros(4)

    def put(i, value):
        y[i] += value

    for i in range(4):
        put(i, x[i] ** 2)
        put(0, x[i])
    return np.sum(y * np.arange(1, 5))


def make_polynomial(coefficients):
    def polynomial(t):
        value = 0.0
        for c in coefficients:
            value = value * t + c
        return value

    return polynomial


@construct()
def function_factory(x):
    return make_polynomial(x[:3])(x[3])


@construct()
def function_as_an_argument(x):
    def apply_twice(function, t):
        return function(function(t))

    return apply_twice(lambda t: np.sin(t) * x[0], x[1])


@construct()
def recursion(x):
    def power(t, n):
        return 1.0 if n == 0 else t * power(t, n - 1)

    return power(x[0], 5) + power(x[1], 2)


@construct()
def mutual_recursion(x):
    def even(t, n):
        return t if n == 0 else odd(np.sin(t), n - 1)

    def odd(t, n):
        return t if n == 0 else even(t * x[1], n - 1)

    return even(x[0], 5)


def norm_with_defaults(x, power=2, scale=1.5, *, shift=0.25):
    if power == 2:
        return scale * np.sum(x**2) + shift
    return scale * np.sum(np.abs(x) ** power) + shift


@construct()
def defaults_and_keywords(x):
    return norm_with_defaults(x) + norm_with_defaults(x, 3, shift=x[0]) * norm_with_defaults(power=2, x=x)


@construct()
def mutable_default_is_only_read(x, weights=[1.0, 2.0, 3.0, 4.0]):  # noqa: B006
    y = 0.0
    for w, a in zip(weights, x):
        y += w * a**2
    return y


def weighted_sum(*values, weight=1.0, **others):
    total = 0.0
    for value in values:
        total = total + weight * value**2
    for value in others.values():
        total = total + value
    return total


@construct()
def star_arguments(x):
    parts = [x[0], x[1]]
    options = {"weight": x[2], "other": x[3]}
    return weighted_sum(*parts, 2.0, **options) + weighted_sum(*x)


@construct()
def lambda_expression(x):
    f = lambda t, s=2.0: s * t**2 if t > 0 else -t
    return f(x[0]) + f(x[1], s=x[2])


def doubled(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return 2 * function(*args, **kwargs)

    return wrapper


@doubled
def decorated_helper(t):
    if t > 0:
        return t**2
    return -t


@construct()
def decorated_function(x):
    return decorated_helper(x[0]) + decorated_helper(x[1])


@construct()
def partial_function(x):
    power = functools.partial(norm_with_defaults, power=3)
    return power(x[:2]) * x[2]


class Accumulator:
    """A plain class with state."""

    unit = 1.5

    def __init__(self, start):
        self.total = start
        self.values = np.zeros(4)
        self.count = 0

    def add(self, value):
        if value > 0:
            self.total += value**2
        else:
            self.total -= value
        self.values[self.count] = value
        self.count += 1

    @property
    def mean(self):
        return self.total / self.count

    @staticmethod
    def square(value):
        return value**2

    @classmethod
    def scaled(cls, value):
        return cls.unit * value

    def __call__(self, value):
        return self.total * value


@construct()
def method_with_state(x):
    a = Accumulator(x[0])
    for i in range(1, 4):
        a.add(x[i])
    return a.mean + Accumulator.square(x[0]) * Accumulator.scaled(x[1]) + np.sum(a.values**3) + a(x[2])


@dataclass
class Point:
    """Data with a method."""

    horizontal: float
    vertical: float

    def distance(self, other):
        return math.hypot(self.horizontal - other.horizontal, self.vertical - other.vertical)

    def __add__(self, other):
        return Point(self.horizontal + other.horizontal, self.vertical + other.vertical)


@construct()
def dataclass_with_operators(x):
    p = Point(x[0], x[1]) + Point(x[2], x[3])
    return p.distance(Point(0.1, x[0]))


FACTOR = 2.5
TABLE_OF_WEIGHTS = np.array([0.5, -1.0, 2.0, 1.0])


@construct()
def global_variables(x):
    y = FACTOR * x[0]
    for i in range(4):
        y += TABLE_OF_WEIGHTS[i] * x[i] ** 2
    return y


def all(values):
    """Return the sum of cubes: not what the builtin of this name does."""
    total = 0.0
    for value in values:
        total += value**3
    return total


@construct()
def shadowed_builtin(x):
    return all(x)


@construct()
def locally_shadowed_builtins(x):
    range = lambda n: [0, 2]
    abs = math.sin
    y = 0.0
    for i in range(4):
        y += abs(x[i])
    return y


@construct()
def names_like_those_of_a_converter(x):
    body, test, carry, state, loop, args, result, self = 1.0, x[0], x[1], x[2], 3, x[3], 0.0, 0.5
    for i in range(loop):
        result += body * carry + test * i
        state = state * self
    return result * state + args


@construct()
def print_of_a_value(x):
    y = x[0] ** 2
    print("y is", y)
    return y * x[1]
