"""Dropout per example and unit, inverted scaling, masks from Philox."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import kernel
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.opcodes import BATCH, CONSTANT, KEY, N_OUT, STEP, STREAM, A, B, C
from dask_horn.kernels.random import philox

_LANES = 64  # counters side by side: enough for the compiler to fill its vectors
_BLOCK = 4 * _LANES  # elements that they are for: a counter gives four words


@kernel("dropout_forward", result=lambda operation, batch_size: batch_size * operation.n_out)
def dropout_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """B (batch, N_OUT) ← mask, 0 or 1 / (1 - rate); C ← A mask; rate at CONSTANT.

    Element e has word ``e % 256 // 64`` of the counter ``(e // 256 * 64 + e % 64, step, stream,
    0)``: a function of key, step, layer and element alone.
    """
    size = counters[BATCH] * row[N_OUT]
    x = carray(at(arena, row[A]), (size,))
    mask = carray(at(arena, row[B]), (size,))
    out = carray(at(arena, row[C]), (size,))
    rate = scalars[row[CONSTANT]]
    keep, drop = np.float32(1.0 / (1.0 - rate)), np.float32(0)
    threshold = np.uint32(min(rate * 4294967296.0, 4294967295.0))
    k0, k1 = np.uint64(counters[KEY]), np.uint64(counters[KEY] >> 32)
    step, stream, zero = np.uint64(counters[STEP]), np.uint64(row[STREAM]), np.uint64(0)
    whole_blocks = size // _BLOCK
    for block in range(whole_blocks):
        # An array of the block's own: its indices are seen not to be negative, and vectorize.
        kept = carray(at(arena, row[B] + block * _BLOCK), (4, _LANES))
        for lane in range(_LANES):
            w0, w1, w2, w3 = philox(np.uint64(block * _LANES + lane), step, stream, zero, k0, k1)
            kept[0, lane] = keep if w0 >= threshold else drop
            kept[1, lane] = keep if w1 >= threshold else drop
            kept[2, lane] = keep if w2 >= threshold else drop
            kept[3, lane] = keep if w3 >= threshold else drop
    for i in range(whole_blocks * _BLOCK, size):
        counter = np.uint64(whole_blocks * _LANES + i % _LANES)
        word = philox(counter, step, stream, zero, k0, k1)[i % _BLOCK // _LANES]
        mask[i] = keep if word >= threshold else drop
    for i in range(size):
        out[i] = x[i] * mask[i]


@kernel("dropout_backward")
def dropout_backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Write A (batch, N_OUT) ← A times the mask B."""
    size = counters[BATCH] * row[N_OUT]
    gradient = carray(at(arena, row[A]), (size,))
    mask = carray(at(arena, row[B]), (size,))
    for i in range(size):
        gradient[i] *= mask[i]
