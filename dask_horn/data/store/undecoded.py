"""Refusing values that xarray has packed: here they would be trained on as they are.

References
----------
Climate and Forecast conventions, section 8.1 (packed data) and 2.5.1 (missing data).
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any

import numpy as np
import zarr

from dask_horn.data.store.locations import ArrayLocation


def check_plain_values(array: zarr.Array[Any], location: ArrayLocation) -> None:
    """Refuse an array that xarray would decode.

    Parameters
    ----------
    array : zarr.Array
        The open array.
    location : ArrayLocation
        Where it lies, for the message.

    Raises
    ------
    ValueError
        If its attributes give a scale, an offset, or a number that stands for missing values;
        NaN may stand for them, since the survey finds it.
    """
    attributes = array.attrs.asdict()
    neutral = {"scale_factor": 1, "add_offset": 0}
    encoded = {
        name: attributes[name]
        for name in neutral
        if attributes.get(name) not in (None, neutral[name])
    }
    if np.dtype(array.dtype).kind in "biuf":
        fills = {name: attributes.get(name) for name in ("_FillValue", "missing_value")}
        if array.metadata.zarr_format == 2 and "_ARRAY_DIMENSIONS" in attributes:
            # In format 2 xarray keeps its _FillValue in Zarr's own field; 0 is Zarr's default.
            fills["_FillValue"] = array.fill_value or None
        encoded |= {name: fill for name, fill in fills.items() if _marks_missing(fill)}
    if encoded:
        told = ", ".join(f"{name}={value}" for name, value in encoded.items())
        raise ValueError(
            f"The {location} holds encoded values ({told}); open it with xarray.open_zarr, which "
            "decodes them, and pass its .data or rewrite it with dask_horn.write_samples."
        )


def _marks_missing(fill: Any) -> bool:
    """Whether a fill value is one that stands for missing samples: any but None and NaN."""
    if fill is None:
        return False
    if isinstance(fill, str):
        # xarray writes a float's fill value as base64 of its eight bytes.
        try:
            fill = struct.unpack("<d", base64.b64decode(fill, validate=True))[0]
        except (binascii.Error, struct.error):
            return str(fill).lower() != "nan"
    return not bool(np.isnan(np.asarray(fill, dtype=float)).all())
