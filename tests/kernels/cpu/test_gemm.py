from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.runner import run_kernel

SHAPES = [(1, 1, 1), (3, 5, 7), (16, 33, 2), (7, 129, 65)]


@pytest.mark.parametrize(("batch", "n_in", "n_out"), SHAPES)
def test_products(batch, n_in, n_out):
    rng = np.random.default_rng(0)

    def random(*shape):
        return rng.normal(size=shape).astype("f4")

    x, weight, gradient = random(batch, n_in), random(n_in, n_out), random(batch, n_out)
    old = np.full(2000 * 20, 5, np.float32)  # what the result overwrites
    sizes = {"batch": batch, "n_in": n_in, "n_out": n_out}
    for kernel, a, b, expected in (
        ("gemm_forward", x, weight, x.astype(float) @ weight),
        ("gemm_weight", x, gradient, x.T.astype(float) @ gradient),
        ("gemm_input", gradient, weight, gradient.astype(float) @ weight.T),
    ):
        result = old[: expected.size].reshape(expected.shape)
        ran = run_kernel(kernel, a, b, result, **sizes)
        np.testing.assert_allclose(ran.buffers[2], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(ran.buffers[0], a)
        np.testing.assert_array_equal(ran.buffers[1], b)
