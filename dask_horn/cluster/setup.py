"""How a worker is prepared for a run's tasks."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from distributed import WorkerPlugin

from dask_horn.cluster.devices import HOST, state_of
from dask_horn.cluster.telling import listen_on
from dask_horn.kernels.device import Kernels
from dask_horn.records import doing


class WorkerReports(WorkerPlugin):  # type: ignore[misc]
    """Has a worker report what happens on it, and what it is doing."""

    name = "dask-horn-reports"

    def setup(self, worker: Any) -> None:
        """Run on the worker."""
        listen_on(worker)


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

    async def setup(self, worker: Any) -> None:
        """Run on the worker, which may be one without the device.

        In a thread, for the worker's own goes on sending heartbeats.
        """
        await asyncio.to_thread(self._warm_up)

    def _warm_up(self) -> None:
        device = self.kernels.device
        if device == HOST or not state_of(device).missing:
            with doing("compiling kernels, or loading them"):
                self.kernels.warm_up()
