"""Samples on their way to the device, in the simulator or on a GPU."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from dask_horn.kernels.cuda.feed import Feed, ResidentBlocks, step_arrays
from dask_horn.kernels.device import Steps, Window

pytestmark = pytest.mark.gpu


def _chunk(n_rows, seed=0):
    """A decoded chunk, as the cache gives it: nobody may write to it."""
    chunk = np.random.default_rng(seed).integers(255, size=(n_rows, 3)).astype(np.uint8)
    chunk.setflags(write=False)
    return chunk


def _samples(feed, n_rows):
    return feed.arrays["samples"].copy_to_host()[: 3 * n_rows].reshape(-1, 3)


def test_windows_lie_one_after_the_other():
    chunk, other = _chunk(10), _chunk(4, seed=1)
    windows = [Window([chunk[5:], chunk[:2]]), Window([]), Window([other])]
    feed = Feed()
    feed.put_windows(windows, ResidentBlocks(1000), 0)
    assert feed.first_rows == [0, 7, 7, 11]
    np.testing.assert_array_equal(_samples(feed, 11), np.concatenate([chunk[5:], chunk[:2], other]))


def test_a_block_that_comes_again_is_copied_on_the_device():
    chunk, resident, feed = _chunk(10), ResidentBlocks(100), Feed()
    feed.put_windows([Window([chunk[:6]])], resident, 0)
    feed.put_windows([Window([chunk[6:], chunk[:6]])], resident, 0)  # another view of the same
    assert resident.get(chunk[:6]) is not None
    assert resident.get(chunk[1:7]) is None
    np.testing.assert_array_equal(_samples(feed, 10), np.concatenate([chunk[6:], chunk[:6]]))


def test_what_may_change_and_what_does_not_fit_is_not_kept():
    resident, feed = ResidentBlocks(20), Feed()
    writable, large, small = np.zeros((2, 3), np.uint8), _chunk(7), _chunk(6)
    feed.put_windows([Window([writable, large, small])], resident, 0)
    kept = [resident.get(block) is not None for block in (writable, large, small)]
    assert kept == [False, False, True]


def test_a_block_is_dropped_with_its_chunk():
    resident, chunk = ResidentBlocks(20), _chunk(6)
    Feed().put_windows([Window([chunk])], resident, 0)
    assert not resident.takes(_chunk(1, seed=2))
    del chunk
    gc.collect()
    assert resident.takes(_chunk(1, seed=2))


def test_memory_moves_only_to_grow():
    feed, resident = Feed(), ResidentBlocks(0)
    versions = []
    for n_rows in (5, 3, 5, 6):
        feed.put_windows([Window([_chunk(n_rows)])], resident, 0)
        versions.append(feed.version)
    assert versions == [1, 1, 1, 2]


def test_steps_count_rows_through_all_windows():
    own = Steps(np.array([2, 0, 1]), np.array([0, 2, 3]), np.array([0.1, 0.2]), window=1)
    idle = Steps.without_rates(np.zeros(0, np.int64), np.zeros(1, np.int64))
    arrays = step_arrays([idle, own, own], [0, 10, 14])
    assert arrays["order"].tolist() == [12, 10, 11, 12, 10, 11]
    assert arrays["first_steps"].tolist() == [0, 0, 2, 4]
    assert arrays["starts"].tolist() == [0, 2, 3, 5]
    assert arrays["batches"].tolist() == [2, 1, 2, 1]
    assert arrays["rates"].tolist() == [0.1, 0.2, 0.1, 0.2]
