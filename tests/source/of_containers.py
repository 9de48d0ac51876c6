"""Lists, dicts, comprehensions; statements that are no mathematics."""

from __future__ import annotations

import operator

import numpy as np

from .construct import construct


@construct()
def append_then_array(x):
    values = []
    for i in range(4):
        values.append(x[i] ** 2 + i)
    return np.sum(np.array(values) * np.arange(4))


@construct()
def append_to_a_trajectory(x):
    path = [x[0]]
    for _ in range(5):
        path.append(np.sin(path[-1]) + x[1])
    return path[-1] * path[2] + len(path)


@construct()
def list_item_assignment(x):
    parts = [0.0] * 3
    for i in range(3):
        parts[i] = x[i] * x[i + 1]
    parts[0] += x[0]
    return parts[0] * parts[1] + parts[2]


@construct()
def nested_lists_as_a_table(x):
    table = [[0.0] * 4 for _ in range(4)]
    for i in range(4):
        for j in range(4):
            table[i][j] = x[i] * x[j] ** 2
    return table[1][2] + table[3][0] * table[0][3]


@construct()
def dict_of_arrays(x):
    state = {"position": x[:2], "velocity": x[2:].copy()}
    for _ in range(3):
        state["velocity"] = state["velocity"] - 0.1 * state["position"]
        state["position"] = state["position"] + 0.1 * state["velocity"]
    state["velocity"][0] += 1.0
    return np.sum(state["position"] ** 2) + np.sum(state["velocity"] ** 3)


@construct()
def tuple_state(x):
    state = (x[0], x[1])
    for _ in range(4):
        a, b = state
        state = (b, a * x[2] + b * 0.3)
    return state[0] * state[1]


@construct()
def comprehensions(x):
    squares = [a * a for a in x]
    chosen = [squares[i] for i in range(4) if i % 2 == 0]
    named = {i: x[i] for i in range(3)}
    return chosen[0] * chosen[1] + named[2]


@construct()
def comprehension_with_a_traced_filter_summed(x):
    return sum(a**2 if a > 0 else 0.0 for a in x)


@construct()
def generator_in_sum(x):
    return sum(x[i] * x[i - 1] for i in range(4))


@construct()
def sum_of_a_list(x):
    return sum([x[0], x[1] ** 2, 1.0]) + sum(x)


@construct()
def min_and_max(x):
    return max(x[0], x[1]) * min(x[1], x[2], x[3]) + max(x) + min([x[0], 0.1]) + max(x[3], 0)


@construct()
def min_and_max_with_key(x):
    pairs = [("b", x[0]), ("a", x[1] ** 2)]
    return min(pairs, key=operator.itemgetter(0))[1] + x[2]


@construct()
def sorted_concrete_values(x):
    order = sorted(range(4), key=lambda i: (i * 3) % 4)
    y = 0.0
    for rank, i in enumerate(order):
        y += rank * x[i] ** 2
    return y


@construct()
def length_and_any_of_lists(x):
    parts = [x[:2], x[2:]]
    return len(parts) * x[0] + len(x) * x[1] ** 2 if any(len(p) == 2 for p in parts) else 0.0


@construct()
def map_and_filter(x):
    values = list(map(lambda a: a**2, x))  # noqa: C417
    kept = list(filter(lambda i: i != 1, range(4)))
    return sum(values[i] for i in kept)


@construct()
def assert_on_concrete_values(x):
    assert x.ndim == 1, "a vector"
    assert len(x) == 4
    if len(x) != 4:
        raise ValueError(f"expected 4 numbers, got {len(x)}")
    return np.sum(x**2)


@construct()
def errstate(x):
    with np.errstate(all="ignore"):
        y = np.log(np.abs(x))
        if x[0] > 0:
            y = y * 2
    return np.sum(y)


@construct()
def import_inside(x):
    import math as m

    from numpy import cos

    return m.sin(x[0]) * cos(x[1])


@construct()
def concrete_try(x):
    options = {"a": 2.0}
    try:
        factor = options["b"]
    except KeyError:
        factor = options["a"]
    finally:
        options.clear()
    return factor * x[0] ** 2


@construct()
def strings_of_concrete_values(x):
    names = [f"x{i}" for i in range(4)]
    values = dict(zip(names, x))
    return values["x0"] * values["x" + str(3)]


@construct()
def type_of_an_argument(x):
    if np.isscalar(x) or x.shape == ():
        return x
    return np.sum(x[: x.size // 2] ** 2)


@construct()
def ellipsis_and_newaxis(x):
    y = x[:, None] * x[None, :]
    y[..., 0] = x**2
    return np.sum(y[np.newaxis, 1:, ...] * 0.5)
