"""Samples into the batch buffer, and outputs out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import from_dtype

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.columns import CAPACITY, ORDER, TAKEN
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.sizes import ELEMENT_THREADS, GATHERED
from dask_horn.kernels.opcodes import BATCH, N_IN, N_OUT, A
from dask_horn.kernels.program import Operation
from dask_horn.rounding import ceil_div

_THREADS = ELEMENT_THREADS
_ZERO = np.float32(0)

# float32 has all digits of these; of the others, float64 has.
_SHORT_DTYPES = ("uint8", "uint16", "int8", "int16", "float32")
_LONG_DTYPES = ("uint32", "uint64", "int32", "int64", "float64")


def _samples(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(batch_size, GATHERED), 1


@inlined
def _short(x: Any, scaling: Any, j: Any) -> Any:
    """Return (x - mean) / scale of feature j in float32, with the mean in two parts.

    A large offset must not eat the digits: the first difference is exact where digits cancel.
    """
    _, _, mean_high, mean_low, inverse_scale = scaling
    return (np.float32(x) - mean_high[j] - mean_low[j]) * inverse_scale[j]


@inlined
def _long(x: Any, scaling: Any, j: Any) -> Any:
    """Return it by way of float64."""
    mean, inverse, _, _, _ = scaling
    return np.float32((np.float64(x) - mean[j]) * inverse[j])


def _gather(dtype: str, standardized: Callable[..., Any]) -> None:
    @kernel(f"gather_{dtype}", _THREADS, _samples, samples=from_dtype(np.dtype(dtype)))
    def gather(
        tiles: Any,
        rows: Any,
        counters: Any,
        arena: Any,
        order: Any,
        samples: Any,
        mean: Any,
        inverse: Any,
        mean_high: Any,
        mean_low: Any,
        inverse_scale: Any,
    ) -> None:
        """Write A (capacity, N_IN) ← (x - mean) / scale of the samples that `order` names.

        And zeros for those that the batch has not.
        """
        s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
        batch, first = counters[s, BATCH], tiles[cuda.blockIdx.x, 2] * GATHERED
        if batch == 0:
            return
        scaling = mean, inverse, mean_high, mean_low, inverse_scale
        width, out = rows[s, i, N_IN], rows[s, i, A]
        for r in range(first, min(first + GATHERED, counters[s, CAPACITY])):
            if r < batch:
                start = order[counters[s, ORDER] + r] * width
                for j in range(t, width, _THREADS):
                    arena[out + r * width + j] = standardized(samples[start + j], scaling, j)
            else:
                for j in range(t, width, _THREADS):
                    arena[out + r * width + j] = _ZERO


for _dtype in _SHORT_DTYPES:
    _gather(_dtype, _short)
for _dtype in _LONG_DTYPES:
    _gather(_dtype, _long)


@kernel("gather_targets", _THREADS, _samples)
def gather_targets(
    tiles: Any, rows: Any, counters: Any, arena: Any, order: Any, targets: Any
) -> None:
    """Write A (capacity, N_OUT) ← the targets of the samples that `order` names."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    batch, first = counters[s, BATCH], tiles[cuda.blockIdx.x, 2] * GATHERED
    width, out = rows[s, i, N_OUT], rows[s, i, A]
    for r in range(first, min(first + GATHERED, batch)):
        start = order[counters[s, ORDER] + r] * width
        for j in range(t, width, _THREADS):
            arena[out + r * width + j] = targets[start + j]


@kernel("store", _THREADS, _samples)
def store(tiles: Any, rows: Any, counters: Any, arena: Any, outputs: Any) -> None:
    """Write A (batch, N_OUT) to the outputs, where its samples stand in `order`."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    batch, first = counters[s, BATCH], tiles[cuda.blockIdx.x, 2] * GATHERED
    width, source = rows[s, i, N_OUT], rows[s, i, A]
    for r in range(first, min(first + GATHERED, batch)):
        target = (counters[s, ORDER] + r) * width
        for j in range(t, width, _THREADS):
            outputs[target + j] = arena[source + r * width + j]


@kernel("store_once", _THREADS)
def store_once(
    tiles: Any, rows: Any, counters: Any, first_steps: Any, arena: Any, outputs: Any
) -> None:
    """Write A (N_OUT,), which is the batch's as a whole, to the outputs."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    if counters[s, BATCH] == 0:
        return
    width, source = rows[s, i, N_OUT], rows[s, i, A]
    target = (first_steps[s] + counters[s, TAKEN]) * width
    for j in range(t, width, _THREADS):
        outputs[target + j] = arena[source + j]
