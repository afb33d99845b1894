"""Dask collections of rows, as arrays that share their tasks and whose blocks are looked at.

Whatever may come in another order each time that it is computed (a shuffle, a random source) must
be computed once for samples and targets. Dask optimizes each collection alone, so that tasks which
both need run twice: here they are optimized together.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from dask_horn.data.store.beneath import arrays_behind
from dask_horn.data.store.declared import Declared, FrameRows, checked_block, frame_rows
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.tasks import call, compute
from dask_horn.data.store.undecoded import marks_of
from dask_horn.data.values.arrays import numeric_rows
from dask_horn.data.values.marks import NO_MARKS, Marks
from dask_horn.data.values.missing import float_dtype, with_nan


@dataclass(frozen=True, eq=False)
class LazyRows:
    """Collections as Dask arrays that share what is common to them.

    Attributes
    ----------
    arrays : mapping of str to dask.array.Array
        By the names of the arguments; the lengths of a frame's chunks are not known.
    frames : mapping of str to list of Delayed
        Of those that are frames, what `FrameRows` says of each partition.
    """

    arrays: Mapping[str, Any]
    frames: Mapping[str, list[Any]]


def lazy_rows(collections: Mapping[str, Any]) -> LazyRows:
    """Return Dask arrays and frames as arrays, whose blocks are checked when they are computed.

    Parameters
    ----------
    collections : mapping of str to Dask array or frame
        By the names of the arguments, for messages; see `plain_rows` for what is none. Frames with
        as many partitions as each other are computed partition by partition, together.
    """
    frames = {name: one for name, one in collections.items() if hasattr(one, "to_dask_array")}
    found = _of_frames(frames) if frames else {}
    arrays = {
        name: _of_partitions(name, frames[name], found[name])
        if name in frames
        else _checked_array(name, one)
        for name, one in collections.items()
    }
    return LazyRows(arrays, found)


def lazy_samples(X: Any, missing: bool = False) -> Any:
    """Return samples in a Dask array or frame as a numeric array of blocks that are checked."""
    return numeric_blocks(lazy_rows({"X": X}).arrays["X"], missing=missing)


def known_rows(collection: Any, name: str) -> Any:
    """Return a Dask array or frame as a Dask array whose chunk lengths are known.

    Where they are not, it is computed for them alone: what must be computed once is written by
    `write_together`.
    """
    return with_known_chunks(lazy_rows({name: collection}).arrays[name])


def computed_rows(collection: Any, name: str) -> Any:
    """Return the rows of a Dask array or frame in memory, once its blocks are looked at.

    Raises
    ------
    TypeError, ValueError
        If it is a Dask collection of another kind, or a block is not what is declared.
    """
    (rows,) = compute(lazy_rows({name: collection}).arrays[name])
    return rows


def with_known_chunks(array: Any) -> Any:
    """Return an array whose chunk lengths are known, computing the shapes of all blocks if not.

    `compute_chunk_sizes` would do so on a scheduler of Dask's choice, not the run's: on the cluster
    that a task on one of its workers then waits for.
    """
    if has_known_chunks(array):
        return array
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


def has_known_chunks(array: Any) -> bool:
    """Whether the lengths of an array's chunks are known."""
    return not any(math.isnan(length) for lengths in array.chunks for length in lengths)


def numeric_blocks(array: Any, name: str = "X", missing: bool = False) -> Any:
    """Return a Dask array of rows that are objects as one of float64.

    Where values may be `missing`, one of whole numbers that may be masked becomes one of floats.
    """
    if array.dtype.kind in "biu" and missing and isinstance(array._meta, np.ma.MaskedArray):
        dtype = float_dtype(array.dtype)
        meta = np.empty((0,) * array.ndim, dtype)
        return array.map_blocks(_float_block, name, dtype, dtype=dtype, meta=meta)
    if array.dtype != object:
        return array
    starts = np.cumsum([0, *array.chunks[0]])
    return array.map_blocks(
        _numeric_block, name, starts, missing, dtype=np.float64, meta=np.empty((0,) * array.ndim)
    )


def _float_block(block: Any, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a block of numbers as floats, NaN where they are missing."""
    return with_nan(np.ma.getdata(block), np.ma.getmaskarray(block), name).astype(dtype, copy=False)


def _numeric_block(
    block: Any, name: str, starts: NDArray[Any], missing: bool, block_id: Any = None
) -> Any:
    """Return a block of objects as numbers; masked still, where they are missing."""
    start = starts[block_id[0]]
    first = None if math.isnan(start) else int(start)
    if missing or not isinstance(block, np.ma.MaskedArray):
        return numeric_rows(block, name, first, missing=missing)
    absent = np.ma.getmaskarray(block)
    numbers = numeric_rows(np.where(absent, 0, np.ma.getdata(block)), name, first)
    return np.ma.masked_array(numbers, absent)


def blocks_together(arrays: Sequence[Any]) -> list[NDArray[Any]]:
    """Return the blocks of Dask arrays as delayed objects which share the arrays' common tasks.

    `to_delayed` of each would merge tasks into those that need them, in each array on its own.
    """
    if not arrays:
        return []
    graph = HighLevelGraph.merge(*(array.dask for array in arrays))
    keys = [array.__dask_keys__() for array in arrays]
    layer = f"together-{uuid.uuid4().hex[:12]}"
    try:
        optimized = arrays[0].__dask_optimize__(graph, keys)
    except (KeyError, ValueError):  # of frames made of delayed objects Dask cannot fuse some
        optimized = graph.to_dict()
    shared = HighLevelGraph.from_collections(layer, optimized, dependencies=())
    blocks = []
    for array in arrays:
        own = np.empty(array.numblocks, dtype=object)
        for place in np.ndindex(own.shape):
            own[place] = Delayed((array.name, *place), shared, layer=layer)
        blocks.append(own)
    return blocks


def _checked_array(name: str, array: Any) -> Any:
    """Return a Dask array whose blocks are compared with what it declares."""
    meta = getattr(array, "_meta", None)
    marks = _marks_behind(array)
    if marks and isinstance(meta, np.ndarray):
        meta = np.ma.masked_array(meta)
    return array.map_blocks(partial(checked_block, name, marks), dtype=array.dtype, meta=meta)


def _marks_behind(array: Any) -> Marks:
    """Return what stands for missing values, by the attributes of the Zarr arrays that it reads."""
    behind = arrays_behind(array)
    told = {marks_of(stored, ArrayLocation.of(stored)) for stored in behind} - {NO_MARKS}
    return told.pop() if len(told) == 1 else NO_MARKS


def _of_frames(frames: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return for each frame a delayed `FrameRows` of each partition.

    Frames of as many partitions are one expression, so that Dask reads and shuffles once for all
    of them: a shuffle of some columns and one of others would come in different orders.
    """
    if len({frame.npartitions for frame in frames.values()}) > 1:
        return {name: _of_frames({name: one})[name] for name, one in frames.items()}
    from dask.dataframe import map_partitions

    declared = {name: Declared.of(name, frame) for name, frame in frames.items()}
    joined = map_partitions(
        partial(frame_rows, tuple(declared.values())),
        *frames.values(),
        meta=next(iter(frames.values()))._meta,
        enforce_metadata=False,
        align_dataframes=False,
    )
    token = uuid.uuid4().hex[:12]
    found: dict[str, list[Any]] = {name: [] for name in frames}
    # What tasks can be one is left to `blocks_together`: some frames break when Dask joins theirs.
    partitions = _partitions(joined.optimize(fuse=False))
    for number, rows in enumerate(partitions):
        for place, name in enumerate(frames):
            key = (f"rows-{name}-{token}", number)
            found[name].append(call(_chosen, rows, place, number, key=key))
    return found


def _partitions(frame: Any) -> list[Delayed]:
    """Return a frame's partitions, with tasks in place of mere other names of keys.

    Dask loses some of those where it joins the tasks of `from_delayed` with those of an array.
    """
    graph = {
        key: (_same, task.target) if type(task).__name__ == "Alias" else task
        for key, task in dict(frame.__dask_graph__()).items()
    }
    keys = frame.__dask_keys__()
    layer = f"frames-{uuid.uuid4().hex[:12]}"
    shared = HighLevelGraph.from_collections(layer, graph, dependencies=())
    return [Delayed(key, shared, layer=layer) for key in keys]


def _same(value: Any) -> Any:
    return value


def _chosen(rows: Sequence[FrameRows], place: int, number: int) -> FrameRows:
    """Return what belongs to one of the frames, unless something is wrong with its partition."""
    chosen = rows[place]
    if chosen.fault is not None:
        raise ValueError(f"partition {number} of {chosen.fault}")
    return chosen


def _of_partitions(name: str, frame: Any, partitions: list[Any]) -> Any:
    """Return an array of the rows of a frame's partitions."""
    import dask.array as da

    declared = Declared.of(name, frame)
    shape = (math.nan, *declared.shape)
    meta = np.empty((0,) * len(shape), declared.dtype)
    meta = np.ma.masked_array(meta) if declared.nullable else meta
    token = uuid.uuid4().hex[:12]
    blocks = [
        da.from_delayed(
            call(_values, part, key=(f"values-{name}-{token}", number)), shape, meta=meta
        )
        for number, part in enumerate(partitions)
    ]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


def _values(rows: FrameRows) -> NDArray[Any]:
    return rows.values
