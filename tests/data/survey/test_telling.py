"""What the survey finds that training can do with, but that a user should know."""

from __future__ import annotations

import warnings

import dask.array as da
import numpy as np
import pytest
import zarr

import dask_horn as horn
from dask_horn.data.rows import windows

X = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
FULL = {"write_empty_chunks": True}
SHORT = {"n_rounds": 1, "n_submodels": 1}


@pytest.fixture
def network():
    return horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=6)


def _stored(location, zarr_format=3, written=slice(0, 400), **layout):
    group = zarr.open_group(location, mode="w", zarr_format=zarr_format)
    array = group.create_array("X", shape=X.shape, dtype="f4", **layout)
    array[written] = X[written]
    group.create_array("y", data=Y, config={"write_empty_chunks": True})
    return location


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ({"zarr_format": 2, "chunks": (50, 3)}, "lacks 4 chunks, the first at row 300"),
        ({"chunks": (50, 6)}, "lacks 2 chunks, the first at row 300"),
        ({"chunks": (10, 6), "shards": (100, 6)}, "lacks 1 chunk, the first at row 300"),
    ],
)
def test_absent_chunks_are_told_once(tmp_path, network, layout, told):
    location = _stored(tmp_path / "a.zarr", written=slice(0, 300), **layout)
    with pytest.warns(UserWarning, match=f"The array X in .* {told}") as heard:
        horn.train(network, location, **SHORT)
    assert len(heard) == 1
    with pytest.raises(ValueError, match=f"{told}; write them, or pass absent_chunks='fill'"):
        horn.train(network, location, absent_chunks="error", **SHORT)
    horn.train(network, location, absent_chunks="fill", **SHORT)
    arrays = zarr.open_group(location)
    estimator = horn.HornClassifier(absent_chunks="error", **SHORT)
    with pytest.raises(ValueError, match=told):
        estimator.fit(arrays["X"], arrays["y"])
    estimator.set_params(absent_chunks="fill").fit(arrays["X"], arrays["y"])
    with pytest.warns(UserWarning, match=f"The array X in .* {told}"):
        horn.train(network, X, Y, validation_data=location, **SHORT)


def test_chunks_of_zeros_that_are_stored_are_not_absent(tmp_path, network):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    full = {"write_empty_chunks": True}
    zeros = np.where(np.arange(400)[:, None] < 100, 0, X)
    group.create_array("X", data=zeros, chunks=(50, 6), config=full)
    group.create_array("y", data=Y, chunks=(50,), config=full)
    result = horn.train(network, tmp_path / "a.zarr", absent_chunks="error", **SHORT)
    assert len(result.history) == 1


@pytest.mark.parametrize("wrap", [np.asarray, da.from_array], ids=["numpy", "dask"])
@pytest.mark.parametrize("scratch", [None, "scratch"])
def test_what_we_write_lacks_no_chunk_where_all_is_zero(tmp_path, network, wrap, scratch):
    """Such as the codes of the first class, where a chunk holds no other."""
    samples, targets = wrap(np.zeros_like(X)), wrap(np.where(np.arange(400) < 50, 0, Y))
    given = {"absent_chunks": "error", **SHORT}
    horn.write_samples(tmp_path / "a.zarr", samples, targets, chunk_bytes=200)
    horn.train(network, tmp_path / "a.zarr", **given)
    scratch = scratch and str(tmp_path / scratch)
    assert len(horn.train(network, samples, targets, scratch=scratch, **given).history) == 1
    horn.HornClassifier(hidden_layer_sizes=(4,), n_rounds=1).partial_fit(
        wrap(X[:50]), wrap(np.zeros(50, int)), classes=[0, 1]
    )


def test_no_store_is_asked_for_chunks_that_are_not_all_fill(tmp_path, network, monkeypatch):
    location = _stored(tmp_path / "a.zarr", chunks=(50, 6))
    asked = []
    monkeypatch.setattr("dask_horn.data.store.absent._is_stored", lambda *_: asked.append(1))
    horn.train(network, location, **SHORT)
    assert not asked


def test_the_choice_is_checked(network):
    with pytest.raises(ValueError, match="absent_chunks must be one of"):
        horn.train(network, X, Y, absent_chunks="maybe")


def test_chunks_larger_than_the_cache_are_told_before_training(tmp_path, network, monkeypatch):
    location = _stored(tmp_path / "a.zarr", chunks=(400, 6))
    horn.train(network, location, **SHORT)  # they fit
    monkeypatch.setattr(windows._decoded, "max_bytes", 2000)
    with pytest.warns(UserWarning, match=r"decoded up to 8 times in every pass; write it anew"):
        horn.train(network, location, **SHORT)


@pytest.mark.parametrize("container", ["array", "Dask", "Zarr"])
def test_one_hot_targets_are_told(container):
    import dask.array as da

    rows = {
        "array": lambda values: values,
        "Dask": lambda values: da.from_array(values, chunks=(100, -1)),
        "Zarr": lambda values: zarr.create_array({}, data=values, config=FULL),
    }[container]
    small = horn.HornClassifier(hidden_layer_sizes=(4,), n_rounds=1, random_state=0)
    with pytest.warns(UserWarning, match=r"taken for several labels .* pass y.argmax\(axis=1\)"):
        small.fit(rows(X), rows(np.eye(2)[Y]))
    several = np.stack([Y, X[:, 1] > 0], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small.fit(rows(X), rows(several))
