"""Functions in which two variables may hold one array, depending on how many steps a loop makes; `n` counts them.

`RIGHT` must be recorded, and be right for every `n`. `REFUSED` must not: which arrays a write changes is not known.
"""

from __future__ import annotations

import numpy as np

RIGHT = {}
REFUSED = {}


def right(function):
    RIGHT[function.__name__.replace("_", " ")] = function
    return function


def refused(function):
    REFUSED[function.__name__.replace("_", " ")] = function
    return function


# The array before a loop or branch is not used after a write ----------------------------------------------------------


@right
def written_after_the_loop(y, n):
    t = y * 3
    while n > 0:
        t = t * 2
        n -= 1
    t[0] = 7 * y[1]
    return t * y


@right
def copied_before_the_write(y, n):
    t = y
    while n > 0:
        t = t * 2
        n -= 1
    t = t.copy()
    t[0] = 7
    return t * y


@right
def copied_before_the_loop(y, n):
    t = y.copy()
    if n > 1:
        t = t * 2
    while n > 0:
        t[0] += 7
        n -= 1
    return t * y


@right
def old_array_used_before_the_write(y, n):
    t = y
    while n > 0:
        t = t * y
        n -= 1
    s = np.sum(y * t)
    t[0] = 7
    return t * s


@right
def written_and_replaced_in_the_loop(y, n):
    t = np.zeros(3)
    while n > 0:
        t[1] += y[0]
        t = t * y + 1
        n -= 1
    return t


@right
def replaced_and_written_in_the_loop(y, n):
    t = y
    while n > 0:
        t = t * 2
        t[0] = 7 * y[2]
        n -= 1
    return t * y


@right
def two_buffers_change_places(y, n):
    old, new = y * 2, np.zeros(3)
    while n > 0:
        new[1:] = old[:-1] * y[0]
        new[0] = old[2] + 1
        old, new = new, old
        n -= 1
    return old * y


@right
def replaced_by_integers_then_floats(y, n):
    t = np.arange(3)
    while n > 0:
        t = t * y[1]
        n -= 1
    return t + y


@right
def branch_in_a_loop(y, n):
    t = y * 1
    while n > 0:
        if n > 1:
            t = t * 2
        t[0] += 7 * y[1]
        n -= 1
    return t * y


@right
def loop_in_a_loop(y, n):
    t = y * 1
    while n > 0:
        k = n
        while k > 1:
            t = t * 2
            k -= 1
        t[0] += 7 * y[1]
        n -= 1
    return t * y


@right
def array_in_a_list(y, n):
    parts = [y * 2, y * 3]
    while n > 0:
        parts[0] = parts[0] * 2
        n -= 1
    parts[0][0] = 7
    return parts[0] * parts[1]


@right
def array_in_a_dict(y, n):
    parts = {"a": y * 2}
    if n > 0:
        parts["a"] = parts["a"] * 2
    parts["a"][0] = 7 * y[1]
    return parts["a"] * y


@right
def whole_array_overwritten(y, n):
    u = y * 2
    t = u
    if n > 0:
        t = t * 2
    t[0] = 7
    u[:] = y
    return u * y


@right
def replaced_in_one_branch_and_written_in_the_other(y, n):
    m = y * 2
    if n > 0:
        m = np.zeros(3)
    else:
        m[:] = y[::-1]
    m[1] += y[0]
    return m * y


@right
def helper_that_returns_its_argument_or_not(y, n):
    def positive(t):
        if n > 1:
            return t
        return t * 2

    t = positive(y * 3)
    t[0] = 7 * y[1]
    return t * y


@right
def two_names_in_every_step(y, n):
    a = b = y * 1
    while n > 0:
        a = b = a * 2
        n -= 1
    return a * b * y


@right
def two_names_kept_in_a_loop(y, n):
    a = y * 1
    b = a
    while n > 0:
        a[0] += b[1]
        b[1] *= y[2]
        n -= 1
    return a * b


@right
def view_made_in_every_step(y, n):
    u = y * 1
    t = u[:2]
    while n > 0:
        t = u[1:]
        t[0] *= y[2]
        n -= 1
    return u * y


@right
def view_read_in_a_branch_after_a_write(y, n):
    m = np.outer(y, y)
    row = m[1]
    m += 1
    while n > 0:
        y = row * 2 if y[0] > 0 else y * 3
        y = row * y if n > 1 else row
        n -= 1
    return y * row


@right
def array_that_a_function_writes_while_an_element_is_assigned(y, n):
    v = y * 1

    def step():
        v[0] += 1
        v[1] = 5
        return v[0] * y[2]

    while n > 0:
        v[1] = step()
        v[2] = v[1] + step()
        n -= 1
    return v


@right
def index_that_a_function_moves(y, n):
    v = y * 1
    i = 0

    def step():
        nonlocal i
        i = (i + 1) % 3
        return v[i] * 2

    while n > 0:
        v[i] = step()
        v[i] += step()
        n -= 1
    return v * y


@right
def overwritten_stack_of_a_loop(y, n):
    t = y * 1
    for k in range(4):
        t[k % 3] = np.sin(t[(k + 1) % 3] * t[0])
        if n > k:
            t = t * t
        t[1] *= y[0]
    return t


# It is used -----------------------------------------------------------------------------------------------------------


@refused
def write_after_the_loop(y, n):
    t = y
    while n > 0:
        t = t * 2
        n -= 1
    t[0] = 7
    return y + 3 * t


@refused
def write_to_the_old_array_after_the_loop(y, n):
    u = y * 2
    t = u
    while n > 0:
        t = t * 2
        n -= 1
    u[0] = 7 * y[1]
    return t


@refused
def write_in_place_after_the_loop(y, n):
    t = y
    while n > 0:
        t = t * 2
        n -= 1
    t += y[0]
    return y


@refused
def write_before_the_array_is_replaced(y, n):
    t = y
    while n > 0:
        t[0] = 5 * t[1]
        t = t * 2
        n -= 1
    return y + 3 * t


@refused
def write_after_a_branch(y, n):
    t = y
    if n > 0:
        t = t * 2
    t[0] = 7
    return y + 3 * t


@refused
def write_to_the_old_array_after_a_branch(y, n):
    u = y * 2
    t = u
    if n > 0:
        t = t * 2
    u[0] = 7
    return y + 3 * t


@refused
def write_after_a_branch_in_a_loop(y, n):
    u = y * 2
    while n > 0:
        t = u
        if n > 1:
            t = t * 2
        t[0] += 7 * y[1]
        n -= 1
    return u


@refused
def write_in_a_second_loop(y, n):
    t = y
    k = n
    while n > 0:
        t = t * 2
        n -= 1
    while k > 0:
        t[0] += 7
        k -= 1
    return y * t


@refused
def write_in_one_branch_later(y, n):
    t = y
    if n > 1:
        t = t * 2
    if n > 0:
        t[0] = 7
    return y * t


@refused
def view_of_the_old_array(y, n):
    u = y * 3
    t, s = u, u[:2]
    while n > 0:
        t = t * 2
        n -= 1
    t[0] = 7
    return s


@refused
def view_before_the_loop(y, n):
    u = y * 3
    t = u[:2]
    while n > 0:
        t = t * 2
        n -= 1
    t[0] = 7
    return u


@refused
def shorter_view_before_the_loop(y, n):
    u = y * 1
    t = u[:2]
    while n > 0:
        t = t * 2
        n -= 1
    u.flat[0] = 3
    return t


@refused
def view_turned_in_every_step(y, n):
    t = y
    while n > 0:
        t = t[::-1]
        n -= 1
    t[0] = 7
    return y + 0


@refused
def conditional_expression(y, n):
    t = y * 2 if n > 0 else y
    t[0] = 7
    return y * t


@refused
def list_with_the_old_array(y, n):
    parts = [y, y * 3]
    while n > 0:
        parts[0] = parts[0] * 2
        n -= 1
    parts[0][0] = 7
    return y * parts[1]


@refused
def list_replaced_in_a_branch(y, n):
    parts = [y]
    if n > 0:
        parts = [y * 2]
    parts[0][0] = 7
    return y * parts[0]


@refused
def dict_with_the_old_array(y, n):
    parts = {"a": y}
    while n > 0:
        parts["a"] = parts["a"] * 2
        n -= 1
    parts["a"][0] = 7
    return y * parts["a"]


@refused
def attribute_with_the_old_array(y, n):
    class Model:
        pass

    model = Model()
    model.t = y
    while n > 0:
        model.t = model.t * 2
        n -= 1
    model.t[0] = 7
    return y * model.t


@refused
def names_that_change_places(y, n):
    a, b = y * 1, y * 2
    u = a
    while n > 0:
        a, b = b, a
        n -= 1
    a[0] = 7
    return u


@refused
def closure_that_reads_the_old_array(y, n):
    u = y * 3
    t = u

    def read():
        return np.sum(u)

    while n > 0:
        t = t * 2
        n -= 1
    t[0] = 7
    return read() * y


@refused
def element_of_a_list_that_is_no_array_of_its_own(y, n):
    parts = [y[0] * np.ones(3), y]
    t = parts[0]
    while n > 0:
        t = t * 2
        n -= 1
    t[0] = 7
    return parts[0]
