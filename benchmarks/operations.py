"""A training step as the library's program: the whole of it, or some of its operations alone.

This is the only module of the benchmarks that knows more of dask_horn than its public names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import dask_horn as horn
from dask_horn import program as programs
from dask_horn.data import Standardizer
from dask_horn.kernels import opcodes
from dask_horn.kernels.compile import target
from dask_horn.kernels.device import Machine, Steps, Window, device
from dask_horn.kernels.program import Program

__all__ = ["Call", "Operation", "Step", "has_avx512", "load_kernels"]

RATE = 1e-4
_DEVICE = device("cpu")
#: What a worker needs for a dense network with dropout.
_KERNELS = (
    "gather_uint8", "gather_targets", "gemm_forward", "gemm_weight", "gemm_input", "store",
    "relu_forward", "relu_backward", "linear_forward", "linear_backward",
    "dropout_forward", "dropout_backward", "cross_entropy", "adamw",
)  # fmt: skip

Call = Callable[[], object]


class Operation(NamedTuple):
    """One operation of a step: the kernel's name, and the lengths that it is done with."""

    kernel: str
    n_in: int
    n_out: int


class Step:
    """Optimizer steps of a network on samples in memory.

    `x` (n, features), float32 or uint8, is taken as it is; `y` (n, columns) are numbers of classes.
    `order` names the rows of all steps of a call, one after the other: by default the first
    `batch`, for one step. With `clip_norm` gradients are products alone, and the optimizer comes
    after them.
    """

    def __init__(
        self,
        network: horn.Network,
        x: NDArray[Any],
        y: NDArray[Any],
        batch: int,
        order: NDArray[np.int64] | None = None,
        optimizer: str = "adamw",
        clip_norm: float | None = None,
    ) -> None:
        rows = np.arange(batch) if order is None else order
        n_steps = len(rows) // batch
        program = programs.training_program(
            network,
            network.parameters,
            {},
            device=_DEVICE,
            batch_size=batch,
            sample_dtype=str(x.dtype),
            optimizer=programs.Optimizer(optimizer, clip_norm=clip_norm),
        )
        # All of the arena counts as parameters, so that it can be read and loaded.
        self._program = dataclasses.replace(program, n_parameters=program.arena_size)
        self._scaling = Standardizer.identity(x.shape[1])
        arena = np.zeros(program.arena_size, np.float32)
        arena[: program.n_parameters] = network.initial_values(0)
        self._machine = self._loaded(self._program, arena)
        self._staged = self._machine.stage([Window([x], [y.astype(np.float32)])])
        self._steps = Steps(rows, np.arange(n_steps + 1) * batch, np.full(n_steps, RATE))

    def _loaded(self, program: Program, arena: NDArray[np.float32]) -> Machine:
        machine = _DEVICE.machine([program], self._scaling)
        machine.load([arena], [1])
        return machine

    @property
    def operations(self) -> list[Operation]:
        """The operations of a step, in their order."""
        kernels = self._program.kernels
        return [
            Operation(kernels[row[opcodes.OP]], int(row[opcodes.N_IN]), int(row[opcodes.N_OUT]))
            for row in self._program.rows
        ]

    def run(self) -> NDArray[np.float64]:
        """Take the steps; return their losses."""
        return self._machine.run(self._staged, [self._steps]).losses()[0]

    def only(self, numbers: Sequence[int]) -> Call:
        """Make a call of some operations, by their places in `operations`.

        They find in the buffers what the last whole step has left there.
        """
        self.run()
        rows = self._program.rows[list(numbers)].copy()
        part = dataclasses.replace(self._program, rows=rows)
        machine = self._loaded(part, self._machine.parameters()[0])
        return lambda: machine.run(self._staged, [self._steps]).losses()[0]


def has_avx512() -> bool:
    """Whether kernels are compiled for AVX-512 here."""
    return "+avx512f" in target()[2]


def load_kernels() -> None:
    """Compile or load what a worker needs for a dense network with dropout."""
    _DEVICE.warm_up(_KERNELS)
