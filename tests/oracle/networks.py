"""Whole networks: outputs, and the gradient of the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dask_horn.network import Network
from tests.oracle import (  # noqa: F401  (imported to register their passes)
    convolution,
    dense,
    encodings,
    normalization,
    recurrent,
)
from tests.oracle.losses import loss_gradient
from tests.oracle.passes import PASSES, Array, Arrays, Backward, Options


def forward(
    network: Network,
    params: Mapping[str, ArrayLike],
    x: ArrayLike,
    scales: Mapping[str, float] | None = None,
    masks: Mapping[str, Any] | None = None,
    counted: ArrayLike | None = None,
    statistics: Mapping[str, ArrayLike] | None = None,
) -> tuple[Array, list[Backward]]:
    """Outputs of samples (batch, ...), and the way back through each layer.

    Outputs are (batch, outputs), or (batch, steps, outputs) where the last layer is on each step.

    `scales` holds the scale c of tensors by name (1 where missing): z = c (x W) + b.
    `masks` holds, by the name of a Dropout layer, which units (batch, units) are KEPT, as bools;
    a Dropout without a mask does nothing, as in prediction. `counted` holds which steps (batch,
    steps) are no padding, as bools.
    `statistics` holds the population's mean and variance for each BatchNorm, by name, as in
    prediction; without them a batch is normalized by itself, as in training.
    """
    return _forward(
        network, params, x, Options(scales or {}, masks or {}, statistics, counted=counted)
    )


def batch_statistics(network: Network, params: Mapping[str, ArrayLike], x: ArrayLike) -> Arrays:
    """Mean and variance of a batch at each BatchNorm, by name, without dropout."""
    options = Options()
    _forward(network, params, x, options)
    return options.seen


def _forward(
    network: Network, params: Mapping[str, ArrayLike], x: ArrayLike, options: Options
) -> tuple[Array, list[Backward]]:
    a = np.asarray(x, np.float64)
    a = a.reshape(len(a), *network.placed[0].inputs.shape)
    ways_back: list[Backward] = []
    for placed in network.placed:
        if type(placed.layer) not in PASSES:
            raise TypeError(f"the oracle does not know {placed.layer!r}")
        if placed.layer.flattens_input and placed.inputs.axis == "input":
            ways_back.append(_as_it_was(a.shape))
            a = a.reshape(len(a), -1)
        a, backward = PASSES[type(placed.layer)](placed, params, a, options)
        ways_back.append(backward)
    return a, ways_back


def _as_it_was(shape: tuple[int, ...]) -> Backward:
    """The way back from a row to what had been flattened."""
    return lambda g: (g.reshape(shape), {})


def gradients(
    network: Network,
    params: Mapping[str, ArrayLike],
    x: ArrayLike,
    targets: ArrayLike,
    options: Options | None = None,
    class_weight: ArrayLike | None = None,
) -> Arrays:
    """The gradient of the mean loss with respect to every parameter, by name.

    Zeros for those that are not trained.
    """
    options = options or Options()
    outputs, ways_back = _forward(network, params, x, options)
    g = loss_gradient(network, outputs, targets, class_weight, options.counted)
    found: Arrays = {
        name: np.zeros(tensor.shape)
        for name, tensor in network.parameters.items()
        if not tensor.trained
    }
    for backward in reversed(ways_back):
        g, own = backward(g)
        found.update(own)
    return {name: found[name] for name in network.parameters}
