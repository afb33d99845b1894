"""Optimizers' steps, and the bound on a gradient's norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dask_horn.network import Network
from dask_horn.program import Optimizer
from tests.oracle.arrays import Arrays, tensor_of


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
        w = tensor_of(params, name)
        g = tensor_of(grads, name) + _decay(network, name, weight_decay) * w
        v = momentum * tensor_of(velocity, name) + g
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
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
) -> tuple[Arrays, AdamState]:
    """The parameters and state after one step of AdamW, whose weight decay is decoupled."""
    step, (beta1, beta2) = state.step + 1, betas
    after, first, second = {}, {}, {}
    for name in params:
        g = tensor_of(grads, name)
        m = beta1 * state.first[name] + (1 - beta1) * g
        v = beta2 * state.second[name] + (1 - beta2) * g**2
        w = tensor_of(params, name) * (1 - learning_rate * _decay(network, name, weight_decay))
        unbiased_m, unbiased_v = m / (1 - beta1**step), v / (1 - beta2**step)
        after[name] = w - learning_rate * unbiased_m / (np.sqrt(unbiased_v) + epsilon)
        first[name], second[name] = m, v
    return after, AdamState(first, second, step)


def clip_by_norm(grads: Mapping[str, ArrayLike], max_norm: float) -> Arrays:
    """The gradients, shortened where the norm of all of them together is above `max_norm`."""
    arrays = {name: tensor_of(grads, name) for name in grads}
    norm = np.sqrt(sum((g**2).sum() for g in arrays.values()))
    factor = max_norm / norm if norm > max_norm else 1.0
    return {name: factor * g for name, g in arrays.items()}


def zeros_like(params: Mapping[str, ArrayLike]) -> Arrays:
    """Zeros in the shapes of the parameters: SGD's velocity before the first step."""
    return {name: np.zeros(np.shape(value)) for name, value in params.items()}


def _decay(network: Network, name: str, weight_decay: float) -> float:
    return weight_decay if network.parameters[name].decays else 0.0


class OptimizerSteps(NamedTuple):
    """An optimizer: its state before the first step, and a step.

    ``step(network, params, grads, state, learning_rate, settings)`` returns parameters and state.
    """

    start: Callable[[Mapping[str, ArrayLike]], Any]
    step: Callable[..., tuple[Arrays, Any]]


def _sgd(network, params, grads, velocity, rate, settings: Optimizer):
    return sgd_step(
        *(network, params, grads, velocity, rate),
        *(settings.momentum, settings.nesterov, settings.weight_decay),
    )


def _adamw(network, params, grads, state, rate, settings: Optimizer):
    return adamw_step(
        *(network, params, grads, state, rate, settings.weight_decay),
        *(settings.beta_1, settings.beta_2, settings.epsilon),
    )


#: Each optimizer, by its name.
OPTIMIZERS = {
    "sgd": OptimizerSteps(zeros_like, _sgd),
    "adamw": OptimizerSteps(AdamState.zeros, _adamw),
}
