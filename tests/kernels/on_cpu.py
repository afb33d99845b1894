"""How the runner has the CPU run a kernel by itself; each device has such a file."""

from __future__ import annotations

import numpy as np

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.compile import address_table
from dask_horn.kernels.cpu.loop import run_steps


def run_row(name, call, row, scalars, arena):
    """Take one step of one op row in an arena, in place, as a `Call` tells; return the loss."""
    counters = np.zeros(op.N_COUNTERS, np.int64)
    counters[[op.STEP, op.KEY]] = call.step, call.key
    order, starts = np.zeros(call.batch, np.int64), np.array([0, call.batch])
    rates, losses = np.array([float(call.rate)]), np.empty(1)
    kernels = address_table([name])
    run_steps(row, kernels, counters, scalars, arena, order, starts, rates, losses)
    return losses[0]
