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
from dask_horn.kernels import opcodes
from dask_horn.kernels.compile import target

__all__ = ["Call", "Operation", "Step", "has_avx512", "load_kernels"]

RATE = 1e-4
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
        n_features = x.shape[1]
        self._program = programs.training_program(
            network,
            network.parameters,
            {},
            batch_size=batch,
            sample_dtype=str(x.dtype),
            optimizer=programs.Optimizer(optimizer, clip_norm=clip_norm),
        )
        self._execution = programs.Execution(
            self._program,
            network.initial_values(0),
            np.zeros(n_features),
            np.ones(n_features),
            key=1,
        )
        starts, rates = np.arange(n_steps + 1) * batch, np.full(n_steps, RATE)
        self._batches = [x], [y.astype(np.float32)], rows, starts, rates

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
        self._execution.program = self._program
        return self._execution.train(*self._batches)

    def only(self, numbers: Sequence[int]) -> Call:
        """Make a call of some operations, by their places in `operations`.

        They find in the buffers what the last whole step has left there.
        """
        self.run()
        rows = self._program.rows[list(numbers)].copy()
        part = dataclasses.replace(self._program, rows=rows)

        def call() -> object:
            self._execution.program = part
            return self._execution.train(*self._batches)

        return call


def has_avx512() -> bool:
    """Whether kernels are compiled for AVX-512 here."""
    return "+avx512f" in target()[2]


def load_kernels() -> None:
    """Compile or load what a worker needs for a dense network with dropout."""
    programs.warm_up(_KERNELS)
