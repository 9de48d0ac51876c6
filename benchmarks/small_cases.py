"""What `small.py` differentiates: functions ``function(xp, x, *data)`` of a short array, for any array module `xp`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Case:
    """A function of a short array, with a point; `form` is the name by which the peers know it."""

    name: str
    form: str
    function: Callable
    x: np.ndarray
    data: tuple = ()
    kind: Literal["grad", "jacobian"] = "grad"

    def derivative(self, library: Any, xp: Any) -> Callable:
        """Return the derivative by a library that has `grad` and `jacobian`, for its array module."""

        def function(x):
            return self.function(xp, x, *self.data)

        return getattr(library, self.kind)(function)


def rosenbrock(xp, x):
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def robertson(xp, y):
    """Return the rates of Robertson's three reactions, the usual stiff problem."""
    slow, fast, back = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
    return xp.array([back - slow, slow - back - fast, fast])


def logistic(xp, beta, design, labels):
    margin = xp.dot(design, beta)
    return xp.sum(xp.logaddexp(0.0, margin) - labels * margin)


def twenty_lines(xp, x):
    """Return a number computed by twenty lines from three numbers."""
    a, b, c = x[0], x[1], x[2]
    r = a * a + b * b + 1
    s = xp.sqrt(r)
    t = c / s
    u = xp.sin(t)
    v = xp.cos(a * b)
    w = xp.exp(-u * u)
    p = w + v * t
    q = xp.log(r) + p
    e = xp.tanh(q - c)
    g = e * s + u
    h = 1 / (1 + g * g)
    k = h * p - e * v
    l = a * k + b * h
    m = c * l + q
    n = xp.sqrt(1 + m * m)
    o = n - m * h
    y = xp.log(1 + o * o)
    z = y + l * k / 2
    return z * w


def cases() -> list[Case]:
    """Return functions of 2 to 100 variables at points of ordinary size."""
    rng = np.random.default_rng(3)
    design, labels = rng.normal(size=(20, 5)), (rng.uniform(size=20) < 0.5).astype(float)
    points = {n: rng.uniform(-1, 1, n) for n in (2, 10, 100)}
    return [
        *(Case(f"gradient of Rosenbrock({n})", "rosenbrock", rosenbrock, x) for n, x in points.items()),
        Case("Jacobian of Robertson's rates", "robertson", robertson, np.array([0.9, 2e-5, 0.1]), kind="jacobian"),
        Case("gradient of a logistic likelihood, 20 x 5", "logistic", logistic, rng.normal(size=5), (design, labels)),
        Case("gradient of 20 lines of 3 numbers", "twenty_lines", twenty_lines, np.array([0.7, -0.4, 1.3])),
    ]
