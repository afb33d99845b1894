"""Where tasks run: a Dask cluster or this process, and how their workers are set up.

Two executors of one shape: `ClusterExecutor` submits to a `distributed.Client` and holds futures,
`LocalExecutor` computes at once on Dask's own scheduler in this process and holds the results.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import dask
import fsspec
from dask.delayed import Delayed

from dask_horn.data import forget
from dask_horn.errors import HornError, ScratchError, WorkerLostError
from dask_horn.kernels.device import Kernels

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = [
    "ClusterExecutor",
    "Executor",
    "LocalExecutor",
    "Placement",
    "current_executor",
]

_MODEST = 2**30  # bytes of memory that any machine has
_PATIENCE = 15.0  # seconds without a worker before that is said


#: From (group, sub-model) to the addresses of the workers that its training prefers.
Placement = Callable[[int, int], Sequence[str]]


class Executor(Protocol):
    """Where the tasks of a run are done."""

    rounds_ahead: int  #: rounds that are submitted before the first of them is done
    cuts_lineage: bool  #: whether what ran before can run again, unless it is cut off

    def submit(self, *tasks: Delayed) -> tuple[Any, ...]:
        """Begin tasks; return what later tasks may take as their arguments."""

    def result(self, handle: Any) -> Any:
        """Wait for a task's result and fetch it."""

    def placement(self, n_groups: int) -> Placement:
        """Say where the sub-models of the coming round go."""

    def scratch(self, location: str | None) -> str | None:
        """Make a new folder that all workers see; return None where none is needed."""

    def check_visible(self, location: str, argument: str) -> None:
        """Raise ScratchError unless every worker sees the folder at `location`."""

    def check_memory(self, needed: int) -> None:
        """Raise ValueError if a worker has less memory than that many bytes."""

    def cancel(self, keep: Sequence[Any] = ()) -> None:
        """Forget what is submitted and not done, but for the handles in `keep`."""

    def forget(self, run: str) -> None:
        """Drop what was decoded for a run, wherever its tasks were done."""

    def running(self, kernels: Sequence[Kernels]) -> contextlib.AbstractContextManager[None]:
        """Have `kernels` warmed up on every worker, for the time of a run."""


def current_executor() -> Executor:
    """Return the current Dask client's cluster, or Dask's scheduler in this process without one.

    Within a task of a Dask worker everything runs in that task, one after the other: never a
    second pool of threads.
    """
    distributed = sys.modules.get("distributed")
    if distributed is not None and _inside_task():
        return LocalExecutor("sync")
    configured = dask.config.get("scheduler", None)
    if configured not in (None, "distributed", "dask.distributed"):
        return LocalExecutor(configured)
    if distributed is not None:  # where it was never imported there is no client
        with contextlib.suppress(ValueError):
            return ClusterExecutor(distributed.default_client())
    return LocalExecutor("threads")


def _inside_task() -> bool:
    """Whether this code runs in a task of a Dask worker."""
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True


_settings = contextlib.ExitStack()
_n_runs = 0
_settings_lock = threading.Lock()


@contextlib.contextmanager
def _scheduled_by(scheduler: Any) -> Iterator[None]:
    """Dask's scheduler holds for the whole process, which may have several runs.

    The first of them sets it and the last restores it: a worker's threads may each fit one of a
    grid search's estimators, and end in any order.
    """
    global _n_runs
    with _settings_lock:
        if not _n_runs:
            _settings.enter_context(dask.config.set(scheduler=scheduler))
        _n_runs += 1
    try:
        yield
    finally:
        with _settings_lock:
            _n_runs -= 1
            if not _n_runs:
                _settings.close()


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
        self._folder: str | None = None

    def submit(self, *tasks: Delayed) -> tuple[Any, ...]:
        """Compute the tasks; their results stand in for them in later graphs."""
        results = dask.compute(*tasks, scheduler=self._scheduler, optimize_graph=False)
        return tuple(
            dask.delayed(result, name=(*_as_tuple(task.key), "done"), traverse=False)
            for task, result in zip(tasks, results, strict=True)
        )

    def result(self, handle: Any) -> Any:
        """Return what was computed."""
        return handle.compute(scheduler="sync", optimize_graph=False)

    def placement(self, n_groups: int) -> Placement:
        """Nowhere in particular."""
        return lambda group, submodel: ()

    def scratch(self, location: str | None) -> str | None:
        """No folder: this process' memory serves, unless other processes do the work."""
        if self._scheduler in ("processes", "multiprocessing"):
            return _new_folder(location or tempfile.gettempdir())
        return None

    def check_visible(self, location: str, argument: str) -> None:
        """Every folder is visible: all work is done on this machine."""

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

    def cancel(self, keep: Sequence[Any] = ()) -> None:
        """Nothing waits."""

    def forget(self, run: str) -> None:
        """Drop it in this process."""
        forget(run)

    @contextlib.contextmanager
    def running(self, kernels: Sequence[Kernels]) -> Iterator[None]:
        """Let this scheduler be Dask's own, until the run is over."""
        with _scheduled_by(self._scheduler):
            yield


class ClusterExecutor:
    """Submits to the cluster of a `distributed.Client`, and keeps the futures."""

    cuts_lineage = True
    rounds_ahead = 3

    def __init__(self, client: Client) -> None:
        self.client = client
        self._pending: list[Future] = []

    def submit(self, *tasks: Delayed) -> tuple[Any, ...]:
        """Submit the tasks together, to be done before any that is submitted later.

        Else what is submitted within a minute is one lot to Dask, and a round's report may wait
        for the next round's training.
        """
        futures = self.client.compute(list(tasks), optimize_graph=False, fifo_timeout="0s")
        self._pending = [future for future in self._pending if not future.done()]
        self._pending.extend(futures)
        return tuple(futures)

    def result(self, handle: Any) -> Any:
        """Wait for a future; say so where there is no worker to do it."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            with contextlib.suppress(TimeoutError):
                return handle.result(timeout=_PATIENCE)
            self._wait_for_a_worker()
            return handle.result()
        except KilledWorker as error:
            raise WorkerLostError(
                f"a task lost its worker more often than Dask allows ({error}); look for what "
                "killed the workers, such as memory, in their logs"
            ) from error
        except FutureCancelledError as error:
            raise HornError(f"the cluster gave up a task of this run: {error}") from error

    def placement(self, n_groups: int) -> Placement:
        """Spread the groups over the workers there are now, and each group over its workers.

        Takes then stay beside the parent, decoded chunks are shared, and trainings start at once.
        """
        workers = self._workers()

        def prefer(group: int, submodel: int) -> Sequence[str]:
            if not workers:
                return ()
            if len(workers) <= n_groups:  # dealt in turn: equally many for each, give or take one
                return [workers[(submodel * n_groups + group) % len(workers)]]
            own = workers[group::n_groups]
            return [own[submodel % len(own)]]

        return prefer

    def _workers(self) -> list[str]:
        """Return the addresses of the workers there are now, in a fixed order."""
        return sorted(self.client.scheduler_info(n_workers=-1)["workers"])

    def _wait_for_a_worker(self) -> None:
        """Return when there is a worker; say so where none comes soon."""
        with contextlib.suppress(TimeoutError):
            self.client.wait_for_workers(1, timeout=_PATIENCE)
            return
        warnings.warn(
            f"the cluster at {self.client.scheduler.address} has no workers yet; waiting for one",
            stacklevel=2,
        )
        self.client.wait_for_workers(1)

    def scratch(self, location: str | None) -> str:
        """Make a new folder under `location`, Dask's temporary directory, or the system's."""
        base = location or dask.config.get("temporary-directory", None) or tempfile.gettempdir()
        folder = _new_folder(base)
        try:
            self.check_visible(folder, "scratch")
        except ScratchError:
            remove_folder(folder)
            raise
        return folder

    def check_visible(self, location: str, argument: str) -> None:
        """Write a marker and let every worker look for it."""
        self._wait_for_a_worker()
        marker = f"{location}/.seen-{secrets.token_hex(4)}"
        filesystem, path = fsspec.url_to_fs(marker)
        filesystem.makedirs(location_path(location), exist_ok=True)
        filesystem.pipe_file(path, b"")
        try:
            seen = self.client.run(_exists, marker)
        finally:
            filesystem.rm_file(path)
        blind = [worker for worker, sees in seen.items() if not sees]
        if blind:
            raise ScratchError(
                f"{argument}={location!r} is not a folder that all workers share ({blind[0]} does "
                f"not see it); pass {argument}= a folder or URL that every worker can reach"
            )

    def check_memory(self, needed: int) -> None:
        """Compare with the smallest worker's limit."""
        info = self.client.scheduler_info(n_workers=-1)["workers"]
        limits = [worker["memory_limit"] for worker in info.values() if worker["memory_limit"]]
        if limits and min(limits) < needed:
            raise ValueError(
                f"a sub-model's training needs about {needed / 2**30:.2g} GiB, but a worker may "
                f"use {min(limits) / 2**30:.2g} GiB; use more sub-models, or larger workers"
            )

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

    def forget(self, run: str) -> None:
        """Drop it on all workers that there are."""
        with contextlib.suppress(Exception):  # the cluster may be what has ended the run
            self.client.run(forget, run, on_error="ignore")

    @contextlib.contextmanager
    def running(self, kernels: Sequence[Kernels]) -> Iterator[None]:
        """Register the workers' set-up: workers that join later get it too."""
        self.client.register_plugin(worker_setup(kernels))
        with dask.config.set(scheduler=None):
            yield


def worker_setup(kernels: Sequence[Kernels]) -> Any:
    """Return a worker plugin that has the kernels compiled or loaded."""
    from distributed import WorkerPlugin

    class WorkerSetup(WorkerPlugin):  # type: ignore[misc]
        """Prepare a worker for training tasks."""

        name = f"dask-horn-{zlib.crc32(repr(kernels).encode()):08x}"  # registering again is no work

        def setup(self, worker: Any) -> None:
            """Run on the worker, when it starts or when the plugin is registered."""
            prepare_worker(kernels)

    return WorkerSetup()


def prepare_worker(kernels: Sequence[Kernels]) -> None:
    """Compile or load the kernels; they start no threads of their own."""
    for own in kernels:
        own.warm_up()


def location_path(location: str) -> str:
    """Return the path of a location within its own file system."""
    path: str = fsspec.url_to_fs(location)[1]
    return path


def remove_folder(location: str) -> None:
    """Remove a scratch folder and all that is in it."""
    filesystem, path = fsspec.url_to_fs(location)
    try:
        filesystem.rm(path, recursive=True)
    except FileNotFoundError:
        pass
    except OSError as error:  # a worker may still be writing: no reason to hide what ended the run
        warnings.warn(
            f"the scratch folder {location} could not be removed ({error}); delete it",
            stacklevel=2,
        )


def _new_folder(base: str) -> str:
    """Create a folder of our own under `base`, a path or URL."""
    if "://" not in base:
        base = str(Path(base).absolute())
    folder = f"{base.rstrip('/')}/dask-horn-{os.getpid()}-{secrets.token_hex(4)}"
    filesystem, path = fsspec.url_to_fs(folder)
    filesystem.makedirs(path, exist_ok=True)
    return folder


def _exists(location: str) -> bool:
    """Whether this process sees a file."""
    filesystem, path = fsspec.url_to_fs(location, use_listings_cache=False)
    found: bool = filesystem.exists(path)
    return found


def _as_tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)
