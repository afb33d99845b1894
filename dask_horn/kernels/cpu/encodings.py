"""Encodings: columns that are appended to samples, from the input columns that come first.

They are written in place, into rows that are as wide as what all encodings of a network leave. The
appended columns of one encoding are side by side, in the order of the input columns that they are
made from: SIZES tells where they begin in a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import inlined, kernel
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.encodings import TURN, cosine_and_sine, inverse_width, share_of_bin
from dask_horn.kernels.opcodes import BATCH, N_IN, N_OUT, SIZES, WORK, A, B, C, D

_ZERO, _ONE = np.float32(0), np.float32(1)


@kernel("widen")
def widen(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Write the first columns of B (batch, N_OUT) ← A (batch, N_IN)."""
    width = row[N_IN]
    for i in range(counters[BATCH]):
        source = carray(at(arena, row[A] + i * width), (width,))
        out = carray(at(arena, row[B] + i * row[N_OUT]), (width,))
        for j in range(width):
            out[j] = source[j]


@kernel("missing_indicator")
def missing_indicator(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """In A (batch, N_OUT), write 0 in place of NaN, and what an appended column tells of it.

    B (N_IN,) has the place of each input column's own among those that are appended, or -1.
    """
    n_inputs = row[N_IN]
    places = carray(at(arena, row[B]), (n_inputs,))
    for i in range(counters[BATCH]):
        start = row[A] + i * row[N_OUT]
        x = carray(at(arena, start), (n_inputs,))
        appended = at(arena, start + row[SIZES])
        for j in range(n_inputs):
            missing = np.isnan(x[j])
            place = np.int64(places[j])
            if place >= 0:
                appended[place] = _ONE if missing else _ZERO
            x[j] = _ZERO if missing else x[j]


@inlined
def _count(columns: Any, numbers: Any) -> None:
    """Count how many columns each input column has appended."""
    for j in range(numbers.size):
        numbers[j] = _ZERO
    for k in range(columns.size):
        numbers[np.int64(columns[k])] += _ONE


@inlined
def _spread(x: Any, numbers: Any, out: Any) -> None:
    """Write each input column in the place of those that are made from it, side by side.

    Runs of one value are written four times as fast as values are looked up one by one.
    """
    start = np.int64(0)
    for j in range(numbers.size):
        number = np.int64(numbers[j])
        own = carray(at(out, start), (number,))
        for k in range(number):
            own[k] = x[j]
        start += number


@kernel(
    "piecewise_linear",
    work=lambda operation, batch_size: 2 * operation.sizes[1] + operation.n_in,
)
def piecewise_linear(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """In A (batch, N_OUT), write how far the input columns fill their bins.

    For each of n bins, B (n,) has its column, and C (n,) the place of its lower edge among the
    edges at D; the upper one follows there. n is the second of SIZES. ``(x - e_t) / (e_(t+1) -
    e_t)``, from 0 to 1, less 1/2: Gorishniy et al. (2022), equation 1.
    """
    n, width, n_inputs = row[SIZES + 1], row[N_OUT], row[N_IN]
    columns, lower = carray(at(arena, row[B]), (n,)), carray(at(arena, row[C]), (n,))
    edges = at(arena, row[D])
    low, inverse = carray(at(arena, row[WORK]), (n,)), carray(at(arena, row[WORK] + n), (n,))
    numbers = carray(at(arena, row[WORK] + 2 * n), (n_inputs,))
    _count(columns, numbers)
    for k in range(n):
        edge = np.int64(lower[k])
        low[k], inverse[k] = edges[edge], inverse_width(edges[edge], edges[edge + 1])
    for i in range(counters[BATCH]):
        x = carray(at(arena, row[A] + i * width), (n_inputs,))
        out = carray(at(arena, row[A] + i * width + row[SIZES]), (n,))
        _spread(x, numbers, at(arena, row[A] + i * width + row[SIZES]))
        for k in range(n):
            out[k] = share_of_bin(out[k], low[k], inverse[k])


@kernel("periodic_forward", work=lambda operation, batch_size: operation.n_in)
def periodic_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """In A (batch, N_OUT), write cos 2πfx of n frequencies f, and then their sin 2πfx.

    B (n,) has the column of each, C (n,) the frequencies; n is the second of SIZES.
    """
    n, width, n_inputs = row[SIZES + 1], row[N_OUT], row[N_IN]
    columns, frequencies = carray(at(arena, row[B]), (n,)), carray(at(arena, row[C]), (n,))
    numbers = carray(at(arena, row[WORK]), (n_inputs,))
    _count(columns, numbers)
    for i in range(counters[BATCH]):
        x = carray(at(arena, row[A] + i * width), (n_inputs,))
        cosines = carray(at(arena, row[A] + i * width + row[SIZES]), (n,))
        sines = carray(at(arena, row[A] + i * width + row[SIZES] + n), (n,))
        _spread(x, numbers, at(arena, row[A] + i * width + row[SIZES] + n))
        for k in range(n):
            cosines[k], sines[k] = cosine_and_sine(frequencies[k] * sines[k])


@kernel(
    "periodic_backward",
    work=lambda operation, batch_size: operation.sizes[1] + operation.n_in,
)
def periodic_backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Write D (n,) ← the frequencies' gradient, summed over the batch.

    C (batch, N_OUT) is the gradient of A, the encoded samples; B (n,) has the columns, and SIZES
    are those of the forward pass. The slopes are -2πx sin 2πfx and 2πx cos 2πfx.
    """
    n, width, n_inputs = row[SIZES + 1], row[N_OUT], row[N_IN]
    columns, total = carray(at(arena, row[B]), (n,)), carray(at(arena, row[D]), (n,))
    spread = carray(at(arena, row[WORK]), (n,))
    numbers = carray(at(arena, row[WORK] + n), (n_inputs,))
    _count(columns, numbers)
    for k in range(n):
        total[k] = _ZERO
    for i in range(counters[BATCH]):
        start = i * width + row[SIZES]
        x = carray(at(arena, row[A] + i * width), (n_inputs,))
        cosines = carray(at(arena, row[A] + start), (n,))
        sines = carray(at(arena, row[A] + start + n), (n,))
        of_cosines = carray(at(arena, row[C] + start), (n,))
        of_sines = carray(at(arena, row[C] + start + n), (n,))
        _spread(x, numbers, at(arena, row[WORK]))
        for k in range(n):
            slope = of_sines[k] * cosines[k] - of_cosines[k] * sines[k]
            total[k] += TURN * spread[k] * slope
