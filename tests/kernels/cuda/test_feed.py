"""Samples on their way to the device, in the simulator or on a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.kernels.cuda import driver
from dask_horn.kernels.cuda.feed import Feed, ResidentBlocks
from dask_horn.kernels.device import BlockName, Steps, Window

pytestmark = pytest.mark.gpu


def _chunk(n_rows, seed=0):
    return np.random.default_rng(seed).integers(255, size=(n_rows, 3)).astype(np.uint8)


def _targets(n_rows):
    return np.arange(n_rows, dtype=np.float32)[:, None]


def _named(*blocks, run="run"):
    """A window of blocks that have names: by their lengths."""
    names = [BlockName(run, 0, len(block)) for block in blocks]
    return Window(blocks, [_targets(len(block)) for block in blocks], names)


def _unread(block):
    """What is passed in place of a block that nobody needs to read."""
    return np.broadcast_to(block.dtype.type(0), block.shape)


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


def test_a_block_is_sent_once_in_a_run(stream):
    first, second, resident, feed = _chunk(6), _chunk(4, seed=1), ResidentBlocks(100), Feed()
    feed.put_windows([_named(first, second)], resident, stream)
    assert all(resident.holds(BlockName("run", 0, n)) for n in (6, 4))
    assert not resident.holds(BlockName("run", 0, 5))
    names = [BlockName("run", 0, 4), BlockName("run", 0, 6)]
    targets = [_unread(_targets(4)), _unread(_targets(6))]
    feed.put_windows([Window([_unread(second), _unread(first)], targets, names)], resident, stream)
    expected = np.concatenate([second, first])
    np.testing.assert_array_equal(_samples(feed, 10, stream), expected)
    found = feed.arrays["targets"].copy_to_host()[:10]
    np.testing.assert_array_equal(found, [*range(4), *range(6)])


def test_what_comes_first_stays_while_there_is_room_and_nobody_has_a_new_run(stream):
    resident, feed = ResidentBlocks(6 * 7 + 5), Feed()  # samples and targets of six rows

    def held(run):
        return [resident.holds(BlockName(run, 0, n)) for n in (6, 5, 1)]

    for _ in range(2):
        feed.put_windows([_named(_chunk(6), _chunk(5), _chunk(1))], resident, stream)
        assert held("run") == [True, False, False]
    feed.put_windows([_named(_chunk(5), run="another")], resident, stream)
    assert held("run") == [False, False, False]
    assert held("another") == [False, True, False]
    resident.forget("run")
    assert held("another")[1]
    resident.forget("another")
    assert not held("another")[1]


def test_what_has_no_name_is_not_kept(stream):
    resident, feed = ResidentBlocks(1000), Feed()
    feed.put_windows([Window([_chunk(6)], [_targets(6)])], resident, stream)
    assert resident.get("samples", BlockName("run", 0, 6)) is None


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
