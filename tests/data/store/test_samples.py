"""Stores of any format open the same, and bad ones say what would do."""

from __future__ import annotations

import pickle

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from zarr.storage import LocalStore, MemoryStore

from dask_horn.data import Block, Targets, open_samples, write_samples
from tests.data.decoding import decode

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 3


def _rows(store):
    return decode(store, Block(0, store.n_samples), None).x


def _labels(store):
    return store.y.open()[:].tolist()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_both_formats_open(tmp_path, zarr_format):
    path = str(tmp_path / "a.zarr")
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    group.create_array("X", data=X, chunks=(7, 1))
    group.create_array("y", data=Y, chunks=(5,))
    store = open_samples(path)
    assert (store.location, store.x.path, store.y.path) == (path, "X", "y")
    assert (store.n_samples, store.sample_shape, store.dtype) == (20, (2,), "float64")
    assert (store.y_shape, store.classes) == ((), None)
    np.testing.assert_array_equal(_rows(store), X)


@pytest.mark.parametrize("kind", ["path", "pathlib", "file URL", "memory URL", "store", "group"])
def test_any_location_opens(tmp_path, kind):
    path = tmp_path / "a.zarr"
    location = {
        "path": str(path),
        "pathlib": path,
        "file URL": f"file://{path}",
        "memory URL": "memory://test-any-location/a.zarr",
        "store": LocalStore(path),
        "group": str(path),
    }[kind]
    write_samples(location, X, Y)
    store = open_samples(zarr.open_group(location) if kind == "group" else location)
    assert store.in_process == (kind == "memory URL")
    np.testing.assert_array_equal(_rows(pickle.loads(pickle.dumps(store))), X)


def test_group_within_a_store(tmp_path):
    outer = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    inner = outer.create_group("digits")
    inner.create_array("X", data=X)
    store = open_samples(inner, require_y=False)
    assert store.x.path == "digits/X"
    np.testing.assert_array_equal(_rows(store), X)


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", ">i2", "f2", "f4", ">f8", "g"])
def test_samples_of_any_dtype(dtype):
    x = (X % 2).astype(dtype)
    store = write_samples(MemoryStore(), x)
    np.testing.assert_array_equal(_rows(store), x.astype(float))


def test_text_labels_of_any_form():
    text = ["cat", "dog"] * 10
    for y in (text, np.array(text, dtype=object), pd.Series(text), np.array(text).astype("S")):
        store = write_samples(MemoryStore(), X, y)
        targets = Targets.of_classes(np.array(["cat", "dog"]))
        block = decode(store, Block(0, 3), targets)
        assert block.y.tolist() == [[0], [1], [0]]


def test_chunks_hold_whole_samples():
    x = np.zeros((1000, 50, 2), dtype=np.float32)
    store = write_samples(MemoryStore(), x, chunk_bytes=40_000)
    assert store.x.open().chunks == (100, 50, 2)
    assert store.sample_shape == (50, 2)


def test_small_chunks_are_read_together():
    group = zarr.create_group(store=MemoryStore())
    group.create_array("X", shape=(10_000, 128), chunks=(1, 128), dtype="f8")
    assert open_samples(group.store, require_y=False).chunk_rows == 1024


def test_dask_arrays_are_written_chunk_by_chunk(tmp_path):
    x = np.random.default_rng(0).normal(size=(103, 4))
    lazy = da.from_array(x, chunks=((10, 33, 0, 50, 10), 3))
    y = da.from_array(np.arange(103), chunks=20)
    for location in (str(tmp_path / "a.zarr"), MemoryStore()):
        store = write_samples(location, lazy, y, chunk_bytes=4 * 8 * 7)
        np.testing.assert_array_equal(_rows(store), x)
        assert _labels(store) == list(range(103))


def test_frames_are_written(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [0.5, 1, 2, 3], "y": ["p", "q", "p", "q"]})
    lazy = dd.from_pandas(frame, npartitions=2)
    for i, f in enumerate((frame, lazy)):
        store = write_samples(str(tmp_path / f"{i}.zarr"), f[["a", "b"]], f["y"])
        np.testing.assert_array_equal(_rows(store), frame[["a", "b"]])
        assert _labels(store) == ["p", "q", "p", "q"]


def test_zarr_arrays_are_copied():
    source = zarr.create_array(store=MemoryStore(), data=X, chunks=(3, 1))
    np.testing.assert_array_equal(_rows(write_samples(MemoryStore(), source)), X)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no Zarr group at .*nowhere"):
        open_samples(tmp_path / "nowhere")


def _group(**arrays):
    group = zarr.create_group(store=MemoryStore())
    for name, array in arrays.items():
        group.create_array(name, data=array)
    return group


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": Y}, r"no array X \(it holds y\)"),
        ({"X": X}, r"no array y \(it holds X\)"),
        ({"X": X, "y": Y[:5]}, "X holds 20 samples and y 5 targets"),
        ({"X": np.empty((0, 3)), "y": Y[:0]}, "holds no values"),
        ({"X": np.array([["2020"]], "M8[s]"), "y": Y[:1]}, "M8|datetime64.*not numeric"),
        ({"X": X[:, 0], "y": Y}, r"shape \(20,\)"),
        ({"X": X, "y": np.zeros((20, 2, 2, 1))}, r"shape \(20, 2, 2, 1\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
def test_groups_that_hold_no_samples(arrays, message):
    with pytest.raises(ValueError, match=message):
        open_samples(_group(**arrays))


def test_written_group_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "a.zarr"
    write_samples(path, X)
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        write_samples(path, X[:5])
    assert write_samples(path, X[:5], overwrite=True).n_samples == 5


def test_other_files_are_never_deleted(tmp_path):
    (tmp_path / "thesis.tex").write_text("dear")
    for location in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(FileExistsError, match="choose another location"):
            write_samples(location, X, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "dear"


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, Y[:3], "X holds 20 samples and y 3 targets"),
        (np.empty((0, 2)), None, "holds no values"),
        ([["a"]], None, "not numeric"),
        (X, [(1, "a")] * 20, "holds no|dtype"),
        (X, np.array([1, "a"] * 10, dtype=object), "convert the labels"),
    ],
)
def test_what_cannot_be_written(tmp_path, x, y, message):
    if isinstance(y, list):
        y = np.array([object()] * 20)
    with pytest.raises(ValueError, match=message):
        write_samples(tmp_path / "a.zarr", x, y)
    assert not (tmp_path / "a.zarr").exists()


def test_chunk_bytes_must_be_positive():
    with pytest.raises(ValueError, match="chunk_bytes must be an integer of at least 1, got 0"):
        write_samples(MemoryStore(), X, chunk_bytes=0)


def test_other_dask_collections():
    import dask.bag as db

    with pytest.raises(TypeError, match="X is a Dask Bag"):
        write_samples(MemoryStore(), db.from_sequence([1, 2]))
