"""Whatever users keep rows in: as an array that the rooms above know, or refused in a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr

from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.values.frames import frame_values, is_frame
from dask_horn.data.values.labelled import is_labelled, labelled_values
from dask_horn.data.values.readable import as_array, check_fields
from dask_horn.data.values.strangers import kind_of, stranger


def plain_rows(values: Any, name: str) -> Any:
    """Return rows as an array in memory, in Zarr or of Dask's; nothing is computed.

    Parameters
    ----------
    values : object
        Arrays, lists, data frames and series of any library, xarray's arrays and datasets,
        Dask arrays and frames, zarr.Array.
    name : str
        The argument: "X", whose columns must be numbers, or another one.

    Returns
    -------
    numpy.ndarray, pandas object, zarr.Array, or Dask array or frame
        The same values in the same order; what is one of these already is returned as it is.

    Raises
    ------
    TypeError, ValueError
        If it holds no rows, or none that can be read in one order. The sentence says what to pass.

    Examples
    --------
    >>> plain_rows([[1, 2], [3, 4]], "X").shape
    (2, 2)
    >>> plain_rows(iter([1, 2]), "y")
    Traceback (most recent call last):
    ...
    TypeError: y is a list_iterator, which can be read only once; pass an array, such as \
numpy.stack(list(y)).
    """
    if isinstance(values, zarr.Array):
        return values
    if isinstance(values, np.ndarray):
        return as_array(values, name)
    if is_labelled(values):
        return plain_rows(labelled_values(values, name), name)
    if is_lazy(values):
        _check_collection(values, name)
        return values
    if is_frame(values):
        return frame_values(values, name)
    fault = stranger(values, name)
    if fault is not None:
        raise TypeError(fault)
    return as_array(values, name)


def _check_collection(values: Any, name: str) -> None:
    """Refuse Dask's collections that are no arrays, and those whose blocks are none."""
    fault = stranger(values, name)
    if fault is not None:
        raise TypeError(fault)
    if hasattr(values, "to_dask_array"):
        return
    if not values.ndim:
        raise ValueError(f"{name} is a single value of Dask's; pass an array with a row a sample.")
    blocks = getattr(values, "_meta", None)
    if blocks is not None and not isinstance(blocks, np.ndarray):
        way = "block.toarray()" if hasattr(blocks, "toarray") else "an_array_of(block)"
        raise TypeError(
            f"{name} is a Dask array whose blocks are {kind_of(blocks)}; pass one of NumPy arrays, "
            f"such as {name}.map_blocks(lambda block: {way})."
        )
    check_fields(values.dtype, name)
