"""Programs and how they are put together, row by row; knows no layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.cpu.gemm import SLACK, padded_rows
from dask_horn.network import ALIGNMENT
from dask_horn.rounding import round_up

__all__ = ["Assembler", "Program"]

_WORK = -1  # stands for the work space until its place is known


@dataclass(frozen=True, eq=False)
class Program:
    """What one sub-model does with a batch: operations on one vector, the arena.

    Attributes
    ----------
    rows : ndarray of int64, (n_ops, N_COLUMNS)
        One operation each, in order; columns as in `dask_horn.kernels.opcodes`.
    kernels : tuple of str
        Names of the kernels that the rows' first column indexes.
    constants : ndarray of float64
        What follows the step's own scalars.
    arena_size : int
        Length of the arena in float32 elements: parameters first, then gradients, optimizer
        state and activations.
    n_parameters : int
        Length of the parameter vector at the arena's start.
    batch_size : int
        The most samples that a batch may have.
    n_outputs : int
        Width of the network's output.
    filled : tuple of (int, ndarray of float32)
        Regions of the arena that do not start as zeros: offset and values.
    states : tuple of int
        Offsets of the optimizer's vectors, laid out like the parameters.
    """

    rows: NDArray[np.int64]
    kernels: tuple[str, ...]
    constants: NDArray[np.float64]
    arena_size: int
    n_parameters: int
    batch_size: int
    n_outputs: int
    filled: tuple[tuple[int, NDArray[np.float32]], ...]
    states: tuple[int, ...]


class Assembler:
    """Collects the rows of a program and lays out its arena."""

    def __init__(self, n_parameters: int, batch_size: int) -> None:
        self.n_parameters = n_parameters
        self.batch_size = batch_size
        self._rows: list[NDArray[np.int64]] = []
        self._kernels: dict[str, int] = {}
        self._constants: list[float] = []
        self._filled: list[tuple[int, NDArray[np.float32]]] = []
        self._arena_size = 0
        self._work_size = 0
        self.buffer(n_parameters)

    def buffer(self, size: int) -> int:
        """Reserve `size` float32 elements of the arena; return their offset."""
        offset = self._arena_size
        self._arena_size += round_up(size, ALIGNMENT)
        return offset

    def batch_buffer(self, width: int, rows: int = 1) -> int:
        """Reserve a (batch_size · rows, width) buffer; return its offset."""
        return self.buffer(padded_rows(self.batch_size * rows) * width)

    def work_space(self, size: int) -> int:
        """Ask for `size` elements that keep nothing from one operation to the next.

        All operations share them. Return the operand that stands for them.
        """
        self._work_size = max(self._work_size, size)
        return _WORK

    def filled_buffer(self, values: NDArray[np.float32]) -> int:
        """Reserve a buffer that starts with `values`; return its offset."""
        offset = self.buffer(values.size)
        self._filled.append((offset, values))
        return offset

    def constants(self, *values: float) -> int:
        """Keep `values` among the scalars, side by side; return the first one's index."""
        index = op.N_SCALARS + len(self._constants)
        self._constants.extend(float(value) for value in values)
        return index

    def emit(
        self,
        kernel: str,
        *,
        n_in: int = 0,
        n_out: int = 0,
        rows: int = 1,
        operands: Sequence[int] = (),
        constant: int = 0,
        stream: int = 0,
        sizes: Sequence[int] = (),
    ) -> None:
        """Append an operation; `operands` are the offsets A, B, C … as its kernel takes them."""
        index = self._kernels.setdefault(kernel, len(self._kernels))
        written = np.zeros(op.N_COLUMNS, np.int64)
        written[[op.OP, op.N_IN, op.N_OUT, op.ROWS]] = index, n_in, n_out, rows
        written[[op.CONSTANT, op.STREAM]] = constant, stream
        written[op.A : op.A + len(operands)] = operands
        written[op.SIZES : op.SIZES + len(sizes)] = sizes
        self._rows.append(written)

    def program(self, n_outputs: int, states: Sequence[int] = ()) -> Program:
        """Finish; `states` are the offsets of the optimizer's vectors."""
        rows = np.array(self._rows, dtype=np.int64).reshape(-1, op.N_COLUMNS)
        operands = rows[:, op.A : op.A + op.N_OPERANDS]
        operands[operands == _WORK] = self.buffer(self._work_size)
        return Program(
            rows=rows,
            kernels=tuple(self._kernels),
            constants=np.array(self._constants, dtype=np.float64),
            arena_size=self._arena_size + SLACK,
            n_parameters=self.n_parameters,
            batch_size=self.batch_size,
            n_outputs=n_outputs,
            filled=tuple(self._filled),
            states=tuple(states),
        )
