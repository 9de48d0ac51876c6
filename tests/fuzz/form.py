"""`Form`: one kind of statement that a random program can hold, and what is known about it at a point.

A form's text is the right-hand side as it stands in the program, with ``{0}`` and ``{1}`` for the operands; or a
function ``(rng, *values)`` that returns such a text for operands with these values, or None if there is none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

MARGIN = 1e-6
"""Numbers closer than this count as tied: beyond it, complex steps and small differences do not cross a kink."""

ANY = float("inf")


@dataclass(frozen=True)
class Form:
    """One kind of statement.

    Attributes
    ----------
    text : str or callable
        The right-hand side.
    arity : int
        Number of operands.
    limit : float
        Largest magnitude of the operands; inf for forms that take infinities, too.
    domain : callable or None
        ``domain(*values)``: whether the point is inside the domain.
    kink : callable or None
        ``kink(*values)``: whether the point is a tie, a corner or a jump, or too near to one for difference quotients.
    singular : callable or None
        ``singular(*values)``: whether the law settles the first derivative here, but not the second.
    analytic : bool
        Whether NumPy computes the form for complex numbers as an analytic function.
    exact : bool
        Whether boxes give the bits that NumPy gives; otherwise the same to rounding.
    batch : bool
        Whether vmap can run it: no shape and no branch depends on values.
    """

    text: str | Callable
    arity: int = 1
    limit: float = 30.0
    domain: Callable | None = None
    kink: Callable | None = None
    singular: Callable | None = None
    analytic: bool = True
    exact: bool = True
    batch: bool = True

    def spell(self, rng: random.Random, values: list) -> str | None:
        """Return a text for operands with these values, or None if the form does not fit them."""
        try:
            if not self.accepts(values):
                return None
            return self.text if isinstance(self.text, str) else self.text(rng, *values)
        except (LookupError, ValueError):  # no axis, no such place, shapes that do not fit
            return None

    def accepts(self, values: list) -> bool:
        """Return whether the point is inside the domain."""
        if self.limit != ANY and not all(np.all(np.abs(x) <= self.limit) for x in values):
            return False
        return self.domain is None or bool(self.domain(*values))


ROUGH_WORDS = ("**", "power", "logaddexp", "logsumexp", "hypot")
"""What Taylor mode computes as a composition of other functions."""

SAME = Form("{0}", limit=ANY)
"""The operand itself."""


@dataclass
class Facts:
    """What is known about a program at a point, from all statements that were run.

    Attributes
    ----------
    valid : bool
        Whether every statement was inside its domain.
    kink, singular, analytic, batch : bool
        As in `Form`, of any or of all statements.
    rough : set of str
        Variables that modes may round differently.
    """

    valid: bool = True
    kink: bool = False
    singular: bool = False
    analytic: bool = True
    batch: bool = True
    rough: set[str] = field(default_factory=set)

    def note(self, form: Form, text: str, names: tuple[str, ...], values: list, target: str) -> None:
        """Take account of one statement and the values of its operands."""
        self.valid = self.valid and form.accepts(values)
        if form.kink is not None and form.kink(*values):
            self.corner(names)
        self.singular = self.singular or (form.singular is not None and bool(form.singular(*values)))
        self.analytic = self.analytic and form.analytic
        self.batch = self.batch and form.batch
        if not form.exact or any(word in text for word in ROUGH_WORDS):
            self.rough.add(target)
        self.pass_on(target, *names)

    def pass_on(self, target: str, *names: str) -> None:
        """Take account of a variable made of others."""
        if self.rough.intersection(names):
            self.rough.add(target)

    def corner(self, names: Iterable[str]) -> None:
        """Take account of a tie, a corner or a jump; modes may see it on different sides if rounding decides."""
        self.kink = True
        self.valid = self.valid and not self.rough.intersection(names)


# Predicates ---------------------------------------------------------------------------------------------------------


def always(*values) -> bool:
    """Return True: no oracle knows the derivative, wherever the point is."""
    return True


def near(x, target=0.0) -> bool:
    """Return whether some element is at the target."""
    return bool(np.any(np.abs(np.subtract(x, target)) < MARGIN))


def equal(x, y) -> bool:
    """Return whether some elements of two arrays are tied."""
    return near(x, y) or bool(np.any(np.equal(x, y)))


def near_multiple(x, step=1.0, offset=0.0) -> bool:
    """Return whether some element is at ``offset + k * step``: a jump of rounding."""
    y = (x - offset) / step
    return bool(np.any(np.abs(y - np.rint(y)) < MARGIN))


def tied(x) -> bool:
    """Return whether two elements are equal: ties of sorting and of extrema."""
    ordered = np.sort(np.ravel(x))
    return equal(ordered[1:], ordered[:-1])


def vanishes(x) -> bool:
    """Return whether all elements are nearly zero, along some axis or all in all."""
    x = np.atleast_1d(np.abs(x))
    return x.size > 0 and any(bool(np.any(np.max(x, axis=axis) < 1e-3)) for axis in [None, *range(x.ndim)])


def level(x) -> bool:
    """Return whether all elements are nearly equal, along some axis or all in all."""
    x = np.atleast_1d(x)
    return x.size > 0 and any(bool(np.any(np.ptp(x, axis=axis) < 1e-3)) for axis in [None, *range(x.ndim)])


def above(bound: float) -> Callable:
    """Return the domain ``x > bound``."""
    return lambda x, *rest: bool(np.all(x > bound))


def inside(bound: float) -> Callable:
    """Return the domain ``|x| < bound``."""
    return lambda x, *rest: bool(np.all(np.abs(x) < bound))


def away(bound: float = 0.1) -> Callable:
    """Return the domain ``|x| > bound`` for the last operand."""
    return lambda *values: bool(np.all(np.abs(values[-1]) > bound))


def at_least(ndim: int) -> Callable:
    """Return the domain of arrays with so many axes or more."""
    return lambda x, *rest: np.ndim(x) >= ndim


# Static parts -------------------------------------------------------------------------------------------------------


def axis(rng: random.Random, x, several: bool = True) -> str:
    """Return ``axis=...`` for an array, or nothing."""
    ndim = np.ndim(x)
    choices = ["", "axis=None", *(f"axis={i}" for i in range(-ndim, ndim))]
    if several and ndim > 1:
        choices += ["axis=(0, 1)", "axis=(-1,)", "axis=(1, 0)"]
    return rng.choice(choices)


def arguments(*parts: str) -> str:
    """Return the arguments of a call behind the first, without those that are empty."""
    return "".join(f", {part}" for part in parts if part)


def one_axis(rng: random.Random, x) -> int:
    """Return an axis of an array that has some."""
    if np.ndim(x) == 0:
        raise ValueError("no axis")
    return rng.randrange(-np.ndim(x), np.ndim(x))
