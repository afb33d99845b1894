"""Which workers a run has lost, and which of its tasks with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from dask_horn.cluster.keys import belongs, stage_of
from dask_horn.cluster.telling import TOPIC, stamped
from dask_horn.records import Event, TaskLost

if TYPE_CHECKING:
    from distributed import Client

_NAMED = 5  # lost workers that a message names

logger = logging.getLogger("dask_horn")


class Losses:
    """Tells a run's lost tasks, once a worker is seen to be gone.

    Parameters
    ----------
    client : Client
    run : str
        The run's id.
    hear : callable
        Is told of each lost task.
    """

    def __init__(self, client: Client, run: str, hear: Callable[[Event], None]) -> None:
        self._client, self._run, self._hear = client, run, hear
        self._known: set[str] = set()
        self._read = 0.0  # the scheduler's events until then
        self._lost: list[str] = []

    def look(self, workers: Collection[str]) -> None:
        """Look at the workers there are now: if one has gone, ask what has gone with it."""
        gone = self._known - set(workers)
        self._known = set(workers)
        if gone and self._run:
            for time, message in self._client.get_events("all"):
                if time > self._read and message.get("action") == "remove-worker":
                    self._read = time
                    self._tell(message)

    def others(self) -> str:
        """Name the workers that were lost, for a message."""
        if not self._lost:
            return ""
        more = ", …" if len(self._lost) > _NAMED else ""
        return f" (workers lost so far: {', '.join(self._lost[-_NAMED:])}{more})"

    def _tell(self, message: dict[str, Any]) -> None:
        worker = message["worker"]
        keys = {*message["processing-tasks"], *message["lost-computed-tasks"]}
        own = [key for key in keys if belongs(key, self._run)]
        if not own:
            return
        self._lost.append(worker)
        logger.warning(
            "Worker %s is gone; what it was doing (%d tasks of this run) is done again elsewhere",
            worker,
            len(own),
        )
        for key in own:
            stage, place = stage_of(key, self._run)
            event = TaskLost(run=self._run, worker=worker, stage=stage, place=place)
            self._hear(event)
            self._client.log_event(TOPIC, stamped(event))
