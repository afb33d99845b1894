"""Samples with the targets beside them, wherever both lie: a function of the two, chunk by chunk.

Knows nothing of models: a function from rows and targets to an answer is handed in.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from dask.delayed import delayed
from numpy.typing import NDArray

from dask_horn.data.intake.given import no_targets
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.lazy import (
    blocks_together,
    computed_rows,
    has_known_chunks,
    lazy_rows,
    with_known_chunks,
)
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.reading import open_rows
from dask_horn.data.store.samples import is_location, open_samples
from dask_horn.data.store.tasks import call, compute, is_lazy
from dask_horn.data.store.undecoded import read_marked
from dask_horn.data.values.arrays import (
    as_targets,
    check_lengths,
    check_target_shape,
    first_not_finite,
    label_fault,
    unboxed,
)
from dask_horn.data.values.labelled import labelled_pair
from dask_horn.data.values.padding import filled
from dask_horn.data.values.plain import plain
from dask_horn.data.values.targets import Targets, check_labels
from dask_horn.data.values.unnumbered import Unnumbered
from dask_horn.errors import HornError

#: From the rows of a chunk, their targets, their weights, and the number of the first of them.
Pairing = Callable[[NDArray[Any], Any, NDArray[np.float64] | None, int], Any]


@dataclass(frozen=True)
class _StoredRows:
    """Rows of a Zarr array, which the task that needs them reads."""

    location: ArrayLocation
    start: int
    stop: int

    def read(self) -> Any:
        return read_marked(open_rows(self.location), self.location, self.start, self.stop)


@dataclass(frozen=True)
class _Fault:
    """What is wrong with the values of a chunk: of several the first is told."""

    told: str


def map_pairs(
    function: Pairing, chunked: Any, y: Any, weights: NDArray[np.float64] | None = None
) -> list[Any]:
    """Apply a function to the rows of every chunk and the targets beside them; compute it.

    Parameters
    ----------
    function : callable
        From a chunk's rows, their targets, their weights, and the number of the first row. It
        travels once to every worker, not with every chunk.
    chunked : dask.array.Array, shape (n_samples, ...)
        Samples in chunks; see `chunked_samples`.
    y : array-like, Dask array, zarr.Array or ArrayLocation
        Targets. What is stored is read by the tasks. What may come in another order each time that
        it is computed must be of `of_one_order`, as the samples.
    weights : ndarray of float64, (n_samples,), optional

    Returns
    -------
    list
        The answers of the chunks that have rows, in their order.

    Raises
    ------
    ValueError
        If there are more targets or weights than samples, or fewer; or as `function` raises it
        for the first chunk.

    Examples
    --------
    >>> import dask.array as da
    >>> samples = da.ones((4, 3), chunks=2)
    >>> map_pairs(lambda rows, y, weights, first: (first, y.tolist()), samples, [1, 2, 3, 4])
    [(0, [1, 2]), (2, [3, 4])]
    """
    inner = dict.fromkeys(range(1, chunked.ndim), -1)
    chunked = chunked.rechunk(inner) if inner else chunked
    lazy = is_lazy(y)
    known = has_known_chunks(chunked) and (not lazy or has_known_chunks(y))
    if not known and lazy and weights is None and chunked.numblocks[0] == y.numblocks[0]:
        answers = _map_unnumbered(function, chunked, y)
        if answers is not None:
            return answers
    if not known and lazy:  # nothing but memory keeps what belongs together
        samples, y = rows_in_memory(chunked, y)
        check_lengths(len(samples), len(y))
        return [function(samples, y, weights, 0)]
    chunked = with_known_chunks(chunked)
    lengths = tuple(map(int, chunked.chunks[0]))
    targets: Any
    if lazy:
        check_lengths(sum(lengths), int(y.shape[0]))
        rows, targets = _blocks(chunked, y.rechunk({0: lengths}))
    else:
        (rows,) = _blocks(chunked)
        targets = _targets_of(y, lengths)
    shared = delayed(function, pure=False, traverse=False)
    token = f"evaluate-{uuid.uuid4().hex[:12]}"
    tasks, first = [], 0
    for i, length in enumerate(lengths):
        if length:
            own = None if weights is None else weights[first : first + length]
            key = (token, i)
            tasks.append(call(_paired, shared, rows[i], targets[i], own, first, key=key))
        first += length
    found = compute(*tasks)
    for answer in found:
        if isinstance(answer, _Fault):
            raise ValueError(answer.told)
    return list(found)


def _blocks(*arrays: Any) -> list[list[Any]]:
    """Return the delayed blocks of arrays, each of whole rows."""
    whole = [
        array.rechunk(dict.fromkeys(range(1, array.ndim), -1)) if array.ndim > 1 else array
        for array in arrays
    ]
    return [blocks.ravel().tolist() for blocks in blocks_together(whole)]


def _map_unnumbered(function: Pairing, chunked: Any, y: Any) -> list[Any] | None:
    """Apply a function to chunks of unknown lengths; None if those of samples and targets differ.

    What both come from is computed once, and not beforehand for the lengths alone.
    """
    shared = delayed(function, pure=False, traverse=False)
    token = f"evaluate-{uuid.uuid4().hex[:12]}"
    tasks = [
        call(_paired_unnumbered, shared, *pair, key=(token, i))
        for i, pair in enumerate(zip(*_blocks(chunked, y), strict=True))
    ]
    found = compute(*tasks)
    if any(n_rows != n_targets for n_rows, n_targets, _ in found):
        return None
    if not any(n_rows for n_rows, _, _ in found):
        raise ValueError("X holds no samples; pass at least one")
    start = 0
    for n_rows, _, answer in found:
        if isinstance(answer, Unnumbered):
            answer.tell(_unweighted(function), start)
        start += n_rows
    return [answer for n_rows, _, answer in found if n_rows]


def _paired_unnumbered(
    function: Pairing, rows: NDArray[Any], y: NDArray[Any]
) -> tuple[int, int, Any]:
    if len(rows) != len(y) or not len(rows):
        return len(rows), len(y), None
    check = _unweighted(function)
    try:
        return len(rows), len(y), check(rows, y, 0)
    except HornError:
        raise
    except ValueError as error:
        return len(rows), len(y), Unnumbered.among(check, str(error), rows, y)


def _unweighted(function: Pairing) -> Callable[[NDArray[Any], Any, int], Any]:
    return lambda rows, y, first: function(rows, y, None, first)


def of_one_order(X: Any, y: Any, sample_weight: Any = None) -> tuple[Any, Any, Any]:
    """Return what is lazy of these as arrays that are computed together; all else as it is.

    Dask computes a frame's columns apart where it is asked for them apart, and a shuffled frame's
    rows come in another order each time.
    """
    X, y = labelled_pair(X, y)
    given = {"X": X, "y": y, "sample_weight": sample_weight}
    lazy = {name: plain_rows(rows, name) for name, rows in given.items() if is_lazy(rows)}
    given.update(lazy_rows(lazy).arrays)
    return given["X"], given["y"], given["sample_weight"]


def rows_in_memory(*arrays: Any) -> list[NDArray[Any]]:
    """Compute Dask arrays together; anything else stays as it is."""
    lazy = [array for array in arrays if is_lazy(array)]
    found = iter(compute(*(blocks for blocks in _blocks(*lazy))) if lazy else ())
    return [_joined(next(found)) if is_lazy(array) else array for array in arrays]


def _joined(blocks: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the rows of all blocks, masked where they are: `numpy.concatenate` forgets that."""
    masked = any(isinstance(block, np.ma.MaskedArray) for block in blocks)
    join: Callable[..., NDArray[Any]] = np.ma.concatenate if masked else np.concatenate
    return join(blocks)


def targets_of(X: Any, y: Any) -> Any:
    """Return the targets that belong to samples: `y`, or those that lie beside stored samples.

    Raises
    ------
    TypeError
        If `y` is left out beside samples that are no Zarr group.
    ValueError, FileNotFoundError
        If the group lacks ``y``.
    """
    X, y = labelled_pair(X, y)
    if y is not None:
        y = plain_rows(y, "y")
        return ArrayLocation.of(y) if isinstance(y, zarr.Array) else y
    if not is_location(X):
        raise no_targets(X)
    return open_samples(X).y


def read_targets(y: Any) -> Any:
    """Bring targets into memory, wherever they lie."""
    if isinstance(y, ArrayLocation):
        return _StoredRows(y, 0, int(open_rows(y).shape[0])).read()
    return computed_rows(y, "y") if is_lazy(y) else y


def in_memory_targets(y: Any) -> NDArray[Any]:
    """Bring targets into memory as a plain array; missing ones are what `is_gap` knows."""
    return plain(read_targets(y), "y", gaps=True)


def encoded_targets(
    y: NDArray[Any], targets: Targets, counted: NDArray[np.bool_], first_row: int = 0
) -> NDArray[np.float32]:
    """Check targets and encode them, a row for each sample, or for each step that counts.

    Parameters
    ----------
    y : ndarray, (n,) or (n, n_outputs), with steps as dimension 1 if there are
    targets : Targets
        What they mean.
    counted : ndarray of bool, (n, steps), or (n, 1) without steps
        Which of them count; those of padding may be anything.
    first_row : int, default 0
        The number of the first of them, for messages.

    Returns
    -------
    ndarray of float32, (n_counted, n_columns)

    Raises
    ------
    ValueError
        If their number or shape is wrong, or one of them is missing or unknown.

    Examples
    --------
    >>> cats = Targets.of_classes(np.array(["cat", "dog"]))
    >>> encoded_targets(np.array(["dog", "cat"]), cats, np.ones((2, 1), bool)).ravel()
    array([1., 0.], dtype=float32)
    """
    y = plain(y, "y", first_row, gaps=True)
    check_target_shape(y.shape, targets.kind, targets.steps)
    check_lengths(len(counted), len(y))
    steps = targets.steps
    if steps is not None:
        y = unboxed(filled(y, counted))
    if targets.kind == "classes":
        labels = y.reshape(-1) if steps is None else y.reshape(-1, steps)
        fault = label_fault(labels, first_row=first_row)
    else:
        y = as_targets(y, targets.kind, steps, first_row)
        columns = y.reshape(len(y), -1)
        fault = first_not_finite(columns, "y", "output" if steps is None else "value", first_row)
        if targets.kind == "labels" and fault is None:
            check_labels(columns, first_row)
    if fault is not None:
        raise ValueError(fault)
    encoded = targets.encode(as_targets(y, targets.kind, steps))
    return encoded.reshape(counted.size, -1)[counted.ravel()]


def _targets_of(y: Any, lengths: tuple[int, ...]) -> list[Any]:
    """Return the targets of each chunk: in memory, or to be read."""
    stops = np.cumsum(lengths).tolist()
    spans = [(stop - length, stop) for stop, length in zip(stops, lengths, strict=True)]
    if isinstance(y, ArrayLocation) and not y.in_process:
        check_lengths(stops[-1], int(open_rows(y).shape[0]))
        return [_StoredRows(y, *span) for span in spans]
    array = in_memory_targets(y)
    check_lengths(stops[-1], len(array))
    return [array[start:stop] for start, stop in spans]


def _paired(
    function: Pairing,
    rows: NDArray[Any],
    y: Any,
    weights: NDArray[np.float64] | None,
    first: int,
) -> Any:
    try:
        return function(rows, y.read() if isinstance(y, _StoredRows) else y, weights, first)
    except HornError:
        raise
    except ValueError as error:
        return _Fault(str(error))
