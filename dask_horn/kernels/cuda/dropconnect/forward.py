"""The sums of a layer with DropConnect."""

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
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_IN, N_OUT, ROWS, A, B, C, D
from dask_horn.kernels.program import Operation
from dask_horn.rounding import ceil_div

_OF = MASKED_TILES["forward"]
_OWN, _GROUPS, _SPLITS, _THREADS = _OF.own, _OF.groups, _OF.splits, _OF.n_threads
_EXAMPLES, _SUMS = _OF.examples, _OF.own * QUARTERS
_DEPTH = _OF.splits * MASK_ROWS  # rows of the weight that are in shared memory together
_WEIGHTS, _LENGTH = _DEPTH * MASK_COLUMNS, _EXAMPLES + 4
_INPUTS = _DEPTH * _LENGTH
_ALL_WEIGHTS, _ALL_INPUTS = 2 * _WEIGHTS, 2 * _INPUTS
_N_WEIGHTS, _N_INPUTS = _WEIGHTS // _THREADS, _DEPTH * _EXAMPLES // _THREADS
_WEIGHT_STEP, _INPUT_STEP = _THREADS // MASK_COLUMNS, _THREADS // _DEPTH

brings_along("dropconnect_forward", "dropconnect_masks")


@inlined
def _fetch_weights(
    entries: Any, weight: Any, bias: Any, first_row: Any, column: Any, n_in: Any, n_out: Any
) -> None:
    """Read some rows' weights of a column, from the first row on; row n_in is the bias."""
    i, at = np.int32(first_row), np.uint32(first_row * n_out + column)
    own_rows = n_in if column < n_out else np.int32(0)
    for k in range(_N_WEIGHTS):
        value = ZERO
        if i < own_rows:
            value = weight[at]
        entries[k] = value
        i, at = np.int32(i + _WEIGHT_STEP), np.uint32(at + _WEIGHT_STEP * n_out)
    if i > n_in and column < n_out:
        for k in range(_N_WEIGHTS):
            if first_row + k * _WEIGHT_STEP == n_in:
                entries[k] = bias[np.uint32(column)]


@inlined
def _fetch_inputs(
    entries: Any, x: Any, i: Any, example: Any, n_examples: Any, n_in: Any, one: Any
) -> None:
    """Read input i of some examples; the bias' is `one`."""
    b, at = example, np.uint32(example * n_in + i)
    for k in range(_N_INPUTS):
        value = one if i == n_in else ZERO
        if i < n_in and b < n_examples:
            value = x[at]
        entries[k] = value
        b, at = np.int32(b + _INPUT_STEP), np.uint32(at + _INPUT_STEP * n_in)


@inlined
def _add_row(total: Any, words: Any, weights: Any, w: Any, inputs: Any, v: Any, r: Any) -> None:
    """Add the products of row r of a tile."""
    for e in range(_OWN):
        x = read(inputs, v + r * _LENGTH + e)
        for q in range(QUARTERS):
            value = total[e, q] + x * read(weights, w + r * MASK_COLUMNS + q)
            total[e, q] = value if kept(words[e], r, q) else total[e, q]


@inlined
def _add_tile(total: Any, words: Any, weights: Any, w: Any, inputs: Any, v: Any) -> None:
    """Add a tile's products, row by row: written out, so that a bit's place is a constant."""
    _add_row(total, words, weights, w, inputs, v, 0)
    _add_row(total, words, weights, w, inputs, v, 1)
    _add_row(total, words, weights, w, inputs, v, 2)
    _add_row(total, words, weights, w, inputs, v, 3)
    _add_row(total, words, weights, w, inputs, v, 4)
    _add_row(total, words, weights, w, inputs, v, 5)
    _add_row(total, words, weights, w, inputs, v, 6)
    _add_row(total, words, weights, w, inputs, v, 7)


@inlined
def _add_up_splits(total: Any, split: Any, t: Any, memory: Any) -> None:
    """Add to the first split's sums those of the others, in order, through shared memory."""
    n_first = MASK_WORDS * _GROUPS
    if split > 0:
        for e in range(_OWN):
            for q in range(QUARTERS):
                own = (split - 1) * _SUMS + e * QUARTERS + q
                put(memory, own * n_first + t % n_first, total[e, q])
    cuda.syncthreads()
    if split == 0:
        for e in range(_OWN):
            for q in range(QUARTERS):
                for k in range(_SPLITS - 1):
                    own = k * _SUMS + e * QUARTERS + q
                    total[e, q] += read(memory, own * n_first + t)


def _tiles(operation: Operation, batch_size: int) -> tuple[int, int]:
    down = ceil_div(batch_size * operation.rows, _EXAMPLES)
    return down, ceil_div(operation.n_out, MASK_COLUMNS)


@kernel("dropconnect_forward", _THREADS, _tiles)
def dropconnect_forward(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
    """C (batch, N_OUT) ← A (batch, N_IN) times the kept weights of B (N_IN, N_OUT).

    And the kept biases of D (N_OUT,), times the number at CONSTANT. A block has 64 columns of some
    examples. Its threads are split in parts, which take the tiles of the mask in turn.
    """
    weights = cuda.shared.array(_ALL_WEIGHTS, float32)
    inputs = cuda.shared.array(_ALL_INPUTS, float32)
    keys = cuda.shared.array(ALL_KEYS, uint32)
    total = cuda.local.array((_OWN, QUARTERS), float32)
    words = cuda.local.array(_OWN, uint32)
    next_weights = cuda.local.array(_N_WEIGHTS, float32)
    next_inputs = cuda.local.array(_N_INPUTS, float32)

    block, t = cuda.blockIdx.x, np.int32(cuda.threadIdx.x)
    s = tiles[block, 0]
    if counters[s, BATCH] == 0:
        return
    row = rows[s, tiles[block, 1]]
    n_in, n_out = np.int32(row[N_IN]), np.int32(row[N_OUT])
    n_examples = np.int32(counters[s, CAPACITY] * row[ROWS])
    first_example, panel = tiles[block, 2] * _EXAMPLES, tiles[block, 3]
    one, n_kept = constants[s, row[CONSTANT]], np.int32(constants[s, row[CONSTANT] + 1])
    last = first_digit(n_kept)
    n_digits = MASK_DIGITS - last
    lane, group, split = t % MASK_WORDS, t // MASK_WORDS % _GROUPS, t // MASK_WORDS // _GROUPS
    own_example = group * _OWN
    number = (first_example + own_example) * MASK_WORDS + lane
    for e in range(_OWN):
        for q in range(QUARTERS):
            total[e, q] = ZERO

    # What of a stage's weights and inputs this thread fetches, and where it puts that.
    x, weight, bias = arena[row[A] :], arena[row[B] :], arena[row[D] :]
    weight_row, column = t // MASK_COLUMNS, np.int32(panel * MASK_COLUMNS + t % MASK_COLUMNS)
    to_weight = weight_row * MASK_COLUMNS + spread(t % MASK_COLUMNS)
    input_row, example = t % _DEPTH, np.int32(first_example + t // _DEPTH)
    to_input = input_row * _LENGTH + t // _DEPTH

    n_stages = np.int32((n_in + _DEPTH) // _DEPTH)  # of the mask's rows: one more, the bias'
    n_panels = (n_out + MASK_COLUMNS - 1) // MASK_COLUMNS
    per_run = np.int32(MASK_KEYS // n_digits // _SPLITS)  # stages whose keys are drawn together
    slot, run, own_keys = np.int32(0), np.int32(0), np.int32(0)
    for stage in range(n_stages + 1):
        half, other, first = stage % 2, (stage + 1) % 2, stage * _DEPTH
        # What the next stage multiplies is fetched while this one multiplies.
        if stage < n_stages:
            own_row = np.int32(first + weight_row)
            _fetch_weights(next_weights, weight, bias, own_row, column, n_in, n_out)
            own_input = np.int32(first + input_row)
            _fetch_inputs(next_inputs, x, own_input, example, n_examples, n_in, one)
        if stage > 0 and ((stage - 1) * _SPLITS + split) * MASK_ROWS <= n_in:
            draw_words(words, _OWN, number, MASK_WORDS, n_kept, last, keys, own_keys)
            w = other * _WEIGHTS + split * TILE + lane * QUARTERS
            v = other * _INPUTS + split * MASK_ROWS * _LENGTH + own_example
            _add_tile(total, words, weights, w, inputs, v)
        if stage < n_stages:
            for k in range(_N_WEIGHTS):
                own = half * _WEIGHTS + to_weight + k * _WEIGHT_STEP * MASK_COLUMNS
                put(weights, own, next_weights[k])
            for k in range(_N_INPUTS):
                put(inputs, half * _INPUTS + to_input + k * _INPUT_STEP, next_inputs[k])
            if slot == 0:
                tile, n = stage * _SPLITS * n_panels + panel, per_run * _SPLITS
                place = run * MASK_KEYS * KEY_WORDS
                draw_keys(row, counters[s], tile, n_panels, n, last, t, _THREADS, keys, place)
            own_tile = slot * _SPLITS + split
            own_keys = np.int32((run * MASK_KEYS + own_tile * n_digits) * KEY_WORDS)
            slot = np.int32(slot + 1)
            if slot == per_run:
                slot, run = np.int32(0), np.int32(1 - run)
        cuda.syncthreads()

    _add_up_splits(total, split, t, weights)  # whose memory is free now
    if split == 0:
        for e in range(_OWN):
            b = first_example + own_example + e
            for q in range(QUARTERS):
                j = panel * MASK_COLUMNS + q * MASK_WORDS + lane
                if b < n_examples and j < n_out:
                    put(arena, row[C] + b * n_out + j, total[e, q])
