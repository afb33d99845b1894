"""Which workers a run has lost, and which of its tasks with them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from dask_horn.cluster.keys import belongs, stage_of
from dask_horn.errors import SchedulerLostError
from dask_horn.records import TaskLost

if TYPE_CHECKING:
    from dask_horn.cluster.watch import Watch

_NAMED = 5  # lost workers that a message names
_ANSWER = 5.0  # seconds for the scheduler's events

logger = logging.getLogger("dask_horn")


class Losses:
    """Tells a run's lost tasks, once a worker is seen to be gone.

    Parameters
    ----------
    watch : Watch
        Of the run; from now on it tells this which workers there are.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._known: set[str] = set()
        self._read = 0.0  # the scheduler's events until then
        self._lost: list[str] = []
        watch.look_after = self.look

    def look(self, workers: Collection[str]) -> None:
        """Look at the workers there are now: if one has gone, ask what has gone with it."""
        gone = self._known - set(workers)
        self._known = set(workers)
        if not gone or not self._watch.run:
            return
        with contextlib.suppress(TimeoutError, SchedulerLostError):
            for time, message in self._watch.scheduler_says("events", _ANSWER, topic="all"):
                if time > self._read and message.get("action") == "remove-worker":
                    self._read = time
                    self._tell(message)

    def lost_workers(self) -> str:
        """Name the workers that were lost, for a message."""
        if not self._lost:
            return ""
        more = ", …" if len(self._lost) > _NAMED else ""
        return f" (workers lost so far: {', '.join(self._lost[-_NAMED:])}{more})"

    def _tell(self, message: dict[str, Any]) -> None:
        worker, run = message["worker"], self._watch.run
        keys = {*message["processing-tasks"], *message["lost-computed-tasks"]}
        own = [key for key in keys if belongs(key, run)]
        if not own:
            return
        self._lost.append(worker)
        logger.warning(
            "Worker %s is gone; what it was doing (%d tasks of this run) is done again elsewhere",
            worker,
            len(own),
        )
        for key in own:
            stage, place = stage_of(key, run)
            event = TaskLost(run=run, worker=worker, stage=stage, place=place)
            self._watch.post(event)
            self._watch.notify_of(event)
