"""Ways to the maximum of the likelihood: EM, EM extrapolated, and second order.

``em``
    `mixgrad.mixture.em.run`, which stops on scikit-learn's ``tol``: a bound on the gain of one iteration, which says
    little about what is still to gain where EM is slow.
``squarem``
    Squared extrapolation (Varadhan and Roland 2008, scheme S3). Two steps of EM show how fast their length shrinks;
    the third goes where a sequence of that rate would end. An extrapolation that lowers the likelihood below that of
    the two steps is dropped for them.
``newton``
    SciPy's trust-region methods with the exact Hessian, of many coordinates by its products with directions.
``lbfgs``
    SciPy's L-BFGS-B with the exact gradient.
``auto``
    squarem, and a finish by Newton's method where that is cheaper. A Hessian takes about the time of P sweeps, P being
    the number of coordinates; of many coordinates conjugate gradients need about `DENSE` products, each of about a
    sweep. A finish takes about four of either. So squarem goes on for the price of one, and then as long as the rate
    of its last two cycles promises the limit within the price of four.

All but ``em`` move in the coordinates of `mixgrad.mixture.chart`, where EM's step is the gradient to first order. They
stop when the estimated gap, the mean log-likelihood per row that is still to gain, and half the square of the
gradient's length are at most ``gap_tol``, or a matter of rounding. Newton's estimate of the gap is the decrement
g' H^{-1} g / 2. L-BFGS has the same with its own H. squarem takes the length of EM's step for that of g, and for H^{-1}
its largest extrapolation in the last cycles.

Components on the floor are a boundary, not a stationary point: the second-order solvers do not cross it and leave what
is near to squarem, whose steps of EM are exact there. With ``reg_covar`` the limit of EM is not a maximum of the
likelihood: squarem, and auto, then go to that limit, and the second-order solvers refuse.
"""

import math
from collections import deque
from dataclasses import dataclass, field, fields

import numpy as np

from mixgrad._errors import DataError
from mixgrad.mixture import chart as charts
from mixgrad.mixture import em
from mixgrad.mixture.chart import Chart
from mixgrad.mixture.descent import Newton, QuasiNewton, TruncatedNewton, floored
from mixgrad.mixture.em import Problem, State, Status
from mixgrad.mixture.gap import aitken_gap

__all__ = ["SOLVERS", "solve"]

# Steps that a finish by Newton's method takes, and cycles of squarem whose rate decides whether it is worth that.
FINISH, LOOK_BACK = 4, 2
# Cycles of squarem whose largest extrapolation stands for the slowest rate.
MEMORY = 5
# Coordinates up to which Newton's method has the whole Hessian, and a guess of the products that it takes for more.
DENSE = 32
EPS, TINY = np.finfo(np.float64).eps, np.finfo(np.float64).tiny


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

    def product(self, chart, theta, direction):
        """As `mixgrad.mixture.chart.product`."""
        self.passes[0] += 1
        return charts.product(chart, theta, direction, self)

    def second_order(self, chart, theta):
        """As `mixgrad.mixture.chart.second_order`."""
        self.passes[0] += 1
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

    def fell_to(self, bound):
        """Whether a step of EM lowered the bound: then its parameters say no more (see `mixgrad.mixture.em`)."""
        return bool(
            self.problem.reg_covar == 0.0 and self.bounds and bound < self.bounds[-1] - em.rounding(self.bounds[-1])
        )

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
        With its gap and number of sweeps. A pass that computes a Hessian counts once, and takes about the time of a
        sweep for each of its columns; a product of the Hessian with a direction is a sweep.

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
            f"solver={solver!r} goes to the maximum of the likelihood; with reg_covar={problem.reg_covar:g} that is "
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
        stretch = length / max(np.linalg.norm(bend), EPS * length, TINY)
        recent.append(stretch)
        alpha = min(max(stretch, 1.0), reach)
        reach = 4.0 * reach if alpha == reach else reach
        state = second
        if alpha > 1.0:
            state = _extrapolated(problem, second, chart, 2.0 * alpha * step + alpha**2 * bend)
            reach = reach if state is not second else max(0.25 * alpha, 1.0)
        if course.fell_to(state.lower_bound):
            course.status = Status.CONVERGED
            return
        course.record(state, 0.5 * length**2 * max(1.0, *recent), length)


def _extrapolated(problem, state, chart, theta):
    """Return the state after a step of EM from theta, or the one given if that has the higher bound."""
    try:
        with np.errstate(all="ignore"):
            components = floored(problem, chart.at(theta))[0]
        if not all(np.all(np.isfinite(values)) for values in components):
            return state
        further = em.step(problem, state._replace(components=components))
    except (DataError, np.linalg.LinAlgError):  # densities vanish, or a matrix is not one
        return state
    return further if further.lower_bound >= state.lower_bound - em.rounding(state.lower_bound) else state


def newton(course):
    """Go to the maximum by trust regions, and leave to squarem what is on the floor."""
    _begin(course)
    _second_order(course, Newton if _size(course) <= DENSE else TruncatedNewton)
    squarem(course)


def lbfgs(course):
    """Go to the maximum by quasi-Newton steps, and leave to squarem what is on the floor."""
    _begin(course)
    _second_order(course, QuasiNewton)
    squarem(course)


def auto(course):
    """Extrapolate EM, and finish by Newton's method once that is cheaper."""
    if course.problem.reg_covar == 0.0:
        size = _size(course)
        price = min(size, DENSE)
        squarem(course, lambda course: course.problem.passes[0] < price or _remaining(course) < FINISH * price)
        _second_order(course, Newton if size <= DENSE else TruncatedNewton)
    squarem(course)


def _remaining(course):
    """Sweeps that squarem still takes if the gap goes on shrinking as it did."""
    if len(course.gaps) <= LOOK_BACK:
        return math.inf
    earlier, gap = course.gaps[-1 - LOOK_BACK], course.gaps[-1]
    if not gap < earlier:  # nan too
        return math.inf
    return 3 * LOOK_BACK * math.log(gap / course.tolerance) / math.log(earlier / gap)


def _size(course):
    return Chart.about(course.state.components, course.problem).size


def _begin(course):
    """Make one step of EM: it finds what is wrong with a start, and what is on the floor."""
    if course.running:
        course.record(em.step(course.problem, course.state), math.nan, math.nan)


def _second_order(course, kind):
    if _size(course) == 0:
        return
    while course.running and not np.any(course.state.collapsed):
        if not kind(course).run():
            return


SOLVERS = {"squarem": squarem, "newton": newton, "lbfgs": lbfgs, "auto": auto}
