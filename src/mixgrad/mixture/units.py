"""Where a table lies, in what units, and how finely it is resolved."""

from typing import NamedTuple

import numpy as np

from mixgrad._errors import DataError

__all__ = ["SMALLEST_SPREAD", "Units"]

# Squares of larger spans come near the largest number of the precision, and squares of smaller spreads near the least.
LARGEST_SPAN = {"f": 1e18, "d": 1e150}
SMALLEST_SPREAD = 1e-150
# Smallest standard deviations in units of `Units.spread`: what nobody would take for a cluster of its own. Much less
# would be lost in the rounding of a covariance matrix, whose entries are squares.
FLOOR = 1e-6
# Shares of the rows that may be crowded: the spread is that of the first of them that is not on one point.
CROWDS = (0.1, 0.2, 0.5, 1.0)
# Rows of a sample that are enough to find the spread.
SAMPLE = 4096


class Units(NamedTuple):
    """The place, the size and the resolution of each column; arrays of shape (d,).

    Attributes
    ----------
    centre : ndarray
        A point near the middle of most rows, such that ``X - centre`` is exact. Parameters are computed relative to
        it, so that they have as many digits at an offset of 1e8 as at none. It is a multiple of a power of two above
        four times the span of most rows: a column whose offset is small against its span (all ordinary data) is left
        untouched bit by bit, and a constant column becomes 0.
    scale : ndarray
        Width of the interval of the middle four fifths of the rows; where that is none, size of the numbers about the
        centre, and 1 for a constant column.
    spread : ndarray
        Width of the narrowest interval that holds a tenth of the rows (more, where so many are equal): so neither
        clusters far apart nor single outliers make it large.
    resolution : ndarray
        Standard deviations that are nothing but rounding of the table's own numbers.
    """

    centre: np.ndarray
    scale: np.ndarray
    spread: np.ndarray
    resolution: np.ndarray

    @classmethod
    def of(cls, X, weights=None):
        """Measure a table of shape (n, d) whose rows have weights of shape (n,), or None.

        Raises
        ------
        DataError
            A column spans so much that variances overflow.
        """
        low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
        _refuse_overflow(low, high, LARGEST_SPAN[X.dtype.char])
        step = -(-len(X) // SAMPLE)
        sample, weights = X[::step].astype(np.float64), None if weights is None else weights[::step]
        columns = _in_order(sample, weights)
        centre = np.concatenate([some.centre() for some in columns])
        spread = np.concatenate([some.spread() for some in columns])
        scale = np.concatenate([some.quantile(0.9) - some.quantile(0.1) for some in columns])
        size = np.maximum(np.abs(low - centre), np.abs(high - centre))
        largest = np.maximum(np.abs(low), np.abs(high))
        return cls(
            centre,
            _first_positive(scale, size),
            _first_positive(spread, largest),
            np.maximum(4.0 * np.finfo(np.float64).eps * largest, SMALLEST_SPREAD),
        )

    def floor(self):
        """Smallest standard deviations of a component."""
        return np.maximum(FLOOR * self.spread, self.resolution)


def _in_order(sample, weights):
    """Return the columns of a table in order: all together if rows count alike, and else one by one."""
    if weights is None:
        return [_Sorted(np.sort(sample.T), np.arange(1.0, len(sample) + 1.0))]
    orders = np.argsort(sample.T)
    return [_Sorted(column[None, order], np.cumsum(weights[order])) for column, order in zip(sample.T, orders)]


class _Sorted(NamedTuple):
    """Columns in order, of shape (m, n), and the weight of the values up to each place, of shape (n,)."""

    values: np.ndarray
    cumulated: np.ndarray

    def quantile(self, share):
        """Smallest values that have at least this share of the weight at or below them."""
        return self.values[:, self._place(share * self.cumulated[-1])]

    def centre(self):
        low, high = self.quantile(0.01), self.quantile(0.99)
        _, exponent = np.frexp(4.0 * (high - low))
        grid = np.ldexp(1.0, exponent)
        return np.where(high == low, low, grid * np.round((low + 0.5 * (high - low)) / grid))

    def spread(self):
        found = np.zeros(len(self.values))
        before = np.append(0.0, self.cumulated[:-1])
        for share in CROWDS:
            needed = before + share * self.cumulated[-1]
            inside = needed <= self.cumulated[-1] * (1.0 + 1e-12)
            widths = self.values[:, self._place(needed[inside])] - self.values[:, inside]
            found = np.where(found > 0.0, found, np.min(widths, axis=1))
            if np.all(found > 0.0):
                break
        return found

    def _place(self, weight):
        # A hair less, for sums of weights are rounded.
        places = np.searchsorted(self.cumulated, weight * (1.0 - 1e-12))
        return np.minimum(places, len(self.cumulated) - 1)


def _first_positive(size, other):
    return np.where(size > SMALLEST_SPREAD, size, np.where(other > SMALLEST_SPREAD, other, 1.0))


def _refuse_overflow(low, high, largest):
    with np.errstate(over="ignore"):
        span = high - low
    if not np.all(span < largest):
        column = int(np.argmax(span))
        reach = f"from {low[column]:g} to {high[column]:g}"
        raise DataError(f"Column {column} reaches {reach}: its variance overflows. Scale the input data.")
