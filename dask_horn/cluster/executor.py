"""What a run asks of the place where its tasks are done."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dask.delayed import Delayed

from dask_horn.cluster.placement import Placement
from dask_horn.kernels.device import DeviceState, Kernels
from dask_horn.records import Event


class Executor(Protocol):
    """Where the tasks of a run are done."""

    rounds_ahead: int  #: rounds that are submitted before the first of them is done
    cuts_lineage: bool  #: whether what ran before can run again, unless it is cut off

    def scheduling(self) -> contextlib.AbstractContextManager[None]:
        """Have the Dask collections of users computed here too, for the time of a run."""

    def prepare(self) -> None:
        """Wait until there is a worker; have all of them tell what happens there."""

    def recover(self) -> None:
        """Be ready for tasks again after an error that was the cluster's.

        Raises
        ------
        SchedulerLostError
            If that cannot be.
        """

    def warm_up(self, kernels: Kernels) -> None:
        """Have `kernels` compiled or loaded on every worker, and on those that join later.

        But for workers that cannot use their device.
        """

    def submit(self, *tasks: Delayed) -> tuple[Any, ...]:
        """Begin tasks; return what later tasks may take as their arguments."""

    def wait(
        self, handles: Sequence[Any], count: int, timeout: float | None = None
    ) -> tuple[list[Any], list[Any]]:
        """Wait until `count` tasks are done, or `timeout` seconds; return those done, and not."""

    def result(self, handle: Any) -> Any:
        """Wait for a task's result and fetch it."""

    def tell(self, event: Event) -> None:
        """Tell an event to whoever watches from elsewhere."""

    def round_merged(self, event: Event, longest: float) -> None:
        """Tell whoever watches that a round is merged.

        Its longest training took so many seconds: what takes much longer may be told.
        """

    def hurry(self, seconds: float) -> None:
        """From now on give up a wait after so long without progress."""

    def cancel(self, keep: Sequence[Any] = ()) -> None:
        """Forget what is submitted and not done, but for the handles in `keep`."""

    def device_states(self, device: str) -> Mapping[str, DeviceState]:
        """Ask each worker that there is now what a device is there; by the worker's address."""

    def placement(self, n_groups: int, device: str) -> Placement:
        """Say where the sub-models of the coming round train, and on what device there.

        Wait for a worker that can use the device, if there is none.
        """

    def scratch(self, location: str | None) -> str | None:
        """Make a new folder that all workers see; return None where none is needed."""

    def check_visible(self, location: str, argument: str) -> None:
        """Raise ScratchError unless every worker sees the folder at `location`."""

    def is_visible(self, location: str) -> bool:
        """Whether every worker there is now sees a folder."""

    def n_workers(self, device: str) -> int:
        """Count the workers there are now that can train on a device; this process is one."""

    def check_memory(self, needed: int) -> None:
        """Raise ValueError if a worker has less memory than that many bytes."""

    def forget(self, run: str) -> None:
        """Drop what was decoded for a run, wherever its tasks were done."""
