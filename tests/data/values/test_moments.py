"""Moments of parts combine to the moments of the whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dask_horn.data.values.moments import Moments
from dask_horn.data.values.ranges import Ranges


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


GAPPED = hnp.arrays(
    np.float64, (30, 3), elements=st.one_of(st.just(np.nan), st.floats(-1e8, 1e8, width=32))
)


@given(GAPPED, st.integers(1, 29), st.sampled_from([np.float32, np.float64]))
def test_what_is_present_gives_the_moments(x, cut, dtype):
    x[:, 2] = np.nan
    x = x.astype(dtype)
    whole = Moments.of_present(x[:cut]).combined(Moments.of_present(x[cut:]))
    present = ~np.isnan(x)
    np.testing.assert_array_equal(whole.n, present.sum(axis=0))
    for column in range(3):
        own = x[present[:, column], column].astype(np.float64)
        scale = np.abs(own).max(initial=1e-30)
        mean, variance = (own.mean(), own.var()) if len(own) else (0.0, 0.0)
        np.testing.assert_allclose(whole.mean[column] / scale, mean / scale, atol=1e-14)
        np.testing.assert_allclose(
            whole.variance[column] / scale**2, variance / scale**2, atol=1e-14
        )


@given(GAPPED)
def test_where_nothing_is_missing_the_bits_are_the_same(x):
    x = np.nan_to_num(x)
    whole, present = Moments.of(x), Moments.of_present(x)
    np.testing.assert_array_equal(whole.mean, present.mean)
    np.testing.assert_array_equal(whole.deviation, present.deviation)


@given(GAPPED, st.integers(1, 29))
def test_ranges_are_those_of_what_is_present(x, cut):
    x = np.rint(x)
    whole = Ranges.of_present(x[:cut]).combined(Ranges.of_present(x[cut:]))
    gap = np.isnan(x)
    np.testing.assert_array_equal(whole.low, np.where(gap, np.inf, x).min(axis=0))
    np.testing.assert_array_equal(whole.high, np.where(gap, -np.inf, x).max(axis=0))


def test_a_fraction_beside_gaps_has_no_range():
    assert np.isnan(Ranges.of_present(np.array([[np.nan, 1], [0.5, np.nan]])).low[0])
