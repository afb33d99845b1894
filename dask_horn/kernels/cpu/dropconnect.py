"""DropConnect: the products of a dense layer with a mask for each example and weight.

With x the inputs of one example and M its mask, ``out[j] = Σ_i x[i] M[i, j] W[i, j]``, and the same
M backward. A bias is the weight of one more input: its row of the mask is the last one. An example
is a row of the batch: of a sequence, each step has a mask of its own.

A weight tile, or an example's gradient, stays in the first cache while all examples, or all inputs,
pass by; the masks are read once in each product. Inputs of zero add nothing to a sum and are passed
over, which after relu is every other one.

References
----------
Wan, Zeiler, Zhang, LeCun, Fergus (2013), "Regularization of neural networks using DropConnect",
ICML, section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.masked_tiles import (
    DOT_ROWS,
    MASK_COLUMNS,
    MASK_ROWS,
    MASK_WORDS,
    QUARTERS,
    TERM,
    add_kept_rows,
    kept_dots,
)
from dask_horn.kernels.cpu.pointers import at, pointer_to
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_IN, N_OUT, ROWS, SIZES, A, B, C, D, E, F

__all__ = ["mask_size", "work_size"]

# Rows of the weight that stay in the first cache while all examples pass by …
_PANEL_ROWS = 64
# … and examples whose gradients stay there while the inputs do.
_PANEL_EXAMPLES = 64

_ZERO = np.float32(0)
_0, _1, _2, _3, _TERM = (np.uint64(number) for number in (0, 1, 2, 3, TERM))


def mask_size(n_examples: int, n_in: int, n_out: int) -> int:
    """Words of the masks of so many examples, the biases' among them."""
    tiles = -(-(n_in + 1) // MASK_ROWS) * -(-n_out // MASK_COLUMNS)
    return tiles * n_examples * MASK_WORDS


def work_size(n_examples: int, n_out: int) -> int:
    """Elements of work space that the products need, at most."""
    n_columns = -(-n_out // MASK_COLUMNS) * MASK_COLUMNS
    forward = n_examples * (1 + _PANEL_ROWS * TERM) + _PANEL_ROWS * MASK_COLUMNS
    to_input = MASK_ROWS * (1 + n_columns)
    n_runs = -(-n_examples // _PANEL_EXAMPLES)
    to_weight = MASK_ROWS * (MASK_COLUMNS + n_runs + n_examples * TERM)
    return max(forward, to_input, to_weight) + n_examples * n_columns


@kernel("dropconnect_forward")
def dropconnect_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_OUT) ← A (batch, N_IN) times the kept weights of B (N_IN, N_OUT).

    And the kept biases of D (N_OUT,), times the number at CONSTANT; masks at E, work space at F.
    """
    batch, n_in, n_out = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
    x, weight, bias = at(arena, row[A]), at(arena, row[B]), at(arena, row[D])
    out, bits, panel = at(arena, row[C]), at(arena, row[E]), at(arena, row[F])
    one = np.float32(scalars[row[CONSTANT]])
    n_panels = -(-n_out // MASK_COLUMNS)
    tile_size = batch * MASK_WORDS
    terms = at(panel, _PANEL_ROWS * MASK_COLUMNS)
    counts = at(terms, batch * _PANEL_ROWS * TERM)
    sums = at(counts, batch)
    _clear(sums, n_panels * batch * MASK_COLUMNS)
    for i in range(0, n_in + 1, _PANEL_ROWS):
        n_rows = min(_PANEL_ROWS, n_in + 1 - i)
        for b in range(batch):
            own = at(terms, b * _PANEL_ROWS * TERM)
            step = n_panels * tile_size
            counts[b] = _list_inputs(at(x, b * n_in + i), n_rows, n_in - i, one, step, own)
        for p in range(n_panels):
            j = p * MASK_COLUMNS
            for k in range(n_rows):
                line = at(weight, (i + k) * n_out + j) if i + k < n_in else at(bias, j)
                _copy_padded(line, min(MASK_COLUMNS, n_out - j), at(panel, k * MASK_COLUMNS))
            tiles = at(bits, (i // MASK_ROWS * n_panels + p) * tile_size)
            for b in range(batch):
                add_kept_rows(
                    at(terms, b * _PANEL_ROWS * TERM), np.int64(counts[b]), panel,
                    at(tiles, b * MASK_WORDS), at(sums, (p * batch + b) * MASK_COLUMNS),
                )  # fmt: skip
    for p in range(n_panels):
        j = p * MASK_COLUMNS
        for b in range(batch):
            total = at(sums, (p * batch + b) * MASK_COLUMNS)
            _copy(total, min(MASK_COLUMNS, n_out - j), at(out, b * n_out + j))


@inlined
def _list_inputs(x: Any, n_rows: Any, bias_row: Any, one: Any, step: Any, terms: Any) -> Any:
    """List the terms of an example's inputs that are not zero; return how many.

    `step` is how far the words of a tile lie from those of the tile above it.
    """
    factor, number = _as_terms(terms, _PANEL_ROWS)
    n = _0
    for k in range(n_rows):
        value = x[k] if k != bias_row else one
        factor[n] = value
        number[n + _1] = k * MASK_COLUMNS
        number[n + _2] = k // MASK_ROWS * step
        number[n + _3] = k % MASK_ROWS * QUARTERS
        n += _TERM if value != _ZERO else _0
    return np.float32(n // _TERM)


@kernel("dropconnect_input")
def dropconnect_input(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_IN) ← A (batch, N_OUT) times the kept weights of B (N_IN, N_OUT), transposed.

    Masks at D, work space at E.
    """
    batch, n_in, n_out = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
    gradient, weight, out = at(arena, row[A]), at(arena, row[B]), at(arena, row[C])
    bits, panel = at(arena, row[D]), at(arena, row[E])
    n_panels = -(-n_out // MASK_COLUMNS)
    width = n_panels * MASK_COLUMNS
    tile_size = batch * MASK_WORDS
    found = at(panel, MASK_ROWS * width)
    gradients = at(found, MASK_ROWS)
    for b in range(batch):
        _copy_row(at(gradient, b * n_out), n_out, width, at(gradients, b * width))
    for i in range(0, n_in, MASK_ROWS):
        n_rows = min(MASK_ROWS, n_in - i)
        for k in range(n_rows):
            _copy_row(at(weight, (i + k) * n_out), n_out, width, at(panel, k * width))
        tiles = at(bits, i // MASK_ROWS * n_panels * tile_size)
        for b in range(batch):
            for k in range(0, n_rows, DOT_ROWS):
                kept_dots(
                    at(gradients, b * width), n_panels, at(panel, k * width), width,
                    at(tiles, b * MASK_WORDS), tile_size, k, at(found, k),
                )  # fmt: skip
            _copy(found, n_rows, at(out, b * n_in + i))


@kernel("dropconnect_weight")
def dropconnect_weight(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (N_IN, N_OUT) ← A (batch, N_IN).T times B (batch, N_OUT), where the masks at E keep it.

    And D (N_OUT,) likewise, of an input that is the number at CONSTANT; work space at F.
    """
    batch, n_in, n_out = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
    x, gradient, out = at(arena, row[A]), at(arena, row[B]), at(arena, row[C])
    out_bias, bits, terms = at(arena, row[D]), at(arena, row[E]), at(arena, row[F])
    one = np.float32(scalars[row[CONSTANT]])
    n_panels = -(-n_out // MASK_COLUMNS)
    n_runs = -(-batch // _PANEL_EXAMPLES)
    sums = at(terms, MASK_ROWS * batch * TERM)
    counts = at(sums, MASK_ROWS * MASK_COLUMNS)
    gradients = at(counts, MASK_ROWS * n_runs)
    for p in range(n_panels):
        j = p * MASK_COLUMNS
        for b in range(batch):
            line = at(gradients, (p * batch + b) * MASK_COLUMNS)
            _copy_padded(at(gradient, b * n_out + j), min(MASK_COLUMNS, n_out - j), line)
    for i in range(0, n_in + 1, MASK_ROWS):
        n_rows = min(MASK_ROWS, n_in + 1 - i)
        for k in range(n_rows):
            for run in range(n_runs):
                b = run * _PANEL_EXAMPLES
                own, n = at(terms, (k * batch + b) * TERM), min(_PANEL_EXAMPLES, batch - b)
                column = at(x, b * n_in + i + k)
                is_bias = i + k == n_in
                counts[k * n_runs + run] = _list_examples(column, n_in, n, is_bias, one, k, own)
        for p in range(n_panels):
            tiles = at(bits, (i // MASK_ROWS * n_panels + p) * batch * MASK_WORDS)
            _clear(sums, MASK_ROWS * MASK_COLUMNS)
            for run in range(n_runs):
                b = run * _PANEL_EXAMPLES
                for k in range(n_rows):
                    add_kept_rows(
                        at(terms, (k * batch + b) * TERM), np.int64(counts[k * n_runs + run]),
                        at(gradients, (p * batch + b) * MASK_COLUMNS),
                        at(tiles, b * MASK_WORDS), at(sums, k * MASK_COLUMNS),
                    )  # fmt: skip
            j = p * MASK_COLUMNS
            for k in range(n_rows):
                line = at(out, (i + k) * n_out + j) if i + k < n_in else at(out_bias, j)
                _copy(at(sums, k * MASK_COLUMNS), min(MASK_COLUMNS, n_out - j), line)


@inlined
def _list_examples(
    x: Any, x_step: Any, n_examples: Any, is_bias: Any, one: Any, tile_row: Any, terms: Any
) -> Any:
    """List the terms of the examples whose input is not zero; return how many."""
    factor, number = _as_terms(terms, _PANEL_EXAMPLES)
    n = _0
    for b in range(n_examples):
        value = one if is_bias else x[b * x_step]
        factor[n] = value
        number[n + _1] = b * MASK_COLUMNS
        number[n + _2] = b * MASK_WORDS
        number[n + _3] = tile_row * QUARTERS
        n += _TERM if value != _ZERO else _0
    return np.float32(n // _TERM)


@inlined
def _as_terms(terms: Any, n: Any) -> Any:
    """Return the same memory as floats and as integers."""
    factor = carray(terms, (n * TERM,))
    return factor, carray(pointer_to(factor.ctypes.data, types.int32), (n * TERM,))


@kernel("dropconnect_keep")
def dropconnect_keep(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """B ← A times the number at CONSTANT where the one mask at C keeps it, 0 elsewhere.

    A and B (N_IN, N_OUT) are the rows of the mask from the first of SIZES on; B may be A.
    """
    n_rows, n_out, first = row[N_IN], row[N_OUT], row[SIZES]
    factor = np.float32(scalars[row[CONSTANT]])
    words = pointer_to(carray(at(arena, row[C]), (1,)).ctypes.data, types.int32)
    n_panels = -(-n_out // MASK_COLUMNS)
    for i in range(n_rows):
        tile_row = (first + i) // MASK_ROWS
        for j in range(0, n_out, MASK_WORDS):
            panel, quarter = j // MASK_COLUMNS, j % MASK_COLUMNS // MASK_WORDS
            signs = carray(at(words, (tile_row * n_panels + panel) * MASK_WORDS), (MASK_WORDS,))
            shift = np.int32((first + i) % MASK_ROWS * QUARTERS + quarter)
            width = min(MASK_WORDS, n_out - j)
            source = carray(at(arena, row[A] + i * n_out + j), (width,))
            target = carray(at(arena, row[B] + i * n_out + j), (width,))
            for lane in range(width):
                kept = np.int32(signs[lane] << shift) < 0
                target[lane] = factor * source[lane] if kept else _ZERO


@inlined
def _copy(source: Any, size: Any, target: Any) -> None:
    read, written = carray(source, (size,)), carray(target, (size,))
    for i in range(size):
        written[i] = read[i]


@inlined
def _clear(target: Any, size: Any) -> None:
    written = carray(target, (size,))
    for i in range(size):
        written[i] = _ZERO


@inlined
def _copy_row(source: Any, size: Any, width: Any, target: Any) -> None:
    """Copy so many, and fill up with zeros to a width."""
    _copy(source, size, target)
    _clear(at(target, size), width - size)


@inlined
def _copy_padded(source: Any, size: Any, target: Any) -> None:
    """Copy a row of at most MASK_COLUMNS, and fill it up."""
    if size == MASK_COLUMNS:
        _copy(source, MASK_COLUMNS, target)
    else:
        _copy_row(source, size, MASK_COLUMNS, target)
