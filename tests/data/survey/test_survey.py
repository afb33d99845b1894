"""The survey equals NumPy's answer, is the same on every scheduler, and finds what is wrong."""

from __future__ import annotations

import sys

import dask
import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from dask_horn.data import (
    Block,
    decoded,
    forget,
    open_samples,
    row_blocks,
    spool,
    survey,
    write_samples,
)
from dask_horn.errors import ChunkReadError

RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, size=(500, 4))
Y = RNG.integers(0, 3, 500)


def _all(store):
    return row_blocks(store.n_samples, store.chunk_rows, n_groups=2)


def _survey(store, blocks, kind):
    try:
        return survey("run", store, blocks, kind)
    finally:
        forget("run")


def _found(x, y, kind):
    store = spool(x, y, target_kind=kind)
    return _survey(store, _all(store), kind)


def test_it_equals_numpy():
    found = _found(X, Y, "classes")
    assert found.n_samples == 500
    np.testing.assert_allclose(found.x.mean, X.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.x.variance, X.var(axis=0), rtol=1e-13)
    np.testing.assert_array_equal(found.class_counts, np.bincount(Y))
    assert found.sorted_share < 0.1


def test_only_the_given_blocks_count():
    store = write_samples(MemoryStore(), X, Y)
    found = _survey(store, [Block(10, 50), Block(100, 300)], "classes")
    rows = np.r_[10:50, 100:300]
    np.testing.assert_allclose(found.x.mean, X[rows].mean(axis=0), rtol=1e-13)
    np.testing.assert_array_equal(found.class_counts, np.bincount(Y[rows]))


def test_values_and_labels():
    found = _found(X, X[:, :2] * 10, "values")
    targets = found.targets()
    np.testing.assert_allclose(targets.mean, X[:, :2].mean(axis=0) * 10)
    np.testing.assert_allclose(targets.scale, X[:, :2].std(axis=0) * 10)
    found = _found(X, X[:, :2] > 3, "labels")
    np.testing.assert_allclose(found.y.mean, (X[:, :2] > 3).mean(axis=0))
    assert (found.targets().kind, found.targets().n_outputs) == ("labels", 2)


def test_targets_remember_their_shape():
    assert _found(X, X[:, 0], "values").targets().flat
    assert not _found(X, X[:, :1], "values").targets().flat


@pytest.fixture
def store(tmp_path):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    x = RNG.normal(size=(20_000, 64))
    group.create_array("X", data=x, chunks=(1000, 64))
    group.create_array("y", data=np.array(["a", "bb", "c"])[RNG.integers(0, 3, 20_000)].astype("T"))
    return open_samples(str(tmp_path / "a.zarr"))


def test_every_scheduler_gives_the_same_bits(store):
    blocks, digests = row_blocks(store.n_samples, store.chunk_rows, 2), set()
    for scheduler in ("synchronous", "threads", "processes"):
        with dask.config.set(scheduler=scheduler):
            digests.add(_survey(store, blocks, "classes").digest)
    assert len(digests) == 1


def test_what_is_in_memory_is_not_sent_to_other_processes():
    store = spool(X, Y, target_kind="classes")
    with dask.config.set(scheduler="processes"):
        assert _survey(store, _all(store), "classes").n_samples == 500


def test_other_data_have_another_digest():
    other = X.copy()
    other[0, 0] += 1
    assert _found(X, Y, "classes").digest == _found(X, Y, "classes").digest
    assert _found(X, Y, "classes").digest != _found(other, Y, "classes").digest


@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_first_bad_value_is_named(value, name):
    x = X.astype("f4")
    x[[417, 17], [0, 3]] = value
    store = write_samples(MemoryStore(), x, Y)
    with pytest.raises(ValueError, match=f"X holds {name} at sample 17, feature 3"):
        _survey(store, _all(store), "classes")


def test_bad_targets_are_named():
    y = X[:, 0].copy()
    y[33] = np.nan
    store = write_samples(MemoryStore(), X, y)
    with pytest.raises(ValueError, match="y holds NaN at sample 33, output 0"):
        _survey(store, _all(store), "values")
    with pytest.raises(ValueError, match="y holds no class at sample 33"):
        _survey(store, _all(store), "classes")
    with pytest.raises(ValueError, match=r"at sample 0, label 0; for this loss .* only 0 and 1"):
        _survey(write_samples(MemoryStore(), X, X), [Block(0, 500)], "labels")


def test_values_too_large_to_subtract():
    store = write_samples(MemoryStore(), np.where(X > 0, 1.0, -1.0) * 1.7e308, Y)
    with pytest.raises(ValueError, match="too near the limit of float64"):
        _survey(store, _all(store), "classes")


def test_text_is_no_value():
    store = write_samples(MemoryStore(), X, Y.astype(str))
    with pytest.raises(ValueError, match="y has dtype <U1, which is not numeric"):
        _survey(store, _all(store), "values")


def test_a_single_class():
    store = write_samples(MemoryStore(), X, np.full(500, 7))
    with pytest.raises(ValueError, match=r"only one class \(7\)"):
        _survey(store, _all(store), "classes")
    known = spool(X, np.full(500, 7), target_kind="classes", classes=[5, 7])
    assert _survey(known, _all(known), "classes").class_counts.tolist() == [0, 500]


def test_nothing_to_survey():
    store = spool(X, Y, target_kind="classes")
    with pytest.raises(ValueError, match="blocks is empty"):
        _survey(store, [], "classes")
    with pytest.raises(ValueError, match="holds no targets"):
        _survey(spool(X, target_kind=None), [Block(0, 500)], "classes")
    with pytest.raises(ValueError, match="target_kind must be one of 'classes', 'labels'"):
        _survey(store, [Block(0, 500)], "colours")


def test_one_hot_rows_are_no_classes():
    store = write_samples(MemoryStore(), X, np.eye(3)[Y])
    with pytest.raises(ValueError, match="argmax"):
        _survey(store, _all(store), "classes")


def test_store_sorted_by_class_is_warned_about():
    store = write_samples(MemoryStore(), X, np.sort(Y))
    with pytest.warns(UserWarning, match="sorted by class"):
        _survey(store, _all(store), "classes")


def test_rare_classes_are_not_taken_for_sorted():
    y = (RNG.random(500) < 0.01).astype(int)
    y[:2] = 0, 1
    store = write_samples(MemoryStore(), X, y)
    assert _survey(store, _all(store), "classes").sorted_share < 0.5


def test_broken_chunk_surfaces(store, tmp_path):
    (tmp_path / "a.zarr/X/c/3/0").write_bytes(b"broken")
    with pytest.raises(ChunkReadError, match="chunk c/3/0"):
        _survey(store, row_blocks(store.n_samples, store.chunk_rows, 2), "classes")


def test_training_reads_nothing_that_the_survey_has_read(store, monkeypatch):
    blocks = row_blocks(store.n_samples, store.chunk_rows, 2)
    survey("run", store, blocks, "classes")

    def refuse(self, selection, **named):
        raise AssertionError("read again")

    monkeypatch.setattr(zarr.Array, "get_basic_selection", refuse)
    assert sum(len(decoded("run", store, block, None)) for block in blocks) == store.n_samples
    forget("run")
    with pytest.raises(ChunkReadError, match="read again"):
        decoded("run", store, blocks[0], None)


@pytest.mark.parametrize("n_bytes", [1, 5 * 2**19, 2**40])
def test_chunks_per_task_change_no_bit(store, monkeypatch, n_bytes):
    blocks = row_blocks(store.n_samples, store.chunk_rows, 2)
    digest = _survey(store, blocks, "classes").digest
    module = sys.modules["dask_horn.data.survey.survey"]  # the package gives its function that name
    monkeypatch.setattr(module, "_TASK_BYTES", n_bytes)
    assert _survey(store, blocks, "classes").digest == digest
