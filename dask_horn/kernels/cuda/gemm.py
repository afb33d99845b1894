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
from typing import Any, NamedTuple

import numpy as np
from numba import float32, uint32

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
_MOST_READ = 3  # a weight's entry and two states
_UNROLLED = 4  # terms that are multiplied without a test in between: compilers unroll such a loop


@dataclass(frozen=True)
class _Kind:
    """One of the three products: result (height, width), sums of so many terms.

    Attributes
    ----------
    name : str
        As `Product.of` takes it.
    shape : callable
        ``shape(n_rows, n_in, n_out)`` is (height, width, terms); n_rows counts the batch's.
    left_by_rows, right_by_columns : bool
        Whether neighbours in memory are terms of one row of the left factor, and of one column of
        the right one; else they are neighbouring rows, and columns.
    """

    name: str
    shape: Callable[..., Any]
    left_by_rows: bool
    right_by_columns: bool

    def tiling(self, tile: ProductTile) -> Tiling:
        """Return how many tiles an operation has."""

        def tiling(operation: Operation, batch_size: int) -> tuple[int, int]:
            n_rows = batch_size * operation.rows
            height, width, _ = self.shape(n_rows, operation.n_in, operation.n_out)
            return ceil_div(height, tile.rows), ceil_div(width, tile.columns)

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


_FORWARD = _Kind("forward", _forward_shape, left_by_rows=True, right_by_columns=False)
_INPUT = _Kind("input", _input_shape, left_by_rows=True, right_by_columns=True)
_WEIGHT = _Kind("weight", _weight_shape, left_by_rows=False, right_by_columns=False)


class _Epilogue(NamedTuple):
    """What is done with the entries of a product; `place` is one's in the result.

    A few are read for, then taken: memory is slow to answer, and answers several at a time.
    """

    begin: Callable[..., Any]  #: ``(row, next_row, constants, numbers)``: what others must know
    read: Callable[
        ..., None
    ]  #: ``(known, arena, place, old, k)``: what is there now, to ``old[:, k]``
    take: Callable[..., None]  #: ``(known, arena, place, column, entry, old, k)``


def _products(name: str, kind: _Kind, epilogue: _Epilogue, *, serves: Sequence[str]) -> None:
    """Register kernels, one for each tile, that compute a product and do its epilogue."""
    for tile_name, tile in PRODUCT_TILES.items():
        _product(f"{name}:{tile_name}", kind, tile, epilogue, serves)


class _Side(NamedTuple):
    """One of the factors, as a thread sees it: a few of each tile's entries, always the same.

    Its tiles lie in shared memory transposed, (2, depth, length): two stages of them, by terms.
    """

    size: int  #: of the shared memory
    length: int  #: of a term's entries there
    n_entries: int  #: of a tile that a thread fetches
    begin: Callable[..., Any]
    fetch: Callable[..., None]
    put: Callable[..., None]


def _side(extent: int, depth: int, n_threads: int, by_terms: bool) -> _Side:
    """Make the parts of a product that are for a factor whose tiles have `extent` rows or columns.

    `by_terms` tells whether neighbours in memory are terms of one of them: else they are the same
    term of neighbouring ones. Neighbouring threads fetch neighbours.
    """
    n_entries = extent * depth // n_threads
    length = extent + 4  # four more, so that what is written transposed falls on other banks
    # How far a thread's entries are apart, across the terms and along them.
    step, term_step = (n_threads // depth, 0) if by_terms else (0, n_threads // extent)
    # A warp's share of a factor by terms: as wide as what memory reads at once, and on all banks.
    wide = min(8, depth)
    high = min(4, n_threads // depth) if by_terms else 0

    @inlined
    def place_of(t: Any) -> Any:
        """Return which row or column is a thread's first, and of which term."""
        if by_terms:
            term = t % wide + wide * (t // (wide * high) % (depth // wide))
            return t // wide % high + high * (t // (high * depth)), term
        return t % extent, t // extent

    @inlined
    def begin(places: Any, t: Any, first: Any, extent_of_all: Any, n_terms: Any) -> Any:
        """Say where the entries of the first stage lie; return what `fetch` and `put` go by."""
        own, term = place_of(t)
        row_length, term_length = (n_terms, 1) if by_terms else (1, extent_of_all)
        for e in range(n_entries):
            # What is beyond the last row or column is taken from there, and goes nowhere.
            line = min(first + own + e * step, extent_of_all - 1)
            places[e] = np.uint32(line * row_length + (term + e * term_step) * term_length)
        return own, term, np.uint32(depth * term_length)

    @inlined
    def fetch(into: Any, factor: Any, places: Any, stage: Any, at: Any, n_terms: Any) -> None:
        """Read a stage's entries: zeros where the terms have ended."""
        _, term, stride = at
        start = np.uint32(stage * stride)
        if (stage + 1) * depth <= n_terms:
            for e in range(n_entries):
                into[e] = factor[np.uint32(start + places[e])]
        else:
            terms_left = np.int32(n_terms - term - stage * depth)
            for e in range(n_entries):
                inside = e * term_step < terms_left
                into[e] = factor[np.uint32(start + places[e])] if inside else _ZERO

    @inlined
    def put(shared: Any, stage: Any, at: Any, entries: Any) -> None:
        """Leave them to the other threads."""
        own, term = at[0], at[1]
        for e in range(n_entries):
            own_term = (stage & 1) * depth + term + e * term_step
            shared[np.uint64(own_term * length + own + e * step)] = entries[e]

    return _Side(2 * depth * length, length, n_entries, begin, fetch, put)


def _product(
    name: str, kind: _Kind, tile: ProductTile, epilogue: _Epilogue, serves: Sequence[str]
) -> None:
    begin = epilogue.begin
    shape, depth, across, n_threads = kind.shape, tile.depth, tile.across, tile.n_threads
    tile_rows, tile_columns = tile.rows, tile.columns
    own_rows, own_columns = tile.own_rows, tile.own_columns
    left_side = _side(tile_rows, depth, n_threads, kind.left_by_rows)
    right_side = _side(tile_columns, depth, n_threads, kind.right_by_columns)
    begin_left, fetch_left, put_left = left_side.begin, left_side.fetch, left_side.put
    begin_right, fetch_right, put_right = right_side.begin, right_side.fetch, right_side.put
    n_left, n_right = left_side.n_entries, right_side.n_entries
    together = min(own_rows * own_columns, _UNROLLED)
    finish = _finishing(tile, epilogue, together)
    left_size, right_size = max(left_side.size, tile_rows * tile_columns), right_side.size
    multiply = _multiplying(tile, left_side.length, right_side.length)

    @kernel(name, n_threads, kind.tiling(tile), serves=serves)
    def product(
        tiles: Any, rows: Any, counters: Any, constants: Any, numbers: Any, arena: Any
    ) -> None:
        left = cuda.shared.array(left_size, float32)
        right = cuda.shared.array(right_size, float32)
        total = cuda.local.array((own_rows, own_columns), float32)
        next_left = cuda.local.array(n_left, float32)
        next_right = cuda.local.array(n_right, float32)
        left_places = cuda.local.array(n_left, uint32)
        right_places = cuda.local.array(n_right, uint32)
        old = cuda.local.array((_MOST_READ, together), float32)
        of_left = cuda.local.array(own_rows, float32)
        of_right = cuda.local.array(own_columns, float32)

        block: Any = cuda.blockIdx.x
        t: Any = np.uint32(cuda.threadIdx.x)  # never negative: its indices need not wrap
        s, i = tiles[block, 0], tiles[block, 1]
        if counters[s, BATCH] == 0:
            return
        row = rows[s, i]
        n_rows = np.int32(counters[s, CAPACITY] * row[ROWS])
        height, width, n_terms = shape(n_rows, np.int32(row[N_IN]), np.int32(row[N_OUT]))
        first_row = np.int32(tiles[block, 2] * tile_rows)
        first_column = np.int32(tiles[block, 3] * tile_columns)
        own_row, own_column = (t // across) * own_rows, (t % across) * own_columns
        for p in range(own_rows):
            for q in range(own_columns):
                total[p, q] = _ZERO

        # Each factor from its beginning: places there are short, and never negative.
        left_factor, right_factor = arena[row[A] :], arena[row[B] :]
        at_left = begin_left(left_places, t, first_row, height, n_terms)
        at_right = begin_right(right_places, t, first_column, width, n_terms)
        n_stages = np.int32((n_terms + depth - 1) // depth)
        for stage in range(n_stages + 1):
            # What the next stage multiplies is fetched while this one multiplies.
            if stage < n_stages:
                fetch_left(next_left, left_factor, left_places, stage, at_left, n_terms)
                fetch_right(next_right, right_factor, right_places, stage, at_right, n_terms)
            if stage > 0:
                multiply(total, left, right, stage - 1, own_row, own_column, of_left, of_right)
            if stage < n_stages:
                put_left(left, stage, at_left, next_left)
                put_right(right, stage, at_right, next_right)
            cuda.syncthreads()

        known = begin(row, rows[s, min(i + 1, rows.shape[1] - 1)], constants[s], numbers[s, i])
        # The left factor's memory is free now: out of it, neighbours take neighbouring entries.
        for p in range(own_rows):
            for q in range(own_columns):
                left[np.uint64((own_row + p) * tile_columns + own_column + q)] = total[p, q]
        cuda.syncthreads()
        finish(known, arena, left, old, t, first_row, first_column, height, width)


def _finishing(tile: ProductTile, epilogue: _Epilogue, together: int) -> Callable[..., None]:
    """Return what takes a thread's entries of a finished tile, a few at a time."""
    read, take = epilogue.read, epilogue.take
    tile_columns, n_threads = tile.columns, tile.n_threads
    n_own = tile.own_rows * tile.own_columns
    rows_apart = n_threads // tile_columns

    @inlined
    def finish(
        known: Any, arena: Any, left: Any, old: Any, t: Any,
        first_row: Any, first_column: Any, height: Any, width: Any,
    ) -> None:  # fmt: skip
        c, r = first_column + np.int32(t % tile_columns), first_row + np.int32(t // tile_columns)
        n_inside: Any = min(np.int32((height - r + rows_apart - 1) // rows_apart), n_own)
        if c >= width or n_inside <= 0:
            return
        place, hop = np.uint32(r * width + c), np.uint32(rows_apart * width)
        for several in range(0, n_own, together):
            for k in range(together):
                read(known, arena, np.uint32(place + min(several + k, n_inside - 1) * hop), old, k)
            for k in range(together):
                e = several + k
                if e < n_inside:
                    entry = left[np.uint64(t + e * n_threads)]
                    take(known, arena, np.uint32(place + e * hop), c, entry, old, k)

    return finish


def _multiplying(tile: ProductTile, left_length: int, right_length: int) -> Callable[..., None]:
    """Return what adds a stage's products to a thread's sums."""
    depth, own_rows, own_columns = tile.depth, tile.own_rows, tile.own_columns

    @inlined
    def multiply(
        total: Any, left: Any, right: Any, stage: Any, own_row: Any, own_column: Any,
        of_left: Any, of_right: Any,
    ) -> None:  # fmt: skip
        first = (stage & 1) * depth
        for several in range(0, depth, _UNROLLED):
            for k in range(_UNROLLED):
                term = first + several + k
                for p in range(own_rows):
                    of_left[p] = left[np.uint64(term * left_length + own_row + p)]
                for q in range(own_columns):
                    of_right[q] = right[np.uint64(term * right_length + own_column + q)]
                for p in range(own_rows):
                    for q in range(own_columns):
                        total[p, q] += of_left[p] * of_right[q]

    return multiply


@inlined
def _where(row: Any, next_row: Any, constants: Any, numbers: Any) -> Any:
    return row[C]


@inlined
def _read_nothing(known: Any, arena: Any, place: Any, old: Any, k: Any) -> None:
    pass


@inlined
def _keep(out: Any, arena: Any, place: Any, column: Any, z: Any, old: Any, k: Any) -> None:
    arena[np.uint64(out + place)] = z


_STORED = _Epilogue(_where, _read_nothing, _keep)


@inlined
def _activating(row: Any, next_row: Any, constants: Any, numbers: Any) -> Any:
    return constants[next_row[CONSTANT]], next_row[A], next_row[B], next_row[C]


def _activated(name: str) -> _Epilogue:
    """Do the activation's pass forward, which is the next row."""
    function, beside = ACTIVATIONS[name][0], name in NEEDS_INPUT

    @inlined
    def take(known: Any, arena: Any, place: Any, column: Any, z: Any, old: Any, k: Any) -> None:
        scale, total, bias, out = known
        value = scale * z + arena[np.uint64(bias + column)]
        if beside:
            arena[np.uint64(total + place)] = value
        arena[np.uint64(out + place)] = function(value)

    return _Epilogue(_activating, _read_nothing, take)


def _updated(rule: Rule) -> _Epilogue:
    """Move an entry of the weight at C by an entry of its gradient."""
    move, numbers_of = rule.move, NUMBERS_OF[rule.n_constants]

    @inlined
    def begin(row: Any, next_row: Any, constants: Any, numbers: Any) -> Any:
        return numbers_of(numbers), row[C], row[STATES], row[STATES + 1]

    @inlined
    def read_one(known: Any, arena: Any, place: Any, old: Any, k: Any) -> None:
        _, weight, first, _ = known
        old[0, k] = arena[np.uint64(weight + place)]
        old[1, k] = arena[np.uint64(first + place)]

    @inlined
    def with_one(known: Any, arena: Any, place: Any, column: Any, g: Any, old: Any, k: Any) -> None:
        own, weight, first, _ = known
        w, v = np.uint64(weight + place), np.uint64(first + place)
        arena[w], arena[v] = move(own, old[0, k], g, old[1, k])

    @inlined
    def read_two(known: Any, arena: Any, place: Any, old: Any, k: Any) -> None:
        read_one(known, arena, place, old, k)
        old[2, k] = arena[np.uint64(known[3] + place)]

    @inlined
    def with_two(known: Any, arena: Any, place: Any, column: Any, g: Any, old: Any, k: Any) -> None:
        own, weight, first, second = known
        w, m, v = np.uint64(weight + place), np.uint64(first + place), np.uint64(second + place)
        arena[w], arena[m], arena[v] = move(own, old[0, k], g, old[1, k], old[2, k])

    read, take = {1: (read_one, with_one), 2: (read_two, with_two)}[rule.n_states]
    return _Epilogue(begin, read, take)


_products("gemm_forward", _FORWARD, _STORED, serves=("gemm_forward",))
_products("gemm_input", _INPUT, _STORED, serves=("gemm_input",))
_products("gemm_weight", _WEIGHT, _STORED, serves=("gemm_weight",))
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


def _lower(
    programs: Programs, i: int, kind: _Kind, name: str, out: int
) -> tuple[list[Work], list[int]]:
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
    """Where the library does the product, step by the gradient that it leaves in the work space."""
    name = programs.name(i)
    work, large = _lower(programs, i, _WEIGHT, name, WORK)
    if large:
        work.append(programs.launch(f"{name}:update", i, large))
    return work, 1
