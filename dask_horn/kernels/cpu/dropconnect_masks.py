"""The masks of DropConnect: a bit for each example and weight, drawn once in a step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.tiles.pointers import at, pointer_to
from dask_horn.kernels.masks import (
    MASK_COLUMNS,
    MASK_DIGITS,
    MASK_ROWS,
    MASK_WORDS,
    first_digit,
    hashed,
)
from dask_horn.kernels.opcodes import BATCH, CONSTANT, KEY, N_IN, N_OUT, ROWS, STEP, STREAM, A
from dask_horn.kernels.program import Operation
from dask_horn.kernels.random import philox
from dask_horn.kernels.rounding import ceil_div


def _n_words(operation: Operation, n_masks: int) -> int:
    n_tiles = ceil_div(operation.n_in, MASK_ROWS) * ceil_div(operation.n_out, MASK_COLUMNS)
    return n_tiles * n_masks * MASK_WORDS


@kernel(
    "dropconnect_masks",
    result=lambda operation, batch_size: _n_words(operation, batch_size * operation.rows),
)
def dropconnect_masks(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Draw masks at A for N_IN rows and N_OUT columns, one for each row of the batch."""
    _draw(row, counters, scalars, arena, counters[BATCH] * row[ROWS])


@kernel("dropconnect_mask", result=lambda operation, batch_size: _n_words(operation, 1))
def dropconnect_mask(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Draw one mask at A for N_IN rows and N_OUT columns, which all examples share."""
    _draw(row, counters, scalars, arena, np.int64(1))


@inlined
def _draw(row: Any, counters: Any, scalars: Any, arena: Any, n_examples: Any) -> None:
    """Draw masks at A; at CONSTANT stands how many of 256 weights are kept.

    Tile after tile, and in a tile example after example, with MASK_WORDS words each.
    """
    n_tiles = ceil_div(row[N_IN], MASK_ROWS) * ceil_div(row[N_OUT], MASK_COLUMNS)
    words = pointer_to(carray(at(arena, row[A]), (1,)).ctypes.data, types.uint32)
    kept = np.int64(scalars[row[CONSTANT]])
    k0, k1 = np.uint64(counters[KEY]), np.uint64(counters[KEY] >> 32)
    step, stream = np.uint64(counters[STEP]), np.uint64(row[STREAM])
    last = first_digit(kept)
    size = n_examples * MASK_WORDS
    for tile in range(n_tiles):
        mask = carray(at(words, tile * size), (size,))
        for digit in range(last, MASK_DIGITS):
            key0, key1, key2, _ = philox(np.uint64(tile), np.uint64(digit), step, stream, k0, k1)
            if digit == last:
                for word in range(size):
                    mask[word] = hashed(np.uint32(word), key0, key1, key2)
            elif kept >> digit & 1:
                for word in range(size):
                    mask[word] |= hashed(np.uint32(word), key0, key1, key2)
            else:
                for word in range(size):
                    mask[word] &= hashed(np.uint32(word), key0, key1, key2)
