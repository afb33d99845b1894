"""Chunks that were never written: Zarr reads them as the fill value, without a word."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync

from dask_horn.rounding import ceil_div


@dataclass(frozen=True)
class Absent:
    """Chunks of an array that are not stored.

    Attributes
    ----------
    n_chunks : int
        How many; shards, where there are.
    first_row : int
        The first row of the first of them.
    """

    n_chunks: int = 0
    first_row: int = 0

    def __add__(self, later: Absent) -> Absent:
        """Add what is absent later in the store."""
        first = self if self.n_chunks else later
        return Absent(self.n_chunks + later.n_chunks, first.first_row)


def absent_chunks(array: zarr.Array[Any], rows: NDArray[Any], start: int) -> Absent:
    """Count the chunks that begin among some rows and are not stored.

    The store is asked only for those whose rows hold nothing but the fill value: no other can be
    absent, so that a whole store costs no request.

    Parameters
    ----------
    array : zarr.Array
        The open array.
    rows : numpy.ndarray, shape (n, ...)
        Some of its rows as they were read.
    start : int
        The number of the first of them.
    """
    lengths = array.shards or array.chunks
    fill = array.fill_value if array.fill_value is not None else np.zeros((), array.dtype)[()]
    rows = rows.reshape(len(rows), *array.shape[1:])
    grid = [range(ceil_div(start, lengths[0]), ceil_div(start + len(rows), lengths[0]))]
    grid += [range(ceil_div(n, length)) for n, length in zip(array.shape, lengths, strict=True)][1:]
    found = Absent()
    for chunk in itertools.product(*grid):
        first = chunk[0] * lengths[0]
        inner = zip(chunk[1:], lengths[1:], strict=True)
        region = rows[
            (
                slice(first - start, first - start + lengths[0]),
                *(slice(i * length, (i + 1) * length) for i, length in inner),
            )
        ]
        if _is_filled(region, fill) and not _is_stored(array, chunk):
            found += Absent(1, first)
    return found


def _is_filled(region: NDArray[Any], fill: Any) -> bool:
    """Whether all values are the fill value: most regions tell by three of their rows."""
    few = (region[0], region[-1], region[len(region) // 2], region)
    return all(bool(np.all(some == fill)) for some in few)


def _is_stored(array: zarr.Array[Any], chunk: tuple[int, ...]) -> bool:
    place = array.store_path / array.metadata.encode_chunk_key(chunk)
    try:
        return bool(sync(place.exists()))
    except Exception:  # it could be read: what cannot be asked for is taken to be there
        return True
