"""BatchNorm and LayerNorm."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from dask_horn.network import BatchNorm, LayerNorm, PlacedLayer
from tests.oracle.activations import activation, activation_slope
from tests.oracle.passes import Array, Arrays, Backward, Options, passes, tensor_of


@passes(BatchNorm)
def batch_norm_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """Over all but the last axis, or by the population's mean and variance where they are given."""
    name, over = placed.layer.name, tuple(range(x.ndim - 1))
    if options.statistics is not None:
        mean, variance = (
            tensor_of(options.statistics, f"{name}/{what}") for what in ("mean", "variance")
        )
        return _normalized(placed, params, x, mean, variance, None)
    mean, variance = x.mean(axis=over), x.var(axis=over)
    options.seen.update({f"{name}/mean": mean, f"{name}/variance": variance})
    return _normalized(placed, params, x, mean, variance, over)


@passes(LayerNorm)
def layer_norm_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """Over the last axis."""
    mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return _normalized(placed, params, x, mean, variance, (x.ndim - 1,))


def _normalized(
    placed: PlacedLayer,
    params: Mapping[str, ArrayLike],
    x: Array,
    mean: Array,
    variance: Array,
    over: tuple[int, ...] | None,
) -> tuple[Array, Backward]:
    """``f(γ x̂ + β)``; `over` are the axes that mean and variance were taken over, None if none."""
    layer, name = placed.layer, placed.layer.name
    shape = np.shape(params[f"{name}/gamma"])  # after a Flatten: (height, width, channels)
    gamma, beta = (tensor_of(params, f"{name}/{what}").ravel() for what in ("gamma", "beta"))
    inverse = 1 / np.sqrt(variance + layer.epsilon)
    normal = (x - mean) * inverse
    z = gamma * normal + beta

    def backward(g: Array) -> tuple[Array, Arrays]:
        g = g * activation_slope(layer.activation, z)
        rows = tuple(range(g.ndim - 1))
        found = {
            f"{name}/gamma": (g * normal).sum(axis=rows).reshape(shape),
            f"{name}/beta": g.sum(axis=rows).reshape(shape),
        }
        slope = g * gamma
        if over is not None:
            # Each value also moves the mean and the variance of those that it stands among.
            along = (slope * normal).mean(axis=over, keepdims=True)
            slope = slope - slope.mean(axis=over, keepdims=True) - normal * along
        return slope * inverse, found

    return activation(layer.activation, z), backward
