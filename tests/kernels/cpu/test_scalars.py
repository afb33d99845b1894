"""The scalar bodies as plain Python, as a simulated device runs them."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.kernels.scalars import ACTIVATIONS, NEEDS_INPUT, exp_negative
from tests import oracle

POINTS = np.float32([-30, -4.5, -1, -0.3, -1e-4, 0, 1e-4, 0.7, 2.2, 6, 50])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    function, slope = ACTIVATIONS[name]
    for z in POINTS:
        exact = np.array(float(z))
        found = function(z)
        np.testing.assert_allclose(found, oracle.activation(name, exact), rtol=1e-6, atol=1e-6)
        told = slope(z if name in NEEDS_INPUT else found)
        np.testing.assert_allclose(told, oracle.activation_slope(name, exact), rtol=1e-6, atol=1e-6)
    assert np.isnan(function(np.float32(np.nan)))


def test_exponential():
    for x in np.linspace(-79, 0, 200).astype("f4"):
        assert exp_negative(x) == pytest.approx(np.exp(float(x)), rel=2e-7)
    assert exp_negative(np.float32(0)) == 1
    assert 0 < exp_negative(np.float32(-np.inf)) < 1e-34
