"""How the runner has a GPU, or the simulator, run a kernel by itself."""

from __future__ import annotations

import numpy as np

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.device import Steps, Window
from dask_horn.kernels.program import Program
from tests.kernels.runner import Scaling, under_test


def run_row(name, call, row, scalars, arena):
    """Take one step of one op row in an arena, in place, as a `Call` tells; return the loss."""
    program = Program(
        rows=row,
        kernels=(name,),
        constants=scalars[op.N_SCALARS :],
        arena_size=arena.size,
        n_parameters=arena.size,
        batch_size=call.batch,
        n_outputs=1,
        filled=(),
    )
    machine = under_test().machine([program], Scaling(np.zeros(1), np.ones(1)))
    machine.load([arena], [call.key])
    _set(machine, "counters", op.STEP, call.step)
    _set(machine, "scalars", op.CLIP, scalars[op.CLIP])
    order, starts = np.zeros(call.batch, np.int64), np.array([0, call.batch])
    steps = Steps(order, starts, np.array([float(call.rate)]))
    loss = machine.run(machine.stage([Window([])]), [steps]).losses()[0][0]
    arena[:] = machine.parameters()[0]
    scalars[op.CLIP] = machine.memory["scalars"].copy_to_host()[0, op.CLIP]
    return loss


def _set(machine, name, column, value):
    """Change an array of the only sub-model's on the device."""
    array = machine.memory[name].copy_to_host()
    array[0, column] = value
    machine.memory[name].copy_to_device(array)
