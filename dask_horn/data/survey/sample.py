"""Which rows of many are looked at as they are: drawn by their places, whoever reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.rows.blocks import Block
from dask_horn.data.store.samples import SampleStore
from dask_horn.randomness import Purpose, generator

#: Rows of a sample, and its bytes; one row at least.
MOST_ROWS, MOST_BYTES = 2**16, 64 * 2**20


@dataclass(frozen=True, eq=False)
class Drawn:
    """The rows of a sample.

    Attributes
    ----------
    rows : numpy.ndarray of int64
        Their numbers in the store, rising.
    """

    rows: NDArray[np.int64]

    @classmethod
    def of(cls, store: SampleStore, blocks: Sequence[Block], seed: int) -> Drawn:
        """Draw rows of blocks: all, or as many as a sample has; each set is as likely as another.

        Parameters
        ----------
        store : SampleStore
            Which tells how large a row is.
        blocks : sequence of Block
            In the order of the store.
        seed : int
            The run's.
        """
        lengths = np.array([len(block) for block in blocks])
        n_rows, most = int(lengths.sum()), _most_rows(store)
        if n_rows <= most:
            places = np.arange(n_rows)
        else:
            rng = generator(seed, Purpose.SURVEY_SAMPLE)
            places = np.sort(rng.choice(n_rows, most, replace=False, shuffle=False))
        ends = np.cumsum(lengths)
        own = np.searchsorted(ends, places, side="right")
        starts = np.array([block.start for block in blocks])
        return cls(starts[own] + places - (ends - lengths)[own])

    def within(self, first: int, last: int) -> Drawn:
        """Return those from a row on, up to another that is none of them."""
        start, stop = np.searchsorted(self.rows, [first, last])
        return Drawn(self.rows[start:stop])

    def of_rows(self, rows: NDArray[np.generic], first: int) -> NDArray[np.generic]:
        """Return a copy of those among consecutive rows, the first of which has that number."""
        return rows[self.rows - first]


def _most_rows(store: SampleStore) -> int:
    """Return how many rows a sample has at most, also once they are float32."""
    row_bytes = store.n_features * max(4, np.dtype(store.decoded_dtype).itemsize)
    return min(MOST_ROWS, max(1, MOST_BYTES // row_bytes))
