"""What workers tell: events, by a topic of the scheduler, and what they are doing just now."""

from __future__ import annotations

import sys
import time
import weakref
from dataclasses import replace
from typing import Any

from dask_horn.records import Activity, Event, set_teller

TOPIC = "dask-horn"  #: of all events, of all runs
METRIC = "dask_horn"  #: what the process is doing, beside Dask's own metrics of a worker

_workers: weakref.WeakSet[Any] = weakref.WeakSet()  # of this process: one, but in tests


def listen_on(worker: Any) -> None:
    """Pass on what is told in a worker's process, and what it is doing with each heartbeat."""
    _workers.add(worker)
    worker.metrics[METRIC] = lambda worker: Activity.now().to_dict()
    set_teller(_pass_on)


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
        worker.log_event(TOPIC, stamped(event, worker.address))


def _own_worker() -> Any:
    """Return the worker that does this task, if any."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None
