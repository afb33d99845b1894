"""Dask collections of rows: as arrays whose chunk lengths are known."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from dask_horn.data.values.arrays import as_samples


def known_rows(collection: Any, name: str) -> Any:
    """Return a Dask array or frame as a Dask array whose chunk lengths are known.

    Raises
    ------
    TypeError
        If it is a Dask collection of another kind.
    """
    if hasattr(collection, "to_dask_array"):
        with warnings.catch_warnings():
            # That text and nullable numbers arrive as objects is what the writers expect.
            warnings.filterwarnings("ignore", "Dask currently has limited support", UserWarning)
            return collection.to_dask_array(lengths=True)
    if not hasattr(collection, "chunks"):
        raise TypeError(
            f"{name} is a Dask {type(collection).__name__}; pass a Dask array or data frame."
        )
    if any(math.isnan(rows) for rows in collection.chunks[0]):
        # It fills in the lengths in place: leave the caller's array alone.
        return collection.copy().compute_chunk_sizes()
    return collection


def known_samples(X: Any) -> Any:
    """Return samples in a Dask array or frame as a numeric array; else as `known_rows`."""
    return numeric_blocks(known_rows(X, "X"))


def numeric_blocks(array: Any) -> Any:
    """Return a Dask array of samples that are objects, as nullable numbers are, as float64."""
    return array.map_blocks(as_samples, dtype=np.float64) if array.dtype == object else array
