"""Reading rows of a Zarr array, and saying which chunk it was where that fails."""

from __future__ import annotations

import itertools
from typing import Any, NoReturn

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.buffer import NDBuffer
from zarr.buffer import cpu

from dask_horn.data.store.faults import Fault, FaultKind, fault_of, plain_text
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.retrying import RetriesExhausted, with_retries
from dask_horn.data.store.storing import remedy
from dask_horn.errors import ChunkReadError, raise_alone
from dask_horn.records import doing
from dask_horn.rounding import ceil_div

# Smaller chunks are read several at a time: a call into Zarr costs nearly a millisecond.
_READ_BYTES = 2**20


class _Rows(cpu.NDBuffer):
    """Rows that are being read: what is decoded as all of them at once is taken, not copied.

    New memory costs about as much as fast codecs do, so it is asked for only once.
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, NDBuffer) and (value.shape, value.dtype) == (self.shape, self.dtype):
            self._data = value.as_ndarray_like()
        else:
            super().__setitem__(key, value)


def reading_rows(array: zarr.Array[Any], row_bytes: int) -> int:
    """Return how many rows of an array are best read together.

    Parameters
    ----------
    array : zarr.Array
        Samples or targets; axis 0 is the rows.
    row_bytes : int
        Bytes of one row in memory.

    Returns
    -------
    int
        The rows of one chunk, or of as many small chunks as make 1 MiB; never more than the
        array has.
    """
    rows = int(array.chunks[0])
    rows *= max(1, _READ_BYTES // (rows * max(1, row_bytes)))
    return max(1, min(rows, int(array.shape[0])))


def open_rows(location: ArrayLocation) -> zarr.Array[Any]:
    """Open an array that was there when the run began.

    Raises
    ------
    ChunkReadError
        If this process does not find it: a worker may not see the client's folders.
    """
    try:
        return with_retries(location.open, f"The {location}", "opened")
    except RetriesExhausted as exhausted:
        fault = fault_of(exhausted.fault)
        # Not what would do for a chunk: an array that is missing was there when the run began.
        seen = fault.kind in (FaultKind.MISSING, FaultKind.OTHER)
        cure = "put it where all workers can read it" if seen else remedy(fault)
        raise_alone(
            ChunkReadError(
                f"The {location} cannot be opened in this process "
                f"({_reason(exhausted, fault)}); {cure}"
            ),
            exhausted.fault,
        )


def read_rows(
    array: zarr.Array[Any], location: ArrayLocation, start: int, stop: int
) -> NDArray[Any]:
    """Read consecutive rows.

    Parameters
    ----------
    array : zarr.Array
        The open array.
    location : ArrayLocation
        Where it lies, for the message.
    start, stop : int
        First row, and one past the last.

    Returns
    -------
    numpy.ndarray, shape (stop - start, ...)
        The rows as they are stored; they may be the store's own, where that is in memory: not to
        be written to.

    Raises
    ------
    ChunkReadError
        If they cannot be read or decoded, several times where that may help; names the array, the
        chunk, the store, and how often it was tried.
    """

    def attempt() -> NDArray[Any]:
        out = None  # what a try has begun to fill is not taken for the next
        if _is_one_chunk(array, start, stop):
            out = _Rows.empty((stop - start, *array.shape[1:]), array.dtype)
        return np.asarray(array.get_basic_selection(slice(start, stop), out=out))

    rows = f"rows {start} to {stop - 1}"
    try:
        with doing(f"reading {rows} of {location}"):
            return with_retries(attempt, f"The {location}", f"read at {rows}")
    except RetriesExhausted as error:
        exhausted = error
    chunk = _broken_chunk(array, start, stop)
    if chunk is None:  # the store answers again
        try:
            return attempt()
        except MemoryError:
            raise
        except Exception as error:
            exhausted = RetriesExhausted(error, exhausted.tries + 1)
    name = None if chunk is None else _chunk_name(array, chunk)
    _raise_unread(location, rows, name, exhausted)


def _raise_unread(
    location: ArrayLocation, rows: str, chunk: str | None, exhausted: RetriesExhausted
) -> NoReturn:
    """Raise the error that names array, chunk and store."""
    fault = fault_of(exhausted.fault)
    if chunk is None:
        cure = "try again"
    elif fault.kind in (FaultKind.MISSING, FaultKind.OTHER):
        cure = "rewrite it, or leave those rows out"
    else:
        cure = remedy(fault)
    reason = _reason(exhausted, fault)
    raise_alone(
        ChunkReadError(f"The {location} cannot be read at {chunk or rows} ({reason}); {cure}"),
        exhausted.fault,
    )


def _is_one_chunk(array: zarr.Array[Any], start: int, stop: int) -> bool:
    """Whether the rows are those of a chunk: taking a part of one would keep it all in memory."""
    length = (array.shards or array.chunks)[0]
    return start % length == 0 and stop - start == length


def _broken_chunk(array: zarr.Array[Any], start: int, stop: int) -> tuple[int, ...] | None:
    """Return the first chunk among the rows that cannot be read alone."""
    lengths = array.shards or array.chunks
    grid = [range(start // lengths[0], ceil_div(stop, lengths[0]))]
    grid += [range(ceil_div(n, length)) for n, length in zip(array.shape, lengths, strict=True)][1:]
    for chunk in itertools.product(*grid):
        region = tuple(
            slice(i * length, min((i + 1) * length, n))
            for i, length, n in zip(chunk, lengths, array.shape, strict=True)
        )
        try:
            array[region]
        except MemoryError:
            raise
        except Exception:  # whatever a codec or a store raises
            return chunk
    return None


def _chunk_name(array: zarr.Array[Any], chunk: tuple[int, ...]) -> str:
    length = (array.shards or array.chunks)[0]
    first, last = chunk[0] * length, min((chunk[0] + 1) * length, array.shape[0]) - 1
    return f"chunk {array.metadata.encode_chunk_key(chunk)}, rows {first} to {last}"


def _reason(exhausted: RetriesExhausted, fault: Fault) -> str:
    """Return in a few words what failed, and how often."""
    missing = fault.kind is FaultKind.MISSING
    return exhausted.counted(plain_text(exhausted.fault) if missing else fault.what)
