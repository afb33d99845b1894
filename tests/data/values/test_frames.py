"""Data frames of several libraries: their values, and what is told of columns that are none."""

from __future__ import annotations

import datetime
import subprocess
import sys

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dask_horn import HornClassifier
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.values.frames import named_columns

LABELS = [0, 1] * 4


def test_columns_of_several_dtypes_get_their_common_one():
    values = {"a": [True, False], "b": np.array([1, 2], np.uint8), "c": np.array([0.5, 1], "f4")}
    expected = np.array([[1, 1, 0.5], [0, 2, 1]], np.float32)
    for frame in (pl.DataFrame(values), pa.table(values), narwhals.from_native(pa.table(values))):
        rows = plain_rows(frame, "X")
        np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
def test_columns_that_are_no_numbers_are_named(make):
    with pytest.raises(ValueError, match="X holds categories or text in the columns 'a', 'c', and"):
        plain_rows(make({"a": ["x", "y"], "b": [1, 2], "c": ["u", "v"]}), "X")
    with pytest.raises(ValueError, match="X holds dates or durations in the column 'a', which hav"):
        plain_rows(make({"a": [datetime.date(2020, 1, 1)]}), "X")
    with pytest.raises(ValueError, match="X holds lists in the column 'a', and numbers are neede"):
        plain_rows(make({"a": [[1, 2]]}), "X")


def test_the_lines_that_encode_text_do():
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OneHotEncoder

    for frame in (pl.DataFrame, pa.table):
        X = frame({"a": ["x", "y"] * 4, "b": range(8)})
        with pytest.raises(ValueError, match="and numbers are needed") as told:
            HornClassifier(n_rounds=1).fit(X, LABELS)
        known = {"make_column_transformer": make_column_transformer, "OneHotEncoder": OneHotEncoder}
        known["X"] = X
        for line in str(told.value).splitlines()[1:]:
            exec(line.strip(), known)
        assert known["X"].shape == (8, 3)
        HornClassifier(n_rounds=1).fit(known["X"], LABELS)


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
def test_a_null_is_told_with_its_sample(make):
    for column in ([1, None, 3, 4] * 2, [True, None, False, True] * 2):
        with pytest.raises(ValueError, match=r"at sample 1, (feature 1|column 'b')"):
            HornClassifier(n_rounds=1).fit(make({"a": range(8), "b": column}), LABELS)
    with pytest.raises(ValueError, match="y holds no class at sample 1"):
        HornClassifier(n_rounds=1).fit(make({"a": range(8)}), pa.array(["x", None] * 4))


def test_what_is_lazy_is_to_be_collected():
    with pytest.raises(TypeError, match=r"X is a lazy polars.LazyFrame, whose rows may come in"):
        plain_rows(pl.LazyFrame({"a": [1]}), "X")
    with pytest.raises(TypeError, match=r"X is a pyarrow.RecordBatchReader, whose rows are not in"):
        plain_rows(pa.table({"a": [1]}).to_reader(), "X")
    with pytest.raises(ValueError, match=r"X is a polars.DataFrame that NumPy cannot read"):
        plain_rows(pl.DataFrame({"a": pl.Series([1], dtype=pl.Int128)}), "X")


def test_equal_names_of_columns_are_told_where_names_are_kept():
    frame = pd.DataFrame(np.zeros((8, 3)), columns=["a", "a", "b"])
    with pytest.raises(ValueError, match="X has more than one column 'a'; give every column"):
        named_columns(frame)
    with pytest.raises(ValueError, match="X has more than one column 'a'; give every column"):
        HornClassifier(n_rounds=1).fit(frame, LABELS)


def test_categories_of_other_libraries_are_classes():
    for y in (pl.Series(["u", "v"] * 4).cast(pl.Categorical), pa.array(["u", "v"] * 4)):
        fitted = HornClassifier(n_rounds=1, random_state=0).fit(np.eye(8), y)
        assert fitted.classes_.tolist() == ["u", "v"]


@pytest.mark.slow
def test_none_of_these_libraries_is_needed_or_imported():
    code = (
        "import sys\n"
        "for name in ('pandas', 'polars', 'pyarrow', 'xarray'): sys.modules[name] = None\n"
        "import numpy as np, dask_horn as horn\n"
        "X = np.random.default_rng(0).normal(size=(40, 3))\n"
        "clf = horn.HornClassifier(n_rounds=1, random_state=0).fit(X, X[:, 0] > 0)\n"
        "print(clf.predict(X.tolist()).shape)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "(40,)" in found.stdout, found.stderr
