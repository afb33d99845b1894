from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.training.plan.spec import Schedule


@given(
    st.sampled_from(["cosine", "constant"]),
    st.integers(1, 40),
    st.integers(0, 39),
    st.integers(1, 500),
    st.integers(0, 600),
)
def test_rates_rise_to_the_peak_and_never_above(name, n_rounds, round, n_steps, warmup):
    rates = Schedule(name, 0.5, n_rounds, warmup).rates(round % n_rounds, n_steps)
    assert rates.shape == (n_steps,)
    assert rates.dtype == np.float64
    assert (rates > 0).all()
    assert (rates <= 0.5).all()


def test_the_constant_rate_is_constant_after_its_warm_up():
    rates = Schedule("constant", 0.2, 7, 4).rates(3, 50)
    np.testing.assert_allclose(rates[:4], 0.2 * np.array([0.2, 0.4, 0.6, 0.8]))
    np.testing.assert_allclose(rates[4:], 0.2)


def test_the_cosine_runs_on_from_round_to_round():
    schedule = Schedule("cosine", 0.2, 4, 0)
    rates = np.concatenate([schedule.rates(round, 25) for round in range(4)])
    assert (np.diff(rates) < 0).all()
    assert rates[0] == 0.2
    assert rates[50] == pytest.approx(0.1)
    assert rates[99] == pytest.approx(0.2 * (1 + math.cos(math.pi * 0.99)) / 2)


def test_a_warm_up_takes_a_fifth_of_a_round_at_most():
    rates = Schedule("constant", 1, 1, 100).rates(0, 10)
    np.testing.assert_allclose(rates, [1 / 3, 2 / 3, *[1] * 8])
