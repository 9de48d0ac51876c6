"""Second-order ways to the maximum: SciPy's optimisers, seen from a mixture's coordinates.

A `Descent` is one run of an optimiser in the chart about where a fit stands, and ends where that chart does. It does
not cross the floor of the covariances (`mixgrad.mixture.covariance`): below it, and where numbers end, the function
that SciPy sees is infinite.
"""

import math
from collections import deque
from typing import Any

import numpy as np
from scipy.optimize import LbfgsInvHessProduct, minimize
from scipy.sparse.linalg import LinearOperator, cg

from mixgrad.mixture import em
from mixgrad.mixture.chart import Chart

__all__ = ["Newton", "QuasiNewton", "TruncatedNewton", "floored"]

# Steps rejected in a row, and points on the floor, after which a run has failed.
REJECTED, REFUSED = 5, 3
# Length of a step at first and at most; a chart whose origin is farther away than the latter is left for a new one.
RADIUS, LARGEST_RADIUS = 0.2, 2.0
# Curvatures that are no larger are rounding.
FLAT = 1e-9
# Products of the Hessian after which conjugate gradients give up.
CONJUGATE = 200


class Descent:
    """SciPy's view of a problem: minus the mean log-likelihood in a chart about where a course stands."""

    method: str
    options: dict

    def __init__(self, course):
        self.course, self.problem = course, course.problem
        self.chart = Chart.about(course.state.components, self.problem)
        self.theta: Any = None
        self.found: Any = None
        self.at = np.zeros(self.chart.size)
        self.start, self.rejected, self.refused = course.state.lower_bound, 0, 0

    def run(self):
        """Iterate until the course ends or another chart is due; return whether that was any use."""
        if not math.isfinite(self.value(self.at)):
            return False
        minimize(self.value, self.at, jac=self.gradient, method=self.method, callback=self.callback, **self.options)
        gain = self.course.state.lower_bound - self.start
        return gain > em.rounding(self.start) and not self.failed

    @property
    def failed(self):
        """Whether steps lead nowhere, or into the floor."""
        return self.rejected >= REJECTED or self.refused >= REFUSED

    def evaluated(self, theta):
        """Return minus the value and its derivatives at theta: those of the last point without another pass."""
        if self.theta is None or not np.array_equal(theta, self.theta):
            self.theta, self.found = theta.copy(), self._allowed(theta)
        return self.found

    def value(self, theta):
        """Return minus the mean log-likelihood per row."""
        return self.evaluated(theta)[0]

    def gradient(self, theta):
        """Return its gradient."""
        return self.evaluated(theta)[1]

    def callback(self, intermediate_result):
        """Tell the course; called after each iteration by SciPy, which looks at the name of the argument."""
        theta = intermediate_result.x
        stays = np.array_equal(theta, self.at)
        self.rejected, self.at = (self.rejected + 1 if stays else 0), theta.copy()
        value, length, gap = self.outlook(theta, stays)
        self.course.move(self.chart.at(theta), -value, gap, length)
        if not self.course.running or self.failed or np.linalg.norm(theta) > LARGEST_RADIUS:
            raise StopIteration

    def outlook(self, theta, stays) -> tuple[float, float, float]:
        """Minus the value at an accepted point, the length of the gradient there, and the gap."""
        raise NotImplementedError

    def compute(self, theta) -> tuple:
        """Minus the value and its derivatives at theta."""
        raise NotImplementedError

    def _allowed(self, theta):
        """Minus the value and its derivatives, or infinity on the floor and where numbers end."""
        with np.errstate(all="ignore"):
            components = self.chart.at(theta)
            inside = all(np.all(np.isfinite(values)) for values in components)
            if inside and not np.any(floored(self.problem, components)[1]):
                found = self.compute(theta)
                if all(np.all(np.isfinite(values)) for values in found):
                    return found
        self.refused += 1
        size = self.chart.size
        return math.inf, np.zeros(size), np.eye(size)


class TrustRegion(Descent):
    """Trust regions about the last accepted point, of which is known what `Descent.outlook` returns."""

    def __init__(self, course):
        super().__init__(course)
        limits: dict[str, Any] = {"initial_trust_radius": RADIUS, "max_trust_radius": LARGEST_RADIUS, "gtol": 0.0}
        self.options = {**self.curvature(), "options": limits}
        self.last = self.seen()

    def outlook(self, theta, stays):
        """As `Descent.outlook`: the gap is Newton's decrement."""
        if not stays:
            self.last = self.seen()
        return self.last

    def curvature(self) -> dict[str, Any]:
        """Return the second derivative as SciPy takes it."""
        raise NotImplementedError

    def seen(self) -> tuple[float, float, float]:
        """Return what `outlook` does."""
        raise NotImplementedError


class Newton(TrustRegion):
    """Trust regions with the Hessian."""

    method = "trust-exact"

    def curvature(self):
        """Return the Hessian."""
        return {"hess": lambda theta: self.evaluated(theta)[2]}

    def compute(self, theta):
        """Return minus the value, the gradient and the Hessian."""
        value, gradient, hessian = self.problem.second_order(self.chart, theta)
        return -value, -gradient, -hessian

    def seen(self):
        """As `TrustRegion.seen`."""
        value, gradient, hessian = self.evaluated(self.at)
        return value, float(np.linalg.norm(gradient)), _decrement(gradient, hessian)


class TruncatedNewton(TrustRegion):
    """Trust regions with products of the Hessian, for many coordinates."""

    method = "trust-ncg"

    def curvature(self):
        """Return its products."""
        return {"hessp": self.product}

    def compute(self, theta):
        """Return minus the value and the gradient."""
        value, gradient = self.problem.value_and_gradient(self.chart, theta)
        return -value, -gradient

    def product(self, theta, direction):
        """Return minus the Hessian times a direction."""
        return -self.problem.product(self.chart, theta, direction)

    def seen(self):
        """As `TrustRegion.seen`: a decrement is looked for where the gradient is small enough."""
        value, gradient = self.evaluated(self.at)[:2]
        length, gap = float(np.linalg.norm(gradient)), math.inf
        if 0.5 * length**2 <= max(self.course.gap_tol, em.rounding(value)):
            size = self.chart.size
            hessian = LinearOperator((size, size), lambda move: self.product(self.at, move))  # pyright: ignore
            step, failed = cg(hessian, gradient, rtol=0.1, maxiter=CONJUGATE)
            gap = math.inf if failed else 0.5 * float(gradient @ step)
        return value, length, gap


class QuasiNewton(Descent):
    """Limited memory of gradients."""

    method = "L-BFGS-B"

    def __init__(self, course):
        super().__init__(course)
        limits = {"maxcor": 10, "ftol": 0.0, "gtol": 0.0, "maxfun": 10**9, "maxiter": 10**9}
        self.options = {"bounds": [(-LARGEST_RADIUS, LARGEST_RADIUS)] * self.chart.size, "options": limits}
        self.points, self.gradients = deque([self.at], maxlen=11), deque([self.gradient(self.at)], maxlen=11)

    def compute(self, theta):
        """Return minus the value and the gradient."""
        value, gradient = self.problem.value_and_gradient(self.chart, theta)
        return -value, -gradient

    def outlook(self, theta, stays):
        """As `Descent.outlook`: the gap is that of the Hessian in memory."""
        value, gradient = self.evaluated(theta)[:2]
        if not stays:
            self.points.append(theta.copy())
            self.gradients.append(gradient)
        moves, bends = np.diff(self.points, axis=0), np.diff(self.gradients, axis=0)
        convex = np.sum(moves * bends, axis=1) > 0.0
        if not np.any(convex):
            return value, float(np.linalg.norm(gradient)), math.inf
        inverse = LbfgsInvHessProduct(moves[convex], bends[convex])
        return value, float(np.linalg.norm(gradient)), 0.5 * float(gradient @ inverse.matvec(gradient))


def _decrement(gradient, hessian):
    """How far a quadratic function of this gradient and Hessian is above its minimum; infinite if it has none."""
    curvatures, axes = np.linalg.eigh(hessian)
    if curvatures[0] < -FLAT:
        return math.inf
    return 0.5 * float(np.sum((axes.T @ gradient) ** 2 / np.maximum(curvatures, FLAT)))


def floored(problem, components):
    """Components with their covariances raised to the floor, and which of them were below."""
    covariance = problem.covariance
    if problem.fixed.covariances:
        return components, np.zeros(len(components.means), dtype=bool)
    central = covariance.uncorrelated(np.ones(components.means.shape[1]), *components.means.shape)
    factor, whitening, collapsed = covariance.refined(components, central, 0.0, problem.floor)
    return components._replace(factor=factor, whitening=whitening), collapsed
