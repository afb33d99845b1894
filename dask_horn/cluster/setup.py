"""How a worker is prepared for training tasks."""

from __future__ import annotations

import zlib
from typing import Any

from distributed import WorkerPlugin

from dask_horn.cluster.devices import HOST, state_of
from dask_horn.kernels.device import Kernels


class WorkerSetup(WorkerPlugin):  # type: ignore[misc]
    """Has kernels compiled or loaded when a worker starts, or when this is registered.

    Parameters
    ----------
    kernels : Kernels
        All that the run's tasks call.
    """

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        # Registering the same again is no work.
        self.name = f"dask-horn-{zlib.crc32(repr(self.kernels).encode()):08x}"

    def setup(self, worker: Any) -> None:
        """Run on the worker, which may be one without the device."""
        device = self.kernels.device
        if device == HOST or not state_of(device).missing:
            self.kernels.warm_up()
