"""What `eager.py` differentiates: plain functions of arrays that take the array module as their first argument.

mixgrad differentiates them with `numpy` itself, autograd with `autograd.numpy`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A function ``function(xp, *params, *data)`` with a point; the gradient is by all of `params`."""

    name: str
    function: Callable
    params: tuple
    data: tuple = ()

    @property
    def args(self) -> tuple:
        return self.params + self.data

    @property
    def argnums(self) -> int | tuple[int, ...]:
        return 0 if len(self.params) == 1 else tuple(range(len(self.params)))

    def bound(self, xp: Any) -> Callable:
        """Return the function for one array module."""

        def function(*args):
            return self.function(xp, *args)

        return function


# Chains of one operation ----------------------------------------------------------------------------------------------

LENGTH = 100
MASK = np.array([True, False, True])


@dataclass(frozen=True)
class Step:
    """One step of a chain, ``function(xp, z, x, i)``, in which `operations` operations are counted."""

    name: str
    function: Callable
    operations: int = 1
    scalar: Any = 0.7
    vector: Any = (0.7, 0.8, 0.9)


ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]

STEPS = (
    Step("sin(z)", lambda xp, z, x, i: xp.sin(z)),
    Step("exp(-z)", lambda xp, z, x, i: xp.exp(-z), 2),
    Step("z * x", lambda xp, z, x, i: z * x, scalar=0.99, vector=(0.98, 0.99, 1.01)),
    Step("z + x", lambda xp, z, x, i: z + x),
    Step("z - 0.5", lambda xp, z, x, i: z - 0.5),
    Step("z ** 2", lambda xp, z, x, i: z**2, scalar=1.0, vector=(1.0, 1.0, 1.0)),
    Step("z / x", lambda xp, z, x, i: z / x, scalar=1.01, vector=(0.98, 0.99, 1.01)),
    Step("z + sum(x)", lambda xp, z, x, i: z + xp.sum(x), 2),
    Step("z + x[i]", lambda xp, z, x, i: z + x[i % 3], 2, scalar=None),
    Step("z @ x, 3 x 3", lambda xp, z, x, i: z @ x, scalar=None, vector=ROTATION),
    Step("reshape(z)", lambda xp, z, x, i: xp.reshape(z, (-1, 1) if z.ndim < 2 else x.shape)),
    Step("where(c, z, x)", lambda xp, z, x, i: xp.where(MASK[: x.size] if x.ndim else True, z, x)),
    Step("maximum(z, 0.3)", lambda xp, z, x, i: xp.maximum(z, 0.3)),
)


def chain(step: Step, vector: bool) -> Case | None:
    """Return a chain of `LENGTH` operations on numbers or on arrays of three; None if there is none on numbers."""
    point = step.vector if vector else step.scalar
    if point is None:
        return None

    def function(xp, x):
        z = x
        for i in range(LENGTH // step.operations):
            z = step.function(xp, z, x, i)
        return xp.sum(z) if z.ndim else z

    return Case(step.name, function, (np.array(point)[()],))


# Whole functions ------------------------------------------------------------------------------------------------------


def rosenbrock(xp, x):
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_loop(xp, x):
    total = 0.0
    for i in range(len(x) - 1):
        total = total + 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return total


def logistic(xp, beta, design, labels):
    margin = design @ beta
    return xp.sum(xp.logaddexp(0.0, margin) - labels * margin)


def perceptron(xp, w1, b1, w2, b2, w3, b3, inputs, labels):
    hidden = xp.tanh(inputs @ w1 + b1)
    hidden = xp.tanh(hidden @ w2 + b2)
    logits = hidden @ w3 + b3
    shifted = logits - xp.max(logits, axis=1, keepdims=True)
    log_shares = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
    return -xp.mean(xp.sum(labels * log_shares, axis=1))


def mixture(xp, logits, means, factors, rows):
    log_weights = logits - xp.log(xp.sum(xp.exp(logits)))
    whitened = xp.einsum("nki,kij->nkj", rows[:, None, :] - means, factors)
    diagonals = xp.abs(factors[:, [0, 1], [0, 1]])
    scores = log_weights + xp.sum(xp.log(diagonals), axis=1) - 0.5 * xp.sum(whitened**2, axis=2)
    largest = xp.max(scores, axis=1, keepdims=True)
    return xp.sum(xp.log(xp.sum(xp.exp(scores - largest), axis=1, keepdims=True)) + largest)


def kepler(xp, p):
    """Solve Kepler's equation for the eccentric anomaly by Newton's method."""
    eccentricity, mean = p[0], p[1]
    anomaly = mean
    for _ in range(20):
        residual = anomaly - eccentricity * xp.sin(anomaly) - mean
        anomaly = anomaly - residual / (1 - eccentricity * xp.cos(anomaly))
    return anomaly


def lorenz(xp, start):
    def slope(state):
        x, y, z = state[0], state[1], state[2]
        return xp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    state, h = start, 0.01
    for _ in range(200):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return xp.sum(state**2)


def normal_distribution(xp, x):
    """Return the normal distribution function by Abramowitz and Stegun 26.2.17."""
    t = 1 / (1 + 0.2316419 * xp.abs(x))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = xp.exp(-0.5 * x * x) * series / math.sqrt(2 * math.pi)
    return xp.where(x > 0, 1 - tail, tail)


def black_scholes(xp, spot, volatility, strike, time):
    rate = 0.03
    spread = volatility * xp.sqrt(time)
    d1 = (xp.log(spot / strike) + (rate + 0.5 * volatility**2) * time) / spread
    calls = spot * normal_distribution(xp, d1)
    return xp.sum(calls - strike * xp.exp(-rate * time) * normal_distribution(xp, d1 - spread))


def evidence(xp, factor, y):
    """Return the logarithm of a normal density, up to a constant, from a factor of the covariance."""
    covariance = factor @ factor.T + xp.eye(len(y))
    return xp.linalg.slogdet(covariance)[1] + y @ xp.linalg.solve(covariance, y)


def functions() -> list[Case]:
    """Return whole functions at points of ordinary size."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 100)
    design = rng.normal(size=(1000, 10))
    labels = (rng.uniform(size=1000) < 0.5).astype(float)
    widths = (20, 64, 64, 10)
    layers = [p for m, n in pairwise(widths) for p in (rng.normal(size=(m, n)) / math.sqrt(m), np.zeros(n))]
    batch = rng.normal(size=(128, 20)), np.eye(10)[rng.integers(0, 10, 128)]
    components = rng.normal(size=5), rng.normal(size=(5, 2)), np.eye(2) + 0.3 * rng.normal(size=(5, 2, 2))
    options = rng.uniform(80, 120, 1000), rng.uniform(0.1, 0.4, 1000)
    terms = rng.uniform(80, 120, 1000), rng.uniform(0.2, 2, 1000)
    return [
        Case("Rosenbrock, 100 arguments, in array operations", rosenbrock, (x,)),
        Case("Rosenbrock, 100 arguments, element by element", rosenbrock_loop, (x,)),
        Case("logistic regression, 1000 x 10", logistic, (rng.normal(size=10),), (design, labels)),
        Case("neural network, 20-64-64-10, batch of 128", perceptron, tuple(layers), batch),
        Case("Gaussian mixture, 1000 x 2, 5 components", mixture, components, (rng.normal(size=(1000, 2)),)),
        Case("Kepler's equation, 20 Newton steps, numbers", kepler, (np.array([0.3, 1.2]),)),
        Case("Lorenz' equations, 200 Runge-Kutta steps", lorenz, (np.array([1.0, 2.0, 20.0]),)),
        Case("Black-Scholes, 1000 options", black_scholes, options, terms),
        Case("log-determinant and solve, 50 x 50", evidence, (rng.normal(size=(50, 50)), rng.normal(size=50))),
    ]


# Large arrays ---------------------------------------------------------------------------------------------------------


def waves(xp, x):
    return xp.sum(xp.sin(x) * xp.exp(-(x**2)) + x / (1 + x * x))


def polynomial(xp, x):
    return xp.sum(x * (2 + x * (3 - x * (4 + x))))


def saturation(xp, x):
    return xp.sum(xp.tanh(xp.sqrt(1 + x**2)) - xp.log(1 + xp.abs(x)))


def log_sum_exp(xp, x):
    largest = xp.max(x)
    return largest + xp.log(xp.sum(xp.exp(x - largest)))


def row_log_sum_exp(xp, x):
    largest = xp.max(x, axis=1, keepdims=True)
    return xp.sum(largest + xp.log(xp.sum(xp.exp(x - largest), axis=1, keepdims=True)))


def products(xp, a, b, c):
    return xp.sum((a @ b @ c) ** 2)


def large(size: int) -> list[Case]:
    """Return functions of arrays of `size` elements."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=size)
    side = math.isqrt(size)
    matrices = tuple(rng.normal(size=(side, side)) / math.sqrt(side) for _ in range(3))
    return [
        Case("sum(sin(x) exp(-x**2) + x / (1 + x x))", waves, (x,)),
        Case("sum(x (2 + x (3 - x (4 + x))))", polynomial, (x,)),
        Case("sum(tanh(sqrt(1 + x**2)) - log(1 + abs(x)))", saturation, (x,)),
        Case("log(sum(exp(x)))", log_sum_exp, (x,)),
        Case("sum(log(sum(exp(x), axis=1))), 10 columns", row_log_sum_exp, (x[: size // 10 * 10].reshape(-1, 10),)),
        Case(f"sum((A B C)**2), {side} x {side}", products, matrices),
    ]
