"""Targets of padding are given what does no harm."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.data.values.padding import filled
from tests.data.sequences import padded

RNG = np.random.default_rng(0)


@given(padded(), st.sampled_from([(), (2,)]))
def test_targets_of_padding_become_those_of_a_step_that_counts(drawn, outputs):
    _, counted = drawn
    y = RNG.normal(size=(*counted.shape, *outputs))
    y[~counted] = np.nan
    got = filled(y, counted)
    np.testing.assert_array_equal(got[counted], y[counted])
    assert np.isfinite(got).all()
