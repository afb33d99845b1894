"""Samples on their way to the device, in the simulator or on a GPU."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from dask_horn.kernels.cuda import driver
from dask_horn.kernels.cuda.feed import Feed, ResidentBlocks
from dask_horn.kernels.device import Steps, Window

pytestmark = pytest.mark.gpu


@pytest.fixture
def stream():
    return driver.new_stream()


def _chunk(n_rows, seed=0):
    """A decoded chunk, as the cache gives it: nobody may write to it."""
    chunk = np.random.default_rng(seed).integers(255, size=(n_rows, 3)).astype(np.uint8)
    chunk.setflags(write=False)
    return chunk


def _samples(feed, n_rows, stream):
    driver.wait(stream)
    return feed.arrays["samples"].copy_to_host()[: 3 * n_rows].reshape(-1, 3)


def test_windows_lie_one_after_the_other(stream):
    chunk, other = _chunk(10), _chunk(4, seed=1)
    windows = [Window([chunk[5:], chunk[:2]]), Window([]), Window([other])]
    feed = Feed()
    feed.put_windows(windows, ResidentBlocks(1000), stream)
    expected = np.concatenate([chunk[5:], chunk[:2], other])
    np.testing.assert_array_equal(_samples(feed, 11, stream), expected)


def test_a_block_that_comes_again_and_again_stays_on_the_device(stream):
    chunk, resident, feed = _chunk(10), ResidentBlocks(100), Feed()
    stays = []
    for blocks in ([chunk[:6]], [chunk[:6], chunk[6:]], [chunk[6:], chunk[:6]]):
        feed.put_windows([Window(blocks)], resident, stream)
        expected = np.concatenate(blocks)
        np.testing.assert_array_equal(_samples(feed, len(expected), stream), expected)
        stays.append([resident.get(block) is not None for block in (chunk[:6], chunk[6:])])
    assert stays == [[False, False], [True, False], [True, True]]
    assert resident.get(chunk[1:7]) is None


def test_what_may_change_and_what_does_not_fit_is_not_kept(stream):
    resident, feed = ResidentBlocks(20), Feed()
    writable, large, small = np.zeros((2, 3), np.uint8), _chunk(7), _chunk(6)
    for _ in range(2):
        feed.put_windows([Window([writable, large, small])], resident, stream)
    kept = [resident.get(block) is not None for block in (writable, large, small)]
    assert kept == [False, False, True]


def test_a_block_is_dropped_with_its_chunk(stream):
    resident, chunk, other, feed = ResidentBlocks(20), _chunk(6), _chunk(5, seed=1), Feed()
    for _ in range(2):
        feed.put_windows([Window([chunk])], resident, stream)
        feed.put_windows([Window([other])], resident, stream)
    assert resident.get(other) is None  # there was no room
    del chunk
    gc.collect()
    feed.put_windows([Window([other])], resident, stream)
    assert resident.get(other) is not None


def test_blocks_that_windows_share_are_there_once(stream):
    a, b, c = _chunk(3), _chunk(2, seed=1), _chunk(4, seed=2)
    windows = [Window([a, b]), Window([c, a]), Window([b, c, a])]
    feed = Feed()
    feed.put_windows(windows, ResidentBlocks(0), stream)
    whole = _samples(feed, 9, stream)
    np.testing.assert_array_equal(whole, np.concatenate([a, b, c]))
    for number, window in enumerate(windows):
        order = np.arange(window.n_rows)[::-1].copy()
        steps = Steps.without_rates(order, np.array([0, order.size]), window=number)
        feed.put_steps([steps], stream)
        driver.wait(stream)
        rows = feed.arrays["order"].copy_to_host()[: order.size]
        np.testing.assert_array_equal(whole[rows], np.concatenate(window.samples)[::-1])


def test_memory_moves_only_to_grow(stream):
    feed, resident = Feed(), ResidentBlocks(0)
    versions = []
    for n_rows in (8, 3, 10, 11):  # a quarter is spare
        feed.put_windows([Window([_chunk(n_rows)])], resident, stream)
        versions.append(feed.version)
    assert versions == [1, 1, 1, 2]


def test_steps_count_rows_through_all_windows(stream):
    own = Steps(np.array([2, 0, 1]), np.array([0, 2, 3]), np.array([0.1, 0.2]), window=1)
    idle = Steps.without_rates(np.zeros(0, np.int64), np.zeros(1, np.int64))
    feed = Feed()
    feed.put_windows([Window([_chunk(10)]), Window([_chunk(4)])], ResidentBlocks(0), stream)
    assert feed.put_steps([idle, own, own], stream).tolist() == [0, 0, 2, 4]
    driver.wait(stream)
    found = {name: array.copy_to_host() for name, array in feed.arrays.items()}
    assert found["order"][:6].tolist() == [12, 10, 11, 12, 10, 11]
    assert found["first_steps"][:4].tolist() == [0, 0, 2, 4]
    assert found["starts"][:4].tolist() == [0, 2, 3, 5]
    assert found["batches"][:4].tolist() == [2, 1, 2, 1]
    assert found["rates"][:4].tolist() == [0.1, 0.2, 0.1, 0.2]
