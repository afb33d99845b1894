"""Values that xarray has packed are refused with the remedy; harmless attributes are not."""

from __future__ import annotations

import base64
import struct

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from dask_horn.data import open_samples


def _base64(value):
    return base64.b64encode(struct.pack("<d", value)).decode()


@pytest.mark.parametrize(
    ("attributes", "refused"),
    [
        ({"scale_factor": 0.1}, True),
        ({"add_offset": 5}, True),
        ({"_FillValue": -9999}, True),
        ({"_FillValue": _base64(-1.0)}, True),
        ({"missing_value": -1}, True),
        ({"_FillValue": _base64(float("nan"))}, False),
        ({"_FillValue": "NaN", "scale_factor": 1.0, "add_offset": 0.0}, False),
        ({"units": "kelvin"}, False),
    ],
)
def test_undecoded_xarray_values_are_refused(attributes, refused):
    group = zarr.create_group(store=MemoryStore())
    group.create_array("X", data=np.ones((20, 2))).attrs.update(attributes)
    if refused:
        with pytest.raises(ValueError, match=r"encoded values.*xarray\.open_zarr"):
            open_samples(group, require_y=False)
    else:
        assert open_samples(group, require_y=False).n_samples == 20


def test_undecoded_xarray_values_in_format_2():
    group = zarr.create_group(store=MemoryStore(), zarr_format=2)
    array = group.create_array("X", shape=(4, 2), dtype="i2", fill_value=-32768)
    assert open_samples(group, require_y=False).n_samples == 4
    array.attrs["_ARRAY_DIMENSIONS"] = ["time", "x"]
    with pytest.raises(ValueError, match="_FillValue=-32768"):
        open_samples(group, require_y=False)
