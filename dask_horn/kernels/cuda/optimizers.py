"""Gradient clipping and the optimizers, on runs of the flat parameter vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float64

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.compile import Tiling, kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.lowering import WORK_SIZES, Programs, Work, lowers, together
from dask_horn.kernels.cuda.numbers import NUMBERS_OF
from dask_horn.kernels.cuda.sizes import ELEMENT_THREADS, ELEMENTS, NORM_ELEMENTS
from dask_horn.kernels.opcodes import (
    BATCH,
    CLIP,
    CONSTANT,
    N_IN,
    N_OUT,
    STATES,
    WORK,
    A,
    B,
    C,
)  # fmt: skip
from dask_horn.kernels.program import Operation
from dask_horn.kernels.rules import RULES, Rule
from dask_horn.rounding import ceil_div

_THREADS = ELEMENT_THREADS


def _runs(length: int) -> Tiling:
    """Cut a parameter into runs of so many entries: N_OUT, of a matrix N_IN times as many."""

    def tiling(operation: Operation, batch_size: int) -> tuple[int, int]:
        return ceil_div(max(operation.n_in, 1) * operation.n_out, length), 1

    return tiling


def _update(name: str, rule: Rule, serves: str, weight: int, gradient: int) -> None:
    """Register a kernel that steps a parameter by its gradient; the columns tell where they are."""
    move, numbers_of, has_two = rule.move, NUMBERS_OF[rule.n_constants], rule.n_states == 2

    @kernel(name, _THREADS, _runs(ELEMENTS), serves=(serves,))
    def update(tiles: Any, rows: Any, counters: Any, numbers: Any, arena: Any) -> None:
        s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
        if counters[s, BATCH] == 0:
            return
        size = max(rows[s, i, N_IN], 1) * rows[s, i, N_OUT]
        w, g = rows[s, i, weight], rows[s, i, gradient]
        first, second = rows[s, i, STATES], rows[s, i, STATES + 1]
        own = numbers_of(numbers[s, i])
        start = tiles[cuda.blockIdx.x, 2] * ELEMENTS
        for e in range(start + t, min(start + ELEMENTS, size), _THREADS):
            if has_two:
                arena[w + e], arena[first + e], arena[second + e] = move(
                    own, arena[w + e], arena[g + e], arena[first + e], arena[second + e]
                )
            else:
                arena[w + e], arena[first + e] = move(
                    own, arena[w + e], arena[g + e], arena[first + e]
                )


for _name, _rule in RULES.items():
    _update(_name, _rule, _name, A, B)
    # Of a weight whose gradient a library has left in the work space.
    _update(f"gemm_weight_{_name}:update", _rule, f"gemm_weight_{_name}", C, WORK)
    lowers(_name)(together)


@inlined
def _norm(arena: Any, start: Any, stop: Any, t: Any, sums: Any) -> Any:
    """Return to a block's first thread the norm of a run; squares are added up in float64."""
    total = 0.0
    for e in range(start + t, stop, _THREADS):
        total += np.float64(arena[e]) * arena[e]
    sums[t] = total
    cuda.syncthreads()
    total = 0.0
    if t == 0:
        for k in range(_THREADS):
            total += sums[k]
    return math.sqrt(total)


@kernel("clip:norms", _THREADS, _runs(NORM_ELEMENTS), serves=("clip",))
def _clip_norms(tiles: Any, rows: Any, counters: Any, arena: Any) -> None:
    """WORK ← the norms of runs of the gradient A (N_OUT,)."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    if counters[s, BATCH] == 0:
        return
    sums = cuda.shared.array(_THREADS, float64)
    run, gradient = tiles[cuda.blockIdx.x, 2], rows[s, i, A]
    start = run * NORM_ELEMENTS
    stop = min(start + NORM_ELEMENTS, rows[s, i, N_OUT])
    norm = _norm(arena, gradient + start, gradient + stop, t, sums)
    if t == 0:
        arena[rows[s, i, WORK] + run] = np.float32(norm)


@kernel("clip:bound", _THREADS, serves=("clip",))
def _clip_bound(tiles: Any, rows: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """CLIP ← min(1, bound / norm) from the norms of its runs; the bound at CONSTANT."""
    s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
    if counters[s, BATCH] == 0:
        return
    sums = cuda.shared.array(_THREADS, float64)
    norms, n_runs = rows[s, i, WORK], (rows[s, i, N_OUT] + NORM_ELEMENTS - 1) // NORM_ELEMENTS
    norm = _norm(arena, norms, norms + n_runs, t, sums)
    if t == 0:
        bound = scalars[s, rows[s, i, CONSTANT]]
        scalars[s, CLIP] = bound / norm if norm > bound else 1.0


WORK_SIZES["clip"] = lambda operation, _: ceil_div(operation.n_out, NORM_ELEMENTS)


@lowers("clip")
def _lower_clip(programs: Programs, i: int) -> tuple[list[Work], int]:
    return [programs.launch("clip:norms", i), programs.launch("clip:bound", i)], 1
