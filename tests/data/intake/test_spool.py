"""Whatever users pass arrives in Zarr with its rows and labels together."""

from __future__ import annotations

import threading

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from dask_horn.data import Block, Targets, spool, spool_split
from dask_horn.errors import ScratchError
from tests.data.decoding import decode

N = 60
X = np.arange(N * 2.0).reshape(N, 2)
LABELS = {
    "integers": np.arange(N) % 3 - 1,
    "bools": np.arange(N) % 2 == 0,
    "floats": (np.arange(N) % 3) / 2,
    "text": np.array(["dog", "a cat", "ox"] * (N // 3)),
    "variable text": np.array(["dog", "a cat"] * (N // 2), dtype=np.dtypes.StringDType()),
    "objects": np.array(["dog", "cat"] * (N // 2), dtype=object),
    "series": pd.Series(["dog", "cat"] * (N // 2)),
    "categories": pd.Series(["dog", "cat"] * (N // 2), dtype="category"),
}


def _rows(store):
    """Return samples as they lie, and which of X's rows each one is."""
    x = decode(store, Block(0, store.n_samples), None).x
    return x, (x[:, 0] / 2).astype(int)


def _labels(store):
    y = store.y.open()[:]
    return (y if store.classes is None else store.classes[y]).tolist()


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_rows_are_shuffled_with_their_labels(labels):
    store = spool(X, labels, target_kind="classes", seed=3)
    _, rows = _rows(store)
    assert rows.tolist() != list(range(N))
    assert sorted(rows) == list(range(N))
    assert _labels(store) == np.asarray(labels)[rows].tolist()
    assert store.y_shape == () and store.in_process


def test_order_is_the_seeds_alone(tmp_path):
    a, b, c = (_rows(spool(X, target_kind=None, seed=seed))[1].tolist() for seed in (1, 1, 2))
    assert a == b != c
    assert _rows(spool(X, target_kind=None, seed=1, scratch=str(tmp_path)))[1].tolist() == a


def test_order_can_be_kept():
    np.testing.assert_array_equal(_rows(spool(X, target_kind=None, shuffle=False))[0], X)


def test_scratch_folder_is_readable_by_others(tmp_path):
    store = spool(X, LABELS["text"], target_kind="classes", scratch=str(tmp_path))
    assert not store.in_process
    assert store.location.startswith(str(tmp_path))
    again = spool(X, LABELS["text"], target_kind="classes", scratch=str(tmp_path))
    assert again.location != store.location


def test_scratch_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ScratchError, match=r"scratch='.*file' cannot be written"):
        spool(X, target_kind=None, scratch=str(tmp_path / "file"))


@pytest.mark.parametrize("scratch", [False, True])
@pytest.mark.parametrize("labels", ["integers", "text", "objects"])
def test_dask_arrays_keep_their_order(tmp_path, scratch, labels):
    x, y = da.from_array(X, chunks=(17, 1)), da.from_array(LABELS[labels], chunks=11)
    store = spool(x, y, target_kind="classes", scratch=str(tmp_path) if scratch else None)
    np.testing.assert_array_equal(_rows(store)[0], X)
    assert _labels(store) == LABELS[labels].tolist()


def test_dask_arrays_of_unknown_lengths():
    x = da.from_array(X, chunks=(17, 2))
    x = x[x[:, 0] >= 0]
    store = spool(x, LABELS["text"], target_kind="classes")
    np.testing.assert_array_equal(_rows(store)[0], X)
    assert _labels(store) == LABELS["text"].tolist()
    assert np.isnan(x.shape[0])


def test_dask_frames():
    frame = pd.DataFrame({"a": X[:, 0], "b": np.arange(N) * 2 + 1, "y": LABELS["text"]})
    lazy = dd.from_pandas(frame, npartitions=4)
    store = spool(lazy[["a", "b"]], lazy["y"], target_kind="classes")
    np.testing.assert_array_equal(_rows(store)[0], X)
    assert _labels(store) == LABELS["text"].tolist()


def test_nullable_numbers_of_a_dask_frame():
    frame = pd.DataFrame({"a": X[:, 0], "y": pd.array(range(N), dtype="Int64")})
    lazy = dd.from_pandas(frame, npartitions=3)
    store = spool(lazy[["a", "y"]], lazy["y"], target_kind="values")
    np.testing.assert_array_equal(_rows(store)[0], frame.astype(float))
    np.testing.assert_array_equal(store.y.open()[:], np.arange(N))


def test_dask_chunks_are_written_where_they_are_computed(tmp_path):
    threads = set()

    def note(block):
        threads.add(threading.current_thread())
        return block

    x = da.from_array(X, chunks=(10, 2)).map_blocks(note, dtype=X.dtype, meta=X[:0])
    with dask.config.set(scheduler="threads", num_workers=2):
        spool(x, target_kind=None, scratch=str(tmp_path))
    assert threading.main_thread() not in threads


def test_numpy_samples_with_lazy_labels():
    for y in (da.from_array(LABELS["text"], chunks=7), _zarr(LABELS["integers"])):
        store = spool(X, y, target_kind="classes")
        expected = np.asarray(y[:])[_rows(store)[1]].tolist()
        assert _labels(store) == expected


def _zarr(array):
    return zarr.create_array(
        store=MemoryStore(), name="a", data=array, chunks=(7, *array.shape[1:])
    )


def test_zarr_arrays_are_used_in_place():
    x, y = _zarr(X), _zarr(LABELS["integers"])
    store = spool(x, y, target_kind="classes")
    assert store.x.store is x.store and store.y.store is y.store
    assert store.classes is None


def test_zarr_samples_with_numpy_labels(tmp_path):
    x = zarr.create_array(store=str(tmp_path / "x.zarr"), name="X", data=X)
    store = spool(x, LABELS["text"], target_kind="classes", scratch=str(tmp_path))
    assert store.x.store == str(tmp_path / "x.zarr")
    np.testing.assert_array_equal(_rows(store)[0], X)
    assert _labels(store) == LABELS["text"].tolist()


def test_values_and_labels_keep_their_numbers():
    store = spool(X, X * 3, target_kind="values")
    x, _ = _rows(store)
    np.testing.assert_array_equal(store.y.open()[:], x * 3)
    store = spool(X, X > 50, target_kind="labels")
    targets = Targets.of_labels(2)
    block = decode(store, Block(0, N), targets)
    np.testing.assert_array_equal(block.y, block.x > 50)


def test_given_classes_are_kept():
    store = spool(X, LABELS["integers"], target_kind="classes", classes=[5, 1, 0, -1])
    assert store.classes.tolist() == [5, 1, 0, -1]
    assert _labels(store) == LABELS["integers"][_rows(store)[1]].tolist()


@pytest.mark.parametrize("wrap", [np.asarray, _zarr, lambda y: da.from_array(y, chunks=7)])
def test_label_outside_the_given_classes(wrap):
    x = wrap(X)
    with pytest.raises(ValueError, match="the label -1, which is not among the classes"):
        spool(x, wrap(LABELS["integers"]), target_kind="classes", classes=[0, 1])


@pytest.mark.parametrize(
    ("x", "y", "kind", "message"),
    [
        (X, np.arange(N - 1), "classes", "X holds 60 samples and y 59 targets"),
        (X, None, "values", None),
        (X, np.arange(N), None, "target_kind=None means that there is no y"),
        (X, np.arange(N), "colours", "target_kind must be one of 'classes', 'labels', 'values'"),
        (X, ["a"] * N, "values", "not numeric"),
        (X, np.eye(N), "classes", "argmax"),
        (X[:0], [], "classes", "holds no values"),
        ([["a"]], [1], "classes", "not numeric"),
        (X, np.array([1, "a"] * (N // 2), dtype=object), "classes", "several types, such as 1 and"),
        (X, np.array([None, "a"] * (N // 2), dtype=object), "classes", "no class at sample 0"),
    ],
)
def test_what_cannot_be_spooled(x, y, kind, message):
    if message is None:
        assert spool(x, y, target_kind=kind).y is None
        return
    with pytest.raises(ValueError, match=message):
        spool(x, y, target_kind=kind)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=8, max_size=50),
    st.floats(0.05, 0.6),
    st.integers(0, 10),
)
def test_split_holds_out_in_proportion(labels, fraction, seed):
    several = [label for label in set(labels) if labels.count(label) > 1]
    assume(len(several) > 1)
    x = np.arange(len(labels))[:, None] * 2.0
    train, held = spool_split(
        x, labels, target_kind="classes", validation_fraction=fraction, seed=seed
    )
    rows = np.concatenate([_rows(train)[1], _rows(held)[1]])
    assert sorted(rows) == list(range(len(labels)))
    assert _labels(train) + _labels(held) == np.array(labels)[rows].tolist()
    assert set(_labels(train)) == set(labels)
    assert train.classes.tolist() == held.classes.tolist()
    n_spare = len(labels) - len(set(labels))
    share = held.n_samples / n_spare
    for label in set(labels):
        spare = labels.count(label) - 1
        assert abs(_labels(held).count(label) - share * spare) <= 1


def test_split_of_values():
    train, held = spool_split(X, X[:, 0], target_kind="values", validation_fraction=0.25)
    assert (train.n_samples, held.n_samples) == (45, 15)
    np.testing.assert_array_equal(held.y.open()[:], _rows(held)[0][:, 0])


def test_what_cannot_be_split():
    with pytest.raises(TypeError, match="hold out row blocks"):
        spool_split(_zarr(X), X[:, 0], target_kind="values", validation_fraction=0.1)
    with pytest.raises(ValueError, match=r"validation_fraction must .* got 2"):
        spool_split(X, X[:, 0], target_kind="values", validation_fraction=2)
    with pytest.raises(ValueError, match="more than one sample"):
        spool_split(X[:2], [0, 1], target_kind="classes", validation_fraction=0.5)
