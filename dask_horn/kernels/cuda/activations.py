"""Scale, bias and activation in one pass over a product, and the same pass backward.

The formulas are those of `dask_horn.kernels.cpu.activations`. Forward, a pass of its own is needed
only where a product does not bring it along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import float32

from dask_horn.kernels.cuda.columns import CAPACITY
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.sizes import ELEMENT_THREADS, ELEMENTS, LANE_ROWS, LANES
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_OUT, ROWS, A, B, C
from dask_horn.kernels.program import Operation
from dask_horn.kernels.scalars import ACTIVATIONS, NEEDS_INPUT
from dask_horn.rounding import ceil_div

_ZERO = np.float32(0)


def _elements(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(batch_size * operation.rows * operation.n_out, ELEMENTS), 1


def _columns(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(operation.n_out, LANES), 1


def _forward(name: str, function: Callable[..., Any]) -> None:
    beside = name in NEEDS_INPUT

    @kernel(f"{name}_forward", ELEMENT_THREADS, _elements)
    def forward(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
        """Write C (batch, N_OUT) ← f(c A + b), b at B, c at CONSTANT.

        C is A, or where the slope needs the input, A ← c A + b.
        """
        s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
        if counters[s, BATCH] == 0:
            return
        row = rows[s, i]
        z, bias, out, width = row[A], row[B], row[C], row[N_OUT]
        size = counters[s, CAPACITY] * row[ROWS] * width
        scale, start = constants[s, row[CONSTANT]], tiles[cuda.blockIdx.x, 2] * ELEMENTS
        for e in range(start + t, min(start + ELEMENTS, size), ELEMENT_THREADS):
            value = scale * arena[z + e] + arena[bias + e % width]
            if beside:
                arena[z + e] = value
            arena[out + e] = function(value)


def _backward(name: str, slope: Callable[..., Any]) -> None:
    @kernel(f"{name}_backward", LANES * LANE_ROWS, _columns)
    def backward(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
        """Write A (batch, N_OUT) ← c A f'(B), C (N_OUT,) ← the sum of A f'(B) over the batch.

        A lane for each column: its threads take the rows in turn, and the first adds up their sums.
        """
        s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
        if counters[s, BATCH] == 0:
            return
        sums = cuda.shared.array((LANE_ROWS, LANES), float32)
        row = rows[s, i]
        gradient, saved, bias = row[A], row[B], row[C]
        width, n_rows = row[N_OUT], counters[s, CAPACITY] * row[ROWS]
        lane, first = t % LANES, t // LANES
        column = tiles[cuda.blockIdx.x, 2] * LANES + lane
        scale, total = constants[s, row[CONSTANT]], _ZERO
        if column < width:
            for r in range(first, n_rows, LANE_ROWS):
                at = r * width + column
                value = arena[gradient + at] * slope(arena[saved + at])
                total += value
                arena[gradient + at] = scale * value
        sums[first, lane] = total
        cuda.syncthreads()
        if first == 0 and column < width:
            for k in range(1, LANE_ROWS):
                total += sums[k, lane]
            arena[bias + column] = total


for _name, (_function, _slope) in ACTIVATIONS.items():
    _forward(_name, _function)
    _backward(_name, _slope)
