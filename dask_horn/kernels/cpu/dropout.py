"""Dropout per example and unit, inverted scaling, masks from Philox."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import kernel
from dask_horn.kernels.cpu.pointers import at
from dask_horn.kernels.opcodes import BATCH, CONSTANT, KEY, N_OUT, STEP, STREAM, A, B, C
from dask_horn.kernels.random import philox

_LANES = 64  # counters side by side: enough for the compiler to fill its vectors


@kernel("dropout_forward")
def dropout_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """B (batch, N_OUT) ← mask, 0 or 1 / (1 - rate); C ← A mask; rate at CONSTANT.

    Element e has word ``e % 64 // 16`` … of the counter (lane, step, stream): a function of seed,
    step, layer and element alone.
    """
    size = counters[BATCH] * row[N_OUT]
    x = carray(at(arena, row[A]), (size,))
    mask = carray(at(arena, row[B]), (size,))
    out = carray(at(arena, row[C]), (size,))
    rate = scalars[row[CONSTANT]]
    keep = np.float32(1.0 / (1.0 - rate))
    threshold = np.uint32(min(rate * 4294967296.0, 4294967295.0))
    k0, k1 = np.uint32(counters[KEY]), np.uint32(counters[KEY] >> 32)
    step, stream, zero = np.uint32(counters[STEP]), np.uint32(row[STREAM]), np.uint32(0)
    words = np.empty((4, _LANES), np.uint32)
    for block in range((size + 4 * _LANES - 1) // (4 * _LANES)):
        for lane in range(_LANES):
            w0, w1, w2, w3 = philox(
                np.uint32(block * _LANES + lane), step, stream, zero, k0, k1
            )
            words[0, lane] = w0
            words[1, lane] = w1
            words[2, lane] = w2
            words[3, lane] = w3
        first = block * 4 * _LANES
        flat = words.reshape(4 * _LANES)
        for i in range(min(4 * _LANES, size - first)):
            factor = keep if flat[i] >= threshold else np.float32(0)
            mask[first + i] = factor
            out[first + i] = x[first + i] * factor


@kernel("dropout_backward")
def dropout_backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """A (batch, N_OUT) ← A times the mask B."""
    size = counters[BATCH] * row[N_OUT]
    gradient = carray(at(arena, row[A]), (size,))
    mask = carray(at(arena, row[B]), (size,))
    for i in range(size):
        gradient[i] *= mask[i]
