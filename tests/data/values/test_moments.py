"""Moments of parts combine to the moments of the whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dask_horn.data.values.moments import Moments


@given(
    hnp.arrays(np.float64, (30, 2), elements=st.floats(-1e8, 1e8, width=32)),
    st.integers(1, 29),
)
def test_parts_combine_to_the_whole(x, cut):
    whole = Moments.of(x[:cut]).combined(Moments.of(x[cut:]))
    scale = np.abs(x).max(axis=0) + 1e-30
    assert whole.n == 30
    np.testing.assert_allclose(whole.mean / scale, x.mean(axis=0) / scale, atol=1e-14)
    np.testing.assert_allclose(whole.variance / scale**2, x.var(axis=0) / scale**2, atol=1e-14)


def test_small_spread_beside_a_large_mean():
    x = 1e9 + np.random.default_rng(0).normal(size=(100_000, 1))
    np.testing.assert_allclose(Moments.of(x).variance, np.var(x - 1e9), rtol=1e-9)


def test_a_constant_has_no_spread():
    assert np.sqrt(Moments.of(np.full((70_001, 1), 0.1)).variance[0]) < 1e-15


def test_wide_integers_do_not_overflow():
    x = np.full((4, 1), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.testing.assert_allclose(Moments.of(x).mean, 2.0**64)


@given(hnp.arrays(np.float64, (5, 4, 3), elements=st.floats(-1e8, 1e8, width=32)))
def test_pooled_over_positions(x):
    whole, expected = Moments.of(x.reshape(5, 12)).pooled(3), Moments.of(x.reshape(20, 3))
    scale = np.abs(x).max(axis=(0, 1)) + 1e-30
    assert whole.n == 20
    np.testing.assert_allclose(whole.mean / scale, expected.mean / scale, atol=1e-14)
    np.testing.assert_allclose(whole.variance / scale**2, expected.variance / scale**2, atol=1e-14)


@given(
    hnp.arrays(np.float64, (30, 2), elements=st.floats(-1e3, 1e3, width=32)),
    st.integers(1, 29),
    st.sampled_from([-1000, -600, -160, 160, 600, 1000]),
)
def test_units_beyond_squares_change_nothing_else(x, cut, exponent):
    x = np.where(np.abs(x) < 1e-3, 0, x)
    unit = 2.0**exponent
    whole = Moments.of(x[:cut] * unit).combined(Moments.of(x[cut:] * unit))
    pooled = Moments.of((x * unit).reshape(6, 10)).pooled(2)
    for found in (whole, pooled):
        np.testing.assert_allclose(found.mean / unit, x.mean(axis=0), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.deviation / unit, x.std(axis=0), rtol=1e-9, atol=1e-9)


@given(hnp.arrays(np.int64, (10, 6), elements=st.integers(-50, 50)))
def test_pooled_large_whole_numbers(x):
    found = Moments.of(x + 2**61).pooled(3)
    expected = Moments.of(x.reshape(20, 3))
    assert found.rest is not None
    np.testing.assert_allclose(found.mean - 2.0**61 + found.rest, expected.mean, atol=1e-9)
    np.testing.assert_allclose(found.deviation, expected.deviation, atol=1e-9)
