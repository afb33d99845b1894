"""Windows: the decoded blocks that are in memory together, read ahead of the computation.

Decoding happens once per process and run: arrays stay open, and decoded rows stay in a cache of
bounded size. Rows keep their order here; shuffling within a window is the caller's.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from dask_horn.data.rows.blocks import Block
from dask_horn.data.store.absent import Absent, absent_chunks
from dask_horn.data.store.cache import ArrayCache
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.reading import open_rows, read_rows
from dask_horn.data.store.retrying import forget_told
from dask_horn.data.store.samples import SampleStore
from dask_horn.data.values.arrays import decoded_dtype, plain_labels
from dask_horn.data.values.missing import with_nan
from dask_horn.data.values.padding import filled
from dask_horn.data.values.targets import Targets
from dask_horn.data.values.whole import less
from dask_horn.rounding import ceil_div

CACHE_BYTES = 256 * 2**20
WINDOW_BYTES = 32 * 2**20

_decoded = ArrayCache(CACHE_BYTES)
_open_arrays: dict[tuple[str, str], zarr.Array[Any]] = {}
_open_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class DecodedBlock:
    """The rows of a block as the kernels take them.

    Attributes
    ----------
    x : numpy.ndarray, shape (rows, features)
        Samples: C-contiguous, native byte order, read-only; u1 to u8, i1 to i8, f4 or f8.
    y : numpy.ndarray of float32 or None, shape (rows, columns)
        Encoded targets, likewise; None without targets.
    """

    x: NDArray[Any]
    y: NDArray[np.float32] | None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.x)


def decoded(run: str, store: SampleStore, block: Block, targets: Targets | None) -> DecodedBlock:
    """Return the rows of one block from the cache, reading them the first time.

    What is cached is whole chunks: where several blocks lie in one chunk it is decoded once.

    Parameters
    ----------
    run : str
        The run's id; `forget` drops what was cached for it.
    store : SampleStore
        Where the rows lie.
    block : Block
        Which rows.
    targets : Targets or None
        How targets are encoded; None leaves them unread.

    Returns
    -------
    DecodedBlock
        Views of the cached rows, in the order of the store.

    Raises
    ------
    ChunkReadError
        If a chunk cannot be read; names the array, the chunk and the store.
    ValueError
        If a target is not among those that `targets` knows.

    Examples
    --------
    >>> from dask_horn.data.store.samples import write_samples
    >>> from zarr.storage import MemoryStore
    >>> store = write_samples(MemoryStore(), [[1.0], [2.0]], [3.0, 5.0])
    >>> targets = Targets.of_values(np.array([4.0]), np.array([1.0]))
    >>> decoded("run", store, Block(1, 2), targets)
    DecodedBlock(x=array([[2.]]), y=array([[1.]], dtype=float32))
    >>> forget("run")
    """

    def load_x(start: int, stop: int) -> NDArray[Any]:
        return _decode_x(_opened(run, store.x), store, start, stop)

    def x_of(some: Block) -> NDArray[Any]:
        key = (run, store.x.key, "x" if store.origin is None else "x less origin")
        return _cached_rows(key, some, store.chunk_rows, store.n_samples, store.row_bytes, load_x)

    x = x_of(block)
    location = store.y
    if location is None or targets is None:
        return DecodedBlock(x, None)

    def load_y(start: int, stop: int) -> NDArray[np.float32]:
        rows = read_rows(_opened(run, location), location, start, stop)
        samples = x_of(Block(start, stop)) if store.form.pads_targets else None
        return _decode_y(rows, samples, store, targets)

    key = (run, location.key, targets.token)
    rows = store.y_chunk_rows or store.n_samples
    y = _cached_rows(key, block, rows, store.n_samples, 4 * targets.n_columns, load_y)
    return DecodedBlock(x, y)


def stored_targets(run: str, store: SampleStore, block: Block) -> NDArray[Any]:
    """Return the targets of one block as they are stored, from the cache likewise.

    Parameters
    ----------
    run, store, block
        As for `decoded`; the store holds targets.

    Returns
    -------
    numpy.ndarray, shape (rows, ...)
        Numbers, or text of fixed width; read-only.

    Raises
    ------
    ChunkReadError, ValueError
        If a chunk cannot be read, or holds neither numbers nor text.
    """
    location, shape, rows = store.y, store.y_shape, store.y_chunk_rows
    assert location is not None and shape is not None and rows is not None, "there are targets"

    def load(start: int, stop: int) -> NDArray[Any]:
        return plain_labels(read_rows(_opened(run, location), location, start, stop))

    key = (run, location.key, "stored")
    row_bytes = 8 * math.prod(shape)  # at most, but for text
    return _cached_rows(key, block, rows, store.n_samples, row_bytes, load)


def absent_among(
    run: str, store: SampleStore, block: Block, x: NDArray[Any], y: NDArray[Any]
) -> tuple[Absent, Absent]:
    """Count the chunks of samples and of targets that begin in a block and are not stored.

    Parameters
    ----------
    run, store, block
        As for `decoded`; the store holds targets.
    x, y : numpy.ndarray
        The block's samples and stored targets.
    """
    assert store.y is not None, "there are targets"
    pairs = ((store.x, x), (store.y, y))
    found = [absent_chunks(_opened(run, location), rows, block.start) for location, rows in pairs]
    return found[0], found[1]


def warn_of_large_chunks(store: SampleStore, blocks: Sequence[Block]) -> None:
    """Warn where a chunk is larger than what a process keeps, and is needed several times a pass.

    Warns
    -----
    UserWarning
        With what would do.
    """
    size, n_chunks = store.chunk_rows * store.row_bytes, ceil_div(store.n_samples, store.chunk_rows)
    times = ceil_div(len(blocks), n_chunks)
    if size > _decoded.max_bytes and times > 1:
        warnings.warn(
            f"The {store.x} has chunks of {size / 2**20:,.0f} MiB, more than the "
            f"{_decoded.max_bytes / 2**20:,.0f} MiB that a process keeps: each is decoded up to "
            f"{times} times in every pass; write it anew in small chunks, as "
            "dask_horn.write_samples does.",
            UserWarning,
            stacklevel=2,
        )


def forget(run: str) -> None:
    """Drop everything that this process keeps for a run: decoded rows and open arrays."""
    _decoded.forget(run)
    with _open_lock:
        for key in [key for key in _open_arrays if key[0] == run]:
            del _open_arrays[key]
    forget_told()


def decoded_row_bytes(store: SampleStore, targets: Targets | None) -> int:
    """Return the bytes of one row of decoded blocks, its encoded targets included."""
    columns = 0 if targets is None or store.y is None else targets.n_columns
    return store.row_bytes + 4 * columns


def window_spans(
    blocks: Sequence[Block], row_bytes: int, window_bytes: int = WINDOW_BYTES
) -> tuple[tuple[Block, ...], ...]:
    """Group consecutive blocks into windows.

    Parameters
    ----------
    blocks : sequence of Block
        Blocks in the order in which they are used.
    row_bytes : int
        Bytes of one decoded row.
    window_bytes : int, default 32 MiB
        Bytes of a window at most; a block that is larger makes a window of its own.

    Returns
    -------
    tuple of tuple of Block
        The windows; every block is in exactly one, in order.

    Examples
    --------
    >>> spans = window_spans([Block(0, 4), Block(4, 8), Block(8, 12)], 1, window_bytes=8)
    >>> [len(span) for span in spans]
    [2, 1]
    """
    spans: list[list[Block]] = []
    filled = 0
    for block in blocks:
        size = len(block) * row_bytes
        if not spans or filled + size > window_bytes:
            spans.append([])
            filled = 0
        spans[-1].append(block)
        filled += size
    return tuple(tuple(span) for span in spans)


def windows(
    run: str,
    store: SampleStore,
    spans: Iterable[tuple[Block, ...]],
    targets: Targets | None,
    skips: Callable[[Block], bool] = lambda block: False,
) -> Iterator[tuple[DecodedBlock, ...]]:
    """Yield the decoded blocks window by window, reading the next one meanwhile.

    One thread reads ahead by one window. It has ended when the iterator is exhausted, closed or
    left by an error; its own errors are raised here.

    Parameters
    ----------
    run, store, targets
        As for `decoded`.
    spans : iterable of tuple of Block
        The windows, as `window_spans` makes them. Two at most are decoded at a time: the one that
        was yielded and the one that is being read.
    skips : callable, optional
        Whether a block need not be read: somebody has it already. By default all are read.

    Yields
    ------
    tuple of DecodedBlock
        The blocks of one window. Of one that is skipped only shapes and dtypes are meant: its
        arrays take no memory.

    Raises
    ------
    ChunkReadError, ValueError
        As `decoded` does.

    Examples
    --------
    >>> from dask_horn.data.store.samples import write_samples
    >>> from zarr.storage import MemoryStore
    >>> store = write_samples(MemoryStore(), np.eye(6))
    >>> spans = [(Block(0, 3),), (Block(3, 5), Block(5, 6))]
    >>> [len(window) for window in windows("run", store, spans, None)]
    [1, 2]
    >>> forget("run")
    """

    def read(span: tuple[Block, ...]) -> tuple[DecodedBlock, ...]:
        return tuple(
            _unread(store, block, targets) if skips(block) else decoded(run, store, block, targets)
            for block in span
        )

    rest = iter(spans)
    first = next(rest, None)
    if first is None:
        return
    window = read(first)
    # The thread begins with what is first submitted: never, where there is one window only.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="dask-horn-read") as reader:
        for following in rest:
            ahead = reader.submit(read, following)
            yield window
            window = ahead.result()
        yield window


def _unread(store: SampleStore, block: Block, targets: Targets | None) -> DecodedBlock:
    """Return a block with the shapes and dtypes of its arrays, and no numbers."""
    dtype = np.dtype(store.decoded_dtype)
    x = np.broadcast_to(dtype.type(0), (len(block), store.n_features))
    if store.y is None or targets is None:
        return DecodedBlock(x, None)
    return DecodedBlock(x, np.broadcast_to(np.float32(0), (len(block), targets.n_columns)))


def _opened(run: str, location: ArrayLocation) -> zarr.Array[Any]:
    """Return the open array of a location, opened once per process and run."""
    key = (run, location.key)
    with _open_lock:
        if key not in _open_arrays:
            _open_arrays[key] = open_rows(location)
        return _open_arrays[key]


def _cached_rows(
    key: tuple[str, ...],
    block: Block,
    unit_rows: int,
    n_rows: int,
    row_bytes: int,
    load: Callable[[int, int], NDArray[Any]],
) -> NDArray[Any]:
    """Return a block's rows from the units of reading that it lies in."""
    if unit_rows * row_bytes > _decoded.max_bytes:
        # Too large to keep: decoded once per block, and only the block is held.
        return _decoded.get((*key, block.start, block.stop), lambda: load(block.start, block.stop))
    pieces = []
    for start in range(block.start // unit_rows * unit_rows, block.stop, unit_rows):
        stop = min(start + unit_rows, n_rows)
        unit = _decoded.get((*key, start, stop), lambda a=start, b=stop: load(a, b))  # type: ignore[misc]
        pieces.append(unit[max(block.start - start, 0) : block.stop - start])
    if len(pieces) == 1:
        return pieces[0]
    rows = np.concatenate(pieces)
    rows.setflags(write=False)
    return rows


def _decode_x(array: zarr.Array[Any], store: SampleStore, start: int, stop: int) -> NDArray[Any]:
    stored = rows = read_rows(array, store.x, start, stop).reshape(stop - start, -1)
    if store.origin is not None:
        rows = less(rows, store.origin)
    if store.marked_missing:
        absent = store.x_marks.absent(stored)
        rows = with_nan(rows, np.zeros(rows.shape, bool) if absent is None else absent, "X")
    x = np.ascontiguousarray(rows, dtype=decoded_dtype(rows.dtype))
    x.setflags(write=False)
    return x


def _decode_y(
    rows: NDArray[Any], x: NDArray[Any] | None, store: SampleStore, targets: Targets
) -> NDArray[np.float32]:
    """Encode stored targets; `x` are their samples, which tell padding, where there is any."""
    rows = plain_labels(rows)
    if store.form.pads_targets and x is not None:
        rows = filled(rows, store.form.counted(x))
    if store.classes is None:
        y = targets.encode(rows)
    elif _same(store.classes, targets.classes):
        y = rows.astype(np.float32).reshape(len(rows), -1)
    else:
        y = targets.encode(store.classes[rows])
    y.setflags(write=False)
    return y


def _same(a: NDArray[Any], b: NDArray[Any] | None) -> bool:
    return a is b or (b is not None and a.dtype == b.dtype and np.array_equal(a, b))
