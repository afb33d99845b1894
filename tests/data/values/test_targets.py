"""Targets of every kind come back as they went in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.data import Targets
from dask_horn.data.values.targets import class_codes, distinct_classes

LABELS = {
    "integers": np.array([3, -1, 3, 7]),
    "bools": np.array([True, False, True, True]),
    "floats": np.array([0.5, 2.0, 0.5, 1.0]),
    "text": np.array(["cat", "a dog", "cat", "b"]),
    "variable text": np.array(["cat", "dog", "cat"], dtype=np.dtypes.StringDType()),
    "objects": np.array(["cat", "dog", "cat"], dtype=object),
    "bytes": np.array([b"cat", b"dog", b"cat"]),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_of_any_kind_come_back(labels):
    classes, codes = distinct_classes(labels)
    targets = Targets.of_classes(classes)
    encoded = targets.encode(labels) if labels.dtype.kind not in "ST" else codes[:, None]
    np.testing.assert_array_equal(encoded[:, 0], codes)
    scores = np.eye(len(classes))[codes]
    assert targets.decode(scores).tolist() == labels.tolist()


def test_encoded_targets_are_plain_float32():
    for targets, y in [
        (Targets.of_classes(np.array([0, 1])), np.array([1, 0])),
        (Targets.of_labels(2), np.array([[0, 1], [1, 1]])),
        (Targets.of_values(np.zeros(2), np.ones(2)), np.array([[0, 1], [1, 1]]).T),
    ]:
        encoded = targets.encode(y)
        assert encoded.dtype == np.float32
        assert encoded.flags.c_contiguous
        assert encoded.shape == (2, targets.n_columns)


@given(st.lists(st.integers(-5, 5), min_size=1), st.permutations(range(-5, 6)))
def test_classes_need_not_be_sorted(labels, classes):
    codes = class_codes(np.array(labels), np.array(classes))
    assert np.array(classes)[codes].tolist() == labels


@pytest.mark.parametrize(
    ("labels", "classes", "unknown"),
    [
        (np.array([1, 5]), np.array([1, 2]), "5"),
        (np.array([1.5, 1.0]), np.array([1, 2]), "1.5"),
        (np.array(["a", "z"]), np.array(["a", "b"]), "'z'"),
        (np.array(["1"]), np.array([1]), "'1'"),
        (np.array([1]), np.array(["1"]), "1"),
        (np.array(["a", 3], dtype=object), np.array(["a", "b"]), "3"),
    ],
)
def test_unknown_label_is_named(labels, classes, unknown):
    with pytest.raises(ValueError, match=f"the label {unknown}, which is not among the classes"):
        class_codes(labels, classes)


def test_labels_that_have_no_order():
    with pytest.raises(ValueError, match="several types, such as 1 and 'a'; make"):
        distinct_classes(np.array([1, "a"], dtype=object))


def test_yes_or_no_labels():
    targets = Targets.of_labels(3)
    y = np.array([[0, 1, 1], [1, 0, 0]])
    logits = np.where(targets.encode(y) > 0, 2.5, -2.5)
    np.testing.assert_array_equal(targets.decode(logits), y)


def test_label_that_is_neither_yes_nor_no():
    with pytest.raises(ValueError, match="y holds 2 at sample 1, label 0"):
        Targets.of_labels(1).encode(np.array([0, 2]))


def test_values_keep_their_unit_and_shape():
    y = np.array([100.0, 300.0])
    targets = Targets.of_values(np.array([200.0]), np.array([100.0]), flat=True)
    np.testing.assert_array_equal(targets.encode(y), [[-1], [1]])
    decoded = targets.decode(targets.encode(y))
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, y)


def test_another_number_of_outputs():
    with pytest.raises(ValueError, match="y has 3 columns and the model 2 outputs"):
        Targets.of_values(np.zeros(2), np.ones(2)).encode(np.zeros((4, 3)))


def test_token_tells_encodings_apart():
    a = Targets.of_classes(np.array(["a", "b"]))
    assert a.token == Targets.of_classes(np.array(["a", "b"])).token
    assert a.token != Targets.of_classes(np.array(["b", "a"])).token
    assert Targets.of_labels(1).token != Targets.of_labels(2).token


@pytest.mark.parametrize(
    "fields",
    [
        ("classes", None, None, None, 2),
        ("values", None, None, None, 2),
        ("labels", np.array([0, 1]), None, None, 2),
        ("colours", None, None, None, 2),
    ],
)
def test_fields_that_do_not_go_together(fields):
    with pytest.raises(ValueError, match="kind"):
        Targets(*fields)


def test_a_class_for_each_step_comes_back():
    y = np.array([["b", "a", "b"], ["c", "c", "a"]])
    targets = Targets.of_classes(np.array(["a", "b", "c"]), steps=3)
    encoded = targets.encode(y)
    np.testing.assert_array_equal(encoded, [[1, 0, 1], [2, 2, 0]])
    assert (targets.n_columns, encoded.dtype) == (3, np.float32)
    scores = np.eye(3)[encoded.astype(int)]
    assert targets.decode(scores).tolist() == y.tolist()


@pytest.mark.parametrize("flat", [True, False])
def test_values_for_each_step_keep_their_unit_and_shape(flat):
    y = np.arange(24.0).reshape(4, 6) if flat else np.arange(24.0).reshape(4, 3, 2)
    n_outputs = 1 if flat else 2
    targets = Targets.of_values(np.full(n_outputs, 5), np.full(n_outputs, 2), flat, y.shape[1])
    encoded = targets.encode(y)
    np.testing.assert_array_equal(encoded, (y.reshape(4, 6) - 5) / 2)
    assert targets.n_columns == 6
    outputs = encoded.reshape(4, y.shape[1], n_outputs)
    np.testing.assert_array_equal(targets.decode(outputs), y)


def test_yes_or_no_labels_for_each_step():
    y = np.array([[[0, 1], [1, 1]]])
    targets = Targets.of_labels(2, steps=2)
    logits = np.where(y > 0, 0.5, -0.5)
    np.testing.assert_array_equal(targets.encode(y), y.reshape(1, 4))
    np.testing.assert_array_equal(targets.decode(logits), y)


def test_steps_that_are_too_few():
    targets = Targets.of_classes(np.array([0, 1]), steps=3)
    with pytest.raises(ValueError, match="for each of 3 steps"):
        targets.encode(np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"y has 2 columns and the model 1 outputs; .* per step"):
        Targets.of_values(np.zeros(1), np.ones(1), steps=3).encode(np.zeros((4, 3, 2)))
    assert targets.token != Targets.of_classes(np.array([0, 1]), steps=2).token
