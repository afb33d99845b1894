"""The CPU as a device: what it needs of programs, and the machine that runs them in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels import compile, cpu
from dask_horn.kernels import opcodes as op
from dask_horn.kernels.cpu.gemm import ROW_MULTIPLE, SLACK
from dask_horn.kernels.cpu.loop import run_steps
from dask_horn.kernels.device import BlockName, Device, DeviceState, Machine, Scaling, Steps, Window
from dask_horn.kernels.program import Operation, Program
from dask_horn.kernels.random import shuffled
from dask_horn.kernels.slices import outer_step, put_constant, put_slice, take_slice

assert cpu  # imported to register the kernels

_LINE = 16  # float32 elements: one cache line, one AVX-512 register


class CpuDevice:
    """What the CPU's kernels need and offer; see `Device`."""

    name = "cpu"
    alignment = _LINE
    row_multiple = ROW_MULTIPLE
    slack = SLACK
    precisions: tuple[str, ...] = ("float32",)

    def state(self) -> DeviceState:
        """Nothing can be missing."""
        return DeviceState(self.name, compile.target()[1])

    def offers(self, kernel: str) -> bool:
        """Tell whether it is registered."""
        return compile.is_registered(kernel)

    def work_size(self, operation: Operation, batch_size: int) -> int:
        """Ask the kernel."""
        return compile.registered(operation.kernel).work_size(operation, batch_size)

    def result_size(self, operation: Operation, batch_size: int) -> int:
        """Ask the kernel."""
        return compile.registered(operation.kernel).result_size(operation, batch_size)

    def fuses(self, operation: Operation, other: str) -> bool:
        """Whatever the shape: where there is such a kernel, it is the faster way."""
        return compile.is_registered(f"{operation.kernel}_{other}")

    def warm_up(self, kernels: Sequence[str]) -> None:
        """Compile or load them, and the functions that Python calls."""
        functions = (run_steps, shuffled, take_slice, put_slice, put_constant, outer_step)
        compile.ready(kernels, functions)

    def forget(self, run: str) -> None:
        """Nothing is kept."""

    def machine(
        self, programs: Sequence[Program], scaling: Scaling, precision: str = "float32"
    ) -> Machine:
        """Return a machine that runs the programs one after the other."""
        return CpuMachine(programs, scaling)


DEVICE: Device = CpuDevice()


@dataclass(frozen=True, eq=False)
class _StagedWindow:
    """A window where it lies: tables of addresses, and the arrays that they are of.

    Nothing is copied: blocks are decoded once for all tasks of a worker, which share them.
    """

    window: Window
    sample_addresses: NDArray[np.int64]
    target_addresses: NDArray[np.int64]
    entries: NDArray[np.int64] | None  # (block << 32) | row of each row; None for a single block

    @classmethod
    def of(cls, window: Window) -> _StagedWindow:
        """Find out where it lies."""
        entries = None
        if len(window.samples) > 1:
            lengths = [len(block) for block in window.samples]
            rows = [(block << 32) + np.arange(length) for block, length in enumerate(lengths)]
            entries = np.concatenate(rows)
        return cls(window, _addresses(window.samples), _addresses(window.targets), entries)

    def ordered(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the entries that the kernels read for these rows."""
        return np.ascontiguousarray(order if self.entries is None else self.entries[order])


@dataclass(frozen=True, eq=False)
class _Taken:
    """Steps that are taken; see `Pending`."""

    found: list[NDArray[np.float64]]

    def losses(self) -> list[NDArray[np.float64]]:
        """Return the losses at once."""
        return self.found


class CpuMachine:
    """Runs programs on this processor, in the calling thread; see `Machine`."""

    def __init__(self, programs: Sequence[Program], scaling: Scaling) -> None:
        # Kernels are given addresses, as numbers: these references keep the arrays alive.
        self._mean = np.ascontiguousarray(scaling.mean, np.float64)
        self._inverse_scale = 1.0 / np.ascontiguousarray(scaling.scale, np.float64)
        self._submodels = [_Submodel(program) for program in programs]

    def load(
        self, parameters: Sequence[NDArray[np.float32]], keys: Sequence[int] | None = None
    ) -> None:
        """Set the arenas up."""
        keys = [0] * len(parameters) if keys is None else keys
        for submodel, start, key in zip(self._submodels, parameters, keys, strict=True):
            submodel.load(start, key)
            submodel.counters[op.MEAN] = self._mean.ctypes.data
            submodel.counters[op.INVERSE_SCALE] = self._inverse_scale.ctypes.data

    def holds(self, block: BlockName) -> bool:
        """No: blocks are read where they lie."""
        return False

    def stage(self, windows: Sequence[Window]) -> list[_StagedWindow]:
        """Make the tables of the windows' addresses."""
        return [_StagedWindow.of(window) for window in windows]

    def run(self, staged: Sequence[_StagedWindow], steps: Sequence[Steps]) -> _Taken:
        """Train the sub-models one after the other, at once."""
        return _Taken(
            [
                submodel.run(staged[own.window], own)
                for submodel, own in zip(self._submodels, steps, strict=True)
            ]
        )

    def outputs(
        self, staged: Sequence[_StagedWindow], steps: Sequence[Steps]
    ) -> list[NDArray[np.float32]]:
        """Run the sub-models one after the other, each into an array of its own."""
        found = []
        for submodel, own in zip(self._submodels, steps, strict=True):
            program = submodel.program
            n = own.rates.size if program.outputs_per_batch else own.order.size
            outputs = np.empty((n, program.n_outputs), np.float32)
            submodel.counters[op.RESULT] = outputs.ctypes.data
            submodel.run(staged[own.window], own)
            found.append(outputs)
        return found

    def parameters(self) -> list[NDArray[np.float32]]:
        """Return views of the arenas."""
        return [submodel.arena[: submodel.program.n_parameters] for submodel in self._submodels]


class _Submodel:
    """A program with its arena."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.addresses = compile.address_table(program.kernels)
        self.scalars = np.zeros(op.N_SCALARS + program.constants.size)
        self.counters = np.zeros(op.N_COUNTERS, np.int64)
        self.arena = np.empty(0, np.float32)

    def load(self, parameters: NDArray[np.float32], key: int) -> None:
        """Begin at these parameters, at step 0."""
        program = self.program
        self.arena = _aligned_zeros(program.arena_size)
        self.arena[: program.n_parameters] = parameters
        for offset, values in program.filled:
            self.arena[offset : offset + values.size] = values
        self.scalars[op.CLIP] = 1.0
        self.scalars[op.N_SCALARS :] = program.constants
        self.counters[:] = 0
        self.counters[op.KEY] = key

    def run(self, staged: _StagedWindow, steps: Steps) -> NDArray[np.float64]:
        """Take the steps; return the losses of those that were done."""
        self.counters[op.X_BLOCKS] = staged.sample_addresses.ctypes.data
        self.counters[op.Y_BLOCKS] = staged.target_addresses.ctypes.data
        losses = np.zeros(steps.rates.size)
        done = run_steps(
            self.program.rows,
            self.addresses,
            self.counters,
            self.scalars,
            self.arena,
            staged.ordered(steps.order),
            steps.starts,
            steps.rates,
            losses,
        )
        return losses[:done]


def _aligned_zeros(size: int) -> NDArray[np.float32]:
    """Zeros that begin on a cache line, so that multiples of its elements do too."""
    memory = np.zeros(size + _LINE, np.float32)
    first = (-memory.ctypes.data % (4 * _LINE)) // 4
    return memory[first : first + size]


def _addresses(arrays: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Where each array's data begin."""
    return np.array([array.ctypes.data for array in arrays], dtype=np.int64)
