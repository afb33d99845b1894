"""What workers tell: events, by a topic of the scheduler, and what they are doing just now."""

from __future__ import annotations

import sys
import time
import weakref
from dataclasses import replace
from typing import Any

from dask_horn.records import (
    Activity,
    Event,
    StoreRetried,
    SubmodelProgress,
    TaskDone,
    set_teller,
)

TOPIC = "dask-horn"  #: of the events of all runs
PROGRESS = "dask-horn-progress"  #: of tasks, so many that they would drive others out
NOTICES = "dask-horn-notices"  #: of the few that clients listen to
METRIC = "dask_horn"  #: what a worker is doing, beside Dask's own metrics of it

_TASKS = 8  # that a worker says it is doing, at most

_workers: weakref.WeakSet[Any] = weakref.WeakSet()  # of this process: one, but in tests


def listen_on(worker: Any) -> None:
    """Pass on what is told in a worker's process; send what it is doing with each heartbeat."""
    _workers.add(worker)
    worker.metrics[METRIC] = _doings_of
    set_teller(_pass_on)


def _doings_of(worker: Any) -> dict[str, Any]:
    """Return the process' activity, and for how long the worker has been at which tasks."""
    from distributed.metrics import time as now  # the clock of a task's start

    tasks = {
        key: now() - (task.start_time or now())
        for key in tuple(worker.active_keys)
        if (task := worker.state.tasks.get(key)) is not None
    }
    longest = sorted(tasks.items(), key=lambda one: -one[1])[:_TASKS]
    return {**Activity.now().to_dict(), "tasks": longest}


def here() -> str:
    """Return the address of the worker that does this task; empty without a cluster."""
    worker = _own_worker()
    return "" if worker is None else str(worker.address)


def stamped(event: Event, worker: str = "") -> dict[str, Any]:
    """Return an event as it travels: with the time, and the worker unless it has one."""
    return replace(event, worker=event.worker or worker, time=time.time()).to_dict()


def _pass_on(event: Event) -> None:
    # A thread that reads ahead belongs to no task; a closed worker passes nothing on.
    worker = _own_worker() or next((one for one in _workers if one.status.name == "running"), None)
    if worker is not None:
        worker.log_event(_topics_of(event), stamped(event, worker.address))


def _topics_of(event: Event) -> list[str]:
    if isinstance(event, SubmodelProgress | TaskDone):
        return [PROGRESS]
    return [TOPIC, NOTICES] if isinstance(event, StoreRetried) else [TOPIC]


def _own_worker() -> Any:
    """Return the worker that does this task, if any."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None
