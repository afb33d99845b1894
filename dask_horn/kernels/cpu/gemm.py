"""Matrix products: BLAS, on slices of the arena."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from dask_horn.kernels.compile import kernel
from dask_horn.kernels.cpu.pointers import at
from dask_horn.kernels.opcodes import BATCH, N_IN, N_OUT, A, B, C


@kernel("gemm_forward")
def gemm_forward(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_OUT) ← A (batch, N_IN) @ B (N_IN, N_OUT): the layer's sum."""
    batch, n_in, n_out = counters[BATCH], row[N_IN], row[N_OUT]
    x = carray(at(arena, row[A]), (batch, n_in))
    weight = carray(at(arena, row[B]), (n_in, n_out))
    np.dot(x, weight, carray(at(arena, row[C]), (batch, n_out)))


@kernel("gemm_weight")
def gemm_weight(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (N_IN, N_OUT) ← A (batch, N_IN).T @ B (batch, N_OUT): the weight's gradient."""
    batch, n_in, n_out = counters[BATCH], row[N_IN], row[N_OUT]
    x = carray(at(arena, row[A]), (batch, n_in))
    gradient = carray(at(arena, row[B]), (batch, n_out))
    np.dot(x.T, gradient, carray(at(arena, row[C]), (n_in, n_out)))


@kernel("gemm_input")
def gemm_input(row: Any, counters: Any, scalars: Any, arena: Any) -> None:
    """C (batch, N_IN) ← A (batch, N_OUT) @ B (N_IN, N_OUT).T: the input's gradient."""
    batch, n_in, n_out = counters[BATCH], row[N_IN], row[N_OUT]
    gradient = carray(at(arena, row[A]), (batch, n_out))
    weight = carray(at(arena, row[B]), (n_in, n_out))
    np.dot(gradient, weight.T, carray(at(arena, row[C]), (batch, n_in)))
