"""What attributes say of stored numbers: packed ones are refused, missing ones looked for."""

from __future__ import annotations

import base64
import struct

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

import dask_horn as horn
from dask_horn.data import open_samples

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20.0)


def _base64(value):
    return base64.b64encode(struct.pack("<d", value)).decode()


def _group(x=X, y=Y, of_x=(), of_y=(), **format):
    group = zarr.create_group(store=MemoryStore(), **format)
    group.create_array("X", data=x, chunks=(6, 2)).attrs.update(of_x)
    group.create_array("y", data=y, chunks=(4, *y.shape[1:])).attrs.update(of_y)
    return group


def _network():
    return horn.Network([horn.Dense(2, "relu"), horn.Dense(1)], 2, loss="squared_error")


def _trained(group):
    return horn.train(_network(), group, n_rounds=1, steps_per_round=2).model


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": 0.1}, r"encoded values \(scale_factor=0.1\).*xarray\.open_zarr"),
        ({"scale_factor": [0.1]}, r"encoded values.*xarray\.open_zarr"),
        ({"add_offset": 5}, r"encoded values.*xarray\.open_zarr"),
        ({"units": "days since 2000-01-01"}, "holds times .units=days since"),
        ({"dtype": "timedelta64[ns]", "units": "hours"}, "holds times .dtype=timedelta64"),
    ],
)
def test_packed_numbers_are_refused_by_the_attribute(attributes, message):
    for group in (_group(of_x=attributes), _group(of_y=attributes)):
        with pytest.raises(ValueError, match=message):
            open_samples(group)
        with pytest.raises(ValueError, match=message):
            horn.write_samples(MemoryStore(), group["X"], group["y"])


NEUTRAL = [
    {"_FillValue": -9999},
    {"_FillValue": _base64(-1.0)},
    {"missing_value": [-1, 1e20]},
    {"_FillValue": _base64(float("nan"))},
    {"_FillValue": "NaN", "scale_factor": 1.0, "add_offset": 0.0},
    {"_FillValue": None, "units": "kelvin"},
    {"valid_range": [0, 50], "valid_min": 0, "valid_max": 39},
]


@pytest.mark.parametrize("attributes", NEUTRAL)
def test_attributes_by_which_no_number_is_missing_change_nothing(attributes):
    plain, noted = _trained(_group()), _trained(_group(of_x=attributes, of_y=attributes))
    np.testing.assert_array_equal(noted.parameters, plain.parameters)
    group = _group(of_x=attributes, of_y=attributes)
    assert noted.score(group) == plain.score(X, Y)


@pytest.mark.parametrize(
    ("attributes", "row"),
    [
        ({"_FillValue": 23}, 11),
        ({"_FillValue": _base64(23.0)}, 11),
        ({"missing_value": [-1, 23, 31]}, 11),
        ({"valid_max": 22.5}, 11),
        ({"valid_range": [0, 22]}, 11),
    ],
)
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i2", "u1"])
def test_samples_that_are_missing_are_named_wherever_they_are_read(attributes, row, dtype):
    group = _group(X.astype(dtype), of_x=attributes)
    told = rf"X holds a missing value \(23.*attribute .*\) at sample {row}, feature 1"
    model = _trained(_group())
    for work in (
        lambda: _trained(group),
        lambda: horn.train(_network(), X, Y, n_rounds=1, validation_data=group),
        lambda: model.predict(group).compute(scheduler="sync"),
        lambda: model.predict(group["X"]).compute(scheduler="sync"),
        lambda: model.evaluate(group),
        lambda: horn.write_samples(MemoryStore(), group["X"]),
    ):
        with pytest.raises(ValueError, match=told):
            work()


def test_targets_that_are_missing_are_named_wherever_they_are_read():
    group = _group(of_y={"_FillValue": 7})
    told = r"y holds a missing value \(7.0, by its attribute _FillValue\) at sample 7"
    model = _trained(_group())
    for work in (
        lambda: _trained(group),
        lambda: horn.train(_network(), X, group["y"], n_rounds=1),
        lambda: horn.HornRegressor(n_rounds=1).fit(X, group["y"]),
        lambda: model.evaluate(group),
        lambda: model.evaluate(X, group["y"]),
        lambda: horn.write_samples(MemoryStore(), group["X"], group["y"]),
    ):
        with pytest.raises(ValueError, match=told):
            work()


def test_a_sign_that_the_dtype_has_not_is_heeded():
    attributes = {"_Unsigned": "true", "_FillValue": 255}
    assert open_samples(_group(X.astype("i1"), of_x=attributes)).dtype == "int8"
    _trained(_group(X.astype("i1"), of_x=attributes))
    with pytest.raises(ValueError, match=r"-1, .*_Unsigned.* sample 0, feature 1"):
        _trained(_group((-X).astype("i1"), of_x={"_Unsigned": "true"}))


def test_zarr_format_2_keeps_the_fill_value_in_a_field_of_its_own():
    group = zarr.create_group(store=MemoryStore(), zarr_format=2)
    array = group.create_array("X", shape=X.shape, dtype="i2", fill_value=7)
    array[...] = X
    group.create_array("y", data=Y)
    _trained(group)  # Zarr's alone: what chunks hold that are not there
    array.attrs["_ARRAY_DIMENSIONS"] = ["time", "x"]
    with pytest.raises(ValueError, match=r"7, by its attribute _FillValue.* sample 3, feature 1"):
        _trained(group)


def test_nothing_is_left_where_samples_turn_out_to_be_missing(tmp_path):
    for _ in range(2):
        with pytest.raises(ValueError, match="sample 3, feature 1"):
            horn.write_samples(tmp_path / "s.zarr", _group(of_x={"_FillValue": 7})["X"])
        assert not list(tmp_path.iterdir())
