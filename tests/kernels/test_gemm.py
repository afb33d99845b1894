from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_horn.program import RULES, Optimizer
from tests.kernels.runner import SIMULATED, at_most, run_kernel, under_test

# One entry; less and more than a tile; packed and not; sums and columns of several groups.
SHAPES = [
    (1, 1, 1),
    (3, 5, 7),
    (16, 33, 2),
    (7, 129, 65),
    (64, 300, 100),
    (130, 150, 1100),
    (33, 1100, 40),
]


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def _check(batch, n_in, n_out, seed=0):
    x, weight = _random(batch, n_in, seed=seed), _random(n_in, n_out, seed=seed + 1)
    gradient = _random(batch, n_out, seed=seed + 2)
    sizes = {"batch": batch, "n_in": n_in, "n_out": n_out}
    for kernel, n_terms, shape, a, b, left, right in (
        ("gemm_forward", n_in, (batch, n_out), x, weight, x, weight),
        ("gemm_weight", batch, (n_in, n_out), x, gradient, x.T, gradient),
        ("gemm_input", n_out, (batch, n_in), gradient, weight, gradient, weight.T),
    ):
        old = np.full(shape, 5, np.float32)  # what the result overwrites
        ran = run_kernel(kernel, a, b, old, **sizes)
        error = np.abs(ran.buffers[2] - left.astype(float) @ right)
        # Higham (2002), "Accuracy and stability of numerical algorithms", equation 3.13.
        bound = n_terms * 2.0**-24 * (np.abs(left).astype(float) @ np.abs(right))
        assert (error <= 1.001 * bound).all()
        np.testing.assert_array_equal(ran.buffers[0], a)
        np.testing.assert_array_equal(ran.buffers[1], b)


@pytest.mark.parametrize(("batch", "n_in", "n_out"), SHAPES)
def test_products(batch, n_in, n_out):
    _check(batch, n_in, n_out)


@given(
    st.integers(1, at_most(70, 20)),
    st.integers(1, at_most(150, 20)),
    st.integers(1, at_most(150, 20)),
    st.integers(0, 99),
)
@settings(max_examples=at_most(60, 8))
def test_products_of_any_shape(batch, n_in, n_out, seed):
    _check(batch, n_in, n_out, seed)


def test_a_row_is_the_same_whatever_rows_are_beside_it():
    x, weight = _random(37, 500), _random(500, 90, seed=1)

    def product(rows):
        sizes = {"batch": len(rows), "n_in": 500, "n_out": 90}
        out = np.zeros((len(rows), 90), np.float32)
        return run_kernel("gemm_forward", rows, weight, out, **sizes).buffers[2]

    whole = product(x)
    for start, stop in ((0, 1), (5, 17), (36, 37)):
        np.testing.assert_array_equal(product(x[start:stop]), whole[start:stop])


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("batch", "n_in", "n_out"), [(3, 5, 7), (33, 150, 70), (20, 40, 1100)])
def test_a_weight_that_is_updated_at_once(batch, n_in, n_out, name):
    """As by its gradient first and the optimizer then, to the bit; a GPU may round once less."""
    x, gradient = _random(batch, n_in), _random(batch, n_out, seed=1)
    weight = _random(n_in, n_out, seed=2)
    states = [np.abs(_random(n_in, n_out, seed=3 + i)) for i in range(RULES[name].n_states)]
    rule = RULES[name].constants(Optimizer(name, nesterov=True), 0.01)
    sizes = {"batch": batch, "n_in": n_in, "n_out": n_out}
    options = {"rule": rule, "n_states": len(states), "rate": 0.1, "step": 2, "clip": 0.7}
    fused = run_kernel(f"gemm_weight_{name}", x, gradient, weight, *states, **sizes, **options)
    whole = run_kernel("gemm_weight", x, gradient, np.zeros_like(weight), **sizes).buffers[2]
    apart = run_kernel(name, weight, whole, *states, n_out=weight.size, **options)
    contracts = under_test().name == "cuda" and not SIMULATED  # products and sums, as it likes
    tolerances = {"rtol": 1e-5, "atol": 1e-6} if contracts else {"rtol": 0, "atol": 0}
    pairs = zip(fused.buffers[2:], (apart.buffers[0], *apart.buffers[2:]), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, **tolerances)
