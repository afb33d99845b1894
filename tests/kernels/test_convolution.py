"""The kernels of convolutions and pools, between guards, against the oracle's passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dask_horn.network import ACTIVATIONS, AveragePool2D, Conv2D, MaxPool2D, PlacedLayer, Signal
from dask_horn.program.images import window_sizes
from tests.kernels.runner import run_kernel
from tests.oracle.convolution import average_pool_pass, conv2d_pass, max_pool_pass
from tests.oracle.passes import Options

SCALE = 0.75

# Image and channels, filters, window, stride: one place; less and more than a tile; windows side by
# side, apart, not square; sums of several groups; more places than are added at a time.
CONVOLUTIONS = [
    ((1, 1, 1), Conv2D(1, 1)),
    ((5, 4, 3), Conv2D(7, (5, 4))),
    ((9, 8, 3), Conv2D(5, (3, 2), stride=(2, 3))),
    ((9, 7, 20), Conv2D(17, (4, 5), stride=(1, 2))),
    ((11, 9, 2), Conv2D(33, (2, 3), stride=(3, 1))),
    ((4, 5, 9), Conv2D(6, (1, 3), stride=4)),
    ((6, 13, 40), Conv2D(18, (3, 7))),
    ((19, 16, 1), Conv2D(10, 5)),
    ((7, 6, 5), Conv2D(4, 3, padding="same")),
    ((7, 6, 5), Conv2D(9, (4, 2), padding="same", stride=(3, 2))),
    ((3, 2, 4), Conv2D(3, (5, 6), padding="same")),
    ((8, 9, 3), Conv2D(3, 1, padding="same", stride=3)),
]


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def _placed(layer, shape):
    inputs = Signal(shape, "input")
    layer = layer.renamed("layer")
    return PlacedLayer(layer, inputs, layer.outputs(inputs))


def _run_convolution(placed, x, weight, bias, gradient):
    """What comes out, and the gradients of weight, bias and images."""
    layer, (height, width) = placed.layer, placed.layer.windows(placed.inputs)
    n_in, n_out = weight.shape[2:]
    common = {"batch": len(x), "n_in": n_in, "n_out": n_out, "constants": [SCALE]}
    common["sizes"] = window_sizes(height, width)
    empty = np.full((len(x), *placed.outputs.shape), 5, np.float32)  # what is overwritten
    buffers = run_kernel(
        f"conv2d_{layer.activation}_forward", x, weight, bias, empty, empty, **common
    ).buffers
    np.testing.assert_array_equal(buffers[0], x)
    total, out = (buffers[3], buffers[4]) if layer.activation == "gelu" else (buffers[3],) * 2
    back = run_kernel(
        f"conv2d_{layer.activation}_weight",
        *(x, gradient, total, np.full_like(weight, 5), np.full_like(bias, 5)),
        **common,
    ).buffers
    below = run_kernel("conv2d_input", back[1], weight, np.full_like(x, 5), **common)
    return out, back[3], back[4], below.buffers[2]


def _check_convolution(layer, shape, batch=3, seed=0):
    placed = _placed(layer, shape)
    weight, bias = (_random(*spec.shape, seed=seed + 1) for spec in placed.tensors)
    x, gradient = _random(batch, *shape, seed=seed), _random(batch, *placed.outputs.shape, seed=9)
    params = {"layer/W": weight, "layer/b": bias}
    out, way_back = conv2d_pass(placed, params, x.astype(float), Options({"layer/W": SCALE}))
    below, found = way_back(gradient.astype(float))
    expected = (out, found["layer/W"], found["layer/b"], below)
    for own, right in zip(
        _run_convolution(placed, x, weight, bias, gradient), expected, strict=True
    ):
        np.testing.assert_allclose(own, right, rtol=0, atol=3e-6 * max(1, np.abs(right).max()))


@pytest.mark.parametrize(("shape", "layer"), CONVOLUTIONS, ids=repr)
def test_convolutions(shape, layer):
    _check_convolution(layer, shape)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation):
    _check_convolution(Conv2D(9, (3, 2), padding="same", activation=activation), (7, 6, 2))


@st.composite
def _any_convolution(draw):
    shape = tuple(draw(st.integers(1, 12)) for _ in range(3))
    window = tuple(draw(st.integers(1, 5)) for _ in range(2))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(2))
    fits = all(size <= length for size, length in zip(window, shape, strict=False))
    padding = draw(st.sampled_from(["valid", "same"])) if fits else "same"
    return shape, Conv2D(draw(st.integers(1, 40)), window, stride=stride, padding=padding)


@given(_any_convolution(), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=60)
def test_any_convolution(drawn, batch, seed):
    shape, layer = drawn
    _check_convolution(layer, shape, batch, seed)


def test_an_image_is_the_same_whatever_images_are_beside_it():
    placed = _placed(Conv2D(21, 3, padding="same", activation="relu"), (9, 7, 5))
    weight, bias = (_random(*spec.shape, seed=1) for spec in placed.tensors)
    x, gradient = _random(7, 9, 7, 5), _random(7, *placed.outputs.shape, seed=2)
    out, _, _, below = _run_convolution(placed, x, weight, bias, gradient)
    for rows in (slice(0, 1), slice(2, 5), slice(6, 7)):
        alone = _run_convolution(placed, x[rows], weight, bias, gradient[rows])
        np.testing.assert_array_equal(alone[0], out[rows])
        np.testing.assert_array_equal(alone[3], below[rows])


# ------------------------------------------------------------------------------------------ pools

POOLS = [
    ((1, 1, 1), {"size": 1}),
    ((8, 6, 3), {"size": 2}),
    ((9, 7, 5), {"size": 2}),
    ((9, 7, 5), {"size": (3, 2), "stride": (1, 2)}),
    ((9, 7, 19), {"size": 3, "stride": 2, "padding": "same"}),
    ((5, 4, 2), {"size": 2, "stride": 3}),
    ((3, 2, 4), {"size": (5, 6), "stride": 1, "padding": "same"}),
]


def _run_pool(kind, placed, x, gradient):
    """What comes out, and the gradient of the images."""
    n = x.shape[3]
    common = {"batch": len(x), "n_in": n, "n_out": n}
    common["sizes"] = window_sizes(*placed.layer.windows(placed.inputs))
    empty = np.full(gradient.shape, 5, np.float32)
    chosen = [empty] if kind == "max" else []
    _, out, *chosen = run_kernel(f"{kind}_pool2d_forward", x, empty, *chosen, **common).buffers
    below = np.full_like(x, 5)
    ran = run_kernel(f"{kind}_pool2d_backward", below, gradient, *chosen, **common)
    return out, ran.buffers[0]


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(("shape", "arguments"), POOLS)
def test_pools(shape, arguments, kind):
    layer, layer_pass = {
        "max": (MaxPool2D, max_pool_pass),
        "average": (AveragePool2D, average_pool_pass),
    }[kind]
    placed = _placed(layer(**arguments), shape)
    x = np.maximum(_random(3, *shape), 0)  # many zeros are equal
    gradient = _random(3, *placed.outputs.shape, seed=1)
    out, way_back = layer_pass(placed, {}, x.astype(float), Options())
    found, below = _run_pool(kind, placed, x, gradient)
    np.testing.assert_allclose(found, out, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(below, way_back(gradient.astype(float))[0], rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("place", [0, 1, 3])
def test_what_is_not_a_number_is_not_lost_in_a_pool(place):
    placed = _placed(MaxPool2D(), (2, 2, 1))
    x = np.zeros((1, 2, 2, 1), np.float32)
    x.reshape(-1)[place] = np.nan
    out, below = _run_pool("max", placed, x, np.ones((1, 1, 1, 1), np.float32))
    assert np.isnan(out).all()
    assert below.ravel().argmax() == place
