"""What the library computes, in plain NumPy and float64, for the tests to judge the kernels by.

It takes parameters as a dictionary of arrays, names as in the parameter table, and reads from the
network which layers there are but never how large: so the arrays may as well be a sub-model's.
Nothing here is fast, and nothing changes its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf, expit, log_softmax, softmax

from dask_horn.network import HUBER_DELTA, LEAKY_SLOPE, LOSSES, Dense, Dropout, Layer, Network

Array = NDArray[np.float64]
Arrays = dict[str, Array]


# --------------------------------------------------------------------------------- forward


@dataclass(frozen=True)
class Saved:
    """What the backward pass of one layer needs of its forward pass."""

    layer: Layer
    x: Array  # (batch, in), what came in
    z: Array  # (batch, out), what an activation saw; for dropout what went out
    factor: Array | float  # Dense: its scale c; Dropout: 0 or 1 / (1 - rate) per unit, or 1


def forward(
    network: Network,
    params: Mapping[str, ArrayLike],
    x: ArrayLike,
    scales: Mapping[str, float] | None = None,
    masks: Mapping[str, NDArray[np.bool_]] | None = None,
) -> tuple[Array, list[Saved]]:
    """Outputs (batch, outputs) of samples (batch, ...), and what `gradients` needs besides.

    `scales` holds the scale c of Dense layers by name (1 where missing): z = c (x W) + b.
    `masks` holds, by the name of a Dropout layer, which units (batch, units) are KEPT, as bools;
    a Dropout without a mask does nothing, as in prediction.
    """
    a = np.asarray(x, np.float64).reshape(len(np.asarray(x)), -1)
    saved = []
    for layer in network.named_layers:
        name = str(layer.name)
        if isinstance(layer, Dense):
            scale = float((scales or {}).get(name, 1.0))
            z = scale * (a @ _tensor(params, f"{name}/W"))
            if layer.use_bias:
                z = z + _tensor(params, f"{name}/b")
            saved.append(Saved(layer, a, z, scale))
            a = activation(layer.activation, z)
        elif isinstance(layer, Dropout):
            factor = _dropout_factor(layer, (masks or {}).get(name))
            saved.append(Saved(layer, a, a * factor, factor))
            a = a * factor
        else:
            raise TypeError(f"the oracle does not know {layer!r}")
    return a, saved


def activation(name: str, z: Array) -> Array:
    """The activation of that name, element by element."""
    match name:
        case "linear":
            return z
        case "relu":
            return np.maximum(z, 0)
        case "leaky_relu":
            return np.where(z > 0, z, LEAKY_SLOPE * z)
        case "tanh":
            return np.tanh(z)
        case "sigmoid":
            return np.asarray(expit(z))
        case "gelu":
            return np.asarray(z * (1 + erf(z / np.sqrt(2))) / 2)
    raise ValueError(name)


def activation_slope(name: str, z: Array) -> Array:
    """The derivative of the activation at z."""
    match name:
        case "linear":
            return np.ones_like(z)
        case "relu":
            return np.where(z > 0, 1.0, 0.0)
        case "leaky_relu":
            return np.where(z > 0, 1.0, LEAKY_SLOPE)
        case "tanh":
            return 1 - np.tanh(z) ** 2
        case "sigmoid":
            return np.asarray(expit(z) * expit(-z))
        case "gelu":
            density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
            return np.asarray((1 + erf(z / np.sqrt(2))) / 2 + z * density)
    raise ValueError(name)


# ------------------------------------------------------------------------------------ loss


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


def gradients(
    network: Network,
    params: Mapping[str, ArrayLike],
    x: ArrayLike,
    targets: ArrayLike,
    scales: Mapping[str, float] | None = None,
    masks: Mapping[str, NDArray[np.bool_]] | None = None,
    class_weight: ArrayLike | None = None,
) -> Arrays:
    """The gradient of the mean loss with respect to every parameter, by name."""
    outputs, saved = forward(network, params, x, scales, masks)
    g = loss_gradient(network, outputs, targets, class_weight)
    found: Arrays = {}
    for step in reversed(saved):
        if isinstance(step.layer, Dense):
            name = step.layer.name
            g = g * activation_slope(step.layer.activation, step.z)
            if step.layer.use_bias:
                found[f"{name}/b"] = g.sum(axis=0)
            g = g * step.factor
            found[f"{name}/W"] = step.x.T @ g
            g = g @ _tensor(params, f"{name}/W").T
        else:
            g = g * step.factor
    return {name: found[name] for name in network.parameters}


# ------------------------------------------------------------------------------- optimizers


@dataclass(frozen=True)
class AdamState:
    """AdamW's state between steps; make the first with `AdamState.zeros`."""

    first: Arrays  # moving mean of the gradients
    second: Arrays  # moving mean of their squares
    step: int  # steps done

    @classmethod
    def zeros(cls, params: Mapping[str, ArrayLike]) -> AdamState:
        return cls(zeros_like(params), zeros_like(params), 0)


def sgd_step(
    network: Network,
    params: Mapping[str, ArrayLike],
    grads: Mapping[str, ArrayLike],
    velocity: Mapping[str, ArrayLike],
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> tuple[Arrays, Arrays]:
    """The parameters and velocity after one step of SGD.

    v = mu v + g and w = w - lr v, or with Nesterov w = w - lr (g + mu v) with the new v. Weight
    decay is L2: it is added to the gradient of the tensors that decay.
    """
    after, moved = {}, {}
    for name in params:
        w = _tensor(params, name)
        g = _tensor(grads, name) + _decay(network, name, weight_decay) * w
        v = momentum * _tensor(velocity, name) + g
        after[name] = w - learning_rate * (g + momentum * v if nesterov else v)
        moved[name] = v
    return after, moved


def adamw_step(
    network: Network,
    params: Mapping[str, ArrayLike],
    grads: Mapping[str, ArrayLike],
    state: AdamState,
    learning_rate: float,
    weight_decay: float = 0.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Arrays, AdamState]:
    """The parameters and state after one step of AdamW, whose weight decay is decoupled."""
    step = state.step + 1
    after, first, second = {}, {}, {}
    for name in params:
        g = _tensor(grads, name)
        m = beta1 * state.first[name] + (1 - beta1) * g
        v = beta2 * state.second[name] + (1 - beta2) * g**2
        w = _tensor(params, name) * (1 - learning_rate * _decay(network, name, weight_decay))
        unbiased_m, unbiased_v = m / (1 - beta1**step), v / (1 - beta2**step)
        after[name] = w - learning_rate * unbiased_m / (np.sqrt(unbiased_v) + epsilon)
        first[name], second[name] = m, v
    return after, AdamState(first, second, step)


def clip_by_norm(grads: Mapping[str, ArrayLike], max_norm: float) -> Arrays:
    """The gradients, shortened where the norm of all of them together is above `max_norm`."""
    arrays = {name: _tensor(grads, name) for name in grads}
    norm = np.sqrt(sum((g**2).sum() for g in arrays.values()))
    factor = max_norm / norm if norm > max_norm else 1.0
    return {name: factor * g for name, g in arrays.items()}


def zeros_like(params: Mapping[str, ArrayLike]) -> Arrays:
    """Zeros in the shapes of the parameters: SGD's velocity before the first step."""
    return {name: np.zeros(np.shape(value)) for name, value in params.items()}


# ---------------------------------------------------------------------------------- randomness


def philox4x32(
    counter: tuple[int, int, int, int], key: tuple[int, int], rounds: int = 10
) -> tuple[int, int, int, int]:
    """Four 32-bit words of Philox 4x32 (Salmon et al., SC '11, section 3.3)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        high0, low0 = divmod(0xD2511F53 * c0, 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 1 << 32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % (1 << 32), (k1 + 0xBB67AE85) % (1 << 32)
    return c0, c1, c2, c3


# ------------------------------------------------------------------------------------- helpers


def _tensor(arrays: Mapping[str, ArrayLike], name: str) -> Array:
    return np.asarray(arrays[name], np.float64)


def _dropout_factor(layer: Dropout, keep: Any) -> Array | float:
    if keep is None:
        return 1.0
    if np.asarray(keep).dtype != np.bool_:
        raise TypeError(f"the mask of {layer!r} must hold bools, True where a unit is kept")
    return np.asarray(keep, np.float64) / (1 - layer.rate)


def _classes(
    z: Array, targets: ArrayLike, class_weight: ArrayLike | None
) -> tuple[NDArray[np.int64], Array]:
    index = np.asarray(targets).astype(np.int64).reshape(-1)
    weights = np.ones(z.shape[1]) if class_weight is None else np.asarray(class_weight, np.float64)
    return index, weights[index]


def _decay(network: Network, name: str, weight_decay: float) -> float:
    return weight_decay if network.parameters[name].decays else 0.0
