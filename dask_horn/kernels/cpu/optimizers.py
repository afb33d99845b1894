"""Gradient clipping and the optimizers, on runs of the flat parameter vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import kernel
from dask_horn.kernels.cpu.pointers import at
from dask_horn.kernels.opcodes import CLIP, CONSTANT, N_OUT, RATE, STEP, A, B, C, D


@kernel("clip", reorder_sums=True)
def clip(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """CLIP ← min(1, bound / norm) of the gradient A (N_OUT,); the bound at CONSTANT."""
    gradient = carray(at(arena, row[A]), (row[N_OUT],))
    total = 0.0
    for i in range(row[N_OUT]):
        total += np.float64(gradient[i]) * gradient[i]
    bound = scalars[row[CONSTANT]]
    norm = math.sqrt(total)
    scalars[CLIP] = bound / norm if norm > bound else 1.0


@kernel("sgd")
def sgd(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """``v ← μ v + g + λ w``, then ``w ← w - r v``, or with Nesterov ``w ← w - r (g + λ w + μ v)``.

    w at A, g at B, v at C, each (N_OUT,); at CONSTANT: μ, 1 for Nesterov, λ.
    """
    size = row[N_OUT]
    weight = carray(at(arena, row[A]), (size,))
    gradient = carray(at(arena, row[B]), (size,))
    velocity = carray(at(arena, row[C]), (size,))
    momentum = np.float32(scalars[row[CONSTANT]])
    nesterov = scalars[row[CONSTANT] + 1]
    decay = np.float32(scalars[row[CONSTANT] + 2])
    factor = np.float32(scalars[CLIP])
    # One form for both: the step is ahead·g + behind·v.
    ahead = np.float32(nesterov)
    behind = momentum if nesterov > 0 else np.float32(1)
    rate = np.float32(scalars[RATE])
    for i in range(size):
        g = factor * gradient[i] + decay * weight[i]
        v = momentum * velocity[i] + g
        velocity[i] = v
        weight[i] -= rate * (ahead * g + behind * v)


@kernel("adamw")
def adamw(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """AdamW with bias correction: decay is decoupled from the gradient.

    w at A, g at B, m at C, v at D, each (N_OUT,); at CONSTANT: β₁, β₂, ε, λ.

    References
    ----------
    Loshchilov, Hutter (2019), "Decoupled weight decay regularization", ICLR, algorithm 2.
    """
    size = row[N_OUT]
    weight = carray(at(arena, row[A]), (size,))
    gradient = carray(at(arena, row[B]), (size,))
    first = carray(at(arena, row[C]), (size,))
    second = carray(at(arena, row[D]), (size,))
    beta1, beta2 = scalars[row[CONSTANT]], scalars[row[CONSTANT] + 1]
    step = counters[STEP] + 1
    correction1 = 1.0 - beta1**step
    correction2 = math.sqrt(1.0 - beta2**step)
    rate = np.float32(scalars[RATE] / correction1)
    keep = np.float32(1.0 - scalars[RATE] * scalars[row[CONSTANT] + 3])
    epsilon = np.float32(scalars[row[CONSTANT] + 2])
    inverse2 = np.float32(1.0 / correction2)
    factor = np.float32(scalars[CLIP])
    b1, b2 = np.float32(beta1), np.float32(beta2)
    rest1, rest2 = np.float32(1.0 - beta1), np.float32(1.0 - beta2)
    for i in range(size):
        g = factor * gradient[i]
        m = b1 * first[i] + rest1 * g
        v = b2 * second[i] + rest2 * g * g
        first[i] = m
        second[i] = v
        weight[i] = keep * weight[i] - rate * m / (np.sqrt(v) * inverse2 + epsilon)
