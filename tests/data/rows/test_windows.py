"""Windows hand out every row once, read each chunk once, and leave no thread behind."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from dask_horn.data import (
    Block,
    SampleStore,
    Targets,
    decoded,
    forget,
    open_samples,
    row_blocks,
    spool,
    window_spans,
    windows,
)
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.errors import ChunkReadError
from tests.data.decoding import decode

X = np.random.default_rng(0).normal(size=(100, 3)).astype("f4")
Y = np.arange(100) % 4
TARGETS = Targets.of_classes(np.arange(4))


@pytest.fixture
def store():
    group = zarr.create_group(store=MemoryStore())
    group.create_array("X", data=X, chunks=(30, 2))
    group.create_array("y", data=Y, chunks=(17,))
    yield open_samples(group)
    forget("run")


def _singly(blocks):
    """Windows of one block each."""
    return [(block,) for block in blocks]


def _readers():
    return [t for t in threading.enumerate() if t.name.startswith("dask-horn-read")]


@given(st.lists(st.integers(1, 50)), st.integers(1, 8), st.integers(1, 300))
def test_spans_keep_every_block_in_order(lengths, row_bytes, window_bytes):
    edges = np.cumsum([0, *lengths])
    blocks = [Block(int(a), int(b)) for a, b in pairwise(edges)]
    spans = window_spans(blocks, row_bytes, window_bytes)
    assert [block for span in spans for block in span] == blocks
    assert all(len(span) == 1 or sum(map(len, span)) * row_bytes <= window_bytes for span in spans)


@pytest.mark.parametrize("window_bytes", [1, 500, 10**9])
def test_every_row_comes_once_in_the_order_of_the_blocks(store, window_bytes):
    blocks = row_blocks(100, 30, n_groups=1)[::-1]
    spans = window_spans(blocks, store.row_bytes, window_bytes)
    found = [b for window in windows("run", store, spans, TARGETS) for b in window]
    rows = np.concatenate([np.arange(block.start, block.stop) for block in blocks])
    np.testing.assert_array_equal(np.concatenate([block.x for block in found]), X[rows])
    np.testing.assert_array_equal(np.concatenate([block.y for block in found])[:, 0], Y[rows])
    assert not _readers()


@pytest.mark.parametrize("block", [Block(0, 30), Block(3, 5), Block(25, 95), Block(99, 100)])
def test_cached_rows_are_the_stored_ones(store, block):
    rows = decode(store, block, TARGETS)
    np.testing.assert_array_equal(rows.x, X[block.start : block.stop])
    np.testing.assert_array_equal(rows.y[:, 0], Y[block.start : block.stop])
    assert rows.x.flags.c_contiguous and not rows.x.flags.writeable
    assert rows.y.flags.c_contiguous and not rows.y.flags.writeable
    assert rows.y.dtype == np.float32


def test_small_units_are_joined(store):
    small = SampleStore(**{**vars(store), "chunk_rows": 7, "y_chunk_rows": 4})
    block = decoded("run", small, Block(5, 23), TARGETS)
    np.testing.assert_array_equal(block.x, X[5:23])
    np.testing.assert_array_equal(block.y[:, 0], Y[5:23])


def test_arrays_are_opened_once_and_chunks_decoded_once(store, monkeypatch):
    calls = {"open": 0, "read": 0}
    opened, read = ArrayLocation.open, zarr.Array.get_basic_selection

    def count_open(self, *arguments):
        calls["open"] += 1
        return opened(self, *arguments)

    def count_read(self, *arguments, **named):
        calls["read"] += 1
        return read(self, *arguments, **named)

    monkeypatch.setattr(ArrayLocation, "open", count_open)
    monkeypatch.setattr(zarr.Array, "get_basic_selection", count_read)
    for _ in range(3):
        list(windows("run", store, [row_blocks(100, store.chunk_rows, 2)], TARGETS))
    assert calls == {"open": 2, "read": 2}
    forget("run")
    decoded("run", store, Block(0, 1), None)
    assert calls == {"open": 3, "read": 3}


def test_other_targets_are_encoded_anew(store):
    forward, backward = TARGETS, Targets.of_classes(np.arange(4)[::-1])
    block = Block(0, 4)
    assert decoded("run", store, block, forward).y[:, 0].tolist() == [0, 1, 2, 3]
    assert decoded("run", store, block, backward).y[:, 0].tolist() == [3, 2, 1, 0]


def test_codes_follow_the_targets_classes():
    store = spool(X, np.array(["b", "a"] * 50), target_kind="classes", shuffle=False)
    own = Targets.of_classes(np.array(["a", "b"]))
    other = Targets.of_classes(np.array(["c", "b", "a"]))
    assert decode(store, Block(0, 2), own).y[:, 0].tolist() == [1, 0]
    assert decode(store, Block(0, 2), other).y[:, 0].tolist() == [1, 2]


def test_closing_early_ends_the_thread(store):
    reader = windows("run", store, _singly(row_blocks(100, 30, n_groups=2)), TARGETS)
    next(reader)
    reader.close()
    assert not _readers()


def test_leaving_by_an_error_ends_the_thread(store):
    spans = _singly(row_blocks(100, 30, n_groups=2))
    with pytest.raises(RuntimeError, match="mine"):
        for _ in windows("run", store, spans, TARGETS):
            raise RuntimeError("mine")
    assert not _readers()


def test_errors_while_reading_ahead_surface(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array(
        "X", data=np.random.default_rng(0).normal(size=(2048, 128)), chunks=(1024, 128)
    )
    (tmp_path / "a.zarr/X/c/1/0").write_bytes(b"broken")
    store = open_samples(str(tmp_path / "a.zarr"), require_y=False)
    reader = windows("run", store, _singly([Block(0, 1024), Block(1024, 2048)]), None)
    np.testing.assert_array_equal(next(reader)[0].x[0], group["X"][0])
    with pytest.raises(ChunkReadError, match="chunk c/1/0"):
        next(reader)
    assert not _readers()
    forget("run")


def test_what_somebody_has_is_not_read(store):
    first, second = Block(0, 30), Block(30, 60)
    [(skipped, read)] = windows("run", store, [(first, second)], TARGETS, lambda b: b == first)
    assert (skipped.x.shape, skipped.y.shape) == ((30, 3), (30, 1))
    assert (skipped.x.dtype, skipped.y.dtype) == (read.x.dtype, read.y.dtype)
    np.testing.assert_array_equal(read.x, X[30:60])


def test_no_blocks_no_windows(store):
    assert list(windows("run", store, [], TARGETS)) == []


def test_unknown_class_is_named(store):
    with pytest.raises(ValueError, match="the label 2, which is not among the classes"):
        decoded("run", store, Block(0, 10), Targets.of_classes(np.arange(2)))
