"""Stored samples as a Dask array, which the project's own reader fills."""

from __future__ import annotations

import warnings
from typing import Any

import dask.array as da
import numpy as np
from dask.array.core import normalize_chunks
from numpy.typing import NDArray

from dask_horn.data.store.absent import absent_chunks
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.reading import open_rows, read_rows
from dask_horn.data.store.samples import SampleStore
from dask_horn.data.values.marks import Marks
from dask_horn.data.values.plain import plain


def stored_rows(samples: SampleStore, keeps_masks: bool = False) -> Any:
    """Return samples in Zarr as a Dask array, as many rows to a chunk as are best read together.

    Where the array's attributes say that there is no value, its blocks are refused; or masked, if
    somebody looks at them who knows what may be missing, as `SampleForm.keeps_masks` says it.
    """
    shape = (samples.n_samples, *samples.sample_shape)
    chunks = (samples.chunk_rows, *samples.sample_shape)
    if samples.in_process:  # no other process could read it
        rows = read_rows(open_rows(samples.x), samples.x, 0, samples.n_samples)
        array = da.from_array(rows, chunks=chunks)
        if not samples.x_marks:
            return array
        return array.map_blocks(_marked, samples.x_marks, keeps_masks, meta=array._meta)
    return da.map_blocks(
        _read,
        samples.x,
        samples.x_marks,
        keeps_masks,
        token="read-samples",
        dtype=np.dtype(samples.dtype),
        meta=np.empty((0,) * len(shape), samples.dtype),
        chunks=normalize_chunks(chunks, shape),
    )


def _read(location: ArrayLocation, marks: Marks, keeps_masks: bool, block_info: Any = None) -> Any:
    start, stop = block_info[None]["array-location"][0]
    array = open_rows(location)
    rows = read_rows(array, location, start, stop)
    absent = absent_chunks(array, rows, start)
    if absent.n_chunks:
        warnings.warn(
            f"The {location} lacks the chunk of row {absent.first_row}, and perhaps others; the "
            "fill value is taken for its rows.",
            UserWarning,
            stacklevel=2,
        )
    return _marked(rows, marks, keeps_masks, block_info)


def _marked(rows: NDArray[Any], marks: Marks, keeps_masks: bool, block_info: Any = None) -> Any:
    found = marks.masked(rows)
    return found if keeps_masks else plain(found, "X", block_info[None]["array-location"][0][0])
