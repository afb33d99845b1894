"""Mean and spread of columns, gathered in parts and combined without losing digits.

References
----------
T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a pairwise algorithm for
computing sample variances", 1979, equations 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Values that are converted to float64 at a time: they stay in a core's cache.
_SLAB_VALUES = 2**15


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and sum of squared deviations of each column.

    Attributes
    ----------
    n : int
        Rows.
    mean : numpy.ndarray of float64, shape (columns,)
        Mean of each column.
    m2 : numpy.ndarray of float64, shape (columns,)
        Sum over the rows of the squared difference from the mean.

    Examples
    --------
    >>> whole = Moments.of(np.array([[1], [3]])).combined(Moments.of(np.array([[8]])))
    >>> whole.n, whole.mean, whole.m2
    (3, array([4.]), array([26.]))
    """

    n: int
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[Any]) -> Moments:
        """Return the moments of at least one row: numbers, shape (rows, columns).

        The second pass also corrects the mean by what the first one's rounding left, so that
        a constant column has no spread.
        """
        n, columns = rows.shape
        step = max(1, _SLAB_VALUES // columns)
        slabs = [rows[start : start + step] for start in range(0, n, step)]
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.zeros(columns)
            for slab in slabs:
                total += slab.sum(axis=0, dtype=np.float64)
            mean = total / n
            drift, m2 = np.zeros(columns), np.zeros(columns)
            for slab in slabs:
                difference = slab - mean
                drift += difference.sum(axis=0)
                m2 += np.square(difference, out=difference).sum(axis=0)
            return cls(n, mean + drift / n, np.maximum(m2 - drift * drift / n, 0.0))

    def combined(self, other: Moments) -> Moments:
        """Return the moments of both parts' rows together."""
        n = self.n + other.n
        difference = other.mean - self.mean
        return Moments(
            n,
            self.mean + difference * (other.n / n),
            self.m2 + other.m2 + difference * difference * (self.n * (other.n / n)),
        )

    def pooled(self, units: int) -> Moments:
        """Return the moments of ``units`` columns whose rows are those of all positions.

        Columns are positions, and within each the units; none where there is but one position.
        """
        if len(self.mean) == units:
            return self
        with np.errstate(over="ignore", invalid="ignore"):
            means = self.mean.reshape(-1, units)
            mean = means.mean(axis=0)
            between = np.square(means - mean).sum(axis=0)
            within = self.m2.reshape(-1, units).sum(axis=0)
        return Moments(self.n * len(means), mean, within + self.n * between)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Population variance of each column."""
        return self.m2 / self.n
