"""What runs at once, but cannot become a program; what raises as Python does."""

from __future__ import annotations

import math

import numpy as np

from .construct import NEGATIVE, POINTS, SMALL, P, Q, R

# Right when it runs at once; `mg.trace` refuses, and says where and what to do ----------------------------------------

NOT_STAGED = {}


def not_staged(*words, points=POINTS):
    """Add a function that runs at once and is refused by `mg.trace` with a message that has one of the words."""

    def add(function):
        NOT_STAGED[function.__name__.replace("_", " ")] = (function, points, "|".join(words))
        return function

    return add


@not_staged("y", "branch")
def name_assigned_before_break_and_in_else(x):
    for a in x:
        if a > 2.5:
            y = a**2
            break
    else:
        y = np.sum(np.sin(x))
    return y


@not_staged("format", "print", "string", "value")
def text_of_a_value(x):
    label = f"{x[0]:.3f}"
    return x[0] * x[1] + len(label[:0])


@not_staged("try", "except")
def try_around_a_value(x):
    try:
        y = math.sqrt(x[0])
    except ValueError:
        y = x[1] ** 2
    return y


@not_staged("raise", points=(P, R, SMALL))
def raise_under_a_condition(x):
    if x[0] < 0:
        raise ValueError("the first number is negative")
    return x[0] ** 2


@not_staged("assert", points=(P, R, SMALL))
def assert_on_a_value(x):
    assert x[0] > 0
    return x[0] ** 2


@not_staged("length", "list", "append", "grow", "value")
def list_grows_while_a_value_decides(x):
    values = [abs(x[0])]
    while values[-1] < 4.4:
        values.append(values[-1] * 1.7)
    return values[-1] + values[0] * x[1]


@not_staged("shape", "length")
def array_grows_while_a_value_decides(x):
    y = np.array([abs(x[0])])
    while y[-1] < 4.4:
        y = np.concatenate([y, y[-1:] * 1.7])
    return np.sum(y)


@not_staged("shape")
def branches_of_different_shapes(x):
    if x[0] > 0:
        y = x[:2]
    else:
        y = x[:3]
    return np.sum(y**2)


@not_staged("defined", "assigned", "unbound", "branch", points=(P, R, SMALL))
def name_of_one_branch_used_later(x):
    if x[0] > 0:
        y = x[1] ** 2
    return y * x[2]


@not_staged("defined", "assigned", "unbound", "loop", points=(P, Q, NEGATIVE))
def name_of_a_loop_that_may_not_run(x):
    k = abs(x[0])
    while k < 2:
        y = k * x[1]
        k = k + 1
    return y


@not_staged("shape", "length", "mask")
def elements_chosen_by_values(x):
    return np.sum(x[x > 0] ** 2)


@not_staged("shape", "length", "mask")
def elements_set_by_elements_chosen_by_values(x):
    y = x.copy()
    positive = x > 0
    y[positive] = np.sin(y[positive])
    return np.sum(y**2)


@not_staged("shape", "length", "value")
def length_from_a_value(x):
    y = np.ones(int(abs(x[0]) * 3) + 1)
    return np.sum(y) * x[1]


@not_staged("slice", "length", "shape", "value")
def slice_up_to_a_value(x):
    n = int(abs(x[0])) + 1
    return np.sum(x[:n] ** 2)


@not_staged("recursi", "depth", "value")
def recursion_until_a_value_is_small(x):
    def halve(t):
        if abs(t) < 0.33:
            return t
        return halve(t / 2)

    return halve(x[0]) * x[1]


@not_staged("value", "key", "dict")
def key_of_a_dict_from_a_value(x):
    table = {-1: 2.0, 0: 3.0, 1: 4.0}
    return table[int(np.sign(x[0]))] * x[1]


@not_staged("sort", "value")
def sorted_by_values(x):
    first, *_ = sorted([x[0], x[1], x[2]])
    return first**2 * x[3]


# What raises in Python raises the same here --------------------------------------------------------------------------

RAISES = {}


def raises(error, x, match=None):
    """Add a function that raises an error of Python at a point."""

    def add(function):
        RAISES[function.__name__.replace("_", " ")] = (function, x, error, match)
        return function

    return add


@raises(NameError, Q, "y")
def name_of_the_branch_not_taken(x):
    if x[0] > 0:
        y = x[1] ** 2
    return y * x[2]


@raises(NameError, P, "i")
def counter_of_a_loop_that_did_not_run(x):
    for i in range(0):
        x = x * i
    return x[0] + i


@raises(NameError, P, "y")
def deleted_name(x):
    y = x[0]
    del y
    return y  # noqa: F821


@raises(NameError, P, "undefined_name")
def unknown_name(x):
    return x[0] * undefined_name  # noqa: F821


@raises(ValueError, Q, "the first number is negative")
def raise_when_negative(x):
    if x[0] < 0:
        raise ValueError("the first number is negative")
    return x[0] ** 2


@raises(AssertionError, P, "too short")
def failed_assertion(x):
    assert len(x) > 10, "too short"
    return x[0]


@raises(AssertionError, Q)
def failed_assertion_on_a_value(x):
    assert x[0] > 0
    return x[0]


@raises(IndexError, P)
def index_out_of_range(x):
    i = 0
    y = 0.0
    while i <= len(x):
        y += x[i]
        i += 1
    return y


@raises(IndexError, P)
def target_out_of_range(x):
    y = np.zeros(3)
    for i in range(4):
        y[i] = x[i]
    return np.sum(y)


@raises(ValueError, P)
def shapes_do_not_fit(x):
    y = np.zeros(3)
    y[:2] = x[:3]
    return np.sum(y)


@raises(ValueError, P)
def too_many_to_unpack(x):
    a, b = x
    return a + b


@raises(TypeError, P)
def missing_argument(x):
    def add(a, b):
        return a + b

    return add(x[0])


@raises(ValueError, Q, "domain")
def root_of_a_negative_number(x):
    return math.sqrt(x[0])


@raises(RecursionError, P)
def endless_recursion(x):
    def again(t):
        return again(t + 1)

    return again(x[0])
