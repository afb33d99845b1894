"""Samples into the batch buffer, and outputs out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, from_dtype, types

from dask_horn.kernels.compile import kernel
from dask_horn.kernels.cpu.tiles.pointers import at, pointer_to
from dask_horn.kernels.opcodes import (
    BATCH,
    CONSTANT,
    INVERSE_SCALE,
    MEAN,
    N_IN,
    N_OUT,
    ORDER,
    RESULT,
    ROWS,
    X_BLOCKS,
    Y_BLOCKS,
    A,
    B,
)

#: The dtypes that samples are read in, by their numpy names.
SAMPLE_DTYPES = (
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64",
)  # fmt: skip

_ROW = np.int64(0xFFFFFFFF)


def _gather_samples(dtype: str) -> None:
    element = from_dtype(np.dtype(dtype))

    @kernel(f"gather_{dtype}")
    def gather(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """Write A (batch, N_IN) ← (x - mean) / scale of the samples that ORDER names.

        The mean is subtracted in float64: a large offset must not eat the float32's digits.
        """
        batch, width = counters[BATCH], row[N_IN]
        out = carray(at(arena, row[A]), (batch, width))
        order = carray(pointer_to(counters[ORDER], types.int64), (batch,))
        blocks = pointer_to(counters[X_BLOCKS], types.int64)
        mean = carray(pointer_to(counters[MEAN], types.float64), (width,))
        inverse = carray(pointer_to(counters[INVERSE_SCALE], types.float64), (width,))
        for i in range(batch):
            block = pointer_to(blocks[order[i] >> 32], element)
            x = carray(at(block, (order[i] & _ROW) * width), (width,))
            for j in range(width):
                out[i, j] = np.float32((np.float64(x[j]) - mean[j]) * inverse[j])


def _mask(dtype: str) -> None:
    element = from_dtype(np.dtype(dtype))

    @kernel(f"mask_{dtype}")
    def mask(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
        """Write A (batch, ROWS) ← 0 where a step is padding, else 1, and B ← 0 at those steps.

        A step of a sample, of the N_IN numbers that ORDER names, is padding where all of its
        features equal the number at CONSTANT. In B (batch, N_IN), the gathered samples, its
        features may have become anything; as zeros they are harmless numbers, and a token.
        """
        batch, steps, n_features = counters[BATCH], row[ROWS], row[N_IN] // row[ROWS]
        counted = carray(at(arena, row[A]), (batch, steps))
        out = carray(at(arena, row[B]), (batch, steps, n_features))
        order = carray(pointer_to(counters[ORDER], types.int64), (batch,))
        blocks = pointer_to(counters[X_BLOCKS], types.int64)
        value = scalars[row[CONSTANT]]
        for i in range(batch):
            block = pointer_to(blocks[order[i] >> 32], element)
            sample = at(block, (order[i] & _ROW) * row[N_IN])
            x = carray(sample, (steps, n_features))
            for t in range(steps):
                n_equal = 0
                for j in range(n_features):
                    n_equal += np.float64(x[t, j]) == value
                counted[i, t] = n_equal < n_features
                if n_equal == n_features:
                    for j in range(n_features):
                        out[i, t, j] = np.float32(0)


for _dtype in SAMPLE_DTYPES:
    _gather_samples(_dtype)
    _mask(_dtype)


@kernel("gather_targets")
def gather_targets(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Write A (batch, N_OUT) ← the targets, float32, of the samples that ORDER names."""
    batch, width = counters[BATCH], row[N_OUT]
    out = carray(at(arena, row[A]), (batch, width))
    order = carray(pointer_to(counters[ORDER], types.int64), (batch,))
    blocks = pointer_to(counters[Y_BLOCKS], types.int64)
    for i in range(batch):
        block = pointer_to(blocks[order[i] >> 32], types.float32)
        y = carray(at(block, (order[i] & _ROW) * width), (width,))
        for j in range(width):
            out[i, j] = y[j]


@kernel("store_once")
def store_once(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Append A (N_OUT,), which is the batch's as a whole, to the outputs at RESULT."""
    width = row[N_OUT]
    source = carray(at(arena, row[A]), (width,))
    result = carray(pointer_to(counters[RESULT], types.float32), (width,))
    for i in range(width):
        result[i] = source[i]
    counters[RESULT] += 4 * width


@kernel("store")
def store(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """Append A (batch, N_OUT) to the outputs at RESULT."""
    batch, width = counters[BATCH], row[N_OUT]
    source = carray(at(arena, row[A]), (batch * width,))
    result = carray(pointer_to(counters[RESULT], types.float32), (batch * width,))
    for i in range(batch * width):
        result[i] = source[i]
    counters[RESULT] += 4 * batch * width
