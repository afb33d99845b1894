"""Writing rows into Zarr: chunk sizes, codecs, and one writer per kind of source.

Chunks hold whole samples, and every write covers whole chunks, so that two writers never share
one. Nothing here knows what the rows mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from dask_horn.data.store.locations import ArrayLocation
from dask_horn.errors import HornError

# Fast to read: fixed costs no longer count, and a few chunks still fit beside the model.
CHUNK_BYTES = 4 * 2**20

# From some rows as they come, and the number of the first of them, to what is written.
Convert = Callable[[Any, int], NDArray[Any]]

# Makes the context in which something is written, which tells what the store refuses.
Writing = Callable[[], AbstractContextManager[None]]


def create_rows(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunk_bytes: int = CHUNK_BYTES,
    compress: bool = True,
    overwrite: bool = False,
) -> zarr.Array[Any]:
    """Create an array for rows, in chunks of whole rows.

    Parameters
    ----------
    group : zarr.Group
        Where to create it.
    name : str
        Its name there.
    shape : tuple of int
        Rows first.
    dtype : numpy.dtype
        Numbers, or text of any width.
    chunk_bytes : int, default 4 MiB
        Bytes of a chunk before compression, about; a chunk holds at least one row.
    compress : bool, default True
        Whether to use Blosc with LZ4, which costs little to decode. Without it chunks are
        plain bytes, which is fastest in memory.
    overwrite : bool, default False
        Whether to replace an array of that name.

    Returns
    -------
    zarr.Array
        The array, without values.
    """
    if dtype.char == "g":  # a width that Zarr does not have
        dtype = np.dtype(np.float64)
    row_bytes = max(1, dtype.itemsize * math.prod(shape[1:]))
    chunk_rows = max(1, min(shape[0], chunk_bytes // row_bytes))
    return group.create_array(
        name,
        shape=shape,
        # Zarr has no settled format for text of fixed width; its "string" has one.
        dtype="string" if dtype.kind == "U" else dtype.newbyteorder("="),
        chunks=(chunk_rows, *shape[1:]),
        compressors=BloscCodec(cname="lz4", shuffle="shuffle") if compress else None,
        overwrite=overwrite,
        # Looking for chunks of zeros to leave out takes longer than writing them.
        config={"write_empty_chunks": True},
    )


def write_rows(
    target: zarr.Array[Any],
    source: Any,
    order: NDArray[np.int64] | None = None,
    writing: Writing = nullcontext,
    convert: Convert | None = None,
) -> None:
    """Write rows that can be sliced: a NumPy array, a memory map or a Zarr array.

    Parameters
    ----------
    target : zarr.Array
        Where to write; as long as ``source``, or as ``order`` where that is given.
    source : array-like with rows on axis 0
        Read chunk by chunk, so that it need not fit into memory.
    order : numpy.ndarray of int, optional
        Which row of ``source`` to write at each place; None keeps their order.
    writing : callable, optional
        Makes the context in which to write, but not to read, such as a partial `store_errors`.
    convert : callable, optional
        From the rows of a chunk, and the number of the first, to what is written; by default they
        are written as they are.
    """
    rows = target.chunks[0]
    for start in range(0, target.shape[0], rows):
        stop = min(start + rows, target.shape[0])
        some = source[start:stop] if order is None else source[order[start:stop]]
        some = np.asarray(some) if convert is None else convert(some, start)
        with writing():
            target[start:stop] = some


def write_block(
    location: ArrayLocation,
    start: int,
    convert: Convert,
    writing: Writing,
    block: Any,
) -> str | None:
    """Write a block; return what is wrong with its values, so that the first such block is told."""
    try:
        rows = convert(block, start)
    except ValueError as error:
        if isinstance(error, HornError):
            raise
        return str(error)
    with writing():
        location.open("r+")[start : start + len(rows)] = rows
    return None


def aligned_rows(array: Any, chunk_rows: int) -> Any:
    """Return a Dask array in blocks of whole rows, none of which shares a Zarr chunk."""
    starts = [0, *accumulate(array.chunks[0])][:-1]
    aligned = all(start % chunk_rows == 0 for start in starts)
    if aligned and all(len(lengths) == 1 for lengths in array.chunks[1:]):
        return array
    row_bytes = max(1, array.dtype.itemsize * math.prod(array.shape[1:]))
    block_bytes = array.dtype.itemsize * math.prod(max(c, default=1) for c in array.chunks)
    rows = max(1, block_bytes // row_bytes // chunk_rows) * chunk_rows
    return array.rechunk({0: rows, **dict.fromkeys(range(1, array.ndim), -1)})
