"""Xarray's arrays and datasets: which dimension is the samples', and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from dask_horn import HornClassifier, HornRegressor
from dask_horn.data.store.containers import plain_rows

ROWS = np.random.default_rng(0).normal(size=(8, 3))
LABELS = np.array([0, 1] * 4)
X = xr.DataArray(ROWS, dims=("time", "feature"), coords={"time": range(8), "feature": list("abc")})
Y = xr.DataArray(LABELS, dims="time", coords={"time": range(8)})


def test_samples_must_be_on_the_first_dimension():
    with pytest.raises(ValueError, match=r"X has the dimensions \('feature', 'time'\) and y \('ti"):
        HornClassifier(n_rounds=1).fit(X.T, Y)
    with pytest.raises(ValueError, match="different labels along their dimension 'time'; bring"):
        HornClassifier(n_rounds=1).fit(X, Y[::-1])
    HornClassifier(n_rounds=1).fit(X, Y.rename(time="sample"))


def test_a_column_named_X_is_a_column():
    columns = xr.Dataset({name: ("time", ROWS[:, i]) for i, name in enumerate("XYZ")})
    fitted = HornRegressor(n_rounds=1).fit(columns, Y)
    assert fitted.feature_names_in_.tolist() == ["X", "Y", "Z"]
    np.testing.assert_array_equal(plain_rows(columns, "X"), ROWS)


def test_datasets_that_are_no_columns_are_told():
    with pytest.raises(ValueError, match="whose variable 'b' has the dimensions"):
        plain_rows(xr.Dataset({"a": ("x", range(8)), "b": ("y", range(4))}), "X")
    with pytest.raises(ValueError, match="without data variables"):
        plain_rows(xr.Dataset(), "X")
    with pytest.raises(ValueError, match="categories or text in the column 'a'"):
        plain_rows(xr.Dataset({"a": ("x", ["u", "v"])}), "X")
    with pytest.raises(TypeError, match="X is an xarray DataTree; pass one of its"):
        plain_rows(xr.DataTree(), "X")


def test_values_that_are_not_decoded_are_told():
    for attributes in ({"scale_factor": 0.1}, {"_FillValue": -999}):
        with pytest.raises(ValueError, match="X holds encoded values"):
            plain_rows(X.assign_attrs(attributes), "X")
    plain_rows(X.assign_attrs(scale_factor=1, add_offset=0.0, _FillValue=np.nan), "X")
