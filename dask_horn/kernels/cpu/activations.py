"""Scale, bias and activation in one pass over a product, and the same pass backward.

Forward, with c the sub-model's scale: ``a = f(c z + b)``. Backward, with g the gradient of the
loss with respect to a: ``g ← g f'``, the bias' gradient is its sum over the batch, and then
``g ← c g``, which is what both of the layer's products want. A batch is all rows of all samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import kernel
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_OUT, ROWS, A, B, C
from dask_horn.kernels.scalars import ACTIVATIONS, NEEDS_INPUT


def _forward(name: str, function: Callable[..., Any]) -> None:
    beside = name in NEEDS_INPUT

    @kernel(f"{name}_forward")
    def forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """Write C (batch, N_OUT) ← f(c A + b), b at B, c at CONSTANT.

        C is A, or where the slope needs the input, A ← c A + b.
        """
        batch, width = counters[BATCH] * row[ROWS], row[N_OUT]
        z = carray(at(arena, row[A]), (batch, width))
        bias = carray(at(arena, row[B]), (width,))
        # One buffer has one name: of two, the compiler would not know that they are the same.
        out = carray(at(arena, row[C]), (batch, width)) if beside else z
        scale = np.float32(scalars[row[CONSTANT]])
        for i in range(batch):
            for j in range(width):
                value = scale * z[i, j] + bias[j]
                if beside:
                    z[i, j] = value
                out[i, j] = function(value)


def _backward(name: str, slope: Callable[..., Any]) -> None:
    @kernel(f"{name}_backward")
    def backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """Write A (batch, N_OUT) ← c A f'(B), C (N_OUT,) ← the sum of A f'(B) over the batch."""
        batch, width = counters[BATCH] * row[ROWS], row[N_OUT]
        gradient = carray(at(arena, row[A]), (batch, width))
        saved = carray(at(arena, row[B]), (batch, width))
        bias = carray(at(arena, row[C]), (width,))
        scale = np.float32(scalars[row[CONSTANT]])
        for j in range(width):
            bias[j] = np.float32(0)
        for i in range(batch):
            for j in range(width):
                value = gradient[i, j] * slope(saved[i, j])
                bias[j] += value
                gradient[i, j] = scale * value


for _name, (_function, _slope) in ACTIVATIONS.items():
    _forward(_name, _function)
    _backward(_name, _slope)
