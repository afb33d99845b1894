"""Dense layers with DropConnect: a weight, and a bias, that is not kept is zero for its example."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dask_horn.network import PlacedLayer
from tests.oracle.activations import activation, activation_slope
from tests.oracle.passes import Array, Arrays, Backward, Options, tensor_of


def dropconnect_pass(
    placed: PlacedLayer, params: Mapping[str, ArrayLike], x: Array, options: Options
) -> tuple[Array, Backward]:
    """``f((c x (M ∘ W) + m ∘ b) / p)`` of each example, or of each step of (batch, steps, in).

    `options.masks` holds which weights (examples, in + 1, out) are KEPT, as bools, the biases'
    last; a mask that all examples share is (1, in + 1, out).
    """
    layer, name = placed.layer, placed.layer.name
    weight = tensor_of(params, f"{name}/W")
    matrix = weight.reshape(-1, weight.shape[-1])
    rows = x.reshape(-1, len(matrix))
    keep = _checked(options.masks[name], (len(rows), len(matrix) + 1, matrix.shape[1]))
    kept, kept_bias = keep[:, :-1], keep[:, -1]
    scale, p = options.scale(f"{name}/W"), layer.keep_probability
    z = scale / p * np.einsum("bi,bij,ij->bj", rows, kept, matrix)
    if layer.use_bias:
        z = z + kept_bias * tensor_of(params, f"{name}/b") / p

    def backward(g: Array) -> tuple[Array, Arrays]:
        g = g.reshape(z.shape) * activation_slope(layer.activation, z)
        gradient = scale / p * np.einsum("bi,bj,bij->ij", rows, g, kept)
        found = {f"{name}/W": gradient.reshape(weight.shape)}
        if layer.use_bias:
            found[f"{name}/b"] = (g * kept_bias).sum(axis=0) / p
        return (scale / p * np.einsum("bj,bij,ij->bi", g, kept, matrix)).reshape(x.shape), found

    return activation(layer.activation, z).reshape(*x.shape[:-1], -1), backward


def _checked(keep: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if np.asarray(keep).dtype != np.bool_:
        raise TypeError("masks must hold bools, True where a weight is kept")
    return np.broadcast_to(np.asarray(keep, np.float64), shape)
