"""`while`, `break`, `continue`, `else` of loops, `return` in a loop, counts and indices that are values."""

from __future__ import annotations

import numpy as np

from .construct import construct


@construct()
def while_on_a_value(x):
    y = abs(x[0])
    while y < 10:
        y = y * 1.9 + x[1] ** 2
    return y


@construct()
def while_on_a_counter(x):
    i, y = 0, x[0]
    while i < 5:
        y = np.sin(y) * x[1]
        i += 1
    return y


@construct()
def while_that_may_not_run(x):
    y = x[0]
    while y < 1.2:
        y = y + 0.4 + x[1] ** 2
    return y


@construct()
def while_true_with_break(x):
    y = x[0] ** 2 + 0.5
    while True:
        y = y * 1.7
        if y > 8:
            break
    return y * x[1]


@construct()
def break_in_for(x):
    y = 0.0
    for a in x:
        if a > 1:
            break
        y += a**2
    return y + x[3]


@construct()
def break_in_for_keeps_the_counter(x):
    for i in range(4):
        if x[i] > 0.75:
            break
    return x[i] ** 2 + i * x[0]


@construct()
def continue_in_for(x):
    y = 0.0
    for i in range(4):
        if x[i] < 0:
            continue
        y += (i + 1) * x[i] ** 2
    return y


@construct()
def continue_in_while(x):
    i, y = -1, 1.0
    while i < 3:
        i += 1
        if x[i] < 0:
            continue
        y = y * (1 + x[i])
    return y


@construct()
def break_and_continue(x):
    y = 0.0
    for a in x:
        if a < 0:
            continue
        if a > 2:
            y = y * 2
            break
        y += a**3
    return y


@construct()
def break_in_an_inner_loop(x):
    y = 0.0
    for i in range(4):
        for j in range(4):
            if x[i] * x[j] < 0:
                break
            y += x[i] * x[j] ** 2
        y = y * 0.9
    return y


@construct()
def break_of_both_loops_by_a_flag(x):
    y, found = 0.0, False
    for i in range(4):
        for j in range(4):
            y += x[i] * x[j] * 0.1
            if x[i] + x[j] > 3:
                found = True
                break
        if found:
            break
    return y


@construct()
def while_else(x):
    y, n = x[0] ** 2 + 0.1, 0
    while n < 4:
        y = y * 1.8
        n += 1
        if y > 6:
            break
    else:
        y = y + x[1]
    return y


@construct()
def for_else_without_break(x):
    y = 0.0
    for a in x:
        y += a**2
    else:
        y = y * x[0]
    return y


@construct()
def return_in_a_loop(x):
    for a in x:
        if a > 1:
            return a**2
    return x[0] * x[1]


@construct()
def return_in_a_nested_loop(x):
    for i in range(4):
        for j in range(i):
            if x[i] * x[j] > 1.3:
                return x[i] ** 2 * x[j]
    return np.sum(x**3)


@construct()
def return_in_a_while(x):
    y = x[0] ** 2 + 0.3
    while True:
        y = 1.5 * y
        if y > 4.42:
            return y * x[1]


@construct()
def return_in_a_loop_in_an_if(x):
    if x[0] > 0:
        for a in x:
            if a < 0:
                return a**3
        return x[1]
    return x[2] * x[3]


@construct()
def loop_variable_after_the_loop(x):
    y = 0.0
    for i in range(3):
        y += x[i] ** 2
    return y * x[i] + i


@construct()
def element_after_the_loop(x):
    y = 0.0
    for a in x:
        y += a**2
    return y * a


@construct()
def names_born_in_a_loop(x):
    for i in range(4):
        last = x[i] * x[0]
    return last


@construct()
def loop_over_nothing(x):
    y = x[0]
    for i in range(0):
        y = y * x[i]
    for a in x[4:]:
        y = y * a
    return y


@construct()
def loop_carry_changes_from_integer_to_float(x):
    total = 0
    for a in x:
        total += a
    return total**2


@construct()
def loop_carries_an_array(x):
    y = x.copy()
    for _ in range(3):
        y = np.sin(y) + 0.5 * y[::-1]
    return np.sum(y)


@construct()
def nested_loops_with_triangular_bounds(x):
    y = 0.0
    for i in range(4):
        for j in range(i + 1, 4):
            y += (x[i] - x[j]) ** 2 * (i + j)
    return y


@construct()
def range_of_a_traced_count(x):
    y = x[0]
    for _ in range(int(np.floor(abs(x[1])))):
        y = y * 1.5 + x[2]
    return y


@construct()
def traced_index(x):
    i = np.argmax(x)
    return x[i] ** 2 + x[i - 1]


@construct()
def traced_index_as_target(x):
    y = np.zeros(4)
    y[np.argmax(x)] = x[0] ** 2
    y[np.argmin(x)] += x[1]
    return np.sum(y * np.array([1.0, 2.0, 3.0, 4.0]))


@construct()
def collatz_like(x):
    y, steps = abs(x[0]) + 3, 0
    while y > 1.05 and steps < 30:
        if y > 2:
            y = y / 2
        else:
            y = y - 0.3
        steps += 1
    return y * x[1] + steps
