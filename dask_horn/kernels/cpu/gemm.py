"""The three products of a dense layer, on slices of the arena, from tiles (`tiles/multiply.py`).

A batch is all rows of all samples: of a sequence, its steps. No BLAS: the weight's gradient is
consumed by the optimizer tile by tile (`optimizers.py`), which no BLAS lets us do, and here every
entry is one sum in one order, so that the batch that a row is in and the processor's vectors change
no bit. What is read many times with long strides is packed first: copied so that a tile reads it in
one stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.tiles.blocks import transpose_block
from dask_horn.kernels.cpu.tiles.floats import copy_floats
from dask_horn.kernels.cpu.tiles.multiply import multiply_tile
from dask_horn.kernels.cpu.tiles.panels import pack_columns
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.cpu.tiles.sizes import SCRATCH, SHORT, TALL, WIDE, n_tall_tiles
from dask_horn.kernels.cpu.tiles.vectors import LANES
from dask_horn.kernels.opcodes import BATCH, N_IN, N_OUT, ROWS, STATES, WORK, A, B, C
from dask_horn.kernels.program import Operation
from dask_horn.kernels.rounding import round_up

# Elements of a matrix that is read where it lies: it stays in the first cache, or nearly.
_SMALL = 16_384
# Terms of the sums that are added before the next ones: a tile's rows of so many stay in the first
# cache while all panels of a group pass by.
_TERMS = 256
# Columns of a group of panels: it stays in the second cache, and is packed from runs long enough
# for the processor to read ahead.
_GROUP = 256
# Columns of a gradient, or terms of an input's gradient, that stay in the second cache.
_COLUMNS = 1024
# Columns of the samples that are stacked at a time.
_STACKED = 8 * TALL


#: Elements that must follow the last operand: tiles read beyond the last column.
SLACK = WIDE
#: A matrix must have memory for whole numbers of so many rows: tiles and blocks read them.
ROW_MULTIPLE = LANES


def _forward_work(operation: Operation, batch_size: int) -> int:
    return SCRATCH + min(operation.n_in, _TERMS) * round_up(min(operation.n_out, _GROUP), WIDE)


def _input_work(operation: Operation, batch_size: int) -> int:
    terms = round_up(operation.n_out, WIDE) + operation.n_in + TALL
    return SCRATCH + round_up(batch_size * operation.rows, WIDE) * terms


def _weight_work(operation: Operation, batch_size: int) -> int:
    columns = _STACKED + round_up(min(operation.n_out, _COLUMNS), WIDE)
    return SCRATCH + TALL * _COLUMNS + batch_size * operation.rows * columns


@kernel("gemm_forward", work=_forward_work)
def gemm_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_OUT) ← A (batch, N_IN) @ B (N_IN, N_OUT): the layer's sum."""
    batch, n_in, n_out = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
    x, weight, out = at(arena, row[A]), at(arena, row[B]), at(arena, row[C])
    scratch, panels = at(arena, row[WORK]), at(arena, row[WORK] + SCRATCH)
    packs = n_in * n_out > _SMALL
    n_tall = n_tall_tiles(batch)
    for k in range(0, n_in, _TERMS):
        n_terms = min(_TERMS, n_in - k)
        for group in range(0, n_out, _GROUP):
            stop = min(group + _GROUP, n_out)
            if packs:
                pack_columns(at(weight, k * n_out), n_out, n_terms, group, stop, panels)
            i = 0
            while i < batch:
                height = TALL if i < n_tall * TALL else SHORT
                for j in range(group, stop, WIDE):
                    lies = at(weight, k * n_out + j)
                    panel = at(panels, (j - group) * n_terms) if packs else lies
                    multiply_tile(
                        at(x, i * n_in + k), n_in, 1, panel, WIDE if packs else n_out, n_terms,
                        at(out, i * n_out + j), n_out, min(height, batch - i), min(WIDE, n_out - j),
                        k > 0, scratch,
                    )  # fmt: skip
                i += height


@kernel("gemm_input", work=_input_work)
def gemm_input(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_IN) ← A (batch, N_OUT) @ B (N_IN, N_OUT).T: the input's gradient.

    Computed transposed, as B @ A.T: so the weight, which is the largest, is read where it lies.
    """
    batch, n_in, n_out = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
    gradient, weight, out = at(arena, row[A]), at(arena, row[B]), at(arena, row[C])
    scratch, transposed = at(arena, row[WORK]), at(arena, row[WORK] + SCRATCH)
    n_columns = round_up(batch, WIDE)
    panels = at(transposed, (n_in + TALL) * n_columns)
    n_tall = n_tall_tiles(n_in)
    for k in range(0, n_out, _COLUMNS):
        n_terms = min(_COLUMNS, n_out - k)
        for b in range(0, n_columns, WIDE):
            panel = at(panels, b * n_terms)
            for half in range(0, min(WIDE, batch - b), LANES):
                for t in range(0, n_terms, LANES):
                    transpose_block(
                        at(gradient, (b + half) * n_out + k + t), n_out,
                        at(panel, t * WIDE + half), WIDE,
                        LANES, min(LANES, n_terms - t), scratch,
                    )  # fmt: skip
        i = 0
        while i < n_in:
            height = TALL if i < n_tall * TALL else SHORT
            for b in range(0, n_columns, WIDE):
                multiply_tile(
                    at(weight, i * n_out + k), n_out, 1, at(panels, b * n_terms), WIDE, n_terms,
                    at(transposed, i * n_columns + b), n_columns, height, WIDE, k > 0, scratch,
                )  # fmt: skip
            i += height
    for b in range(0, batch, LANES):
        for i in range(0, n_in, LANES):
            transpose_block(
                at(transposed, i * n_columns + b), n_columns, at(out, b * n_in + i), n_in,
                min(LANES, n_in - i), min(LANES, batch - b), scratch,
            )  # fmt: skip


def weight_kernel(
    name: str, constants: Callable[..., Any], take: Callable[..., None]
) -> Callable[..., None]:
    """Register a kernel that computes A (batch, N_IN).T @ B (batch, N_OUT), the weight's gradient.

    It is taken line by line, and never in memory as a whole.

    Parameters
    ----------
    name : str
        Of the kernel.
    constants : callable
        ``constants(row, counters, scalars)`` are found once.
    take : callable
        ``take(constants, w, g, states, size)`` takes so many entries of the gradient, g; theirs
        are w of the weight at C and the two STATES.
    """

    @kernel(name, work=_weight_work)
    def weight_gradient(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        numbers = constants(row, counters, scalars)
        w, states = at(arena, row[C]), (at(arena, row[STATES]), at(arena, row[STATES + 1]))
        batch, n_in, n_out = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
        x, gradient = at(arena, row[A]), at(arena, row[B])
        scratch, lines = at(arena, row[WORK]), at(arena, row[WORK] + SCRATCH)
        stacks = at(lines, TALL * _COLUMNS)
        panels = at(stacks, batch * _STACKED)
        packs_x, packs_gradient = batch * n_in > _SMALL, batch * n_out > _SMALL
        n_tall, line = n_tall_tiles(n_in), min(n_out, _COLUMNS)
        for group in range(0, n_out, _COLUMNS):
            stop = min(group + _COLUMNS, n_out)
            if packs_gradient:
                pack_columns(gradient, n_out, batch, group, stop, panels)
            stacked = 0  # columns of x that are or have been stacked
            i = 0
            while i < n_in:
                height = TALL if i < n_tall * TALL else SHORT
                left, left_step = at(x, i), n_in
                if packs_x:
                    if i == stacked:
                        first = i
                        stacked = _stack_columns(x, n_in, batch, n_tall, first, stacks)
                    left, left_step = at(stacks, (i - first) * batch), np.int64(height)
                for j in range(group, stop, WIDE):
                    right = at(panels, (j - group) * batch) if packs_gradient else at(gradient, j)
                    right_step = WIDE if packs_gradient else n_out
                    multiply_tile(
                        left, 1, left_step, right, right_step, batch,
                        at(lines, j - group), line, height, min(WIDE, stop - j), False, scratch,
                    )  # fmt: skip
                n_rows = min(height, n_in - i)
                # Whole rows follow one another: then it is one long run.
                n_runs, size = (1, n_rows * n_out) if line == n_out else (n_rows, stop - group)
                for run in range(n_runs):
                    place = (i + run) * n_out + group
                    own = at(states[0], place), at(states[1], place)
                    take(numbers, at(w, place), at(lines, run * line), own, size)
                i += height

    return weight_gradient


@inlined
def _no_constants(row: Any, counters: Any, scalars: Any) -> Any:
    return 0


@inlined
def _copy(constants: Any, w: Any, g: Any, states: Any, size: Any) -> None:
    copy_floats(g, w, size)


weight_kernel("gemm_weight", _no_constants, _copy)  # into C (N_IN, N_OUT)


@inlined
def _stack_columns(
    matrix: Any, row_length: Any, n_rows: Any, n_tall: Any, start: Any, stacks: Any
) -> Any:
    """Copy columns from `start` on into stacks as wide as the tiles they are for; return the end.

    A stack's rows are side by side. The last one is filled up with what follows in memory.
    """
    edge = n_tall * TALL
    stop = min(start + _STACKED, edge) if start < edge else min(start + 8 * SHORT, row_length)
    height = TALL if start < edge else SHORT
    for k in range(n_rows):
        for i in range(start, stop, height):
            stack = at(stacks, (i - start) * n_rows + k * height)
            if height == TALL:
                copy_floats(at(matrix, k * row_length + i), stack, TALL)
            else:
                copy_floats(at(matrix, k * row_length + i), stack, SHORT)
    return start + round_up(stop - start, height)
