"""Xarray's arrays and datasets: which dimension is the samples', and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from zarr.storage import MemoryStore

from dask_horn import HornClassifier, HornRegressor, write_samples
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
    for attributes in ({"scale_factor": 0.1}, {"add_offset": 5}):
        with pytest.raises(ValueError, match="X holds encoded values"):
            plain_rows(X.assign_attrs(attributes), "X")
    for attributes in ({"units": "days since 2000-01-01"}, {"dtype": "timedelta64[ns]"}):
        with pytest.raises(ValueError, match="X holds times"):
            plain_rows(X.assign_attrs(attributes), "X")
    plain_rows(X.assign_attrs(scale_factor=1, add_offset=0.0, _FillValue=np.nan), "X")


MISSING = {"_FillValue": ROWS[5, 1]}, {"missing_value": [-999, ROWS[5, 1]]}
BEYOND = {"valid_max": float(np.sort(ROWS.ravel())[-2])}


@pytest.mark.parametrize("attributes", [*MISSING, BEYOND])
@pytest.mark.parametrize("lazy", [False, True])
def test_attributes_name_the_sample_that_is_missing(attributes, lazy):
    row = 5 if attributes != BEYOND else ROWS.max(axis=1).argmax()
    noted = X.assign_attrs(attributes)
    columns = xr.Dataset({name: noted[:, i].drop_vars("feature") for i, name in enumerate("abc")})
    model = HornClassifier(n_rounds=1).fit(X, Y).model_
    for given in (noted, columns):
        rows = given.chunk({"time": 3}) if lazy else given
        why = "" if lazy else ", by its attribute "  # Dask forgets it where it joins blocks
        told = rf"X holds a missing value \(.*{why}.*\) at sample {row}, "
        for work in (
            lambda rows=rows: HornClassifier(n_rounds=1).fit(rows, Y),
            lambda rows=rows: np.asarray(model.predict(rows)),
            lambda rows=rows: model.evaluate(rows, Y),
            lambda rows=rows: write_samples(MemoryStore(), rows, Y),
        ):
            with pytest.raises(ValueError, match=told):
                work()


@pytest.mark.parametrize(
    "attributes", [{"_FillValue": -999.0}, {"valid_range": [-99, 99]}, {"units": "kelvin"}]
)
def test_attributes_by_which_no_value_is_missing_change_nothing(attributes):
    for rows in (X, X.chunk({"time": 3})):
        plain = HornClassifier(n_rounds=1, random_state=0).fit(rows, Y).model_
        noted = HornClassifier(n_rounds=1, random_state=0).fit(rows.assign_attrs(attributes), Y)
        np.testing.assert_array_equal(noted.model_.parameters, plain.parameters)


def test_valid_ranges_of_packed_numbers_are_not_those_of_the_decoded():
    decoded = X.assign_attrs(valid_range=[1000, 2000])
    decoded.encoding["scale_factor"] = 0.01
    np.testing.assert_array_equal(plain_rows(decoded, "X"), ROWS)
