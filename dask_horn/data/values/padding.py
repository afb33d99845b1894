"""Targets of padding: they may be anything, and are given what does no harm."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.values.form import SampleForm

__all__ = ["filled", "filled_beside"]


def filled(y: NDArray[Any], counted: NDArray[np.bool_]) -> NDArray[Any]:
    """Give steps that do not count the target of the sample's first step that does.

    So they name no class of their own and hold nothing that is missing, whatever they held.

    Parameters
    ----------
    y : numpy.ndarray, shape (n, steps) or (n, steps, outputs)
        Targets.
    counted : numpy.ndarray of bool, shape (n, steps)
        Which of them count.

    Returns
    -------
    numpy.ndarray
        ``y`` itself where all count.

    Examples
    --------
    >>> filled(np.array([[7, 8, -1]]), np.array([[True, True, False]]))
    array([[7, 8, 7]])
    """
    if counted.all():
        return y
    first = y[np.arange(len(y)), counted.argmax(axis=1)]
    inner = counted.reshape(*counted.shape, *(1,) * (y.ndim - 2))
    return np.where(inner, y, first[:, np.newaxis])


def filled_beside(X: Any, y: Any, form: SampleForm) -> Any:
    """Give targets of padding what `filled` gives them, lazily unless both are in memory.

    Parameters
    ----------
    X : numpy.ndarray, dask.array.Array or zarr.Array, shape (n, ...)
        Samples; in memory only beside targets that are.
    y : numpy.ndarray or dask.array.Array, shape (n, steps) or (n, steps, outputs)
        Their targets.
    form : SampleForm
        What both are taken for; it has a mask value and target steps.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        Lazy where either is, or the samples are stored.
    """
    if isinstance(X, np.ndarray) and not is_lazy(y):
        return filled(y, form.counted(X))
    # Importing dask.array takes long; arrays in memory need none.
    import dask.array as da

    from dask_horn.data.intake.predictions import chunked_samples

    x = chunked_samples(X)
    x = x.rechunk(dict.fromkeys(range(1, x.ndim), -1))
    lazy = y if is_lazy(y) else da.from_array(y, chunks=(x.chunks[0], *y.shape[1:]))
    lazy = lazy.rechunk(dict.fromkeys(range(1, lazy.ndim), -1))
    places = tuple(range(lazy.ndim))
    inner = tuple(range(10, 9 + x.ndim))  # of the samples alone
    return da.blockwise(
        _filled_block, places, lazy, places, x, (0, *inner),
        form=form, concatenate=True, dtype=lazy.dtype, meta=lazy._meta,
    )  # fmt: skip


def _filled_block(y: NDArray[Any], x: NDArray[Any], form: SampleForm) -> NDArray[Any]:
    return filled(np.asarray(y), form.counted(x))
