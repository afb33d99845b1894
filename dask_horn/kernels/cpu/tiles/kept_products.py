"""Products in which each row of the batch has a mask of its own over the weight.

With x the inputs of one row and M its mask, ``out[j] = Σ_i x[i] M[i, j] W[i, j]``, and the same M
backward. A tile of the weight stays in the first cache while all rows pass by; the masks are read
once in each product. Inputs of zero add nothing to a sum and are passed over, which after relu is
every other one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.tiles.floats import add_floats, copy_floats, zero_floats
from dask_horn.kernels.cpu.tiles.masked_tiles import DOT_ROWS, TERM, add_kept_rows, kept_dots
from dask_horn.kernels.cpu.tiles.pointers import at, pointer_to
from dask_horn.kernels.masks import MASK_COLUMNS, MASK_ROWS, MASK_WORDS, QUARTERS
from dask_horn.kernels.rounding import ceil_div, round_up

# Rows of the weight that stay in the first cache while the batch passes by.
_PANEL_ROWS = 64

_ZERO = np.float32(0)
_0, _1, _2, _3, _TERM = (np.uint64(number) for number in (0, 1, 2, 3, TERM))


def kept_sums_size(n_rows: int, n_out: int) -> int:
    """Elements of work space that `multiply_kept` needs."""
    n_columns = round_up(n_out, MASK_COLUMNS)
    terms = n_rows * (1 + _PANEL_ROWS * TERM)
    return terms + _PANEL_ROWS * MASK_COLUMNS + n_rows * n_columns


def kept_dots_size(n_rows: int, n_out: int) -> int:
    """Elements of work space that `multiply_kept_transposed` needs."""
    n_columns = round_up(n_out, MASK_COLUMNS)
    return MASK_ROWS * (1 + n_columns) + n_rows * n_columns


@inlined
def multiply_kept(
    x: Any, batch: Any, n_in: Any, weight: Any, n_out: Any, has_bias: Any, bias: Any, one: Any,
    bits: Any, out: Any, work: Any,
) -> None:  # fmt: skip
    """Out (batch, n_out) ← x (batch, n_in) times what the masks keep of weight (n_in, n_out).

    And, where `has_bias` is 1 and not 0, the kept biases (n_out,), times `one`.
    """
    panel, end = work, n_in + has_bias
    n_panels = ceil_div(n_out, MASK_COLUMNS)
    tile_size = batch * MASK_WORDS
    terms = at(panel, _PANEL_ROWS * MASK_COLUMNS)
    counts = at(terms, batch * _PANEL_ROWS * TERM)
    sums = at(counts, batch)
    zero_floats(sums, n_panels * batch * MASK_COLUMNS)
    for i in range(0, end, _PANEL_ROWS):
        n_rows = min(_PANEL_ROWS, end - i)
        for b in range(batch):
            own = at(terms, b * _PANEL_ROWS * TERM)
            step = n_panels * tile_size
            counts[b] = _list_inputs(at(x, b * n_in + i), n_rows, n_in - i, one, step, own)
        for p in range(n_panels):
            j = p * MASK_COLUMNS
            for k in range(n_rows):
                line = at(weight, (i + k) * n_out + j) if i + k < n_in else at(bias, j)
                copy_padded(line, min(MASK_COLUMNS, n_out - j), at(panel, k * MASK_COLUMNS))
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
            copy_floats(total, at(out, b * n_out + j), min(MASK_COLUMNS, n_out - j))


@inlined
def _list_inputs(x: Any, n_rows: Any, bias_row: Any, one: Any, step: Any, terms: Any) -> Any:
    """List the terms of an example's inputs that are not zero; return how many.

    `step` is how far the words of a tile lie from those of the tile above it.
    """
    factor, number = as_terms(terms, _PANEL_ROWS)
    n = _0
    for k in range(n_rows):
        value = x[k] if k != bias_row else one
        factor[n] = value
        number[n + _1] = k * MASK_COLUMNS
        number[n + _2] = k // MASK_ROWS * step
        number[n + _3] = k % MASK_ROWS * QUARTERS
        n += _TERM if value != _ZERO else _0
    return np.float32(n // _TERM)


@inlined
def multiply_kept_transposed(
    gradient: Any, batch: Any, n_out: Any, weight: Any, n_in: Any, bits: Any, out: Any,
    accumulate: Any, work: Any,
) -> None:  # fmt: skip
    """Out (batch, n_in) ← [out +] gradient (batch, n_out) times what is kept of weight, transposed.

    The weight is (n_in, n_out).
    """
    panel = work
    n_panels = ceil_div(n_out, MASK_COLUMNS)
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
            own = at(out, b * n_in + i)
            if accumulate:
                add_floats(found, own, n_rows)
            else:
                copy_floats(found, own, n_rows)


@inlined
def add_kept(
    source: Any, n_rows: Any, n_out: Any, first: Any, factor: Any, bits: Any, tile_step: Any,
    accumulate: Any, target: Any,
) -> None:  # fmt: skip
    """Target (n_rows, n_out) ← [target +] factor · source where one mask keeps it, else 0.

    The rows are those of the mask from `first` on. The words of each tile of the mask lie
    `tile_step` behind those of the tile before it. The target may be the source.
    """
    words = pointer_to(carray(bits, (1,)).ctypes.data, types.int32)
    n_panels = ceil_div(n_out, MASK_COLUMNS)
    for i in range(n_rows):
        tile_row = (first + i) // MASK_ROWS
        for j in range(0, n_out, MASK_WORDS):
            panel, quarter = j // MASK_COLUMNS, j % MASK_COLUMNS // MASK_WORDS
            signs = carray(at(words, (tile_row * n_panels + panel) * tile_step), (MASK_WORDS,))
            shift = np.int32((first + i) % MASK_ROWS * QUARTERS + quarter)
            width = min(MASK_WORDS, n_out - j)
            read = carray(at(source, i * n_out + j), (width,))
            written = carray(at(target, i * n_out + j), (width,))
            for lane in range(width):
                value = factor * read[lane] if np.int32(signs[lane] << shift) < 0 else _ZERO
                written[lane] = written[lane] + value if accumulate else value


@inlined
def as_terms(terms: Any, n: Any) -> Any:
    """Return the same memory as floats and as integers."""
    factor = carray(terms, (n * TERM,))
    return factor, carray(pointer_to(factor.ctypes.data, types.int32), (n * TERM,))


@inlined
def _copy_row(source: Any, size: Any, width: Any, target: Any) -> None:
    """Copy so many, and fill up with zeros to a width."""
    copy_floats(source, target, size)
    zero_floats(at(target, size), width - size)


@inlined
def copy_padded(source: Any, size: Any, target: Any) -> None:
    """Copy a row of at most MASK_COLUMNS, and fill it up."""
    if size == MASK_COLUMNS:
        copy_floats(source, target, MASK_COLUMNS)
    else:
        _copy_row(source, size, MASK_COLUMNS, target)
