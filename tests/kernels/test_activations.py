from __future__ import annotations

import numpy as np
import pytest

from dask_horn.kernels.scalars import ACTIVATIONS, NEEDS_INPUT
from dask_horn.network import ACTIVATIONS as NAMES
from tests import oracle
from tests.kernels.runner import run_kernel

SCALE = 1.75
SHAPES = [(1, 1), (3, 7), (5, 33), (2, 257), (17, 16)]


def _forward(name, z, bias, scale=SCALE):
    """What the kernel leaves as its output, and as what the slope is told by."""
    zeros = np.zeros_like(z)
    operands = (0, 1, 2) if name in NEEDS_INPUT else (0, 1, 0)
    ran = run_kernel(
        f"{name}_forward",
        *(z, bias, zeros),
        batch=z.shape[0],
        n_out=z.shape[1],
        operands=operands,
        constants=[scale],
    )
    return ran.buffers[operands[2]], ran.buffers[0]


def _backward(name, gradient, saved, scale=SCALE):
    ran = run_kernel(
        f"{name}_backward",
        *(gradient, saved, np.full(gradient.shape[1], 9, np.float32)),
        batch=gradient.shape[0],
        n_out=gradient.shape[1],
        constants=[scale],
    )
    return ran.buffers[0], ran.buffers[2]


def test_every_activation_of_the_network_has_its_kernels():
    assert set(ACTIVATIONS) == set(NAMES)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_forward_and_backward(name, shape):
    rng = np.random.default_rng(7)
    z, bias = rng.normal(size=shape).astype("f4"), rng.normal(size=shape[1]).astype("f4")
    gradient = rng.normal(size=shape).astype("f4")
    sums = SCALE * z.astype(float) + bias

    out, saved = _forward(name, z, bias)
    np.testing.assert_allclose(out, oracle.activation(name, sums), rtol=2e-6, atol=1e-6)

    back, bias_gradient = _backward(name, gradient, saved)
    at_sums = gradient * oracle.activation_slope(name, sums)
    np.testing.assert_allclose(back, SCALE * at_sums, rtol=5e-6, atol=3e-6)
    np.testing.assert_allclose(bias_gradient, at_sums.sum(axis=0), rtol=5e-6, atol=1e-5)


# Bounds of |error| / max(|value|, floor), in units of float32's rounding, 6e-8.
ACCURACY = {
    "relu": (1, 1e-30),
    "leaky_relu": (2, 1e-30),
    "linear": (1, 1e-30),
    "tanh": (6, 1e-30),
    "sigmoid": (6, 1e-30),
    "gelu": (6, 1.0),
}


@pytest.mark.parametrize("name", NAMES)
def test_values_are_right_to_the_last_digits(name):
    near = np.linspace(-20, 20, 40_001)
    tiny = np.geomspace(1e-30, 1e-3, 1000)
    z = np.concatenate([near, tiny, -tiny, [-79, 79]]).astype("f4")[None]
    found, _ = _forward(name, z, np.zeros(z.size, np.float32), scale=1)
    expected = oracle.activation(name, z.astype(float))
    units, floor = ACCURACY[name]
    error = np.abs(found - expected) / np.maximum(np.abs(expected), floor)
    assert error.max() <= units * 2.0**-24


@pytest.mark.parametrize("name", NAMES)
def test_far_values_saturate(name):
    z = np.array([[-1e9, -1000, -100, 100, 1000, 1e9]], np.float32)
    expected = oracle.activation(name, z.astype(float))
    found, saved = _forward(name, z, np.zeros(6, np.float32), scale=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-24)
    slope, _ = _backward(name, np.ones_like(z), saved, scale=1)
    np.testing.assert_allclose(
        slope, oracle.activation_slope(name, z.astype(float)), rtol=1e-6, atol=1e-24
    )


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_not_swallowed(name):
    z = np.array([[1, np.nan, 2]], np.float32)
    out, _ = _forward(name, z, np.zeros(3, np.float32))
    assert np.isnan(out).tolist() == [[False, True, False]]
    back, bias = _backward(name, z, np.zeros_like(z))
    assert np.isnan(back).tolist() == [[False, True, False]]
    assert np.isnan(bias).tolist() == [False, True, False]
