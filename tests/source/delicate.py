"""What may be refused, at once or staged, but must not be wrong."""

from __future__ import annotations

import functools

import numpy as np

from .construct import POINTS

RIGHT_OR_REFUSED = {}


def right_or_refused(function):
    """Add a function that either works or raises an error of mixgrad."""
    RIGHT_OR_REFUSED[function.__name__.replace("_", " ")] = (function, POINTS)
    return function


@right_or_refused
def generator_function(x):
    def squares():
        for a in x:
            if a > 0:
                yield a**2

    return sum(squares())


@right_or_refused
def in_place_ufunc_out(x):
    y = np.zeros(4)
    np.sin(x, out=y)
    np.multiply(y, 2.0, out=y)
    return np.sum(y)


@right_or_refused
def coroutine(x):
    async def square(t):
        return t**2

    def run(coroutine):
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value

    return run(square(x[0])) * x[1]


@right_or_refused
def cached_function(x):
    @functools.lru_cache(maxsize=100)
    def square(t):
        return t**2

    return square(x[0]) * square(x[0])


@right_or_refused
def cached_function_of_a_count(x):
    @functools.cache
    def binomial(n, k):
        return 1 if k in (0, n) else binomial(n - 1, k - 1) + binomial(n - 1, k)

    return sum(binomial(3, k) * x[k] ** 2 for k in range(4))


@right_or_refused
def list_indexed_by_a_value(x):
    weights = [2.0, 3.0, 4.0]
    return weights[int(np.sign(x[0])) + 1] * x[1]


@right_or_refused
def list_of_values_indexed_by_a_value(x):
    parts = [x[0] ** 2, x[1], np.sin(x[2])]
    return parts[np.argmax(x[:3])] * x[3]


@right_or_refused
def float_into_an_integer_array(x):
    counts = np.zeros(2, dtype=int)
    counts[0] = x[0] * 2.3
    return counts[0] * x[1]


@right_or_refused
def mutable_default_as_memory(x, memory={}):  # noqa: B006
    memory["last"] = x[0]
    return memory["last"] ** 2


@right_or_refused
def global_written(x):
    global LAST
    LAST = x[0] ** 2
    return LAST * x[1]


@right_or_refused
def function_chosen_by_a_value(x):
    function = np.sin if x[0] > 0 else np.cos
    return function(x[1])


@right_or_refused
def none_or_a_number(x):
    best = None
    for a in x:
        if best is None or a > best:
            best = a
    return best**2


@right_or_refused
def string_chosen_by_a_value(x):
    kind = "sine" if x[0] > 0 else "square"
    if kind == "sine":
        return np.sin(x[1])
    return x[1] ** 2


@right_or_refused
def break_in_a_try(x):
    y = 0.0
    for a in x:
        try:
            if a > 1:
                break
            y += a**2
        finally:
            y += 1.0
    return y


@right_or_refused
def exec_of_a_string(x):
    names = {"x": x}
    exec("y = x[0] ** 2 + x[1]", names)
    return names["y"]


@right_or_refused
def set_of_values(x):
    return len({1, 2, 3}) * x[0] + sum(float(k) for k in {1, 2}) * x[1]


@right_or_refused
def nan_as_a_missing_start(x):
    best = np.nan
    for a in x:
        if not a < best:
            best = a
    return best**2


@right_or_refused
def object_changed_in_a_branch(x):
    class Box:
        value = 0.0

    box = Box()
    box.value = x[1]
    if x[0] > 0:
        box.value = box.value * x[2]
    return box.value**2


@right_or_refused
def dict_changed_in_a_branch(x):
    state = {"a": x[1], "b": 1.0}
    if x[0] > 0:
        state["a"] = state["a"] ** 2
    else:
        state["b"] = x[3]
    return state["a"] * state["b"]


@right_or_refused
def list_changed_in_a_branch(x):
    parts = [x[1]]
    if x[0] > 0:
        parts.append(x[2] ** 2)
    return sum(parts)


@right_or_refused
def alias_made_in_a_branch(x):
    y, z = np.zeros(2), np.ones(2)
    if x[0] > 0:
        target = y
    else:
        target = z
    target[0] = x[1] ** 2
    return y[0] + 3 * z[0] + z[1]


@right_or_refused
def view_carried_through_a_loop(x):
    S = np.zeros((2, 4))
    row = S[0]
    for i in range(4):
        row[i] = x[i] ** 2
        if x[i] > 0:
            row = S[1]
    return np.sum(S * np.arange(8).reshape(2, 4))


@right_or_refused
def two_names_of_one_array_in_a_loop(x):
    y = np.zeros(4)
    z = y
    for i in range(4):
        y[i] += x[i]
        z[i] *= x[0]
    return np.sum(y * z)


@right_or_refused
def old_and_new_arrays_exchanged(x):
    """The usual double buffer: two names exchange their arrays in each step."""
    old, new = x.copy(), np.zeros(4)
    for _ in range(3):
        for i in range(1, 3):
            new[i] = 0.5 * (old[i - 1] + old[i + 1]) ** 2
        old, new = new, old
    return np.sum(old)
