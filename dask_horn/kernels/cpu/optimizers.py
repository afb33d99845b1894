"""Gradient clipping and the optimizers, on runs of the flat parameter vector."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.gemm import weight_kernel
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.opcodes import CLIP, CONSTANT, N_OUT, STATES, A, B
from dask_horn.kernels.rules import adamw_constants, adamw_move, sgd_constants, sgd_move


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


def _optimizer(name: str, constants: Callable[..., Any], steps: Callable[..., None]) -> None:
    """Register an optimizer's kernel, and the one that also computes the gradient of a weight.

    Parameters
    ----------
    name : str
    constants : callable
        Of a rule: see `dask_horn.kernels.rules`.
    steps : callable
        ``steps(constants, w, g, states, size)`` moves a run of parameters; of the two states, one
        that the optimizer has no use for is left alone.
    """

    @kernel(name)
    def update(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """Step w at A by g at B, the states at STATES, each (N_OUT,)."""
        w, g = at(arena, row[A]), at(arena, row[B])
        states = at(arena, row[STATES]), at(arena, row[STATES + 1])
        steps(constants(row, counters, scalars), w, g, states, np.int64(row[N_OUT]))

    weight_kernel(f"gemm_weight_{name}", constants, steps)


@inlined
def _sgd(constants: Any, w: Any, g: Any, states: Any, size: Any) -> None:
    weight, gradient, velocity = carray(w, (size,)), carray(g, (size,)), carray(states[0], (size,))
    for i in range(size):
        weight[i], velocity[i] = sgd_move(constants, weight[i], gradient[i], velocity[i])


@inlined
def _adamw(constants: Any, w: Any, g: Any, states: Any, size: Any) -> None:
    weight, gradient = carray(w, (size,)), carray(g, (size,))
    mean, square = carray(states[0], (size,)), carray(states[1], (size,))
    for i in range(size):
        weight[i], mean[i], square[i] = adamw_move(
            constants, weight[i], gradient[i], mean[i], square[i]
        )


_optimizer("sgd", sgd_constants, _sgd)
_optimizer("adamw", adamw_constants, _adamw)
