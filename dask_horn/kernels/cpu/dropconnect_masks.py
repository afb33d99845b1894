"""The masks of DropConnect: a bit for each example and weight, drawn once in a step.

There are a hundred times as many bits as a dropout layer needs numbers. Philox gives the keys of
each tile of the mask, and a hash with these keys makes the bits: two multiplications for 32 of
them in place of twenty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.tiles.masked_tiles import MASK_COLUMNS, MASK_ROWS, MASK_WORDS
from dask_horn.kernels.cpu.tiles.pointers import at, pointer_to
from dask_horn.kernels.opcodes import BATCH, CONSTANT, KEY, N_IN, N_OUT, ROWS, STEP, STREAM, A
from dask_horn.kernels.program import Operation
from dask_horn.kernels.random import philox
from dask_horn.kernels.rounding import ceil_div

# Binary digits of a probability, `network.layers.dropconnect.KEEP_STEPS`.
_DIGITS = 8


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

    Tile after tile, and in a tile example after example, with MASK_WORDS words each. Philox, asked
    for the counter ``(tile, digit, step, stream)``, gives the keys that the words' numbers in the
    tile are hashed with. What comes out is a binary digit for each weight; its mask is set where
    the digits, read as a number, are below the probability.
    """
    n_tiles = ceil_div(row[N_IN], MASK_ROWS) * ceil_div(row[N_OUT], MASK_COLUMNS)
    words = pointer_to(carray(at(arena, row[A]), (1,)).ctypes.data, types.uint32)
    kept = np.int64(scalars[row[CONSTANT]])
    k0, k1 = np.uint64(counters[KEY]), np.uint64(counters[KEY] >> 32)
    step, stream = np.uint64(counters[STEP]), np.uint64(row[STREAM])
    last = 0  # digits behind the probability's last one decide nothing
    while last < _DIGITS - 1 and not kept >> last & 1:
        last += 1
    size = n_examples * MASK_WORDS
    for tile in range(n_tiles):
        mask = carray(at(words, tile * size), (size,))
        for digit in range(last, _DIGITS):
            key0, key1, key2, _ = philox(np.uint64(tile), np.uint64(digit), step, stream, k0, k1)
            if digit == last:
                for word in range(size):
                    mask[word] = _hash(np.uint32(word), key0, key1, key2)
            elif kept >> digit & 1:
                for word in range(size):
                    mask[word] |= _hash(np.uint32(word), key0, key1, key2)
            else:
                for word in range(size):
                    mask[word] &= _hash(np.uint32(word), key0, key1, key2)


@inlined
def _hash(number: Any, key0: Any, key1: Any, key2: Any) -> Any:
    """Mix the bits of a number, so that every one depends on every one: a permutation.

    Shifts and factors are those of a search for the least bias: `lowbias32`, improved, of Wellons,
    "Prospecting for hash functions" (2018), with a key before each round.
    """
    x = np.uint32(number + key0)
    x = np.uint32(np.uint32(x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD))
    x = np.uint32(x + key1)
    x = np.uint32(np.uint32(x ^ (x >> np.uint32(15))) * np.uint32(0xD35A2D97))
    x = np.uint32(x + key2)
    return np.uint32(x ^ (x >> np.uint32(15)))
