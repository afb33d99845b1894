"""Convolution and pools: arguments, shapes, tensors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dask_horn.network import (
    AveragePool2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    MaxPool2D,
    Network,
    Signal,
)
from dask_horn.network.layers.images import Windows

IMAGE = Signal((9, 7, 4), "conv2d_1")


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 8))
def test_valid_windows_lie_within_and_no_further_one_would(length, size, stride):
    windows = Windows.of(length, size, stride, "valid")
    assert windows.before == 0
    if windows.count:
        assert (windows.count - 1) * stride + size <= length
    assert windows.count * stride + size > length


@given(st.integers(1, 30), st.integers(1, 8), st.integers(1, 8))
def test_same_windows_are_one_for_each_stride_and_stick_out_evenly(length, size, stride):
    windows = Windows.of(length, size, stride, "same")
    assert windows.count == -(-length // stride)
    after = (windows.count - 1) * stride + size - length - windows.before
    if windows.before or after > 0:
        assert after - windows.before in (0, 1)


def test_numpy_values_and_pairs_make_the_same_layer():
    layer = Conv2D(np.int64(3), (5, 5), stride=[np.int32(2), 1], padding=np.str_("same"))
    assert layer == Conv2D(3, 5, stride=(2, 1), padding="same")
    assert type(layer.filters) is type(layer.kernel_size) is int
    assert MaxPool2D((2, 2)) == MaxPool2D(2)
    assert repr(Conv2D(3, (5, 2), stride=2)) == "Conv2D(3, (5, 2), stride=2)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Conv2D(0, 3), ValueError, "^filters must be an integer of at least 1, got 0"),
        (lambda: Conv2D(8, 0), ValueError, "^kernel_size must be an integer of at least 1, got 0"),
        (lambda: Conv2D(8, (3, 0)), ValueError, r"^kernel_size\[1\] must be an integer of at"),
        (lambda: Conv2D(8, (3, 3, 3)), ValueError, r"^kernel_size .* or \(height, width\), got \("),
        (lambda: Conv2D(8, "3"), TypeError, "^kernel_size must be an integer of at least 1, got"),
        (lambda: Conv2D(8, 3, stride=1.5), TypeError, "^stride must be an integer of at least 1"),
        (lambda: Conv2D(8, 3, padding="full"), ValueError, "one of 'valid', 'same', got 'full'"),
        (lambda: Conv2D(8, 3, padding=1), TypeError, r"one of 'valid', 'same', got 1$"),
        (lambda: Conv2D(8, 3, activation="swish"), ValueError, "^activation must be one of"),
        (lambda: Conv2D(8, 3, use_bias=1), TypeError, "^use_bias must be True or False, got 1"),
        (lambda: MaxPool2D(0), ValueError, "^size must be an integer of at least 1, got 0"),
        (lambda: AveragePool2D(2, stride=0), ValueError, "^stride must be an integer of at least"),
        (lambda: MaxPool2D(2, padding="no"), ValueError, "^padding must be one of 'valid', 'same'"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "axis"),
    [
        (Conv2D(6, 3, name="c"), (7, 5, 6), "c"),
        (Conv2D(6, (4, 1), stride=(2, 3), name="c"), (3, 3, 6), "c"),
        (Conv2D(6, 3, stride=2, padding="same", name="c"), (5, 4, 6), "c"),
        (MaxPool2D(), (4, 3, 4), "conv2d_1"),
        (AveragePool2D(3, stride=2, padding="same"), (5, 4, 4), "conv2d_1"),
        (GlobalAveragePool2D(), (4,), "conv2d_1"),
    ],
)
def test_shapes_and_axes(layer, shape, axis):
    assert layer.outputs(IMAGE) == Signal(shape, axis)


def test_flatten_keeps_the_units_of_each_position():
    flat = Flatten().outputs(IMAGE)
    assert flat == Signal((252,), "conv2d_1", grid=(9, 7))
    assert flat.units == 4
    assert Flatten().outputs(flat) == flat
    assert Flatten().outputs(Signal((5,), "dense_1")) == Signal((5,), "dense_1")


def test_tensors_of_a_convolution():
    weight, bias = Conv2D(6, (3, 2), stride=2, activation="relu", name="c").tensors(IMAGE)
    assert (weight.shape, weight.axes) == ((3, 2, 4, 6), (None, None, "conv2d_1", "c"))
    assert (weight.fan_in, weight.fan_out, weight.uses) == (24, 36, 4 * 3)
    assert (weight.source, weight.decays) == ("conv2d_1", True)
    assert (bias.shape, bias.axes, bias.source, bias.decays) == ((6,), ("c",), None, False)
    assert len(Conv2D(6, 3, use_bias=False, name="c").tensors(IMAGE)) == 1


@pytest.mark.parametrize("layer", [Conv2D(8, 3), MaxPool2D(), GlobalAveragePool2D()])
def test_images_without_channels_are_told_the_remedy(layer):
    name = type(layer).__name__
    with pytest.raises(
        ValueError, match=rf"^{name} takes images .* got the shape \(28, 28\); .* \(28, 28, 1\)"
    ):
        Network([layer, Flatten(), Dense(10)], (28, 28))
    with pytest.raises(ValueError, match=rf"^{name} takes .* got the shape \(784,\); use an input"):
        Network([layer, Flatten(), Dense(10)], 784)


@pytest.mark.parametrize("layer", [Conv2D(8, (3, 8)), MaxPool2D((3, 8))])
def test_windows_larger_than_the_image_are_told(layer):
    with pytest.raises(ValueError, match=r"windows of 3 x 8, larger .* \(9, 7, 4\); .*'same'"):
        Network([layer, Flatten(), Dense(3)], (9, 7, 4))


def test_a_dense_right_after_a_convolution_is_told_of_flatten():
    with pytest.raises(ValueError, match="put a Flatten before it"):
        Network([Conv2D(8, 3), Dense(10)], (28, 28, 1))


def test_a_whole_network():
    network = Network(
        [
            Conv2D(8, 5, activation="relu"),
            MaxPool2D(),
            Conv2D(6, 3, activation="relu", name="second"),
            Flatten(),
            Dense(7, activation="relu"),
            Dense(10),
        ],
        (28, 28, 1),
    )
    axes = {"input": 1, "conv2d_1": 8, "second": 6, "dense_1": 7, "output": 10}
    assert network.unit_axes == axes
    assert network.divided_axes == ("conv2d_1", "second", "dense_1")
    assert network.shapes == ((24, 24, 8), (12, 12, 8), (10, 10, 6), (600,), (7,), (10,))
    assert network.parameters["dense_1/W"].shape == (10, 10, 6, 7)
    assert network.parameters["dense_1/W"].axes == (None, None, "second", "dense_1")
    assert network.n_inputs == 784
