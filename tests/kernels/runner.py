"""Runs one kernel by itself, between guards that it must leave alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dask_horn.kernels import cpu  # noqa: F401  (registers the kernels)
from dask_horn.kernels import opcodes as op
from dask_horn.kernels.compile import address_table
from dask_horn.kernels.cpu.loop import run_steps

_GUARD = np.float32(-12345.678)


@dataclass(frozen=True)
class Ran:
    """What a kernel has left behind."""

    buffers: list[np.ndarray]  # after the run, in the shapes that came
    loss: float
    clip: float


def aligned(size):
    """Float32 memory that begins on a cache line, as an arena does."""
    memory = np.empty(size + 16, np.float32)
    return memory[(-memory.ctypes.data % 64) // 4 :][:size]


def addresses(blocks):
    return np.array([block.ctypes.data for block in blocks], np.int64)


def run_kernel(
    name,
    *buffers,
    batch=1,
    n_in=0,
    n_out=0,
    rows=1,
    operands=None,
    constants=(),
    stream=0,
    sizes=(),
    step=0,
    key=0,
    rate=0.0,
    clip=1.0,
    counters=None,
    order=None,
):
    """Run the kernel for one step; `operands` are buffer numbers, by default 0, 1, 2 ...

    `counters` maps columns to values that the other arguments do not cover.
    """
    offsets, size = [], 16
    for buffer in buffers:
        offsets.append(size)
        size += -(-buffer.size // 16) * 16 + 16
    size += 4096  # tiles may read beyond the last row
    arena = aligned(size)
    arena[:] = _GUARD
    for offset, buffer in zip(offsets, buffers, strict=True):
        arena[offset : offset + buffer.size] = buffer.ravel()
    row = np.zeros((1, op.N_COLUMNS), np.int64)
    row[0, [op.N_IN, op.N_OUT, op.ROWS]] = n_in, n_out, rows
    row[0, [op.CONSTANT, op.STREAM]] = op.N_SCALARS, stream
    row[0, op.SIZES : op.SIZES + len(sizes)] = sizes
    used = range(len(buffers)) if operands is None else operands
    row[0, op.A : op.A + len(used)] = [offsets[i] for i in used]
    scalars = np.array([0.0, 0.0, clip, *constants])
    state = np.zeros(op.N_COUNTERS, np.int64)
    state[[op.STEP, op.KEY]] = step, key
    for column, value in (counters or {}).items():
        state[column] = value
    order = np.zeros(batch, np.int64) if order is None else order
    losses = np.empty(1)
    run_steps(
        row,
        address_table([name]),
        state,
        scalars,
        arena,
        order,
        np.array([0, batch]),
        np.array([float(rate)]),
        losses,
    )
    found, end = [], 0
    for offset, buffer in zip(offsets, buffers, strict=True):
        assert (arena[end:offset] == _GUARD).all(), f"{name} wrote before its buffer"
        end = offset + buffer.size
        found.append(arena[offset:end].reshape(buffer.shape).copy())
    assert (arena[end:] == _GUARD).all(), f"{name} wrote behind its buffer"
    return Ran(found, losses[0], scalars[op.CLIP])
