"""What says of a value that it is missing is refused by its place; what says it of none is used."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from dask_horn.data.values.arrays import as_samples, as_targets, storable_targets
from dask_horn.data.values.plain import Gap, column_names, plain

X = np.arange(12.0).reshape(6, 2)
MASKED = np.ma.masked_equal(X, 7.0)
FRAME = pd.DataFrame(X, columns=["width", "height"])
NULLABLE = FRAME.astype("Float64")
ABSENT = NULLABLE.mask(FRAME == 7.0)


@pytest.mark.parametrize(
    "same",
    [
        np.ma.array(X),
        np.ma.array(X, mask=np.zeros(X.shape, bool)),
        [np.ma.array(row) for row in X],
        NULLABLE,
        FRAME.astype("double[pyarrow]"),
        FRAME.astype(pd.SparseDtype("float64", 0.0)),
        FRAME.astype(object),
    ],
)
def test_what_lacks_nothing_is_used_as_its_plain_form(same):
    np.testing.assert_array_equal(as_samples(same), X, strict=True)


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool"])
@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_nullable_columns_keep_their_plain_dtype(dtype, backend):
    frame = (FRAME > 4).astype(dtype)
    nullable = frame.convert_dtypes(dtype_backend=backend)
    assert not isinstance(nullable.dtypes.iloc[0], np.dtype)
    np.testing.assert_array_equal(as_samples(nullable), as_samples(frame), strict=True)


@pytest.mark.parametrize(
    ("absent", "place"),
    [
        (MASKED, "sample 13, feature 1"),
        (list(MASKED), "sample 13, feature 1"),
        (ABSENT, "sample 13, column 'height'"),
        (FRAME.mask(FRAME == 7.0).astype("double[pyarrow]"), "sample 13, column 'height'"),
        (ABSENT.astype(object), "sample 13, column 'height'"),
        (ABSENT.astype(object).to_numpy(), "sample 13, feature 1"),
        (np.where(X == 7.0, None, X.astype(object)), "sample 13, feature 1"),
    ],
)
def test_missing_samples_are_named(absent, place):
    with pytest.raises(ValueError, match=f"X holds a missing value .* at {place}; fill in"):
        as_samples(absent, first_row=10)


def test_columns_keep_their_names_where_rows_have_lost_them():
    with pytest.raises(ValueError, match="sample 3, column 'height'"):
        as_samples(MASKED, columns=("width", "height"))
    assert column_names(FRAME) == ("width", "height")
    assert column_names(pd.DataFrame(X)) is None


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["a", None, "b"], "None"),
        (np.ma.array(["a", "?", "b"], mask=[0, 1, 0]), "masked or NA"),
        (np.ma.array([1, 2, 3], mask=[0, 1, 0]), "masked or NA"),
        (pd.Series(["a", pd.NA, "b"], dtype="string"), "masked or NA"),
        (pd.Series(["a", None, "b"]), "masked or NA|None|nan"),
        (pd.Series([1, pd.NA, 2], dtype="Int64"), "masked or NA"),
        (pd.Series(["a", None, "b"], dtype="category"), "masked or NA"),
        (pd.Series(["a", pd.NA, "b"], dtype=object), "NA"),
        (pd.Series(["a", None, "b"], dtype="string[pyarrow]"), "masked or NA"),
        (np.array(["2020", "NaT", "2021"], "M8[D]"), "NaT"),
    ],
)
def test_labels_that_are_missing_are_named(labels, told):
    with pytest.raises(ValueError, match=rf"y holds no class at sample 6 \(({told})\)"):
        as_targets(labels, "classes", first_row=5)


@pytest.mark.parametrize("dtype", ["category", "Int64", "int64[pyarrow]"])
def test_labels_of_any_column_keep_their_type(dtype):
    labels = as_targets(pd.Series([2, 1, 2]).astype(dtype), "classes")
    np.testing.assert_array_equal(labels, np.array([2, 1, 2]), strict=True)


def test_missing_values_among_targets_are_named():
    for y in (np.ma.array([1.0, 2.0], mask=[0, 1]), pd.Series([1.0, pd.NA], dtype="Float64")):
        with pytest.raises(ValueError, match=r"y holds a missing value .* at sample 1; "):
            as_targets(y, "values")
        with pytest.raises(ValueError, match=r"y holds a missing value .* at sample 1; "):
            storable_targets(y)


def test_a_gap_stays_one_among_objects_and_in_another_process():
    kept = plain(np.ma.array([1, 2], mask=[0, 1]), "y", gaps=True)
    assert kept[0] == 1
    assert pickle.loads(pickle.dumps(kept))[1] == Gap()


def encoded(told, frame):
    """Run the lines that an error names."""
    names = {"pd": pd, "X": frame, "new": frame.iloc[:2]}
    for line in told.splitlines()[1:]:
        exec(line.strip(), names)
    return names["X"], names["new"]


@pytest.mark.parametrize("dtype", ["category", "string", "str", "object", "string[pyarrow]"])
def test_columns_of_categories_are_told_with_two_lines_that_encode_them(dtype):
    colours = pd.Series(["red", "red", "blue"], dtype=dtype)
    frame = pd.DataFrame({"width": [1.0, 2.0, 3.0], "colour": colours})
    with pytest.raises(ValueError, match="categories or text in the column 'colour'") as raised:
        as_samples(frame)
    rows, new = encoded(str(raised.value), frame)
    assert as_samples(rows).shape == (3, 3)
    assert as_samples(new).shape == (2, 3)


@pytest.mark.parametrize(
    "times",
    [
        pd.Series(pd.date_range("2020", periods=3)),
        pd.Series(pd.date_range("2020", periods=3, tz="Europe/Berlin")),
        pd.Series(pd.to_timedelta([1, 2, 3], unit="h")),
        pd.Series(pd.date_range("2020", periods=3)).astype(object),
    ],
)
def test_dates_are_told_with_what_makes_numbers_of_them(times):
    frame = pd.DataFrame({"width": [1.0, 2.0, 3.0], "when": times})
    with pytest.raises(ValueError, match=r"X holds (dates|durations) in the column 'when'") as told:
        as_samples(frame)
    line = str(told.value).split("such as ")[1].rstrip(".")
    frame["when"] = eval(line, {"pd": pd, "X": frame})
    assert as_samples(frame).shape == (3, 2)
    array = times.to_numpy()
    if array.dtype.kind in "mM":
        with pytest.raises(ValueError, match="not numeric; pass numbers, such as") as told:
            as_samples(array[:, np.newaxis])
        line = str(told.value).split("such as ")[1].rstrip(".")
        assert eval(line, {"np": np, "X": array}).dtype == float
