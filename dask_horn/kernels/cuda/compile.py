"""The registry of the CUDA kernels: what each takes, and how its work is cut into blocks.

A kernel says by the names of its parameters what it takes; `TYPES` tells what they are. One launch
does one operation of all sub-models: its first parameter is a table of tiles, a row for each block.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numba import types

from dask_horn.kernels.cuda import driver
from dask_horn.kernels.program import Operation

#: What kernels may take, by the parameter's name; s counts sub-models.
TYPES: dict[str, Any] = {
    "tiles": types.int32[:, ::1],  # (blocks, N_TILE_COLUMNS)
    "rows": types.int64[:, :, ::1],  # (s, operations, N_COLUMNS), offsets from the whole arena
    "counters": types.int64[:, ::1],  # (s, N_COUNTERS)
    "scalars": types.float64[:, ::1],  # (s, N_SCALARS and constants)
    "constants": types.float32[:, ::1],  # the same, but for what changes from step to step
    "numbers": types.float32[:, :, ::1],  # (s, operations, N_NUMBERS): an optimizer's, of a step
    "arena": types.float32[::1],  # the sub-models' arenas, one after the other
    "row_losses": types.float32[:, ::1],  # (s, rows of a batch)
    "samples": None,  # rows of all windows, of the kernel's own dtype
    "targets": types.float32[::1],
    "order": types.int32[::1],  # rows of the windows, sub-model after sub-model
    "first_steps": types.int64[::1],  # (s + 1,): where each sub-model's steps begin …
    "starts": types.int64[::1],  # … in these: where each step's entries begin in `order`
    "batches": types.int64[::1],  # how many they are
    "rates": types.float64[::1],
    "losses": types.float64[::1],
    "outputs": types.float32[::1],
    "mean": types.float64[::1],
    "inverse": types.float64[::1],  # one over the scale
    "mean_high": types.float32[::1],  # the mean as two numbers
    "mean_low": types.float32[::1],
    "inverse_scale": types.float32[::1],
}

#: How many tiles an operation has, down and across, in a batch of at most so many samples.
Tiling = Callable[[Operation, int], tuple[int, int]]


def one_tile(operation: Operation, batch_size: int) -> tuple[int, int]:
    """Have one block do all of a sub-model's work."""
    return 1, 1


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel of the device.

    Attributes
    ----------
    name : str
    function : callable
        As Python.
    parameters : tuple of str
        What it takes.
    signature : numba signature
    n_threads : int
        Of a block.
    tiling : callable
    serves : tuple of str
        The operations that it does, or helps to do: a program that has them all may need it.
    """

    name: str
    function: Callable[..., None]
    parameters: tuple[str, ...]
    signature: Any
    n_threads: int
    tiling: Tiling
    serves: tuple[str, ...]

    def native(self) -> Any:
        """Return the compiled kernel."""
        return _native(self)


@functools.cache
def _native(kernel: Kernel) -> Any:
    return driver.compiled(kernel.function, kernel.signature)


KERNELS: dict[str, Kernel] = {}


def kernel(
    name: str,
    n_threads: int,
    tiling: Tiling = one_tile,
    *,
    serves: Sequence[str] | None = None,
    samples: Any = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the kernel called `name`; it compiles on first use.

    Parameters
    ----------
    name : str
    n_threads : int
    tiling : callable
    serves : sequence of str, optional
        See `Kernel`; by default the operation of the same name.
    samples : numba type, optional
        Of the samples that it reads.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        # numba names cache files and symbols by qualname: kernels of one factory must differ.
        function.__name__ = function.__qualname__ = name.replace(":", "_")
        parameters = tuple(inspect.signature(function).parameters)
        own = {**TYPES, "samples": None if samples is None else samples[::1]}
        signature = types.void(*(own[parameter] for parameter in parameters))
        served = (name,) if serves is None else tuple(serves)
        KERNELS[name] = Kernel(name, function, parameters, signature, n_threads, tiling, served)
        return function

    return decorate
