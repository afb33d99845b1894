"""What the survey finds where values are missing: NumPy's nanmean, nanstd and counts."""

from __future__ import annotations

import warnings
from dataclasses import replace

import dask
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from dask_horn.data import FEATURES, forget, open_samples, row_blocks, spool, survey, write_samples

MISSING = replace(FEATURES, missing=True)
RNG = np.random.default_rng(0)


def _found(store, **options):
    store = replace(store, form=MISSING)
    try:
        return survey(
            "run", store, row_blocks(store.n_samples, store.chunk_rows, 2), "values", **options
        )
    finally:
        forget("run")


def _stored(X, rows):
    chunk_bytes = rows * X.itemsize * X.shape[1]
    return write_samples(MemoryStore(), X, np.arange(len(X)), chunk_bytes=chunk_bytes)


@given(
    st.integers(2, 90),
    st.integers(1, 40),
    st.floats(0, 1),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 2**32 - 1),
)
def test_mean_and_deviation_are_those_of_what_is_present(n, rows, share, dtype, seed):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, 3)) * [1, 1e3, 1e-3] + [0, 1e5, 0]).astype(dtype)
    X[rng.random(X.shape) < share] = np.nan
    found = _found(_stored(X, rows))
    np.testing.assert_array_equal(found.n_missing, np.isnan(X).sum(axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's of columns that lack all values
        mean, deviation = (f(X.astype(float), axis=0) for f in (np.nanmean, np.nanstd))
    np.testing.assert_allclose(found.x.mean, np.nan_to_num(mean), rtol=1e-12)
    least = 1e-13 * np.nanmax(mean, initial=1)
    np.testing.assert_allclose(found.x.deviation, np.nan_to_num(deviation), rtol=1e-9, atol=least)


def test_a_feature_that_all_rows_lack_is_left_as_it_is():
    X = np.column_stack([np.full(20, np.nan), np.arange(20.0)])
    standardizer = _found(_stored(X, 7)).standardizer()
    assert (standardizer.mean[0], standardizer.scale[0]) == (0, 1)


def test_pixels_share_their_scale_where_some_are_missing():
    X = RNG.integers(0, 256, (400, 9)).astype(float)
    X[0], X[1] = 0, 255
    X[:, 8] /= 1e3
    whole = _found(_stored(X, 50)).standardizer().scale
    X[2:][RNG.random((398, 9)) < 0.05] = np.nan
    scale = _found(_stored(X, 50)).standardizer().scale
    assert len(set(scale[:8])) == 1
    np.testing.assert_allclose(scale, whole, rtol=0.05)


@pytest.mark.parametrize("dtype", ["i1", "u2", "i4", "i8", "f4"])
def test_what_attributes_mark_is_missing(dtype):
    values = RNG.integers(0, 50, (60, 2)).astype(dtype)
    group = zarr.open_group(MemoryStore(), mode="w")
    group.create_array("X", data=values, chunks=(13, 2)).attrs["missing_value"] = 7
    group.create_array("y", data=np.arange(60.0))
    expected = np.where(values == 7, np.nan, values)
    found = _found(open_samples(group), sample_seed=0)
    np.testing.assert_array_equal(found.n_missing, np.isnan(expected).sum(axis=0))
    np.testing.assert_allclose(found.x.mean, np.nanmean(expected, axis=0))
    np.testing.assert_array_equal(found.sample, expected)


def test_every_scheduler_gives_the_same_bits(tmp_path):
    X = RNG.normal(size=(3000, 4))
    X[RNG.random(X.shape) < 0.3] = np.nan
    store = write_samples(str(tmp_path / "a.zarr"), X, np.arange(3000), chunk_bytes=32 * 71)
    digests = set()
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            digests.add(_found(store).digest)
    assert len(digests) == 1
    X[0] = np.nan
    assert _found(_stored(X, 71)).digest not in digests


def test_nothing_is_counted_where_nothing_may_be_missing():
    store = spool(np.eye(4), np.arange(4), target_kind="values")
    found = survey("run", store, row_blocks(4, store.chunk_rows, 1), "values")
    forget("run")
    assert found.n_missing is None
