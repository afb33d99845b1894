"""Tasks that are done on a Dask cluster."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dask
from dask.delayed import Delayed

from dask_horn.cluster.devices import HOST, none_is_left, state_of, usable
from dask_horn.cluster.folders import exists, marker, new_folder, remove_folder
from dask_horn.cluster.local import forget_run
from dask_horn.cluster.placement import Placement, Seat, spread
from dask_horn.cluster.waiting import result_of, wait_for_a_worker
from dask_horn.data import computed_by
from dask_horn.errors import ScratchError
from dask_horn.kernels.device import DeviceState, Kernels

if TYPE_CHECKING:
    from distributed import Client, Future


class ClusterExecutor:
    """Submits to the cluster of a `distributed.Client`, and keeps the futures."""

    cuts_lineage = True
    rounds_ahead = 3

    def __init__(self, client: Client) -> None:
        self.client = client
        self._pending: list[Future] = []
        self._states: dict[str, dict[str, DeviceState]] = {}  # by device, then by worker
        self._restricted: tuple[str, tuple[str, ...]] | None = None  # device, and who has it

    def scheduling(self) -> contextlib.AbstractContextManager[None]:
        """Compute collections on the cluster."""
        return computed_by(self.client.get)

    def warm_up(self, kernels: Kernels) -> None:
        """Register the workers' set-up: workers that join later get it too."""
        from dask_horn.cluster.setup import WorkerSetup

        self.client.register_plugin(WorkerSetup(kernels))

    def submit(self, *tasks: Delayed) -> tuple[Any, ...]:
        """Submit the tasks together, to be done before any that is submitted later.

        Else what is submitted within a minute is one lot to Dask, and a round's report may wait
        for the next round's training.
        """
        futures = self.client.compute(list(tasks), optimize_graph=False, fifo_timeout="0s")
        self._pending = [future for future in self._pending if not future.done()]
        self._pending.extend(futures)
        return tuple(futures)

    def wait(
        self, handles: Sequence[Any], count: int, timeout: float | None = None
    ) -> tuple[list[Any], list[Any]]:
        """Wait until so many futures are done, in vain or not: what failed is told by `result`."""
        from distributed import wait

        deadline = None if timeout is None else time.monotonic() + timeout
        done = [handle for handle in handles if handle.done()]
        while len(done) < min(count, len(handles)):
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            pending = [handle for handle in handles if not handle.done()]
            try:
                wait(pending, timeout=left, return_when="FIRST_COMPLETED")
            except TimeoutError:
                break
            done = [handle for handle in handles if handle.done()]
        return done, [handle for handle in handles if handle not in done]

    def result(self, handle: Any) -> Any:
        """Wait for a future; say so where there is no worker to do it."""
        return result_of(self.client, handle, self._check_devices)

    def cancel(self, keep: Sequence[Any] = ()) -> None:
        """Let go of the futures that are not done: the scheduler forgets what nobody wants.

        Not by `Client.cancel`: the scheduler fails, and drops this client, where it comes upon a
        task that depends on a cancelled one and that no client holds, as most of a round's are.
        """
        kept = {future.key for future in keep}
        for future in self._pending:
            if not future.done() and future.key not in kept:
                future.release()
        self._pending = []

    def device_states(self, device: str) -> dict[str, DeviceState]:
        """Ask the workers that have not been asked yet."""
        wait_for_a_worker(self.client)
        known = self._states.setdefault(device, {})
        workers = sorted(self._workers())
        new = [worker for worker in workers if worker not in known]
        if new:
            said = self.client.run(state_of, device, workers=new, on_error="return")
            for worker, state in said.items():
                failed = isinstance(state, BaseException)
                known[worker] = DeviceState(device, "", missing=repr(state)) if failed else state
        return {worker: known[worker] for worker in workers if worker in known}

    def placement(self, n_groups: int, device: str) -> Placement:
        """Spread the groups over the workers there are now that have the device, in fixed order."""
        if device == HOST:
            workers = sorted(self._workers())
            return spread([Seat(worker) for worker in workers] or [Seat()], n_groups)
        states = self.device_states(device)
        found = usable(states)
        if not found:
            raise none_is_left(device, states)
        among = tuple(found)
        self._restricted = device, among
        seats = [Seat(worker, device, state.memory, among) for worker, state in found.items()]
        return spread(seats, n_groups)

    def _check_devices(self) -> None:
        """Raise an error if there is none left of the workers that tasks were restricted to.

        Others that have the device may have come, but Dask would leave these tasks waiting.
        """
        if self._restricted is not None:
            device, among = self._restricted
            if not set(among) & set(self._workers()):
                raise none_is_left(device, {})

    def _workers(self) -> dict[str, Any]:
        """Return what the scheduler knows of each worker there is now, by address.

        Not by `Client.scheduler_info`: the client asks for itself every few seconds, without the
        workers, and where the two answers cross that one is returned.
        """
        said = self.client.sync(self.client.scheduler.identity, n_workers=-1)
        workers: dict[str, Any] = said["workers"]
        return workers

    def scratch(self, location: str | None) -> str:
        """Make a new folder under `location`, Dask's temporary directory, or the system's."""
        base = location or dask.config.get("temporary-directory", None) or tempfile.gettempdir()
        folder = new_folder(base)
        try:
            self.check_visible(folder, "scratch")
        except ScratchError:
            remove_folder(folder)
            raise
        return folder

    def check_visible(self, location: str, argument: str) -> None:
        """Write a marker and let every worker look for it."""
        wait_for_a_worker(self.client)
        with marker(location, argument) as file:
            seen = self.client.run(exists, file, argument)
        blind = [worker for worker, sees in seen.items() if not sees]
        if blind:
            raise ScratchError(
                f"{argument}={location!r} is not a folder that all workers share ({blind[0]} does "
                f"not see it); pass {argument}= a folder or URL that every worker can reach"
            )

    def check_memory(self, needed: int) -> None:
        """Compare with the smallest worker's limit."""
        workers = self._workers().values()
        limits = [worker["memory_limit"] for worker in workers if worker["memory_limit"]]
        if limits and min(limits) < needed:
            raise ValueError(
                f"a sub-model's training needs about {needed / 2**30:.2g} GiB, but a worker may "
                f"use {min(limits) / 2**30:.2g} GiB; use more sub-models, or larger workers"
            )

    def forget(self, run: str) -> None:
        """Drop it on all workers that there are."""
        with contextlib.suppress(Exception):  # the cluster may be what has ended the run
            self.client.run(forget_run, run, on_error="ignore")
