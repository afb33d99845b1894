"""Mean and spread of columns, gathered in parts and combined without losing digits.

References
----------
T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a pairwise algorithm for
computing sample variances", 1979, equations 2.1.
D. E. Knuth, "The Art of Computer Programming", volume 2, 4.2.2, theorem B, for the rest of a sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.values.whole import LARGE, is_long, less, origin_of

# Values that are converted to float64 at a time: they stay in a core's cache.
_SLAB_VALUES = 2**15

# Differences whose squares, added up, float64 holds in full.
_LEAST, _GREATEST = 2.0**-400, 2.0**400

# Numbers below this can be subtracted from one another.
_BOUND = 2.0**1020

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and sum of squared deviations of each column.

    Attributes
    ----------
    n : int, or numpy.ndarray of int64, shape (columns,)
        Rows; those of each column that hold a value, where values may be missing.
    mean : numpy.ndarray of float64, shape (columns,)
        Mean of each column.
    m2 : numpy.ndarray of float64, shape (columns,)
        Sum over the rows of the squared difference from the mean, in squares of the unit.
    unit : numpy.ndarray of float64, shape (columns,)
        1, or the power of 2 by which differences are divided where their squares would be beyond
        float64.
    rest : numpy.ndarray of float64 or None, shape (columns,)
        What the mean has lost by rounding; only for large whole numbers of 64 bits.

    Examples
    --------
    >>> whole = Moments.of(np.array([[1], [3]])).combined(Moments.of(np.array([[8]])))
    >>> whole.n, whole.mean, whole.m2
    (3, array([4.]), array([26.]))
    >>> some = Moments.of_present(np.array([[1.0, np.nan], [3.0, np.nan]]))
    >>> some.n, some.mean, some.deviation
    (array([2, 0]), array([2., 0.]), array([1., 0.]))
    """

    n: int | NDArray[np.int64]
    mean: Floats
    m2: Floats
    unit: Floats
    rest: Floats | None = None

    @classmethod
    def of(cls, rows: NDArray[Any]) -> Moments:
        """Return the moments of at least one row: numbers, shape (rows, columns)."""
        if is_long(rows.dtype) and (rows.max() >= LARGE or rows.min() <= -LARGE):
            origin = origin_of(rows[0].astype(np.float64))
            own = cls.of(less(rows, origin))
            mean, rest = _sum(origin, own.mean)
            return cls(own.n, mean, own.m2, own.unit, rest)
        return cls(len(rows), *cls._of_floats(rows, None))

    @classmethod
    def of_present(cls, rows: NDArray[Any]) -> Moments:
        """Return the moments of what is present of at least one row: all that is not NaN.

        A column of which nothing is present has the mean 0 and no spread.
        """
        absent = np.isnan(rows) if rows.dtype.kind == "f" else np.zeros(rows.shape, bool)
        n_present = len(rows) - np.count_nonzero(absent, axis=0).astype(np.int64)
        if not absent.any():
            return replace(cls.of(rows), n=n_present)
        return cls(n_present, *cls._of_floats(rows, absent))

    @staticmethod
    def _of_floats(
        rows: NDArray[Any], absent: NDArray[np.bool_] | None
    ) -> tuple[Floats, Floats, Floats]:
        """Return mean, sum of squares and unit of numbers that float64 holds."""
        mean, m2 = _mean_and_m2(rows, absent)
        unit = np.ones_like(mean)
        if rows.dtype.kind == "f" and rows.dtype.itemsize > 4:  # others' squares are within float64
            tiny = (m2 < _LEAST**2) & (np.abs(mean) < np.sqrt(_LEAST))
            chosen = np.flatnonzero(tiny | ~(m2 < _GREATEST**2))
            some = rows[:, chosen]
            if absent is not None:
                some = np.where(absent[:, chosen], 0.0, some)
            size = np.abs(some).max(axis=0)
            bounded = (size > 0) & (size < _BOUND)
            chosen = chosen[bounded]
            if len(chosen):
                unit[chosen] = _power_of_two(size[bounded])
                own = None if absent is None else absent[:, chosen]
                own_mean, m2[chosen] = _mean_and_m2(some[:, bounded] / unit[chosen], own)
                mean[chosen] = own_mean * unit[chosen]
        return mean, m2, unit

    def combined(self, other: Moments) -> Moments:
        """Return the moments of both parts' rows together."""
        n = self.n + other.n
        share = other.n / np.maximum(n, 1)  # exactly 0 or 1 where only one has values
        difference, rest = other.mean - self.mean, None
        if self.rest is None and other.rest is None:
            mean = self.mean + difference * share
        else:
            own = 0.0 if self.rest is None else self.rest
            difference = difference + ((0.0 if other.rest is None else other.rest) - own)
            mean, rest = _sum(self.mean, own + difference * share)
        unit = _common(self._own_unit, other._own_unit, _unit_of(difference))
        apart = difference / unit
        return Moments(
            n,
            mean,
            self._m2_in(unit) + other._m2_in(unit) + apart * apart * (self.n * share),
            unit,
            rest,
        )

    def pooled(self, units: int) -> Moments:
        """Return the moments of ``units`` columns whose rows are those of all positions.

        Columns are positions, and within each the units; none where there is but one position.
        """
        if len(self.mean) == units:
            return self
        with np.errstate(over="ignore", invalid="ignore"):
            means, rest = self.mean.reshape(-1, units), None
            if self.rest is None:
                mean = means.mean(axis=0)
                difference = means - mean
            else:
                rests = self.rest.reshape(-1, units)
                mean, rest = _sum(means[0], (means - means[0] + rests).mean(axis=0))
                difference = (means - mean) + (rests - rest)
            unit = _common(*self._own_unit.reshape(-1, units), *_unit_of(difference))
            between = np.square(difference / unit).sum(axis=0)
            within = self._m2_in(np.tile(unit, len(means))).reshape(-1, units).sum(axis=0)
        return Moments(self.n * len(means), mean, within + self.n * between, unit, rest)

    @property
    def variance(self) -> Floats:
        """Population variance of each column; 0 or infinite where it is beyond float64."""
        with np.errstate(over="ignore", under="ignore"):
            return self.m2 / np.maximum(self.n, 1) * self.unit**2

    @property
    def deviation(self) -> Floats:
        """Population standard deviation of each column."""
        return np.sqrt(self.m2 / np.maximum(self.n, 1)) * self.unit

    @property
    def _own_unit(self) -> Floats:
        """The unit, and 0 where there is nothing to measure in it."""
        return np.where(self.m2 == 0, 0.0, self.unit)

    def _m2_in(self, unit: Floats) -> Floats:
        """Return the sums in squares of a unit that is no smaller."""
        ratio = self._own_unit / unit
        return self.m2 * ratio * ratio


def _mean_and_m2(
    rows: NDArray[Any], absent: NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """Return the mean and the sum of squared differences of each column, but for what is absent.

    The second pass also corrects the mean by what the first one's rounding left, so that a
    constant column has no spread.
    """
    n_rows, columns = rows.shape
    step = max(1, _SLAB_VALUES // columns)
    starts = range(0, n_rows, step)
    slabs = [rows[start : start + step] for start in starts]
    gaps = [None if absent is None else absent[start : start + step] for start in starts]
    n: Any = n_rows
    if absent is not None:
        n = np.maximum(n_rows - np.count_nonzero(absent, axis=0), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.zeros(columns)
        for slab, gap in zip(slabs, gaps, strict=True):
            present = slab if gap is None else np.where(gap, slab.dtype.type(0), slab)
            total += present.sum(axis=0, dtype=np.float64)
        mean = total / n
        drift, m2 = np.zeros(columns), np.zeros(columns)
        for slab, gap in zip(slabs, gaps, strict=True):
            difference = slab - mean
            if gap is not None:
                difference[gap] = 0.0
            drift += difference.sum(axis=0)
            m2 += np.square(difference, out=difference).sum(axis=0)
        return mean + drift / n, np.maximum(m2 - drift * drift / n, 0.0)


def _sum(large: Floats, small: Floats) -> tuple[Floats, Floats]:
    """Return a sum, and what it has lost by rounding."""
    total = large + small
    part = total - large
    return total, (large - (total - part)) + (small - part)


def _power_of_two(size: Floats) -> Floats:
    """Return the power of 2 at or below finite numbers above 0."""
    return np.asarray(np.ldexp(1.0, np.frexp(size)[1] - 1))


def _unit_of(difference: Floats) -> Floats:
    """Return in which unit to square: 1 as a rule, and 0 for 0."""
    size = np.abs(difference)
    unit = np.where(size == 0, 0.0, 1.0)
    extreme = (size > 0) & (size < np.inf) & ((size < _LEAST) | (size > _GREATEST))
    unit[extreme] = _power_of_two(size[extreme])
    return unit


def _common(*units: Floats) -> Floats:
    """Return the largest of the units, and 1 where all are 0."""
    largest = np.max(units, axis=0)
    return np.where(largest == 0, 1.0, largest)
