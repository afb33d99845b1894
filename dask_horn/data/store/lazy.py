"""Dask collections of rows: as arrays whose chunk lengths are known."""

from __future__ import annotations

import math
import uuid
import warnings
from typing import Any

import numpy as np

from dask_horn.data.store.tasks import call, compute
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
            lengths = compute(collection.map_partitions(len))[0]
            return collection.to_dask_array(lengths=tuple(map(int, lengths)))
    if not hasattr(collection, "chunks"):
        raise TypeError(
            f"{name} is a Dask {type(collection).__name__}; pass a Dask array or data frame."
        )
    if any(math.isnan(rows) for rows in collection.chunks[0]):
        return _with_known_chunks(collection)
    return collection


def _with_known_chunks(array: Any) -> Any:
    """Compute the shapes of all blocks.

    `compute_chunk_sizes` would do so on a scheduler of Dask's choice, not the run's: on the cluster
    that a task on one of its workers then waits for.
    """
    blocks = array.to_delayed()
    token = f"shapes-{uuid.uuid4().hex[:12]}"
    tasks = [call(np.shape, block, key=(token, i)) for i, block in enumerate(blocks.ravel())]
    shapes = np.reshape(compute(*tasks), (*blocks.shape, array.ndim))
    chunks = []
    for axis in range(array.ndim):
        first = tuple(slice(None) if other == axis else 0 for other in range(array.ndim))
        chunks.append(tuple(map(int, shapes[(*first, axis)])))
    # Of the array's own class: dask.array takes long to import where nobody has one.
    return type(array)(array.dask, array.name, tuple(chunks), dtype=array.dtype)


def known_samples(X: Any) -> Any:
    """Return samples in a Dask array or frame as a numeric array; else as `known_rows`."""
    return numeric_blocks(known_rows(X, "X"))


def numeric_blocks(array: Any) -> Any:
    """Return a Dask array of samples that are objects, as nullable numbers are, as float64."""
    return array.map_blocks(as_samples, dtype=np.float64) if array.dtype == object else array
