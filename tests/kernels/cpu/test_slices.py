"""The outer step; taking and putting slices is tested with the partitions that describe them."""

from __future__ import annotations

import numpy as np
import pytest

from dask_horn.kernels.slices import outer_step

SIZE = 1001


def _as_from_another_process(array):
    """Equal values, read-only, and one byte off any alignment."""
    memory = bytearray(array.nbytes + 1)
    memory[1:] = array.tobytes()
    received = np.frombuffer(bytes(memory), array.dtype, offset=1)
    assert not received.flags.aligned
    assert not received.flags.writeable
    return received


@pytest.mark.parametrize(("rate", "mu"), [(0.7, 0.7), (1.0, 0.0), (0.5, 0.9)])
def test_outer_step(rate, mu):
    rng = np.random.default_rng(0)
    parameters, momentum, total = rng.normal(size=(3, SIZE)).astype("f4")
    count = rng.integers(0, 4, SIZE).astype("f4")
    held = count > 0
    delta = total.astype(float) / np.where(held, count, 1)
    m = np.where(held, mu * momentum.astype(float) + delta, momentum)
    expected = np.where(held, parameters + rate * (mu * m + delta), parameters)

    found = parameters.copy(), momentum.copy()
    outer_step(
        *found,
        _as_from_another_process(total),
        _as_from_another_process(count),
        np.float32(rate),
        np.float32(mu),
    )
    np.testing.assert_allclose(found[0], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[1], m, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found[0][~held], parameters[~held])
    np.testing.assert_array_equal(found[1][~held], momentum[~held])
