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
from dask_horn.kernels.rules import RULES, Rule


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


def _optimizer(name: str, rule: Rule) -> None:
    """Register an optimizer's kernel, and the one that also computes the gradient of a weight."""
    constants, steps = rule.constants, _steps(rule)

    @kernel(name)
    def update(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """Step w at A by g at B, the states at STATES, each (N_OUT,)."""
        w, g = at(arena, row[A]), at(arena, row[B])
        states = at(arena, row[STATES]), at(arena, row[STATES + 1])
        steps(constants(row, counters, scalars), w, g, states, np.int64(row[N_OUT]))

    weight_kernel(f"gemm_weight_{name}", constants, steps)


def _steps(rule: Rule) -> Callable[..., None]:
    """Return ``steps(constants, w, g, states, size)``, which moves a run of parameters.

    Of the two states, one that the rule has no use for is left alone.
    """
    move = rule.move

    @inlined
    def with_one(constants: Any, w: Any, g: Any, states: Any, size: Any) -> None:
        weight, gradient, first = carray(w, (size,)), carray(g, (size,)), carray(states[0], (size,))
        for i in range(size):
            weight[i], first[i] = move(constants, weight[i], gradient[i], first[i])

    @inlined
    def with_two(constants: Any, w: Any, g: Any, states: Any, size: Any) -> None:
        weight, gradient = carray(w, (size,)), carray(g, (size,))
        first, second = carray(states[0], (size,)), carray(states[1], (size,))
        for i in range(size):
            weight[i], first[i], second[i] = move(
                constants, weight[i], gradient[i], first[i], second[i]
            )

    return {1: with_one, 2: with_two}[rule.n_states]


for _name, _rule in RULES.items():
    _optimizer(_name, _rule)
