"""Samples with the targets beside them, wherever both lie: a function of the two, chunk by chunk.

Knows nothing of models: a function from rows and targets to an answer is handed in.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from dask.delayed import delayed
from numpy.typing import NDArray

from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.lazy import known_rows
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.reading import open_rows, read_rows
from dask_horn.data.store.samples import is_location, open_samples
from dask_horn.data.store.tasks import call, compute, is_lazy
from dask_horn.data.values.arrays import (
    as_targets,
    check_lengths,
    check_target_shape,
    first_not_finite,
    label_fault,
)
from dask_horn.data.values.labelled import labelled_pair
from dask_horn.data.values.padding import filled
from dask_horn.data.values.targets import Targets, check_labels

#: From the rows of a chunk, their targets, their weights, and the number of the first of them.
Pairing = Callable[[NDArray[Any], Any, NDArray[np.float64] | None, int], Any]


@dataclass(frozen=True)
class _StoredRows:
    """Rows of a Zarr array, which the task that needs them reads."""

    location: ArrayLocation
    start: int
    stop: int

    def read(self) -> NDArray[Any]:
        return read_rows(open_rows(self.location), self.location, self.start, self.stop)


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
        Samples in chunks of known lengths; see `chunked_samples`.
    y : array-like, Dask array or frame, zarr.Array or ArrayLocation
        Targets. What is stored is read by the tasks.
    weights : ndarray of float64, (n_samples,), optional

    Returns
    -------
    list
        The answers of the chunks that have rows, in their order.

    Raises
    ------
    ValueError
        If there are more targets or weights than samples, or fewer.

    Examples
    --------
    >>> import dask.array as da
    >>> samples = da.ones((4, 3), chunks=2)
    >>> map_pairs(lambda rows, y, weights, first: (first, y.tolist()), samples, [1, 2, 3, 4])
    [(0, [1, 2]), (2, [3, 4])]
    """
    lengths = tuple(map(int, chunked.chunks[0]))
    targets = _targets_of(y, lengths)
    inner = dict.fromkeys(range(1, chunked.ndim), -1)
    rows = chunked.rechunk(inner).to_delayed().ravel() if inner else chunked.to_delayed().ravel()
    shared = delayed(function, pure=False, traverse=False)
    token = f"evaluate-{uuid.uuid4().hex[:12]}"
    tasks, first = [], 0
    for i, length in enumerate(lengths):
        if length:
            own = None if weights is None else weights[first : first + length]
            key = (token, i)
            tasks.append(call(_paired, shared, rows[i], targets[i], own, first, key=key))
        first += length
    return list(compute(*tasks))


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
        raise TypeError(f"y is missing; pass targets beside X, got X of type {type(X).__name__}")
    return open_samples(X).y


def in_memory_targets(y: Any) -> NDArray[Any]:
    """Bring targets into memory, wherever they lie, as they are."""
    if isinstance(y, ArrayLocation):
        return _StoredRows(y, 0, int(open_rows(y).shape[0])).read()
    return np.asarray(compute(y)[0] if is_lazy(y) else y)


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
    y = np.asarray(y)
    check_target_shape(y.shape, targets.kind, targets.steps)
    check_lengths(len(counted), len(y))
    steps = targets.steps
    if steps is not None:
        y = filled(y, counted)
    if targets.kind == "classes":
        labels = y.reshape(-1) if steps is None else y.reshape(-1, steps)
        fault = label_fault(labels, first_row=first_row)
    else:
        columns = as_targets(y, targets.kind, steps).reshape(len(y), -1)
        fault = first_not_finite(columns, "y", "output" if steps is None else "value", first_row)
        if targets.kind == "labels" and fault is None:
            check_labels(columns, first_row)
    if fault is not None:
        raise ValueError(fault)
    encoded = targets.encode(as_targets(y, targets.kind, steps))
    return encoded.reshape(counted.size, -1)[counted.ravel()]


def _targets_of(y: Any, lengths: tuple[int, ...]) -> list[Any]:
    """Return the targets of each chunk: in memory, lazy, or to be read."""
    stops = np.cumsum(lengths).tolist()
    spans = [(stop - length, stop) for stop, length in zip(stops, lengths, strict=True)]
    if isinstance(y, ArrayLocation) and not y.in_process:
        check_lengths(stops[-1], int(open_rows(y).shape[0]))
        return [_StoredRows(y, *span) for span in spans]
    if is_lazy(y):
        array = known_rows(y, "y")
        check_lengths(stops[-1], int(array.shape[0]))
        whole = dict.fromkeys(range(1, array.ndim), -1)
        return list(array.rechunk({0: lengths, **whole}).to_delayed().ravel())
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
    return function(rows, y.read() if isinstance(y, _StoredRows) else y, weights, first)
