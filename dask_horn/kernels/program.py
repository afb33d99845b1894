"""What is handed to a device: operations, and the programs that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Operation:
    """What an operation is, without its operands: all that a device must know to plan for it.

    Attributes
    ----------
    kernel : str
        Name of the kernel.
    n_in, n_out, rows : int
        Its sizes; see the columns of an op row, `dask_horn.kernels.opcodes`.
    sizes : tuple of int
        Further sizes, as the kernel reads them.
    """

    kernel: str
    n_in: int = 0
    n_out: int = 0
    rows: int = 1
    sizes: tuple[int, ...] = ()


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
    """

    rows: NDArray[np.int64]
    kernels: tuple[str, ...]
    constants: NDArray[np.float64]
    arena_size: int
    n_parameters: int
    batch_size: int
    n_outputs: int
    filled: tuple[tuple[int, NDArray[np.float32]], ...]

    @property
    def outputs_per_batch(self) -> bool:
        """Whether a batch has one row of outputs as a whole, and not one for each sample."""
        return "store_once" in self.kernels
