"""DropConnect: the products of a dense layer with a mask for each example and weight.

A bias is the weight of one more input: its row of the mask is the last one. An example is a row of
the batch: of a sequence, each step has a mask of its own.

References
----------
Wan, Zeiler, Zhang, LeCun, Fergus (2013), "Regularization of neural networks using DropConnect",
ICML, section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.tiles.floats import copy_floats, zero_floats
from dask_horn.kernels.cpu.tiles.kept_products import (
    add_kept,
    as_terms,
    copy_padded,
    kept_dots_size,
    kept_sums_size,
    multiply_kept,
    multiply_kept_transposed,
)
from dask_horn.kernels.cpu.tiles.masked_tiles import TERM, add_kept_rows
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.masks import MASK_COLUMNS, MASK_ROWS, MASK_WORDS, QUARTERS
from dask_horn.kernels.opcodes import (
    BATCH,
    CONSTANT,
    N_IN,
    N_OUT,
    ROWS,
    SIZES,
    WORK,
    A,
    B,
    C,
    D,
    E,
)
from dask_horn.kernels.program import Operation
from dask_horn.kernels.rounding import ceil_div, round_up

# Examples whose gradients stay in the first cache while the inputs pass by.
_PANEL_EXAMPLES = 64

_ZERO = np.float32(0)
_0, _1, _2, _3, _TERM = (np.uint64(number) for number in (0, 1, 2, 3, TERM))


def _forward_work(operation: Operation, batch_size: int) -> int:
    return kept_sums_size(batch_size * operation.rows, operation.n_out)


def _input_work(operation: Operation, batch_size: int) -> int:
    return kept_dots_size(batch_size * operation.rows, operation.n_out)


def _weight_work(operation: Operation, batch_size: int) -> int:
    n_examples = batch_size * operation.rows
    n_columns = round_up(operation.n_out, MASK_COLUMNS)
    n_runs = ceil_div(n_examples, _PANEL_EXAMPLES)
    return MASK_ROWS * (MASK_COLUMNS + n_runs + n_examples * TERM) + n_examples * n_columns


@kernel("dropconnect_forward", work=_forward_work)
def dropconnect_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_OUT) ← A (batch, N_IN) times the kept weights of B (N_IN, N_OUT).

    And the kept biases of D (N_OUT,), times the number at CONSTANT; masks at E.
    """
    multiply_kept(
        at(arena, row[A]), counters[BATCH] * row[ROWS], row[N_IN], at(arena, row[B]), row[N_OUT],
        1, at(arena, row[D]), np.float32(scalars[row[CONSTANT]]),
        at(arena, row[E]), at(arena, row[C]), at(arena, row[WORK]),
    )  # fmt: skip


@kernel("dropconnect_input", work=_input_work)
def dropconnect_input(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_IN) ← A (batch, N_OUT) times the kept weights of B (N_IN, N_OUT), transposed.

    Masks at D.
    """
    multiply_kept_transposed(
        at(arena, row[A]), counters[BATCH] * row[ROWS], row[N_OUT], at(arena, row[B]), row[N_IN],
        at(arena, row[D]), at(arena, row[C]), False, at(arena, row[WORK]),
    )  # fmt: skip


@kernel("dropconnect_weight", work=_weight_work)
def dropconnect_weight(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (N_IN, N_OUT) ← A (batch, N_IN).T times B (batch, N_OUT), where the masks at E keep it.

    And D (N_OUT,) likewise, of an input that is the number at CONSTANT.
    """
    batch, n_in, n_out = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
    x, gradient, out = at(arena, row[A]), at(arena, row[B]), at(arena, row[C])
    out_bias, bits, terms = at(arena, row[D]), at(arena, row[E]), at(arena, row[WORK])
    one = np.float32(scalars[row[CONSTANT]])
    n_panels = ceil_div(n_out, MASK_COLUMNS)
    n_runs = ceil_div(batch, _PANEL_EXAMPLES)
    sums = at(terms, MASK_ROWS * batch * TERM)
    counts = at(sums, MASK_ROWS * MASK_COLUMNS)
    gradients = at(counts, MASK_ROWS * n_runs)
    for p in range(n_panels):
        j = p * MASK_COLUMNS
        for b in range(batch):
            line = at(gradients, (p * batch + b) * MASK_COLUMNS)
            copy_padded(at(gradient, b * n_out + j), min(MASK_COLUMNS, n_out - j), line)
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
            zero_floats(sums, MASK_ROWS * MASK_COLUMNS)
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
                copy_floats(at(sums, k * MASK_COLUMNS), line, min(MASK_COLUMNS, n_out - j))


@inlined
def _list_examples(
    x: Any, x_step: Any, n_examples: Any, is_bias: Any, one: Any, tile_row: Any, terms: Any
) -> Any:
    """List the terms of the examples whose input is not zero; return how many."""
    factor, number = as_terms(terms, _PANEL_EXAMPLES)
    n = _0
    for b in range(n_examples):
        value = one if is_bias else x[b * x_step]
        factor[n] = value
        number[n + _1] = b * MASK_COLUMNS
        number[n + _2] = b * MASK_WORDS
        number[n + _3] = tile_row * QUARTERS
        n += _TERM if value != _ZERO else _0
    return np.float32(n // _TERM)


@kernel("dropconnect_keep")
def dropconnect_keep(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """B ← A times the number at CONSTANT where the one mask at C keeps it, 0 elsewhere.

    A and B (N_IN, N_OUT) are the rows of the mask from the first of SIZES on; B may be A.
    """
    add_kept(
        at(arena, row[A]), row[N_IN], row[N_OUT], row[SIZES], np.float32(scalars[row[CONSTANT]]),
        at(arena, row[C]), MASK_WORDS, False, at(arena, row[B]),
    )  # fmt: skip
