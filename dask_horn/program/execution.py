"""A program with its arena: what a worker holds while it trains or predicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels import cpu  # noqa: F401  (registers the kernels)
from dask_horn.kernels import opcodes as op
from dask_horn.kernels.compile import address_table, ready
from dask_horn.kernels.cpu.loop import run_steps
from dask_horn.kernels.random import shuffled_entries
from dask_horn.kernels.slices import outer_step, put_constant, put_slice, take_slice
from dask_horn.program.assembler import Program

__all__ = ["Execution", "warm_up"]


def warm_up(kernels: Sequence[str]) -> None:
    """Compile these kernels, or load them, and the functions that every run needs."""
    ready(kernels, (run_steps, shuffled_entries, take_slice, put_slice, put_constant, outer_step))


def _aligned_zeros(size: int) -> NDArray[np.float32]:
    """Zeros that begin on a cache line, so that offsets of 16 elements do too."""
    memory = np.zeros(size + 16, np.float32)
    first = (-memory.ctypes.data % 64) // 4
    return memory[first : first + size]


class Execution:
    """Runs a program's batches over decoded blocks of samples.

    Parameters
    ----------
    program : Program
    parameters : ndarray of float32, (program.n_parameters,)
        Copied into the arena: the caller's array is never changed.
    mean, scale : ndarray of float64, (n_features,)
        Samples are gathered as ``(x - mean) / scale``.
    key : int
        64-bit key of the random masks.
    """

    def __init__(
        self,
        program: Program,
        parameters: NDArray[np.float32],
        mean: NDArray[np.float64],
        scale: NDArray[np.float64],
        key: int = 0,
    ) -> None:
        self.program = program
        self._addresses = address_table(program.kernels)
        self._arena = _aligned_zeros(program.arena_size)
        self._arena[: program.n_parameters] = parameters
        for offset, values in program.filled:
            self._arena[offset : offset + values.size] = values
        self._scalars = np.zeros(op.N_SCALARS + program.constants.size)
        self._scalars[op.CLIP] = 1.0
        self._scalars[op.N_SCALARS :] = program.constants
        # Addresses are kept as numbers: these references keep their arrays alive.
        self._mean = np.ascontiguousarray(mean, np.float64)
        self._inverse_scale = 1.0 / np.ascontiguousarray(scale, np.float64)
        self._counters = np.zeros(op.N_COUNTERS, np.int64)
        self._counters[op.KEY] = key
        self._counters[op.MEAN] = self._mean.ctypes.data
        self._counters[op.INVERSE_SCALE] = self._inverse_scale.ctypes.data

    @property
    def parameters(self) -> NDArray[np.float32]:
        """The parameters as they are now: a view of the arena."""
        return self._arena[: self.program.n_parameters]

    def train(
        self,
        samples: Sequence[NDArray[np.generic]],
        targets: Sequence[NDArray[np.float32]],
        order: NDArray[np.int64],
        starts: NDArray[np.int64],
        rates: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """One optimizer step per batch; return the batches' mean losses.

        Parameters
        ----------
        samples, targets : sequences of ndarrays, (rows, n_features) and (rows, n_targets)
            The blocks of a window.
        order : ndarray of int64
            ``(block << 32) | row`` of each sample, in the order of training.
        starts : ndarray of int64, (n_batches + 1,)
            Where each batch begins in `order`.
        rates : ndarray of float64, (n_batches,)
            Learning rate of each step.

        Returns
        -------
        ndarray of float64, (n_done,)
            Shorter than `rates` where a loss was not finite: that one is the last.
        """
        target_addresses = _addresses(targets)
        self._counters[op.Y_BLOCKS] = target_addresses.ctypes.data
        return self._run(samples, order, starts, rates)

    def predict(self, samples: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the outputs of every row of a block, (rows, n_outputs).

        A row's outputs are the same to the bit whatever rows are beside it.
        """
        n_rows, batch_size = samples.shape[0], self.program.batch_size
        outputs = np.empty((n_rows, self.program.n_outputs), np.float32)
        self._counters[op.RESULT] = outputs.ctypes.data
        starts = np.append(np.arange(0, n_rows, batch_size), n_rows)
        self._run([samples], np.arange(n_rows), starts, np.zeros(starts.size - 1))
        return outputs

    def measure(
        self,
        samples: Sequence[NDArray[np.generic]],
        order: NDArray[np.int64],
        starts: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Return what the program stores of each batch, (n_batches, n_outputs); as `train`."""
        outputs = np.empty((starts.size - 1, self.program.n_outputs), np.float32)
        self._counters[op.RESULT] = outputs.ctypes.data
        self._run(samples, order, starts, np.zeros(starts.size - 1))
        return outputs

    def _run(
        self,
        samples: Sequence[NDArray[np.generic]],
        order: NDArray[np.int64],
        starts: NDArray[np.int64],
        rates: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        sample_addresses = _addresses(samples)
        self._counters[op.X_BLOCKS] = sample_addresses.ctypes.data
        losses = np.zeros(rates.size)
        done = run_steps(
            self.program.rows,
            self._addresses,
            self._counters,
            self._scalars,
            self._arena,
            order,
            starts,
            rates,
            losses,
        )
        return losses[:done]


def _addresses(arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.int64]:
    """Where each array's data begin."""
    return np.array([array.ctypes.data for array in arrays], dtype=np.int64)
