"""Derivatives of functions of plain numbers, by difference quotients: in a hundred digits, or extrapolated."""

from __future__ import annotations

import numpy as np
from mpmath import mp

DIGITS = 100


def to_exact(x):
    return [to_exact(part) for part in x] if np.ndim(x) else mp.mpf(float(x))


def from_exact(values):
    flat = [part for row in values for part in row] if isinstance(values[0], list) else values
    return np.array([float(part) for part in flat])


class Exact:
    """A function of lists of mpf at one point: value, J v, J' w and the gradient of w . J v.

    The differences are central with steps so small that their error, the square of the step, is below 53 bits, and
    with so many digits that cancellation leaves more than twice as many.
    """

    def __init__(self, function, x, v, w):
        self.function, self.x, self.v, self.w = function, x, v, np.ravel(w)

    def _at(self, *moves):
        """Return the outputs, as a flat list, after steps in directions."""
        x = np.array([mp.mpf(float(part)) for part in np.ravel(self.x)], dtype=object)
        for step, direction in moves:
            x = x + np.array([step * mp.mpf(float(part)) for part in np.ravel(direction)], dtype=object)
        out = self.function(x.reshape(np.shape(self.x)).tolist())
        if not isinstance(out, list):
            return [out]
        return [part for row in out for part in row] if isinstance(out[0], list) else out

    def _units(self):
        return np.eye(np.size(self.x))

    def value(self):
        with mp.workdps(DIGITS):
            return from_exact(self._at())

    def forward(self):
        with mp.workdps(DIGITS):
            return self._slope(self.v)

    def _slope(self, direction):
        h = mp.mpf(10) ** -25
        return from_exact([(a - b) / (2 * h) for a, b in zip(self._at((h, direction)), self._at((-h, direction)))])

    def reverse(self):
        with mp.workdps(DIGITS):
            return np.array([self.w @ self._slope(unit) for unit in self._units()])

    def second(self):
        h = mp.mpf(10) ** -20
        signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        with mp.workdps(DIGITS):
            result = []
            for unit in self._units():
                corners = [[a * b * out for out in self._at((a * h, unit), (b * h, self.v))] for a, b in signs]
                result.append(self.w @ from_exact([mp.fsum(parts) / (4 * h * h) for parts in zip(*corners)]))
            return np.array(result)


def extrapolated(function, order, step=0.01, levels=5):
    """Return the first or second derivative of a function of one number at 0, by Richardson's extrapolation.

    The error of a central difference is a series in the square of its step; each column removes one term.
    """
    if order == 1:
        quotients = [(function(h) - function(-h)) / (2 * h) for h in step / 2.0 ** np.arange(levels)]
    else:
        middle = 2 * function(0.0)
        quotients = [(function(h) - middle + function(-h)) / h**2 for h in step / 2.0 ** np.arange(levels)]
    column = np.array(quotients)
    for k in range(1, levels):
        column = column[1:] + (column[1:] - column[:-1]) / (4.0**k - 1)
    return column[-1]


def gradient(function, x):
    """Return the gradient of a function that gives a number; it gets a copy of its argument each time."""
    units = np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([extrapolated(lambda h, unit=unit: function(x + h * unit), 1) for unit in units]).reshape(x.shape)


def second_slope(function, x, v):
    """Return v' H v."""
    return extrapolated(lambda h: function(x + h * v), 2, step=0.02, levels=3)
