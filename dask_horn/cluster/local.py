"""Tasks that are done in this process, on one of Dask's own schedulers."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from typing import Any

import dask
from dask.delayed import Delayed

from dask_horn.cluster.devices import state_of
from dask_horn.cluster.folders import new_folder
from dask_horn.cluster.placement import Placement, Seat, spread
from dask_horn.data import computed_by, forget
from dask_horn.kernels.device import DeviceState, Kernels
from dask_horn.kernels.device import forget as forget_on_devices
from dask_horn.records import Event, doing, forget_beats

_PROCESSES = ("processes", "multiprocessing")  # names of Dask's scheduler of other processes
_MODEST = 2**30  # bytes of memory that any machine has


class LocalExecutor:
    """Computes in this process as soon as a task is submitted, on one of Dask's own schedulers.

    Parameters
    ----------
    scheduler : str or callable
        As `dask.compute` takes it: "threads", "sync", "processes".
    """

    rounds_ahead = 1
    cuts_lineage = False

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._states: dict[str, DeviceState] = {}

    def scheduling(self) -> contextlib.AbstractContextManager[None]:
        """Compute collections on the same scheduler."""
        return computed_by(self._scheduler)

    def prepare(self) -> None:
        """Nothing: nobody is told."""

    def recover(self) -> None:
        """Nothing: there is no cluster to be lost."""

    def warm_up(self, kernels: Kernels) -> None:
        """Compile or load them in this process, unless others do the work.

        Their first task that needs a kernel gets it ready.
        """
        if self._scheduler not in _PROCESSES:
            with doing("compiling kernels, or loading them"):
                kernels.warm_up()

    def submit(self, *tasks: Delayed) -> tuple[Any, ...]:
        """Compute the tasks; their results stand in for them in later graphs."""
        results = dask.compute(*tasks, scheduler=self._scheduler, optimize_graph=False)
        return tuple(
            dask.delayed(result, name=(*_as_tuple(task.key), "done"), traverse=False)
            for task, result in zip(tasks, results, strict=True)
        )

    def wait(
        self, handles: Sequence[Any], count: int, timeout: float | None = None
    ) -> tuple[list[Any], list[Any]]:
        """Return at once: what is submitted is done."""
        return list(handles), []

    def result(self, handle: Any) -> Any:
        """Return what was computed."""
        return handle.compute(scheduler="sync", optimize_graph=False)

    def tell(self, event: Event) -> None:
        """Nothing: nobody watches from elsewhere."""

    def round_merged(self, event: Event, longest: float) -> None:
        """Nothing: nobody watches from elsewhere."""

    def hurry(self, seconds: float) -> None:
        """Nothing: nothing is waited for."""

    def cancel(self, keep: Sequence[Any] = ()) -> None:
        """Do nothing: nothing waits."""

    def device_states(self, device: str) -> dict[str, DeviceState]:
        """Ask this process, once: what a run holds in a device's memory is not to count."""
        if device not in self._states:
            self._states[device] = state_of(device)
        return {"this process": self._states[device]}

    def placement(self, n_groups: int, device: str) -> Placement:
        """Prefer nothing: there is one worker."""
        (state,) = self.device_states(device).values()
        return spread([Seat(None, device, state.memory)], n_groups)

    def scratch(self, location: str | None) -> str | None:
        """No folder: this process' memory serves, unless other processes do the work."""
        if self._scheduler in _PROCESSES:
            return new_folder(location or tempfile.gettempdir())
        return None

    def check_visible(self, location: str, argument: str) -> None:
        """Every folder is visible: all work is done on this machine."""

    def is_visible(self, location: str) -> bool:
        """Return True: all work is done on this machine."""
        return True

    def n_workers(self, device: str) -> int:
        """Count this process, whatever threads it has."""
        return 1

    def check_memory(self, needed: int) -> None:
        """Compare with what this machine has, or leaves to this process."""
        if needed < _MODEST:
            return
        from distributed.system import MEMORY_LIMIT  # takes half a second that small runs spare

        if needed > MEMORY_LIMIT:
            raise ValueError(
                f"a sub-model's training needs about {needed / 2**30:.2g} GiB, but this machine "
                f"has {MEMORY_LIMIT / 2**30:.2g} GiB; use more sub-models or smaller batches"
            )

    def forget(self, run: str) -> None:
        """Drop it in this process."""
        forget_run(run)


def forget_run(run: str) -> None:
    """Drop what was decoded for a run in this process, and what its devices keep for it."""
    forget(run)
    forget_on_devices(run)
    forget_beats(run)


def _as_tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)
