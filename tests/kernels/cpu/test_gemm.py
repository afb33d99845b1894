"""In which order the CPU adds up: other devices are free to choose another."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.runner import run_kernel


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def _fused_sum(a, b):
    """Σ a b in float32 with one rounding per term, in order: float64 holds each product exactly."""
    total = np.zeros(a.shape[:-1], np.float32)
    for k in range(a.shape[-1]):
        total = (total.astype(np.longdouble) + a[..., k].astype(float) * b[..., k]).astype("f4")
    return total


@pytest.mark.parametrize(("batch", "n_in", "n_out"), [(7, 200, 40), (20, 90, 300)])
def test_every_entry_is_one_sum_in_order(batch, n_in, n_out):
    x, weight = _random(batch, n_in), _random(n_in, n_out, seed=1)
    sizes = {"batch": batch, "n_in": n_in, "n_out": n_out}
    out = np.zeros((batch, n_out), np.float32)
    ran = run_kernel("gemm_forward", x, weight, out, **sizes)
    expected = _fused_sum(x[:, None, :], weight.T[None, :, :])
    # All but those few whose exact sum lies so near the middle that longdouble rounds it twice.
    assert np.mean(ran.buffers[2] == expected) > 0.999
