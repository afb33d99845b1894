"""Losses of a batch and their gradients with respect to the outputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_softmax, softmax

from dask_horn.network import HUBER_DELTA, LOSSES, Network
from tests.oracle.arrays import Array


def loss(
    network: Network,
    outputs: ArrayLike,
    targets: ArrayLike,
    class_weight: ArrayLike | None = None,
) -> float:
    """The mean loss of a batch.

    Targets are class indices (batch,) for cross_entropy, else 0/1 or values (batch, outputs).
    `class_weight` (classes,) multiplies each sample's cross entropy by its class's weight; the sum
    is still divided by the number of samples, not by the sum of the weights.
    """
    z = np.asarray(outputs, np.float64)
    kind = LOSSES[network.loss].kind
    if kind == "classes":
        index, weight = _classes(z, targets, class_weight)
        return float(-(weight * log_softmax(z, axis=1)[np.arange(len(z)), index]).mean())
    t = np.asarray(targets, np.float64).reshape(z.shape)
    match network.loss:
        case "binary_cross_entropy":
            each = np.logaddexp(0, z) - z * t
        case "squared_error":
            each = (z - t) ** 2 / 2
        case "huber":
            error = np.abs(z - t)
            inside = error <= HUBER_DELTA
            each = np.where(inside, error**2 / 2, HUBER_DELTA * (error - HUBER_DELTA / 2))
        case other:
            raise ValueError(other)
    return float(each.mean(axis=1).mean())


def loss_gradient(
    network: Network,
    outputs: ArrayLike,
    targets: ArrayLike,
    class_weight: ArrayLike | None = None,
) -> Array:
    """The gradient of `loss` with respect to the outputs, (batch, outputs)."""
    z = np.asarray(outputs, np.float64)
    if LOSSES[network.loss].kind == "classes":
        index, weight = _classes(z, targets, class_weight)
        return np.asarray(weight[:, None] * (softmax(z, axis=1) - np.eye(z.shape[1])[index])) / len(
            z
        )
    t = np.asarray(targets, np.float64).reshape(z.shape)
    match network.loss:
        case "binary_cross_entropy":
            each = expit(z) - t
        case "squared_error":
            each = z - t
        case "huber":
            each = np.clip(z - t, -HUBER_DELTA, HUBER_DELTA)
        case other:
            raise ValueError(other)
    return np.asarray(each / z.size)


def _classes(
    z: Array, targets: ArrayLike, class_weight: ArrayLike | None
) -> tuple[NDArray[np.int64], Array]:
    index = np.asarray(targets).astype(np.int64).reshape(-1)
    weights = np.ones(z.shape[1]) if class_weight is None else np.asarray(class_weight, np.float64)
    return index, weights[index]
