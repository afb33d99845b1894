"""The range of columns of whole numbers: by it pixels and the like are told from other features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows that tell most columns of fractions.
_FIRST_ROWS = 32

# From here on float64 does not tell whole numbers apart.
_ROUNDED = 2.0**53

# Numbers that are looked at together: they stay in a core's cache.
_TOGETHER = 2**15

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranges:
    """The least and the greatest number of each column.

    Attributes
    ----------
    low, high : numpy.ndarray of float64, shape (columns,)
        NaN where a column holds a number that is not whole, or beyond 53 bits. Where most hold
        numbers that are not whole, all are NaN.

    Examples
    --------
    >>> Ranges.of(np.array([[0, 3], [255, 4]])).high
    array([255.,   4.])
    """

    low: Floats
    high: Floats

    @classmethod
    def of(cls, rows: NDArray[Any]) -> Ranges:
        """Return the ranges of at least one row: numbers, shape (rows, columns)."""
        if rows.dtype.kind != "f":
            return cls._of_floats(rows.min(axis=0), rows.max(axis=0))
        low, high = np.full((2, rows.shape[1]), np.nan)
        whole = _are_whole(rows[:_FIRST_ROWS])
        if 2 * np.count_nonzero(whole) <= len(whole):
            return cls(low, high)
        chosen = rows if whole.all() else rows[:, whole]
        step = max(1, _TOGETHER // len(whole))
        slabs = [chosen[start : start + step] for start in range(0, len(rows), step)]
        found = [(slab.min(axis=0), slab.max(axis=0), _are_whole(slab)) for slab in slabs]
        lows, highs, all_whole = map(np.array, zip(*found, strict=True))
        low[whole] = np.where(all_whole.all(axis=0), lows.min(axis=0), np.nan)
        high[whole] = np.where(all_whole.all(axis=0), highs.max(axis=0), np.nan)
        return cls._of_floats(low, high)

    @classmethod
    def _of_floats(cls, low: NDArray[Any], high: NDArray[Any]) -> Ranges:
        """Return the ranges, but those of numbers that float64 may have rounded."""
        low, high = low.astype(np.float64), high.astype(np.float64)
        exact = (low > -_ROUNDED) & (high < _ROUNDED)
        return cls(np.where(exact, low, np.nan), np.where(exact, high, np.nan))

    @classmethod
    def of_present(cls, rows: NDArray[Any]) -> Ranges:
        """Return the ranges of what is present of at least one row: all that is not NaN.

        Where nothing is present, least and greatest are infinite, and give way to any other's.

        Examples
        --------
        >>> Ranges.of_present(np.array([[np.nan, np.nan], [3.0, np.nan]])).high
        array([  3., -inf])
        """
        absent = np.isnan(rows) if rows.dtype.kind == "f" else None
        if absent is None or not absent.any():
            return cls.of(rows)
        first = np.take_along_axis(rows, absent.argmin(axis=0)[np.newaxis], axis=0)
        empty = absent.all(axis=0)
        found = cls.of(np.where(absent, np.where(empty, 0, first), rows))
        return cls(np.where(empty, np.inf, found.low), np.where(empty, -np.inf, found.high))

    def combined(self, other: Ranges) -> Ranges:
        """Return the ranges of both parts' rows together."""
        return Ranges(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def pooled(self, units: int) -> Ranges:
        """Return the ranges of ``units`` columns whose rows are those of all positions."""
        low, high = self.low.reshape(-1, units), self.high.reshape(-1, units)
        return Ranges(low.min(axis=0), high.max(axis=0))

    def most(self) -> NDArray[np.bool_] | None:
        """Return which columns have one and the same range, if most have, of more than 0 and 1.

        Examples
        --------
        >>> Ranges(np.zeros(3), np.array([255.0, 1.0, 255.0])).most()
        array([ True, False,  True])
        """
        pairs, counts = np.unique(
            np.stack([self.low, self.high]), axis=1, return_counts=True, equal_nan=False
        )
        commonest = int(counts.argmax())
        low, high = pairs[:, commonest]
        # Of two columns one is not most; flags say nothing of the unit that others have.
        if not high - low > 1 or 2 * counts[commonest] <= len(self.low) or counts[commonest] < 2:
            return None
        return np.asarray((self.low == low) & (self.high == high))


def _are_whole(rows: NDArray[Any]) -> NDArray[np.bool_]:
    differences = np.rint(rows)
    with np.errstate(invalid="ignore"):  # infinity, which is told elsewhere
        differences -= rows
    return np.asarray(~differences.any(axis=0))
