"""What is chunked or stored is predicted on chunk by chunk, and the answers land in Zarr."""

from __future__ import annotations

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from dask_horn.data import write_samples
from dask_horn.data.intake.predictions import chunked_samples, map_samples, store_predictions
from dask_horn.errors import ChunkReadError

X = np.arange(60.0).reshape(20, 3)


def row_sums(rows, first_row):
    """A function of the rows, which checks that it sees all features of a row at once."""
    assert rows.shape[1:] == (3,)
    return rows.sum(axis=1)


@pytest.fixture
def stored(tmp_path):
    location = str(tmp_path / "x.zarr")
    write_samples(location, X, chunk_bytes=24 * 7)
    return location


def damage(location, array="X", chunk="c/1/0"):
    with open(f"{location}/{array}/{chunk}", "wb") as file:
        file.write(b"not what was written")


@pytest.mark.parametrize(
    "samples", [X, X.tolist(), pd.DataFrame(X)], ids=["array", "list", "frame"]
)
def test_samples_in_memory_are_not_chunked(samples):
    assert chunked_samples(samples) is None


def test_whatever_is_chunked_gives_the_same_rows(stored):
    group = zarr.open_group(stored, mode="r")
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=3)
    for source in (da.from_array(X, chunks=(6, 2)), frame, stored, group, group["X"], group.store):
        chunked = chunked_samples(source)
        assert chunked.dtype == X.dtype
        np.testing.assert_array_equal(chunked.compute(), X)


def test_absent_chunks_of_samples_are_told(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", shape=(20, 3), chunks=(5, 3), dtype="f8")[:15] = X[:15]
    with pytest.warns(UserWarning, match="lacks the chunk of row 15"):
        np.testing.assert_array_equal(chunked_samples(tmp_path / "a.zarr").compute()[:15], X[:15])


def test_a_store_in_memory_is_read_in_this_process():
    array = zarr.create_array(MemoryStore(), data=X, chunks=(7, 3))
    with dask.config.set(scheduler="processes"):
        np.testing.assert_array_equal(chunked_samples(array).compute(), X)


def test_small_chunks_are_read_together_and_large_ones_alone(tmp_path, stored):
    assert len(chunked_samples(stored).chunks[0]) == 1
    wide = np.zeros((4, 2**17))
    write_samples(tmp_path / "wide.zarr", wide, chunk_bytes=2**20)
    assert chunked_samples(tmp_path / "wide.zarr").chunks == ((1, 1, 1, 1), (2**17,))


def test_frames_are_not_computed_for_their_lengths():
    def refuse(part):
        raise AssertionError("computed")

    frame = dd.from_pandas(pd.DataFrame(X), npartitions=2)
    frame = frame.map_partitions(refuse, meta=frame._meta)
    assert np.isnan(chunked_samples(frame).chunks[0]).all()


def test_objects_that_are_numbers_become_numbers():
    chunked = chunked_samples(da.from_array(X.astype(object), chunks=(6, 3)))
    assert chunked.dtype == np.float64
    np.testing.assert_array_equal(chunked.compute(), X)


def test_what_is_no_sample_store_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no Zarr group at"):
        chunked_samples(tmp_path / "missing.zarr")
    zarr.open_group(tmp_path / "empty.zarr", mode="w")
    with pytest.raises(ValueError, match="holds no array X"):
        chunked_samples(tmp_path / "empty.zarr")
    with pytest.raises(TypeError, match="pass a Dask array or data frame"):
        chunked_samples(dask.delayed(X))


@given(
    rows=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    columns=st.sampled_from([(3,), (2, 1), (1, 1, 1)]),
)
@settings(max_examples=25, deadline=None)
def test_chunks_of_any_shape_give_the_same_answers(rows, columns):
    samples = np.arange(3.0 * sum(rows)).reshape(-1, 3)
    chunked = da.from_array(samples, chunks=(tuple(rows), columns))
    sums = map_samples(row_sums, chunked, np.zeros(1))
    assert sums.chunks == (tuple(rows),)
    np.testing.assert_array_equal(sums.compute(scheduler="sync"), samples.sum(axis=1))


def test_shape_and_dtype_are_those_of_the_probe():
    chunked = da.zeros((10, 2, 2, 1), chunks=(4, 1, 2, 1))
    answers = map_samples(
        lambda rows, first: np.full((len(rows), 5), first), chunked, np.zeros((1, 5), np.float32)
    )
    assert answers.shape == (10, 5)
    assert answers.dtype == np.float32
    assert answers.chunks == ((4, 4, 2), (5,))
    assert answers.compute()[:, 0].tolist() == [0] * 4 + [4] * 4 + [8] * 2


def test_empty_chunks_are_not_asked_about():
    chunked = da.from_array(X, chunks=(10, 3))
    chunked = chunked[chunked[:, 0] >= 30]  # all of the first chunk goes
    sums = map_samples(row_sums, chunked, np.zeros(1))
    np.testing.assert_array_equal(sums.compute(), X[10:].sum(axis=1))


def test_rows_of_unknown_place_are_said_to_be_so():
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=2)
    places = []

    def note(rows, first, places=places):
        places.append(first)
        return rows[:, 0]

    map_samples(note, chunked_samples(frame), np.zeros(1)).compute(scheduler="sync")
    assert set(places) == {0, None}


def test_the_function_travels_once():
    chunked = da.zeros((100, 3), chunks=(1, 3))
    graph = map_samples(row_sums, chunked, np.zeros(1)).__dask_graph__()
    holders = [
        key
        for key, task in graph.to_dict().items()
        if task is row_sums or (hasattr(task, "value") and task.value is row_sums)
    ]
    assert len(holders) == 1


def test_a_damaged_chunk_is_named(stored, tmp_path):
    damage(stored)
    sums = map_samples(row_sums, chunked_samples(stored), np.zeros(1))
    with pytest.raises(ChunkReadError, match=r"array X in .*x\.zarr.*chunk c/1/0, rows 7 to 13"):
        sums.compute()
    with pytest.raises(ChunkReadError, match="rows 7 to 13"):
        store_predictions(tmp_path / "y.zarr", sums)


LABELS = {
    "integers": np.arange(20) % 3,
    "bools": np.arange(20) % 2 == 0,
    "floats": np.linspace(0, 1, 20, dtype=np.float32),
    "rows": np.linspace(0, 1, 40, dtype=np.float32).reshape(20, 2),
    "text": np.array(["dog", "a cat"] * 10),
    "objects": np.array(["dog", "a cat"] * 10, dtype=object),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["in memory", "chunked"])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_predictions_come_back_as_they_were(tmp_path, labels, chunked):
    predicted = labels
    if chunked:
        predicted = da.from_array(labels, chunks=(7, *labels.shape[1:]))
    store_predictions(tmp_path / "y.zarr", predicted)
    y = zarr.open_group(tmp_path / "y.zarr", mode="r")["y"]
    assert y.shape == labels.shape
    assert y[:].tolist() == labels.tolist()
    if labels.dtype.kind in "biuf":
        assert y.dtype == labels.dtype


def test_predictions_of_unknown_length_are_written(tmp_path):
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=3)
    sums = map_samples(row_sums, chunked_samples(frame), np.zeros(1))
    store_predictions(tmp_path / "y.zarr", sums)
    y = zarr.open_group(tmp_path / "y.zarr", mode="r")["y"]
    np.testing.assert_array_equal(y[:], X.sum(axis=1))


def test_predictions_go_to_urls():
    location = "memory://test-predictions/y.zarr"
    store_predictions(location, da.arange(6, chunks=2))
    assert zarr.open_group(location, mode="r")["y"][:].tolist() == [0, 1, 2, 3, 4, 5]


def test_labels_that_zarr_does_not_hold_are_told(tmp_path):
    with pytest.raises(ValueError, match="convert the labels to integers or to text"):
        store_predictions(tmp_path / "y.zarr", np.array([1, "a"], dtype=object))


def test_only_predictions_are_replaced(tmp_path, stored):
    location = tmp_path / "y.zarr"
    store_predictions(location, np.arange(20))
    with pytest.raises(FileExistsError, match="holds predictions already; pass overwrite=True"):
        store_predictions(location, np.arange(5))
    assert zarr.open_group(location, mode="r")["y"].shape == (20,)
    store_predictions(location, np.arange(5), overwrite=True)
    assert zarr.open_group(location, mode="r")["y"].shape == (5,)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("")
    (tmp_path / "file").write_text("")
    for taken in (stored, tmp_path / "notes", tmp_path / "file"):
        with pytest.raises(FileExistsError, match="exists and holds no predictions"):
            store_predictions(taken, np.arange(5), overwrite=True)
    with pytest.raises(FileExistsError, match="exists and holds no predictions"):
        store_predictions(f"{stored}/X", np.arange(5), overwrite=True)
    assert (tmp_path / "notes" / "thesis.txt").exists()
    np.testing.assert_array_equal(zarr.open_group(stored, mode="r")["X"][:], X)


def test_what_was_cut_short_is_replaced(tmp_path, stored):
    """A failed run leaves no obstacle to the next one."""
    location = tmp_path / "y.zarr"
    broken = map_samples(lambda rows, first: 1 / 0, chunked_samples(stored), np.zeros(1))
    with pytest.raises(ZeroDivisionError):
        store_predictions(location, broken)
    store_predictions(location, np.arange(5))
    assert zarr.open_group(location, mode="r")["y"][:].tolist() == [0, 1, 2, 3, 4]
