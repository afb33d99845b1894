"""Dense and Dropout."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from dask_horn.network import Dense, Dropout, PlacedLayer
from tests.oracle.activations import activation, activation_slope
from tests.oracle.dropconnect import dropconnect_pass
from tests.oracle.passes import Array, Arrays, Backward, Options, passes, tensor_of


@passes(Dense)
def dense_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """``f(c (x W) + b)`` of samples (batch, in), or of each step of (batch, steps, in).

    With DropConnect where there is a mask.
    """
    layer, name = placed.layer, placed.layer.name
    if name in options.masks:
        return dropconnect_pass(placed, params, x, options)
    weight = tensor_of(params, f"{name}/W")
    matrix = weight.reshape(-1, weight.shape[-1])  # after a Flatten: (height, width, channels, out)
    scale = options.scale(f"{name}/W")
    z = scale * (x @ matrix)
    if layer.use_bias:
        z = z + tensor_of(params, f"{name}/b")

    def backward(g: Array) -> tuple[Array, Arrays]:
        g = g * activation_slope(layer.activation, z)
        rows, slopes = x.reshape(-1, matrix.shape[0]), g.reshape(-1, matrix.shape[1])
        found = {f"{name}/W": (scale * rows.T @ slopes).reshape(weight.shape)}
        if layer.use_bias:
            found[f"{name}/b"] = slopes.sum(axis=0)
        return scale * g @ matrix.T, found

    return activation(layer.activation, z), backward


@passes(Dropout)
def dropout_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """The units that the layer's mask keeps, divided by 1 - rate; all where there is no mask."""
    keep = options.masks.get(placed.layer.name)
    if keep is None:
        return x, lambda g: (g, {})
    if np.asarray(keep).dtype != np.bool_:
        raise TypeError(f"the mask of {placed.layer!r} must hold bools, True where a unit is kept")
    factor = np.asarray(keep, np.float64).reshape(x.shape) / (1 - placed.layer.rate)
    return x * factor, lambda g: (g * factor, {})
