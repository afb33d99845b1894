"""The three products of a dense layer, of many sub-models in one launch, from tiles.

A batch is all rows of all samples: of a sequence, its steps. A block computes a tile of the result:
the factors pass through shared memory, the next of them on their way while these are multiplied,
and every thread adds up its own entries in registers, each one sum in one order. What is done with
a finished entry is compiled in: the bias and the activation, or the optimizer's step.

Products that are large enough are cuBLAS's, and what is compiled in here is a pass of its own then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import float32

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.columns import CAPACITY
from dask_horn.kernels.cuda.compile import Tiling, kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.library import Product, is_large
from dask_horn.kernels.cuda.lowering import WORK_SIZES, Programs, Work, lowers
from dask_horn.kernels.cuda.numbers import NUMBERS_OF
from dask_horn.kernels.cuda.sizes import PRODUCT_TILES, ProductTile, tile_of
from dask_horn.kernels.opcodes import BATCH, CONSTANT, N_IN, N_OUT, ROWS, STATES, WORK, A, B, C
from dask_horn.kernels.program import Operation
from dask_horn.kernels.rules import RULES, Rule
from dask_horn.kernels.scalars import ACTIVATIONS, NEEDS_INPUT
from dask_horn.rounding import ceil_div

_ZERO = np.float32(0)


@dataclass(frozen=True)
class _Kind:
    """One of the three products: result (lines, columns), sums of so many terms.

    Attributes
    ----------
    name : str
        As `Product.of` takes it.
    shape : callable
        ``shape(n_rows, n_in, n_out)`` is (lines, columns, terms); n_rows counts the batch's.
    left_by_lines, right_by_columns : bool
        Whether neighbours in memory are terms of one line of the left factor, and of one column of
        the right one; else they are neighbouring lines, and columns.
    """

    name: str
    shape: Callable[..., Any]
    left_by_lines: bool
    right_by_columns: bool

    def tiling(self, tile: ProductTile) -> Tiling:
        """Return how many tiles an operation has."""

        def tiling(operation: Operation, batch_size: int) -> tuple[int, int]:
            n_rows = batch_size * operation.rows
            lines, columns, _ = self.shape(n_rows, operation.n_in, operation.n_out)
            return ceil_div(lines, tile.lines), ceil_div(columns, tile.columns)

        return tiling


@inlined
def _forward_shape(n_rows: Any, n_in: Any, n_out: Any) -> Any:
    return n_rows, n_out, n_in


@inlined
def _input_shape(n_rows: Any, n_in: Any, n_out: Any) -> Any:
    return n_rows, n_in, n_out


@inlined
def _weight_shape(n_rows: Any, n_in: Any, n_out: Any) -> Any:
    return n_in, n_out, n_rows


_FORWARD = _Kind("forward", _forward_shape, left_by_lines=True, right_by_columns=False)
_INPUT = _Kind("input", _input_shape, left_by_lines=True, right_by_columns=True)
_WEIGHT = _Kind("weight", _weight_shape, left_by_lines=False, right_by_columns=False)


def _products(name: str, kind: _Kind, take: Callable[..., None], *, serves: Sequence[str]) -> None:
    """Register kernels, one for each tile, that compute a product and take its entries.

    ``take(row, next_row, s, i, constants, numbers, arena, place, column, value)`` is called with
    each entry, which is at this place of the result, counted from its beginning.
    """
    for tile_name, tile in PRODUCT_TILES.items():
        _product(f"{name}:{tile_name}", kind, tile, take, serves)


def _product(
    name: str, kind: _Kind, tile: ProductTile, take: Callable[..., None], serves: Sequence[str]
) -> None:
    shape, left_by_lines, right_by_columns = kind.shape, kind.left_by_lines, kind.right_by_columns
    lines, columns, depth = tile.lines, tile.columns, tile.depth
    own_lines, own_columns = tile.own_lines, tile.own_columns
    across, n_threads = tile.across, tile.n_threads
    # Four more, so that what is written turned falls on other banks.
    left_length, right_length = lines + 4, columns + 4
    n_left, n_right = lines * depth // n_threads, ceil_div(columns * depth, n_threads)

    @kernel(name, n_threads, kind.tiling(tile), serves=serves)
    def product(
        tiles: Any, rows: Any, counters: Any, constants: Any, numbers: Any, arena: Any
    ) -> None:
        left = cuda.shared.array((2, depth, left_length), float32)
        right = cuda.shared.array((2, depth, right_length), float32)
        total = cuda.local.array((own_lines, own_columns), float32)
        of_left = cuda.local.array(own_lines, float32)
        of_right = cuda.local.array(own_columns, float32)
        next_left = cuda.local.array(n_left, float32)
        next_right = cuda.local.array(n_right, float32)

        block, t = cuda.blockIdx.x, np.int32(cuda.threadIdx.x)
        s, i = tiles[block, 0], tiles[block, 1]
        if counters[s, BATCH] == 0:
            return
        row = rows[s, i]
        n_rows = counters[s, CAPACITY] * row[ROWS]
        n_lines, n_columns, n_terms = shape(n_rows, row[N_IN], row[N_OUT])
        first_line, first_column = tiles[block, 2] * lines, tiles[block, 3] * columns
        a, b = row[A], row[B]
        own_line, own_column = (t // across) * own_lines, (t % across) * own_columns
        for p in range(own_lines):
            for q in range(own_columns):
                total[p, q] = _ZERO

        n_stages = (n_terms + depth - 1) // depth
        for stage in range(n_stages + 1):
            # What the next stage multiplies is fetched while this one multiplies.
            if stage < n_stages:
                for e in range(n_left):
                    at = t + e * n_threads
                    if left_by_lines:
                        p, k = at // depth, at % depth
                    else:
                        p, k = at % lines, at // lines
                    line, term = first_line + p, stage * depth + k
                    value = _ZERO
                    if line < n_lines and term < n_terms:
                        if left_by_lines:
                            value = arena[a + line * n_terms + term]
                        else:
                            value = arena[a + term * n_lines + line]
                    next_left[e] = value
                for e in range(n_right):
                    at = t + e * n_threads
                    if right_by_columns:
                        q, k = at // depth, at % depth
                    else:
                        q, k = at % columns, at // columns
                    column, term = first_column + q, stage * depth + k
                    value = _ZERO
                    if column < n_columns and term < n_terms:
                        if right_by_columns:
                            value = arena[b + column * n_terms + term]
                        else:
                            value = arena[b + term * n_columns + column]
                    next_right[e] = value
            if stage > 0:
                half = (stage - 1) % 2
                for k in range(depth):
                    for p in range(own_lines):
                        of_left[p] = left[half, k, own_line + p]
                    for q in range(own_columns):
                        of_right[q] = right[half, k, own_column + q]
                    for p in range(own_lines):
                        for q in range(own_columns):
                            total[p, q] += of_left[p] * of_right[q]
            if stage < n_stages:
                half = stage % 2
                for e in range(n_left):
                    at = t + e * n_threads
                    if left_by_lines:
                        left[half, at % depth, at // depth] = next_left[e]
                    else:
                        left[half, at // lines, at % lines] = next_left[e]
                for e in range(n_right):
                    at = t + e * n_threads
                    if at < columns * depth:
                        if right_by_columns:
                            right[half, at % depth, at // depth] = next_right[e]
                        else:
                            right[half, at // columns, at % columns] = next_right[e]
            cuda.syncthreads()

        next_row = rows[s, min(i + 1, rows.shape[1] - 1)]
        for p in range(own_lines):
            line = first_line + own_line + p
            for q in range(own_columns):
                column = first_column + own_column + q
                if line < n_lines and column < n_columns:
                    place = line * n_columns + column
                    own = numbers[s, i]
                    take(row, next_row, constants[s], own, arena, place, column, total[p, q])


@inlined
def _keep(
    row: Any, next_row: Any, constants: Any, numbers: Any, arena: Any, place: Any, column: Any, z: Any
) -> None:
    arena[row[C] + place] = z


def _activated(name: str) -> Callable[..., None]:
    """Return what does the activation's pass forward, which is the next row, on an entry."""
    function, beside = ACTIVATIONS[name][0], name in NEEDS_INPUT

    @inlined
    def take(
        row: Any, next_row: Any, constants: Any, numbers: Any, arena: Any, place: Any, column: Any,
        z: Any,
    ) -> None:  # fmt: skip
        value = constants[next_row[CONSTANT]] * z + arena[next_row[B] + column]
        if beside:
            arena[next_row[A] + place] = value
        arena[next_row[C] + place] = function(value)

    return take


def _updated(rule: Rule) -> Callable[..., None]:
    """Return what moves an entry of the weight at C by an entry of its gradient."""
    move, numbers_of = rule.move, NUMBERS_OF[rule.n_constants]

    @inlined
    def with_one(
        row: Any, next_row: Any, constants: Any, numbers: Any, arena: Any, place: Any, column: Any,
        g: Any,
    ) -> None:  # fmt: skip
        at, first = row[C] + place, row[STATES] + place
        arena[at], arena[first] = move(numbers_of(numbers), arena[at], g, arena[first])

    @inlined
    def with_two(
        row: Any, next_row: Any, constants: Any, numbers: Any, arena: Any, place: Any, column: Any,
        g: Any,
    ) -> None:  # fmt: skip
        at, first, second = row[C] + place, row[STATES] + place, row[STATES + 1] + place
        arena[at], arena[first], arena[second] = move(
            numbers_of(numbers), arena[at], g, arena[first], arena[second]
        )

    return {1: with_one, 2: with_two}[rule.n_states]


_products("gemm_forward", _FORWARD, _keep, serves=("gemm_forward",))
_products("gemm_input", _INPUT, _keep, serves=("gemm_input",))
_products("gemm_weight", _WEIGHT, _keep, serves=("gemm_weight",))
for _name in ACTIVATIONS:
    _products(
        f"gemm_forward_{_name}",
        _FORWARD,
        _activated(_name),
        serves=("gemm_forward", f"{_name}_forward"),
    )
for _name, _rule in RULES.items():
    _update = f"gemm_weight_{_name}"
    _products(_update, _WEIGHT, _updated(_rule), serves=(_update,))
    WORK_SIZES[_update] = lambda operation, batch_size: (
        operation.n_in * operation.n_out if is_large(operation, batch_size) else 0
    )


def _lower(programs: Programs, i: int, kind: _Kind, name: str, out: int) -> tuple[list[Work], list[int]]:
    """Return the work of a product, and the sub-models for which the library does it.

    `name` is that of our kernels, without the tile; `out` is where the library leaves the result.
    """
    work: list[Work] = []
    large = []
    by_tile: dict[str, list[int]] = {}
    for s in programs.every:
        operation = programs.operation(s, i)
        if is_large(operation, programs.batch_size):
            large.append(s)
            work.append(Product.of(kind.name, programs.rows[s, i], programs.batch_size, out))
        else:
            n_columns = operation.n_in if kind is _INPUT else operation.n_out
            by_tile.setdefault(tile_of(n_columns), []).append(s)
    work += [programs.launch(f"{name}:{tile}", i, own) for tile, own in by_tile.items()]
    return work, large


@lowers("gemm_forward")
def _lower_forward(programs: Programs, i: int) -> tuple[list[Work], int]:
    """With the activation that follows on the same buffer, if one does."""
    activation = programs.name(i + 1)
    own = activation.removesuffix("_forward")
    if own not in ACTIVATIONS or (programs.rows[:, i, C] != programs.rows[:, i + 1, A]).any():
        return _lower(programs, i, _FORWARD, "gemm_forward", C)[0], 1
    work, large = _lower(programs, i, _FORWARD, f"gemm_forward_{own}", C)
    if large:
        work.append(programs.launch(activation, i + 1, large))
    return work, 2


@lowers("gemm_input")
def _lower_input(programs: Programs, i: int) -> tuple[list[Work], int]:
    return _lower(programs, i, _INPUT, "gemm_input", C)[0], 1


@lowers("gemm_weight")
def _lower_weight(programs: Programs, i: int) -> tuple[list[Work], int]:
    return _lower(programs, i, _WEIGHT, "gemm_weight", C)[0], 1


@lowers(*(f"gemm_weight_{name}" for name in RULES))
def _lower_weight_update(programs: Programs, i: int) -> tuple[list[Work], int]:
    """A library leaves the gradient in the work space: one sub-model's does not touch another's."""
    name = programs.name(i)
    work, large = _lower(programs, i, _WEIGHT, name, WORK)
    if large:
        work.append(programs.launch(f"{name}:update", i, large))
    return work, 1
