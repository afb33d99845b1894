"""Dropout per example and unit, inverted scaling; masks are drawn wherever they are used."""

from __future__ import annotations

from typing import Any

import numpy as np

from dask_horn.kernels.compile import inlined
from dask_horn.kernels.cuda.columns import CAPACITY
from dask_horn.kernels.cuda.compile import kernel
from dask_horn.kernels.cuda.driver import cuda
from dask_horn.kernels.cuda.sizes import ELEMENT_THREADS, ELEMENTS
from dask_horn.kernels.opcodes import BATCH, CONSTANT, KEY, N_OUT, STEP, STREAM, A, C
from dask_horn.kernels.program import Operation
from dask_horn.kernels.random import philox
from dask_horn.rounding import ceil_div

_THREADS = ELEMENT_THREADS
_LANES, _WORDS = 64, 4  # as on the CPU: element e has a word of the counter it shares with others
_BLOCK = _LANES * _WORDS


def _elements(operation: Operation, batch_size: int) -> tuple[int, int]:
    return ceil_div(batch_size * operation.n_out, ELEMENTS), 1


@inlined
def _masked(
    row: Any, counters: Any, scalars: Any, arena: Any, source: Any, out: Any, e: Any
) -> None:
    """Mask the elements that share the counter of element e, the first of them."""
    size = counters[CAPACITY] * row[N_OUT]
    rate = scalars[row[CONSTANT]]
    keep, drop = np.float32(1.0 / (1.0 - rate)), np.float32(0)
    threshold = np.uint32(min(rate * 4294967296.0, 4294967295.0))
    counter = np.uint64(e // _BLOCK * _LANES + e % _LANES)
    key = counters[KEY]
    words = philox(
        counter, np.uint64(counters[STEP]), np.uint64(row[STREAM]), np.uint64(0),
        np.uint64(key), np.uint64(key >> 32),
    )  # fmt: skip
    for k in range(_WORDS):
        at = e + k * _LANES
        if at < size:
            arena[out + at] = arena[source + at] * (keep if words[k] >= threshold else drop)


def _dropout(name: str, out: int) -> None:
    @kernel(name, _THREADS, _elements)
    def dropout(tiles: Any, rows: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """Write A (batch, N_OUT) times the mask, 0 or 1 / (1 - rate), rate at CONSTANT, to `out`.

        The mask is the CPU's, `dask_horn.kernels.cpu.dropout`.
        """
        s, i, t = tiles[cuda.blockIdx.x, 0], tiles[cuda.blockIdx.x, 1], cuda.threadIdx.x
        if counters[s, BATCH] == 0:
            return
        row, start = rows[s, i], tiles[cuda.blockIdx.x, 2] * ELEMENTS
        for n in range(t, ELEMENTS // _WORDS, _THREADS):
            e = start + n // _LANES * _BLOCK + n % _LANES
            _masked(row, counters[s], scalars[s], arena, row[A], row[out], e)


_dropout("dropout_forward", C)
_dropout("dropout_backward", A)
