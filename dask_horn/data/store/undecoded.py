"""Zarr arrays whose attributes say that stored numbers are not the values, read accordingly."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr

from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.reading import read_rows
from dask_horn.data.values.attributes import marks_by
from dask_horn.data.values.marks import Marks

_REMEDY = (
    "open it with xarray.open_zarr, which decodes them, and pass its .data or rewrite it with "
    "dask_horn.write_samples"
)


def marks_of(array: zarr.Array[Any], location: ArrayLocation) -> Marks:
    """Return what an array's attributes say stands for missing values; see `marks_by`.

    Parameters
    ----------
    array : zarr.Array
        The open array.
    location : ArrayLocation
        Where it lies, for messages.
    """
    attributes = array.attrs.asdict()
    if array.metadata.zarr_format == 2 and "_ARRAY_DIMENSIONS" in attributes:
        # In format 2 xarray keeps its _FillValue in Zarr's own field; 0 is Zarr's default.
        attributes = {"_FillValue": array.fill_value or None} | attributes
    return marks_by(attributes, np.dtype(array.dtype), f"The {location}", _REMEDY)


def read_marked(array: zarr.Array[Any], location: ArrayLocation, start: int, stop: int) -> Any:
    """Read consecutive rows, masked where the array's attributes say that there is no value.

    For parameters and errors see `read_rows`.

    Returns
    -------
    numpy.ndarray or numpy.ma.MaskedArray
    """
    marks = marks_of(array, location)
    return marks.masked(read_rows(array, location, start, stop))


def all_rows(array: zarr.Array[Any]) -> Any:
    """Read a whole array likewise."""
    return read_marked(array, ArrayLocation.of(array), 0, int(array.shape[0]))
