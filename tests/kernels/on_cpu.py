"""How the runner has the CPU run a kernel by itself; each device has such a file."""

from __future__ import annotations

import numpy as np

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.compile import address_table
from dask_horn.kernels.cpu.loop import run_steps


def run_row(row, name, step, scalars, arena):
    """Take one step of one op row in an arena, in place; return the loss.

    `step` is batch size, number, key and learning rate.
    """
    batch, number, key, rate = step
    counters = np.zeros(op.N_COUNTERS, np.int64)
    counters[[op.STEP, op.KEY]] = number, key
    order, losses = np.zeros(batch, np.int64), np.empty(1)
    run_steps(
        row,
        address_table([name]),
        counters,
        scalars,
        arena,
        order,
        np.array([0, batch]),
        np.array([float(rate)]),
        losses,
    )
    return losses[0]
