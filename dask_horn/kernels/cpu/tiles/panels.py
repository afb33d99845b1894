"""Products with many rows, by a matrix that is packed once and read many times.

A layer over steps multiplies thousands of rows by one small weight, and in a recurrence a few rows
by the same weight again and again. So the weight is packed whole: in panels of WIDE columns and
TERMS terms, each of which stays in the first cache while all rows pass by. Every entry is one sum
in one order, as in `gemm.py`, to the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cpu.tiles.blocks import copy_wide, transpose_block
from dask_horn.kernels.cpu.tiles.floats import copy_floats, scale_floats
from dask_horn.kernels.cpu.tiles.multiply import multiply_tile
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.cpu.tiles.sizes import SHORT, TALL, WIDE, n_tall_tiles
from dask_horn.kernels.cpu.tiles.vectors import LANES
from dask_horn.kernels.rounding import round_up

# Terms of a panel: it takes half of the first cache.
TERMS = 256
#: Rows that a weight's gradient takes in at a time, for the same reason.
CHUNK = 256


def panels_size(n_terms: int, n_columns: int) -> int:
    """Elements of the panels of a matrix (n_terms, n_columns)."""
    return n_terms * round_up(n_columns, WIDE)


def chunk_size(n_in: int) -> int:
    """Elements of work space for `add_weight_chunk`."""
    return CHUNK * (n_in + TALL + WIDE)


@inlined
def pack(matrix: Any, n_terms: Any, n_columns: Any, factor: Any, panels: Any) -> None:
    """Panels ← factor · matrix (n_terms, n_columns).

    The last panel is filled up with what follows in memory.
    """
    for first in range(0, n_terms, TERMS):
        n = min(TERMS, n_terms - first)
        chunk = at(panels, first * round_up(n_columns, WIDE))
        for k in range(n):
            for j in range(0, n_columns, WIDE):
                copy_wide(at(matrix, (first + k) * n_columns + j), at(chunk, j * n + k * WIDE))
    scale_floats(panels, n_terms * round_up(n_columns, WIDE), factor)


@inlined
def pack_transposed(
    matrix: Any, n_terms: Any, n_columns: Any, factor: Any, panels: Any, scratch: Any
) -> None:
    """Panels ← factor · the transpose of matrix (n_columns, n_terms).

    The last panel is filled up with what follows in memory.
    """
    for first in range(0, n_terms, TERMS):
        n = min(TERMS, n_terms - first)
        chunk = at(panels, first * round_up(n_columns, WIDE))
        for j in range(0, n_columns, LANES):
            panel = at(chunk, j // WIDE * WIDE * n + j % WIDE)
            for k in range(0, n, LANES):
                transpose_block(
                    at(matrix, j * n_terms + first + k), n_terms, at(panel, k * WIDE), WIDE,
                    LANES, min(LANES, n - k), scratch,
                )  # fmt: skip
    scale_floats(panels, n_terms * round_up(n_columns, WIDE), factor)


@inlined
def pack_columns(
    matrix: Any, row_length: Any, n_rows: Any, start: Any, stop: Any, panels: Any
) -> None:
    """Copy columns start … stop into panels of WIDE columns each, a panel's rows side by side.

    The last one is filled up with what follows in memory.
    """
    for k in range(n_rows):
        for j in range(start, stop, WIDE):
            panel = at(panels, (j - start) * n_rows + k * WIDE)
            copy_wide(at(matrix, k * row_length + j), panel)


@inlined
def multiply_packed(
    a: Any, n_rows: Any, n_terms: Any, panels: Any, out: Any, n_columns: Any,
    accumulate: Any, scratch: Any,
) -> None:  # fmt: skip
    """Out (n_rows, n_columns) ← [out +] a (n_rows, n_terms) @ the packed matrix.

    As many rows as stay in the second cache; behind a's last one there must be memory.
    """
    n_tall = n_tall_tiles(n_rows)
    for first in range(0, n_terms, TERMS):
        n = min(TERMS, n_terms - first)
        chunk = at(panels, first * round_up(n_columns, WIDE))
        for j in range(0, n_columns, WIDE):
            i = 0
            while i < n_rows:
                height = TALL if i < n_tall * TALL else SHORT
                multiply_tile(
                    at(a, i * n_terms + first), n_terms, 1, at(chunk, j * n), WIDE, n,
                    at(out, i * n_columns + j), n_columns,
                    min(height, n_rows - i), min(WIDE, n_columns - j),
                    accumulate or first > 0, scratch,
                )  # fmt: skip
                i += height


@inlined
def add_weight_chunk(
    x: Any, gradient: Any, n_rows: Any, n_in: Any, n_out: Any, out: Any, accumulate: Any,
    work: Any, scratch: Any,
) -> None:  # fmt: skip
    """Out (n_in, n_out) ← [out +] x (n_rows, n_in).T @ gradient (n_rows, n_out).

    At most CHUNK rows. x is stacked: its columns side by side, in stacks as wide as a tile is high.
    Of the gradient one panel is packed at a time.
    """
    panel, stacks = work, at(work, CHUNK * WIDE)
    n_tall = n_tall_tiles(n_in)
    _stack(x, n_rows, n_in, n_tall, stacks)
    for j in range(0, n_out, WIDE):
        for k in range(n_rows):
            copy_wide(at(gradient, k * n_out + j), at(panel, k * WIDE))
        i = 0
        while i < n_in:
            height = TALL if i < n_tall * TALL else SHORT
            multiply_tile(
                at(stacks, i * n_rows), 1, np.int64(height), panel, WIDE, n_rows,
                at(out, i * n_out + j), n_out,
                min(height, n_in - i), min(WIDE, n_out - j), accumulate, scratch,
            )  # fmt: skip
            i += height


@inlined
def _stack(x: Any, n_rows: Any, n_in: Any, n_tall: Any, stacks: Any) -> None:
    """Copy x's columns into stacks; the last one is filled up with what follows in memory."""
    edge = n_tall * TALL
    for k in range(n_rows):
        for i in range(0, edge, TALL):
            copy_floats(at(x, k * n_in + i), at(stacks, i * n_rows + k * TALL), TALL)
        for i in range(edge, n_in, SHORT):
            copy_floats(at(x, k * n_in + i), at(stacks, i * n_rows + k * SHORT), SHORT)
