"""Encodings: columns that are appended to samples, from the input columns that come first.

The formulas, and what operands and SIZES are, are those of `dask_horn.kernels.cpu.encodings`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float32

from dask_horn.kernels.cuda.columns import CAPACITY
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.sizes import ELEMENT_THREADS, ELEMENTS, LANE_ROWS, LANES
from dask_horn.kernels.encodings import TURN, cosine_and_sine, inverse_width, share_of_bin
from dask_horn.kernels.opcodes import BATCH, N_IN, N_OUT, SIZES, A, B, C, D
from dask_horn.kernels.program import Operation
from dask_horn.rounding import ceil_div

_THREADS = ELEMENT_THREADS
_ZERO, _ONE = np.float32(0), np.float32(1)


def _inputs(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(batch_size * operation.n_in, ELEMENTS), 1


def _appended(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(batch_size * operation.sizes[1], ELEMENTS), 1


def _columns(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(operation.sizes[1], LANES), 1


@kernel("widen", _THREADS, _inputs)
def widen(tiles: Any, rows: Any, counters: Any, arena: Any) -> None:
    """Write the first columns of B (batch, N_OUT) ← A (batch, N_IN)."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    if counters[s, BATCH] == 0:
        return
    row = rows[s, i]
    source, out, n_inputs, width = row[A], row[B], row[N_IN], row[N_OUT]
    size, start = counters[s, CAPACITY] * n_inputs, tiles[cuda.blockIdx.x, 2] * ELEMENTS
    for e in range(start + t, min(start + ELEMENTS, size), _THREADS):
        arena[out + e // n_inputs * width + e % n_inputs] = arena[source + e]


@kernel("missing_indicator", _THREADS, _inputs)
def missing_indicator(tiles: Any, rows: Any, counters: Any, arena: Any) -> None:
    """In A (batch, N_OUT), write 0 in place of NaN, and what an appended column tells of it."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    if counters[s, BATCH] == 0:
        return
    row = rows[s, i]
    samples, places, n_inputs, width, first = row[A], row[B], row[N_IN], row[N_OUT], row[SIZES]
    size, start = counters[s, CAPACITY] * n_inputs, tiles[cuda.blockIdx.x, 2] * ELEMENTS
    for e in range(start + t, min(start + ELEMENTS, size), _THREADS):
        own, j = samples + e // n_inputs * width, e % n_inputs
        missing, place = math.isnan(arena[own + j]), np.int64(arena[places + j])
        if place >= 0:
            arena[own + first + place] = _ONE if missing else _ZERO
        if missing:
            arena[own + j] = _ZERO


@kernel("piecewise_linear", _THREADS, _appended)
def piecewise_linear(tiles: Any, rows: Any, counters: Any, arena: Any) -> None:
    """In A (batch, N_OUT), write how far the input columns fill their bins."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    if counters[s, BATCH] == 0:
        return
    row = rows[s, i]
    samples, columns, lower, edges = row[A], row[B], row[C], row[D]
    width, first, n = row[N_OUT], row[SIZES], row[SIZES + 1]
    size, start = counters[s, CAPACITY] * n, tiles[cuda.blockIdx.x, 2] * ELEMENTS
    for e in range(start + t, min(start + ELEMENTS, size), _THREADS):
        own, k = samples + e // n * width, e % n
        edge = edges + np.int64(arena[lower + k])
        x, low = arena[own + np.int64(arena[columns + k])], arena[edge]
        arena[own + first + k] = share_of_bin(x, low, inverse_width(low, arena[edge + 1]))


@kernel("periodic_forward", _THREADS, _appended)
def periodic_forward(tiles: Any, rows: Any, counters: Any, arena: Any) -> None:
    """In A (batch, N_OUT), write cos 2πfx of n frequencies f, and then their sin 2πfx."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    if counters[s, BATCH] == 0:
        return
    row = rows[s, i]
    samples, columns, frequencies = row[A], row[B], row[C]
    width, first, n = row[N_OUT], row[SIZES], row[SIZES + 1]
    size, start = counters[s, CAPACITY] * n, tiles[cuda.blockIdx.x, 2] * ELEMENTS
    for e in range(start + t, min(start + ELEMENTS, size), _THREADS):
        own, k = samples + e // n * width, e % n
        x = arena[own + np.int64(arena[columns + k])]
        cosine, sine = cosine_and_sine(arena[frequencies + k] * x)
        arena[own + first + k] = cosine
        arena[own + first + n + k] = sine


@kernel("periodic_backward", LANES * LANE_ROWS, _columns)
def periodic_backward(tiles: Any, rows: Any, counters: Any, arena: Any) -> None:
    """Write D (n,) ← the frequencies' gradient, summed over the batch.

    A lane for each frequency: its threads take the rows in turn, and the first adds up their sums.
    """
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    if counters[s, BATCH] == 0:
        return
    sums = cuda.shared.array((LANE_ROWS, LANES), float32)
    row = rows[s, i]
    samples, columns, gradient, out = row[A], row[B], row[C], row[D]
    width, first, n = row[N_OUT], row[SIZES], row[SIZES + 1]
    lane, first_row = t % LANES, t // LANES
    k, total = tiles[cuda.blockIdx.x, 2] * LANES + lane, _ZERO
    if k < n:
        column = np.int64(arena[columns + k])
        for r in range(first_row, counters[s, CAPACITY], LANE_ROWS):
            x, own = arena[samples + r * width + column], r * width + first + k
            cosine, sine = arena[samples + own], arena[samples + own + n]
            slope = arena[gradient + own + n] * cosine - arena[gradient + own] * sine
            total += TURN * x * slope
    sums[first_row, lane] = total
    cuda.syncthreads()
    if first_row == 0 and k < n:
        for r in range(1, LANE_ROWS):
            total += sums[r, lane]
        arena[out + k] = total
