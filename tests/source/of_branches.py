"""Branches: `if`, conditional expressions, `and`, `or`, `not`, `match`."""

from __future__ import annotations

import math

import numpy as np

from .construct import construct


@construct()
def if_else(x):
    if x[0] > 0:
        y = x[1] ** 2
    else:
        y = np.sin(x[2])
    return y * x[3]


@construct()
def if_without_else(x):
    y = x[0] * x[1]
    if x[2] > 1:
        y = y * x[2]
    return y


@construct()
def elif_chain(x):
    if x[0] > 1:
        y = x[1] ** 2
    elif x[0] > 0:
        y = x[1] ** 3
    elif x[0] > -1:
        y = np.cos(x[1])
    else:
        y = x[1] * x[2]
    return y


@construct()
def nested_if(x):
    y = x[0]
    if x[1] > 0:
        if x[2] > 0:
            y = x[0] * x[1]
        else:
            y = x[0] * x[2]
    elif x[3] > 0:
        y = x[3] ** 2
    return y + x[1]


@construct()
def early_return(x):
    if x[0] > 0:
        return x[1] ** 2
    y = x[2] * x[3]
    return y  # noqa: RET504


@construct()
def several_early_returns(x):
    if x[0] > 1:
        return x[1] * x[2]
    if x[0] > 0:
        if x[2] > 0:
            return x[1] ** 3
        return x[2] ** 3
    return np.sin(x[3])


@construct()
def returns_from_both_branches(x):
    if x[0] > 0:
        return x[1] * x[0]
    else:  # noqa: RET505
        return x[2]


@construct()
def conditional_expression(x):
    return (x[0] ** 2 if x[1] > 0 else np.sin(x[2])) * x[3]


@construct()
def nested_conditional_expression(x):
    return x[0] if x[1] > 1 else x[1] ** 2 if x[1] > 0 else x[2] * x[3]


@construct()
def integer_or_float_branches(x):
    y = x[0] ** 2 if x[1] > 0 else 0
    return y + x[2] ** 2


@construct()
def branch_of_constants(x):
    sign = 1 if x[0] > 0 else -1
    return sign * x[1] * x[2]


@construct()
def and_or_not(x):
    y = x[0] ** 2
    if x[0] > 0 and x[1] > 0:
        y = y + x[1]
    if x[2] > 0 or x[3] > 0:
        y = y * x[2]
    if not x[1] > 0:
        y = y + np.sin(x[1])
    if not (x[0] > 0 and (x[1] < 0 or x[2] < 0)):
        y = y * 2
    return y


@construct()
def chained_comparison(x):
    if -1 < x[0] < 1 <= x[2] < 10:
        return x[0] * x[1]
    return x[2] ** 2


@construct()
def or_gives_an_operand(x):
    y = (x[0] > 0) and x[1] ** 2
    z = None or x[2]
    return y + z


@construct()
def short_circuit_protects_an_index(x):
    i = 0
    while i < len(x) and x[i] < 1:
        i += 1
    return i + x[0] * x[1]


@construct()
def short_circuit_protects_a_branch(x):
    y = x[0]
    if x[1] > 0 and math.log(x[1]) > 0.1:
        y = y * math.log(x[1])
    return y


@construct()
def untaken_branch_is_not_run(x):
    return math.sqrt(x[0]) if x[0] > 0 else math.sqrt(-x[0]) * x[1]


@construct()
def branch_defines_a_new_name_used_inside(x):
    total = x[0]
    if x[1] > 0:
        helper = x[1] ** 2
        total = total + helper
    return total


@construct()
def branch_assigns_several_names(x):
    a, b, c = x[0], x[1], 1
    if x[2] > 0:
        a, b = b, a * x[2]
        c = 3
    return a * 2 + b * c


@construct()
def branch_assigns_an_element(x):
    y = np.zeros(3)
    if x[0] > 0:
        y[0] = x[1]
    else:
        y[1:] = x[2] * x[3]
    return np.sum(y**2) + y[2]


@construct()
def walrus(x):
    if (y := x[0] * x[1]) > 0:
        return y**2
    return y * x[2]


@construct()
def truth_of_a_number(x):
    count = np.sum(x > 0)
    if count:
        return x[0] ** 2 + count
    return x[1]


@construct()
def any_and_all(x):
    if np.any(x > 2) and not np.all(x > 0):
        return np.sum(x**2)
    return np.prod(x)


@construct()
def match_on_a_concrete_value(x):
    total = 0.0
    for kind in ("square", "sine", ("power", 3), "other"):
        match kind:
            case "square":
                total = total + x[0] ** 2
            case "sine":
                total = total + np.sin(x[1])
            case ("power", n):
                total = total + x[2] ** n
            case _:
                total = total + x[3]
    return total


@construct()
def concrete_if_runs_as_python(x):
    y = x[0]
    if x.ndim == 1 and len(x) > 3 and x.dtype == float:
        y = y * x[1]
    if isinstance(x, str):
        y = None
    return y
