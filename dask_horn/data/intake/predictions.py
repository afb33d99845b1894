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
from zarr.errors import ContainsArrayError

from dask_horn.data.intake.stored import stored_rows
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.found import check_no_zip, foreign_content
from dask_horn.data.store.lazy import lazy_samples
from dask_horn.data.store.locations import ArrayLocation, open_group, plain_location
from dask_horn.data.store.once import ToWrite, write_together
from dask_horn.data.store.samples import SampleStore, is_location, open_samples
from dask_horn.data.store.storing import store_errors
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.store.writing import create_rows, write_rows
from dask_horn.data.values.arrays import plain_labels
from dask_horn.data.values.form import FEATURES, SampleForm

# The attribute by which a group of predictions is told from anything else.
_MARK = "dask_horn_predictions"
_FORMAT = 1


def chunked_samples(X: Any, form: SampleForm = FEATURES) -> Any:
    """Return samples that are lazy or stored as a Dask array; None for samples in memory.

    Parameters
    ----------
    X : object
        Samples: a Dask array or frame, a zarr.Array, or a Zarr group that holds them as ``X``,
        open or by its path or URL; anything else is taken to be in memory.
    form : SampleForm, optional
        What they are taken for. Masks are kept where it says so.

    Returns
    -------
    dask.array.Array or None
        Numeric, with samples on axis 0; what is in Zarr is read as many rows at a time as are
        best read together. The lengths of a Dask frame's chunks are unknown.

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
        return lazy_samples(plain_rows(X, "X"), form.missing)
    if isinstance(X, zarr.Array):
        return stored_rows(SampleStore.of(ArrayLocation.of(X)), form.keeps_masks)
    if is_location(X):
        return stored_rows(open_samples(X, require_y=False), form.keeps_masks)
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


def check_predictions_free(
    location: str | os.PathLike[str] | Store, overwrite: bool = False
) -> str | Store:
    """Check that predictions may be written to a location, before any are made.

    Parameters
    ----------
    location : str, os.PathLike or zarr.abc.store.Store
    overwrite : bool, default False
        Whether predictions that are there may be replaced; such as are not whole always are.

    Returns
    -------
    str or zarr.abc.store.Store
        As `plain_location` returns it.

    Raises
    ------
    FileExistsError
        If there is something that may not be replaced.
    StoreError
        If the location cannot be read.
    """
    store = plain_location(location, argument="out")
    check_no_zip(store)
    try:
        with store_errors("out", store, "read"):
            mark: Any = open_group(store).attrs.get(_MARK)
    except ContainsArrayError:
        mark = None
    except FileNotFoundError:
        if not foreign_content(store):
            return store
        mark = None
    if mark is None:
        raise FileExistsError(
            f"{store} exists and holds no predictions of dask_horn; choose another path for out"
        )
    if not overwrite and mark.get("whole", True):
        raise FileExistsError(
            f"{store} holds predictions already; pass overwrite=True to replace them, or choose "
            "another path for out"
        )
    return store


def store_predictions(
    location: str | os.PathLike[str] | Store, predicted: Any, overwrite: bool = False
) -> None:
    """Write predictions to a Zarr group as its array ``y``, chunk by chunk.

    Parameters
    ----------
    location : str or os.PathLike
        Path or URL of the group.
    predicted : numpy.ndarray or dask.array.Array, shape (n_samples,) or (n_samples, n_outputs)
        Numbers or text; a Dask array is computed by the workers, and written by them.
    overwrite : bool, default False
        Whether predictions that are there already are replaced.

    Raises
    ------
    FileExistsError
        If there is something at `location` that may not be replaced.
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
    >>> open_group(folder.name + "/labels.zarr")["y"].shape
    (2,)
    >>> folder.cleanup()
    """
    lazy = is_lazy(predicted)
    predicted = predicted if lazy else plain_labels(predicted)
    # Labels that are objects are numbers or text, which only their values tell.
    dtype = predicted.dtype if predicted.dtype.kind in "biuf" else np.dtype("U")
    store = check_predictions_free(location, overwrite)
    with store_errors("out", store):
        group = open_group(store, "w")
    writing = partial(store_errors, "out", store)
    with writing():
        group.attrs[_MARK] = {"format": _FORMAT, "whole": False}

    def create(n_rows: int) -> ArrayLocation:
        with writing():
            create_rows(group, "y", (n_rows, *predicted.shape[1:]), dtype)
        return ArrayLocation(store, "y")

    if lazy:
        rows = ToWrite(predicted, create, _plain_labels)
        write_together({"y": rows}, {}, group, ArrayLocation(store, ""), writing)
    else:
        write_rows(create(len(predicted)).open("r+"), predicted, writing=writing)
    with writing():
        group.attrs[_MARK] = {"format": _FORMAT, "whole": True}


def _plain_labels(labels: NDArray[Any], first_row: int) -> NDArray[Any]:
    return plain_labels(labels)


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
