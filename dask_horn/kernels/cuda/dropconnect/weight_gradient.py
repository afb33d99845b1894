"""The gradient with respect to the weight and the bias of a layer with DropConnect."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, uint32

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.columns import CAPACITY
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.dropconnect.shared import ZERO, kept, put, read, spread
from dask_horn.kernels.cuda.dropconnect_masks import KEY_WORDS, draw_keys, draw_words
from dask_horn.kernels.cuda.lowering import brings_along
from dask_horn.kernels.cuda.sizes import MASKED_TILES
from dask_horn.kernels.masks import (
    MASK_COLUMNS,
    MASK_DIGITS,
    MASK_ROWS,
    MASK_WORDS,
    QUARTERS,
    first_digit,
)
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_IN, N_OUT, ROWS, A, B, C, D
from dask_horn.kernels.program import Operation
from dask_horn.rounding import ceil_div

_OF = MASKED_TILES["weight"]
_OWN, _GROUPS, _SPLITS, _THREADS = _OF.own, _OF.groups, _OF.splits, _OF.n_threads
_DEPTH, _ROWS = _OWN * _SPLITS, _GROUPS * MASK_ROWS  # examples of a stage; rows of a block
_GRADIENTS, _INPUTS = _DEPTH * MASK_COLUMNS, _DEPTH * _ROWS
_GRADIENT_STEP, _INPUT_STEP = _THREADS // MASK_COLUMNS, _THREADS // _ROWS
_N_GRADIENTS, _N_INPUTS = _DEPTH // _GRADIENT_STEP, _DEPTH // _INPUT_STEP
_SUMS, _ALL_INPUTS = MASK_ROWS * QUARTERS, 2 * _INPUTS
_ALL_GRADIENTS = max(2 * _GRADIENTS, _SUMS * MASK_WORDS * _GROUPS)
_ALL_KEYS = _GROUPS * MASK_DIGITS * KEY_WORDS

brings_along("dropconnect_weight", "dropconnect_masks")


@inlined
def _fetch_gradients(
    entries: Any, gradient: Any, b: Any, column: Any, n_examples: Any, n_out: Any
) -> None:
    """Read some examples' gradients of a column, from example b on."""
    at, own_examples = np.uint32(b * n_out + column), n_examples if column < n_out else np.int32(0)
    for k in range(_N_GRADIENTS):
        value = ZERO
        if b < own_examples:
            value = gradient[at]
        entries[k] = value
        b, at = np.int32(b + _GRADIENT_STEP), np.uint32(at + _GRADIENT_STEP * n_out)


@inlined
def _fetch_inputs(
    entries: Any, x: Any, b: Any, i: Any, n_examples: Any, n_in: Any, one: Any
) -> None:
    """Read input i of some examples, from example b on; the bias' is `one`."""
    at = np.uint32(b * n_in + i)
    for k in range(_N_INPUTS):
        value = one if i == n_in else ZERO
        if b < n_examples and i < n_in:
            value = x[at]
        entries[k] = value
        b, at = np.int32(b + _INPUT_STEP), np.uint32(at + _INPUT_STEP * n_in)


@inlined
def _add_row(total: Any, words: Any, gradients: Any, g: Any, inputs: Any, v: Any, r: Any) -> None:
    """Add the products of inputs r."""
    for e in range(_OWN):
        x = read(inputs, v + e * _ROWS + r)
        for q in range(QUARTERS):
            value = total[r, q] + x * read(gradients, g + e * MASK_COLUMNS + q)
            total[r, q] = value if kept(words[e], r, q) else total[r, q]


@inlined
def _add_tile(total: Any, words: Any, gradients: Any, g: Any, inputs: Any, v: Any) -> None:
    """Add some examples' products, row by row: written out, so that a bit's place is a constant."""
    _add_row(total, words, gradients, g, inputs, v, 0)
    _add_row(total, words, gradients, g, inputs, v, 1)
    _add_row(total, words, gradients, g, inputs, v, 2)
    _add_row(total, words, gradients, g, inputs, v, 3)
    _add_row(total, words, gradients, g, inputs, v, 4)
    _add_row(total, words, gradients, g, inputs, v, 5)
    _add_row(total, words, gradients, g, inputs, v, 6)
    _add_row(total, words, gradients, g, inputs, v, 7)


@inlined
def _add_up_splits(total: Any, split: Any, t: Any, memory: Any) -> None:
    """Add to the first split's sums those of the others, in order, through shared memory."""
    n_first = MASK_WORDS * _GROUPS
    for k in range(1, _SPLITS):
        if split == k:
            for r in range(MASK_ROWS):
                for q in range(QUARTERS):
                    put(memory, (r * QUARTERS + q) * n_first + t % n_first, total[r, q])
        cuda.syncthreads()
        if split == 0:
            for r in range(MASK_ROWS):
                for q in range(QUARTERS):
                    total[r, q] += read(memory, (r * QUARTERS + q) * n_first + t)
        cuda.syncthreads()


def _tiles(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(operation.n_in + 1, _ROWS), ceil_div(operation.n_out, MASK_COLUMNS)


@kernel("dropconnect_weight", _THREADS, _tiles)
def dropconnect_weight(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
    """C (N_IN, N_OUT) ← A (batch, N_IN).T times B (batch, N_OUT), where the masks keep it.

    And D (N_OUT,) likewise, of an input that is the number at CONSTANT. A block has some tiles of
    the mask, one above the other. Its threads are split in parts, which take a few examples each in
    turn.
    """
    gradients = cuda.shared.array(_ALL_GRADIENTS, float32)
    inputs = cuda.shared.array(_ALL_INPUTS, float32)
    keys = cuda.shared.array(_ALL_KEYS, uint32)
    total = cuda.local.array((MASK_ROWS, QUARTERS), float32)
    words = cuda.local.array(_OWN, uint32)
    next_gradients = cuda.local.array(_N_GRADIENTS, float32)
    next_inputs = cuda.local.array(_N_INPUTS, float32)

    block, t = cuda.blockIdx.x, np.int32(cuda.threadIdx.x)
    s = tiles[block, 0]
    if counters[s, BATCH] == 0:
        return
    row = rows[s, tiles[block, 1]]
    n_in, n_out = np.int32(row[N_IN]), np.int32(row[N_OUT])
    n_examples = np.int32(counters[s, CAPACITY] * row[ROWS])
    first_row, panel = tiles[block, 2] * _ROWS, tiles[block, 3]
    one, n_kept = constants[s, row[CONSTANT]], np.int32(constants[s, row[CONSTANT] + 1])
    last = first_digit(n_kept)
    lane, group, split = t % MASK_WORDS, t // MASK_WORDS % _GROUPS, t // MASK_WORDS // _GROUPS
    for r in range(MASK_ROWS):
        for q in range(QUARTERS):
            total[r, q] = ZERO

    n_panels = (n_out + MASK_COLUMNS - 1) // MASK_COLUMNS
    tile = tiles[block, 2] * _GROUPS * n_panels + panel
    draw_keys(row, counters[s], tile, n_panels, _GROUPS, last, t, _THREADS, keys, 0)
    own_keys = np.int32(group * (MASK_DIGITS - last) * KEY_WORDS)

    # What of a stage's gradients and inputs this thread fetches, and where it puts that.
    x, gradient = arena[row[A] :], arena[row[B] :]
    column, to_gradient = np.int32(panel * MASK_COLUMNS + t % MASK_COLUMNS), t // MASK_COLUMNS
    input_row, to_input = np.int32(first_row + t % _ROWS), t // _ROWS

    n_stages = np.int32((n_examples + _DEPTH - 1) // _DEPTH)
    for stage in range(n_stages + 1):
        half, other = stage % 2, (stage + 1) % 2
        # What the next stage multiplies is fetched while this one multiplies.
        if stage < n_stages:
            b = np.int32(stage * _DEPTH + to_gradient)
            _fetch_gradients(next_gradients, gradient, b, column, n_examples, n_out)
            b = np.int32(stage * _DEPTH + to_input)
            _fetch_inputs(next_inputs, x, b, input_row, n_examples, n_in, one)
        if stage > 0 and first_row + group * MASK_ROWS <= n_in:
            number = ((stage - 1) * _DEPTH + split * _OWN) * MASK_WORDS + lane
            draw_words(words, _OWN, number, MASK_WORDS, n_kept, last, keys, own_keys)
            g = other * _GRADIENTS + split * _OWN * MASK_COLUMNS + lane * QUARTERS
            v = other * _INPUTS + split * _OWN * _ROWS + group * MASK_ROWS
            _add_tile(total, words, gradients, g, inputs, v)
        if stage < n_stages:
            for k in range(_N_GRADIENTS):
                own = half * _GRADIENTS + (to_gradient + k * _GRADIENT_STEP) * MASK_COLUMNS
                put(gradients, own + spread(t % MASK_COLUMNS), next_gradients[k])
            for k in range(_N_INPUTS):
                own = half * _INPUTS + (to_input + k * _INPUT_STEP) * _ROWS
                put(inputs, own + t % _ROWS, next_inputs[k])
        cuda.syncthreads()

    _add_up_splits(total, split, t, gradients)  # whose memory is free now
    if split == 0:
        for r in range(MASK_ROWS):
            i = first_row + group * MASK_ROWS + r
            for q in range(QUARTERS):
                j = panel * MASK_COLUMNS + q * MASK_WORDS + lane
                if i <= n_in and j < n_out:
                    put(arena, row[C] + i * n_out + j if i < n_in else row[D] + j, total[r, q])
