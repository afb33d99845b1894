"""Zarr arrays beneath Dask's: their attributes count, and they are not overwritten while read."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.storage import MemoryStore

import dask_horn as horn

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "samples.zarr")


def _stored(path, name="X", **attributes):
    group = zarr.open_group(path, mode="w")
    group.create_array("X", data=X, chunks=(20, 3))
    group.create_array("y", data=Y, chunks=(20,))
    group[name].attrs.update(attributes)
    return group


def _regressor():
    return horn.HornRegressor(hidden_layer_sizes=(4,), n_rounds=1, random_state=0)


SOURCES = {
    "zarr": lambda path: zarr.open_group(path, mode="r")["X"],
    "dask": lambda path: da.from_zarr(zarr.open_group(path, mode="r")["X"]),
    "computed": lambda path: (da.from_zarr(path, component="X") * 2).rechunk((30, 1)),
    "inlined": lambda path: da.from_array(zarr.open_group(path)["X"], inline_array=True),
    "xarray": lambda path: xr.open_zarr(path, consolidated=False)["X"],
}


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_read_from_is_not_replaced(path, kind):
    xr.Dataset({"X": (("row", "column"), X), "y": ("row", Y)}).to_zarr(path, zarr_format=2)
    with pytest.raises(ValueError, match=r"X is read from .*, which would be replaced first"):
        horn.write_samples(path, SOURCES[kind](path), Y, overwrite=True)
    np.testing.assert_array_equal(zarr.open_group(path)["X"][:], X)


def test_what_a_link_or_a_store_in_memory_names_is_not_replaced(path, tmp_path):
    stored = horn.write_samples(path, X, Y)
    (tmp_path / "link.zarr").symlink_to(path)
    memory = MemoryStore()
    horn.write_samples(memory, X, Y)
    for place, source in (
        (tmp_path / "link.zarr", stored.x.open()),
        (memory, zarr.open_group(memory, mode="r")["X"]),
    ):
        with pytest.raises(ValueError, match="would be replaced"):
            horn.write_samples(place, source, Y, overwrite=True)


def test_other_samples_are_replaced(path, tmp_path):
    horn.write_samples(path, X, Y)
    other = horn.write_samples(tmp_path / "samples.zarr2", X + 1, Y)
    horn.write_samples(path, other.x.open(), da.from_array(Y), overwrite=True)
    np.testing.assert_array_equal(zarr.open_group(path)["X"][:], X + 1)


@pytest.mark.parametrize("change", [lambda rows: rows, lambda rows: rows.rechunk((30, 1))[:40]])
def test_packed_values_are_refused_through_dask(path, change):
    _stored(path, scale_factor=0.1)
    lazy = change(da.from_zarr(path, component="X"))
    with pytest.raises(ValueError, match=r"holds encoded values \(scale_factor=0.1\)"):
        _regressor().fit(lazy, X[: len(lazy), 0])


def test_what_was_decoded_since_is_taken(path, tmp_path):
    _stored(path, scale_factor=0.1)
    by_hand = da.from_zarr(path, component="X") * 0.1
    packed = str(tmp_path / "packed.zarr")
    encoding = {"X": {"scale_factor": 0.01, "dtype": "i2", "_FillValue": -9999}}
    xr.Dataset({"X": (("row", "column"), X)}).to_zarr(packed, zarr_format=2, encoding=encoding)
    by_xarray = xr.open_zarr(packed, consolidated=False)["X"].data
    for rows in (by_hand, by_xarray):
        assert _regressor().fit(rows, X[:, 0]).predict(rows).shape == (60,)


@pytest.mark.parametrize("where", ["fit", "predict", "write_samples"])
def test_values_that_mark_missing_ones_are_refused_through_dask(path, where):
    _stored(path, _FillValue=X[33, 1])
    lazy = da.from_zarr(path, component="X")
    with pytest.raises(ValueError, match=r"X holds a missing value .* at sample 33, feature 1"):
        if where == "fit":
            _regressor().fit(lazy, X[:, 0])
        elif where == "predict":
            _regressor().fit(X, X[:, 0]).predict(lazy).compute()
        else:
            horn.write_samples(MemoryStore(), lazy, Y)


@pytest.mark.parametrize("where", ["fit", "validation_data", "score"])
def test_times_are_no_targets_through_dask(path, where):
    _stored(path, "y", units="days since 1970-01-01")
    lazy = da.from_zarr(path, component="y")
    fitted = _regressor()
    with pytest.raises(ValueError, match="holds times"):
        if where == "fit":
            fitted.fit(X, lazy)
        elif where == "score":
            fitted.fit(X, Y).score(X, lazy)
        else:
            fitted.fit(X, Y, validation_data=(X, lazy))
