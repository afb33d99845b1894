"""The gradient with respect to the input of a layer with DropConnect."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, uint32

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.columns import CAPACITY
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.dropconnect.shared import ALL_KEYS, TILE, ZERO, kept, put, read, spread
from dask_horn.kernels.cuda.dropconnect_masks import KEY_WORDS, draw_keys, draw_words
from dask_horn.kernels.cuda.lowering import brings_along
from dask_horn.kernels.cuda.sizes import MASK_KEYS, MASKED_TILES
from dask_horn.kernels.masks import (
    MASK_COLUMNS,
    MASK_DIGITS,
    MASK_ROWS,
    MASK_WORDS,
    QUARTERS,
    first_digit,
)
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_IN, N_OUT, ROWS, A, B, C
from dask_horn.kernels.program import Operation
from dask_horn.rounding import ceil_div

_OF = MASKED_TILES["input"]
_OWN, _EXAMPLES, _THREADS = _OF.own, _OF.examples, _OF.n_threads
_WEIGHT_STEP = _THREADS // MASK_COLUMNS
_N_WEIGHTS = MASK_ROWS // _WEIGHT_STEP
_SUMS = _EXAMPLES * MASK_ROWS
_ALL_WEIGHTS, _ALL_SUMS = 2 * TILE, _SUMS * (MASK_WORDS + 1)

brings_along("dropconnect_input", "dropconnect_masks")


@inlined
def _fetch_weights(entries: Any, weight: Any, i: Any, j: Any, n_in: Any, n_out: Any) -> None:
    """Read some rows' weights of column j, from row i on."""
    at, own_rows = np.uint32(i * n_out + j), n_in if j < n_out else np.int32(0)
    for k in range(_N_WEIGHTS):
        value = ZERO
        if i < own_rows:
            value = weight[at]
        entries[k] = value
        i, at = np.int32(i + _WEIGHT_STEP), np.uint32(at + _WEIGHT_STEP * n_out)


@inlined
def _fetch_gradients(
    entries: Any, gradient: Any, example: Any, first: Any, n_examples: Any, n_out: Any
) -> None:
    """Read some examples' gradients of a word's columns, the first of them and its neighbours."""
    for e in range(_OWN):
        b = np.int32(example + e)
        at = np.uint32(b * n_out + first)
        for q in range(QUARTERS):
            value = ZERO
            if b < n_examples and np.int32(first + q * MASK_WORDS) < n_out:
                value = gradient[np.uint32(at + q * MASK_WORDS)]
            entries[e, q] = value


@inlined
def _add_row(total: Any, words: Any, weights: Any, w: Any, gradients: Any, r: Any) -> None:
    """Add the products with row r of a tile."""
    for e in range(_OWN):
        for q in range(QUARTERS):
            value = total[e, r] + gradients[e, q] * read(weights, w + r * MASK_COLUMNS + q)
            total[e, r] = value if kept(words[e], r, q) else total[e, r]


@inlined
def _add_tile(total: Any, words: Any, weights: Any, w: Any, gradients: Any) -> None:
    """Add a tile's products, row by row: written out, so that a bit's place is a constant."""
    _add_row(total, words, weights, w, gradients, 0)
    _add_row(total, words, weights, w, gradients, 1)
    _add_row(total, words, weights, w, gradients, 2)
    _add_row(total, words, weights, w, gradients, 3)
    _add_row(total, words, weights, w, gradients, 4)
    _add_row(total, words, weights, w, gradients, 5)
    _add_row(total, words, weights, w, gradients, 6)
    _add_row(total, words, weights, w, gradients, 7)


def _tiles(operation: Operation, batch_size: int) -> tuple[int, int]:
    down = ceil_div(batch_size * operation.rows, _EXAMPLES)
    return down, ceil_div(operation.n_in, MASK_ROWS)


@kernel("dropconnect_input", _THREADS, _tiles)
def dropconnect_input(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
    """C (batch, N_IN) ← A (batch, N_OUT) times the kept weights of B (N_IN, N_OUT), transposed.

    A block has a row of tiles of the mask, and some examples. Threads sum their own columns, and
    what the threads of an example have is added up in order.
    """
    weights = cuda.shared.array(_ALL_WEIGHTS, float32)
    sums = cuda.shared.array(_ALL_SUMS, float32)
    keys = cuda.shared.array(ALL_KEYS, uint32)
    total = cuda.local.array((_OWN, MASK_ROWS), float32)
    words = cuda.local.array(_OWN, uint32)
    next_weights = cuda.local.array(_N_WEIGHTS, float32)
    own_gradients = cuda.local.array((_OWN, QUARTERS), float32)
    next_gradients = cuda.local.array((_OWN, QUARTERS), float32)

    block, t = cuda.blockIdx.x, np.int32(cuda.threadIdx.x)
    s = tiles[block, 0]
    if counters[s, BATCH] == 0:
        return
    row = rows[s, tiles[block, 1]]
    n_in, n_out = np.int32(row[N_IN]), np.int32(row[N_OUT])
    n_examples = np.int32(counters[s, CAPACITY] * row[ROWS])
    first_example, first_row = tiles[block, 2] * _EXAMPLES, tiles[block, 3] * MASK_ROWS
    n_kept = np.int32(constants[s, row[CONSTANT] + 1])
    last = first_digit(n_kept)
    n_digits = MASK_DIGITS - last
    lane, own_example = t % MASK_WORDS, t // MASK_WORDS * _OWN
    example = np.int32(first_example + own_example)
    number = example * MASK_WORDS + lane
    for e in range(_OWN):
        for r in range(MASK_ROWS):
            total[e, r] = ZERO

    gradient, weight, out = arena[row[A] :], arena[row[B] :], arena[row[C] :]
    weight_row = np.int32(first_row + t // MASK_COLUMNS)
    to_weight = t // MASK_COLUMNS * MASK_COLUMNS + spread(t % MASK_COLUMNS)
    n_panels = np.int32((n_out + MASK_COLUMNS - 1) // MASK_COLUMNS)
    per_run = np.int32(MASK_KEYS // n_digits)  # panels whose keys are drawn together
    slot, run, own_keys = np.int32(0), np.int32(0), np.int32(0)
    for panel in range(n_panels + 1):
        half, other = panel % 2, (panel + 1) % 2
        # What the next panel multiplies is fetched while this one multiplies.
        if panel < n_panels:
            j = np.int32(panel * MASK_COLUMNS + t % MASK_COLUMNS)
            _fetch_weights(next_weights, weight, weight_row, j, n_in, n_out)
            j = np.int32(panel * MASK_COLUMNS + lane)
            _fetch_gradients(next_gradients, gradient, example, j, n_examples, n_out)
        if panel > 0:
            draw_words(words, _OWN, number, MASK_WORDS, n_kept, last, keys, own_keys)
            _add_tile(total, words, weights, other * TILE + lane * QUARTERS, own_gradients)
        if panel < n_panels:
            for k in range(_N_WEIGHTS):
                own = half * TILE + to_weight + k * _WEIGHT_STEP * MASK_COLUMNS
                put(weights, own, next_weights[k])
            for e in range(_OWN):
                for q in range(QUARTERS):
                    own_gradients[e, q] = next_gradients[e, q]
            if slot == 0:
                tile, place = tiles[block, 3] * n_panels + panel, run * MASK_KEYS * KEY_WORDS
                draw_keys(row, counters[s], tile, 1, per_run, last, t, _THREADS, keys, place)
            own_keys = np.int32((run * MASK_KEYS + slot * n_digits) * KEY_WORDS)
            slot = np.int32(slot + 1)
            if slot == per_run:
                slot, run = np.int32(0), np.int32(1 - run)
        cuda.syncthreads()

    # One more number a line, so that neighbouring lines begin in other banks.
    for e in range(_OWN):
        for r in range(MASK_ROWS):
            line = (own_example + e) * MASK_ROWS + r
            put(sums, line * (MASK_WORDS + 1) + lane, total[e, r])
    cuda.syncthreads()
    for n in range(t, _SUMS, _THREADS):
        b, i = first_example + n // MASK_ROWS, first_row + n % MASK_ROWS
        if b < n_examples and i < n_in:
            value = ZERO
            for k in range(MASK_WORDS):
                value += read(sums, n * (MASK_WORDS + 1) + k)
            out[np.uint32(b * n_in + i)] = value
