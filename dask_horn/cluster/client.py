"""Tasks that are done on a Dask cluster."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import dask
from dask.delayed import Delayed

from dask_horn.cluster.devices import HOST, none_is_left, state_of, usable
from dask_horn.cluster.folders import exists, marker, new_folder, remove_folder
from dask_horn.cluster.keys import in_words
from dask_horn.cluster.local import forget_run
from dask_horn.cluster.losses import Losses
from dask_horn.cluster.placement import Placement, Seat, spread
from dask_horn.cluster.reach import Reach
from dask_horn.cluster.telling import NOTICES, TOPIC, stamped
from dask_horn.cluster.watch import Watch, done_within
from dask_horn.data import computed_by
from dask_horn.errors import ScratchError, StoreError
from dask_horn.kernels.device import DeviceState, Kernels
from dask_horn.records import Event, ReadRetried

if TYPE_CHECKING:
    from distributed import Client, Future

# Parameters travel in a graph only where nothing else would do.
_NO_GRAPH_IS_LARGE = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}

logger = logging.getLogger("dask_horn")


class ClusterExecutor:
    """Submits to the cluster of a `distributed.Client`, and keeps the futures.

    Parameters
    ----------
    client : Client
    run : str, optional
        The run's id; empty for what is no run.
    hear : callable, optional
        Is told of each event: waits, and what is lost.
    timeout : float, optional
        Seconds without any sign of progress, after which a wait ends in vain.
    """

    cuts_lineage = True
    rounds_ahead = 3

    def __init__(
        self,
        client: Client,
        run: str = "",
        hear: Callable[[Event], None] = lambda event: None,
        timeout: float | None = None,
    ) -> None:
        self.client = client
        self.watch = Watch(client, run, hear, timeout)
        self._losses = Losses(client, run, hear)
        self._reach = Reach(client, self.watch, self._losses)
        self._pending: list[Future] = []
        self._notices: deque[Any] = deque()  # that Dask's thread leaves for this one
        self._states: dict[str, dict[str, DeviceState]] = {}  # by device, then by worker
        self._retried = False
        self._restricted: tuple[str, tuple[str, ...]] | None = None  # device, and who has it

    def scheduling(self) -> contextlib.AbstractContextManager[None]:
        """Compute collections on the cluster."""
        return computed_by(self._reach.compute)

    def prepare(self) -> None:
        """Have workers tell what happens on them, those that join later too."""
        from dask_horn.cluster.setup import WorkerTells

        self._reach.register(WorkerTells(), "the workers' answer")
        self.client.subscribe_topic(NOTICES, self._notices.append)

    def warm_up(self, kernels: Kernels) -> None:
        """Register the workers' set-up: workers that join later get it too."""
        from dask_horn.cluster.setup import WorkerSetup

        self._reach.register(WorkerSetup(kernels), "the workers' kernels")

    def recover(self) -> None:
        """Let go of all tasks; wait until the scheduler is there, and set it up if it is new."""
        self.cancel()
        self._reach.recover()

    def submit(self, *tasks: Delayed) -> tuple[Any, ...]:
        """Submit the tasks together, to be done before any that is submitted later.

        Else what is submitted within a minute is one lot to Dask, and a round's report may wait
        for the next round's training.
        """
        with self._reach.naming_losses("a task"), dask.config.set(_NO_GRAPH_IS_LARGE):
            futures = self.client.compute(list(tasks), optimize_graph=False, fifo_timeout="0s")
        self._pending = [future for future in self._pending if not future.done()]
        self._pending.extend(futures)
        return tuple(futures)

    def wait(
        self, handles: Sequence[Any], count: int, timeout: float | None = None
    ) -> tuple[list[Any], list[Any]]:
        """Wait until so many futures are done, in vain or not: what failed is told by `result`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        enough = min(count, len(handles))

        def over(seconds: float) -> bool:
            left = seconds if deadline is None else min(seconds, deadline - time.monotonic())
            _some_done(handles, enough, max(0.0, left))
            late = deadline is not None and time.monotonic() >= deadline
            n_done = sum(1 for handle in handles if handle.done())
            return late or n_done >= enough

        self.watch.until(over, "trainings", self._check_devices, for_a_task=True)
        done = [handle for handle in handles if handle.done()]
        return done, [handle for handle in handles if handle not in done]

    def result(self, handle: Any) -> Any:
        """Wait for a future, with a word where that takes long."""
        what = in_words(handle.key, self.watch.run)
        with self._reach.naming_losses(what):
            self.watch.until(
                lambda seconds: done_within(handle, seconds),
                what,
                self._check_devices,
                for_a_task=True,
            )
            result = handle.result()
        self._pass_on_notices()
        return result

    def _pass_on_notices(self) -> None:
        """Tell what workers have noticed: once, whatever number of them has."""
        while self._notices:
            event = Event.from_dict(self._notices.popleft()[1])
            if isinstance(event, ReadRetried) and not self._retried:
                self._retried = True
                logger.warning("%s (on %s)", event.message, event.worker)
            self.watch.hear(event)

    def usual(self, seconds: float) -> None:
        """Note how long trainings take: what takes much longer is told."""
        self.watch.sight.usual = seconds

    def tell(self, event: Event) -> None:
        """Tell an event to whoever follows the scheduler's topic."""
        with contextlib.suppress(OSError):  # a lost scheduler is told by what waits for it
            self.client.log_event(TOPIC, stamped(event))

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
        self.watch.for_a_worker()
        known = self._states.setdefault(device, {})
        workers = sorted(self.watch.workers())
        new = [worker for worker in workers if worker not in known]
        if new:
            said = self._reach.on_workers(state_of, device, workers=new)
            for worker, state in said.items():
                failed = isinstance(state, BaseException)
                known[worker] = DeviceState(device, "", missing=repr(state)) if failed else state
        return {worker: known[worker] for worker in workers if worker in known}

    def placement(self, n_groups: int, device: str) -> Placement:
        """Spread the groups over the workers there are now that have the device, in fixed order."""
        workers = self.watch.workers()
        self._losses.look(workers)
        if device == HOST:
            return spread([Seat(worker) for worker in sorted(workers)] or [Seat()], n_groups)
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
            if not set(among) & set(self.watch.workers()):
                raise none_is_left(device, {})

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
        self.watch.for_a_worker()
        with marker(location, argument) as file:
            seen = self._reach.on_workers(exists, file, argument)
        for answer in seen.values():
            if isinstance(answer, StoreError):  # any other error is that of a worker that has died
                raise answer
        return next((worker for worker, sees in seen.items() if sees is False), "")

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
        """Drop it on all workers that there are."""
        with contextlib.suppress(Exception):  # the cluster may be what has ended the run
            self.client.run(forget_run, run, on_error="ignore")


def _some_done(handles: Sequence[Any], enough: int, seconds: float) -> None:
    """Wait until so many futures are done, but no longer than that."""
    from distributed import wait

    deadline = time.monotonic() + seconds
    while sum(handle.done() for handle in handles) < enough:
        pending = [handle for handle in handles if not handle.done()]
        left = deadline - time.monotonic()
        if left <= 0:
            return
        with contextlib.suppress(TimeoutError):
            wait(pending, timeout=left, return_when="FIRST_COMPLETED")
