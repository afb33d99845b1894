"""The one loop: many optimizer steps of a program without returning to Python."""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from dask_horn.kernels.compile import compiled
from dask_horn.kernels.cpu.denormals import flush_denormals, restore_denormals
from dask_horn.kernels.cpu.tiles.pointers import at, call, pointer_to
from dask_horn.kernels.opcodes import (
    BATCH,
    LOSS,
    N_COLUMNS,
    OP,
    ORDER,
    RATE,
    STEP,
)


@compiled(
    types.int64(
        types.int64[:, ::1],
        types.int64[::1],
        types.int64[::1],
        types.float64[::1],
        types.float32[::1],
        types.int64[::1],
        types.int64[::1],
        types.float64[::1],
        types.float64[::1],
    )
)
def run_steps(
    rows: NDArray[np.int64],
    addresses: NDArray[np.int64],
    counters: NDArray[np.int64],
    scalars: NDArray[np.float64],
    arena: NDArray[np.float32],
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    rates: NDArray[np.float64],
    losses: NDArray[np.float64],
) -> int:
    """Run the program once per batch; return how many batches were done.

    Parameters
    ----------
    rows : (n_ops, N_COLUMNS)
        The program.
    addresses : (n_kernels,)
        Entry points that the rows' first column indexes.
    order : (n_rows,)
        Entries ``(block << 32) | row`` of the samples, in the order of training.
    starts : (n_batches + 1,)
        Batch i takes ``order[starts[i]:starts[i + 1]]``.
    rates : (n_batches,)
        Learning rate of each step.
    losses : (n_batches,)
        Receives each batch's mean loss; a loss that is not finite ends the loop.
    """
    row_table = pointer_to(rows.ctypes.data, types.int64)
    order_address = order.ctypes.data
    counter_pointer = pointer_to(counters.ctypes.data, types.int64)
    scalar_pointer = pointer_to(scalars.ctypes.data, types.float64)
    arena_pointer = pointer_to(arena.ctypes.data, types.float32)
    done = rates.size
    control = flush_denormals()
    for batch in range(rates.size):
        counters[BATCH] = starts[batch + 1] - starts[batch]
        counters[ORDER] = order_address + 8 * starts[batch]
        scalars[RATE] = rates[batch]
        scalars[LOSS] = 0.0
        for i in range(rows.shape[0]):
            call(
                addresses[rows[i, OP]],
                at(row_table, i * N_COLUMNS),
                counter_pointer,
                scalar_pointer,
                arena_pointer,
            )
        counters[STEP] += 1
        losses[batch] = scalars[LOSS]
        if not np.isfinite(scalars[LOSS]):
            done = batch + 1
            break
    restore_denormals(control)
    return done
