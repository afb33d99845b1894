"""What a mask that a batch shares keeps of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint32

from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.dropconnect.shared import ZERO, kept
from dask_horn.kernels.cuda.dropconnect_masks import KEY_WORDS, draw_keys, draw_words
from dask_horn.kernels.cuda.lowering import brings_along
from dask_horn.kernels.cuda.sizes import KEPT_TILES
from dask_horn.kernels.masks import (
    MASK_COLUMNS,
    MASK_DIGITS,
    MASK_ROWS,
    MASK_WORDS,
    QUARTERS,
    first_digit,
)
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_IN, N_OUT, SIZES, A, B
from dask_horn.kernels.program import Operation
from dask_horn.rounding import ceil_div

brings_along("dropconnect_keep", "dropconnect_mask")

_THREADS, _KEYS = KEPT_TILES * MASK_WORDS, KEPT_TILES * MASK_DIGITS * KEY_WORDS


def _tiles(operation: Operation, batch_size: int) -> tuple[int, int]:
    first = operation.sizes[0]
    n_rows = ceil_div(first + operation.n_in, MASK_ROWS) - first // MASK_ROWS
    return ceil_div(n_rows * ceil_div(operation.n_out, MASK_COLUMNS), KEPT_TILES), 1


@kernel("dropconnect_keep", _THREADS, _tiles)
def dropconnect_keep(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
    """B ← A times the number at CONSTANT where the batch's one mask keeps it, 0 elsewhere.

    A and B (N_IN, N_OUT) are the rows of the mask from the first of SIZES on; B may be A. A thread
    has a word of the mask.
    """
    keys = cuda.shared.array(_KEYS, uint32)
    words = cuda.local.array(1, uint32)
    block, t = cuda.blockIdx.x, np.int32(cuda.threadIdx.x)
    s = tiles[block, 0]
    if counters[s, BATCH] == 0:
        return
    row = rows[s, tiles[block, 1]]
    n_in, n_out, first = np.int32(row[N_IN]), np.int32(row[N_OUT]), np.int32(row[SIZES])
    factor, n_kept = constants[s, row[CONSTANT]], np.int32(constants[s, row[CONSTANT] + 1])
    last = first_digit(n_kept)
    n_panels = (n_out + MASK_COLUMNS - 1) // MASK_COLUMNS
    first_tile = first // MASK_ROWS * n_panels + tiles[block, 2] * KEPT_TILES
    draw_keys(row, counters[s], first_tile, 1, KEPT_TILES, last, t, _THREADS, keys, 0)
    cuda.syncthreads()
    own, lane = t // MASK_WORDS, t % MASK_WORDS
    own_keys = own * (MASK_DIGITS - last) * KEY_WORDS
    draw_words(words, 1, lane, 0, n_kept, last, keys, own_keys)
    tile = np.uint32(first_tile + own)
    tile_row = np.int32(tile // np.uint32(n_panels))
    first_row = np.int32(tile_row * MASK_ROWS - first)
    first_column = np.int32((tile - tile_row * n_panels) * MASK_COLUMNS + lane)
    source, out = arena[row[A] :], arena[row[B] :]
    for r in range(MASK_ROWS):
        for q in range(QUARTERS):
            i, j = np.int32(first_row + r), np.int32(first_column + q * MASK_WORDS)
            if i >= 0 and i < n_in and j < n_out:
                at = np.uint32(i * n_out + j)
                value = source[at] * factor
                out[at] = value if kept(words[0], r, q) else ZERO
