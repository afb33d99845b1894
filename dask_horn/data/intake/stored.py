"""Stored samples as a Dask array, which the project's own reader fills."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.array.core import normalize_chunks
from numpy.typing import NDArray

from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.reading import open_rows
from dask_horn.data.store.samples import SampleStore
from dask_horn.data.store.undecoded import read_marked
from dask_horn.data.values.plain import plain


def stored_rows(samples: SampleStore) -> Any:
    """Return samples in Zarr as a Dask array, as many rows to a chunk as are best read together."""
    shape = (samples.n_samples, *samples.sample_shape)
    chunks = (samples.chunk_rows, *samples.sample_shape)
    if samples.in_process:  # no other process could read it
        rows = plain(read_marked(open_rows(samples.x), samples.x, 0, samples.n_samples), "X")
        return da.from_array(rows, chunks=chunks)
    return da.map_blocks(
        _read,
        samples.x,
        token="read-samples",
        dtype=np.dtype(samples.dtype),
        meta=np.empty((0,) * len(shape), samples.dtype),
        chunks=normalize_chunks(chunks, shape),
    )


def _read(location: ArrayLocation, block_info: Any = None) -> NDArray[Any]:
    start, stop = block_info[None]["array-location"][0]
    return plain(read_marked(open_rows(location), location, start, stop), "X", start)
