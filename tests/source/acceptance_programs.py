"""Programs of scientists, as they write them: loops, branches, assignment. Nothing here knows of derivatives."""

from __future__ import annotations

import math

import numpy as np


def covariance(x):
    n = len(x)
    S = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            S[i, j] = np.exp(-0.5 * (x[i] - x[j]) ** 2)
        S[i, i] += 0.1 + x[i] ** 2
    return S


def trace_of_products(x):
    n = len(x)
    S = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            S[i, i] += x[i] * math.sin(x[j])
    return S


def weighted_path(x):
    total = 0.0
    for i, (a, b) in enumerate(zip(x[:-1], x[1:])):  # noqa: RUF007
        total += (i + 1) * math.sqrt(1.0 + (b - a) ** 2)
    for i, a in enumerate(x):
        total = total + a**2 / (i + 1)
    return total


def simpson(x, n=20):
    rate, frequency, upper = x[0], x[1], x[2]

    def integrand(t):
        return math.exp(-rate * t) * math.cos(frequency * t)

    h = upper / n
    total = integrand(0.0) + integrand(upper)
    for i in range(1, n):
        weight = 4 if i % 2 == 1 else 2
        total = total + weight * integrand(i * h)
    return total * h / 3


def kepler(x, tol=1e-12):
    mean_anomaly, eccentricity = x
    E = mean_anomaly
    dx = 1.0
    while abs(dx) > tol:
        dx = (E - eccentricity * math.sin(E) - mean_anomaly) / (1 - eccentricity * math.cos(E))
        E = E - dx
    return E


def bisection(x, tol=1e-6):
    lower, upper, target = x[0], x[1], x[2]
    while upper - lower > tol:
        middle = (lower + upper) / 2
        if middle**3 + middle > target:
            upper = middle
        else:
            lower = middle
    return (lower + upper) / 2


def bisection_then_newton(x, tol=1e-3):
    lower, upper = 0.0, 4.0
    while True:
        middle = 0.5 * (lower + upper)
        residual = x[0] * middle**3 + middle - x[1]
        if upper - lower < tol:
            break
        if residual > 0:
            upper = middle
        else:
            lower = middle
    for _ in range(3):
        residual = x[0] * middle**3 + middle - x[1]
        middle -= residual / (3 * x[0] * middle**2 + 1)
    return middle


def runge_kutta(x, steps=10_000):
    rate, y = x[0], x[1]

    def slope(y):
        return -rate * y

    h = 2.0 / steps
    for _ in range(steps):
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def oscillator(x, steps=40):
    stiffness, damping = x[0], x[1]
    y = np.array([x[2], x[3]])
    h = 2.0 / steps
    path = np.empty((steps, 2))
    for step in range(steps):
        k1 = np.array([y[1], -stiffness * y[0] - damping * y[1]])
        z = y + h / 2 * k1
        k2 = np.array([z[1], -stiffness * z[0] - damping * z[1]])
        y = y + h * k2
        path[step] = y
    return path[-1] + path[steps // 2]


def cholesky(A):
    n = A.shape[0]
    L = A.copy()
    for j in range(n):
        for k in range(j):
            L[j, j] -= L[j, k] ** 2
        L[j, j] = math.sqrt(L[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                L[i, j] -= L[i, k] * L[j, k]
            L[i, j] /= L[j, j]
    log_determinant = 0.0
    for j in range(n):
        log_determinant += 2 * math.log(L[j, j])
    return log_determinant


def cholesky_by_rows(A):
    n = len(A)
    L = np.zeros_like(A)
    for j in range(n):
        L[j, j] = np.sqrt(A[j, j] - L[j, :j] @ L[j, :j])
        L[j + 1 :, j] = (A[j + 1 :, j] - L[j + 1 :, :j] @ L[j, :j]) / L[j, j]
    return L


def lu_with_pivoting(A):
    n = len(A)
    U = A.copy()
    x = np.array([float(i + 1) for i in range(n)])
    for k in range(n):
        pivot = k
        for i in range(k + 1, n):
            if abs(U[i, k]) > abs(U[pivot, k]):
                pivot = i
        if pivot != k:
            U[[k, pivot]] = U[[pivot, k]]
            x[[k, pivot]] = x[[pivot, k]]
        for i in range(k + 1, n):
            factor = U[i, k] / U[k, k]
            for j in range(k, n):
                U[i, j] -= factor * U[k, j]
            x[i] -= factor * x[k]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            x[i] -= U[i, j] * x[j]
        x[i] /= U[i, i]
    return x


def lu_by_slices(A):
    n = len(A)
    U = A.copy()
    sign = 1.0
    for k in range(n):
        pivot = k + np.argmax(np.abs(U[k:, k]))
        if pivot != k:
            U[[k, pivot]] = U[[pivot, k]]
            sign = -sign
        U[k + 1 :, k] /= U[k, k]
        U[k + 1 :, k + 1 :] -= np.outer(U[k + 1 :, k], U[k, k + 1 :])
    return sign * np.prod(np.diag(U))


def heat(x, steps=20):
    u = x[1:].copy()
    for _ in range(steps):
        u[1:-1] += x[0] * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


def heat_point_by_point(x, steps=6):
    diffusivity = x[0]
    u = x[1:].copy()
    for _ in range(steps):
        left = u[0]
        for i in range(1, len(u) - 1):
            here = u[i]
            u[i] += diffusivity * (left - 2 * here + u[i + 1])
            left = here
    return u


def random_walk(x, noise=()):
    position, barrier, drift = x[0], x[1], x[2]
    turns = 0
    for step in noise:
        if position > barrier:
            position = position - drift * abs(step)
            turns += 1
        elif position < -barrier or step > 1.5:
            position = 0.5 * position + drift**2
            turns += 1
        else:
            position += math.sin(drift) * step
    return position + 0.25 * turns * drift


def edit_distance(x, gap=0.4):
    half = len(x) // 2
    first, second = x[:half], x[half:]
    D = np.zeros((len(first) + 1, len(second) + 1))
    for i in range(1, len(first) + 1):
        D[i, 0] = D[i - 1, 0] + gap * first[i - 1] ** 2
    for j in range(1, len(second) + 1):
        D[0, j] = D[0, j - 1] + gap * second[j - 1] ** 2
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            replace = D[i - 1, j - 1] + (first[i - 1] - second[j - 1]) ** 2
            D[i, j] = min(D[i - 1, j] + gap * first[i - 1] ** 2, D[i, j - 1] + gap * second[j - 1] ** 2, replace)
    return D[-1, -1]


def horner(x):
    z = x[0]
    value = 0.0
    for coefficient in x[1:]:
        value = value * z + coefficient
    return value


def fibonacci(x, n=10):
    p, q = x[2], x[3]
    a, b = x[0], x[1]
    for _ in range(n):
        a, b = b, p * b + q * a
    return a


def fibonacci_table(x, n=10):
    f = np.zeros(n + 1)
    f[0] = x[0]
    f[1] = x[1]
    for i in range(2, n + 1):
        f[i] = x[2] * f[i - 1] + x[3] * f[i - 2]
    return f


def matrix_exponential(A):
    size = np.max(np.sum(np.abs(A), axis=0))
    squarings = 0
    while size > 0.5:
        size = size / 2
        squarings += 1
    A = A / 2**squarings
    term = np.eye(len(A))
    total = np.eye(len(A))
    for k in range(1, 16):
        term = term @ A / k
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total
