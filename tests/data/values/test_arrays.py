"""What users pass becomes plain arrays, or an error that says what would do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.data.values.arrays import (
    as_samples,
    as_targets,
    decoded_dtype,
    first_not_finite,
    plain_labels,
)

KERNEL_DTYPES = {np.dtype(code) for code in [*"BHILbhilfd"]}


@pytest.mark.parametrize("code", ["?", *np.typecodes["AllInteger"], *"efdg", ">i4", ">f2", ">f8"])
def test_every_numeric_dtype_has_one_that_kernels_know(code):
    decoded = decoded_dtype(np.dtype(code))
    assert decoded in KERNEL_DTYPES
    assert decoded.isnative
    assert np.can_cast(np.dtype(code), decoded) or code == "g"


@pytest.mark.parametrize("code", ["c8", "U3", "M8[s]", "O"])
def test_other_dtypes_are_refused(code):
    with pytest.raises(ValueError, match="is not numeric"):
        decoded_dtype(np.dtype(code))


def test_frame_of_mixed_numbers():
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]})
    np.testing.assert_array_equal(as_samples(frame), [[1, 0.5, 1], [2, 1.5, 0]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1, 2, 3], r"shape \(3,\).*reshape\(-1, 1\)"),
        (np.empty((0, 4)), r"shape \(0, 4\) and so holds no values"),
        (np.empty((4, 0)), "holds no values"),
        ([["a", "b"]], "dtype <U1, which is not numeric"),
        (np.array([[1j]]), "complex128"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "categories or text in the column 'b'"),
    ],
)
def test_samples_that_cannot_be_trained_on(X, message):
    with pytest.raises(ValueError, match=message):
        as_samples(X)


@pytest.mark.parametrize(
    "y",
    [
        ["a", "bc"],
        np.array(["a", "bc"], dtype=object),
        np.array(["a", "bc"], dtype=np.dtypes.StringDType()),
        np.array([b"a", b"bc"]),
    ],
)
def test_text_in_any_form_is_plain_text(y):
    labels = plain_labels(np.asarray(y))
    assert labels.dtype == "U2"
    assert labels.tolist() == ["a", "bc"]


@pytest.mark.parametrize("hole", [None, np.nan, pd.NA])
def test_missing_class_is_named(hole):
    y = np.array(["a", hole, "b"], dtype=object)
    with pytest.raises(ValueError, match="no class at sample 1"):
        as_targets(y, "classes")


def test_missing_class_among_floats():
    with pytest.raises(ValueError, match=r"no class at sample 2 \(nan\)"):
        as_targets([0.0, 1.0, np.nan], "classes")


def test_one_hot_rows_are_no_classes():
    with pytest.raises(ValueError, match="argmax"):
        as_targets(np.eye(3), "classes")


def test_column_of_classes_is_flattened():
    assert as_targets([[1], [2]], "classes").shape == (2,)


def test_text_is_no_value():
    with pytest.raises(ValueError, match="y has dtype <U1, which is not numeric"):
        as_targets(["a"], "values")


@pytest.mark.parametrize("y", [[["a", "b"], ["b", "a"]], [[["a"], ["b"]], [["b"], ["a"]]]])
def test_a_class_for_each_step(y):
    assert as_targets(y, "classes", 2).tolist() == [["a", "b"], ["b", "a"]]


@pytest.mark.parametrize("kind", ["classes", "values"])
@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 4), (4, 3, 0), (4, 3, 2, 1)])
def test_targets_that_are_not_one_for_each_step(shape, kind):
    with pytest.raises(
        ValueError, match=r"for each of 3 steps; pass y of shape \(4, 3\), or leave"
    ):
        as_targets(np.zeros(shape), kind, 3)


def test_one_hot_steps_are_no_classes():
    with pytest.raises(ValueError, match=r"one label per step; use y\.argmax\(axis=2\)"):
        as_targets(np.zeros((4, 3, 2)), "classes", 3)
    assert as_targets(np.zeros((4, 3, 2)), "values", 3).shape == (4, 3, 2)


@pytest.mark.parametrize("hole", [None, np.nan])
def test_missing_class_of_a_step_is_named(hole):
    y = np.array([["a", "b"], ["a", hole]], dtype=object)
    with pytest.raises(ValueError, match="no class at sample 1, step 1"):
        as_targets(y, "classes", 2)


@given(
    st.lists(st.integers(0, 99), max_size=4),
    st.sampled_from([np.nan, np.inf, -np.inf]),
    st.sampled_from(["f2", "f4", ">f8"]),
)
def test_the_first_row_that_is_not_finite_is_found(bad_rows, bad, dtype):
    rows = np.full((100, 3), np.finfo(dtype).max, dtype)  # their sum is beyond the dtype
    rows[bad_rows, 1] = bad
    fault = first_not_finite(rows, "X", "feature", first_row=1000)
    if not bad_rows:
        assert fault is None
    else:
        assert fault.startswith(f"X holds {'NaN' if np.isnan(bad) else 'infinity'} at sample ")
        assert f" {1000 + min(bad_rows)}, feature 1;" in fault
