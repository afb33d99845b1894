"""A chunk that cannot be read is named."""

from __future__ import annotations

import errno
import pickle
import shutil

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec

from dask_horn.data import forget, open_samples
from dask_horn.data.store import retrying
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.reading import open_rows, read_rows
from dask_horn.errors import ChunkReadError


def _store(path, **layout):
    group = zarr.open_group(str(path), mode="w", zarr_format=layout.pop("zarr_format", 3))
    group.create_array("X", data=np.random.default_rng(0).normal(size=(40, 6)), **layout)
    return open_samples(str(path), require_y=False)


def _read(store, start, stop):
    return read_rows(open_rows(store.x), store.x, start, stop)


@pytest.mark.parametrize(
    ("layout", "key", "rows"),
    [
        ({"chunks": (10, 6)}, "c/2/0", "20 to 29"),
        ({"chunks": (10, 2)}, "c/2/1", "20 to 29"),
        ({"chunks": (10, 2), "zarr_format": 2}, "2.1", "20 to 29"),
        ({"chunks": (5, 3), "shards": (20, 6)}, "c/1/0", "20 to 39"),
    ],
)
def test_broken_chunk_is_named(tmp_path, layout, key, rows):
    store = _store(tmp_path / "a.zarr", **layout)
    (tmp_path / "a.zarr" / "X" / key).write_bytes(b"broken")
    with pytest.raises(ChunkReadError) as caught:
        _read(store, 3, 33)
    message = str(caught.value)
    assert f"array X in {tmp_path}/a.zarr" in message
    assert f"chunk {key}, rows {rows}" in message
    assert str(pickle.loads(pickle.dumps(caught.value))) == message
    assert len(_read(store, 3, 20)) == 17


@pytest.fixture
def flaky(monkeypatch):
    """Returns a list: reads fail with the errors in it, the last first."""
    failures, read = [], zarr.Array.get_basic_selection

    def failing(self, *arguments, **named):
        if failures:
            raise failures.pop()
        return read(self, *arguments, **named)

    monkeypatch.setattr(zarr.Array, "get_basic_selection", failing)
    monkeypatch.setattr(retrying, "PAUSES", (0.001, 0.001, 0.001))
    monkeypatch.setattr(retrying, "_told", set())
    return failures


@pytest.mark.parametrize(
    ("failures", "left"),
    [
        ([OSError("busy.")], "3 times at most"),
        ([TimeoutError(), ConnectionResetError(), OSError(errno.EIO, "x")], "3 times at most"),
        ([RuntimeError("cut short")], "once"),
    ],
    ids=str,
)
def test_what_fails_and_then_comes_is_told_once(tmp_path, flaky, caplog, failures, left):
    store = _store(tmp_path / "a.zarr", chunks=(10, 6))
    for start in (0, 10):
        flaky.extend(failures)
        assert _read(store, start, start + 10).shape == (10, 6)
    (told,) = [record.getMessage() for record in caplog.records if record.name == "dask_horn"]
    assert told.startswith(f"The array X in {tmp_path}/a.zarr could not be read at rows 0 to 9 (")
    assert told.endswith(f"; trying again, {left}")


@pytest.mark.parametrize(
    ("failures", "words"),
    [
        ([OSError("busy.")] * 5, r"\(OSError: busy; tried 5 times\); try again"),
        ([RuntimeError("torn")] * 3, r"\(RuntimeError: torn; tried 3 times\); try again"),
        ([PermissionError(13, "x")] * 2, r"\(Permission denied; tried 2 times\); try again"),
    ],
    ids=str,
)
def test_what_fails_too_often_names_the_rows(tmp_path, flaky, failures, words):
    store = _store(tmp_path / "a.zarr", chunks=(10, 6))
    flaky.extend(failures)
    with pytest.raises(
        ChunkReadError, match=rf"array X in .* cannot be read at rows 0 to 9 {words}"
    ):
        _read(store, 0, 10)
    assert flaky == []


def test_rows_that_come_while_the_broken_chunk_is_looked_for_are_taken(tmp_path, flaky):
    store = _store(tmp_path / "a.zarr", chunks=(10, 6))
    flaky.extend([OSError("busy")] * 4)
    assert _read(store, 0, 10).shape == (10, 6)


def test_a_lack_of_memory_is_no_fault_of_the_store(tmp_path, flaky, caplog):
    store = _store(tmp_path / "a.zarr", chunks=(10, 6))
    flaky.append(MemoryError())
    with pytest.raises(MemoryError):
        _read(store, 0, 10)
    assert not caplog.records


def test_each_run_tells_of_its_own(tmp_path, flaky, caplog):
    store = _store(tmp_path / "a.zarr", chunks=(10, 6))
    for run in ("one", "another"):
        flaky.append(OSError("busy"))
        _read(store, 0, 10)
        forget(run)
    assert len([record for record in caplog.records if record.name == "dask_horn"]) == 2


@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f4"])
@pytest.mark.parametrize(
    "layout",
    [
        {"compressors": None},
        {"compressors": None, "shards": (20, 6)},
        {"compressors": BloscCodec()},
        {"order": "F", "zarr_format": 2},
    ],
    ids=lambda layout: "-".join(layout),
)
def test_whole_chunks_and_parts_of_chunks_are_the_rows_that_were_written(tmp_path, layout, dtype):
    rows = np.arange(43 * 6).reshape(43, 6).astype(dtype)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=layout.get("zarr_format", 3))
    options = {name: value for name, value in layout.items() if name != "zarr_format"}
    array = group.create_array("X", shape=rows.shape, dtype=dtype, chunks=(10, 6), **options)
    array[:30] = rows[:30]
    rows[30:] = 0  # chunks that were never written
    location = ArrayLocation.of(array)
    for start, stop in [(0, 10), (0, 20), (10, 20), (30, 40), (3, 9), (5, 25), (40, 43)]:
        read = read_rows(array, location, start, stop)
        np.testing.assert_array_equal(read, rows[start:stop])
        held = read if read.base is None else read.base
        assert memoryview(held).nbytes < 2 * read.nbytes  # no chunk that a few rows keep


def test_store_that_this_process_does_not_see(tmp_path):
    store = _store(tmp_path / "a.zarr")
    shutil.rmtree(tmp_path / "a.zarr")
    with pytest.raises(ChunkReadError, match="cannot be opened in this process"):
        _read(store, 0, 10)
