"""Reaching a cluster whose workers and scheduler may die: asking again, saying what was lost."""

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

from dask_horn.cluster.losses import Losses
from dask_horn.cluster.watch import Watch
from dask_horn.errors import HornError, SchedulerLostError, WaitTimeoutError, WorkerLostError

if TYPE_CHECKING:
    from distributed import Client, WorkerPlugin

_TRIES = 5  # to reach all workers, or to have samples looked at, while workers are dying

logger = logging.getLogger("dask_horn")


@dataclass(eq=False)
class Reach:
    """Asks a cluster on behalf of one run.

    Attributes
    ----------
    client : Client
    watch : Watch
        Waits for the answers.
    losses : Losses
        Knows which workers the run has lost.
    """

    client: Client
    watch: Watch
    losses: Losses
    _plugins: list[WorkerPlugin] = field(default_factory=list)

    def compute(self, graph: Any, keys: Any, **arguments: Any) -> Any:
        """Compute a graph as `Client.get` does; again where the cluster was lost over it."""
        for attempt in itertools.count(1):
            try:
                return self._computed(graph, keys, arguments)
            except (WorkerLostError, SchedulerLostError) as error:
                if attempt == _TRIES:
                    raise
                logger.warning("%s. It is done again", error)
                self.recover()

    def _computed(self, graph: Any, keys: Any, arguments: Mapping[str, Any]) -> Any:
        what = "the samples"
        with self.naming_losses(what):
            futures = self.client.get(graph, keys, sync=False, **arguments)
            gathering = asyncio.run_coroutine_threadsafe(
                self.client.gather(futures, asynchronous=True), self.client.loop.asyncio_loop
            )

            def gathered(seconds: float) -> bool:
                return bool(wait_for_calls([gathering], seconds).done)

            try:
                self.watch.until(gathered, what)
                return gathering.result()
            finally:
                gathering.cancel()

    def register(self, plugin: WorkerPlugin, what: str) -> None:
        """Set up all workers, and those that join later."""
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
        self.watch.for_a_worker()
        plugins, self._plugins = self._plugins, []
        for plugin in plugins:
            self.register(plugin, "the workers' set-up")

    def _ask(self, call: Callable[[], Any], what: str) -> Any:
        """Ask all workers something; again if one has died over it."""
        for attempt in itertools.count(1):
            try:
                return self.watch.ask(call, what)
            except HornError:
                raise
            except OSError as error:
                if self.client.status != "running":
                    raise self.watch.lost_scheduler(error) from error
                if attempt == _TRIES:
                    raise HornError(f"a worker failed when asked for {what} ({error})") from error
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
                f"no worker that may do {what} has come within the {error.timeout:g} seconds that "
                "the cluster's setting distributed.scheduler.no-workers-timeout allows; start "
                "workers, then start the run again, which goes on from its checkpoint"
            ) from error
        except KilledWorker as error:
            raise WorkerLostError(
                f"{what} has lost its worker more often than Dask allows, the last time "
                f"{error.last_worker.address}{self.losses.others()}; look for what ends the "
                "workers, such as memory, in their logs"
            ) from error
        except CancelledError as error:
            raise self.watch.lost_scheduler(error) from error
        except (OSError, RuntimeError) as error:
            if self.client.status == "running":  # then it is the task's own
                raise
            raise self.watch.lost_scheduler(error) from error
