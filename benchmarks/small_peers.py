"""The contestants of `small.py`: each makes, of a case, a function without arguments that computes its derivative."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from small_cases import Case

Call = Callable[[], Any]

# Derivatives written by hand, for Numba -------------------------------------------------------------------------------


def rosenbrock_gradient(x):
    gradient = np.zeros_like(x)
    for i in range(x.size - 1):
        excess = x[i + 1] - x[i] * x[i]
        gradient[i] += -400 * x[i] * excess - 2 * (1 - x[i])
        gradient[i + 1] += 200 * excess
    return gradient


def robertson_jacobian(y):
    jacobian = np.zeros((3, 3))
    jacobian[0, 0], jacobian[0, 1], jacobian[0, 2] = -0.04, 1e4 * y[2], 1e4 * y[1]
    jacobian[2, 1] = 6e7 * y[1]
    for i in range(3):
        jacobian[1, i] = -jacobian[0, i] - jacobian[2, i]
    return jacobian


def logistic_gradient(beta, design, labels):
    rows, columns = design.shape
    gradient = np.zeros(columns)
    for i in range(rows):
        margin = 0.0
        for j in range(columns):
            margin += design[i, j] * beta[j]
        excess = 1 / (1 + np.exp(-margin)) - labels[i]
        for j in range(columns):
            gradient[j] += excess * design[i, j]
    return gradient


def twenty_lines_gradient(x):
    a, b, c = x[0], x[1], x[2]
    r = a * a + b * b + 1
    s = np.sqrt(r)
    t = c / s
    u, v = np.sin(t), np.cos(a * b)
    w = np.exp(-u * u)
    p = w + v * t
    q = np.log(r) + p
    e = np.tanh(q - c)
    g = e * s + u
    h = 1 / (1 + g * g)
    k = h * p - e * v
    l = a * k + b * h
    m = c * l + q
    n = np.sqrt(1 + m * m)
    o = n - m * h
    z = np.log(1 + o * o) + l * k / 2
    o_bar = 2 * o / (1 + o * o) * w  # from here on: the derivative of z * w by each number, from the last to the first
    m_bar = o_bar * (m / n - h)
    l_bar = w * k / 2 + c * m_bar
    k_bar = w * l / 2 + a * l_bar
    h_bar = p * k_bar + b * l_bar - m * o_bar
    g_bar = -2 * g * h * h * h_bar
    e_bar = s * g_bar - v * k_bar
    inner = (1 - e * e) * e_bar
    q_bar = m_bar + inner
    p_bar = h * k_bar + q_bar
    u_bar = g_bar - 2 * u * w * (z + p_bar)
    angle_bar = -np.sin(a * b) * (t * p_bar - e * k_bar)
    t_bar = v * p_bar + np.cos(t) * u_bar
    r_bar = q_bar / r + (e * g_bar - t / s * t_bar) / (2 * s)
    a_bar = k * l_bar + b * angle_bar + 2 * a * r_bar
    b_bar = h * l_bar + a * angle_bar + 2 * b * r_bar
    return np.array([a_bar, b_bar, l * m_bar - inner + t_bar / s])


BY_HAND = {
    "rosenbrock": rosenbrock_gradient,
    "robertson": robertson_jacobian,
    "logistic": logistic_gradient,
    "twenty_lines": twenty_lines_gradient,
}


# Contestants ----------------------------------------------------------------------------------------------------------


def with_jax(case: Case) -> Call:
    import jax

    compiled = jax.jit(case.derivative(jax, jax.numpy))
    x = jax.numpy.asarray(case.x)
    return lambda: compiled(x).block_until_ready()


def with_autograd(case: Case) -> Call:
    import autograd

    derivative = case.derivative(autograd, autograd.numpy)
    return lambda: derivative(case.x)


class Casadi:
    """The names of NumPy that the cases use, for CasADi's scalar expressions."""

    def __init__(self) -> None:
        import casadi

        for name in ("sqrt", "sin", "cos", "exp", "log", "tanh"):
            setattr(self, name, getattr(casadi, name))
        self.sum, self.array, self.dot = casadi.sum1, lambda parts: casadi.vertcat(*parts), casadi.mtimes
        self.logaddexp = lambda a, b: casadi.log(casadi.exp(a) + casadi.exp(b))


def with_casadi(case: Case) -> Call:
    import casadi

    x = casadi.SX.sym("x", len(case.x))
    value = case.function(Casadi(), x, *map(casadi.DM, case.data))
    derivative = casadi.gradient(value, x) if case.kind == "grad" else casadi.jacobian(value, x)
    function = casadi.Function("derivative", [x], [casadi.densify(derivative)])
    buffer, evaluate = function.buffer()
    out, argument = np.zeros(function.nnz_out(0)), case.x.copy()
    buffer.set_arg(0, memoryview(argument))
    buffer.set_res(0, memoryview(out))
    shaped = out if case.kind == "grad" else out.reshape(function.size_out(0), order="F")

    def call() -> np.ndarray:
        evaluate()
        return shaped

    call.kept = buffer, argument  # they have to live as long as the call
    return call


def with_numba(case: Case) -> Call:
    import numba

    compiled = numba.njit(BY_HAND[case.form])
    args = case.x, *case.data
    return lambda: compiled(*args)


@dataclass(frozen=True)
class Peer:
    """A library, and what makes a call with it."""

    package: str
    prepare: Callable[[Case], Call]


PEERS = {
    "JAX": Peer("jax", with_jax),
    "autograd": Peer("autograd", with_autograd),
    "CasADi": Peer("casadi", with_casadi),
    "Numba, by hand": Peer("numba", with_numba),
}


def installed() -> tuple[list[str], dict[str, str]]:
    """Import the peers; say which are left out. Return their names and the versions of their packages."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    names, versions = [], {}
    for name, peer in PEERS.items():
        try:
            module = importlib.import_module(peer.package)
        except ImportError as error:
            print(f"{name} is left out: {error}")
            continue
        if name == "JAX":
            module.config.update("jax_enable_x64", True)
        elif name == "autograd":
            importlib.import_module("autograd.numpy")
        names.append(name)
        versions[peer.package] = metadata.version(peer.package)
    return names, versions
