"""State that a branch or a loop changes behind the back of its names: right or refused."""

from __future__ import annotations

import numpy as np

from .delicate import right_or_refused


@right_or_refused
def array_in_a_list_written_in_a_loop(x):
    parts = [np.zeros(2), np.zeros(2)]
    for i in range(4):
        parts[i % 2][0] += x[i] ** 2
    return parts[0][0] * parts[1][0]


@right_or_refused
def one_array_twice_in_a_list(x):
    y = np.zeros(2)
    parts = [y, y]
    for i in range(4):
        parts[0][0] += x[i] ** 2
    return parts[1][0] + y[0]


@right_or_refused
def array_in_a_dict_written_in_a_branch(x):
    state = {"u": np.zeros(2)}
    if x[0] > 0:
        state["u"][1] = x[1] ** 2
    return np.sum(state["u"]) + x[2]


@right_or_refused
def attribute_array_written_in_a_loop(x):
    class Grid:
        pass

    grid = Grid()
    grid.u = np.zeros(4)
    for i in range(4):
        grid.u[i] += x[i] ** 2
        grid.last = x[i]
    return np.sum(grid.u) * grid.last


@right_or_refused
def attribute_changed_by_a_method_in_a_while(x):
    class Counter:
        def __init__(self):
            self.total = 0.0

        def add(self, value):
            self.total += value

    counter = Counter()
    while counter.total < 3:
        counter.add(1.03 + x[1] ** 2)
    return counter.total * x[0]


@right_or_refused
def closure_changes_an_array_in_a_branch(x):
    y = np.zeros(3)

    def put(value):
        y[1] = value

    if x[0] > 0:
        put(x[1] ** 2)
    else:
        put(x[2])
    return y[1] * x[3]


@right_or_refused
def helper_writes_its_argument_in_a_loop(x):
    def accumulate(target, value):
        target[0] += value**2
        target[1:] *= 1.1

    y = np.ones(3)
    for a in x:
        accumulate(y, a)
    return np.sum(y) * y[0]


@right_or_refused
def helper_writes_a_view_in_a_loop(x):
    def scale(row, factor):
        row *= factor

    A = np.ones((3, 2))
    for i in range(3):
        scale(A[i], x[i])
    return np.sum(A**2)


@right_or_refused
def view_made_before_a_loop_that_writes_the_base(x):
    y = np.zeros(4)
    tail = y[2:]
    for i in range(4):
        y[i] = x[i] ** 2
    return np.sum(tail) * x[0]


@right_or_refused
def view_made_before_a_loop_that_writes_the_view(x):
    y = np.zeros(4)
    tail = y[2:]
    for i in range(2):
        tail[i] = x[i] ** 2
    return np.sum(y * np.arange(4))


@right_or_refused
def view_made_before_a_branch(x):
    y = np.ones(4)
    head = y[:2]
    if x[0] > 0:
        head[0] = x[1] ** 2
    else:
        y[1] = x[2]
    return np.sum(y * np.arange(1, 5)) + np.prod(head)


@right_or_refused
def name_bound_to_another_array_in_a_loop(x):
    y, total = np.zeros(2), 0.0
    for i in range(4):
        y = np.zeros(2)
        y[0] = x[i] ** 2
        total += y[0] + y[1]
    return total + y[0]


@right_or_refused
def reset_and_reused_work_array(x):
    work, total = np.zeros(3), 0.0
    for i in range(1, 4):
        work[:] = 0.0
        for j in range(i):
            work[j] = x[j] * x[i]
        total += np.sum(work**2)
    return total


@right_or_refused
def rows_kept_in_a_list(x):
    A = np.zeros((4, 2))
    rows = [A[i] for i in range(4)]
    for i in range(4):
        rows[i][1] = x[i] ** 2
    return np.sum(A * np.arange(8).reshape(4, 2))


@right_or_refused
def rows_of_the_argument_changed_by_a_loop(x):
    A = x.reshape(2, 2)
    for row in A:
        row *= 2.0
    return np.sum(A**2) + np.sum(x)


@right_or_refused
def old_value_kept_as_a_name(x):
    y = x.copy()
    old = y[0]
    y[0] = 5.0 * x[1]
    return old * y[0]


@right_or_refused
def old_array_kept_as_a_name_in_a_loop(x):
    y, change = x.copy(), 0.0
    for _ in range(3):
        old = y.copy()
        y[1:-1] = 0.5 * (old[:-2] + old[2:])
        change += np.sum((y - old) ** 2)
    return change


@right_or_refused
def overlapping_slices(x):
    y = x**2
    y[1:] = y[:-1]
    y[:2] += y[2:]
    return np.sum(y * np.arange(1, 5))


@right_or_refused
def in_place_prefix_sum(x):
    y = x**2
    for i in range(1, len(y)):
        y[i] += y[i - 1]
    return y[-1] * y[1]


@right_or_refused
def tuple_assignment_order(x):
    i, y = 0, np.zeros(3)
    i, y[i] = 2, x[0] ** 2
    y[i], i = x[1], 1
    return np.sum(y * np.array([1.0, 10.0, 100.0])) + i


@right_or_refused
def index_changed_by_its_own_value(x):
    y = np.zeros(4)
    k = 0
    y[k] = k = 2
    return y[k] + y[0] * x[0] + y[2] * x[1]


@right_or_refused
def augmented_list(x):
    a = [x[0]]
    b = a
    b += [x[1] ** 2]
    return len(a) * a[-1]


@right_or_refused
def counter_shadowed_inside_its_loop(x):
    y = 0.0
    for i in range(4):
        y += x[i] ** 2
        i = 10
        y += i * 0.01
    return y + i


@right_or_refused
def argument_rebound_in_its_loop(x):
    for i in range(3):
        x = np.roll(x, 1) * (1 + 0.1 * i)
    return x[0] ** 2 + x[1]


@right_or_refused
def iterated_array_written_in_its_loop(x):
    y = x.copy()
    total = 0.0
    for i, a in enumerate(y):
        if i < 3:
            y[i + 1] += a
        total += a**2
    return total


@right_or_refused
def iterated_array_rebound_in_its_loop(x):
    total = 0.0
    for a in x:
        x = x * 2
        total += a**2
    return total + x[0]


@right_or_refused
def comprehension_name_does_not_leak(x):
    a = x[0]
    squares = [a**2 for a in x]
    return a * squares[1]


@right_or_refused
def late_binding_of_lambdas(x):
    functions = [lambda t: t * x[i] for i in range(3)]  # noqa: B023
    return functions[0](x[0]) + functions[1](2.0)


@right_or_refused
def default_binding_of_lambdas(x):
    functions = [lambda t, i=i: t * x[i] for i in range(3)]
    return functions[0](x[0]) + functions[1](2.0)


@right_or_refused
def function_defined_in_a_loop(x):
    total = 0.0
    for i in range(3):

        def term(t):
            return t * x[i]  # noqa: B023

        total += term(x[i + 1])
    return total


@right_or_refused
def function_defined_in_a_branch(x):
    if x[0] > 0:

        def shape(t):
            return t**2
    else:

        def shape(t):
            return np.sin(t)

    return shape(x[1])


@right_or_refused
def and_of_an_array_element_assignment(x):
    y = np.zeros(2)
    flag = x[0] > 0 and x[1] > 0
    y[int(flag)] = x[2] ** 2
    return y[0] + 3 * y[1]


@right_or_refused
def while_with_two_exits_and_a_return(x):
    y, n = x[0] ** 2 + 0.2, 0
    while True:
        n += 1
        y = y * 1.6
        if y > 6.5:
            break
        if n > 3:
            return y * x[1]
        if x[2] < 0:
            continue
        y = y + 0.5
    return y + n * x[3]
