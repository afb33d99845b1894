"""A location means the same array in every process."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore, MemoryStore

from dask_horn.data.store.locations import ArrayLocation, plain_location


def test_relative_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plain_location("a.zarr") == str(tmp_path / "a.zarr")
    assert plain_location(LocalStore("a.zarr")) == str(tmp_path / "a.zarr")


def test_open_array_is_found_again_after_pickling(tmp_path):
    array = zarr.create_array(store=str(tmp_path / "a.zarr"), name="X", data=np.eye(3))
    location = pickle.loads(pickle.dumps(ArrayLocation.of(array)))
    assert location.store == str(tmp_path / "a.zarr")
    np.testing.assert_array_equal(location.open()[:], np.eye(3))


def test_only_stores_in_memory_are_bound_to_the_process():
    assert ArrayLocation(MemoryStore(), "X").in_process
    assert ArrayLocation("memory://a.zarr", "X").in_process
    assert not ArrayLocation("/data/a.zarr", "X").in_process


def test_what_is_no_location():
    with pytest.raises(TypeError, match="location is a int; pass the path or URL"):
        plain_location(3)
