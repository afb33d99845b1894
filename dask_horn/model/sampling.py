"""Inference for networks with DropConnect: activations averaged over random draws.

A unit of such a layer sums the products that its mask keeps. Over masks the sum has a mean and a
variance, and with many inputs it is about normal. So the sum is drawn from a normal distribution,
and no masks are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from dask_horn.checks import checked_integer
from dask_horn.kernels.scalars import LEAKY_SLOPE
from dask_horn.network import Dense, Dropout, Network, PlacedLayer
from dask_horn.randomness import Purpose, generator

Array = NDArray[np.float32]

_BLOCK = 64  # draws at a time: with some hundred units they stay in the second cache


@dataclass(frozen=True)
class Draws:
    """The number of draws of each sum, and their seed.

    Attributes
    ----------
    number : int
    seed : int
    """

    number: int
    seed: int

    def __post_init__(self) -> None:
        checked_integer("n_draws", self.number, 1)
        checked_integer("seed", self.seed, 0)


@dataclass(frozen=True, eq=False)
class SampledLayers:
    """The layers of a network, from its first one with DropConnect on.

    Attributes
    ----------
    placed : tuple of PlacedLayer
    tensors : mapping of str to ndarray of float32
        All parameters by name.
    draws : Draws
    """

    placed: tuple[PlacedLayer, ...]
    tensors: Mapping[str, Array]
    draws: Draws

    def outputs(self, inputs: Array) -> Array:
        """Return the network's outputs, (n_samples, n_outputs), from what the first layer takes.

        Works sample by sample, with products of the same shape and the same normal numbers. So the
        outputs of a sample are the same bit for bit, whichever samples are beside it.
        """
        normal = [self._normal(index) for index in range(len(self.placed))]
        return np.stack([self._outputs_of(sample, normal) for sample in inputs])

    def _outputs_of(self, sample: Array, normal: list[Array]) -> Array:
        mean, square = sample, np.square(sample)
        for placed, numbers in zip(self.placed, normal, strict=True):
            layer = placed.layer
            if not isinstance(layer, Dense):
                continue  # dropout passes both moments on
            mean, variance = self._sum_of(layer, mean, square)
            function = _ACTIVATIONS[layer.activation]
            if layer.dropconnect == 0:
                mean = function(mean)
                square = np.square(mean)
            elif layer.activation == "linear":  # nothing to draw for
                square = np.square(mean) + variance
            else:
                mean, square = _moments(function, mean, np.sqrt(variance), numbers)
        return mean

    def _sum_of(self, layer: Dense, mean: Array, square: Array) -> tuple[Array, Array]:
        """Return mean and variance of a layer's sums, from its inputs' mean and mean square.

        With the weights W of the whole layer, of which a mask keeps ``W / p``: a term ``M W v / p``
        has the mean ``W E[v]`` and the mean square ``W² E[v²] / p``.
        """
        weight = self.tensors[f"{layer.name}/W"]
        weight = weight.reshape(-1, weight.shape[-1])
        total = mean @ weight
        if layer.use_bias:
            total += self.tensors[f"{layer.name}/b"]
        if layer.dropconnect == 0:
            return total, np.zeros_like(total)
        p = np.float32(layer.keep_probability)
        variance = (square / p - np.square(mean)) @ np.square(weight)
        if layer.use_bias:
            variance += np.square(self.tensors[f"{layer.name}/b"]) * (1 / p - 1)
        return total, np.maximum(variance, 0)

    def _normal(self, index: int) -> Array:
        """Draw the normal numbers of one layer, (n_draws, units): the same for all samples."""
        layer = self.placed[index].layer
        if not isinstance(layer, Dense) or layer.dropconnect == 0:
            return np.empty((0, 0), np.float32)
        normal = generator(self.draws.seed, Purpose.SAMPLED_INFERENCE, index)
        return normal.standard_normal((self.draws.number, layer.units), np.float32)


def first_sampled(network: Network) -> int:
    """Return the index of the first Dense layer with DropConnect.

    Recurrent layers use their weights as they are, the mean over masks: a state that passes through
    masks step after step is not about normal.

    Raises
    ------
    ValueError
        If there is none, or other layers than Dense and Dropout follow it.
    """
    for index, placed in enumerate(network.placed):
        if isinstance(placed.layer, Dense) and placed.layer.dropconnect > 0:
            _check_rest(network.placed[index:])
            return index
    raise ValueError(
        "inference='sample' needs a Dense layer with dropconnect, but the network has none; use "
        "inference='mean'"
    )


def _check_rest(placed_layers: tuple[PlacedLayer, ...]) -> None:
    for placed in placed_layers:
        if not isinstance(placed.layer, Dense | Dropout) or len(placed.inputs.shape) > 1:
            raise ValueError(
                f"inference='sample' needs Dense and Dropout only after the first layer with "
                f"dropconnect, got {placed.layer!r} on samples of shape {placed.inputs.shape}; use "
                f"inference='mean'"
            )


def _moments(
    function: Callable[[Array], Array], mean: Array, spread: Array, normal: Array
) -> tuple[Array, Array]:
    """Return mean and mean square of an activation over draws of its argument, each (units,)."""
    first, second = np.zeros_like(mean), np.zeros_like(mean)
    for start in range(0, len(normal), _BLOCK):
        active = function(normal[start : start + _BLOCK] * spread + mean)
        first += active.sum(axis=0)
        second += np.einsum("ij,ij->j", active, active)
    return first / np.float32(len(normal)), second / np.float32(len(normal))


def _relu(z: Array) -> Array:
    return np.maximum(z, 0, out=z)


def _gelu(z: Array) -> Array:
    product: Array = np.float32(0.5) * z * (1 + erf(z * np.float32(np.sqrt(0.5))))
    return product


_ACTIVATIONS: Mapping[str, Callable[[Any], Array]] = {
    "linear": lambda z: z,
    "relu": _relu,
    "leaky_relu": lambda z: np.where(z > 0, z, np.float32(LEAKY_SLOPE) * z),
    "tanh": np.tanh,
    "sigmoid": expit,
    "gelu": _gelu,
}
