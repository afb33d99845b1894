"""Losses: each row's share of the batch's mean, and the gradient with respect to the outputs.

The formulas are those of `dask_horn.kernels.cpu.losses`: outputs z at A (batch, N_OUT), targets at
B, the gradient to C (batch, N_OUT); E (batch,) is 1 where a row counts and 0 where it is padding,
and the mean is over those that count. A block's lanes share a row, and add up its sums in one
order, whatever rows are beside it. The next step's beginning adds up the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import float32

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.columns import CAPACITY
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.sizes import LANE_ROWS, LANES
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_OUT, ROWS, A, B, C, D, E
from dask_horn.kernels.program import Operation
from dask_horn.kernels.scalars import exp_negative
from dask_horn.rounding import ceil_div

_THREADS = LANES * LANE_ROWS
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


def _rows(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(batch_size * operation.rows, LANE_ROWS), 1


@inlined
def _add(a: Any, b: Any) -> Any:
    return a + b


@inlined
def _larger(a: Any, b: Any) -> Any:
    return max(a, b)


def _over_lanes(combine: Callable[..., Any]) -> Callable[..., Any]:
    """Return what combines the values that the lanes of a row have; all of them get the result."""

    @inlined
    def over_lanes(buffer: Any, own: Any, lane: Any, value: Any) -> Any:
        cuda.syncthreads()
        buffer[own, lane] = value
        cuda.syncthreads()
        total = buffer[own, 0]
        for k in range(1, LANES):
            total = combine(total, buffer[own, k])
        return total

    return over_lanes


_sum_of_lanes, _top_of_lanes = _over_lanes(_add), _over_lanes(_larger)


@inlined
def _n_counted(arena: Any, counted: Any, n_rows: Any, t: Any) -> Any:
    """How many rows of the batch count, at least 1: every block finds out for itself."""
    total = 0
    for first in range(0, n_rows, _THREADS):
        counts = 0
        if first + t < n_rows and arena[counted + first + t] != _ZERO:
            counts = 1
        total += cuda.syncthreads_count(counts)
    return max(total, 1)


@kernel("cross_entropy", _THREADS, _rows)
def cross_entropy(tiles: Any, rows: Any, counters: Any, arena: Any, row_losses: Any) -> None:
    """Mean of ``-w log softmax(z)[class]``; B (batch,) the classes, D (N_OUT,) their weights w."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    if counters[s, BATCH] == 0:
        return
    sums = cuda.shared.array((LANE_ROWS, LANES), float32)
    row = rows[s, i]
    width, n_rows = row[N_OUT], counters[s, BATCH] * row[ROWS]
    n_counted = _n_counted(arena, row[E], n_rows, t)
    own, lane = t // LANES, t % LANES
    r = tiles[cuda.blockIdx.x, 2] * LANE_ROWS + own
    exists = r < counters[s, CAPACITY] * row[ROWS]
    counts_too = False
    if r < n_rows:
        counts_too = arena[row[E] + r] != _ZERO
    z, gradient = row[A] + r * width, row[C] + r * width
    top = np.float32(-np.inf)
    if counts_too:
        for j in range(lane, width, LANES):
            top = max(top, arena[z + j])
    top = _top_of_lanes(sums, own, lane, top)
    total = _ZERO
    if counts_too:
        for j in range(lane, width, LANES):
            value = exp_negative(arena[z + j] - top)
            arena[gradient + j] = value
            total += value
    total = _sum_of_lanes(sums, own, lane, total)
    if counts_too:
        label = np.int64(arena[row[B] + r])
        share = arena[row[D] + label] / np.float32(n_counted)
        factor = share / total
        for j in range(lane, width, LANES):
            value = arena[gradient + j] * factor
            if j == label:
                value -= share
            arena[gradient + j] = value
        if lane == 0:
            row_losses[s, r] = share * (math.log(total) + (top - arena[z + label]))
    elif exists:
        for j in range(lane, width, LANES):
            arena[gradient + j] = _ZERO
        if lane == 0:
            row_losses[s, r] = _ZERO


@inlined
def _binary(z: Any, target: Any, delta: Any) -> Any:
    """``log(1 + e^z) - t z`` and its slope."""
    e = exp_negative(-abs(z))
    probability = (e if z < _ZERO else _ONE) / (_ONE + e)
    return max(z, _ZERO) - target * z + np.float32(math.log1p(e)), probability - target


@inlined
def _squared(z: Any, target: Any, delta: Any) -> Any:
    """``(z - t)² / 2`` and its slope."""
    error = z - target
    return _HALF * error * error, error


@inlined
def _huber(z: Any, target: Any, delta: Any) -> Any:
    """``e²/2`` where ``|e| ≤ δ``, else ``δ (|e| - δ/2)``, and its slope; e = z - t."""
    error = z - target
    slope = min(max(error, -delta), delta)
    return slope * (error - _HALF * slope), slope


def _by_outputs(name: str, loss_of: Callable[..., Any]) -> None:
    """Register a loss that is a mean over outputs: each has a target, B (batch, N_OUT)."""

    @kernel(name, _THREADS, _rows)
    def loss(
        tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any, row_losses: Any
    ) -> None:
        """Mean of `loss_of`, whose δ is at CONSTANT."""
        s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
        if counters[s, BATCH] == 0:
            return
        sums = cuda.shared.array((LANE_ROWS, LANES), float32)
        row = rows[s, i]
        width, n_rows = row[N_OUT], counters[s, BATCH] * row[ROWS]
        n_counted = _n_counted(arena, row[E], n_rows, t)
        inverse, delta = (
            _ONE / (np.float32(n_counted) * np.float32(width)),
            constants[s, row[CONSTANT]],
        )
        own, lane = t // LANES, t % LANES
        r = tiles[cuda.blockIdx.x, 2] * LANE_ROWS + own
        exists = r < counters[s, CAPACITY] * row[ROWS]
        counts_too = False
        if r < n_rows:
            counts_too = arena[row[E] + r] != _ZERO
        z, target, gradient = row[A] + r * width, row[B] + r * width, row[C] + r * width
        total = _ZERO
        if exists:
            for j in range(lane, width, LANES):
                slope = _ZERO
                if counts_too:
                    value, slope = loss_of(arena[z + j], arena[target + j], delta)
                    total += value
                arena[gradient + j] = slope * inverse
        total = _sum_of_lanes(sums, own, lane, total)
        if exists and lane == 0:
            row_losses[s, r] = total * inverse


_by_outputs("binary_cross_entropy", _binary)
_by_outputs("squared_error", _squared)
_by_outputs("huber", _huber)
