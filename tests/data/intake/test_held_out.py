"""Targets of held-out samples come into memory from wherever they lie."""

from __future__ import annotations

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr

from dask_horn.data import held_out_targets, write_samples
from dask_horn.errors import ChunkReadError

X = np.arange(60.0).reshape(20, 3)
NAMES = np.array(["ant", "bee", "cow", "dog"] * 5)


@pytest.fixture
def stored(tmp_path):
    location = str(tmp_path / "held.zarr")
    write_samples(location, X, NAMES)
    return location


def test_targets_are_the_same_wherever_they_lie(stored):
    group = zarr.open_group(stored, mode="r")
    frame = dd.from_pandas(pd.Series(NAMES), npartitions=3)
    for y in (NAMES, NAMES.tolist(), pd.Series(NAMES), da.from_array(NAMES, 7), frame, group["y"]):
        assert held_out_targets(X, y, "classes").tolist() == NAMES.tolist()
    for samples in (stored, group, group.store):
        assert held_out_targets(samples, None, "classes").tolist() == NAMES.tolist()


def test_what_is_passed_comes_before_what_is_stored(stored):
    assert held_out_targets(stored, NAMES[::-1], "classes").tolist() == NAMES[::-1].tolist()


def test_missing_targets_are_told(tmp_path):
    with pytest.raises(TypeError, match="y is missing; pass targets beside X, got X of type ndarr"):
        held_out_targets(X, None, "classes")
    write_samples(tmp_path / "x.zarr", X)
    with pytest.raises(ValueError, match="holds no array y"):
        held_out_targets(tmp_path / "x.zarr", None, "classes")


def test_targets_that_do_not_suit_are_told(stored):
    with pytest.raises(ValueError, match="a class needs one label per sample"):
        held_out_targets(X, np.eye(20), "classes")
    with pytest.raises(ValueError, match="y holds no class at sample 1"):
        held_out_targets(X, [1.0, np.nan], "classes")
    with open(f"{stored}/y/c/0", "wb") as file:
        file.write(b"not what was written")
    with pytest.raises(ChunkReadError, match="array y in"):
        held_out_targets(stored, None, "classes")
