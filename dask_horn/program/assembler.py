"""How programs are put together, operation by operation; knows no layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.device import Device, MissingKernelError
from dask_horn.kernels.program import Operation, Program
from dask_horn.rounding import round_up

_SPARE = -1  # stands for the spare place until it is known where that is


class Assembler:
    """Collects the rows of a program and lays out its arena, as the device needs it."""

    def __init__(self, n_parameters: int, batch_size: int, device: Device) -> None:
        self.n_parameters = n_parameters
        self.batch_size = batch_size
        self.device = device
        self._rows: list[NDArray[np.int64]] = []
        self._kernels: dict[str, int] = {}
        self._constants: list[float] = []
        self._filled: list[tuple[int, NDArray[np.float32]]] = []
        self._arena_size = 0
        self._work_size = 0
        self._spare_size = 0
        self.buffer(n_parameters)

    def buffer(self, size: int) -> int:
        """Reserve `size` float32 elements of the arena; return their offset."""
        offset = self._arena_size
        self._arena_size += round_up(size, self.device.alignment)
        return offset

    def batch_buffer(self, width: int, rows: int = 1) -> int:
        """Reserve a (batch_size · rows, width) buffer; return its offset."""
        n_rows = round_up(self.batch_size * rows, self.device.row_multiple)
        return self.buffer(n_rows * width)

    def spare(self, size: int) -> int:
        """Ask for a place of `size` elements for what an operation writes and nobody reads.

        All operations share it. Return the operand that stands for it.
        """
        self._spare_size = max(self._spare_size, size)
        return _SPARE

    def result_buffer(self, operation: Operation) -> int:
        """Reserve a buffer for an operation's result that only the device can read."""
        return self.buffer(self.device.result_size(operation, self.batch_size))

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
        operation: Operation,
        operands: Sequence[int] = (),
        *,
        constant: int = 0,
        stream: int = 0,
        states: Sequence[int] = (),
        rule: int = 0,
    ) -> None:
        """Append an operation.

        Parameters
        ----------
        operation : Operation
        operands : sequence of int
            The offsets A, B, C … as its kernel takes them.
        constant : int
            Index of its first constant among the scalars.
        stream : int
            Which random stream it draws from.
        states : sequence of int
            Offsets of the optimizer's state of the parameters that it updates.
        rule : int
            Index of the optimizer's first constant.
        """
        if not self.device.offers(operation.kernel):
            raise MissingKernelError(
                f"device {self.device.name!r} has no kernel {operation.kernel!r}; choose another "
                "device"
            )
        index = self._kernels.setdefault(operation.kernel, len(self._kernels))
        row = np.zeros(op.N_COLUMNS, np.int64)
        row[[op.OP, op.N_IN, op.N_OUT]] = index, operation.n_in, operation.n_out
        row[[op.ROWS, op.STREAM]] = operation.rows, stream
        row[[op.CONSTANT, op.RULE]] = constant, rule
        row[op.A : op.A + len(operands)] = operands
        row[op.STATES : op.STATES + len(states)] = states
        row[op.SIZES : op.SIZES + len(operation.sizes)] = operation.sizes
        self._rows.append(row)
        size = self.device.work_size(operation, self.batch_size)
        self._work_size = max(self._work_size, size)

    def program(self, n_outputs: int) -> Program:
        """Finish."""
        rows = np.array(self._rows, dtype=np.int64).reshape(-1, op.N_COLUMNS)
        operands = rows[:, op.A : op.WORK]
        operands[operands == _SPARE] = self.buffer(self._spare_size)
        # Behind all else, and the same for all: it keeps nothing from one to the next.
        rows[:, op.WORK] = self.buffer(self._work_size)
        return Program(
            rows=rows,
            kernels=tuple(self._kernels),
            constants=np.array(self._constants, dtype=np.float64),
            arena_size=self._arena_size + self.device.slack,
            n_parameters=self.n_parameters,
            batch_size=self.batch_size,
            n_outputs=n_outputs,
            filled=tuple(self._filled),
        )
