"""Runs one kernel by itself on the device under test, between guards that it must leave alone."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import pytest

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.device import (
    DEVICES,
    Device,
    MissingKernelError,
    Steps,
    Window,
    device,
)
from dask_horn.kernels.program import Operation

_GUARD = np.float32(-12345.678)
_devices = [device("cpu")]

#: Whether a simulator does a GPU's work, in Python: then shapes are small.
SIMULATED = bool(numba.config.ENABLE_CUDASIM)
_SIMULATED_WORK = 30_000  # products of numbers, at most

#: The devices that this machine has, for fixtures; `pytest -m gpu` chooses the GPU.
HERE = [
    pytest.param(name, marks=[] if name == "cpu" else [pytest.mark.gpu])
    for name in DEVICES
    if not device(name).state().missing
]


def at_most(largest, simulated):
    """The largest size that a test tries: of a simulator less is asked."""
    return simulated if SIMULATED else largest


def few(n):
    """So many samples, or a few in their place."""
    return -(-n // at_most(1, 6))


@contextmanager
def running_on(own: Device):
    """Run all that follows on this device."""
    _devices.append(own)
    try:
        yield own
    finally:
        _devices.pop()


@contextmanager
def skipping_what_is_missing():
    """Skip a test of what the device has no kernel for; the CPU has them all."""
    try:
        yield
    except MissingKernelError as missing:
        if under_test().name == "cpu":
            raise
        pytest.skip(str(missing))


def under_test() -> Device:
    return _devices[-1]


@dataclass(frozen=True)
class Ran:
    """What a kernel has left behind."""

    buffers: list[np.ndarray]  # after the run, in the shapes that came
    loss: float
    clip: float


class Scaling(NamedTuple):
    """How samples are standardized."""

    mean: np.ndarray
    scale: np.ndarray


def aligned(size):
    """Float32 memory that begins on a cache line, as an arena does."""
    memory = np.empty(size + 16, np.float32)
    return memory[(-memory.ctypes.data % 64) // 4 :][:size]


@dataclass(frozen=True)
class Call:
    """What a kernel is told besides its buffers."""

    batch: int = 1
    n_in: int = 0
    n_out: int = 0
    rows: int = 1
    operands: Sequence[int] | None = None  # which buffers, by number; by default 0, 1, 2 ...
    n_states: int = 0  # that many of the last buffers are an optimizer's state
    constants: Sequence[float] = ()
    rule: Sequence[float] = ()  # an optimizer's constants
    stream: int = 0
    sizes: Sequence[int] = ()
    step: int = 0
    key: int = 0
    rate: float = 0.0
    clip: float = 1.0

    def row(self, offsets: Sequence[int]) -> np.ndarray:
        """The op row, (1, columns), for buffers at these places, the last of them work space."""
        row = np.zeros((1, op.N_COLUMNS), np.int64)
        row[0, [op.N_IN, op.N_OUT, op.ROWS]] = self.n_in, self.n_out, self.rows
        row[0, [op.CONSTANT, op.STREAM, op.WORK]] = op.N_SCALARS, self.stream, offsets[-1]
        row[0, op.RULE] = op.N_SCALARS + len(self.constants)
        row[0, op.SIZES : op.SIZES + len(self.sizes)] = self.sizes
        n_plain = len(offsets) - 1 - self.n_states
        used = range(n_plain) if self.operands is None else self.operands
        row[0, op.A : op.A + len(used)] = [offsets[i] for i in used]
        row[0, op.STATES : op.STATES + self.n_states] = offsets[n_plain:-1]
        return row


def run_kernel(name, *buffers, **told):
    """Run the kernel for one step; what it is told are the fields of `Call`."""
    own, call = under_test(), Call(**told)
    if not own.offers(name):
        raise MissingKernelError(f"{own.name} has no {name}")
    work = call.batch * call.rows * max(call.n_in, 1) * max(call.n_out, 1)
    if SIMULATED and own.name != "cpu" and work > _SIMULATED_WORK:
        pytest.skip("too large for the simulator")
    operation = Operation(name, call.n_in, call.n_out, call.rows, tuple(call.sizes))
    work = np.full(own.work_size(operation, call.batch), np.nan, np.float32)  # whatever was there
    offsets, size = [], 16
    for buffer in (*buffers, work):
        offsets.append(size)
        size += -(-buffer.size // 16) * 16 + 16
    arena = aligned(size + 4096)  # tiles may read beyond the last row
    arena[:] = _GUARD
    for offset, buffer in zip(offsets, (*buffers, work), strict=True):
        arena[offset : offset + buffer.size] = buffer.ravel()
    scalars = np.array([0.0, 0.0, call.clip, *call.constants, *call.rule])
    run_row = importlib.import_module(f"tests.kernels.on_{own.name}").run_row
    loss = run_row(name, call, call.row(offsets), scalars, arena)
    found, end = [], 0
    for offset, buffer in zip(offsets, (*buffers, work), strict=True):
        assert (arena[end:offset] == _GUARD).all(), f"{name} wrote before its buffer"
        end = offset + buffer.size
        found.append(arena[offset:end].reshape(buffer.shape).copy())
    assert (arena[end:] == _GUARD).all(), f"{name} wrote behind its buffer"
    return Ran(found[:-1], loss, scalars[op.CLIP])


def outputs_of(program, samples, *, targets=(), order=None, scaling=None):
    """What a program stores of one batch: the rows of blocks of samples that are in `order`."""
    width = samples[0].shape[1]
    machine = under_test().machine([program], scaling or Scaling(np.zeros(width), np.ones(width)))
    machine.load([np.zeros(program.n_parameters, np.float32)])
    window = Window(samples, targets)
    order = np.arange(window.n_rows) if order is None else np.asarray(order, np.int64)
    steps = Steps.without_rates(order, np.array([0, order.size]))
    return machine.outputs(machine.stage([window]), [steps])[0]
