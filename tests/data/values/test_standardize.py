"""Standardized features have mean 0 and spread 1, and constants stay harmless."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dask_horn.data import Standardizer, Targets, as_samples
from dask_horn.data.values.moments import Moments
from dask_horn.data.values.ranges import Ranges
from dask_horn.model import Model
from dask_horn.network import Dense, Network


def _of(x):
    found = Moments.of(x)
    return Standardizer.from_moments(found.mean, found.deviation, Ranges.of(x), found.rest)


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


def _pixels():
    x = np.zeros((100, 5), dtype=np.uint8)
    x[:50, 0] = x[:30, 1] = x[0, 2] = 255
    x[0, 3] = 51  # and the last one is always 0
    return x


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64", ">i8", "O"])
def test_pixels_share_one_scale_whatever_their_dtype(dtype):
    x = _pixels()
    standardizer = _of(as_samples(x.astype(dtype)))
    shared = np.sqrt(x[:, :3].var(axis=0).mean())
    np.testing.assert_allclose(standardizer.scale, shared * np.array([1, 1, 1, 0.2, 1]))
    np.testing.assert_allclose(standardizer.mean, x.mean(axis=0))


def test_flags_beside_counts_have_scales_of_their_own():
    rng = np.random.default_rng(0)
    flags, counts = rng.integers(0, 2, (900, 5)), rng.integers(0, 256, (900, 10))
    x = np.hstack([flags, counts]).astype(np.uint8)
    np.testing.assert_allclose(_of(x).scale[:5], flags.std(axis=0))


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).integers(0, 2, (300, 6)) * (np.arange(6) < 5),  # flags alone
        np.random.default_rng(0).beta(1, 30, (300, 6)).round(2) / 0.3,  # fractions
        np.random.default_rng(0).poisson([1, 5, 20, 100], (300, 4)),
    ],
)
def test_other_features_have_scales_of_their_own(x):
    deviation = x.std(axis=0)
    np.testing.assert_allclose(_of(x).scale, np.where(deviation == 0, 1, deviation))


@pytest.mark.parametrize("x", [np.full((3, 2), 1.0), np.array([[5e-324, 1], [0, 2]])])
def test_a_scale_has_an_inverse(x):
    assert np.isfinite(1 / _of(x).scale).all()


@given(
    st.integers(-(2**63), 2**63 - 1001) | st.integers(2**63, 2**64 - 1001),
    hnp.arrays(np.int64, (20, 2), elements=st.integers(0, 1000)),
    st.integers(1, 19),
)
def test_large_whole_numbers_are_standardized_as_if_they_were_small(offset, x, cut):
    large = (x.astype(object) + offset).astype(np.uint64 if offset >= 2**63 else np.int64)
    found = Moments.of(large[:cut]).combined(Moments.of(large[cut:]))
    own = Standardizer.from_moments(found.mean, found.deviation, rest=found.rest)
    z = (own.shifted(large) - own.scaling.mean) / own.scaling.scale
    deviation = x.std(axis=0)
    expected = (x - x.mean(axis=0)) / np.where(deviation == 0, 1, deviation)
    np.testing.assert_allclose(z, expected, atol=2e-3)


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


@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", "f8"])
def test_what_is_applied_is_what_the_first_layer_gets(dtype):
    X = np.random.default_rng(0).integers(0, 200, (70, 3)).astype(dtype)
    if dtype == "i8":
        X += 1_700_000_000_000_000_000  # nanoseconds since 1970
    moments = Moments.of(X)
    own = Standardizer.from_moments(moments.mean, moments.deviation, rest=moments.rest)
    network = Network([Dense(3, use_bias=False)], input_shape=3, loss="squared_error")
    same = np.zeros(network.parameters.size, np.float32)
    network.parameters.view(same, "output/W")[...] = np.eye(3)
    model = Model(network, same, own, Targets.of_values(np.zeros(3), np.ones(3)))
    np.testing.assert_array_equal(own.applied(X), model.predict(X))
