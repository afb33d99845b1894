from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.runner import run_kernel

SHAPES = [(1, 1, 1, 1), (3, 5, 4, 7), (8, 9, 100, 33)]


def _problem(batch, steps, n_tokens, units):
    rng = np.random.default_rng(0)
    tokens = rng.integers(n_tokens, size=(batch, steps)).astype("f4")
    return tokens, {"batch": batch, "rows": steps, "n_in": n_tokens, "n_out": units}


@pytest.mark.parametrize(("batch", "steps", "n_tokens", "units"), SHAPES)
def test_vectors_are_looked_up(batch, steps, n_tokens, units):
    tokens, sizes = _problem(batch, steps, n_tokens, units)
    vectors = np.random.default_rng(1).normal(size=(n_tokens, units)).astype("f4")
    out = np.zeros((batch * steps, units), np.float32)
    found = run_kernel("embedding_forward", tokens, vectors, out, **sizes).buffers[2]
    np.testing.assert_array_equal(found, vectors[tokens.ravel().astype(int)])


@pytest.mark.parametrize(("batch", "steps", "n_tokens", "units"), SHAPES)
def test_a_vectors_gradient_is_the_sum_over_its_token(batch, steps, n_tokens, units):
    tokens, sizes = _problem(batch, steps, n_tokens, units)
    gradient = np.random.default_rng(1).normal(size=(batch * steps, units)).astype("f4")
    out = np.full((n_tokens, units), 9, np.float32)
    found = run_kernel("embedding_backward", tokens, gradient, out, **sizes).buffers[2]
    expected = np.zeros((n_tokens, units))
    np.add.at(expected, tokens.ravel().astype(int), gradient)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
