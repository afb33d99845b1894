"""Convolution, pools and Flatten: a loop over the places of a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from dask_horn.network import (
    AveragePool2D,
    Conv2D,
    Flatten,
    GlobalAveragePool2D,
    MaxPool2D,
    PlacedLayer,
)
from tests.oracle.activations import activation, activation_slope
from tests.oracle.passes import Array, Arrays, Backward, Options, passes, tensor_of

#: A place, what of the image lies in its window, and the part of the window that it is.
Place = tuple[tuple[int, int], tuple[slice, slice], tuple[slice, slice]]


def _places(shape: tuple[int, ...], size, stride, padding: str) -> Iterator[Place]:
    """Every place of a window over an image (height, width, channels), as TensorFlow defines it."""
    sides = []
    for length, window, step in zip(shape, _pair(size), _pair(stride), strict=False):
        if padding == "valid":
            starts = range(0, length - window + 1, step)
        else:
            count = int(np.ceil(length / step))
            total = max((count - 1) * step + window - length, 0)
            starts = [i * step - total // 2 for i in range(count)]
        sides.append([_cut(start, window, length) for start in starts])
    for i, (rows, u) in enumerate(sides[0]):
        for j, (columns, v) in enumerate(sides[1]):
            yield (i, j), (rows, columns), (u, v)


def _cut(start: int, window: int, length: int) -> tuple[slice, slice]:
    first, stop = max(start, 0), min(start + window, length)
    return slice(first, stop), slice(first - start, stop - start)


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


@passes(Conv2D)
def conv2d_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """``f(c (x * W) + b)`` of images (batch, height, width, channels)."""
    layer, name = placed.layer, placed.layer.name
    weight = tensor_of(params, f"{name}/W")
    scale = options.scale(f"{name}/W")
    places = list(_places(x.shape[1:], layer.kernel_size, layer.stride, layer.padding))
    z = np.zeros((len(x), *placed.outputs.shape[:2], weight.shape[3]))
    for (i, j), (rows, columns), window in places:
        z[:, i, j] = scale * np.tensordot(x[:, rows, columns], weight[window], axes=3)
    if layer.use_bias:
        z = z + tensor_of(params, f"{name}/b")

    def backward(g: Array) -> tuple[Array, Arrays]:
        g = g * activation_slope(layer.activation, z)
        to_input, to_weight = np.zeros_like(x), np.zeros_like(weight)
        for (i, j), (rows, columns), window in places:
            to_input[:, rows, columns] += scale * np.tensordot(g[:, i, j], weight[window], (1, 3))
            to_weight[window] += scale * np.tensordot(x[:, rows, columns], g[:, i, j], (0, 0))
        found = {f"{name}/W": to_weight}
        if layer.use_bias:
            found[f"{name}/b"] = g.sum(axis=(0, 1, 2))
        return to_input, found

    return activation(layer.activation, z), backward


@passes(MaxPool2D)
def max_pool_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """The largest value of each window; the gradient goes to the first of them."""
    n, channels = len(x), x.shape[3]
    out = np.zeros((n, *placed.outputs.shape[:2], channels))
    found = []
    for (i, j), (rows, columns), _ in _pool_places(placed, x):
        window = x[:, rows, columns]
        first = window.reshape(n, -1, channels).argmax(axis=1)  # the first of equal ones
        out[:, i, j] = window.reshape(n, -1, channels).max(axis=1)
        found.append((i, j, rows, columns, window.shape, first))

    def backward(g: Array) -> tuple[Array, Arrays]:
        to_input = np.zeros_like(x)
        for i, j, rows, columns, shape, first in found:
            chosen = np.zeros((n, shape[1] * shape[2], channels))
            np.put_along_axis(chosen, first[:, None], g[:, i, j][:, None], axis=1)
            to_input[:, rows, columns] += chosen.reshape(shape)
        return to_input, {}

    return out, backward


@passes(AveragePool2D, GlobalAveragePool2D)
def average_pool_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """The mean of each window, of what lies within the image."""
    places = list(_pool_places(placed, x))
    shape = placed.outputs.shape[:2] if len(placed.outputs.shape) == 3 else (1, 1)
    out = np.zeros((len(x), *shape, x.shape[3]))
    for (i, j), (rows, columns), _ in places:
        out[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))

    def backward(g: Array) -> tuple[Array, Arrays]:
        to_input, g = np.zeros_like(x), g.reshape(out.shape)
        for (i, j), (rows, columns), _ in places:
            window = to_input[:, rows, columns]
            window += g[:, None, None, i, j] / (window.shape[1] * window.shape[2])
        return to_input, {}

    return out if len(placed.outputs.shape) == 3 else out.reshape(len(x), -1), backward


def _pool_places(placed: PlacedLayer, x: Array) -> Iterator[Place]:
    layer = placed.layer
    if isinstance(layer, GlobalAveragePool2D):
        return _places(x.shape[1:], x.shape[1:3], 1, "valid")
    stride = layer.size if layer.stride is None else layer.stride
    return _places(x.shape[1:], layer.size, stride, layer.padding)


@passes(Flatten)
def flatten_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """All values of a sample in one row."""
    return x.reshape(len(x), -1), lambda g: (g.reshape(x.shape), {})
