"""Products that are large enough for a library: cuBLAS.

Which are, follows from the shape of one sub-model's product alone. The library is called through
its plain bindings, with a handle and work space of our own, so that its calls may be recorded.

References
----------
NVIDIA, "cuBLAS", sections 2.1.5, "Results reproducibility", and 2.1.11, "Thread block clusters";
`cublasGemmEx`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dask_horn.kernels import opcodes as op
from dask_horn.kernels.cuda import driver
from dask_horn.kernels.device import MissingKernelError
from dask_horn.kernels.program import Operation

# Multiplications and additions from which on a product of one sub-model is the library's.
_LARGE = 2**26

_FLOAT32, _DEFAULT_ALGORITHM = 0, -1  # CUDA_R_32F, CUBLAS_GEMM_DEFAULT

_WORK_BYTES = 32 * 2**20  # what NVIDIA recommends for Hopper


def is_large(operation: Operation, batch_size: int) -> bool:
    """Tell whether a dense layer's product is the library's."""
    return batch_size * operation.rows * operation.n_in * operation.n_out >= _LARGE


@dataclass(frozen=True)
class Product:
    """One product of one sub-model, ``C = A B``, as a library that counts by columns takes it.

    There it is ``C.T = B.T A.T``: so `left` is B, and the result is transposed.

    Attributes
    ----------
    left, right, out : int
        Offsets from the whole arena.
    left_transposed, right_transposed : bool
        Whether a factor is transposed once more.
    shape : tuple of int
        Rows and columns of the transposed result, and terms of each sum.
    left_length, right_length : int
        Leading dimensions: how far a factor's columns are apart in memory.
    """

    left: int
    right: int
    out: int
    left_transposed: bool
    right_transposed: bool
    shape: tuple[int, int, int]
    left_length: int
    right_length: int

    @classmethod
    def of(cls, kind: str, row: NDArray[np.int64], batch_size: int, out: int = op.C) -> Product:
        """Return the product that a row asks for; its offsets count from the whole arena.

        `kind` is "forward", ``C (batch, N_OUT) = A B``, "input", ``C (batch, N_IN) = A B.T``, or
        "weight", ``C (N_IN, N_OUT) = A.T B``; `out` is the column that tells where C lies.
        """
        n_rows = batch_size * int(row[op.ROWS])
        n_in, n_out = int(row[op.N_IN]), int(row[op.N_OUT])
        a, b, c = (int(row[column]) for column in (op.A, op.B, out))
        if kind == "forward":
            return cls(b, a, c, False, False, (n_out, n_rows, n_in), n_out, n_in)
        if kind == "input":
            return cls(b, a, c, True, False, (n_in, n_rows, n_out), n_out, n_out)
        return cls(b, a, c, False, True, (n_out, n_in, n_rows), n_out, n_in)


class Library(Protocol):
    """Does products."""

    def multiply(self, arena: Any, product: Product, stream: Any) -> None:
        """Do one on a stream, or record it there."""


@functools.cache
def _opened() -> tuple[Any, int]:
    """Load the library; return it, and this process' handle."""
    from nvmath.bindings import cublas

    return cublas, cublas.create()


@functools.cache
def missing_library() -> str:
    """Tell what keeps the library from being loaded; empty where nothing does."""
    try:
        _opened()
    except (ImportError, RuntimeError, OSError) as error:
        return f"cuBLAS cannot be loaded ({error}); {driver.INSTALL}"
    return ""


class Cublas:
    """cuBLAS, for one machine; see `Library`.

    Parameters
    ----------
    precision : str
        One of `PRECISIONS`.

    Raises
    ------
    MissingKernelError
        If the library cannot be loaded.
    """

    def __init__(self, precision: str) -> None:
        missing = missing_library()
        if missing:
            raise MissingKernelError(f"products of this size are a library's: {missing}")
        self._cublas, self._handle = _opened()
        # A work space of its own: else the library allocates one, which cannot be recorded.
        self._work = driver.empty(_WORK_BYTES, np.uint8)
        kind = self._cublas.ComputeType
        self._compute = {
            "float32": kind.COMPUTE_32F,
            "tf32": kind.COMPUTE_32F_FAST_TF32,
            "bf16": kind.COMPUTE_32F_FAST_16BF,
        }[precision]
        self._one, self._zero = np.ones(1, np.float32), np.zeros(1, np.float32)

    def multiply(self, arena: Any, product: Product, stream: Any) -> None:
        """Call the library."""
        cublas, start = self._cublas, driver.address_of(arena)
        cublas.set_stream(self._handle, driver.handle_of(stream))
        cublas.set_workspace(self._handle, driver.address_of(self._work), _WORK_BYTES)
        cublas.gemm_ex(
            self._handle,
            int(product.left_transposed), int(product.right_transposed), *product.shape,
            self._one.ctypes.data,
            start + 4 * product.left, _FLOAT32, product.left_length,
            start + 4 * product.right, _FLOAT32, product.right_length,
            self._zero.ctypes.data,
            start + 4 * product.out, _FLOAT32, product.shape[0],
            int(self._compute), _DEFAULT_ALGORITHM,
        )  # fmt: skip
