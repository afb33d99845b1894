"""Targets of padding, wherever samples and targets lie: given what does no harm."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from dask_horn.data.store.lazy import numeric_blocks
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.samples import SampleStore
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.values.form import SampleForm
from dask_horn.data.values.padding import filled
from dask_horn.data.values.plain import unmissed


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

    from dask_horn.data.intake.stored import stored_rows

    stored = isinstance(X, zarr.Array)
    x = (
        stored_rows(SampleStore.of(ArrayLocation.of(X)), keeps_masks=True)
        if stored
        else numeric_blocks(X)
    )
    x = x.rechunk(dict.fromkeys(range(1, x.ndim), -1))
    lazy = y if is_lazy(y) else da.from_array(y, chunks=(x.chunks[0], *y.shape[1:]))
    lazy = lazy.rechunk(dict.fromkeys(range(1, lazy.ndim), -1))
    places = tuple(range(lazy.ndim))
    inner = tuple(range(10, 9 + x.ndim))  # of the samples alone
    return da.blockwise(
        _filled_block, places, lazy, places, x, (0, *inner),
        form=form, concatenate=True, dtype=lazy.dtype, meta=lazy._meta,
    )  # fmt: skip


def _filled_block(y: Any, x: Any, form: SampleForm) -> NDArray[Any]:
    counted = form.counted(np.ma.getdata(x))  # who reads the samples looks for missing ones
    y = unmissed(y, "y", numeric=False)
    if not isinstance(y, np.ma.MaskedArray):
        return filled(np.asarray(y), counted)
    # What counts and is missing stays so.
    absent = filled(np.ma.getmaskarray(y), counted)
    return np.ma.masked_array(filled(np.ma.getdata(y), counted), absent)
