"""Standardized features have mean 0 and spread 1, and constants stay harmless."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dask_horn.data import Standardizer


def _of(x):
    return Standardizer.from_moments(x.mean(axis=0), x.var(axis=0), x.dtype)


def _standardized(x):
    standardizer = _of(x)
    return (x - standardizer.mean) / standardizer.scale


@given(hnp.arrays(np.float64, (20, 3), elements=st.floats(-1e6, 1e6)))
def test_scale_is_positive_and_spread_at_most_one(x):
    standardizer = _of(x)
    assert (standardizer.scale > 0).all()
    assert np.isfinite(_standardized(x)).all()


def test_each_feature_has_its_own_scale():
    x = np.random.default_rng(0).normal([5, -3], [0.1, 100], size=(1000, 2))
    z = _standardized(x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(axis=0), 1, atol=1e-5)


def test_constant_feature_becomes_zero():
    x = np.full((50, 1), 0.1)
    np.testing.assert_allclose(_standardized(x), 0, atol=1e-15)


def test_pixels_share_one_scale():
    x = np.zeros((100, 2), dtype=np.uint8)
    x[:50, 0] = 255
    x[0, 1] = 1
    standardizer = _of(x)
    assert standardizer.scale[0] == standardizer.scale[1]
    np.testing.assert_array_equal(standardizer.mean, x.mean(axis=0))


def test_identity_changes_nothing():
    x = np.arange(6.0).reshape(2, 3)
    standardizer = Standardizer.identity(3)
    np.testing.assert_array_equal((x - standardizer.mean) / standardizer.scale, x)


@pytest.mark.parametrize(
    ("mean", "scale"), [([0.0], [1.0, 1.0]), ([0.0], [0.0]), ([np.nan], [1.0]), ([0.0], [np.nan])]
)
def test_bad_arrays(mean, scale):
    with pytest.raises(ValueError, match="mean"):
        Standardizer(np.array(mean), np.array(scale))
