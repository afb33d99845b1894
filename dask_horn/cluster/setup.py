"""How a worker is prepared for training tasks."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from distributed import WorkerPlugin

__all__ = ["WorkerSetup"]


class WorkerSetup(WorkerPlugin):  # type: ignore[misc]
    """Has kernels compiled or loaded when a worker starts, or when this is registered.

    Parameters
    ----------
    kernels : sequence of str
        Their names.
    """

    def __init__(self, kernels: Sequence[str]) -> None:
        self.kernels = tuple(kernels)
        # Registering the same again is no work.
        self.name = f"dask-horn-{zlib.crc32(repr(self.kernels).encode()):08x}"

    def setup(self, worker: Any) -> None:
        """Run on the worker."""
        from dask_horn.program import warm_up

        warm_up(self.kernels)
