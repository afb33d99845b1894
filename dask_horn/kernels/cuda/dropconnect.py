"""DropConnect: the products of a dense layer with a mask for each example and weight.

The formulas and the masks are those of `dask_horn.kernels.cpu.dropconnect`, but that no mask is
ever in memory: each word of it is drawn where it is used, in a register, from which 32 products are
added to a sum, or not. A thread has a word of each tile of the mask that it meets, the same one: so
it has four columns, MASK_WORDS apart. What it reads of a row of 64 columns lies side by side in
shared memory.

All rows know how masks are drawn: the number of 256 that are kept stands behind the constant that a
row has anyway, and the mask has one more row than the weight, the bias'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, uint32

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.columns import CAPACITY
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.dropconnect_masks import KEY_WORDS, draw_keys, draw_words
from dask_horn.kernels.cuda.lowering import brings_along
from dask_horn.kernels.cuda.sizes import KEPT_TILES, MASK_KEYS, MASKED_TILES
from dask_horn.kernels.masks import (
    MASK_COLUMNS,
    MASK_DIGITS,
    MASK_ROWS,
    MASK_WORDS,
    QUARTERS,
    first_digit,
)
from dask_horn.kernels.opcodes import (
    BATCH,
    CONSTANT,
    N_IN,
    N_OUT,
    ROWS,
    SIZES,
    A,
    B,
    C,
    D,
)
from dask_horn.kernels.program import Operation
from dask_horn.rounding import ceil_div

_ZERO, _ONE_BIT = np.float32(0), np.uint32(1)
_ALL_KEYS = 2 * MASK_KEYS * KEY_WORDS
_TILE = MASK_ROWS * MASK_COLUMNS

for _name in ("dropconnect_forward", "dropconnect_input", "dropconnect_weight"):
    brings_along(_name, "dropconnect_masks")
brings_along("dropconnect_keep", "dropconnect_mask")


@inlined
def _read(array: Any, place: Any) -> Any:
    """Return what is at a place: without a sign, it is not asked whether it counts from the end."""
    return array[np.uint64(place)]


@inlined
def _put(array: Any, place: Any, value: Any) -> None:
    array[np.uint64(place)] = value


@inlined
def _spread(column: Any) -> Any:
    """Return where a column of 64 lies in shared memory: beside those of the same word."""
    return column % MASK_WORDS * QUARTERS + column // MASK_WORDS


@inlined
def _kept(word: Any, row: Any, quarter: Any) -> Any:
    """Whether the mask keeps the weight of this row of the tile, and this column of the word's."""
    return word & (_ONE_BIT << np.uint32(31 - QUARTERS * row - quarter)) != 0


# --- Forward -------------------------------------------------------------------------------------

_F = MASKED_TILES["forward"]
_F_DEPTH = _F.splits * MASK_ROWS  # rows of the weight that are in shared memory together
_F_WEIGHTS, _F_LENGTH = _F_DEPTH * MASK_COLUMNS, _F.examples + 4
_F_INPUTS = _F_DEPTH * _F_LENGTH
_F_ALL_WEIGHTS, _F_ALL_INPUTS = 2 * _F_WEIGHTS, 2 * _F_INPUTS
_F_N_WEIGHTS = _F_WEIGHTS // _F.n_threads
_F_N_INPUTS = _F_DEPTH * _F.examples // _F.n_threads
_F_WEIGHT_STEP, _F_INPUT_STEP = _F.n_threads // MASK_COLUMNS, _F.n_threads // _F_DEPTH
_F_OWN, _F_GROUPS, _F_SPLITS, _F_THREADS = _F.own, _F.groups, _F.splits, _F.n_threads
_F_EXAMPLES, _F_SUMS = _F.examples, _F.own * QUARTERS


@inlined
def _add_row(total: Any, words: Any, weights: Any, w: Any, inputs: Any, v: Any, r: Any) -> None:
    """Add the products of row r of a tile: written out, so that a bit's place is a constant."""
    for e in range(_F_OWN):
        x = _read(inputs, v + r * _F_LENGTH + e)
        for q in range(QUARTERS):
            value = total[e, q] + x * _read(weights, w + r * MASK_COLUMNS + q)
            total[e, q] = value if _kept(words[e], r, q) else total[e, q]


def _forward_tiles(operation: Operation, batch_size: int) -> tuple[int, int]:
    down = ceil_div(batch_size * operation.rows, _F_EXAMPLES)
    return down, ceil_div(operation.n_out, MASK_COLUMNS)


@kernel("dropconnect_forward", _F_THREADS, _forward_tiles)
def dropconnect_forward(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
    """C (batch, N_OUT) ← A (batch, N_IN) times the kept weights of B (N_IN, N_OUT).

    And the kept biases of D (N_OUT,), times the number at CONSTANT. A block has 64 columns of some
    examples; splits of its threads have every so-manieth tile of the mask, and the sums of all of
    them are added up in order.
    """
    weights = cuda.shared.array(_F_ALL_WEIGHTS, float32)
    inputs = cuda.shared.array(_F_ALL_INPUTS, float32)
    keys = cuda.shared.array(_ALL_KEYS, uint32)
    total = cuda.local.array((_F_OWN, QUARTERS), float32)
    words = cuda.local.array(_F_OWN, uint32)
    next_weights = cuda.local.array(_F_N_WEIGHTS, float32)
    next_inputs = cuda.local.array(_F_N_INPUTS, float32)

    block, t = cuda.blockIdx.x, np.int32(cuda.threadIdx.x)
    s = tiles[block, 0]
    if counters[s, BATCH] == 0:
        return
    row = rows[s, tiles[block, 1]]
    n_in, n_out = np.int32(row[N_IN]), np.int32(row[N_OUT])
    n_examples = np.int32(counters[s, CAPACITY] * row[ROWS])
    first_example, panel = tiles[block, 2] * _F_EXAMPLES, tiles[block, 3]
    one, kept = constants[s, row[CONSTANT]], np.int32(constants[s, row[CONSTANT] + 1])
    last = first_digit(kept)
    n_digits = MASK_DIGITS - last
    lane, group, split = t % MASK_WORDS, t // MASK_WORDS % _F_GROUPS, t // MASK_WORDS // _F_GROUPS
    own_example = group * _F_OWN
    number = (first_example + own_example) * MASK_WORDS + lane
    for e in range(_F_OWN):
        for q in range(QUARTERS):
            total[e, q] = _ZERO

    # What of a stage's weights and inputs this thread fetches, and where it puts that.
    x, weight, bias = arena[row[A] :], arena[row[B] :], arena[row[D] :]
    weight_row, column = t // MASK_COLUMNS, np.int32(panel * MASK_COLUMNS + t % MASK_COLUMNS)
    own_rows = n_in if column < n_out else np.int32(0)
    to_weight = weight_row * MASK_COLUMNS + _spread(t % MASK_COLUMNS)
    input_row, example = t % _F_DEPTH, np.int32(first_example + t // _F_DEPTH)
    to_input = input_row * _F_LENGTH + t // _F_DEPTH

    n_stages = np.int32((n_in + _F_DEPTH) // _F_DEPTH)  # of the mask's rows: one more, the bias'
    per_run = np.int32(MASK_KEYS // n_digits // _F_SPLITS)  # stages whose keys are drawn together
    slot, run, own_keys = np.int32(0), np.int32(0), np.int32(0)
    for stage in range(n_stages + 1):
        half, other = stage % 2, (stage + 1) % 2
        # What the next stage multiplies is fetched while this one multiplies.
        if stage < n_stages:
            i = np.int32(stage * _F_DEPTH + weight_row)
            at = np.uint32(i * n_out + column)
            for k in range(_F_N_WEIGHTS):
                value = _ZERO
                if i < own_rows:
                    value = weight[at]
                next_weights[k] = value
                i, at = np.int32(i + _F_WEIGHT_STEP), np.uint32(at + _F_WEIGHT_STEP * n_out)
            if stage == n_stages - 1 and column < n_out:
                for k in range(_F_N_WEIGHTS):
                    if stage * _F_DEPTH + weight_row + k * _F_WEIGHT_STEP == n_in:
                        next_weights[k] = bias[np.uint32(column)]
            i, b = np.int32(stage * _F_DEPTH + input_row), example
            at = np.uint32(b * n_in + i)
            for k in range(_F_N_INPUTS):
                value = one if i == n_in else _ZERO
                if i < n_in and b < n_examples:
                    value = x[at]
                next_inputs[k] = value
                b, at = np.int32(b + _F_INPUT_STEP), np.uint32(at + _F_INPUT_STEP * n_in)
        if stage > 0 and ((stage - 1) * _F_SPLITS + split) * MASK_ROWS <= n_in:
            draw_words(words, _F_OWN, number, MASK_WORDS, kept, last, keys, own_keys)
            w = other * _F_WEIGHTS + split * _TILE + lane * QUARTERS
            v = other * _F_INPUTS + split * MASK_ROWS * _F_LENGTH + own_example
            _add_row(total, words, weights, w, inputs, v, 0)
            _add_row(total, words, weights, w, inputs, v, 1)
            _add_row(total, words, weights, w, inputs, v, 2)
            _add_row(total, words, weights, w, inputs, v, 3)
            _add_row(total, words, weights, w, inputs, v, 4)
            _add_row(total, words, weights, w, inputs, v, 5)
            _add_row(total, words, weights, w, inputs, v, 6)
            _add_row(total, words, weights, w, inputs, v, 7)
        if stage < n_stages:
            for k in range(_F_N_WEIGHTS):
                own = half * _F_WEIGHTS + to_weight + k * _F_WEIGHT_STEP * MASK_COLUMNS
                _put(weights, own, next_weights[k])
            for k in range(_F_N_INPUTS):
                _put(inputs, half * _F_INPUTS + to_input + k * _F_INPUT_STEP, next_inputs[k])
            if slot == 0:
                n_panels = (n_out + MASK_COLUMNS - 1) // MASK_COLUMNS
                tile, n = stage * _F_SPLITS * n_panels + panel, per_run * _F_SPLITS
                place = run * MASK_KEYS * KEY_WORDS
                draw_keys(row, counters[s], tile, n_panels, n, last, t, _F_THREADS, keys, place)
            own_keys = np.int32(
                (run * MASK_KEYS + (slot * _F_SPLITS + split) * n_digits) * KEY_WORDS
            )
            slot = np.int32(slot + 1)
            if slot == per_run:
                slot, run = np.int32(0), np.int32(1 - run)
        cuda.syncthreads()

    # The weights' memory is free now: the splits' sums, one after the other.
    n_first = MASK_WORDS * _F_GROUPS
    if split > 0:
        for e in range(_F_OWN):
            for q in range(QUARTERS):
                own = (split - 1) * _F_SUMS + e * QUARTERS + q
                _put(weights, own * n_first + t % n_first, total[e, q])
    cuda.syncthreads()
    if split == 0:
        for e in range(_F_OWN):
            b = first_example + own_example + e
            for q in range(QUARTERS):
                value = total[e, q]
                for k in range(_F_SPLITS - 1):
                    value += _read(weights, (k * _F_SUMS + e * QUARTERS + q) * n_first + t)
                j = panel * MASK_COLUMNS + q * MASK_WORDS + lane
                if b < n_examples and j < n_out:
                    _put(arena, row[C] + b * n_out + j, value)


# --- The gradient with respect to the input ------------------------------------------------------

_I = MASKED_TILES["input"]
_I_OWN, _I_EXAMPLES, _I_THREADS = _I.own, _I.examples, _I.n_threads
_I_WEIGHT_STEP = _I.n_threads // MASK_COLUMNS
_I_N_WEIGHTS = MASK_ROWS // _I_WEIGHT_STEP
_I_SUMS = _I.examples * MASK_ROWS
_I_ALL_WEIGHTS, _I_ALL_SUMS = 2 * _TILE, _I_SUMS * (MASK_WORDS + 1)


@inlined
def _add_dots(total: Any, words: Any, weights: Any, w: Any, gradients: Any, r: Any) -> None:
    """Add the products with row r of a tile."""
    for e in range(_I_OWN):
        for q in range(QUARTERS):
            value = total[e, r] + gradients[e, q] * _read(weights, w + r * MASK_COLUMNS + q)
            total[e, r] = value if _kept(words[e], r, q) else total[e, r]


def _input_tiles(operation: Operation, batch_size: int) -> tuple[int, int]:
    down = ceil_div(batch_size * operation.rows, _I_EXAMPLES)
    return down, ceil_div(operation.n_in, MASK_ROWS)


@kernel("dropconnect_input", _I_THREADS, _input_tiles)
def dropconnect_input(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
    """C (batch, N_IN) ← A (batch, N_OUT) times the kept weights of B (N_IN, N_OUT), transposed.

    A block has a row of tiles of the mask, and some examples. Threads sum their own columns, and
    what the threads of an example have is added up in order.
    """
    weights = cuda.shared.array(_I_ALL_WEIGHTS, float32)
    sums = cuda.shared.array(_I_ALL_SUMS, float32)
    keys = cuda.shared.array(_ALL_KEYS, uint32)
    total = cuda.local.array((_I_OWN, MASK_ROWS), float32)
    words = cuda.local.array(_I_OWN, uint32)
    next_weights = cuda.local.array(_I_N_WEIGHTS, float32)
    own_gradients = cuda.local.array((_I_OWN, QUARTERS), float32)
    next_gradients = cuda.local.array((_I_OWN, QUARTERS), float32)

    block, t = cuda.blockIdx.x, np.int32(cuda.threadIdx.x)
    s = tiles[block, 0]
    if counters[s, BATCH] == 0:
        return
    row = rows[s, tiles[block, 1]]
    n_in, n_out = np.int32(row[N_IN]), np.int32(row[N_OUT])
    n_examples = np.int32(counters[s, CAPACITY] * row[ROWS])
    first_example, first_row = tiles[block, 2] * _I_EXAMPLES, tiles[block, 3] * MASK_ROWS
    kept = np.int32(constants[s, row[CONSTANT] + 1])
    last = first_digit(kept)
    n_digits = MASK_DIGITS - last
    lane, own_example = t % MASK_WORDS, t // MASK_WORDS * _I_OWN
    number = (first_example + own_example) * MASK_WORDS + lane
    for e in range(_I_OWN):
        for r in range(MASK_ROWS):
            total[e, r] = _ZERO

    gradient, weight, out = arena[row[A] :], arena[row[B] :], arena[row[C] :]
    weight_row = np.int32(first_row + t // MASK_COLUMNS)
    to_weight = t // MASK_COLUMNS * MASK_COLUMNS + _spread(t % MASK_COLUMNS)
    n_panels = np.int32((n_out + MASK_COLUMNS - 1) // MASK_COLUMNS)
    per_run = np.int32(MASK_KEYS // n_digits)  # panels whose keys are drawn together
    slot, run, own_keys = np.int32(0), np.int32(0), np.int32(0)
    for panel in range(n_panels + 1):
        half, other = panel % 2, (panel + 1) % 2
        # What the next panel multiplies is fetched while this one multiplies.
        if panel < n_panels:
            j = np.int32(panel * MASK_COLUMNS + t % MASK_COLUMNS)
            i, at = weight_row, np.uint32(weight_row * n_out + j)
            own_rows = n_in if j < n_out else np.int32(0)
            for k in range(_I_N_WEIGHTS):
                value = _ZERO
                if i < own_rows:
                    value = weight[at]
                next_weights[k] = value
                i, at = np.int32(i + _I_WEIGHT_STEP), np.uint32(at + _I_WEIGHT_STEP * n_out)
            for e in range(_I_OWN):
                b, j = np.int32(first_example + own_example + e), panel * MASK_COLUMNS + lane
                at = np.uint32(b * n_out + j)
                for q in range(QUARTERS):
                    value = _ZERO
                    if b < n_examples and np.int32(j + q * MASK_WORDS) < n_out:
                        value = gradient[np.uint32(at + q * MASK_WORDS)]
                    next_gradients[e, q] = value
        if panel > 0:
            draw_words(words, _I_OWN, number, MASK_WORDS, kept, last, keys, own_keys)
            w = other * _TILE + lane * QUARTERS
            _add_dots(total, words, weights, w, own_gradients, 0)
            _add_dots(total, words, weights, w, own_gradients, 1)
            _add_dots(total, words, weights, w, own_gradients, 2)
            _add_dots(total, words, weights, w, own_gradients, 3)
            _add_dots(total, words, weights, w, own_gradients, 4)
            _add_dots(total, words, weights, w, own_gradients, 5)
            _add_dots(total, words, weights, w, own_gradients, 6)
            _add_dots(total, words, weights, w, own_gradients, 7)
        if panel < n_panels:
            for k in range(_I_N_WEIGHTS):
                own = half * _TILE + to_weight + k * _I_WEIGHT_STEP * MASK_COLUMNS
                _put(weights, own, next_weights[k])
            for e in range(_I_OWN):
                for q in range(QUARTERS):
                    own_gradients[e, q] = next_gradients[e, q]
            if slot == 0:
                tile, place = tiles[block, 3] * n_panels + panel, run * MASK_KEYS * KEY_WORDS
                draw_keys(row, counters[s], tile, 1, per_run, last, t, _I_THREADS, keys, place)
            own_keys = np.int32((run * MASK_KEYS + slot * n_digits) * KEY_WORDS)
            slot = np.int32(slot + 1)
            if slot == per_run:
                slot, run = np.int32(0), np.int32(1 - run)
        cuda.syncthreads()

    # One more number a line, so that neighbouring lines begin in other banks.
    for e in range(_I_OWN):
        for r in range(MASK_ROWS):
            line = (own_example + e) * MASK_ROWS + r
            _put(sums, line * (MASK_WORDS + 1) + lane, total[e, r])
    cuda.syncthreads()
    for n in range(t, _I_SUMS, _I_THREADS):
        b, i = first_example + n // MASK_ROWS, first_row + n % MASK_ROWS
        if b < n_examples and i < n_in:
            value = _ZERO
            for k in range(MASK_WORDS):
                value += _read(sums, n * (MASK_WORDS + 1) + k)
            out[np.uint32(b * n_in + i)] = value


# --- The gradient with respect to the weight and the bias ----------------------------------------

_W = MASKED_TILES["weight"]
_W_OWN, _W_GROUPS, _W_SPLITS, _W_THREADS = _W.own, _W.groups, _W.splits, _W.n_threads
_W_DEPTH, _W_ROWS = _W.own * _W.splits, _W.groups * MASK_ROWS
_W_GRADIENTS, _W_INPUTS = _W_DEPTH * MASK_COLUMNS, _W_DEPTH * _W_ROWS
_W_GRADIENT_STEP, _W_INPUT_STEP = _W.n_threads // MASK_COLUMNS, _W.n_threads // _W_ROWS
_W_N_GRADIENTS, _W_N_INPUTS = _W_DEPTH // _W_GRADIENT_STEP, _W_DEPTH // _W_INPUT_STEP
_W_SUMS, _W_ALL_INPUTS = MASK_ROWS * QUARTERS, 2 * _W_INPUTS
_W_ALL_GRADIENTS = max(2 * _W_GRADIENTS, _W_SUMS * MASK_WORDS * _W.groups)
_W_ALL_KEYS = _W.groups * MASK_DIGITS * KEY_WORDS


@inlined
def _add_outer(total: Any, words: Any, gradients: Any, g: Any, inputs: Any, v: Any, r: Any) -> None:
    """Add the products of inputs r."""
    for e in range(_W_OWN):
        x = _read(inputs, v + e * _W_ROWS + r)
        for q in range(QUARTERS):
            value = total[r, q] + x * _read(gradients, g + e * MASK_COLUMNS + q)
            total[r, q] = value if _kept(words[e], r, q) else total[r, q]


def _weight_tiles(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(operation.n_in + 1, _W_ROWS), ceil_div(operation.n_out, MASK_COLUMNS)


@kernel("dropconnect_weight", _W_THREADS, _weight_tiles)
def dropconnect_weight(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
    """C (N_IN, N_OUT) ← A (batch, N_IN).T times B (batch, N_OUT), where the masks keep it.

    And D (N_OUT,) likewise, of an input that is the number at CONSTANT. A block has some tiles of
    the mask, one above the other; splits of its threads have every so-manieth few examples, and
    their sums are added up in order.
    """
    gradients = cuda.shared.array(_W_ALL_GRADIENTS, float32)
    inputs = cuda.shared.array(_W_ALL_INPUTS, float32)
    keys = cuda.shared.array(_W_ALL_KEYS, uint32)
    total = cuda.local.array((MASK_ROWS, QUARTERS), float32)
    words = cuda.local.array(_W_OWN, uint32)
    next_gradients = cuda.local.array(_W_N_GRADIENTS, float32)
    next_inputs = cuda.local.array(_W_N_INPUTS, float32)

    block, t = cuda.blockIdx.x, np.int32(cuda.threadIdx.x)
    s = tiles[block, 0]
    if counters[s, BATCH] == 0:
        return
    row = rows[s, tiles[block, 1]]
    n_in, n_out = np.int32(row[N_IN]), np.int32(row[N_OUT])
    n_examples = np.int32(counters[s, CAPACITY] * row[ROWS])
    first_row, panel = tiles[block, 2] * _W_ROWS, tiles[block, 3]
    one, kept = constants[s, row[CONSTANT]], np.int32(constants[s, row[CONSTANT] + 1])
    last = first_digit(kept)
    lane, group, split = t % MASK_WORDS, t // MASK_WORDS % _W_GROUPS, t // MASK_WORDS // _W_GROUPS
    for r in range(MASK_ROWS):
        for q in range(QUARTERS):
            total[r, q] = _ZERO

    n_panels = (n_out + MASK_COLUMNS - 1) // MASK_COLUMNS
    tile = tiles[block, 2] * _W_GROUPS * n_panels + panel
    draw_keys(row, counters[s], tile, n_panels, _W_GROUPS, last, t, _W_THREADS, keys, 0)
    own_keys = np.int32(group * (MASK_DIGITS - last) * KEY_WORDS)

    # What of a stage's gradients and inputs this thread fetches, and where it puts that.
    x, gradient = arena[row[A] :], arena[row[B] :]
    column, to_gradient = np.int32(panel * MASK_COLUMNS + t % MASK_COLUMNS), t // MASK_COLUMNS
    own_examples = n_examples if column < n_out else np.int32(0)
    input_row, to_input = np.int32(first_row + t % _W_ROWS), t // _W_ROWS

    n_stages = np.int32((n_examples + _W_DEPTH - 1) // _W_DEPTH)
    for stage in range(n_stages + 1):
        half, other = stage % 2, (stage + 1) % 2
        # What the next stage multiplies is fetched while this one multiplies.
        if stage < n_stages:
            b = np.int32(stage * _W_DEPTH + to_gradient)
            at = np.uint32(b * n_out + column)
            for k in range(_W_N_GRADIENTS):
                value = _ZERO
                if b < own_examples:
                    value = gradient[at]
                next_gradients[k] = value
                b, at = np.int32(b + _W_GRADIENT_STEP), np.uint32(at + _W_GRADIENT_STEP * n_out)
            b = np.int32(stage * _W_DEPTH + to_input)
            at = np.uint32(b * n_in + input_row)
            for k in range(_W_N_INPUTS):
                value = one if input_row == n_in else _ZERO
                if b < n_examples and input_row < n_in:
                    value = x[at]
                next_inputs[k] = value
                b, at = np.int32(b + _W_INPUT_STEP), np.uint32(at + _W_INPUT_STEP * n_in)
        if stage > 0 and first_row + group * MASK_ROWS <= n_in:
            number = ((stage - 1) * _W_DEPTH + split * _W_OWN) * MASK_WORDS + lane
            draw_words(words, _W_OWN, number, MASK_WORDS, kept, last, keys, own_keys)
            g = other * _W_GRADIENTS + split * _W_OWN * MASK_COLUMNS + lane * QUARTERS
            v = other * _W_INPUTS + split * _W_OWN * _W_ROWS + group * MASK_ROWS
            _add_outer(total, words, gradients, g, inputs, v, 0)
            _add_outer(total, words, gradients, g, inputs, v, 1)
            _add_outer(total, words, gradients, g, inputs, v, 2)
            _add_outer(total, words, gradients, g, inputs, v, 3)
            _add_outer(total, words, gradients, g, inputs, v, 4)
            _add_outer(total, words, gradients, g, inputs, v, 5)
            _add_outer(total, words, gradients, g, inputs, v, 6)
            _add_outer(total, words, gradients, g, inputs, v, 7)
        if stage < n_stages:
            for k in range(_W_N_GRADIENTS):
                d = to_gradient + k * _W_GRADIENT_STEP
                own = half * _W_GRADIENTS + d * MASK_COLUMNS + _spread(t % MASK_COLUMNS)
                _put(gradients, own, next_gradients[k])
            for k in range(_W_N_INPUTS):
                d = to_input + k * _W_INPUT_STEP
                _put(inputs, half * _W_INPUTS + d * _W_ROWS + t % _W_ROWS, next_inputs[k])
        cuda.syncthreads()

    # The gradients' memory is free now: the splits' sums, one after the other.
    n_first = MASK_WORDS * _W_GROUPS
    for k in range(1, _W_SPLITS):
        if split == k:
            for r in range(MASK_ROWS):
                for q in range(QUARTERS):
                    _put(gradients, (r * QUARTERS + q) * n_first + t % n_first, total[r, q])
        cuda.syncthreads()
        if split == 0:
            for r in range(MASK_ROWS):
                for q in range(QUARTERS):
                    total[r, q] += _read(gradients, (r * QUARTERS + q) * n_first + t)
        cuda.syncthreads()
    if split == 0:
        for r in range(MASK_ROWS):
            i = first_row + group * MASK_ROWS + r
            for q in range(QUARTERS):
                j = panel * MASK_COLUMNS + q * MASK_WORDS + lane
                if i <= n_in and j < n_out:
                    _put(arena, row[C] + i * n_out + j if i < n_in else row[D] + j, total[r, q])


# --- One mask for the batch ----------------------------------------------------------------------

_K_THREADS, _K_KEYS = KEPT_TILES * MASK_WORDS, KEPT_TILES * MASK_DIGITS * KEY_WORDS


def _keep_tiles(operation: Operation, batch_size: int) -> tuple[int, int]:
    first = operation.sizes[0]
    n_rows = ceil_div(first + operation.n_in, MASK_ROWS) - first // MASK_ROWS
    return ceil_div(n_rows * ceil_div(operation.n_out, MASK_COLUMNS), KEPT_TILES), 1


@kernel("dropconnect_keep", _K_THREADS, _keep_tiles)
def dropconnect_keep(tiles: Any, rows: Any, counters: Any, constants: Any, arena: Any) -> None:
    """B ← A times the number at CONSTANT where the batch's one mask keeps it, 0 elsewhere.

    A and B (N_IN, N_OUT) are the rows of the mask from the first of SIZES on; B may be A. A thread
    has a word of the mask.
    """
    keys = cuda.shared.array(_K_KEYS, uint32)
    words = cuda.local.array(1, uint32)
    block, t = cuda.blockIdx.x, np.int32(cuda.threadIdx.x)
    s = tiles[block, 0]
    if counters[s, BATCH] == 0:
        return
    row = rows[s, tiles[block, 1]]
    n_in, n_out, first = np.int32(row[N_IN]), np.int32(row[N_OUT]), np.int32(row[SIZES])
    factor, kept = constants[s, row[CONSTANT]], np.int32(constants[s, row[CONSTANT] + 1])
    last = first_digit(kept)
    n_panels = (n_out + MASK_COLUMNS - 1) // MASK_COLUMNS
    first_tile = first // MASK_ROWS * n_panels + tiles[block, 2] * KEPT_TILES
    draw_keys(row, counters[s], first_tile, 1, KEPT_TILES, last, t, _K_THREADS, keys, 0)
    cuda.syncthreads()
    own, lane = t // MASK_WORDS, t % MASK_WORDS
    own_keys = own * (MASK_DIGITS - last) * KEY_WORDS
    draw_words(words, 1, lane, 0, kept, last, keys, own_keys)
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
                out[at] = value if _kept(words[0], r, q) else _ZERO
