"""Losses of a batch and their gradients with respect to the outputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_softmax, softmax

from dask_horn.network import LOSSES, Network
from tests.oracle.arrays import Array

HUBER_DELTA = 1.0  # where huber turns from quadratic to linear


def loss(
    network: Network,
    outputs: ArrayLike,
    targets: ArrayLike,
    class_weight: ArrayLike | None = None,
    counted: ArrayLike | None = None,
) -> float:
    """The mean loss of a batch.

    Outputs are (batch, outputs), or (batch, steps, outputs): then it is the mean over the steps of
    all samples that are `counted`, bools (batch, steps), and 0 where none is. Targets are class
    indices (batch,) or (batch, steps) for cross_entropy, else 0/1 or values, as many as outputs.
    `class_weight` (classes,) multiplies each cross entropy by its class's weight; the sum is still
    divided by the number of samples or steps, not by the sum of the weights.
    """
    z, share = _rows(outputs, counted)
    kind = LOSSES[network.loss].kind
    if kind == "classes":
        index, weight = _classes(z, targets, class_weight, share)
        return float(-(share * weight * log_softmax(z, axis=1)[np.arange(len(z)), index]).sum())
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
    return float(share @ each.mean(axis=1))


def loss_gradient(
    network: Network,
    outputs: ArrayLike,
    targets: ArrayLike,
    class_weight: ArrayLike | None = None,
    counted: ArrayLike | None = None,
) -> Array:
    """The gradient of `loss` with respect to the outputs, in their shape."""
    z, share = _rows(outputs, counted)
    if LOSSES[network.loss].kind == "classes":
        index, weight = _classes(z, targets, class_weight, share)
        each = weight[:, None] * (softmax(z, axis=1) - np.eye(z.shape[1])[index])
    else:
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
        each = each / z.shape[1]
    return np.asarray(share[:, None] * each).reshape(np.shape(outputs))


def _rows(outputs: ArrayLike, counted: ArrayLike | None) -> tuple[Array, Array]:
    """The outputs of each sample or step, and its share in the mean."""
    z = np.asarray(outputs, np.float64)
    rows = z.reshape(-1, z.shape[-1])
    each = np.ones(len(rows))
    if counted is not None and z.ndim == 3:
        each = np.asarray(counted, np.float64).reshape(-1)
    return rows, each / max(each.sum(), 1)


def _classes(
    z: Array, targets: ArrayLike, class_weight: ArrayLike | None, share: Array
) -> tuple[NDArray[np.int64], Array]:
    """The class of each row, any where it does not count, and the weights."""
    index = np.where(share > 0, np.asarray(targets).reshape(-1), 0).astype(np.int64)
    weights = np.ones(z.shape[1]) if class_weight is None else np.asarray(class_weight, np.float64)
    return index, weights[index]
