"""Gradient clipping and the optimizers, on runs of the flat parameter vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.gemm import weight_kernel
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.opcodes import CLIP, CONSTANT, N_OUT, RATE, RULE, STATES, STEP, A, B, C


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


@inlined
def _sgd_constants(row: Any, counters: Any, scalars: Any) -> Any:
    momentum = np.float32(scalars[row[RULE]])
    nesterov = scalars[row[RULE] + 1]
    decay = np.float32(scalars[row[RULE] + 2])
    # One form for both: the step is ahead·g + behind·v.
    ahead = np.float32(nesterov)
    behind = momentum if nesterov > 0 else np.float32(1)
    return np.float32(scalars[CLIP]), momentum, decay, ahead, behind, np.float32(scalars[RATE])


@inlined
def _sgd_steps(constants: Any, w: Any, g: Any, v: Any, size: Any) -> None:
    """``v ← μ v + g + λ w``, then ``w ← w - r v``, or with Nesterov ``w ← w - r (g + λ w + μ v)``.

    `constants` are those of `_sgd_constants`.
    """
    factor, momentum, decay, ahead, behind, rate = constants
    weight, gradient, velocity = carray(w, (size,)), carray(g, (size,)), carray(v, (size,))
    for i in range(size):
        slope = factor * gradient[i] + decay * weight[i]
        moved = momentum * velocity[i] + slope
        velocity[i] = moved
        weight[i] -= rate * (ahead * slope + behind * moved)


@inlined
def _adamw_constants(row: Any, counters: Any, scalars: Any) -> Any:
    beta1, beta2 = scalars[row[RULE]], scalars[row[RULE] + 1]
    step = counters[STEP] + 1
    correction1 = 1.0 - beta1**step
    correction2 = math.sqrt(1.0 - beta2**step)
    return (
        np.float32(scalars[CLIP]),
        np.float32(beta1),
        np.float32(1.0 - beta1),
        np.float32(beta2),
        np.float32(1.0 - beta2),
        np.float32(scalars[RATE] / correction1),
        np.float32(1.0 - scalars[RATE] * scalars[row[RULE] + 3]),
        np.float32(1.0 / correction2),
        np.float32(scalars[row[RULE] + 2]),
    )


@inlined
def _adamw_steps(constants: Any, w: Any, g: Any, m: Any, v: Any, size: Any) -> None:
    """AdamW with bias correction: decay is decoupled from the gradient.

    `constants` are those of `_adamw_constants`.

    References
    ----------
    Loshchilov, Hutter (2019), "Decoupled weight decay regularization", ICLR, algorithm 2.
    """
    factor, beta1, rest1, beta2, rest2, rate, keep, inverse, epsilon = constants
    weight, gradient = carray(w, (size,)), carray(g, (size,))
    first, second = carray(m, (size,)), carray(v, (size,))
    for i in range(size):
        slope = factor * gradient[i]
        mean = beta1 * first[i] + rest1 * slope
        square = beta2 * second[i] + rest2 * slope * slope
        first[i] = mean
        second[i] = square
        weight[i] = keep * weight[i] - rate * mean / (np.sqrt(square) * inverse + epsilon)


@kernel("sgd")
def sgd(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Step w at A by g at B, v at STATES, each (N_OUT,); at RULE: μ, 1 for Nesterov, λ."""
    constants = _sgd_constants(row, counters, scalars)
    w, g, v = at(arena, row[A]), at(arena, row[B]), at(arena, row[STATES])
    _sgd_steps(constants, w, g, v, np.int64(row[N_OUT]))


@kernel("adamw")
def adamw(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Step w at A by g at B, m and v at STATES, each (N_OUT,); at RULE: β₁, β₂, ε, λ."""
    constants = _adamw_constants(row, counters, scalars)
    size = np.int64(row[N_OUT])
    w, g = at(arena, row[A]), at(arena, row[B])
    m, v = at(arena, row[STATES]), at(arena, row[STATES + 1])
    _adamw_steps(constants, w, g, m, v, size)


# The same steps on a dense layer's weight, at C (N_IN, N_OUT), line by line as its gradient is
# computed: the whole gradient is never in memory. Operands as of `gemm_weight`, and states and
# constants as of the optimizer by itself.


@inlined
def _prepare_sgd(row: Any, counters: Any, scalars: Any, arena: Any) -> Any:
    return _sgd_constants(row, counters, scalars), at(arena, row[C]), at(arena, row[STATES])


@inlined
def _sgd_line(prepared: Any, gradient: Any, offset: Any, size: Any) -> None:
    constants, w, v = prepared
    _sgd_steps(constants, at(w, offset), gradient, at(v, offset), size)


@inlined
def _prepare_adamw(row: Any, counters: Any, scalars: Any, arena: Any) -> Any:
    constants = _adamw_constants(row, counters, scalars)
    states = at(arena, row[STATES]), at(arena, row[STATES + 1])
    return constants, at(arena, row[C]), states


@inlined
def _adamw_line(prepared: Any, gradient: Any, offset: Any, size: Any) -> None:
    constants, w, (m, v) = prepared
    _adamw_steps(constants, at(w, offset), gradient, at(m, offset), at(v, offset), size)


weight_kernel("gemm_weight_sgd", _prepare_sgd, _sgd_line)
weight_kernel("gemm_weight_adamw", _prepare_adamw, _adamw_line)
