"""Dask collections of rows: as arrays whose chunk lengths are known."""

from __future__ import annotations

import math
import uuid
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.store.tasks import call, compute
from dask_horn.data.values.arrays import numeric_rows
from dask_horn.data.values.plain import unmissed


def known_rows(collection: Any, name: str) -> Any:
    """Return a Dask array or frame as a Dask array whose chunk lengths are known.

    Raises
    ------
    TypeError
        If it is a Dask collection of another kind.
    ValueError
        If it is samples in a frame with columns of categories, text or dates.
    """
    if hasattr(collection, "to_dask_array"):
        rows = frame_rows(collection, name)
        lengths = compute(collection.map_partitions(len))[0]
        # As `to_dask_array` does with the lengths that it is given.
        rows._chunks = (tuple(map(int, lengths)), *rows.chunks[1:])
        return rows
    if not hasattr(collection, "chunks"):
        raise TypeError(
            f"{name} is a Dask {type(collection).__name__}; pass a Dask array or data frame."
        )
    if any(math.isnan(rows) for rows in collection.chunks[0]):
        return _with_known_chunks(collection)
    return collection


def frame_rows(frame: Any, name: str) -> Any:
    """Return a Dask frame or series as a Dask array of unknown chunk lengths.

    Its blocks are masked where a nullable column holds no value.
    """
    numeric = name == "X"
    like = np.asarray(unmissed(frame._meta, name, numeric=numeric, lazy=True))
    return frame.map_partitions(_partition, name, numeric, meta=like)


def _partition(rows: Any, name: str, numeric: bool) -> Any:
    return unmissed(rows, name, numeric=numeric)


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


def numeric_blocks(array: Any, name: str = "X") -> Any:
    """Return a Dask array of rows that are objects as one of float64."""
    if array.dtype != object:
        return array
    starts = np.cumsum([0, *array.chunks[0]])
    return array.map_blocks(
        _numeric_block, name, starts, dtype=np.float64, meta=np.empty((0,) * array.ndim)
    )


def _numeric_block(block: Any, name: str, starts: NDArray[Any], block_id: Any = None) -> Any:
    """Return a block of objects as numbers; masked still, where they are missing."""
    start = starts[block_id[0]]
    first = None if math.isnan(start) else int(start)
    if not isinstance(block, np.ma.MaskedArray):
        return numeric_rows(block, name, first)
    absent = np.ma.getmaskarray(block)
    numbers = numeric_rows(np.where(absent, 0, np.ma.getdata(block)), name, first)
    return np.ma.masked_array(numbers, absent)
