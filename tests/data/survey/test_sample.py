"""The survey's sample: the same rows whoever reads them, and all of them where they are few."""

from __future__ import annotations

from itertools import pairwise

import dask
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from dask_horn.data import Block, forget, open_samples, row_blocks, survey, write_samples
from dask_horn.data.survey import sample as drawing

N = 5000
X = np.arange(N * 3.0).reshape(N, 3)
Y = np.array(["cat", "dog"])[np.arange(N) % 2]


@pytest.fixture
def few(monkeypatch):
    """A sample has few rows, so that little data have more."""
    monkeypatch.setattr(drawing, "MOST_ROWS", 300)


def _survey(store, blocks, seed=0, **options):
    try:
        return survey("run", store, blocks, "classes", sample_seed=seed, **options)
    finally:
        forget("run")


def _store(location=None, rows=100):
    return write_samples(location or MemoryStore(), X, Y, chunk_bytes=rows * 24)


def _all(store):
    return row_blocks(store.n_samples, store.chunk_rows, 2)


def test_few_rows_are_all_rows_and_nobody_gets_them_unasked():
    store = _store()
    found = _survey(store, _all(store))
    np.testing.assert_array_equal(found.sample, X)
    assert _survey(store, _all(store), None).sample is None


def test_many_rows_are_drawn_without_one_twice(few):
    store = _store()
    found = _survey(store, _all(store))
    rows = (found.sample[:, 0] / 3).astype(int)
    assert len(rows) == 300
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(found.sample, X[rows])
    assert abs(rows.mean() - N / 2) < 4 * N / np.sqrt(12 * 300)


def test_the_seed_alone_settles_which(few):
    store = _store()
    first = _survey(store, _all(store)).sample
    np.testing.assert_array_equal(_survey(_store(rows=700), _all(_store(rows=700))).sample, first)
    assert not np.array_equal(_survey(store, _all(store), 1).sample, first)


def test_every_scheduler_gives_the_same_rows(few, tmp_path):
    _store(str(tmp_path / "a.zarr"), rows=20)
    store, samples = open_samples(str(tmp_path / "a.zarr")), []
    for scheduler in ("synchronous", "threads", "processes"):
        with dask.config.set(scheduler=scheduler):
            samples.append(_survey(store, _all(store)).sample)
    np.testing.assert_array_equal(samples[0], samples[1])
    np.testing.assert_array_equal(samples[0], samples[2])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(0, 99), st.data())
def test_rows_are_of_the_blocks_whatever_these_are(lengths, seed, data):
    bounds = np.cumsum([0, *lengths])
    blocks = [Block(int(a), int(b)) for a, b in pairwise(bounds)]
    chosen = data.draw(st.lists(st.sampled_from(blocks), min_size=1, unique=True))
    store = _store()
    drawn = drawing.Drawn.of(store, sorted(chosen), seed)
    there = np.concatenate([np.arange(block.start, block.stop) for block in sorted(chosen)])
    np.testing.assert_array_equal(drawn.rows, there)  # they are few
    cut = data.draw(st.integers(0, int(bounds[-1])))
    parts = [drawn.within(0, cut).rows, drawn.within(cut, int(bounds[-1])).rows]
    np.testing.assert_array_equal(np.concatenate(parts), drawn.rows)


def test_large_rows_are_fewer(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_BYTES", 50 * 24)
    store = _store()
    assert len(_survey(store, _all(store)).sample) == 50
    monkeypatch.setattr(drawing, "MOST_BYTES", 1)
    assert len(_survey(store, _all(store)).sample) == 1
