"""Vectors of tokens, looked up; tokens are integers, kept as float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import kernel
from dask_horn.kernels.cpu.tiles.pointers import at
from dask_horn.kernels.opcodes import BATCH, N_IN, N_OUT, ROWS, A, B, C


@kernel("embedding_forward")
def embedding_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_OUT) ← B[A], the vectors B (N_IN, N_OUT) of the tokens A (batch,)."""
    batch, units = counters[BATCH] * row[ROWS], row[N_OUT]
    tokens = carray(at(arena, row[A]), (batch,))
    vectors = carray(at(arena, row[B]), (row[N_IN], units))
    out = carray(at(arena, row[C]), (batch, units))
    for i in range(batch):
        token = np.int64(tokens[i])
        for j in range(units):
            out[i, j] = vectors[token, j]


@kernel("embedding_backward")
def embedding_backward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (N_IN, N_OUT) ← for each token the sum of the gradients B (batch, N_OUT) of its vectors."""
    batch, n_tokens, units = counters[BATCH] * row[ROWS], row[N_IN], row[N_OUT]
    tokens = carray(at(arena, row[A]), (batch,))
    gradient = carray(at(arena, row[B]), (batch, units))
    total = carray(at(arena, row[C]), (n_tokens * units,))
    for i in range(n_tokens * units):
        total[i] = np.float32(0)
    for i in range(batch):
        own = carray(at(arena, row[C] + np.int64(tokens[i]) * units), (units,))
        for j in range(units):
            own[j] += gradient[i, j]
