"""Calls to a cluster whose workers and scheduler may die: made again, and told what was lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import wait as wait_for_calls
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dask_horn.cluster.keys import in_words
from dask_horn.cluster.losses import Losses
from dask_horn.cluster.notices import Notices
from dask_horn.cluster.watch import Watch, done_within
from dask_horn.errors import HornError, SchedulerLostError, WaitTimeoutError, WorkerLostError

if TYPE_CHECKING:
    from distributed import Client, WorkerPlugin

_TRIES = 5  # to reach all workers while some are dying
_SURVEYS = 2  # of the samples: what kills a worker may kill all

logger = logging.getLogger("dask_horn")


@dataclass(eq=False)
class ClusterCalls:
    """Calls a cluster on behalf of one run.

    Attributes
    ----------
    client : Client
    watch : Watch
        Waits for the answers.
    losses : Losses
        Knows which workers the run has lost.
    notices : Notices
        What workers have to say.
    """

    client: Client
    watch: Watch
    losses: Losses
    notices: Notices
    _plugins: list[WorkerPlugin] = field(default_factory=list)

    def compute(self, graph: Any, keys: Any, **arguments: Any) -> Any:
        """Compute a graph as `Client.get` does; again if the cluster was lost over it."""
        for attempt in itertools.count(1):
            try:
                return self._computed(graph, keys, arguments)
            except (WorkerLostError, SchedulerLostError) as error:
                if attempt == _SURVEYS:
                    raise
                logger.warning("%s; trying again", error)
                self.recover()

    def _computed(self, graph: Any, keys: Any, arguments: Mapping[str, Any]) -> Any:
        what = "the samples"
        with self.naming_losses(what):
            futures = self.client.get(graph, keys, sync=False, **arguments)
            gathering = asyncio.run_coroutine_threadsafe(
                self.client.gather(futures, asynchronous=True), self.client.loop.asyncio_loop
            )

            def gathered(seconds: float) -> bool:
                self.notices.tell()
                return bool(wait_for_calls([gathering], seconds).done)

            try:
                self.watch.until(gathered, what)
                return gathering.result()
            finally:
                gathering.cancel()

    def result(self, future: Any, check: Callable[[], None]) -> Any:
        """Wait for a task of the run, and fetch what it returns.

        `check` is called now and then while that takes long; it may raise an error of its own.
        """
        what = in_words(future.key, self.watch.run)

        def done(seconds: float) -> bool:
            if done_within(self.client, [future], 1, seconds):
                return True
            self.notices.tell()
            check()
            return False

        with self.naming_losses(what):
            self.watch.until(done, what, for_a_task=True)
            result = future.result()
        self.notices.tell()
        return result

    def register(self, plugin: WorkerPlugin, what: str) -> None:
        """Set up all workers, and those that join later."""
        if plugin not in self._plugins:
            self._plugins.append(plugin)
        self._ask(lambda: self.client.register_plugin(plugin), what)

    def on_workers(
        self, function: Callable[..., Any], *arguments: Any, workers: list[str] | None = None
    ) -> dict[str, Any]:
        """Call a function on the workers; of one that dies meanwhile its error is the answer."""
        answers: dict[str, Any] = self._ask(
            lambda: self.client.run(function, *arguments, workers=workers, on_error="return"),
            "the workers' answer",
        )
        return answers

    def on_some_workers(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Call a function on the workers, of which there is at least one."""
        for _ in range(_TRIES):
            self.for_a_worker()
            answers = self.on_workers(function, *arguments)
            if answers:
                return answers
        raise WorkerLostError("workers leave as soon as they have come; look into their logs")

    def for_a_worker(self, say: Callable[[], None] = lambda: None) -> None:
        """Wait until there is a worker that works; one is asked for by a task.

        A cluster that adapts starts workers for tasks only. `say` is called where there is none.
        """
        workers = self.watch.workers()
        if not any(one["status"] == "running" for one in workers.values()):
            say()
            with self.naming_losses("a task"):
                asked = self.client.submit(_nothing, pure=False, key=f"worker-{time.time_ns()}")
                self.watch.until(lambda s: done_within(self.client, [asked], 1, s), "a worker")
                asked.result()

    def recover(self) -> None:
        """Wait until the scheduler is there, if need be, and tell a new one of the set-up.

        Raises
        ------
        SchedulerLostError
            If the client has given it up.
        """

        def settled(seconds: float) -> bool:
            if self.client.status == "connecting":
                time.sleep(min(seconds, 0.5))
            return bool(self.client.status != "connecting")

        self.watch.until(settled, "the scheduler")
        if self.client.status != "running":
            raise self.watch.lost_scheduler(ConnectionError(f"the client is {self.client.status}"))
        self.for_a_worker()
        for plugin in self._plugins:
            self.register(plugin, "the workers' set-up")
        self.notices.subscribe()

    def _ask(self, call: Callable[[], Any], what: str) -> Any:
        """Ask all workers something; again if one has died over it."""
        for attempt in itertools.count(1):
            answer = self.watch.ask(call, what)
            try:
                return answer.result()
            except OSError as error:
                if self.client.status != "running":
                    raise self.watch.lost_scheduler(error) from error
                if attempt == _TRIES:
                    raise WorkerLostError(
                        f"workers fail when asked for {what} ({error})"
                    ) from error
                time.sleep(0.5)
            except ModuleNotFoundError as error:
                raise HornError(
                    f"a worker has no package {error.name!r}; install dask_horn and all that it "
                    "needs on every worker"
                ) from error

    @contextlib.contextmanager
    def naming_losses(self, what: str) -> Iterator[None]:
        """Say what it means for the run that a worker or the scheduler is lost over `what`."""
        from distributed import KilledWorker
        from distributed.scheduler import NoValidWorkerError, NoWorkerError

        try:
            yield
        except HornError:
            raise
        except (NoWorkerError, NoValidWorkerError) as error:
            raise WaitTimeoutError(
                f"no worker that can run {what} has come, or none was running, within the "
                f"{error.timeout:g} s that the cluster allows "
                "(distributed.scheduler.no-workers-timeout)"
            ) from error
        except KilledWorker as error:
            self.watch.workers()  # shows `losses` who has gone
            raise WorkerLostError(
                f"the workers running {in_words(error.task, self.watch.run)} died more often than "
                f"Dask allows (distributed.scheduler.allowed-failures), the last was "
                f"{error.last_worker.address}{self.losses.lost_workers()}; check their logs, and "
                "their memory"
            ) from error
        except CancelledError as error:
            raise self.watch.lost_scheduler(error) from error
        except Exception as error:
            if self.client.status == "running":  # then it is the task's own
                raise
            raise self.watch.lost_scheduler(error) from error


def _nothing() -> None:
    """Do nothing, on any worker."""
