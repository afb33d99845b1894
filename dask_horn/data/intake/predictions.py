"""Predicting on what is chunked or stored: lazily, chunk by chunk, and into a Zarr group.

Knows nothing of models: a function from rows to answers is handed in.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import zarr
from dask.delayed import delayed
from numpy.typing import NDArray
from zarr.abc.store import Store

from dask_horn.data.intake.stored import stored_rows
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.lazy import known_rows, known_samples, numeric_blocks
from dask_horn.data.store.locations import ArrayLocation, foreign_content, plain_location
from dask_horn.data.store.samples import SampleStore, is_location, open_samples
from dask_horn.data.store.storing import store_errors
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.store.writing import create_rows, write_dask_rows, write_rows
from dask_horn.data.values.arrays import plain_labels

# The attribute by which a group of predictions is told from anything else.
_MARK = "dask_horn_predictions"
_FORMAT = 1


def chunked_samples(X: Any, known_lengths: bool = False) -> Any:
    """Return samples that are lazy or stored as a Dask array; None for samples in memory.

    Parameters
    ----------
    X : object
        Samples: a Dask array or frame, a zarr.Array, or a Zarr group that holds them as ``X``,
        open or by its path or URL; anything else is taken to be in memory.
    known_lengths : bool, default False
        Whether a Dask frame's chunk lengths must be known, which computes the frame once.

    Returns
    -------
    dask.array.Array or None
        Numeric, with samples on axis 0; what is in Zarr is read as many rows at a time as are
        best read together.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If there are no such samples; see `open_samples`.

    Examples
    --------
    >>> import dask.array as da
    >>> chunked_samples(da.zeros((6, 2), chunks=(3, 2))).chunks
    ((3, 3), (2,))
    >>> chunked_samples([[1, 2]]) is None
    True
    """
    if is_lazy(X):
        X = plain_rows(X, "X")
        if known_lengths or not hasattr(X, "to_dask_array"):
            return known_samples(X)
        return numeric_blocks(X.to_dask_array())
    if isinstance(X, zarr.Array):
        return stored_rows(SampleStore.of(ArrayLocation.of(X)))
    if is_location(X):
        return stored_rows(open_samples(X, require_y=False))
    return None


def map_samples(
    function: Callable[[NDArray[Any], int | None], NDArray[Any]], chunked: Any, probe: NDArray[Any]
) -> Any:
    """Apply a function to the rows of every chunk, lazily.

    Parameters
    ----------
    function : callable
        From the rows of one chunk, and the number of the first of them, to their answers. The
        number is None where the lengths of the chunks before are unknown. It travels once to
        every worker, not with every chunk.
    chunked : dask.array.Array, shape (n_samples, ...)
        The samples.
    probe : numpy.ndarray, shape (any, ...)
        An answer, which tells shape and dtype of all.

    Returns
    -------
    dask.array.Array, shape (n_samples, ...)
        The answers, in the row chunks of the samples.

    Examples
    --------
    >>> import dask.array as da
    >>> samples = da.ones((4, 3), chunks=2)
    >>> sums = map_samples(lambda rows, first: rows.sum(axis=1), samples, np.zeros(1))
    >>> sums.chunks, sums.compute()
    (((2, 2),), array([3., 3., 3., 3.]))
    """
    inner = tuple(range(1, chunked.ndim))
    if any(chunked.numblocks[axis] > 1 for axis in inner):
        chunked = chunked.rechunk(dict.fromkeys(inner, -1))
    answer_shape = probe.shape[1:]
    return chunked.map_blocks(
        _answer,
        delayed(function, pure=False, traverse=False),
        answer_shape,
        token="predict",
        dtype=probe.dtype,
        meta=np.empty((0,) * probe.ndim, probe.dtype),
        drop_axis=list(inner),
        new_axis=list(range(1, probe.ndim)),
        chunks=(chunked.chunks[0], *((length,) for length in answer_shape)),
    )


def store_predictions(location: str | os.PathLike[str], predicted: Any) -> None:
    """Write predictions to a Zarr group as its array ``y``, chunk by chunk.

    Parameters
    ----------
    location : str or os.PathLike
        Path or URL of the group. Predictions that are there already are replaced.
    predicted : numpy.ndarray or dask.array.Array, shape (n_samples,) or (n_samples, n_outputs)
        Numbers or text; a Dask array is computed by the workers, and written by them.

    Raises
    ------
    FileExistsError
        If there is something at `location` that is no predictions.
    ValueError
        If the labels are neither numbers nor text.
    StoreError
        If the location cannot be written.
    ChunkReadError
        If the samples that are predicted on cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> store_predictions(folder.name + "/labels.zarr", np.array(["cat", "dog"]))
    >>> zarr.open_group(folder.name + "/labels.zarr", mode="r")["y"].shape
    (2,)
    >>> folder.cleanup()
    """
    lazy = is_lazy(predicted)
    predicted = known_rows(predicted, "predictions") if lazy else plain_labels(predicted)
    # Labels that are objects are numbers or text, which only their values tell.
    dtype = predicted.dtype if predicted.dtype.kind in "biuf" else np.dtype("U")
    store = plain_location(location)
    group = _predictions_group(store)
    writing = partial(store_errors, "out", store)
    with writing():
        group.attrs[_MARK] = {"format": _FORMAT, "whole": False}
        array = create_rows(group, "y", predicted.shape, dtype)
    if lazy:
        write_dask_rows(ArrayLocation(store, "y"), predicted, plain_labels, writing)
    else:
        write_rows(array, predicted, writing=writing)
    with writing():
        group.attrs[_MARK] = {"format": _FORMAT, "whole": True}


def _answer(
    rows: NDArray[Any],
    function: Callable[[NDArray[Any], int | None], NDArray[Any]],
    answer_shape: tuple[int, ...],
    block_info: Any = None,
) -> NDArray[Any]:
    dtype = block_info[None]["dtype"]
    if not len(rows):
        return np.empty((0, *answer_shape), dtype)
    first = block_info[0]["array-location"][0][0]
    return function(rows, None if math.isnan(first) else int(first)).astype(dtype, copy=False)


def _predictions_group(store: str | Store) -> zarr.Group:
    """Create the group; replace only what is predictions itself."""
    try:
        with store_errors("out", store, "read"):
            present = zarr.open_group(store=store, mode="r")
    except FileNotFoundError:
        free = not foreign_content(store)
    else:
        free = _MARK in present.attrs
    if not free:
        raise FileExistsError(
            f"{store} exists and holds no predictions of dask_horn; choose another path for out"
        )
    with store_errors("out", store):
        return zarr.open_group(store=store, mode="w")
