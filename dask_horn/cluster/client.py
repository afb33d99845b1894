"""Tasks that are done on a Dask cluster."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import wait as wait_for_calls
from typing import TYPE_CHECKING, Any

import dask
from dask.delayed import Delayed

from dask_horn.cluster.calls import ClusterCalls
from dask_horn.cluster.devices import HOST, reasons, state_of, usable
from dask_horn.cluster.folders import exists, marker, new_folder, remove_folder
from dask_horn.cluster.local import forget_run
from dask_horn.cluster.losses import Losses
from dask_horn.cluster.notices import Notices
from dask_horn.cluster.page import begin_to_show
from dask_horn.cluster.placement import Placement, Seat, spread
from dask_horn.cluster.watch import Watch, begun, done_within
from dask_horn.data import computed_by
from dask_horn.errors import ScratchError, StoreError, WorkerLostError
from dask_horn.kernels.device import DeviceState, Kernels
from dask_horn.records import Event, Preparing

if TYPE_CHECKING:
    from distributed import Client, Future

# Parameters travel in a graph only where nothing else would do.
_NO_GRAPH_IS_LARGE = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}

_PARTING = 5.0  # seconds for the workers to forget a run
_PLACEMENTS = 8  # that tasks may still be restricted by


class ClusterExecutor:
    """Submits to the cluster of a `distributed.Client`, and keeps the futures.

    Parameters
    ----------
    client : Client
    run : str, optional
        The run's id; empty for what is no run.
    notify : callable, optional
        Is told of each event: waits, and what is lost.
    timeout : float, optional
        Seconds without progress after which a wait gives up.
    """

    cuts_lineage = True
    rounds_ahead = 3

    def __init__(
        self,
        client: Client,
        run: str = "",
        notify: Callable[[Event], None] = lambda event: None,
        timeout: float | None = None,
    ) -> None:
        self.client = client
        self.watch = watch = Watch(client, run, notify, timeout)
        self._calls = ClusterCalls(client, watch, Losses(watch), Notices(watch))
        self._pending: list[Future] = []
        self._is_prepared = False
        self._states: dict[str, dict[str, DeviceState]] = {}  # by device, then by worker
        # Of the last placements: the workers that have the device.
        self._restricted: deque[frozenset[str]] = deque(maxlen=_PLACEMENTS)

    def scheduling(self) -> contextlib.AbstractContextManager[None]:
        """Compute collections on the cluster."""
        return computed_by(self._calls.compute)

    def prepare(self) -> None:
        """Show the page; wait for a worker; have all report what happens on them, late ones too."""
        from dask_horn.cluster.setup import WorkerReports

        begin_to_show(self.client)
        self._calls.for_a_worker(self._say_if_setting_up)
        self._is_prepared = True
        self._calls.register(WorkerReports(), "the workers' answer")
        self._calls.notices.subscribe()

    def _say_if_setting_up(self) -> None:
        """Say that a worker is awaited; later a wait is told by the watch, and why."""
        if not self._is_prepared:
            event = Preparing(run=self.watch.run, what="waiting for a worker")
            self.watch.post(event)
            self.watch.notify_of(event)

    def warm_up(self, kernels: Kernels) -> None:
        """Register the workers' set-up: workers that join later get it too."""
        from dask_horn.cluster.setup import WorkerSetup

        self._calls.register(WorkerSetup(kernels), "the workers' kernels")

    def recover(self) -> None:
        """Let go of all tasks; wait until the scheduler is there, and set it up if it is new."""
        self.cancel()
        self._restricted.clear()
        self._calls.recover()
        begin_to_show(self.client)

    def hurry(self, seconds: float) -> None:
        """From now on, for the run is to stop, give up a wait after so long without progress."""
        self.watch.timeout = min(seconds, self.watch.timeout or seconds)
        self.watch.may_stop = False

    def submit(self, *tasks: Delayed) -> tuple[Any, ...]:
        """Submit the tasks together, to be done before any that is submitted later.

        Else what is submitted within a minute is one lot to Dask, and a round's report may wait
        for the next round's training.
        """
        with self._calls.naming_losses("a task"), dask.config.set(_NO_GRAPH_IS_LARGE):
            futures = self.client.compute(list(tasks), optimize_graph=False, fifo_timeout="0s")
        self._pending = [future for future in self._pending if not future.done()]
        self._pending.extend(futures)
        return tuple(futures)

    def wait(
        self, handles: Sequence[Any], count: int, timeout: float | None = None
    ) -> tuple[list[Any], list[Any]]:
        """Wait until so many futures are done, failed or not: `result` tells what has failed."""
        deadline = None if timeout is None else time.monotonic() + timeout
        enough = min(count, len(handles))

        def over(seconds: float) -> bool:
            left = seconds if deadline is None else min(seconds, deadline - time.monotonic())
            if done_within(self.client, handles, enough, max(0.0, left)):
                return True
            self._check_devices()
            return deadline is not None and time.monotonic() >= deadline

        with self._calls.naming_losses("trainings"):
            self.watch.until(over, "trainings", for_a_task=True)
        done = [handle for handle in handles if handle.done()]
        return done, [handle for handle in handles if handle not in done]

    def result(self, handle: Any) -> Any:
        """Wait for a future, with a word where that takes long."""
        return self._calls.result(handle, self._check_devices)

    def tell(self, event: Event) -> None:
        """Tell it by the scheduler's topic."""
        self.watch.post(event)

    def round_merged(self, event: Event, longest: float) -> None:
        """Tell that a round is merged, and how long its longest training took, in seconds."""
        self.watch.diagnosis.longest["train"] = longest
        self.watch.post(event)

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
        self._calls.for_a_worker(self._say_if_setting_up)
        known = self._states.setdefault(device, {})
        workers = sorted(self.watch.workers())
        new = [worker for worker in workers if worker not in known]
        if new:
            said = self._calls.on_workers(state_of, device, workers=new)
            for worker, state in said.items():
                failed = isinstance(state, BaseException)
                known[worker] = DeviceState(device, "", missing=repr(state)) if failed else state
        return {worker: known[worker] for worker in workers if worker in known}

    def placement(self, n_groups: int, device: str) -> Placement:
        """Spread the groups over the workers there are now that have the device, in fixed order."""
        if device == HOST:
            workers = sorted(self.watch.workers())
            return spread([Seat(worker) for worker in workers] or [Seat()], n_groups)
        found = self._having(device)
        among = tuple(found)
        self._restricted.append(frozenset(among))
        seats = [Seat(worker, device, state.memory, among) for worker, state in found.items()]
        return spread(seats, n_groups)

    def _having(self, device: str) -> dict[str, DeviceState]:
        """Return the workers that can use a device, of which there is at least one: wait for it."""
        states = self.device_states(device)

        def there(seconds: float) -> bool:
            if not usable(states):
                time.sleep(min(seconds, 0.5))
                states.update(self.device_states(device))
            return bool(usable(states))

        def why() -> str:
            said = reasons(states)
            return f"no worker is left that can use it{f' ({said})' if said else ''}; start one"

        self.watch.until(there, f"a worker with device={device!r}", because=why)
        return usable(self.device_states(device)) or self._having(device)

    def _check_devices(self) -> None:
        """Raise an error if there is none left of the workers that tasks were restricted to.

        Others that have the device may have come, but Dask would leave these tasks waiting.
        """
        if self._restricted:
            workers = self.watch.workers()
            if not all(among & set(workers) for among in self._restricted):
                raise WorkerLostError("all workers are gone that had the device for some tasks")

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
        blind = self._blind(location, argument)
        if blind:
            raise ScratchError(
                f"{argument}={location!r} is not a folder that all workers share ({blind} does "
                f"not see it); pass {argument}= a folder or URL that every worker can reach"
            )

    def is_visible(self, location: str) -> bool:
        """Whether every worker there is now sees a folder."""
        return not self._blind(location, "scratch")

    def _blind(self, location: str, argument: str) -> str:
        """Return a worker that does not see what this process writes to a folder; else nothing."""
        with marker(location, argument) as file:
            seen = self._calls.on_some_workers(exists, file, argument)
        for answer in seen.values():
            if isinstance(answer, StoreError):  # any other error is that of a worker that has died
                raise answer
        return next((worker for worker, sees in seen.items() if sees is False), "")

    def n_workers(self, device: str) -> int:
        """Count the workers there are now; those that have the device, where it is not the host."""
        if device == HOST:
            return len(self.watch.workers())
        return len(usable(self.device_states(device)))

    def check_memory(self, needed: int) -> None:
        """Compare with the smallest worker's limit."""
        workers = self.watch.workers().values()
        limits = [worker["memory_limit"] for worker in workers if worker["memory_limit"]]
        if limits and min(limits) < needed:
            raise ValueError(
                f"a sub-model's training needs about {needed / 2**30:.2g} GiB, but a worker may "
                f"use {min(limits) / 2**30:.2g} GiB; use more sub-models, or larger workers"
            )

    def forget(self, run: str) -> None:
        """Drop it on all workers that there are and that answer soon."""
        forgetting = begun(lambda: self.client.run(forget_run, run, on_error="ignore"))
        wait_for_calls([forgetting], _PARTING)
