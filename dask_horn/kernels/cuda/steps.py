"""From step to step: each sub-model's counters go on, on the device, and nobody waits."""

from __future__ import annotations

import math
from typing import Any

from numba import float64

from dask_horn.kernels.cuda.columns import ORDER, STOPPED, TAKEN
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.sizes import ELEMENT_THREADS
from dask_horn.kernels.opcodes import BATCH, LOSS, RATE, STEP

_THREADS = ELEMENT_THREADS


@kernel("advance", _THREADS, serves=())
def advance(
    tiles: Any,
    counters: Any,
    scalars: Any,
    row_losses: Any,
    first_steps: Any,
    starts: Any,
    batches: Any,
    rates: Any,
    losses: Any,
) -> None:
    """End a sub-model's step, if one was taken, and begin its next one, if there is one.

    The loss is the sum of its rows', in one order, in float64.
    """
    s, t = tiles[cuda.blockIdx.x, 0], cuda.threadIdx.x
    sums = cuda.shared.array(_THREADS, float64)
    takes = counters[s, BATCH] > 0
    if takes:
        total = 0.0
        for r in range(t, row_losses.shape[1], _THREADS):
            total += row_losses[s, r]
        sums[t] = total
    cuda.syncthreads()
    if t > 0:
        return
    step, first = counters[s, TAKEN], first_steps[s]
    if takes:
        total = 0.0
        for k in range(min(_THREADS, row_losses.shape[1])):
            total += sums[k]
        losses[first + step] = total
        scalars[s, LOSS] = total
        counters[s, STEP] += 1
        step += 1
        counters[s, TAKEN] = step
        if not math.isfinite(total):
            counters[s, STOPPED] = 1
    counters[s, BATCH] = 0
    if first + step < first_steps[s + 1] and counters[s, STOPPED] == 0:
        counters[s, BATCH] = batches[first + step]
        counters[s, ORDER] = starts[first + step]
        scalars[s, RATE] = rates[first + step]
