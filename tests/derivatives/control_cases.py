"""Functions with loops and branches, each beside the same function in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import mixgrad as mg


@dataclass(frozen=True)
class Case:
    """A function, the same in plain Python, and where to try it."""

    function: Callable
    plain: Callable
    make: Callable


def newton(a, start):
    def step(state):
        x, _ = state
        dx = (x**3 - a) / (3 * x * x)
        return x - dx, dx

    return mg.while_loop(lambda state: np.abs(state[1]) > 1e-9, step, (start, 1.0))[0] * np.sin(a)


def newton_plain(a, x):
    dx = 1.0
    while np.abs(dx) > 1e-9:
        dx = (x**3 - a) / (3 * x * x)
        x = x - dx
    return x * np.sin(a)


def predator(p, y):
    return np.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - y[1]])


def step_of_runge_kutta(p, y, h):
    k1 = predator(p, y)
    k2 = predator(p, y + h / 2 * k1)
    k3 = predator(p, y + h / 2 * k2)
    k4 = predator(p, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def runge_kutta(p, y):
    return np.sum(mg.fori_loop(0, 6, lambda i, y: step_of_runge_kutta(p, y, 0.05 + 0.01 * i), y) ** 2)


def runge_kutta_plain(p, y):
    for i in range(6):
        y = step_of_runge_kutta(p, y, 0.05 + 0.01 * i)
    return np.sum(y**2)


def recurrence(c, xs):
    def f(c, x):
        return np.sin(c) * x["a"] + c, (c * x["a"], x["b"] @ x["b"] * c)

    c, (u, v) = mg.scan(f, c, xs)
    back, w = mg.scan(lambda c, u: (c * u + 1, c), c, u, reverse=True)
    return back + np.sum(u * v * w)


def recurrence_plain(c, xs):
    us, vs, ws = [], [], []
    for a, b in zip(xs["a"], xs["b"]):
        us.append(c * a)
        vs.append(b @ b * c)
        c = np.sin(c) * a + c
    for u in us[::-1]:
        ws.append(c)
        c = c * u + 1
    return c + sum(u * v * w for u, v, w in zip(us, vs, ws[::-1]))


def branches(x, y):
    z = mg.cond(np.sum(x) > y, lambda a, b: np.sum(np.sin(a) * b), lambda a, b: np.sum(a**2) - b * x[0], x, y)
    return z * y


def branches_plain(x, y):
    z = np.sum(np.sin(x) * y) if np.sum(x) > y else np.sum(x**2) - y * x[0]
    return z * y


def nested(a, b):
    def body(i, s):
        t = mg.while_loop(lambda t: t < 3.0, lambda t: t * (1 + a * a) + 0.1, s * s)
        return mg.cond(t > 3.5, lambda t: np.sin(t) * b * s, lambda t: np.sqrt(t) * a + b, t)

    return mg.fori_loop(0, 4, body, b)


def nested_plain(a, b):
    s = b
    for _ in range(4):
        t = s * s
        while t < 3.0:
            t = t * (1 + a * a) + 0.1
        s = np.sin(t) * b * s if t > 3.5 else np.sqrt(t) * a + b
    return s


def loops_in_branches(a, x):
    def grow(x):
        return mg.while_loop(lambda s: np.sum(s) < 8.0, lambda s: s * (1.3 + a * a), x)

    def shrink(x):
        return mg.scan(lambda c, v: (c * v + a, None), x, x)[0]

    return np.sum(mg.cond(np.max(x) > 1.0, grow, shrink, x) ** 2)


def loops_in_branches_plain(a, x):
    if np.max(x) > 1.0:
        while np.sum(x) < 8.0:
            x = x * (1.3 + a * a)
        return np.sum(x**2)
    c = x
    for v in x:
        c = c * v + a
    return np.sum(c**2)


def _uniform(low, high, *shape):
    return lambda random: np.asarray(np.round(random.uniform(low, high, shape), 3))[()]


def _both(first, second):
    return lambda random: (first(random), second(random))


def _xs(random):
    return {"a": _uniform(-1, 1, 4)(random), "b": _uniform(-1, 1, 4, 2)(random)}


CASES = {
    "Newton's iteration": Case(newton, newton_plain, _both(_uniform(1.5, 3.0), _uniform(1.0, 2.0))),
    "Runge and Kutta": Case(runge_kutta, runge_kutta_plain, _both(_uniform(0.3, 1.2, 3), _uniform(0.5, 1.5, 2))),
    "recurrences": Case(recurrence, recurrence_plain, _both(_uniform(0.2, 0.9), _xs)),
    "branch taken": Case(branches, branches_plain, _both(_uniform(0.1, 0.9, 3), _uniform(-0.5, 0.05))),
    "branch not taken": Case(branches, branches_plain, _both(_uniform(0.1, 0.9, 3), _uniform(3.0, 4.0))),
    "nested": Case(nested, nested_plain, _both(_uniform(0.4, 0.8), _uniform(0.6, 0.9))),
    "loop in a branch": Case(
        loops_in_branches, loops_in_branches_plain, _both(_uniform(0.1, 0.5), _uniform(1.1, 1.5, 3))
    ),
    "loop in the other": Case(
        loops_in_branches, loops_in_branches_plain, _both(_uniform(0.1, 0.5), _uniform(0.3, 0.9, 3))
    ),
}
