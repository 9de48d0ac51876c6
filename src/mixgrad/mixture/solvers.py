"""Ways to the maximum of the likelihood: EM, EM extrapolated, and second order.

``em``
    `mixgrad.mixture.em.run`, which stops on scikit-learn's ``tol``: a bound on the gain of one iteration, which says
    little about what is still to gain where EM is slow.
``squarem``
    Squared extrapolation (Varadhan and Roland 2008, scheme S3). Two steps of EM show how fast their length shrinks;
    the third goes where a sequence of that rate would end. An extrapolation that lowers the likelihood below that of
    the two steps is dropped for them.
``newton``
    SciPy's trust-region method with the exact Hessian.
``lbfgs``
    SciPy's L-BFGS-B with the exact gradient.
``auto``
    squarem, and a finish by Newton's method where that is cheaper. A Hessian takes about the time of P sweeps, P being
    the number of coordinates, and a finish about four of them. So squarem goes on for P sweeps at least, and then as
    long as the rate of its last two cycles promises the limit within the price of a finish.

All but ``em`` move in the coordinates of `mixgrad.mixture.chart`, where EM's step is the gradient to first order, and
stop when the estimated gap, the mean log-likelihood per row that is still to gain, and half the square of the gradient's
length are at most ``gap_tol``, or a matter of rounding. Newton's estimate of the gap is the decrement g' H^{-1} g / 2.
L-BFGS has the same with its own H. squarem takes the length of EM's step for g, and for H^{-1} its largest
extrapolation in the last cycles.

Components on the floor are a boundary, not a stationary point: the second-order solvers do not cross it and leave what
is near to squarem, whose steps of EM are exact there. With ``reg_covar`` the limit of EM is not a maximum of the
likelihood: squarem, and auto, then go to that limit, and the second-order solvers refuse.
"""

import math
from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from scipy.optimize import LbfgsInvHessProduct, minimize

from mixgrad._errors import DataError
from mixgrad.mixture import chart as charts
from mixgrad.mixture import em
from mixgrad.mixture.chart import Chart
from mixgrad.mixture.em import Problem, State, Status
from mixgrad.mixture.gap import aitken_gap

__all__ = ["SOLVERS", "solve"]

# Hessians that a finish by Newton's method takes, and cycles of squarem whose rate decides whether it is worth that.
FINISH, LOOK_BACK = 4, 2
# Cycles of squarem whose largest extrapolation stands for the slowest rate.
MEMORY = 5
# Steps rejected in a row after which a round of a second-order solver has failed.
REJECTED = 5
# Length of a step at first and at most; a chart whose origin is farther away than the latter is left for a new one.
RADIUS, LARGEST_RADIUS = 0.5, 2.0
# Curvatures that are no larger are rounding.
FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class Counted(Problem):
    """A problem that counts the passes over its rows, in ``passes[0]``."""

    passes: list = field(default_factory=lambda: [0])

    @classmethod
    def like(cls, problem):
        """Return the same problem, not passed over yet."""
        return cls(**{item.name: getattr(problem, item.name) for item in fields(Problem)})

    def sweep(self, components, frame=None):
        self.passes[0] += 1
        return super().sweep(components, frame)

    def value_and_gradient(self, chart, theta):
        """As `mixgrad.mixture.chart.value_and_gradient`."""
        self.passes[0] += 1
        return charts.value_and_gradient(chart, theta, self)

    def second_order(self, chart, theta):
        """As `mixgrad.mixture.chart.second_order`."""
        self.passes[0] += charts.passes_of_second_order(chart)
        return charts.second_order(chart, theta, self)


class Course:
    """A fit on its way: where it stands, what its bounds were, and whether it goes on."""

    def __init__(self, problem, components, gap_tol, max_iter, lower_bound, observe):
        self.problem = problem
        self.state = em.init(components, lower_bound)
        self.bounds = []
        self.gaps = [math.nan]
        self.gap_tol = gap_tol
        self.max_iter = max_iter
        self.observe = observe
        self.status = Status.RUNNING if max_iter > 0 else Status.EXHAUSTED

    @property
    def running(self):
        """Whether another iteration is due."""
        return self.status is Status.RUNNING

    @property
    def tolerance(self):
        """Gap at which the fit has converged: what was asked for, but no less than rounding."""
        return max(self.gap_tol, em.rounding(self.bounds[-1]))

    def record(self, state, gap, length):
        """Take the outcome of an iteration.

        Parameters
        ----------
        state : State
        gap : float
            Estimate of what is to gain per row.
        length : float
            Of the gradient.
        """
        before, change = self.state, state.lower_bound - self.state.lower_bound
        self.state = state._replace(iteration=before.iteration + 1, change=change)
        self.bounds.append(state.lower_bound)
        self.gaps.append(gap)
        if gap <= self.tolerance and 0.5 * length**2 <= self.tolerance:
            self.status = Status.CONVERGED
        elif self.state.iteration >= self.max_iter:
            self.status = Status.EXHAUSTED
        if self.observe is not None:
            self.observe(self.state)

    def move(self, components, bound, gap, length):
        """Take parameters off the floor that are no outcome of EM, and their bound per row."""
        better = bound > self.state.best_bound
        best, best_bound = (components, bound) if better else (self.state.best, self.state.best_bound)
        free = np.zeros(len(components.means), dtype=bool)
        self.record(State(0, components, components, bound, 0.0, best, best_bound, free), gap, length)


def solve(problem, components, solver, tol, gap_tol, max_iter, lower_bound=-np.inf, observe=None):
    """Iterate from the given components until convergence or `max_iter`.

    Parameters
    ----------
    problem : Problem
    components : Components
    solver : str
        'em' or a key of `SOLVERS`.
    tol : float
        With 'em': gain of the bound per row and iteration below which the fit has converged.
    gap_tol : float
        With the others: estimated gain of the bound per row that is still possible when the fit has converged.
    max_iter : int
        Iterations of the solver: a step of EM, a cycle of two or three in squarem, a step of a second-order method.
    lower_bound : float
        Bound that an earlier fit had reached.
    observe : callable, optional
        Called with the `State` after each iteration.

    Returns
    -------
    Fit
        With its gap and number of sweeps. A pass that computes a Hessian counts once for up to
        `mixgrad.mixture.chart.DIRECTIONS` of its columns, and takes about the time of a sweep for each of them.

    Raises
    ------
    DataError
        A second-order solver was asked for with a `reg_covar`.
    """
    counted = Counted.like(problem)
    if solver == "em":
        fit = em.run(counted, components, tol, max_iter, lower_bound, observe)
        return fit._replace(gap=aitken_gap(fit.lower_bounds), sweeps=counted.passes[0])
    if solver in ("newton", "lbfgs") and problem.reg_covar > 0.0:
        raise DataError(
            f"solver={solver!r} goes to the maximum of the likelihood, and with reg_covar={problem.reg_covar:g} that is "
            "not where EM ends. Set reg_covar=None, or take solver='em', 'squarem' or 'auto'."
        )
    course = Course(counted, components, gap_tol, max_iter, lower_bound, observe)
    try:
        SOLVERS[solver](course)
    except KeyboardInterrupt:
        course.status = Status.INTERRUPTED
    fit = em.finished(course.state, course.bounds, course.status)
    return fit._replace(gap=course.gaps[-1], sweeps=counted.passes[0])


def squarem(course, worthwhile=lambda course: True):
    """Extrapolate EM until convergence, or as long as that is worthwhile."""
    problem, reach, recent = course.problem, 1.0, deque(maxlen=MEMORY)
    while course.running and worthwhile(course):
        first = em.step(problem, course.state)
        second = em.step(problem, first)
        chart = Chart.about(first.evaluated, problem)
        step = chart.coordinates(first.components)
        bend = chart.coordinates(second.components) - 2.0 * step
        length = np.linalg.norm(step)
        stretch = length / max(np.linalg.norm(bend), np.finfo(float).tiny)
        recent.append(stretch)
        alpha = min(max(stretch, 1.0), reach)
        reach = 4.0 * reach if alpha == reach else reach
        state = second
        if alpha > 1.0:
            state = _extrapolated(problem, second, chart.at(2.0 * alpha * step + alpha**2 * bend))
            reach = reach if state is not second else max(0.25 * alpha, 1.0)
        course.record(state, 0.5 * length**2 * max(1.0, *recent), length)


def _extrapolated(problem, state, components):
    """Return the state after a step of EM from an extrapolation, or the one given if that has the higher bound."""
    try:
        further = em.step(problem, state._replace(components=_on_floor(problem, components)[0]))
    except (DataError, np.linalg.LinAlgError):  # densities vanish, or a matrix is not finite
        return state
    return further if further.lower_bound >= state.lower_bound - em.rounding(state.lower_bound) else state


def newton(course):
    """Go to the maximum by trust regions, and leave to squarem what is on the floor."""
    _second_order(course, Newton)
    squarem(course)


def lbfgs(course):
    """Go to the maximum by quasi-Newton steps, and leave to squarem what is on the floor."""
    _second_order(course, QuasiNewton)
    squarem(course)


def auto(course):
    """Extrapolate EM, and finish by Newton's method once that is cheaper."""
    if course.problem.reg_covar == 0.0:
        size = Chart.about(course.state.components, course.problem).size
        squarem(course, lambda course: course.problem.passes[0] < size or _remaining(course) < FINISH * size)
        _second_order(course, Newton)
    squarem(course)


def _remaining(course):
    """Sweeps that squarem still takes if the gap goes on shrinking as it did."""
    if len(course.gaps) <= LOOK_BACK:
        return math.inf
    earlier, gap = course.gaps[-1 - LOOK_BACK], course.gaps[-1]
    if not gap < earlier:  # nan too
        return math.inf
    return 3 * LOOK_BACK * math.log(gap / course.tolerance) / math.log(earlier / gap)


def _second_order(course, kind):
    while course.running and not np.any(course.state.collapsed):
        descent = kind(course)
        if descent.chart.size == 0 or not descent.run():
            return


class _Descent:
    """SciPy's view of a problem: minus the mean log-likelihood in a chart about where a course stands."""

    method: str
    options: dict

    def __init__(self, course):
        self.course, self.problem = course, course.problem
        self.chart = Chart.about(course.state.components, self.problem)
        self.theta, self.found = None, ()
        self.at = np.zeros(self.chart.size)
        self.start, self.rejected = course.state.lower_bound, 0

    def run(self):
        """Iterate until the course ends or another chart is due; return whether that was any use."""
        minimize(self.value, self.at, jac=self.gradient, method=self.method, callback=self.callback, **self.options)
        return self.course.state.lower_bound > self.start

    def evaluated(self, theta):
        """What is known at theta, minus the value first: of the last point without another pass."""
        if self.theta is None or not np.array_equal(theta, self.theta):
            self.theta, self.found = theta.copy(), self._allowed(theta)
        return self.found

    def value(self, theta):
        return self.evaluated(theta)[0]

    def gradient(self, theta):
        return self.evaluated(theta)[1]

    def callback(self, intermediate_result):
        """Tell the course; called after each iteration by SciPy, which looks at the name of the argument."""
        theta = intermediate_result.x
        stays = np.array_equal(theta, self.at)
        self.rejected, self.at = (self.rejected + 1 if stays else 0), theta.copy()
        value, length, gap = self.outlook(theta, stays)
        self.course.move(self.chart.at(theta), -value, gap, length)
        if not self.course.running or self.rejected >= REJECTED or np.linalg.norm(theta) > LARGEST_RADIUS:
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
            if inside and not np.any(_on_floor(self.problem, components)[1]):
                found = self.compute(theta)
                if all(np.all(np.isfinite(values)) for values in found):
                    return found
        size = self.chart.size
        return math.inf, np.zeros(size), np.eye(size)


class Newton(_Descent):
    """Trust regions with the Hessian."""

    method = "trust-exact"

    def __init__(self, course):
        super().__init__(course)
        limits: dict[str, Any] = {"initial_trust_radius": RADIUS, "max_trust_radius": LARGEST_RADIUS, "gtol": 0.0}
        self.options = {"hess": lambda theta: self.evaluated(theta)[2], "options": limits}
        self.last = (math.inf, math.inf, math.inf)

    def compute(self, theta):
        value, gradient, hessian = self.problem.second_order(self.chart, theta)
        return -value, -gradient, -hessian

    def outlook(self, theta, stays):
        if not stays or not math.isfinite(self.last[0]):
            value, gradient, hessian = self.evaluated(theta)
            self.last = value, float(np.linalg.norm(gradient)), _decrement(gradient, hessian)
        return self.last


class QuasiNewton(_Descent):
    """Limited memory of gradients."""

    method = "L-BFGS-B"

    def __init__(self, course):
        super().__init__(course)
        limits = {"maxcor": 10, "ftol": 0.0, "gtol": 0.0, "maxfun": 10**9, "maxiter": 10**9}
        self.options = {"bounds": [(-LARGEST_RADIUS, LARGEST_RADIUS)] * self.chart.size, "options": limits}
        self.points, self.gradients = deque([self.at], maxlen=11), deque([self.gradient(self.at)], maxlen=11)

    def compute(self, theta):
        value, gradient = self.problem.value_and_gradient(self.chart, theta)
        return -value, -gradient

    def outlook(self, theta, stays):
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
    """What a quadratic function of this gradient and Hessian is above its minimum; infinite if it has none."""
    curvatures, axes = np.linalg.eigh(hessian)
    if curvatures[0] < -FLAT:
        return math.inf
    return 0.5 * float(np.sum((axes.T @ gradient) ** 2 / np.maximum(curvatures, FLAT)))


def _on_floor(problem, components):
    """Components with their covariances raised to the floor, and which of them were below."""
    covariance = problem.covariance
    if problem.fixed.covariances:
        return components, np.zeros(len(components.means), dtype=bool)
    central = covariance.uncorrelated(np.ones(components.means.shape[1]), *components.means.shape)
    factor, whitening, collapsed = covariance.refined(components, central, 0.0, problem.floor)
    return components._replace(factor=factor, whitening=whitening), collapsed


SOLVERS = {"squarem": squarem, "newton": newton, "lbfgs": lbfgs, "auto": auto}
